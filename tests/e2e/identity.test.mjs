// Accounts, sessions and the caller's own profile.

import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { describe, it, test } from "node:test";

import { api, db, register, stack } from "./lib/fynq.mjs";
import { assertNotLogged } from "./lib/logs.mjs";
import { assertProblem } from "./lib/problem.mjs";
import { claimsOf } from "./lib/tokens.mjs";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;

const email = () => `${randomUUID()}@example.com`;
const password = "correct horse battery";

const login = (body) => api("POST", "/auth/login", { body });
const refresh = (token) => api("POST", "/auth/refresh", { body: { refresh_token: token } });
const logout = (token, body = {}) => api("POST", "/auth/logout", { token, body });

async function refreshed(token) {
  const answer = await refresh(token);
  assert.equal(answer.status, 200, answer.text);
  return answer.json.refresh_token;
}

async function another(student) {
  const { status, json } = await login({ email: student.email, password: student.password });
  assert.equal(status, 200);
  return json;
}

const refused = async (token) => assertProblem(await refresh(token), 401, "bad_refresh_token");

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
  assert.ok(Math.abs(claims.iat - Date.now() / 1000) < 10);
  assert.deepEqual(Object.keys(json).sort(), ["access_token", "expires_at", "expires_in",
    "refresh_token", "token_type", "user"]);
}

/** Makes a refresh token look as if it was used so many seconds ago. */
const age = (token, seconds) =>
  db.run(
    `update auth.refresh_tokens set updated_at = now() - $1::int * interval '1 second'
     where token = $2`,
    [seconds, createHash("sha256").update(token).digest("hex")],
  );

