// Accounts that Supabase Auth keeps: what is asked of it, what becomes of its answers and failures.

import assert from "node:assert/strict";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";

import { AuthClient } from "@supabase/auth-js";

import { startStack, waitUntil } from "./lib/fynq.mjs";
import { assertNotLogged } from "./lib/logs.mjs";
import { assertProblem, assertRetryAfter } from "./lib/problem.mjs";
import { fetchTrusting } from "./lib/tlsfetch.mjs";
import { claimsOf } from "./lib/tokens.mjs";

const PAGE = "https://app.example/signed-in";
const SITE = "http://127.0.0.1:3000/auth";
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;
const TIMEOUT_MS = 5000;

const email = () => `${randomUUID()}@example.com`;
const password = () => `pass ${randomUUID()}`;

let own, supabase;

before(async () => {
  own = await startStack({ auth: "supabase", settings: {
    FYNQ_PUBLIC_URL: "http://localhost:8443", FYNQ_REDIRECTS: PAGE, FYNQ_SITE_URL: SITE,
    FYNQ_SUPABASE_TIMEOUT_MS: TIMEOUT_MS,
  } });
  supabase = own.supabase;
  await supabase.set({
    mail_interval_seconds: 0, redirects: ["http://localhost:8443/api/v1/auth/callback?flow=*"],
  });
});
after(() => own?.stop());

const post = (path, body, token) => own.api("POST", `/auth/${path}`, { body, token });
const me = (token) => own.api("GET", "/users/me", { token });
const login = ({ email: address, password: word }) => post("login", { email: address, password: word });
const refresh = (token) => post("refresh", { refresh_token: token });

async function good(answer, status = 200) {
  const { status: got, text, json } = await answer;
  assert.equal(got, status, text);
  return json;
}

