// A token counts while its account and its session stand and its role is the account's: in every
// process, FYNQ_ACCOUNT_CHECK_SECONDS after that has changed.

import assert from "node:assert/strict";
import { after, before, describe, it, test } from "node:test";

import { admin } from "./lib/accounts.mjs";
import { startStack, waitUntil } from "./lib/fynq.mjs";
import { linkOf, Mailboxes } from "./lib/mail.mjs";
import { assertProblem } from "./lib/problem.mjs";
import { claimsOf } from "./lib/tokens.mjs";

const PROCESSES = 2;
// Of three programs; each has PROCESSES processes, which take requests as they come.
const ROUTES = ["/users/me", "/chats", "/auth/sessions"];

let own;
let boss;

before(async () => {
  own = await startStack({
    settings: { FYNQ_ACCOUNT_CHECK_SECONDS: 1, FYNQ_PROCESSES: PROCESSES },
  });
  boss = await admin(own);
});

after(async () => {
  await own.stop();
});

/** Answers of every process, by all likelihood: 12 at once from each program. */
const everywhere = (token) =>
  Promise.all(ROUTES.flatMap((route) => Array(12).fill(route))
    .map((route) => own.api("GET", route, { token })));

async function assertIn(token) {
  for (const { status, text } of await everywhere(token)) assert.equal(status, 200, text);
}

/** Every process knows the session when `change` happens, and refuses it soon after. */
async function assertOut({ token }, change, status, code) {
  await assertIn(token);
  await change();
  // A second, and what a busy machine takes; far less than the default of 30.
  const answers = await waitUntil(async () => {
    const all = await everywhere(token);
    return all.every((answer) => answer.status !== 200) ? all : null;
  }, { timeoutMs: 15_000, everyMs: 200 });
  for (const answer of answers) {
    assertProblem(answer, status, code);
    assert.equal(answer.headers.get("www-authenticate"),
      status === 401 ? 'Bearer error="invalid_token"' : null);
  }
}

const patch = async ({ id }, body) => {
  const { status, text } = await own.api("PATCH", `/users/${id}`, { token: boss.token, body });
  assert.equal(status, 200, text);
};
const login = async ({ email, password }) => {
  const { status, text, json } = await own.api("POST", "/auth/login", { body: { email, password } });
  assert.equal(status, 200, text);
  return { token: json.access_token, refreshToken: json.refresh_token };
};

describe("out in every process", { concurrency: 3 }, () => {
  it("an account that was disabled by an admin, until it is enabled", async () => {
    const student = await own.register();
    const off = () => patch(student, { disabled: true });
    await assertOut(student, off, 401, "unauthorized"); // Its sessions are gone, too.
    await patch(student, { disabled: false });
    await assertIn((await login(student)).token);
  });

  it("an account that was disabled elsewhere, and whose sessions were kept", async () => {
    const student = await own.register();
    const until = (time) =>
      own.db.run("update auth.users set banned_until = $2 where id = $1", [student.id, time]);
    await assertOut(student, () => until("2100-01-01"), 403, "account_disabled");
    await until(null);
    await assertIn(student.token); // At once: a refusal is not remembered.
  });

  it("an account that was deleted", async () => {
    const student = await own.register();
    const remove = () => own.db.run("delete from auth.users where id = $1", [student.id]);
    await assertOut(student, remove, 401, "unauthorized");
  });

  it("a session that was logged out", async () => {
    const student = await own.register();
    const other = await login(student);
    const logout = () => own.api("POST", "/auth/logout", { token: student.token, body: {} });
    await assertOut(student, logout, 401, "unauthorized");
    await assertIn(other.token);
  });

  it("every session, after a logout of all", async () => {
    const student = await own.register();
    const other = await login(student);
    const body = { scope: "global" };
    const logout = () => own.api("POST", "/auth/logout", { token: other.token, body });
    await assertIn(other.token);
    await assertOut(student, logout, 401, "unauthorized");
    await waitUntil(async () =>
      (await everywhere(other.token)).every(({ status }) => status === 401));
  });

  it("a session that was ended from another", async () => {
    const student = await own.register();
    const other = await login(student);
    const end = () =>
      own.api("DELETE", `/auth/sessions/${claimsOf(other.token).session_id}`,
        { token: student.token });
    await assertOut(other, end, 401, "unauthorized");
    await assertIn(student.token);
  });

  it("a session that is over", async () => {
    const student = await own.register();
    const end = () =>
      own.db.run("update auth.sessions set not_after = now() where user_id = $1", [student.id]);
    await assertOut(student, end, 401, "unauthorized");
  });

  it("a role that the account no longer has; a new token has the new one", async () => {
    const student = await own.register();
    const change = (role) =>
      own.db.run(
        `update auth.users set raw_app_meta_data = jsonb_build_object('role', $2::text)
         where id = $1`, [student.id, role]);
    await assertOut(student, () => change("admin"), 401, "unauthorized");
    const body = { refresh_token: student.refreshToken };
    const { json } = await own.api("POST", "/auth/refresh", { body });
    assert.equal((await own.api("GET", "/users", { token: json.access_token })).status, 200);
    await assertOut({ token: json.access_token }, () => change("student"), 401, "unauthorized");
  });
});

