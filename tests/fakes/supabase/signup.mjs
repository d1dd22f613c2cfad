// POST /signup, /recover, /resend, /otp, and the links of their mails: GET and POST /verify.

import { randomBytes, randomUUID } from "node:crypto";

import { challengeMethod, checkChallenge, checkedEmail, checkPassword, readBody } from "./body.mjs";
import { AuthError, forbidden, invalid, unprocessable } from "./errors.mjs";
import { isLate, sendMail } from "./mails.mjs";
import { redirectOf } from "./redirects.mjs";
import { tokenHash } from "./store.mjs";
import { inFragment, isBanned, isPkce, signIn, userJson, withQuery } from "./users.mjs";

const BY_MAIL = { provider: "email", providers: ["email"] };

export async function signup(ask) {
  const given = readBody(ask, {
    email: "string", phone: "string", password: "string", data: "object", channel: "string",
    code_challenge: "string", code_challenge_method: "string",
  });
  if (given.email === "" && given.phone === "") {
    throw unprocessable("anonymous_provider_disabled", "Anonymous sign-ins are disabled");
  }
  if (!ask.settings.signup) {
    throw unprocessable("signup_disabled", "Signups not allowed for this instance");
  }
  if (given.password === "") throw invalid("Signup requires a valid password");
  checkPassword(given.password, ask.settings);
  if (given.email !== "" && given.phone !== "") {
    throw invalid("Only an email address or phone number should be provided on signup.");
  }
  checkChallenge(given.code_challenge, given.code_challenge_method);
  if (given.phone !== "") {
    throw new AuthError(400, "phone_provider_disabled", "Phone signups are disabled");
  }
  const email = checkedEmail(given.email);
  return { status: 200, body: await ask.transaction((store) => register(ask, store, email, given)) };
}

async function register(ask, store, email, given) {
  const data = given.data ?? {};
  let user = await store.userWithEmail(email);
  if (user?.email_confirmed_at) {
    if (!ask.settings.autoconfirm) return stranger(user, data);
    throw unprocessable("user_already_exists", "User already registered");
  }
  if (!user) {
    user = await store.addUser({ email, password: given.password, data, app: BY_MAIL },
      "Database error saving new user");
    await store.update(user, { role: "authenticated" });
  }
  let identity = await store.identity("email", user.id);
  if (!identity) {
    identity = await store.addIdentity(user, "email", {
      ...data, sub: user.id, email: user.email, email_verified: false, phone_verified: false,
    });
    await store.keepOnly(user, identity);
  }
  if (ask.settings.autoconfirm) {
    await store.confirm(user);
    return signIn(ask, store, user, "password");
  }
  if (given.code_challenge) {
    await store.addFlow({
      userId: user.id, challenge: given.code_challenge, provider: "email",
      method: challengeMethod(given.code_challenge_method, { byMail: true }),
      authentication: "email/signup",
    });
  }
  await sendMail(ask, store, user, "signup", { challenge: given.code_challenge });
  return userJson(user);
}

/** Someone who is registered is shown as someone who has just registered. */
function stranger(user, data) {
  const now = new Date().toISOString();
  return userJson({
    ...user, id: randomUUID(), role: "", email_change: "", created_at: now, updated_at: now,
    confirmation_sent_at: now, last_sign_in_at: null, confirmed_at: null, email_confirmed_at: null,
    email_change_sent_at: null, phone_confirmed_at: null, phone: "", identities: [],
    raw_user_meta_data: data, raw_app_meta_data: BY_MAIL,
  });
}

export async function recover(ask) {
  const given = readBody(ask, {
    email: "string", code_challenge: "string", code_challenge_method: "string",
  });
  const email = checkedEmail(given.email);
  checkChallenge(given.code_challenge, given.code_challenge_method);
  await ask.transaction(async (store) => {
    const user = await store.userByEmail(email);
    if (user) await mailWithLink(ask, store, user, "recovery", "recovery", given);
  });
  return { status: 200, body: {} };
}

async function mailWithLink(ask, store, user, kind, authentication, given) {
  const { code_challenge: challenge, code_challenge_method: method } = given;
  if (challenge) {
    await store.addFlow({
      userId: user.id, challenge, provider: authentication, authentication,
      method: challengeMethod(method, { byMail: true }),
    });
  }
  await sendMail(ask, store, user, kind, { challenge });
}