describe("sessions", { concurrency: 4 }, () => {
  it("registering gives the same as with accounts of one's own", async () => {
    const address = `Ada.${randomUUID()}@Example.com`;
    const answer = await post("register", { email: address, password: password(),
      birth_date: "2000-02-29", display_name: "Zoë \"🙂\"", locale: "pt-BR" });
    const session = await good(answer, 201);
    assert.equal(answer.headers.get("cache-control"), "no-store");
    assert.deepEqual(Object.keys(session).sort(), ["access_token", "expires_at", "expires_in",
      "refresh_token", "token_type", "user"]);
    const { id, created_at: at, ...user } = session.user;
    assert.deepEqual(user, { email: address.toLowerCase(), role: "student",
      display_name: "Zoë \"🙂\"", locale: "pt-BR" });
    assert.match(at, TIME);
    const claims = claimsOf(session.access_token);
    assert.equal(claims.sub, id);
    assert.equal(claims.iss, `${supabase.url}/auth/v1`);
    assert.equal(claims.exp, session.expires_at);
    const profile = await good(me(session.access_token));
    assert.equal(profile.birth_date, "2000-02-29");
  });

  it("what is sent is what the API takes, with the keys where they belong", async () => {
    const student = await own.register();
    await good(login(student));
    const calls = await supabase.calls(student.email);
    assert.deepEqual(calls.map(({ method, path }) => `${method} ${path.replace("/auth/v1", "")}`),
      ["POST /signup", "POST /token"]);
    for (const { odd, key, bearer, ip } of calls) {
      assert.deepEqual({ odd, key, bearer }, { odd: [], key: "sb_publishable", bearer: null });
      assert.equal(ip, "127.0.0.1");
    }
    await good(post("logout", {}, student.token), 204);
    const [last] = (await supabase.calls(student.id)).filter(({ path }) => path.endsWith("/logout"));
    assert.deepEqual([last.key, last.bearer], ["sb_publishable", "authenticated"]);
  });

  it("an address that is registered", async () => {
    const { email: address } = await own.register();
    const again = { email: address.toUpperCase(), password: password(), birth_date: "2000-01-01" };
    assertProblem(await post("register", again), 409, "conflict");
  });

  it("wrong passwords and unknown addresses are refused alike", async () => {
    const student = await own.register();
    const answers = await Promise.all([
      login({ ...student, password: "wrong" }), login({ email: email(), password: "wrong" })]);
    for (const answer of answers) assertProblem(answer, 401, "bad_credentials");
    assert.deepEqual(...answers.map(({ json: { instance, ...rest } }) => rest));
    await good(login(student));
  });

  it("a refusal takes its time, whoever is refused", async () => {
    const times = [];
    for (let i = 0; i < 4; i++) times.push((await login({ email: email(), password: "wrong" })).ms);
    assert.ok(Math.min(...times) >= 300, `${times} ms`);
  });

  it("but no worker waits for that", async () => {
    const small = await startStack({ auth: "supabase",
      settings: { FYNQ_PROCESSES: "1", FYNQ_THREADS: "1" } });
    try {
      const began = Date.now();
      const answers = await Promise.all(Array.from({ length: 20 }, () =>
        small.api("POST", "/auth/login", { body: { email: email(), password: "wrong" } })));
      const took = Date.now() - began;
      for (const answer of answers) assertProblem(answer, 401, "bad_credentials");
      assert.ok(Math.min(...answers.map(({ ms }) => ms)) >= 300);
      assert.ok(took < 20 * 300 - 1000, `${took} ms`);
    } finally {
      await small.stop();
    }
  });

  it("a disabled account is told so who knows its password, and nobody else", async () => {
    const student = await own.register();
    const { refreshToken } = student;
    await own.db.run("update auth.users set banned_until = '2100-01-01' where id = $1::uuid",
      [student.id]);
    assertProblem(await login(student), 403, "account_disabled");
    assertProblem(await login({ ...student, password: "wrong" }), 401, "bad_credentials");
    assertProblem(await refresh(refreshToken), 403, "account_disabled");
  });

  it("refresh tokens rotate, and one that is used up ends its session", async () => {
    const { refreshToken: first, id } = await own.register();
    const { refresh_token: second } = await good(refresh(first));
    assert.notEqual(second, first);
    const { refresh_token: third } = await good(refresh(second));
    for (const token of [first, third]) { // What was revoked a moment ago is forgiven.
      await own.db.run(`update auth.refresh_tokens set updated_at = now() - interval '1 minute'
        where user_id = $1`, [id]);
      assertProblem(await refresh(token), 401, "bad_refresh_token");
    }
    for (const token of ["x", "abcdefghijkl", "ü", "a".repeat(512)]) {
      assertProblem(await refresh(token), 401, "bad_refresh_token");
    }
  });

  for (const [scope, left] of [["local", [1]], ["global", []], ["others", [0]]]) {
    it(`leaving: ${scope}`, async () => {
      const student = await own.register();
      const sessions = [student.session, await good(login(student))];
      await good(post("logout", { scope }, student.token), 204);
      for (const [i, session] of sessions.entries()) {
        const { status } = await refresh(session.refresh_token);
        assert.equal(status, left.includes(i) ? 200 : 401, `session ${i}`);
      }
    });
  }

  it("leaving where the session has ended meanwhile ends the others all the same", async () => {
    const student = await own.register();
    const other = await good(login(student));
    await good(me(student.token)); // Now it is known to stand, for a while.
    const { session_id: id } = claimsOf(student.token);
    await own.db.run("delete from auth.sessions where id = $1::uuid", [id]);
    const { status } = await post("logout", { scope: "global" }, student.token);
    assert.ok([204, 401].includes(status)); // 401: another process, which has not seen it before.
    if (status === 204) assertProblem(await refresh(other.refresh_token), 401, "bad_refresh_token");
  });
});

