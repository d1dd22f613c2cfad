// POST /token: sign in by password, by refresh token, or by the code of a sign-in with PKCE.

import { createHash } from "node:crypto";

import { readBody } from "./body.mjs";
import { AuthError, invalid, notFound, unprocessable } from "./errors.mjs";
import { isBanned, sessionJson, signIn } from "./users.mjs";

const grants = { password: byPassword, refresh_token: byRefreshToken, pkce: byCode };

export async function token(ask) {
  const grant = grants[ask.query.get("grant_type")];
  if (!grant) throw new AuthError(400, "invalid_credentials", "unsupported_grant_type");
  return { status: 200, body: await grant(ask) };
}

async function byPassword(ask) {
  const given = readBody(ask, { email: "string", phone: "string", password: "string" });
  if (given.email !== "" && given.phone !== "") {
    throw invalid("Only an email address or phone number should be provided on login.");
  }
  if (given.phone !== "") {
    throw unprocessable("phone_provider_disabled", "Phone logins are disabled");
  }
  if (given.email === "") throw invalid("missing email or phone");
  const wrong = new AuthError(400, "invalid_credentials", "Invalid login credentials");
  return ask.transaction(async (store) => {
    const user = await store.userByEmail(given.email);
    if (!user || !user.encrypted_password) throw wrong;
    // Before the password is looked at: the service tells anybody who is banned.
    if (isBanned(user)) throw new AuthError(400, "user_banned", "User is banned");
    if (!await store.isPassword(user, given.password)) throw wrong;
    if (!user.email_confirmed_at) {
      throw new AuthError(400, "email_not_confirmed", "Email not confirmed");
    }
    return signIn(ask, store, user, "password");
  });
}

const TOKEN = /^[a-z0-9]{12}$/;
const refused = (code, why, more) =>
  new AuthError(400, code, `Invalid Refresh Token: ${why}`, more);

async function byRefreshToken(ask) {
  const given = readBody(ask, { refresh_token: "string" });
  if (!TOKEN.test(given.refresh_token)) throw invalid("Refresh token is not valid");
  return ask.transaction(async (store) => {
    const row = await store.lockRefreshToken(given.refresh_token);
    if (!row) throw refused("refresh_token_not_found", "Refresh Token Not Found");
    const user = await store.userById(row.user_id);
    if (!user) throw refused("refresh_token_not_found", "Refresh Token Not Found");
    if (isBanned(user)) throw refused("user_banned", "User Banned");
    const session = row.session_id && await store.session(row.session_id);
    if (!session) throw refused("session_not_found", "No Valid Session Found");
    if (session.not_after && Date.parse(session.not_after) < Date.now()) {
      throw refused("session_expired", "Session Expired");
    }
    const next = await nextToken(ask, store, user, session, row);
    await store.markRefreshed(session, { agent: ask.headers["user-agent"], ip: ask.ip });
    return sessionJson(ask, store, user, session, next);
  });
}

/**
 * A token is used up by its use. Used again, one whose successor nobody has used yet gives that
 * successor, at any time; one that is older gives a new one for some seconds, and ends all tokens of
 * its session after that.
 */
async function nextToken(ask, store, user, session, row) {
  if (row.revoked) {
    const active = await store.activeRefreshToken(session);
    if (active?.parent === row.token) return active.token;
    if (store.ageOf(row) > ask.settings.reuseSeconds) {
      await store.revokeFamily(session);
      throw refused("refresh_token_already_used", "Already Used", { commit: true });
    }
    return store.addRefreshToken(user, session, row.token);
  }
  await store.revoke(row);
  return store.addRefreshToken(user, session, row.token);
}

async function byCode(ask) {
  const given = readBody(ask, { auth_code: "string", code_verifier: "string" });
  if (given.auth_code === "" || given.code_verifier === "") {
    throw invalid("invalid request: both auth code and code verifier should be non-empty");
  }
  const unknown = () =>
    notFound("flow_state_not_found", "invalid flow state, no valid flow state found");
  return ask.transaction(async (store) => {
    const flow = await store.flowByCode(given.auth_code);
    if (!flow?.user_id) throw unknown();
    const age = Date.now() - Date.parse(flow.auth_code_issued_at ?? flow.created_at);
    if (age > ask.settings.codeSeconds * 1000) {
      throw unprocessable("flow_state_expired", "invalid flow state, flow state has expired");
    }
    const user = await store.userById(flow.user_id);
    if (!user) throw unknown();
    if (!isVerifier(flow, given.code_verifier)) {
      throw new AuthError(400, "bad_code_verifier",
        "code challenge does not match previously saved code verifier");
    }
    if (!await store.takeFlow(flow)) throw unknown();
    const session = await signIn(ask, store, user, flow.authentication_method);
    const provider = flow.provider_access_token;
    return provider ? { ...session, provider_token: provider } : session;
  });
}

function isVerifier({ code_challenge: challenge, code_challenge_method: method }, verifier) {
  if (method === "plain") return verifier === challenge;
  return createHash("sha256").update(verifier).digest("base64url") === challenge;
}
