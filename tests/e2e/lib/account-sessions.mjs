// Of every mode: registering, signing in, refreshing, leaving, sessions, other services, keys.

import assert from "node:assert/strict";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { describe, it } from "node:test";

import { PAGE } from "./account-modes.mjs";
import { assertProblem } from "./problem.mjs";
import { claimsOf } from "./tokens.mjs";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;

export const email = () => `${randomUUID()}@example.com`;
export const password = "correct horse battery";

/** What tests of accounts call, on the suite's stack. */
export function callsOf(suite) {
  const post = (path, body, more = {}) =>
    suite.stack.api("POST", `/auth/${path}`, { body, ...more });
  const calls = {
    post,
    login: (body) => post("login", body),
    refresh: (token) => post("refresh", { refresh_token: token }),
    logout: (token, body = {}) => post("logout", body, { token }),
    me: (token) => suite.stack.api("GET", "/users/me", { token }),
    register: (more) => suite.stack.register(more),
    async refreshed(token) {
      const answer = await calls.refresh(token);
      assert.equal(answer.status, 200, answer.text);
      return answer.json.refresh_token;
    },
    refused: async (token) => assertProblem(await calls.refresh(token), 401, "bad_refresh_token"),
    /** Another session of an account. */
    async another({ email: address, password: word }) {
      const answer = await calls.login({ email: address, password: word });
      assert.equal(answer.status, 200, answer.text);
      return answer.json;
    },
  };
  return calls;
}

function assertSession({ json, headers }, address) {
  assert.equal(headers.get("cache-control"), "no-store");
  assert.equal(json.token_type, "bearer");
  assert.equal(json.user.email, address);
  assert.match(json.user.id, UUID);
  assert.match(json.user.created_at, TIME);
  const claims = claimsOf(json.access_token);
  assert.equal(claims.sub, json.user.id);
  assert.equal(claims.email, address);
  assert.equal(claims.aud, "authenticated");
  assert.equal(claims.role, "authenticated");
  assert.match(claims.session_id, UUID);
  assert.equal(claims.exp, json.expires_at);
  assert.equal(claims.exp - claims.iat, json.expires_in);
  assert.ok(Math.abs(claims.iat - Date.now() / 1000) < 60);
  assert.deepEqual(Object.keys(json).sort(), ["access_token", "expires_at", "expires_in",
    "refresh_token", "token_type", "user"]);
  assert.deepEqual(Object.keys(json.user).sort(),
    ["created_at", "display_name", "email", "id", "locale", "role"]);
}

export function describeSessions(suite) {
  describeSignIn(suite);
  describeRefresh(suite);
  describeLogout(suite);
  describeList(suite);
  describeOtherServices(suite);

  it("the keys of access tokens are published where they are ours", async () => {
    const { status, json, headers } = await suite.stack.api("GET", "/auth/.well-known/jwks.json");
    assert.equal(status, 200);
    assert.match(headers.get("cache-control"), /^public, max-age=\d+$/);
    assert.ok(Array.isArray(json.keys));
    for (const key of json.keys) assert.ok(!("d" in key) && !("k" in key));
  });
}