describe("mails and passwords", { concurrency: 4 }, () => {
  it("recovering: a mail, a new password, and no other session", async () => {
    const student = await own.register();
    await good(post("recover", { email: student.email.toUpperCase() }), 202);
    const [mail] = await supabase.waitForMails(student.email, { kind: "recovery" });
    assert.equal(mail.redirect_to, SITE);
    const chosen = password();
    const answer = await post("reset", { token: mail.token_hash, password: chosen });
    const session = await good(answer);
    assert.equal(session.user.id, student.id);
    await good(me(session.access_token));
    await good(refresh(session.refresh_token));
    assertProblem(await refresh(student.refreshToken), 401, "bad_refresh_token");
    assertProblem(await login(student), 401, "bad_credentials");
    await good(login({ ...student, password: chosen }));
    const again = await post("reset", { token: mail.token_hash, password: password() });
    assertProblem(again, 401, "bad_mail_token");
    await assertNotLogged(own, again, [mail.token_hash, chosen, student.email,
      session.refresh_token, session.access_token, supabase.keys.publishable, supabase.keys.secret]);
  });

  it("recovering an unknown address is answered alike, and no mail goes out", async () => {
    const address = email();
    await good(post("recover", { email: address }), 202);
    const { email: known } = await own.register();
    await good(post("recover", { email: known }), 202);
    await supabase.waitForMails(known);
    assert.deepEqual(await supabase.mails(address), []);
  });

  it("the same password again is as good as set", async () => {
    const student = await own.register();
    await good(post("recover", { email: student.email }), 202);
    const [mail] = await supabase.waitForMails(student.email);
    await good(post("reset", { token: mail.token_hash, password: student.password }));
    assertProblem(await refresh(student.refreshToken), 401, "bad_refresh_token");
  });

  it("changing the password: by the current one; this session stays, the others end", async () => {
    const student = await own.register();
    const other = await good(login(student));
    const chosen = password();
    const put = (current) => own.api("PUT", "/auth/password",
      { token: student.token, body: { current, password: chosen } });
    assertProblem(await put("wrong password"), 401, "bad_credentials");
    await good(put(student.password), 204);
    assertProblem(await refresh(other.refresh_token), 401, "bad_refresh_token");
    await good(refresh(student.refreshToken));
    assertProblem(await login(student), 401, "bad_credentials");
    await good(login({ ...student, password: chosen }));
    const [{ count }] = await own.db.query(
      "select count(*)::int from auth.sessions where user_id = $1::uuid", [student.id]);
    assert.equal(count, 2); // The student's and the last login's; none of the checks.
  });

  it("links that are none", async () => {
    const chosen = password();
    for (const token of ["x", "0".repeat(56), "ü"]) {
      assertProblem(await post("verify", { type: "signup", token }), 401, "bad_mail_token");
      assertProblem(await post("reset", { token, password: chosen }), 401, "bad_mail_token");
    }
  });
});

