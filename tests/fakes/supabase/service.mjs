// The gateway and the service behind it: which key, which route, whose token; then the answer.

import { getUser, logout, putUser } from "./account.mjs";
import { createUser, deleteUser, listUsers, readUser, updateUser } from "./admin.mjs";
import { AuthError, errorAnswer, forbidden, gateway, internal } from "./errors.mjs";
import { token } from "./grants.mjs";
import { authorize, callback, consent } from "./oauth.mjs";
import { otp, recover, resend, signup, verifyGet, verifyPost } from "./signup.mjs";
import { transaction } from "./store.mjs";
import { isBanned } from "./users.mjs";

const BASE = "/auth/v1";

// `open`: without a key, as browsers and verifiers come. `who`: whose token must be there.
const routes = [
  { method: "GET", path: "/health", handle: health },
  { method: "GET", path: "/settings", handle: settings },
  { method: "GET", path: "/.well-known/jwks.json", open: true, handle: keySet },
  { method: "POST", path: "/signup", handle: signup },
  { method: "POST", path: "/token", handle: token },
  { method: "POST", path: "/recover", handle: recover },
  { method: "POST", path: "/resend", handle: resend },
  { method: "POST", path: "/otp", handle: otp },
  { method: "GET", path: "/verify", open: true, handle: verifyGet },
  { method: "POST", path: "/verify", open: true, handle: verifyPost },
  { method: "GET", path: "/authorize", open: true, handle: authorize },
  { method: "GET", path: "/callback", open: true, handle: callback },
  { method: "POST", path: "/logout", who: "user", handle: logout },
  { method: "GET", path: "/user", who: "user", handle: getUser },
  { method: "PUT", path: "/user", who: "user", handle: putUser },
  { method: "GET", path: "/admin/users", who: "admin", handle: listUsers },
  { method: "POST", path: "/admin/users", who: "admin", handle: createUser },
  { method: "GET", path: /^\/admin\/users\/([^/]+)$/, who: "admin", handle: readUser },
  { method: "PUT", path: /^\/admin\/users\/([^/]+)$/, who: "admin", handle: updateUser },
  { method: "DELETE", path: /^\/admin\/users\/([^/]+)$/, who: "admin", handle: deleteUser },
];

/** What answers requests: serve(exchange) resolves with {status, headers, body, location}. */
export function createService({ settings, keys, people, mails, pool }) {
  return async (exchange) => {
    const ask = new Ask(exchange, { settings, keys, people, mails, pool });
    try {
      const answer = await route(ask);
      return { ...answer, headers: { ...ask.answerHeaders, ...answer.headers } };
    } catch (error) {
      const known = error instanceof AuthError ? error : internal(
        "Unexpected failure, please check server logs for more information");
      if (known !== error) console.error(error);
      return errorAnswer(known, exchange.headers);
    }
  };
}

/** A request, with all that a handler needs. */
class Ask {
  #done = [];

  constructor(exchange, parts) {
    Object.assign(this, parts);
    this.method = exchange.method;
    this.path = exchange.path;
    this.query = exchange.query;
    this.headers = exchange.headers;
    this.body = exchange.body;
    this.ip = exchange.ip;
    this.odd = (what) => exchange.call.odd.push(what);
    this.answerHeaders = {};
    this.caller = null; // {id, session} of the access token
  }