function describeSignIn(suite) {
  const { login, register, another, refresh, me, post } = callsOf(suite);

  describe("register and login", { concurrency: 4 }, () => {
    it("a session, a profile, and the same account again by login", async () => {
      const address = email();
      const answer = await post("register", { email: address, password,
        birth_date: "2000-02-29", display_name: "Zoë 🙂", locale: "pt-BR" });
      assert.equal(answer.status, 201, answer.text);
      assertSession(answer, address);
      assert.equal(answer.json.user.display_name, "Zoë 🙂");
      assert.equal(answer.json.user.locale, "pt-BR");
      assert.equal(answer.json.user.role, "student");

      const again = await login({ email: address, password });
      assert.equal(again.status, 200);
      assertSession(again, address);
      assert.deepEqual(again.json.user, answer.json.user);
      const sessions = [answer, again].map(({ json }) => claimsOf(json.access_token).session_id);
      assert.notEqual(sessions[0], sessions[1]);

      const profile = await me(again.json.access_token);
      assert.equal(profile.json.birth_date, "2000-02-29");
      assert.equal(profile.json.display_name, "Zoë 🙂");
    });

    it("an address in other letters is the same address", async () => {
      const name = randomUUID();
      const student = await register({ email: `${name}@Example.com` });
      assert.equal(student.session.user.email, `${name}@example.com`);
      const loud = `${name.toUpperCase()}@EXAMPLE.COM`;
      const body = { email: loud, password, birth_date: "1990-01-01" };
      assertProblem(await post("register", body), 409, "conflict");
      assert.equal((await login({ email: loud, password })).status, 200);
    });

    it("an address twice, at once: one account", async () => {
      const body = { email: email(), password, birth_date: "1990-01-01" };
      const answers = await Promise.all(Array.from({ length: 4 }, () => post("register", body)));
      const made = answers.filter(({ status }) => status === 201);
      assert.equal(made.length, 1);
      for (const answer of answers) {
        // Supabase Auth says no more of those that lose the race than that something failed.
        if (answer.status === 503) assertProblem(answer, 503, "accounts_unavailable");
        else if (answer !== made[0]) assertProblem(answer, 409, "conflict");
      }
      assert.equal((await login(body)).status, 422); // birth_date is unknown there.
      await another(body);
    });

    it("an unknown address and a wrong password are answered alike", async () => {
      const student = await register();
      const answers = await Promise.all([
        login({ email: student.email, password: "incorrect horse" }),
        login({ email: email(), password: "incorrect horse" }),
      ]);
      const [wrong, unknown] = answers.map((answer) => {
        assertProblem(answer, 401, "bad_credentials");
        const headers = Object.fromEntries(answer.headers);
        delete headers.date;
        delete headers["x-request-id"];
        return { headers, json: { ...answer.json, instance: "" } };
      });
      assert.deepEqual(unknown, wrong);
      assert.equal(answers[0].text.includes(student.email), false);
    });

    it("who is too young, and what is no password", async () => {
      const body = { email: email(), password, birth_date: "2020-01-01" };
      assertProblem(await post("register", body), 403, "under_age");
      const weak = { ...body, birth_date: "1990-01-01", password: "a".repeat(73), more: 1 };
      assertProblem(await post("register", weak), 422, "invalid", ["more", "password"]);
    });

    it("a disabled account: no login, no refresh", async () => {
      const student = await register();
      await suite.stack.db.run(
        "update auth.users set banned_until = now() + interval '1 day' where id = $1",
        [student.id]);
      const body = { email: student.email, password: student.password };
      assertProblem(await login(body), 403, "account_disabled");
      assertProblem(await refresh(student.refreshToken), 403, "account_disabled");
      assertProblem(await login({ ...body, password: "incorrect" }), 401, "bad_credentials");
    });
  });
}

function describeRefresh(suite) {
  const { register, refresh, refreshed, refused, another, me } = callsOf(suite);
  const age = (token, seconds) => suite.mode.age(suite.stack, token, seconds);

  describe("refresh", { concurrency: 4 }, () => {
    it("each token buys the next, in the same session", async () => {
      const student = await register();
      let token = student.refreshToken;
      const seen = new Set([token]);
      for (let i = 0; i < 4; i++) {
        const answer = await refresh(token);
        assert.equal(answer.status, 200, answer.text);
        assertSession(answer, student.email);
        assert.equal(claimsOf(answer.json.access_token).session_id,
          claimsOf(student.token).session_id);
        token = answer.json.refresh_token;
        assert.ok(!seen.has(token));
        seen.add(token);
        assert.equal((await me(answer.json.access_token)).status, 200);
      }
    });

    it("a lost answer: the old token works again for 10 s", async () => {
      let again;
      // Of these seconds a busy machine may take the last two before it asks: then once more.
      for (let tries = 5, took = Infinity; took > 2000 && tries > 0; tries -= 1) {
        const { refreshToken } = await register();
        await refreshed(refreshToken);
        const began = performance.now();
        await age(refreshToken, 8);
        again = await refresh(refreshToken);
        took = performance.now() - began;
      }
      assert.equal(again.status, 200, again.text);
      await refreshed(again.json.refresh_token);
    });

    it("reuse after that ends the session, and no other", async () => {
      const student = await register();
      const other = await another(student);
      const next = await refreshed(await refreshed(student.refreshToken));
      await age(student.refreshToken, 11);
      await refused(student.refreshToken);
      await age(next, 11);
      await refused(next);
      await refreshed(other.refresh_token);
    });

    it("ten at once with one token: all are answered, and the session lives", async () => {
      const { refreshToken, id } = await register();
      const answers = await Promise.all(Array.from({ length: 10 }, () => refresh(refreshToken)));
      assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
      await refreshed(answers[9].json.refresh_token);
      const sessions = await suite.stack.db.query(
        "select id from auth.sessions where user_id = $1", [id]);
      assert.equal(sessions.length, 1);
    });

    it("what is no refresh token", async () => {
      const { token } = await register();
      for (const bad of [token.slice(0, 512), "x", "a".repeat(12), "a".repeat(43), "%00"]) {
        await refused(bad);
      }
      assertProblem(await refresh(" "), 422, "invalid", ["refresh_token"]);
    });
  });
}