describe("through another service", () => {
  it("from the page to the page, and a session", async () => {
    const verifier = randomBytes(32).toString("base64url");
    const state = randomUUID();
    const challenge = createHash("sha256").update(verifier).digest("base64url");
    const query = new URLSearchParams({ redirect_to: PAGE, code_challenge: challenge, state });
    const options = { signal: AbortSignal.timeout(20000) };
    const first = await own.api("GET", `/auth/oauth/google?${query}`, options);
    assert.equal(first.status, 302, first.text);
    const cookie = first.headers.get("set-cookie");
    assert.match(cookie, /^fynq-flow=[\w.-]+; Path=\/api\/v1\/auth\/callback; Max-Age=600; HttpOnly;/);

    const person = email();
    const back = await supabase.browse(first.headers.get("location"), person);
    assert.equal(`${back.origin}${back.pathname}`, "http://localhost:8443/api/v1/auth/callback");
    const second = await own.api("GET", `/auth/callback${back.search}`,
      { ...options, headers: { cookie: cookie.split(";")[0] } });
    assert.equal(second.status, 302, second.text);
    const page = new URL(second.headers.get("location"));
    assert.equal(`${page.origin}${page.pathname}`, PAGE);
    assert.equal(page.searchParams.get("state"), state);

    const code = page.searchParams.get("code");
    const wrong = randomBytes(32).toString("base64url");
    assertProblem(await post("exchange", { code, code_verifier: wrong }), 401, "bad_code");
    const session = await good(post("exchange", { code, code_verifier: verifier }));
    assert.equal(session.user.email, person);
    assert.equal(session.user.role, "student");
    await good(me(session.access_token));
    assertProblem(await post("exchange", { code, code_verifier: verifier }), 401, "bad_code");
    assertProblem(await post("exchange", { code: "nonsense", code_verifier: verifier }), 401, "bad_code");
  });

  it("who does not consent comes back with that", async () => {
    const person = email();
    await supabase.person({ email: person, refuses: true });
    const query = new URLSearchParams({ redirect_to: PAGE, state: "12345678",
      code_challenge: createHash("sha256").update("x").digest("base64url") });
    const options = { signal: AbortSignal.timeout(20000) };
    const first = await own.api("GET", `/auth/oauth/github?${query}`, options);
    const back = await supabase.browse(first.headers.get("location"), person);
    const second = await own.api("GET", `/auth/callback${back.search}`,
      { ...options, headers: { cookie: first.headers.get("set-cookie").split(";")[0] } });
    const page = new URL(second.headers.get("location"));
    assert.deepEqual(Object.fromEntries(page.searchParams), { error: "access_denied",
      error_description: "The user has denied access", state: "12345678" });
  });
});

// With Supabase's own client, past every check of ours.
describe("who registered there, not here", { concurrency: 4 }, () => {
  /** Signs up with what its user says; resolves with the access token. */
  async function signUp(said) {
    const client = new AuthClient({
      url: `${supabase.url}/auth/v1`, headers: { apikey: supabase.keys.publishable },
      fetch: fetchTrusting(supabase.ca), autoRefreshToken: false, persistSession: false,
    });
    const { data, error } =
      await client.signUp({ email: email(), password: password(), options: { data: said } });
    assert.equal(error, null);
    return data.session.access_token;
  }

  const ask = (token) => own.api("POST", "/chat/message", { token, body: { content: "Why?" } });
  const set = (token, born) => own.api("PATCH", "/users/me", { token, body: { birth_date: born } });
  const yearsAgo = (n) => `${new Date().getUTCFullYear() - n}-01-01`;

  async function refused(token) {
    const answer = await ask(token);
    assertProblem(answer, 403, "under_age");
    return answer.json.detail;
  }

  it("a child has a profile and no tutor, and does not grow older", async () => {
    const token = await signUp({ birth_date: yearsAgo(9), role: "admin" });
    assert.doesNotMatch(await refused(token), /birth_date/);
    const profile = await good(me(token));
    assert.deepEqual([profile.birth_date, profile.role], [yearsAgo(9), "student"]);
    assertProblem(await set(token, yearsAgo(30)), 409, "conflict");
    await refused(token);
  });

  for (const said of [{}, { birth_date: "" }, { birth_date: 19900505 }, { birth_date: "1990-02-30" }]) {
    it(`no birth date, as ${JSON.stringify(said)}: it is set once`, async () => {
      const token = await signUp(said);
      assert.match(await refused(token), /birth_date/);
      assert.equal((await good(me(token))).birth_date, null);
      assert.equal((await good(set(token, "1990-05-05"))).birth_date, "1990-05-05");
      assertProblem(await set(token, "1991-05-05"), 409, "conflict");
      await good(ask(token), 201);
    });
  }

  it("a child who says so later stays one", async () => {
    const token = await signUp({});
    await good(set(token, yearsAgo(9)));
    await refused(token);
    assertProblem(await set(token, yearsAgo(30)), 409, "conflict");
    await refused(token);
  });

  it("an adult is welcome", async () => {
    await good(ask(await signUp({ birth_date: "1990-05-05" })), 201);
  });
});