test("who changes nothing stays in, for one question to the database now and then", async () => {
  const { token } = await own.register();
  await own.db.run("alter system set track_functions = 'pl'");
  await own.db.run("select pg_reload_conf()");
  await own.db.run("select pg_stat_reset()");
  const began = performance.now();
  for (let i = 0; i < 300; i++) {
    assert.equal((await own.api("GET", "/users/me", { token })).status, 200);
  }
  const seconds = (performance.now() - began) / 1000;
  // What a session of the database has counted is known to all when it ends.
  await own.db.run("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'fynq'");
  const calls = await waitUntil(async () => {
    const [row] = await own.db.query(
      "select calls from pg_stat_user_functions where funcname = 'account_state'");
    return row?.calls;
  });
  assert.ok(calls <= PROCESSES * (seconds + 1), `${calls} in ${seconds} s`);
});

test("an answer that streams is finished", async () => {
  const student = await own.register();
  await own.gemini.script("standing-stream", [{ text: ["One "] }, { hold: true },
    { text: ["two."] }, { end: "finish" }]);
  const stream = await own.sse("/chat/message", { content: "standing-stream", stream: true },
    { token: student.token });
  await own.gemini.waitForCalls("standing-stream");
  await assertOut(student, () => patch(student, { disabled: true }), 401, "unauthorized");
  await own.gemini.release("standing-stream");
  const events = [];
  for await (const { event } of stream) events.push(event);
  assert.equal(events.at(-1), "done");
});

test("as plain CGI it is asked each time", async () => {
  const student = await own.register();
  const get = () => own.cgi("users", "GET", "/api/v1/users/me", { token: student.token });
  assert.equal((await get()).status, 200);
  await own.db.run("delete from auth.sessions where user_id = $1", [student.id]);
  assertProblem(await get(), 401, "unauthorized");
});

test("the upkeep takes away sessions that were not used for so long that none continues them",
  async () => {
    const student = await own.register();
    const { session_id: old } = claimsOf((await login(student)).token);
    await own.db.run(
      "update auth.sessions set created_at = now() - interval '61 days' where id = $1", [old]);
    const { code, stderr } = await own.fynqctl(["upkeep"]);
    assert.equal(code, 0, stderr);
    const left = await own.db.query(
      "select id from auth.sessions where user_id = $1", [student.id]);
    assert.deepEqual(left.map(({ id }) => id), [claimsOf(student.token).session_id]);
  });

describe("the process that ends a session asks again at once", () => {
  let one;
  let chief;

  // Long before the minute is over; each program has one process, which knows the session.
  before(async () => {
    one = await startStack({
      settings: { FYNQ_ACCOUNT_CHECK_SECONDS: 60, FYNQ_PROCESSES: 1 },
    });
    chief = await admin(one);
  });
  after(() => one.stop());

  const call = (method, path, token, body) => one.api(method, path, { token, body });
  const another = async ({ email, password }) =>
    (await call("POST", "/auth/login", undefined, { email, password })).json.access_token;
  const ends = {
    logout: ["/auth/sessions", ({ token }) => call("POST", "/auth/logout", token, {}), 401],
    "the end of a session": ["/auth/sessions", async (student) => {
      const { session_id: id } = claimsOf(student.token);
      return call("DELETE", `/auth/sessions/${id}`, await another(student));
    }, 401],
    "a new password": ["/auth/sessions", async (student) =>
      call("PUT", "/auth/password", await another(student),
        { current: student.password, password: "another horse battery" }), 401],
    "a new password by mail": ["/auth/sessions", async ({ email }) => {
      await call("POST", "/auth/recover", undefined, { email });
      const { token } = linkOf(await new Mailboxes(`${one.state}/mail`).newest(email));
      return call("POST", "/auth/reset", undefined, { token, password: "another horse battery" });
    }, 401],
    "a refresh token that two have": ["/auth/sessions", async ({ id, refreshToken }) => {
      const again = () => call("POST", "/auth/refresh", undefined, { refresh_token: refreshToken });
      const good = await again();
      await one.db.run(
        "update auth.refresh_tokens set updated_at = now() - interval '1 minute' where user_id = $1",
        [id]);
      assertProblem(await again(), 401, "bad_refresh_token");
      return good;
    }, 401],
    "an admin who disables": ["/users/me", ({ id }) =>
      call("PATCH", `/users/${id}`, chief.token, { disabled: true }), 401],
    erasure: ["/users/me", ({ token }) => call("DELETE", "/users/me", token), 401],
  };
  for (const [name, [route, end, status]] of Object.entries(ends)) {
    it(name, async () => {
      const student = await one.register();
      assert.equal((await call("GET", route, student.token)).status, 200);
      const ended = await end(student);
      assert.ok([200, 204].includes(ended.status), ended.text);
      assert.equal((await call("GET", route, student.token)).status, status);
    });
  }
});
