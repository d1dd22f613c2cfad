// Accounts in the hands of whoever has the secret key: /admin/users.

import { createHash, randomBytes } from "node:crypto";

import { banMs, checkedEmail, checkPassword, readBody } from "./body.mjs";
import { internal, invalid, notFound, unprocessable } from "./errors.mjs";
import { userJson } from "./users.mjs";

const SHAPE = {
  id: "string", aud: "string", role: "string", email: "string", phone: "string",
  password: "pointer", password_hash: "string", email_confirm: "bool", phone_confirm: "bool",
  user_metadata: "object", app_metadata: "object", ban_duration: "string",
};
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const BCRYPT = /^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$/;
const TAKEN = "A user with this email address has already been registered";

export async function createUser(ask) {
  const given = readBody(ask, SHAPE);
  if (given.email === "" && given.phone === "") {
    throw invalid("Cannot create a user without either an email or phone");
  }
  if (given.phone !== "") throw invalid("Invalid phone number format (E.164 required)");
  const email = checkedEmail(given.email);
  const user = await ask.transaction(async (store) => {
    if (await store.userWithEmail(email)) throw unprocessable("email_exists", TAKEN);
    checkNew(given);
    const made = await store.addUser({
      id: given.id || undefined,
      email,
      password: given.password || (given.password_hash ? null : randomBytes(24).toString("base64")),
      passwordHash: given.password_hash || undefined,
      data: given.user_metadata,
      app: { provider: "email", providers: ["email"] },
    }, "Database error creating new user");
    await store.addIdentity(made, "email", {
      sub: made.id, email, email_verified: false, phone_verified: false,
    });
    await store.update(made, { role: given.role || "authenticated" });
    if (given.app_metadata) await store.merge(made, "raw_app_meta_data", given.app_metadata);
    if (given.email_confirm) await store.confirm(made);
    await ban(store, made, given);
    return store.userById(made.id);
  });
  return { status: 200, body: userJson(user) };
}

function checkNew({ password, password_hash: hash, id, ban_duration: ban }) {
  if (password !== null && hash !== "") {
    throw invalid("Only a password or a password hash should be provided");
  }
  // Only its length is looked at here: bcrypt itself complains.
  if (password !== null && Buffer.byteLength(password) > 72) {
    throw invalid("bcrypt: password length exceeds 72 bytes");
  }
  if (hash !== "" && !BCRYPT.test(hash)) throw internal("Error creating user");
  if (id !== "" && !UUID.test(id)) throw invalid("ID must conform to the uuid v4 format");
  if (ban !== "") banMs(ban);
}

async function ban(store, user, { ban_duration: duration }) {
  if (duration === "") return;
  const ms = banMs(duration);
  const until = ms === 0 ? null : new Date(Date.now() + ms).toISOString();
  await store.update(user, { banned_until: until });
}

export async function listUsers(ask) {
  const page = natural(ask.query.get("page"), 1);
  const perPage = natural(ask.query.get("per_page"), 50);
  const filter = ask.query.get("filter") ?? "";
  const { users, total } = await ask.transaction((store) => store.users({ page, perPage, filter }));
  const pages = Math.ceil(total / perPage);
  const link = (number, rel) => {
    const query = new URLSearchParams(ask.query);
    query.set("page", number);
    return `</admin/users?${query}>; rel="${rel}"`;
  };
  const links = [...(pages > page ? [link(page + 1, "next")] : []), link(pages, "last")];
  return {
    status: 200,
    headers: { link: links.join(", "), "x-total-count": String(total) },
    body: { users: users.map(userJson), aud: "authenticated" },
  };
}

function natural(text, otherwise) {
  if (text === null || text === "") return otherwise;
  if (!/^\d+$/.test(text)) {
    throw invalid(`Bad Pagination Parameters: strconv.ParseUint: parsing "${text}": invalid syntax`);
  }
  return Math.max(1, Number(text));
}

/** Runs work(store, user) for the account that the path names. */
function withUser(ask, id, work) {
  if (!UUID.test(id)) throw notFound("validation_failed", "user_id must be an UUID");
  return ask.transaction(async (store) => {
    const user = await store.userById(id);
    if (!user) throw notFound("user_not_found", "User not found");
    return work(store, user);
  });
}

export async function readUser(ask, id) {
  return { status: 200, body: await withUser(ask, id, (store, user) => userJson(user)) };
}

export async function updateUser(ask, id) {
  const body = await withUser(ask, id, async (store, user) => {
    const given = readBody(ask, SHAPE);
    if (given.email !== "") given.email = checkedEmail(given.email);
    if (given.phone !== "") throw invalid("Invalid phone number format (E.164 required)");
    if (given.ban_duration !== "") banMs(given.ban_duration);
    if (given.password !== null) checkPassword(given.password, ask.settings);
    await change(store, user, given);
    return userJson(await store.userById(id));
  });
  return { status: 200, body };
}

async function change(store, user, given) {
  if (given.role !== "") await store.update(user, { role: given.role });
  if (given.email_confirm) await store.confirm(user);
  if (given.password !== null) await store.setPassword(user, given.password);
  if (given.email !== "") await setEmail(store, user, given);
  if (given.app_metadata) await store.merge(user, "raw_app_meta_data", given.app_metadata);
  if (given.user_metadata) await store.merge(user, "raw_user_meta_data", given.user_metadata);
  await ban(store, user, given);
}

async function setEmail(store, user, { email, email_confirm: verified }) {
  // The service leaves it to the unique index, and calls what that says an internal error.
  if (await store.userWithEmail(email, user.id).then((other) => other && other.id !== user.id)) {
    throw internal("Error updating user");
  }
  const identity = await store.identity("email", user.id);
  if (identity) await store.mergeIdentity(identity, { email, email_verified: verified });
  else {
    await store.addIdentity(user, "email", {
      sub: user.id, email, email_verified: verified, phone_verified: false,
    });
  }
  await store.update(user, { email });
}

export async function deleteUser(ask, id) {
  await withUser(ask, id, async (store, user) => {
    const soft = ask.body.length > 0 &&
      readBody(ask, { should_soft_delete: "bool" }).should_soft_delete;
    if (!soft) {
      await store.deleteUser(user);
    } else if (user.deleted_at === null) {
      const gone = createHash("sha256").update(user.id + (user.email ?? "")).digest("base64url");
      await store.blank(user, gone);
      await store.rows("update auth.identities set identity_data = '{}', provider_id = $2 || id " +
        "where user_id = $1", [user.id, gone]);
    }
  });
  return { status: 200, body: {} };
}