describe("admins", { concurrency: 4 }, () => {
  let boss;

  before(async () => {
    const { id, ...student } = await own.register();
    await own.db.run(`update auth.users set raw_app_meta_data =
      raw_app_meta_data || '{"role": "admin"}' where id = $1::uuid`, [id]);
    boss = await good(login(student));
    assert.equal(boss.user.role, "admin");
  });

  const change = (id, body) =>
    own.api("PATCH", `/users/${id}`, { token: boss.access_token, body });

  it("a new role ends the sessions, and is in the next", async () => {
    const student = await own.register();
    await good(change(student.id, { role: "teacher" }));
    assertProblem(await refresh(student.refreshToken), 401, "bad_refresh_token");
    const session = await good(login(student));
    assert.equal(session.user.role, "teacher");
    assert.equal(claimsOf(session.access_token).app_metadata.role, "teacher");
    assert.equal(claimsOf(session.access_token).app_metadata.provider, "email");
    const [call] = (await supabase.calls(student.id)).filter(({ method }) => method === "PUT");
    assert.deepEqual([call.key, call.bearer, call.odd], ["sb_secret", null, []]);
  });

  it("disabling ends the sessions; enabled again, the user signs in again", async () => {
    const student = await own.register();
    await good(change(student.id, { disabled: true }));
    assertProblem(await login(student), 403, "account_disabled");
    assertProblem(await login({ ...student, password: "wrong" }), 401, "bad_credentials");
    const { status } = await me(student.token);
    assert.ok([401, 403].includes(status), status);
    await good(post("recover", { email: student.email }), 202);
    await good(change(student.id, { disabled: false }));
    assertProblem(await refresh(student.refreshToken), 401, "bad_refresh_token");
    await good(login(student));
  });

  it("an account without address and app_metadata, such as one of a telephone", async () => {
    const { id, refreshToken } = await own.register();
    const phone = String(Math.trunc(Math.random() * 1e14) + 1e14);
    await own.db.run(`update auth.users
      set email = null, phone = $2, raw_app_meta_data = null where id = $1::uuid`, [id, phone]);
    const { access_token: token, refresh_token: next } = await good(refresh(refreshToken));
    assert.equal((await good(me(token))).role, "student");
    const account = await good(own.api("GET", `/users/${id}`, { token: boss.access_token }));
    assert.deepEqual([account.email, account.role], [null, "student"]);
    const list = await good(own.api("GET", "/users?limit=100", { token: boss.access_token }));
    assert.equal(list.items.find((item) => item.id === id).email, null);
    const [held] = await own.db.query(
      "select fynq.export_account($1::uuid) ->> 'phone' as phone", [id]);
    assert.equal(held.phone, phone);
    await good(own.api("POST", "/users/me/export", { token }));
    await good(change(id, { role: "teacher" }));
    assertProblem(await refresh(next), 401, "bad_refresh_token");
    const { code, stderr } = await own.fynqctl(["user", "disable", id]);
    assert.equal(code, 0, stderr);
    const changed = await good(own.api("GET", `/users/${id}`, { token: boss.access_token }));
    assert.deepEqual([changed.email, changed.role, changed.disabled], [null, "teacher", true]);
  });

  it("of two accounts of one address, the record is about the one with a password", async () => {
    const address = email();
    await own.db.run(`insert into auth.users (instance_id, id, email, is_sso_user)
      values ('00000000-0000-0000-0000-000000000000', gen_random_uuid(), $1, true)`, [address]);
    const student = await own.register({ email: address });
    await good(login(student));
    assertProblem(await login({ ...student, password: "wrong" }), 401, "bad_credentials");
    const { items } = await good(
      own.api("GET", `/audit?user_id=${student.id}`, { token: boss.access_token }));
    assert.deepEqual(items.map(({ event }) => event),
      ["sign_in_failed", "signed_in", "registered"]);
  });

  it("an account that Supabase has kept as deleted is none", async () => {
    const student = await own.register();
    await own.db.run("update auth.users set deleted_at = now() where id = $1::uuid", [student.id]);
    const token = boss.access_token;
    assertProblem(await own.api("GET", `/users/${student.id}`, { token }), 404, "not_found");
    assertProblem(await change(student.id, { role: "teacher" }), 404, "not_found");
    const found = await good(own.api("GET", `/users?q=${student.email}`, { token }));
    assert.deepEqual(found.items, []);
  });

  it("what Supabase does not do is not done", async () => {
    const student = await own.register();
    await supabase.fail(student.id, "unexpected", { route: "PUT /admin/users" });
    assertProblem(await change(student.id, { role: "teacher" }), 503, "accounts_unavailable");
    await good(refresh(student.refreshToken));
    assert.equal((await good(login(student))).user.role, "student");
  });

  it("what may be done twice is tried once more", async () => {
    const student = await own.register();
    await supabase.fail(student.id, "cut_after", { route: "PUT /admin/users" });
    await good(change(student.id, { role: "teacher" }));
    assert.equal((await good(login(student))).user.role, "teacher");
  });
});