describe("register and login", { concurrency: 4 }, () => {
  it("a session, a profile, and the same account again by login", async () => {
    const address = email();
    const answer = await api("POST", "/auth/register", {
      body: { email: address, password, birth_date: "2000-02-29", display_name: "Zoë 🙂",
        locale: "pt-BR" },
    });
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

    const me = await api("GET", "/users/me", { token: again.json.access_token });
    assert.equal(me.json.birth_date, "2000-02-29");
    assert.equal(me.json.display_name, "Zoë 🙂");
  });

  it("an address in other letters is the same address", async () => {
    const local = randomUUID();
    const student = await register({ email: `${local}@Example.com` });
    assert.equal(student.session.user.email, `${local}@example.com`);
    const loud = `${local.toUpperCase()}@EXAMPLE.COM`;
    const body = { email: loud, password, birth_date: "1990-01-01" };
    assertProblem(await api("POST", "/auth/register", { body }), 409, "conflict");
    assert.equal((await login({ email: body.email, password })).status, 200);
  });

  it("an address twice, at once: one account", async () => {
    const body = { email: email(), password, birth_date: "1990-01-01" };
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => api("POST", "/auth/register", { body })),
    );
    assert.deepEqual(answers.map(({ status }) => status).sort(), [201, ...Array(7).fill(409)]);
    for (const answer of answers) {
      if (answer.status === 409) assertProblem(answer, 409, "conflict");
    }
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

  it("the day of the eighteenth birthday is the first", async () => {
    const born = (days) => {
      const date = new Date();
      date.setUTCFullYear(date.getUTCFullYear() - 18, date.getUTCMonth(),
        date.getUTCDate() + days);
      return date.toISOString().slice(0, 10);
    };
    const ask = (days) => api("POST", "/auth/register", {
      body: { email: email(), password, birth_date: born(days) },
    });
    assertProblem(await ask(2), 403, "under_age"); // Midnight may pass meanwhile.
    assert.equal((await ask(0)).status, 201);
  });

  // bcrypt reads 72 bytes and no more.
  const bytes72 = "Aq7x2mL9kd4z".repeat(6);
  const passwords = {
    "11 bytes": ["Aq7x2mL9kd4", 422],
    "11 characters of 22 bytes": ["éàüößñçøåœæ", 422],
    "12 bytes": ["Aq7x2mL9kd4z", 201],
    "12 characters of 48 bytes": ["🐙🌵🚲🎻🧭🍋🪁🔦🦉🧊🏺🥁", 201],
    "72 bytes": [bytes72, 201],
    "72 bytes, 36 characters": ["éäôûñçøåœ".repeat(4), 201],
    "73 bytes": [`${bytes72}z`, 422],
    "73 bytes, 37 characters": [`${"éäôûñçøåœ".repeat(4)}a`, 422],
    "76 bytes, 19 characters": ["🐙🌵🚲🎻🧭🍋🪁🔦🦉🧊🏺🥁🐙🌵🚲🎻🧭🍋🪁", 422],
  };
  for (const [name, [word, status]] of Object.entries(passwords)) {
    it(`a password of ${name}: ${status}`, async () => {
      const body = { email: email(), password: word, birth_date: "1990-01-01" };
      const answer = await api("POST", "/auth/register", { body });
      if (status === 422) {
        assertProblem(answer, 422, "invalid", ["password"]);
        return;
      }
      assert.equal(answer.status, 201, answer.text);
      assert.equal((await login({ email: body.email, password: word })).status, 200);
      const cut = [...word].slice(0, -1).join("");
      assertProblem(await login({ email: body.email, password: cut }), 401, "bad_credentials");
    });
  }

  const refusedWords = {
    "on the list": "thunderbird1",
    "on the list, with digits and marks behind": "Password1234!",
    "one character": "a".repeat(20),
    "a row of the keyboard": "qwertyuiopas",
    "the service's name": "fynq-2026-fynq",
    "the display name": "Zoë-Quintana1",
    "the address": "LOCAL-part.7@example.com",
  };
  for (const [name, word] of Object.entries(refusedWords)) {
    it(`a password that is guessed first, ${name}: 422`, async () => {
      const body = { email: "local-part.7@example.com", password: word,
        birth_date: "1990-01-01", display_name: "Zoë Quintana" };
      const answer = await api("POST", "/auth/register", { body });
      assertProblem(answer, 422, "invalid", ["password"]);
      assert.equal(answer.json.errors[0].code, "value");
      assert.equal(answer.text.includes(word), false);
    });
  }

  it("a password that is too long is too long to sign in with, too", async () => {
    const student = await register({ password: bytes72 });
    const answer = await login({ email: student.email, password: `${bytes72}z` });
    assertProblem(answer, 422, "invalid", ["password"]);
  });

  it("a disabled account: no login, no refresh", async () => {
    const student = await register();
    await db.run("update auth.users set banned_until = now() + interval '1 day' where id = $1", [
      student.id,
    ]);
    const body = { email: student.email, password: student.password };
    assertProblem(await login(body), 403, "account_disabled");
    assertProblem(await refresh(student.refreshToken), 403, "account_disabled");
    assertProblem(await login({ ...body, password: "incorrect" }), 401, "bad_credentials");
  });
});

