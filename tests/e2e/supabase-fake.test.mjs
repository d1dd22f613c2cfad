// The stand-in for Supabase Auth, driven by Supabase's own client, which must find in it what it
// finds in the service; and what it refuses.

import assert from "node:assert/strict";
import { createHash, randomBytes, randomUUID, verify } from "node:crypto";
import { after, before, describe, it } from "node:test";

import { AuthClient, GoTrueAdminApi } from "@supabase/auth-js";

import { keyOf } from "../fakes/supabase/keys.mjs";
import { failures } from "../fakes/supabase/failures.mjs";
import { startStack } from "./lib/fynq.mjs";
import { fetchTrusting } from "./lib/tlsfetch.mjs";
import { claimsOf, sign } from "./lib/tokens.mjs";

const password = "correct horse battery";
const email = () => `${randomUUID()}@example.com`;

let stack, fake, get;

before(async () => {
  stack = await startStack({ auth: "supabase" });
  fake = stack.supabase;
  get = fetchTrusting(fake.ca);
  await fake.set({ mail_interval_seconds: 0 });
});

after(() => stack?.stop());

/** Supabase's client, as a browser that has nobody signed in. */
function client(options = {}) {
  const kept = new Map();
  return new AuthClient({
    url: `${fake.url}/auth/v1`, headers: { apikey: fake.keys.publishable }, fetch: get,
    autoRefreshToken: false, detectSessionInUrl: false, persistSession: true,
    storage: {
      getItem: (name) => kept.get(name) ?? null,
      setItem: (name, value) => void kept.set(name, value),
      removeItem: (name) => void kept.delete(name),
    },
    ...options,
  });
}

const admin = () => new GoTrueAdminApi({
  url: `${fake.url}/auth/v1`, headers: { apikey: fake.keys.secret }, fetch: get,
});

/** What a call of the client gave, without an error. */
function good({ data, error }) {
  assert.equal(error, null, error?.message);
  return data;
}

function bad({ error }, code, status) {
  assert.equal(error?.code, code, error?.message);
  assert.equal(error.status, status);
}

async function signedUp() {
  const auth = client();
  const address = email();
  const { user, session } = good(await auth.signUp({ email: address, password }));
  return { auth, email: address, user, session };
}