describe("fynqctl user", { concurrency: 2 }, () => {
  async function user(...args) {
    const { code, stdout, stderr } = await own.fynqctl(["user", ...args]);
    assert.equal(code, 0, stderr);
    return stdout;
  }

  it("creates, lists, gives a role, disables, enables, resets", async () => {
    const address = email();
    const [id, word] = (await user("create", address, "--role", "teacher")).trim().split("\n");
    const account = { email: address, password: word };
    assert.equal((await good(login(account))).user.role, "teacher");
    assert.match(await user("list", "--role", "teacher"), new RegExp(`^${id} .* ${address}$`, "m"));

    const { refresh_token: first } = await good(login(account));
    await user("role", address.toUpperCase(), "student");
    assertProblem(await refresh(first), 401, "bad_refresh_token");
    assert.equal((await good(login(account))).user.role, "student");

    await user("disable", address);
    assertProblem(await login(account), 403, "account_disabled");
    assert.match(await user("list", "--disabled"), new RegExp(id));
    await user("enable", id);
    await good(login(account));

    const other = (await user("reset", address)).trim();
    assertProblem(await login(account), 401, "bad_credentials");
    await good(login({ email: address, password: other }));
  });

  it("creates no second account of an address", async () => {
    const { email: address } = await own.register();
    const { code, stdout, stderr } = await own.fynqctl(["user", "create", address]);
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, /registered already/);
  });

  it("deletes, and the address is free", async () => {
    const student = await own.register();
    await user("delete", student.email);
    assertProblem(await login(student), 401, "bad_credentials");
    assert.deepEqual(await own.db.query(
      "select id from auth.users where id = $1::uuid", [student.id]), []);
    assert.notEqual((await own.register({ email: student.email })).id, student.id);
  });
});