describe("refresh", { concurrency: 4 }, () => {
  it("each token buys the next, in the same session", async () => {
    const student = await register();
    let token = student.refreshToken;
    const seen = new Set([token]);
    for (let i = 0; i < 5; i++) {
      const answer = await refresh(token);
      assert.equal(answer.status, 200);
      assertSession(answer, student.email);
      assert.equal(claimsOf(answer.json.access_token).session_id,
        claimsOf(student.token).session_id);
      token = answer.json.refresh_token;
      assert.ok(!seen.has(token));
      seen.add(token);
      const me = await api("GET", "/users/me", { token: answer.json.access_token });
      assert.equal(me.status, 200);
    }
  });

  it("a lost answer: the old token works again for 10 s", async () => {
    const { refreshToken } = await register();
    await refreshed(refreshToken);
    await age(refreshToken, 8);
    const second = await refreshed(refreshToken);
    await refreshed(second);
  });

  it("reuse after that ends the session, and no other", async () => {
    const student = await register();
    const other = await another(student);
    const next = await refreshed(student.refreshToken);
    await age(student.refreshToken, 11);
    await refused(student.refreshToken);
    await refused(next);
    await refused(student.refreshToken);
    await refreshed(other.refresh_token);
  });

  it("reuse of a token from long ago ends what grew out of it", async () => {
    const { refreshToken } = await register();
    let token = refreshToken;
    for (let i = 0; i < 4; i++) token = await refreshed(token);
    await age(refreshToken, 3600);
    await refused(refreshToken);
    await refused(token);
  });

  it("a session that was not used for too long is over", async () => {
    const student = await register();
    await db.run(
      `update auth.sessions set created_at = now() - interval '61 days', refreshed_at = null
       where user_id = $1`,
      [student.id],
    );
    await refused(student.refreshToken);
  });

  it("what is no refresh token", async () => {
    const { token } = await register();
    for (const bad of [token.slice(0, 512), "x", "a".repeat(43), "a".repeat(42), " ", "%00"]) {
      await refresh(bad).then((answer) => {
        if (bad === " ") assertProblem(answer, 422, "invalid", ["refresh_token"]);
        else assertProblem(answer, 401, "bad_refresh_token");
      });
    }
  });

  it("only its hash is stored", async () => {
    const { refreshToken, id } = await register();
    const rows = await db.query("select token from auth.refresh_tokens where user_id = $1", [id]);
    const hash = createHash("sha256").update(refreshToken).digest("hex");
    assert.deepEqual(rows, [{ token: hash }]);
  });

  it("fifty at once with one token: all are answered, and the session lives", async () => {
    const { refreshToken, id } = await register();
    const answers = await Promise.all(Array.from({ length: 50 }, () => refresh(refreshToken)));
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
    const tokens = answers.map(({ json }) => json.refresh_token);
    assert.equal(new Set(tokens).size, 50);
    await refreshed(tokens[49]);
    const sessions = await db.query("select id from auth.sessions where user_id = $1", [id]);
    assert.equal(sessions.length, 1);
  });
});

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
      assert.equal(answer.status, 204);
      assert.equal(answer.text, "");
      const after = [];
      for (const session of sessions) after.push((await refresh(session.refresh_token)).status);
      assert.deepEqual(after, statuses);
      await refreshed(bystander.refreshToken);
    });
  }

  it("without a body, too; again is no harm", async () => {
    const { token, refreshToken } = await register();
    assert.equal((await api("POST", "/auth/logout", { token })).status, 204);
    assert.ok([204, 401].includes((await logout(token)).status)); // By what the process knows.
    await refused(refreshToken);
  });

  it("not without a token", async () => {
    assertProblem(await logout(undefined), 401, "unauthorized");
  });
});

test("refresh and logout at once, forty times: either order, and the end is the end", async () => {
  const statuses = new Set();
  for (let round = 0; round < 40; round++) {
    const { token, refreshToken } = await register();
    const answers = await Promise.all([
      refresh(refreshToken),
      logout(token),
      refresh(refreshToken),
      logout(token, { scope: "global" }),
    ]);
    for (const { status } of answers) statuses.add(status);
    // The second may come when its session has ended.
    const out = [answers[1].status, answers[3].status].sort();
    assert.equal(out[0], 204);
    assert.ok([204, 401].includes(out[1]), String(out[1]));
    for (const answer of [answers[0], answers[2]]) {
      if (answer.status === 200) await refused(answer.json.refresh_token);
      else assertProblem(answer, 401, "bad_refresh_token");
    }
  }
  for (const status of statuses) assert.ok([200, 204, 401].includes(status), String(status));
});