  /** work(store) in a transaction. */
  async transaction(work) {
    const result = await transaction(this.pool, this.settings, work);
    for (const call of this.#done.splice(0)) call();
    return result;
  }

  /** What is to be done once the transaction has succeeded. */
  afterCommit(call) {
    this.#done.push(call);
  }
}

async function route(ask) {
  const there = /^\/there\/[a-z_]+$/.test(ask.path);
  if (there && ask.method === "GET") return consent(ask);
  if (!ask.path.startsWith(`${BASE}/`)) return gateway.noRoute;
  const path = ask.path.slice(BASE.length).replace(/\/$/, "");
  const here = routes.filter((row) => match(row, path));
  const role = keyRole(ask);
  if (!here.some(({ open }) => open)) {
    if (role === null) return gateway.noKey;
    if (role === "unknown") return gateway.badKey;
  }
  if (here.length === 0) return { status: 404, text: "404 page not found\n" };
  const row = here.find(({ method }) => method === ask.method);
  if (!row) return { status: 405, headers: { allow: here.map(({ method }) => method).join(", ") } };
  await authorise(ask, row, role);
  return row.handle(ask, match(row, path)[1]);
}

function match({ path }, asked) {
  if (typeof path === "string") return path === asked ? [asked] : null;
  return path.exec(asked);
}

/** The role of the project's key: "anon", "service_role", "unknown" or null for none. */
function keyRole({ headers, query, keys }) {
  const key = headers.apikey ?? query.get("apikey");
  if (!key) return null;
  if ([keys.publishable, keys.anon].includes(key)) return "anon";
  return [keys.secret, keys.serviceRole].includes(key) ? "service_role" : "unknown";
}

/** The token that the service sees: the caller's, or the gateway's own for a key that is none. */
function bearerOf(ask, role) {
  const bearer = /^Bearer (\S+)$/i.exec(ask.headers.authorization ?? "")?.[1];
  const isNew = ask.headers.apikey?.startsWith("sb_");
  return bearer ?? (isNew ? ask.keys.internalToken(role) : null);
}

async function authorise(ask, { who }, role) {
  // No key of the newer kind is a token. The gateway lets it pass where it is the apikey, too, and
  // the service refuses it where it wants a token; here it is refused in any case.
  const sent = ask.headers.authorization ?? "";
  if (/^Bearer sb_/i.test(sent)) ask.keys.verify(sent.slice(7));
  if (!who) return;
  const bearer = bearerOf(ask, role);
  if (!bearer) {
    throw new AuthError(401, "no_authorization", "This endpoint requires a valid Bearer token");
  }
  const claims = ask.keys.verify(bearer);
  if (claims.session_id || who === "user") await loadCaller(ask, claims);
  if (who === "admin" && !["service_role", "supabase_admin"].includes(claims.role)) {
    throw forbidden("not_admin", "User not allowed");
  }
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

async function loadCaller(ask, { sub, session_id: session }) {
  if (!sub) throw forbidden("bad_jwt", "invalid claim: missing sub claim");
  if (!UUID.test(sub)) {
    throw new AuthError(400, "bad_jwt", "invalid claim: sub claim must be a UUID");
  }
  await ask.transaction(async (store) => {
    const user = await store.userById(sub);
    if (!user) {
      throw forbidden("user_not_found", "User from sub claim in JWT does not exist");
    }
    if (session && !await store.session(session)) {
      throw forbidden("session_not_found",
        "Session from session_id claim in JWT does not exist");
    }
    if (isBanned(user)) throw forbidden("user_banned", "User is banned");
    ask.caller = { id: user.id, session: session ?? null };
  });
}

function health() {
  return { status: 200, body: {
    version: "stand-in", name: "GoTrue",
    description: "GoTrue is a user registration and authentication API",
  } };
}

function settings({ settings: { providers, signup: open, autoconfirm } }) {
  const names = ["anonymous_users", "apple", "azure", "bitbucket", "discord", "facebook",
    "snapchat", "figma", "fly", "github", "gitlab", "google", "keycloak", "kakao", "linkedin",
    "linkedin_oidc", "notion", "spotify", "slack", "slack_oidc", "workos", "twitch", "twitter",
    "email", "phone", "zoom"];
  const external = Object.fromEntries(names.map((name) =>
    [name, name === "email" || providers.includes(name)]));
  return { status: 200, body: {
    external, disable_signup: !open, mailer_autoconfirm: autoconfirm, phone_autoconfirm: false,
    sms_provider: "", saml_enabled: false, saml_private_key_next_configured: false,
    passkeys_enabled: false,
  } };
}

function keySet({ keys }) {
  return { status: 200, headers: { "cache-control": "public, max-age=600" }, body: keys.set() };
}