/** A raw request: {status, headers, json, text}. */
async function ask(method, path, { body, key = fake.keys.publishable, token, headers = {} } = {}) {
  const answer = await get(`${fake.url}/auth/v1${path}`, {
    method,
    body: typeof body === "object" ? JSON.stringify(body) : body,
    headers: {
      ...(key ? { apikey: key } : {}),
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
  });
  const text = await answer.text();
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  return { status: answer.status, headers: answer.headers, text, json };
}

function assertError({ status, headers, json, text }, wanted, code) {
  assert.equal(status, wanted, text);
  assert.equal(json?.error_code, code, text);
  assert.equal(json.code, wanted);
  assert.equal(typeof json.msg, "string");
  assert.equal(headers.get("x-sb-error-code"), code);
}

describe("Supabase's client", { concurrency: 4 }, () => {
  it("signs up, signs in, refreshes, reads and changes the account", async () => {
    const { auth, email: address, user, session } = await signedUp();
    assert.equal(user.email, address);
    assert.equal(user.aud, "authenticated");
    assert.deepEqual(user.app_metadata, { provider: "email", providers: ["email"] });
    assert.equal(user.identities[0].identity_data.sub, user.id);
    const claims = claimsOf(session.access_token);
    assert.equal(claims.sub, user.id);
    assert.equal(claims.iss, `${fake.url}/auth/v1`);
    assert.equal(claims.role, "authenticated");
    assert.deepEqual(claims.amr.map(({ method }) => method), ["password"]);

    const again = client();
    good(await again.signInWithPassword({ email: address.toUpperCase(), password }));
    const refreshed = good(await again.refreshSession());
    assert.equal(refreshed.user.id, user.id);
    const changed = good(await again.updateUser({ data: { nick: "Zoë" } }));
    assert.equal(changed.user.user_metadata.nick, "Zoë");
    assert.equal(good(await auth.getUser()).user.user_metadata.nick, "Zoë");
    bad(await again.updateUser({ password }), "same_password", 422);
    good(await again.updateUser({ password: "another good password" }));
    assert.equal((await auth.getUser()).error.name, "AuthSessionMissingError");
    bad(await client().signInWithPassword({ email: address, password }),
      "invalid_credentials", 400);
  });

  it("signs out: this session, the others, all", async () => {
    for (const [scope, [own, others]] of Object.entries({
      local: [400, null], others: [null, 400], global: [400, 400],
    })) {
      const { auth, email: address, session } = await signedUp();
      const second = client();
      const other = good(await second.signInWithPassword({ email: address, password })).session;
      good({ data: 1, ...await auth.admin.signOut(session.access_token, scope) });
      const statusOf = async ({ refresh_token: token }) =>
        (await client().refreshSession({ refresh_token: token })).error?.status ?? null;
      assert.equal(await statusOf(session), own, scope);
      assert.equal(await statusOf(other), others, scope);
    }
  });

  it("follows PKCE through another service, with a verifier of its own", async () => {
    const auth = client({ flowType: "pkce" });
    const page = "http://127.0.0.1:4000/back?a=b";
    const { url } = good(await auth.signInWithOAuth({
      provider: "google", options: { redirectTo: page, skipBrowserRedirect: true },
    }));
    const person = email();
    const back = await fake.browse(url, person);
    assert.equal(back.origin + back.pathname, "http://127.0.0.1:4000/back");
    assert.equal(back.searchParams.get("a"), "b");
    const code = back.searchParams.get("code");
    const { session, user } = good(await auth.exchangeCodeForSession(code));
    assert.equal(user.email, person);
    assert.equal(user.app_metadata.provider, "google");
    assert.equal(claimsOf(session.access_token).amr[0].method, "oauth");
    const body = { auth_code: code, code_verifier: "x".repeat(43) };
    assertError(await ask("POST", "/token?grant_type=pkce", { body }), 404,
      "flow_state_not_found");
  });

  it("verifies the token of a mail, by its hash and by its digits", async () => {
    const { email: address } = await signedUp();
    good(await client().resetPasswordForEmail(address, {
      redirectTo: "http://127.0.0.1:4000/reset",
    }));
    const [mail] = await fake.mails(address, "recovery");
    assert.equal(mail.redirect_to, "http://127.0.0.1:4000/reset");
    const verified = client();
    good(await verified.verifyOtp({ type: "recovery", token_hash: mail.token_hash }));
    good(await verified.updateUser({ password: "a password of today" }));
    bad(await client().verifyOtp({ type: "recovery", token_hash: mail.token_hash }),
      "otp_expired", 403);

    good(await client().resetPasswordForEmail(address));
    const [, second] = await fake.mails(address, "recovery");
    bad(await client().verifyOtp({ type: "recovery", email: address, token: "x" }),
      "otp_expired", 403);
    const { user } = good(await client().verifyOtp({
      type: "recovery", email: address, token: second.token,
    }));
    assert.equal(user.email, address);
    good(await client().resetPasswordForEmail(email()));
  });

  it("makes, lists, changes, bans and deletes accounts with the secret key", async () => {
    const address = email();
    const api = admin();
    const { user } = good(await api.createUser({
      email: address, password, email_confirm: true, app_metadata: { role: "teacher" },
    }));
    assert.equal(user.app_metadata.role, "teacher");
    bad(await api.createUser({ email: address, password }), "email_exists", 422);
    assert.equal(good(await api.getUserById(user.id)).user.email, address);
    assert.ok(good(await api.listUsers({ perPage: 1000 })).users.some(({ id }) => id === user.id));

    const auth = client();
    const { session } = good(await auth.signInWithPassword({ email: address, password }));
    const banned = good(await api.updateUserById(user.id, { ban_duration: "1h30m" })).user;
    assert.ok(Math.abs(Date.parse(banned.banned_until) - Date.now() - 54e5) < 60000);
    bad(await client().signInWithPassword({ email: address, password }), "user_banned", 400);
    bad(await auth.getUser(session.access_token), "user_banned", 403);
    bad(await api.updateUserById(user.id, { ban_duration: "a day" }), "validation_failed", 400);
    good(await api.updateUserById(user.id, { ban_duration: "none" }));
    good(await auth.getUser(session.access_token));

    good(await api.deleteUser(user.id));
    bad(await api.getUserById(user.id), "user_not_found", 404);
    bad(await auth.getUser(session.access_token), "user_not_found", 403);
    bad(await auth.refreshSession({ refresh_token: session.refresh_token }),
      "refresh_token_not_found", 400);
  });

  it("is told what a weak password lacks", async () => {
    const { error } = await client().signUp({ email: email(), password: "short" });
    assert.equal(error.name, "AuthWeakPasswordError");
    assert.deepEqual(error.reasons, ["length"]);
  });

  it("does nothing that the service merely bears", async () => {
    const { email: address } = await signedUp();
    const odd = (await fake.calls(address)).flatMap((call) => call.odd);
    // Of its own members the service knows all but the token of a captcha.
    assert.deepEqual(odd, []);
  });
});

describe("refresh tokens", { concurrency: 4 }, () => {
  const refresh = (token) =>
    ask("POST", "/token?grant_type=refresh_token", { body: { refresh_token: token } });
  const age = (token, seconds) => stack.db.run(
    "update auth.refresh_tokens set updated_at = now() - $1::int * interval '1 second'" +
    " where token = $2", [seconds, token]);

  it("the last but one gives the last; an older one a new one, for ten seconds", async () => {
    // Of these seconds a busy machine may take the last two before it asks: then once more.
    for (let tries = 5, took = Infinity; took > 2000 && tries > 0; tries -= 1) {
      const first = (await signedUp()).session.refresh_token;
      const second = (await refresh(first)).json.refresh_token;
      await age(first, 3600);
      assert.equal((await refresh(first)).json.refresh_token, second);
      const third = (await refresh(second)).json.refresh_token;
      const began = performance.now();
      await age(first, 8);
      const { status, text, json } = await refresh(first);
      took = performance.now() - began;
      if (took > 2000 && status !== 200) continue;
      assert.equal(status, 200, text);
      assert.ok(![first, second, third].includes(json.refresh_token));
      return;
    }
    assert.fail("the machine was too slow to tell");
  });

  it("after ten seconds such a one ends them all", async () => {
    const first = (await signedUp()).session.refresh_token;
    const second = (await refresh(first)).json.refresh_token;
    const third = (await refresh(second)).json.refresh_token;
    await age(first, 11);
    assertError(await refresh(first), 400, "refresh_token_already_used");
    await age(third, 11);
    assertError(await refresh(third), 400, "refresh_token_already_used");
  });

  it("twenty at once: one successor", async () => {
    const { refresh_token: token } = (await signedUp()).session;
    const answers = await Promise.all(Array.from({ length: 20 }, () => refresh(token)));
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
    assert.equal(new Set(answers.map(({ json }) => json.refresh_token)).size, 1);
  });

  it("what is none", async () => {
    assertError(await refresh("x".repeat(12)), 400, "refresh_token_not_found");
    for (const none of ["", "x", "X".repeat(12), "x".repeat(43)]) {
      assertError(await refresh(none), 400, "validation_failed");
    }
  });
});

describe("what it refuses", { concurrency: 4 }, () => {
  it("no key, a wrong key, a key as a token", async () => {
    const { session } = await signedUp();
    const token = session.access_token;
    const none = await ask("GET", "/user", { key: null, token });
    assert.equal(none.status, 401);
    assert.equal(none.json.message, "No API key found in request");
    assert.equal((await ask("GET", "/user", { key: "sb_secret_x", token })).status, 401);
    for (const key of [fake.keys.publishable, fake.keys.secret]) {
      assertError(await ask("GET", "/health", { token: key }), 403, "bad_jwt");
    }
    assertError(await ask("GET", "/admin/users"), 403, "not_admin");
    assertError(await ask("GET", "/admin/users", { key: fake.keys.secret, token }), 403,
      "not_admin");
    // The older keys are tokens, and must come as such.
    const { serviceRole, anon } = fake.keys;
    assertError(await ask("GET", "/admin/users", { key: serviceRole }), 401, "no_authorization");
    assertError(await ask("GET", "/admin/users", { key: anon, token: anon }), 403, "not_admin");
    const list = await ask("GET", "/admin/users", { key: serviceRole, token: serviceRole });
    assert.equal(list.status, 200);
  });

  it("tokens that are not its own, or no longer", async () => {
    const { session } = await signedUp();
    const claims = claimsOf(session.access_token);
    const [head, body] = session.access_token.split(".");
    const tokens = {
      "of another secret": sign({ alg: "HS256", typ: "JWT" }, claims, "another"),
      "of no signature": `${head}.${body}.`,
      "of alg none": sign({ alg: "none" }, claims, ""),
      "of the kid of another kind": sign({ ...claimsOf(`.${head}.`), alg: "HS256" }, claims, "x"),
      "of two parts": `${head}.${body}`,
    };
    for (const [name, token] of Object.entries(tokens)) {
      const answer = await ask("GET", "/user", { token });
      assert.equal(answer.json?.error_code, "bad_jwt", name);
      assert.equal(answer.status, 403);
    }
    assertError(await ask("GET", "/user"), 403, "bad_jwt");
    assertError(await ask("GET", "/user", { key: fake.keys.anon }), 401, "no_authorization");
  });

  // [path, body, status, code]
  const bodies = {
    "no body": ["/signup", "", 400, "bad_json"],
    "no JSON": ["/signup", "{", 400, "bad_json"],
    "an array": ["/signup", "[]", 400, "bad_json"],
    "a member of the wrong type": ["/signup", { email: 1, password }, 400, "bad_json"],
    "data that is no object": ["/signup", { email: "a@b.co", password, data: "x" }, 400,
      "bad_json"],
    "nobody": ["/signup", {}, 422, "anonymous_provider_disabled"],
    "no password": ["/signup", { email: "a@b.co" }, 400, "validation_failed"],
    "a bad address": ["/signup", { email: "a b@c", password }, 400, "validation_failed"],
    "a password of 73 bytes": ["/signup", { email: "a@b.co", password: "a".repeat(73) }, 400,
      "validation_failed"],
    "a weak one": ["/signup", { email: "a@b.co", password: "12345" }, 422, "weak_password"],
    "half of PKCE": ["/signup", { email: "a@b.co", password, code_challenge: "x".repeat(43) }, 400,
      "validation_failed"],
    "no grant": ["/token", { email: "a@b.co", password }, 400, "invalid_credentials"],
    "an unknown grant": ["/token?grant_type=magic", {}, 400, "invalid_credentials"],
    "an unknown account": ["/token?grant_type=password", { email: "nobody@b.co", password }, 400,
      "invalid_credentials"],
    "no address to sign in": ["/token?grant_type=password", { password }, 400,
      "validation_failed"],
    "no verifier": ["/token?grant_type=pkce", { auth_code: "x" }, 400, "validation_failed"],
    "recovery of no address": ["/recover", {}, 400, "validation_failed"],
    "resend of no type": ["/resend", { email: "a@b.co" }, 400, "validation_failed"],
    "verify without type": ["/verify", { token_hash: "x" }, 400, "validation_failed"],
    "verify with both": ["/verify", { type: "signup", token: "1", token_hash: "x" }, 400,
      "validation_failed"],
    "verify of a hash with an address": ["/verify",
      { type: "signup", token_hash: "x", email: "a@b.co" }, 400, "validation_failed"],
    "verify of nothing": ["/verify", { type: "signup", token_hash: "x" }, 403, "otp_expired"],
    "verify of another type": ["/verify", { type: "x", token_hash: "x" }, 400,
      "validation_failed"],
  };
  for (const [name, [path, body, status, code]] of Object.entries(bodies)) {
    it(name, async () => assertError(await ask("POST", path, { body }), status, code));
  }

  it("with the newer form of errors where that is asked for", async () => {
    const headers = { "x-supabase-api-version": "2024-01-01" };
    const body = { email: email(), password };
    const answer = await ask("POST", "/token?grant_type=password", { body, headers });
    assert.equal(answer.status, 400);
    assert.equal(answer.headers.get("x-sb-error-code"), "invalid_credentials");
    assert.equal(answer.headers.get("x-supabase-api-version"), "2024-01-01");
    assert.deepEqual(answer.json,
      { code: "invalid_credentials", message: "Invalid login credentials" });
  });

  it("paths and methods that there are not", async () => {
    assert.equal((await ask("GET", "/nothing")).status, 404);
    assert.equal((await ask("DELETE", "/signup")).status, 405);
    assertError(await ask("GET", `/admin/users/x`, { key: fake.keys.secret }), 404,
      "validation_failed");
  });

  it("what the service bears is noted", async () => {
    const address = email();
    const body = JSON.stringify({ email: address, password, birth_date: "2000-01-01" });
    const headers = { "content-type": "text/plain" };
    assert.equal((await ask("POST", "/signup", { body, headers })).status, 200);
    const [call] = await fake.calls(address);
    assert.deepEqual(call.odd, ["member birth_date", "media type"]);
    assert.equal(call.key, "sb_publishable");
  });
});

describe("other services", { concurrency: 4 }, () => {
  const verifier = randomBytes(32).toString("base64url");
  const challenge = createHash("sha256").update(verifier).digest("base64url");
  const page = "http://127.0.0.1:4000/back";
  const start = (more) => `/authorize?${new URLSearchParams({
    provider: "github", redirect_to: page, code_challenge: challenge,
    code_challenge_method: "s256", ...more,
  })}`;

  it("one that is unknown, or off", async () => {
    for (const provider of ["nobody", "apple", ""]) {
      assertError(await ask("GET", start({ provider }), { key: null }), 400, "validation_failed");
    }
  });

  it("a page that is not on the list: the site's own", async () => {
    const back = await fake.browse(
      `${fake.url}/auth/v1${start({ redirect_to: "https://evil.example/" })}`);
    assert.equal(back.origin, "http://127.0.0.1:3000");
  });

  it("someone who refuses", async () => {
    const person = email();
    await fake.person({ email: person, refuses: true });
    const back = await fake.browse(`${fake.url}/auth/v1${start()}`, person);
    assert.equal(back.searchParams.get("error"), "access_denied");
    assert.equal(back.searchParams.get("code"), null);
  });

  it("a wrong verifier; then the right one, once", async () => {
    const back = await fake.browse(`${fake.url}/auth/v1${start()}`, email());
    const code = back.searchParams.get("code");
    const trade = (word) => ask("POST", "/token?grant_type=pkce",
      { body: { auth_code: code, code_verifier: word } });
    assertError(await trade("x".repeat(43)), 400, "bad_code_verifier");
    const answers = await Promise.all([trade(verifier), trade(verifier)]);
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 404]);
  });

  it("an address that has an account already is that account", async () => {
    const { email: address, user } = await signedUp();
    const back = await fake.browse(`${fake.url}/auth/v1${start()}`, address);
    const { json } = await ask("POST", "/token?grant_type=pkce",
      { body: { auth_code: back.searchParams.get("code"), code_verifier: verifier } });
    assert.equal(json.user.id, user.id);
    assert.deepEqual(json.user.app_metadata.providers, ["email", "github"]);
  });
});