function describeLogout(suite) {
  const { register, refresh, refreshed, refused, another, logout, post } = callsOf(suite);

  describe("logout", { concurrency: 4 }, () => {
    const scopes = {
      "{}": [{}, [401, 200, 200]],
      "local": [{ scope: "local" }, [401, 200, 200]],
      "others": [{ scope: "others" }, [200, 401, 401]],
      "global": [{ scope: "global" }, [401, 401, 401]],
    };
    for (const [name, [body, statuses]] of Object.entries(scopes)) {
      it(`scope ${name}`, async () => {
        const student = await register();
        const sessions = [student.session, await another(student), await another(student)];
        const bystander = await register();
        const answer = await logout(student.token, body);
        assert.equal(answer.status, 204, answer.text);
        assert.equal(answer.text, "");
        const after = [];
        for (const session of sessions) after.push((await refresh(session.refresh_token)).status);
        assert.deepEqual(after, statuses);
        await refreshed(bystander.refreshToken);
      });
    }

    it("without a body; and not without a token", async () => {
      const { token, refreshToken } = await register();
      assert.equal((await post("logout", undefined, { token })).status, 204);
      await refused(refreshToken);
      assertProblem(await logout(undefined), 401, "unauthorized");
      const other = await register();
      assertProblem(await logout(other.token, { scope: "some" }), 422, "invalid", ["scope"]);
      await refreshed(other.refreshToken);
    });

    it("refresh and logout at once: either order, and the end is the end", async () => {
      for (let round = 0; round < 8; round++) {
        const { token, refreshToken } = await register();
        const [first, left, second] = await Promise.all([
          refresh(refreshToken), logout(token, { scope: "global" }), refresh(refreshToken),
        ]);
        assert.equal(left.status, 204, left.text);
        for (const answer of [first, second]) {
          if (answer.status === 200) await refused(answer.json.refresh_token);
          else assertProblem(answer, 401, "bad_refresh_token");
        }
      }
    });
  });
}

function describeList(suite) {
  const { register, another, refused } = callsOf(suite);
  const list = (token) => suite.stack.api("GET", "/auth/sessions", { token });
  const end = (token, id) => suite.stack.api("DELETE", `/auth/sessions/${id}`, { token });

  describe("sessions", { concurrency: 4 }, () => {
    it("are listed, the newest first, and ended one by one", async () => {
      const student = await register();
      const second = await another(student);
      const { status, json } = await list(student.token);
      assert.equal(status, 200);
      const [newer, older] = [second.access_token, student.token].map(claimsOf);
      assert.deepEqual(json.items.map(({ id, current }) => [id, current]),
        [[newer.session_id, false], [older.session_id, true]]);
      assert.deepEqual(Object.keys(json.items[0]).sort(),
        ["created_at", "current", "id", "ip", "refreshed_at", "user_agent"]);
      assert.match(json.items[0].created_at, TIME);
      assert.equal(json.items[0].ip, "127.0.0.1");

      assert.equal((await end(student.token, newer.session_id)).status, 204);
      await refused(second.refresh_token);
      assertProblem(await end(student.token, newer.session_id), 404, "not_found");
      assert.equal((await list(student.token)).json.items.length, 1);
    });

    it("of another user are not there; and nothing is without a token", async () => {
      const [student, other] = [await register(), await register()];
      const id = claimsOf(other.token).session_id;
      assertProblem(await end(student.token, id), 404, "not_found");
      assert.equal((await list(other.token)).json.items.length, 1);
      assertProblem(await list(), 401, "unauthorized");
      assertProblem(await end(undefined, id), 401, "unauthorized");
      assertProblem(await end(student.token, "x"), 422, "invalid", ["id"]);
    });
  });
}

function describeOtherServices(suite) {
  const { post, me } = callsOf(suite);
  const browse = (target, headers = {}) =>
    suite.stack.api("GET", target, { headers, signal: AbortSignal.timeout(20000) });

  it("other services: from the page to the page, and a session", async () => {
    const { mode, stack } = suite;
    const verifier = randomBytes(32).toString("base64url");
    const query = new URLSearchParams({
      redirect_to: PAGE, state: "a-state-of-the-page",
      code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    });
    const first = await browse(`/auth/oauth/google?${query}`);
    if (!mode.otherServices) {
      assertProblem(first, 404, "not_found");
      assertProblem(await browse("/auth/callback?flow=x&code=y"), 404, "not_found");
      const body = { code: "x", code_verifier: verifier };
      assertProblem(await post("exchange", body), 404, "not_found");
      return;
    }
    assert.equal(first.status, 302, first.text);
    const person = email();
    const back = await stack.supabase.browse(first.headers.get("location"), person);
    const cookie = first.headers.get("set-cookie").split(";")[0];
    const second = await browse(`/auth/callback${back.search}`, { cookie });
    assert.equal(second.status, 302, second.text);
    const page = new URL(second.headers.get("location"));
    assert.equal(`${page.origin}${page.pathname}`, PAGE);
    const body = { code: page.searchParams.get("code"), code_verifier: verifier };
    const answer = await post("exchange", body);
    assert.equal(answer.status, 200, answer.text);
    assertSession(answer, person);
    assert.equal((await me(answer.json.access_token)).status, 200);
    assertProblem(await post("exchange", body), 401, "bad_code");
  });
}
