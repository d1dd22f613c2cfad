// Signing in through another service: GET /authorize sends the browser there, there it consents at
// once (or refuses, as the control interface was told), GET /callback sends it back to the page.

import { createHash, randomBytes } from "node:crypto";

import { challengeMethod, checkChallenge } from "./body.mjs";
import { AuthError, forbidden, invalid, unprocessable } from "./errors.mjs";
import { redirectOf } from "./redirects.mjs";
import { inFragment, isBanned, signIn, withQuery } from "./users.mjs";

const KNOWN = ["apple", "azure", "bitbucket", "discord", "facebook", "figma", "fly", "github",
  "gitlab", "google", "kakao", "keycloak", "linkedin", "linkedin_oidc", "notion", "slack",
  "slack_oidc", "snapchat", "spotify", "twitch", "twitter", "workos", "x", "zoom"];
const RESERVED = ["provider", "scopes", "redirect_to", "code_challenge", "code_challenge_method",
  "client_id", "client_secret", "redirect_uri", "response_type", "state", "nonce", "invite_token"];

/** Those who can sign in there, by their address; unknown ones are taken as they come. */
export class People {
  #people = new Map();

  /** person: {email, name, sub, verified, refuses}. */
  set(person) {
    this.#people.set(person.email.toLowerCase(), person);
  }

  /** Whoever the browser says it is (login_hint), or someone new. */
  find(hint) {
    const email = (hint || `${randomBytes(8).toString("hex")}@people.example`).toLowerCase();
    const sub = BigInt(`0x${createHash("sha256").update(email).digest("hex").slice(0, 16)}`);
    const name = email.split("@")[0];
    return { email, name, sub: String(sub), verified: true, ...this.#people.get(email) };
  }
}

export async function authorize(ask) {
  const { query } = ask;
  const provider = query.get("provider") ?? "";
  if (!ask.settings.providers.includes(provider)) {
    throw invalid(KNOWN.includes(provider)
      ? "Unsupported provider: provider is not enabled"
      : `Unsupported provider: Provider ${provider} could not be found`);
  }
  const challenge = query.get("code_challenge") ?? "";
  const method = query.get("code_challenge_method") ?? "";
  checkChallenge(challenge, method);
  const flow = await ask.transaction((store) => store.addFlow({
    challenge, method: challenge && challengeMethod(method), provider, authentication: "oauth",
    referrer: redirectOf(ask),
  }));
  const passedOn = [...query].filter(([name]) => !RESERVED.includes(name.toLowerCase()));
  const location = withQuery(`${ask.settings.url()}/there/${provider}`, {
    ...Object.fromEntries(passedOn), response_type: "code", state: flow.id,
    redirect_uri: `${ask.settings.issuer()}/callback`,
  });
  return { status: 302, location };
}

/** The page of the other service. */
export function consent(ask) {
  const { query, people } = ask;
  const person = people.find(query.get("login_hint"));
  const back = query.get("redirect_uri");
  const state = query.get("state");
  if (!back || !state) return { status: 400, body: { error: "invalid_request" } };
  const answer = person.refuses
    ? { error: "access_denied", error_description: "The user has denied access" }
    : { code: Buffer.from(JSON.stringify(person)).toString("base64url") };
  return { status: 302, location: withQuery(back, { state, ...answer }) };
}

const ERRORS = { 400: "invalid_request", 403: "access_denied", 500: "server_error" };
const DENIED = ["signup_disabled", "user_banned", "provider_email_needs_verification"];

export async function callback(ask) {
  const state = ask.query.get("state") ?? "";
  const flow = /^[0-9a-f-]{36}$/.test(state) && await ask.transaction((store) => store.flow(state));
  if (!flow) {
    const error = new AuthError(400, "bad_oauth_state", "OAuth state not found or expired");
    return { status: 303, location: withQuery(ask.settings.siteUrl, parts(error)) };
  }
  const page = flow.referrer ?? ask.settings.siteUrl;
  try {
    return { status: 302, location: await comeBack(ask, flow, page) };
  } catch (error) {
    if (!(error instanceof AuthError || error instanceof Refusal)) throw error;
    const members = parts(error);
    const fragment = new URLSearchParams({ ...members, sb: "" });
    return { status: 302, location: `${withQuery(page, members)}#${fragment}` };
  }
}

class Refusal extends Error {
  constructor(error, description) {
    super(description);
    this.error = error;
  }
}

function parts(error) {
  if (error instanceof Refusal) return { error: error.error, error_description: error.message };
  return {
    error: DENIED.includes(error.code) ? "access_denied" : ERRORS[error.status] ?? "server_error",
    error_description: error.message,
    error_code: error.code,
  };
}

function comeBack(ask, flow, page) {
  const refusal = ask.query.get("error");
  if (refusal) throw new Refusal(refusal, ask.query.get("error_description") ?? "");
  const code = ask.query.get("code");
  if (!code) {
    throw new AuthError(400, "bad_oauth_callback",
      "OAuth callback with missing authorization code missing");
  }
  const person = JSON.parse(Buffer.from(code, "base64url"));
  return ask.transaction(async (store) => {
    const locked = await store.flow(flow.id);
    if (!locked || locked.user_id) {
      throw new AuthError(400, "flow_state_already_used", "State has already been used");
    }
    const user = await accountOf(ask, store, flow.provider_type, person);
    if (flow.code_challenge) {
      await store.issueCode(flow, user);
      return withQuery(page, { code: flow.auth_code });
    }
    await store.takeFlow(flow);
    const session = await signIn(ask, store, user, "oauth");
    return inFragment(page, session, { provider_token: "stand-in" });
  });
}

/** The person's account; one with the same address, which both vouch for, is the same. */
async function accountOf(ask, store, provider, person) {
  const data = {
    iss: `https://${provider}.example`, sub: person.sub, name: person.name, email: person.email,
    full_name: person.name, provider_id: person.sub, email_verified: person.verified,
    phone_verified: false,
  };
  const known = await store.identity(provider, person.sub);
  const user = known
    ? await store.userById(known.user_id)
    : await linkedUser(ask, store, provider, person, data);
  const identity = known ?? await store.identity(provider, person.sub);
  if (known) {
    await store.mergeIdentity(known, data);
    await store.merge(user, "raw_user_meta_data", data);
  }
  if (isBanned(user)) throw forbidden("user_banned", "User is banned");
  if (!user.email_confirmed_at) {
    await store.keepOnly(user, identity);
    if (!person.verified && !ask.settings.autoconfirm) {
      throw unprocessable("provider_email_needs_verification",
        `Unverified email with ${provider}. A confirmation email has been sent to your ` +
        `${provider} email`);
    }
    await store.confirm(user);
  }
  await store.nameProviders(user);
  return user;
}

async function linkedUser(ask, store, provider, person, data) {
  const vouched = person.verified || ask.settings.autoconfirm;
  let user = vouched ? await store.userByEmail(person.email) : null;
  if (!user) {
    if (!ask.settings.signup) {
      throw unprocessable("signup_disabled", "Signups not allowed for this instance");
    }
    const taken = await store.userByEmail(person.email);
    user = await store.addUser({
      email: taken ? "" : person.email, data, app: { provider, providers: [provider] },
    }, "Database error saving new user");
    await store.update(user, { role: "authenticated" });
  } else {
    await store.merge(user, "raw_user_meta_data", data);
  }
  await store.addIdentity(user, provider, data);
  return user;
}
