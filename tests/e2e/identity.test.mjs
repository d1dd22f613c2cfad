// What only accounts of the service's own have: passwords, refresh tokens, the end of sessions. What
// they share with those that Supabase Auth keeps is in accounts-local.test.mjs.

import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { describe, it, test } from "node:test";

import { api, db, register, stack } from "./lib/fynq.mjs";
import { assertNotLogged } from "./lib/logs.mjs";
import { assertProblem } from "./lib/problem.mjs";

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

const refused = async (token) => assertProblem(await refresh(token), 401, "bad_refresh_token");

/** Makes a refresh token look as if it was used so many seconds ago. */
const age = (token, seconds) =>
  db.run(
    `update auth.refresh_tokens set updated_at = now() - $1::int * interval '1 second'
     where token = $2`,
    [seconds, createHash("sha256").update(token).digest("hex")],
  );

describe("register and login", { concurrency: 4 }, () => {
  it("the day of the eighteenth birthday is the first", async () => {
    const born = (days) => {
      const now = new Date();
      const [year, month] = [now.getUTCFullYear() - 18, now.getUTCMonth()];
      // A year without February 29 has its last day instead.
      const day = Math.min(now.getUTCDate(), new Date(Date.UTC(year, month + 1, 0)).getUTCDate());
      return new Date(Date.UTC(year, month, day + days)).toISOString().slice(0, 10);
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
    "small letters and spaces alone": ["correct horse battery", 201],
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
});

describe("refresh", { concurrency: 4 }, () => {
  it("reuse after ten seconds ends the session, also where nobody has used the next one", async () => {
    const { refreshToken } = await register();
    const next = await refreshed(refreshToken);
    await age(refreshToken, 11);
    await refused(refreshToken);
    await refused(next);
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
    let id, answers;
    // Within the ten seconds for which the token works again; a busy machine has several tries.
    for (let tries = 5, took = Infinity; took > 10000 && tries > 0; tries -= 1) {
      const student = await register();
      const began = performance.now();
      answers = await Promise.all(Array.from({ length: 50 }, () => refresh(student.refreshToken)));
      took = performance.now() - began;
      ({ id } = student);
    }
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
    const tokens = answers.map(({ json }) => json.refresh_token);
    assert.equal(new Set(tokens).size, 50);
    await refreshed(tokens[49]);
    const sessions = await db.query("select id from auth.sessions where user_id = $1", [id]);
    assert.equal(sessions.length, 1);
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
    // One that comes after the end of its session has no token any more.
    const left = [answers[1].status, answers[3].status];
    assert.ok(left.includes(204) && left.every((status) => [204, 401].includes(status)));
    for (const answer of [answers[0], answers[2]]) {
      if (answer.status === 200) await refused(answer.json.refresh_token);
      else assertProblem(answer, 401, "bad_refresh_token");
    }
  }
  for (const status of statuses) assert.ok([200, 204, 401].includes(status), String(status));
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