describe("failures", { concurrency: 4 }, () => {
  const away = ["unexpected", "conflict", "timeout", "unknown_code", "bad_gateway", "unavailable",
    "gateway_timeout", "origin_down", "wrong_key", "silence", "truncated", "rubbish", "html_ok",
    "empty", "null_body", "array", "bare", "wrong_types", "elsewhere", "huge"];

  for (const named of away) {
    it(`${named}: accounts are away, and come back`, async () => {
      const student = await own.register();
      await supabase.fail(student.email, named, { route: "POST /token" });
      const answer = await login(student);
      assertProblem(answer, 503, "accounts_unavailable");
      assert.ok(answer.ms < 2 * TIMEOUT_MS, `${answer.ms} ms`);
      assertRetryAfter(answer, 1, 60);
      await good(login(student));
    });
  }

  for (const named of ["wrong_type", "huge_header"]) {
    it(`${named}: is no failure`, async () => {
      const student = await own.register();
      await supabase.fail(student.email, named, { route: "POST /token" });
      await good(login(student));
    });
  }

  for (const [named, seconds] of [["request_limit", undefined], ["request_limit_wait", 7]]) {
    it(`${named}: too often, and when to come back`, async () => {
      const student = await own.register();
      await supabase.fail(student.email, named, { route: "POST /token" });
      const answer = await login(student);
      assertProblem(answer, 429, "rate_limited");
      assertRetryAfter(answer, seconds ?? 1, seconds ?? 60);
    });
  }

  it("what may have been done is not done again", async () => {
    for (const named of ["cut_before", "cut_after", "cut_within"]) {
      const address = email();
      await supabase.fail(address, named, { route: "POST /signup" });
      const body = { email: address, password: password(), birth_date: "2000-01-01" };
      assertProblem(await post("register", body), 503, "accounts_unavailable");
      const { length } = await supabase.calls(address);
      assert.equal(length, 1, named);
    }
  });

  for (const named of ["cut_before", "cut_after", "cut_within"]) {
    it(`a refresh whose answer was lost is tried once more: ${named}`, async () => {
      const { refreshToken } = await own.register();
      await supabase.fail(refreshToken, named);
      const { refresh_token: next } = await good(refresh(refreshToken));
      await good(refresh(next));
    });
  }

  it("a mail that cannot be sent now waits", async () => {
    const { email: address } = await own.register();
    await supabase.fail(address, "mail_limit", { route: "POST /recover" });
    await good(post("recover", { email: address }), 202);
    // A try counts from when it is begun; for two minutes after that nobody else makes one.
    await waitUntil(async () => {
      const mails = await own.db.query(
        `select tries from fynq.mails
         where email = $1 and due_at between now() and now() + interval '1 minute'`, [address]);
      return mails.length === 1 && mails[0].tries === 1;
    }, { what: "the mail was tried once" });
    await supabase.heal(address);
    assert.deepEqual(await supabase.mails(address), []);
  });
});

describe("settings", { concurrency: 4 }, () => {
  const check = async (settings) =>
    (await own.fynqctl(["config", "check"], { FYNQ_AUTH: "supabase", ...settings }));

  const rows = [
    ["FYNQ_SUPABASE_URL", ""], ["FYNQ_SUPABASE_URL", "project.supabase.co"],
    ["FYNQ_SUPABASE_URL", "https://project.supabase.co/auth/v1"],
    ["FYNQ_SUPABASE_URL", "https://user@project.supabase.co"],
    ["FYNQ_SUPABASE_KEY", ""], ["FYNQ_SUPABASE_SECRET_KEY", ""],
    ["FYNQ_SUPABASE_KEY", "sb_secret_x"], ["FYNQ_SUPABASE_SECRET_KEY", "sb_publishable_x"],
    ["FYNQ_SUPABASE_CA_FILE", "/nowhere"], ["FYNQ_SITE_URL", "app.example"],
    ["FYNQ_PUBLIC_URL", "api.example"], ["FYNQ_REDIRECTS", "https://app.example/*,app.example"],
    ["FYNQ_REDIRECTS", "http://app.example/signed-in"],
  ];
  for (const [name, value] of rows) {
    it(`${name}="${value}" is named, and refused`, async () => {
      const { code, stdout, stderr } = await check({ [name]: value });
      assert.notEqual(code, 0);
      assert.match(stdout + stderr, new RegExp(`${name}: `));
    });
  }

  it("a slash at the end of the project's URL is the same", async () => {
    const { code, stderr } = await check({ FYNQ_SUPABASE_URL: `${supabase.url}/` });
    assert.equal(code, 0, stderr);
  });
});