export async function resend(ask) {
  const given = readBody(ask, {
    type: "string", email: "string", phone: "string",
    code_challenge: "string", code_challenge_method: "string",
  });
  if (!["signup", "email_change", "sms", "phone_change"].includes(given.type)) {
    throw invalid("Missing one of these types: signup, email_change, sms, phone_change");
  }
  checkChallenge(given.code_challenge, given.code_challenge_method);
  if (given.type === "signup" && given.email === "") {
    throw invalid("Type provided requires an email address");
  }
  if (given.type === "sms" && given.phone === "") {
    throw invalid("Type provided requires a phone number");
  }
  if (given.email !== "" && given.phone !== "") {
    throw invalid("Only an email address or phone number should be provided.");
  }
  if (given.email === "" && given.phone === "") {
    throw invalid("Missing email address or phone number");
  }
  if (given.phone !== "") {
    throw new AuthError(400, "phone_provider_disabled", "Phone logins are disabled");
  }
  const email = checkedEmail(given.email);
  await ask.transaction(async (store) => {
    const user = await store.userByEmail(email);
    if (!user || given.type !== "signup" || user.email_confirmed_at) return;
    await mailWithLink(ask, store, user, "signup", "email/signup", given);
  });
  return { status: 200, body: {} };
}

export async function otp(ask) {
  const given = {
    create_user: true,
    ...readBody(ask, {
      email: "string", phone: "string", create_user: "bool", data: "object", channel: "string",
      code_challenge: "string", code_challenge_method: "string",
    }),
  };
  const asked = JSON.parse(ask.body.toString()) ?? {};
  if (asked.create_user === undefined || asked.create_user === null) given.create_user = true;
  if (given.email !== "" && given.phone !== "") {
    throw invalid("Only an email address or phone number should be provided");
  }
  if (given.email !== "" && given.channel !== "") {
    throw invalid("Channel should only be specified with Phone OTP");
  }
  checkChallenge(given.code_challenge, given.code_challenge_method);
  if (given.phone !== "") {
    throw new AuthError(400, "phone_provider_disabled", "Unsupported phone provider");
  }
  if (given.email === "") throw invalid("One of email or phone must be set");
  const email = checkedEmail(given.email);
  await ask.transaction(async (store) => {
    let user = await store.userByEmail(email);
    if (!user && !given.create_user) {
      throw unprocessable("otp_disabled", "Signups not allowed for otp");
    }
    if (!user?.email_confirmed_at) {
      const password = randomBytes(24).toString("base64url");
      await register(ask, store, email, { ...given, password });
      if (!ask.settings.autoconfirm) return;
      user = await store.userByEmail(email);
    }
    await mailWithLink(ask, store, user, "magiclink", "magiclink", given);
  });
  return { status: 200, body: {} };
}

export async function verifyPost(ask) {
  const given = readBody(ask, {
    type: "string", token: "string", token_hash: "string", email: "string", phone: "string",
    redirect_to: "string",
  });
  if (given.type === "") throw invalid("Verify requires a verification type");
  if ((given.token === "") === (given.token_hash === "")) {
    throw invalid("Verify requires either a token or a token hash");
  }
  if (given.token_hash !== "" && (given.email || given.phone || given.redirect_to)) {
    throw invalid("Only the token_hash and type should be provided");
  }
  if (given.token !== "" && (given.email === "") === (given.phone === "")) {
    throw invalid("Only an email address or phone number should be provided on verify");
  }
  if (given.token !== "" && given.email !== "") {
    try {
      given.email = checkedEmail(given.email);
    } catch {
      throw unprocessable("validation_failed", "Invalid email format");
    }
  }
  const body = await ask.transaction(async (store) => {
    const user = given.token
      ? await userByDigits(ask, store, given)
      : await userByHash(ask, store, given);
    await verified(store, user, given.type);
    return signIn(ask, store, user, "otp");
  });
  return { status: 200, body };
}

