// Accounts that Supabase Auth keeps, as their users see them: sessions, mails, passwords, other services.

import assert from "node:assert/strict";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";

import { startStack } from "./lib/fynq.mjs";
import { assertNotLogged } from "./lib/logs.mjs";
import { assertProblem } from "./lib/problem.mjs";
import { callsOf, email, good, PAGE, password, SITE, startSupabase } from "./lib/supabase.mjs";
import { claimsOf } from "./lib/tokens.mjs";

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;

let own, supabase;

before(async () => {
  own = await startSupabase();
  supabase = own.supabase;
});
after(() => own?.stop());

const { post, me, login, refresh } = callsOf(() => own);

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

  it("but not where the other sessions cannot be ended, which a new one would end", async () => {
    const student = await own.register();
    await good(post("recover", { email: student.email }), 202);
    const [mail] = await supabase.waitForMails(student.email);
    await supabase.fail(student.email, "unexpected", { route: "POST /logout", times: null });
    const { password: current } = student;
    assertProblem(await post("reset", { token: mail.token_hash, password: current }), 503,
      "accounts_unavailable");
    assertProblem(await own.api("PUT", "/auth/password",
      { token: student.token, body: { current, password: current } }), 503, "accounts_unavailable");
    await supabase.heal(student.email);
    await good(own.api("PUT", "/auth/password",
      { token: student.token, body: { current, password: current } }), 204);
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