describe("users/me", { concurrency: 4 }, () => {
  const get = (token, headers) => api("GET", "/users/me", { token, headers });
  const patch = (token, body, headers) => api("PATCH", "/users/me", { token, body, headers });

  it("shows the whole profile", async () => {
    const student = await register();
    const { status, json } = await get(student.token);
    assert.equal(status, 200);
    const { created_at: made, updated_at: changed, ...rest } = json;
    assert.deepEqual(rest, {
      id: student.id,
      email: student.email,
      role: "student",
      display_name: null,
      locale: null,
      birth_date: "2000-01-31",
      grade_level: null,
      preferences: {},
    });
    assert.match(made, TIME);
    assert.match(changed, TIME);
  });

  it("PATCH sets what is named, null clears, the rest stays", async () => {
    const { token } = await register({ display_name: "Ada", locale: "en" });
    const preferences = { theme: "dark", sizes: [1, 2.5], nested: { é: null } };
    const set = await patch(token, { grade_level: "10 b", preferences });
    assert.equal(set.status, 200, set.text);
    assert.equal(set.json.display_name, "Ada");
    assert.equal(set.json.grade_level, "10 b");
    assert.deepEqual(set.json.preferences, preferences);
    assert.deepEqual((await get(token)).json, set.json);

    const cleared = await patch(token, { display_name: null, locale: null, grade_level: null });
    assert.equal(cleared.status, 200);
    assert.equal(cleared.json.display_name, null);
    assert.equal(cleared.json.locale, null);
    assert.equal(cleared.json.grade_level, null);
    assert.deepEqual(cleared.json.preferences, preferences);
    assert.deepEqual((await patch(token, { preferences: {} })).json.preferences, {});
  });

  it("the birth date is set once, and may be repeated", async () => {
    const { token, id } = await register();
    const again = await patch(token, { birth_date: "2000-01-31", locale: "fr" });
    assert.equal(again.status, 200);
    assert.equal(again.json.locale, "fr");
    assertProblem(await patch(token, { birth_date: "1990-01-31" }), 409, "conflict");
    assert.equal((await get(token)).json.birth_date, "2000-01-31");

    await db.run("set role service_role; update profiles set birth_date = null where id = $1", [
      id,
    ]);
    const set = await patch(token, { birth_date: "1990-01-31" });
    assert.equal(set.json.birth_date, "1990-01-31");
    assertProblem(await patch(token, { birth_date: "1991-01-31" }), 409, "conflict");
  });

  it("an entity tag for each state: 304, 412", async () => {
    const { token } = await register();
    const first = await get(token);
    const tag = first.headers.get("etag");
    assert.match(tag, /^"[0-9a-f]+"$/);
    for (const list of [tag, `W/${tag}`, `"x", ${tag}`, "*"]) {
      const answer = await get(token, { "if-none-match": list });
      assert.equal(answer.status, 304, list);
      assert.equal(answer.text, "");
      assert.equal(answer.headers.get("etag"), tag);
    }
    assert.equal((await get(token, { "if-none-match": '"x"' })).status, 200);

    const changed = await patch(token, { locale: "de" }, { "if-match": tag });
    assert.equal(changed.status, 200);
    const next = changed.headers.get("etag");
    assert.notEqual(next, tag);
    assert.equal((await get(token)).headers.get("etag"), next);
    const stale = await patch(token, { locale: "it" }, { "if-match": tag });
    assertProblem(stale, 412, "precondition_failed");
    assert.equal((await get(token)).json.locale, "de");
    assert.equal((await patch(token, { locale: "it" }, { "if-match": "*" })).status, 200);
    assert.equal((await get(token, { "if-none-match": next })).status, 200);
  });

  it("of two changes of one state at once, one is made", async () => {
    const { token } = await register();
    const tag = (await get(token)).headers.get("etag");
    const answers = await Promise.all(
      ["de", "fr", "it", "es"].map((locale) => patch(token, { locale }, { "if-match": tag })),
    );
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 412, 412, 412]);
  });
});

test("no password and no token reaches a log", async () => {
  const words = `secret ${randomUUID()}`;
  const student = await register({ password: words });
  const next = await refreshed(student.refreshToken);
  await login({ email: student.email, password: `${words} not` });
  const last = await logout(student.token);
  const secrets = [words, student.refreshToken, next, student.token.split(".")[2], student.email];
  await assertNotLogged(stack, last, secrets);
});