// For all who register meanwhile, too: so these two are not run beside others.
describe("with stricter rules", () => {
  it("a password that Supabase takes for weak", async () => {
    const { password_min: least } = await supabase.options();
    const [mark, before] = [email(), await own.register()];
    const short = randomUUID().slice(0, 20);
    await supabase.set({ password_min: 30 });
    try {
      const body = { email: mark, password: short, birth_date: "2000-01-01" };
      assertProblem(await post("register", body), 422, "invalid", ["password"]);
      const answer = await own.api("PUT", "/auth/password",
        { token: before.token, body: { current: before.password, password: short } });
      assertProblem(answer, 422, "invalid", ["password"]);
      const [{ count }] = await own.db.query( // What checked the current one has ended.
        "select count(*)::int from auth.sessions where user_id = $1::uuid", [before.id]);
      assert.equal(count, 1);
    } finally {
      await supabase.set({ password_min: least });
    }
    await good(login(before));
  });
});

it("the password of who has one's former address is not one's own", async () => {
  const student = await own.register();
  const now = [student.id, email()];
  await own.db.query("update auth.users set email = $2 where id = $1::uuid returning id", now);
  await own.db.query(`update auth.identities set identity_data = identity_data ||
    jsonb_build_object('email', $2::text) where user_id = $1::uuid returning id`, now);
  const body = { email: student.email, password: password(), birth_date: "2000-01-01" };
  await good(post("register", body), 201);
  const answer = await own.api("PUT", "/auth/password",
    { token: student.token, body: { current: body.password, password: password() } });
  assertProblem(answer, 401, "bad_credentials");
});

describe("with confirmation", () => {
  it("the answer is the same for addresses that are new, known and confirmed", async () => {
    const { email: confirmed } = await own.register();
    const [fresh, twice] = [email(), email()];
    await supabase.set({ autoconfirm: false });
    try {
      const body = (address) => ({ email: address, password: password(), birth_date: "2000-01-01",
        display_name: "Ada", locale: "de" });
      await good(post("register", body(twice)), 201);
      const answers = [];
      for (const address of [fresh, twice, confirmed]) {
        const { user, ...rest } = await good(post("register", body(address)), 201);
        assert.deepEqual(rest, {});
        const { id, created_at: at, ...members } = user;
        assert.deepEqual(members,
          { email: address, role: "student", display_name: "Ada", locale: "de" });
        assert.match(at, TIME);
        assert.ok(Math.abs(Date.parse(at) - Date.now()) < 20000);
        answers.push(id);
      }
      assert.equal(new Set(answers).size, 3);

      await verified(fresh);
      await resent(twice);

      // Nor does it tell that a mail went out a moment ago, which none does to who is confirmed.
      await supabase.set({ mail_interval_seconds: 60 });
      for (const address of [twice, confirmed, email()]) {
        for (let i = 0; i < 2; i++) {
          const answer = await good(post("register", body(address)), 201);
          assert.deepEqual(Object.keys(answer), ["user"]);
        }
      }
    } finally {
      await supabase.set({ autoconfirm: true, mail_interval_seconds: 0 });
    }
  });

  async function verified(address) {
    const word = password();
    assertProblem(await login({ email: address, password: word }), 401, "bad_credentials");
    const [mail] = await supabase.waitForMails(address, { kind: "signup" });
    const session = await good(post("verify", { type: "signup", token: mail.token_hash }));
    assert.equal(session.user.email, address);
    await good(me(session.access_token));
    const again = await post("verify", { type: "signup", token: mail.token_hash });
    assertProblem(again, 401, "bad_mail_token");
  }

  async function resent(address) {
    const before = await supabase.mails(address, "signup");
    await good(post("resend", { type: "signup", email: address }), 202);
    const mails = await supabase.waitForMails(address, { kind: "signup", count: before.length + 1 });
    await good(post("verify", { type: "signup", token: mails.at(-1).token_hash }));
  }
});