describe("the layout", () => {
  const as = (role, sql) => stack.db.run(`set role ${role}; ${sql}`);

  it("service_role sees the schema and none of its tables; the owner changes rows", async () => {
    await as("service_role", "select auth.uid()");
    for (const table of ["users", "sessions", "refresh_tokens", "identities", "flow_state"]) {
      await assert.rejects(as("service_role", `select from auth.${table}`), /permission denied/);
      await as("fynq_owner", `delete from auth.${table} where false`);
    }
    await assert.rejects(as("fynq_owner", "create table auth.mine ()"), /permission denied/);
    await assert.rejects(as("fynq_owner", "alter table auth.users add x int"), /must be owner/);
  });

  it("a row whose tokens are null cannot be read, as in the service", async () => {
    const { email: address, user } = await signedUp();
    await stack.db.run("update auth.users set confirmation_token = null where id = $1", [user.id]);
    assertError(await ask("POST", "/token?grant_type=password",
      { body: { email: address, password } }), 500, "unexpected_failure");
  });

  it("a row that was copied can sign in: $2a$ and $2b$ alike", async () => {
    const { email: address, user } = await signedUp();
    await stack.db.run(
      `update auth.users
       set encrypted_password = overlay(encrypted_password placing 'b' from 3 for 1)
       where id = $1`, [user.id]);
    good(await client().signInWithPassword({ email: address, password }));
  });
});