/** A link of a mail that was followed: 303 to the page, with what came of it. */
export async function verifyGet(ask) {
  const given = { type: ask.query.get("type") ?? "", token_hash: ask.query.get("token") ?? "" };
  if (given.type === "") throw invalid("Verify requires a verification type");
  if (given.token_hash === "") throw invalid("Verify requires a token or a token hash");
  const page = redirectOf(ask);
  const pkce = isPkce(given.token_hash);
  const { type } = given;
  try {
    const location = await ask.transaction(async (store) => {
      const user = await userByHash(ask, store, given);
      await verified(store, user, given.type);
      if (!pkce) return inFragment(page, await signIn(ask, store, user, "otp"), { type });
      const flow = await store.flowOf(user, type === "signup" ? "email/signup" : type);
      if (!flow?.code_challenge) {
        throw new AuthError(400, "flow_state_not_found", "No associated flow state found. " +
          "422: No valid flow state found for user.");
      }
      await store.issueCode(flow, user);
      return withQuery(page, { code: flow.auth_code });
    });
    return { status: 303, location };
  } catch (error) {
    if (!(error instanceof AuthError)) throw error;
    return { status: 303, location: errorUrl(page, error, pkce) };
  }
}

const OAUTH_ERRORS = {
  400: "invalid_request", 401: "unauthorized_client", 403: "access_denied", 500: "server_error",
  503: "temporarily_unavailable",
};

function errorUrl(page, { status, code, message }, inQuery) {
  const named = OAUTH_ERRORS[status] ? { error: OAUTH_ERRORS[status] } : {};
  const members = { ...named, error_code: code, error_description: message };
  const url = inQuery ? withQuery(page, members) : page;
  return `${url}#${new URLSearchParams({ ...members, sb: "" })}`;
}

const BY_HASH = {
  signup: ["confirmation_token"],
  invite: ["confirmation_token"],
  recovery: ["recovery_token"],
  magiclink: ["recovery_token"],
  email: ["confirmation_token", "recovery_token"],
  email_change: ["email_change_token_new", "email_change_token_current"],
};

const SENT_AT = {
  confirmation_token: "confirmation_sent_at",
  recovery_token: "recovery_sent_at",
  email_change_token_new: "email_change_sent_at",
  email_change_token_current: "email_change_sent_at",
};

async function userByHash(ask, store, given) {
  const kinds = BY_HASH[given.type];
  if (!kinds) throw invalid("Invalid email verification type");
  const expired = forbidden("otp_expired", "Email link is invalid or has expired");
  const user = await store.userByToken(given.token_hash, kinds);
  if (!user) throw expired;
  if (isBanned(user)) throw forbidden("user_banned", "User is banned");
  settleType(given, user, given.token_hash);
  if (isLate(user[SENT_AT[BY_HASH[given.type][0]]], ask.settings)) throw expired;
  return user;
}

async function userByDigits(ask, store, given) {
  const expired = forbidden("otp_expired", "Token has expired or is invalid");
  const user = given.email && BY_HASH[given.type] && await store.userByEmail(given.email);
  if (!user) throw expired;
  if (isBanned(user)) throw forbidden("user_banned", "User is banned");
  const hash = tokenHash(given.email, given.token);
  const column = BY_HASH[given.type].find((name) => isSame(user[name], hash));
  if (!column || isLate(user[SENT_AT[column]], ask.settings)) throw expired;
  settleType(given, user, hash);
  return user;
}

const isSame = (stored, hash) => stored !== "" && (stored === hash || stored === `pkce_${hash}`);

/** "email" stands for either kind of mail. */
function settleType(given, user, hash) {
  if (given.type !== "email") return;
  given.type = isSame(user.recovery_token, hash) ? "magiclink" : "signup";
}

async function verified(store, user, type) {
  if (["recovery", "magiclink"].includes(type)) {
    await store.update(user, { recovery_token: "" });
    await store.forgetTokens(user);
  }
  if (type === "email_change") await changeEmail(store, user);
  else if (!user.email_confirmed_at || type === "signup") await confirmAddress(store, user);
  await store.nameProviders(user);
}

async function confirmAddress(store, user) {
  await store.confirm(user);
  for (const identity of user.identities) {
    if (identity.email === user.email) {
      await store.mergeIdentity(identity, { email_verified: true });
    }
  }
}

async function changeEmail(store, user) {
  const identity = await store.identity("email", user.id);
  const changed = { email: user.email_change, email_verified: true };
  if (identity) await store.mergeIdentity(identity, changed);
  else await store.addIdentity(user, "email", { sub: user.id, ...changed });
  await store.update(user, {
    email: user.email_change, email_change: "", email_change_token_new: "",
    email_change_token_current: "", email_confirmed_at: new Date().toISOString(),
  });
  await store.forgetTokens(user);
}
