// The caller's own account: GET and PUT /user, POST /logout.

import { checkedEmail, checkPassword, readBody } from "./body.mjs";
import { AuthError, forbidden, invalid, unprocessable } from "./errors.mjs";
import { sendMail } from "./mails.mjs";
import { callerOf, userJson } from "./users.mjs";

export async function getUser(ask) {
  return { status: 200, body: userJson((await ask.transaction((store) => callerOf(ask, store))).user) };
}

export async function putUser(ask) {
  const given = readBody(ask, {
    email: "string", password: "pointer", current_password: "pointer", nonce: "string",
    data: "object", app_metadata: "object", phone: "string", channel: "string",
    code_challenge: "string", code_challenge_method: "string",
  });
  if (given.email !== "") given.email = checkedEmail(given.email);
  if (given.phone !== "") throw invalid("Invalid phone number format (E.164 required)");
  if (given.password !== null) checkPassword(given.password, ask.settings);
  if (given.app_metadata) {
    throw forbidden("not_admin", "Updating app_metadata requires admin privileges");
  }
  const body = await ask.transaction(async (store) => {
    const { user, session } = await callerOf(ask, store);
    await changeUser(ask, store, user, session, given);
    return userJson(user);
  });
  return { status: 200, body };
}

async function changeUser(ask, store, user, session, given) {
  const newEmail = given.email !== "" && given.email !== user.email ? given.email : null;
  if (newEmail && await store.userWithEmail(newEmail, user.id)) {
    throw unprocessable("email_exists",
      "A user with this email address has already been registered");
  }
  if (given.password) {
    await checkCurrent(ask, store, user, given);
    if (await store.isPassword(user, given.password)) {
      throw unprocessable("same_password",
        "New password should be different from the old password.");
    }
    await store.setPassword(user, given.password, session);
  }
  if (given.data) await store.merge(user, "raw_user_meta_data", given.data);
  if (newEmail) {
    await store.update(user, { email_change: newEmail });
    await sendMail(ask, store, user, "email_change", { to: newEmail });
  }
}

async function checkCurrent(ask, store, user, given) {
  if (!ask.settings.currentPassword || !user.encrypted_password) return;
  const refuse = (code) =>
    new AuthError(400, code, "Current password required when setting new password.");
  if (!given.current_password) throw refuse("current_password_required");
  if (!await store.isPassword(user, given.current_password)) {
    throw refuse("current_password_mismatch");
  }
}

export async function logout(ask) {
  const scope = ask.query.get("scope") || "global";
  if (!["global", "local", "others"].includes(scope)) {
    throw invalid(`Unsupported logout scope ${JSON.stringify(scope)}`);
  }
  await ask.transaction(async (store) => {
    const { user, session } = await callerOf(ask, store);
    await store.endSessions(user, session, scope);
  });
  return { status: 204 };
}