describe("failures", { concurrency: 4 }, () => {
  const IS_ERROR = ["request_limit", "request_limit_wait", "mail_limit", "unexpected",
    "unexpected_done", "conflict", "timeout", "unknown_code"];
  for (const [name, { done }] of Object.entries(failures)) {
    if (["silence", "silence_done", "huge"].includes(name)) continue; // It ends with the client.
    it(`${name}: is played once, and what was asked is ${done ? "" : "not "}done`, async () => {
      const address = email();
      await fake.fail(address, name, { delayMs: 1 });
      const body = { email: address, password };
      const answer = await ask("POST", "/signup", { body }).catch((error) => ({ error }));
      if (IS_ERROR.includes(name)) assertError(answer, answer.status, answer.json?.error_code);
      const [call] = await fake.calls(address);
      assert.equal(call.failure, name);
      assert.equal((await ask("POST", "/signup", { body })).status, done ? 422 : 200);
    });
  }
});

describe("keys and confirmation", () => {
  const isSigned = (token, jwk) => {
    const [head, body, signature] = token.split(".");
    return verify("sha256", Buffer.from(`${head}.${body}`),
      { key: keyOf(jwk), dsaEncoding: "ieee-p1363" }, Buffer.from(signature, "base64url"));
  };
  const kidOf = (token) => claimsOf(`.${token.split(".")[0]}.`).kid;
  const keySet = async () => {
    const { headers, json } = await ask("GET", "/.well-known/jwks.json", { key: null });
    assert.equal(headers.get("cache-control"), "public, max-age=600");
    return json.keys;
  };

  it("ES256, with a kid of the key set; a rotated key stays until it is dropped", async () => {
    const { session } = await signedUp();
    const [jwk] = await keySet();
    assert.equal(kidOf(session.access_token), jwk.kid);
    assert.ok(isSigned(session.access_token, jwk));
    const kid = await fake.rotate();
    const [newest, older] = await keySet();
    assert.deepEqual([newest.kid, older.kid], [kid, jwk.kid]);
    assert.equal((await ask("GET", "/user", { token: session.access_token })).status, 200);
    assert.deepEqual(await fake.dropOldKeys(), [jwk.kid]);
    assertError(await ask("GET", "/user", { token: session.access_token }), 403, "bad_jwt");
  });

  it("HS256 instead", async () => {
    await fake.set({ signing: "HS256" });
    const { session } = await signedUp();
    await fake.set({ signing: "ES256" });
    assert.equal(kidOf(session.access_token), undefined);
    assert.equal((await ask("GET", "/user", { token: session.access_token })).status, 200);
  });

  it("an address that must be confirmed first", async () => {
    await fake.set({ autoconfirm: false });
    try {
      const auth = client();
      const address = email();
      const { user, session } = good(await auth.signUp({ email: address, password }));
      assert.equal(session, null);
      assert.equal(user.email_confirmed_at, undefined);
      bad(await auth.signInWithPassword({ email: address, password }), "email_not_confirmed", 400);
      good(await auth.resend({ type: "signup", email: address }));
      const [first, second] = await fake.mails(address, "signup");
      bad(await auth.verifyOtp({ type: "signup", token_hash: first.token_hash }), "otp_expired",
        403);
      good(await auth.verifyOtp({ type: "signup", token_hash: second.token_hash }));
      good(await client().signInWithPassword({ email: address, password }));
      // Who is there already is shown as if they had just come, and gets no mail.
      const twice = good(await client().signUp({ email: address, password }));
      assert.deepEqual(twice.user.identities, []);
      assert.notEqual(twice.user.id, user.id);
      assert.equal((await fake.mails(address)).length, 2);
      await fake.set({ mail_interval_seconds: 60 });
      good(await client().resetPasswordForEmail(address));
      bad(await client().resetPasswordForEmail(address), "over_email_send_rate_limit", 429);
    } finally {
      await fake.set({ autoconfirm: true, mail_interval_seconds: 0 });
    }
  });
});

// The last one: the service's own tables are gone meanwhile.
it("every migration is undone and made again here, and accounts have profiles", async () => {
  const { user } = await signedUp();
  const migrate = async (how) => {
    const { code, stdout, stderr } = await stack.fynqctl(["migrate", how],
      { FYNQ_DATABASE_ADMIN_URL: stack.ownerUrl });
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const count = (await migrate("status")).match(/^applied /gm).length;
  for (let i = 0; i < count; i++) assert.match(await migrate("down"), /^undone /m);
  const left = await stack.db.query(
    "select tgname from pg_trigger where tgrelid = 'auth.users'::regclass and not tgisinternal");
  assert.deepEqual(left, []);
  const own = await ask("GET", `/admin/users/${user.id}`, { key: fake.keys.secret });
  assert.equal(own.status, 200, own.text);
  await migrate("up");
  const [profile] = await stack.db.query("select id from public.profiles where id = $1", [user.id]);
  assert.equal(profile?.id, user.id);
});
