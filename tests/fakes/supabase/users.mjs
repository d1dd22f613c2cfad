// Accounts and sessions as the service shows them.

import { internal } from "./errors.mjs";

const MAIL_FLOW = "pkce_";

/** Drops members that are null or "", as the service's omitempty does. */
const full = (object) =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null && value !== ""));

/** An account in JSON. */
export function userJson(user) {
  return {
    id: user.id,
    aud: user.aud,
    role: user.role,
    email: user.email ?? "",
    ...full({ email_confirmed_at: user.email_confirmed_at, invited_at: user.invited_at }),
    phone: user.phone ?? "",
    ...full({
      phone_confirmed_at: user.phone_confirmed_at,
      confirmation_sent_at: user.confirmation_sent_at,
      confirmed_at: user.confirmed_at,
      recovery_sent_at: user.recovery_sent_at,
      new_email: user.email_change,
      email_change_sent_at: user.email_change_sent_at,
      new_phone: user.phone_change,
      last_sign_in_at: user.last_sign_in_at,
    }),
    app_metadata: user.raw_app_meta_data ?? {},
    user_metadata: user.raw_user_meta_data ?? {},
    identities: user.identities.map(identityJson),
    created_at: user.created_at,
    updated_at: user.updated_at,
    ...full({ banned_until: user.banned_until, deleted_at: user.deleted_at }),
    is_anonymous: user.is_anonymous,
  };
}

function identityJson(identity) {
  return {
    identity_id: identity.id,
    id: identity.provider_id,
    user_id: identity.user_id,
    identity_data: identity.identity_data,
    provider: identity.provider,
    last_sign_in_at: identity.last_sign_in_at,
    created_at: identity.created_at,
    updated_at: identity.updated_at,
    ...full({ email: identity.email }),
  };
}

export const isBanned = (user) =>
  user.banned_until !== null && Date.parse(user.banned_until) > Date.now();

/** A new session of `user`, as the answer to who signs in. */
export async function signIn(ask, store, user, method) {
  const from = { agent: ask.headers["user-agent"], ip: ask.ip };
  const session = await store.openSession(user, { ...from, method });
  const token = await store.addRefreshToken(user, session);
  return sessionJson(ask, store, user, session, token);
}

export async function sessionJson(ask, store, user, session, refreshToken) {
  const { jwtSeconds, issuer } = ask.settings;
  const iat = Math.floor(Date.now() / 1000);
  const exp = iat + jwtSeconds;
  const accessToken = ask.keys.sign({
    iss: issuer(),
    sub: user.id,
    aud: user.aud,
    exp,
    iat,
    email: user.email ?? "",
    phone: user.phone ?? "",
    app_metadata: user.raw_app_meta_data ?? {},
    user_metadata: user.raw_user_meta_data ?? {},
    role: user.role,
    aal: session.aal ?? "aal1",
    amr: await store.methods(session),
    session_id: session.id,
    is_anonymous: user.is_anonymous,
  });
  ask.answerHeaders["sb-auth-user-id"] = user.id;
  ask.answerHeaders["sb-auth-session-id"] = session.id;
  return {
    access_token: accessToken,
    token_type: "bearer",
    expires_in: jwtSeconds,
    expires_at: exp,
    refresh_token: refreshToken,
    user: userJson(user),
  };
}

/** For clients that follow a link: the session behind a "#". */
export function inFragment(url, session, more) {
  const values = {
    ...more,
    access_token: session.access_token,
    expires_at: session.expires_at,
    expires_in: session.expires_in,
    refresh_token: session.refresh_token,
    sb: "",
    token_type: session.token_type,
  };
  return `${url}#${new URLSearchParams(values)}`;
}

/** `url` with these members in its query. */
export function withQuery(url, members) {
  const whole = new URL(url);
  for (const [name, value] of Object.entries(members)) whole.searchParams.set(name, value);
  return String(whole);
}

export const withPrefix = (hash, challenge) => (challenge ? MAIL_FLOW + hash : hash);
export const isPkce = (hash) => hash.startsWith(MAIL_FLOW);

/** Whom the caller's access token names; the session may be null. */
export async function callerOf(ask, store) {
  const user = await store.userById(ask.caller.id);
  if (!user) throw internal("Database error loading user");
  const session = ask.caller.session && await store.session(ask.caller.session);
  return { user, session };
}
