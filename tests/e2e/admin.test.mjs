// What admins do with accounts, and that nobody else may; what users do with their sessions.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { before, describe, it, test } from "node:test";

import { admin, asRole } from "./lib/accounts.mjs";
import { api, db, register, waitUntil } from "./lib/fynq.mjs";
import { assertProblem } from "./lib/problem.mjs";
import { claimsOf } from "./lib/tokens.mjs";

let boss;

before(async () => {
  boss = await admin();
});

const get = (id, headers) => api("GET", `/users/${id}`, { token: boss.token, headers });
const patch = (id, body, headers) =>
  api("PATCH", `/users/${id}`, { token: boss.token, body, headers });
const list = async (query) => {
  const answer = await api("GET", `/users?${new URLSearchParams(query)}`, { token: boss.token });
  assert.equal(answer.status, 200, answer.text);
  return answer.json;
};
const login = ({ email, password }) => api("POST", "/auth/login", { body: { email, password } });

const NO_LIMITS = {
  messages_minute: null,
  messages_day: null,
  tokens_minute: null,
  tokens_day: null,
  file_bytes: null,
  storage_bytes: null,
  storage_files: null,
  uploads_day: null,
};

describe("one account", { concurrency: 4 }, () => {
  it("is shown whole, with a tag", async () => {
    const student = await register({ display_name: "Ada", locale: "de-CH" });
    const answer = await get(student.id);
    assert.equal(answer.status, 200, answer.text);
    const { created_at, last_sign_in_at, updated_at, ...rest } = answer.json;
    assert.deepEqual(rest, {
      id: student.id,
      email: student.email,
      role: "student",
      disabled: false,
      email_confirmed: true,
      display_name: "Ada",
      locale: "de-CH",
      birth_date: "2000-01-31",
      limits: NO_LIMITS,
    });
    for (const time of [created_at, last_sign_in_at, updated_at]) {
      assert.ok(Math.abs(Date.now() - Date.parse(time)) < 60_000, time);
    }
    const again = await get(student.id, { "if-none-match": answer.headers.get("etag") });
    assert.equal(again.status, 304);
  });

  it("that is not there", async () => {
    assertProblem(await get(randomUUID()), 404, "not_found");
    assertProblem(await patch(randomUUID(), { disabled: true }), 404, "not_found");
  });

  it("its limits are set one by one, and cleared", async () => {
    const { id, token } = await register();
    const first = await patch(id, { limits: { messages_day: 3, tokens_day: 5_000_000_000 } });
    assert.equal(first.status, 200, first.text);
    assert.deepEqual(first.json.limits,
      { ...NO_LIMITS, messages_day: 3, tokens_day: 5_000_000_000 });
    const used = await api("GET", "/users/me/usage", { token });
    assert.equal(used.json.day.messages.limit, 3);
    const second = await patch(id, { limits: { messages_day: null, messages_minute: 0 } });
    assert.deepEqual(second.json.limits,
      { ...NO_LIMITS, messages_minute: 0, tokens_day: 5_000_000_000 });
    assert.equal((await api("GET", "/users/me/usage", { token })).status, 200, "its sessions stay");
    const limits = { file_bytes: 1, storage_bytes: 2 ** 40, storage_files: 3, uploads_day: 0 };
    const third = await patch(id, { limits });
    assert.deepEqual(third.json.limits, { ...second.json.limits, ...limits });
    const { json } = await api("GET", "/users/me/usage", { token });
    assert.equal(json.file_bytes, 1);
    assert.deepEqual([json.bytes.limit, json.files.limit, json.uploads.limit], [2 ** 40, 3, null]);
  });

  it("its birth date is corrected", async () => {
    const { id, token } = await register();
    assert.equal((await patch(id, { birth_date: "1999-12-31" })).json.birth_date, "1999-12-31");
    assert.equal((await api("GET", "/users/me", { token })).json.birth_date, "1999-12-31");
    const ahead = await patch(id, { birth_date: "2999-12-31" });
    assertProblem(ahead, 422, "invalid", ["birth_date"]);
  });

  it("its role changes: its sessions end, and the next one has the role", async () => {
    const student = await register();
    const { status, json } = await patch(student.id, { role: "teacher" });
    assert.equal(status, 200);
    assert.equal(json.role, "teacher");
    const refresh = { body: { refresh_token: student.refreshToken } };
    assertProblem(await api("POST", "/auth/refresh", refresh), 401, "bad_refresh_token");
    const session = await login(student);
    assert.equal(session.json.user.role, "teacher");
    assert.equal(claimsOf(session.json.access_token).app_metadata.role, "teacher");
    const same = await patch(student.id, { role: "teacher" });
    assert.equal(same.status, 200);
    const me = await api("GET", "/users/me", { token: session.json.access_token });
    assert.equal(me.status, 200, "the same role again ends nothing");
  });

  it("is disabled, and enabled again", async () => {
    const student = await register();
    const off = await patch(student.id, { disabled: true });
    assert.equal(off.json.disabled, true, off.text);
    assertProblem(await login(student), 403, "account_disabled");
    const refresh = { body: { refresh_token: student.refreshToken } };
    assertProblem(await api("POST", "/auth/refresh", refresh), 401, "bad_refresh_token");
    assert.equal((await patch(student.id, { disabled: false })).json.disabled, false);
    assert.equal((await login(student)).status, 200);
  });

  it("all at once, and nothing at all", async () => {
    const { id } = await register();
    const body = {
      role: "teacher",
      disabled: true,
      limits: { tokens_minute: 7 },
      birth_date: "1990-01-01",
    };
    const { json } = await patch(id, body);
    assert.deepEqual({ ...json, limits: json.limits.tokens_minute },
      { ...json, ...body, limits: 7 });
    const before = await get(id);
    const nothing = await patch(id, {});
    assert.equal(nothing.status, 200);
    assert.equal(nothing.headers.get("etag"), before.headers.get("etag"));
  });

  it("is changed only in the state that was seen", async () => {
    const { id } = await register();
    const tag = async () => (await get(id)).headers.get("etag");
    const seen = await tag();
    const both = await Promise.all([{ role: "teacher" }, { limits: { messages_day: 1 } }]
      .map((body) => patch(id, body, { "if-match": seen })));
    assert.deepEqual(both.map(({ status }) => status).sort(), [200, 412]);
    assertProblem(both.find(({ status }) => status === 412), 412, "precondition_failed");
    for (const body of [{ disabled: true }, { birth_date: "1990-01-01" }, { role: "admin" }, {}]) {
      assertProblem(await patch(id, body, { "if-match": seen }), 412, "precondition_failed");
    }
    const { json } = await get(id);
    assert.equal(json.disabled, false);
    assert.equal(json.birth_date, "2000-01-31");
    assert.notEqual(json.role, "admin");
    assert.equal((await patch(id, { disabled: true }, { "if-match": await tag() })).status, 200);
  });
});

test("what an admin changed is on record, by whom", async () => {
  const { id } = await register();
  for (const body of [
    { role: "teacher" },
    { disabled: true },
    { disabled: false },
    { limits: { messages_day: 1 } },
    { birth_date: "1990-01-01" },
    { role: "teacher", disabled: false },
    {},
  ]) {
    assert.equal((await patch(id, body)).status, 200);
  }
  const { json } = await api("GET", `/audit?user_id=${id}`, { token: boss.token });
  assert.deepEqual(
    json.items.filter(({ actor_id: actor }) => actor === boss.id)
      .map(({ event, detail }) => [event, detail]).reverse(),
    [
      ["role_changed", "teacher"],
      ["disabled", null],
      ["enabled", null],
      ["limits_changed", null],
      ["limits_changed", "birth_date"],
    ],
  );
});

test("an admin keeps the role and is not locked out by their own hand", async () => {
  assertProblem(await patch(boss.id, { role: "student" }), 409, "conflict");
  assertProblem(await patch(boss.id, { disabled: true }), 409, "conflict");
  const { status, json } = await patch(boss.id, { role: "admin", disabled: false });
  assert.equal(status, 200);
  assert.equal(json.role, "admin");
  assert.equal((await get(boss.id)).status, 200);
});

describe("refused with 422", { concurrency: 4 }, () => {
  const id = randomUUID();
  const bad = {
    "a role that there is not": [{ role: "root" }, ["role"]],
    "a role of null": [{ role: null }, ["role"]],
    "disabled as a word": [{ disabled: "true" }, ["disabled"]],
    "disabled null": [{ disabled: null }, ["disabled"]],
    "limits as a list": [{ limits: [] }, ["limits"]],
    "limits of null": [{ limits: null }, ["limits"]],
    "a limit below 0": [{ limits: { messages_day: -1 } }, ["limits.messages_day"]],
    "a limit that overflows": [{ limits: { messages_day: 2 ** 31 } }, ["limits.messages_day"]],
    "a limit of half a message": [{ limits: { messages_day: 0.5 } }, ["limits.messages_day"]],
    "a limit as text": [{ limits: { tokens_day: "1" } }, ["limits.tokens_day"]],
    "a limit that there is not": [{ limits: { bytes: 1 } }, ["limits.bytes"]],
    "several": [{ limits: { a: 1, tokens_day: true }, role: 1 },
      ["limits.a", "limits.tokens_day", "role"]],
    "a birth date of null": [{ birth_date: null }, ["birth_date"]],
    "a day that there is not": [{ birth_date: "2001-02-29" }, ["birth_date"]],
    "what is not an admin's to change": [{ email: "x@example.com", display_name: "x", id },
      ["email", "display_name", "id"]],
  };
  for (const [name, [body, fields]] of Object.entries(bad)) {
    it(name, async () => {
      const student = await register();
      assertProblem(await patch(student.id, body), 422, "invalid", fields);
      assert.deepEqual((await get(student.id)).json.limits, NO_LIMITS);
    });
  }

  it("filters", async () => {
    for (const [query, field] of [
      ["role=root", "role"],
      ["disabled=1", "disabled"],
      ["q=", "q"],
      [`q=${"x".repeat(101)}`, "q"],
      ["q=a%0Ab", "q"],
      ["limit=101", "limit"],
      ["cursor=AAAA", "cursor"],
      [`cursor=${Buffer.from("list_users/x").toString("base64url")}`, "cursor"],
      [`cursor=${Buffer.from("list_users/infinity 1").toString("base64url")}`, "cursor"],
      ["sort=email", "sort"],
    ]) {
      const answer = await api("GET", `/users?${query}`, { token: boss.token });
      assertProblem(answer, 422, "invalid", [field]);
    }
  });
});

describe("the list", () => {
  const mark = randomUUID();
  const mine = [];

  before(async () => {
    for (let i = 0; i < 5; i++) {
      mine.push(await register({ email: `${i}.${mark}@example.com` }));
    }
    await patch(mine[1].id, { role: "teacher" });
    await patch(mine[2].id, { disabled: true });
    await api("PATCH", "/users/me", {
      token: mine[3].token,
      body: { display_name: `100%_${mark}' \\ "` },
    });
  });

  const ids = ({ items }) => items.map(({ id }) => id);
  const pick = (...numbers) => numbers.map((i) => mine[i].id);

  it("is paged, the newest first, none twice and none left out", async () => {
    const seen = [];
    let page = await list({ q: mark, limit: 2 });
    for (;;) {
      assert.ok(page.items.length <= 2);
      seen.push(...ids(page));
      if (page.next_cursor === null) break;
      page = await list({ q: mark, limit: 2, cursor: page.next_cursor });
    }
    assert.deepEqual(seen, pick(4, 3, 2, 1, 0));
  });

  it("is filtered by role, by who is disabled, and by both", async () => {
    assert.deepEqual(ids(await list({ q: mark, role: "teacher" })), pick(1));
    assert.deepEqual(ids(await list({ q: mark, role: "student" })), pick(4, 3, 2, 0));
    assert.deepEqual(ids(await list({ q: mark, disabled: true })), pick(2));
    assert.deepEqual(ids(await list({ q: mark, disabled: false })), pick(4, 3, 1, 0));
    assert.deepEqual(ids(await list({ q: mark, role: "teacher", disabled: true })), []);
  });

  it("is searched as text, in whatever case", async () => {
    assert.deepEqual(ids(await list({ q: `1.${mark.toUpperCase()}@EXAMPLE` })), pick(1));
    assert.deepEqual(ids(await list({ q: `100%_${mark}' \\ "` })), pick(3));
    for (const q of [`%${mark}`, `_.${mark}`, `1_${mark}`, `${mark}\\`, `' or true --`]) {
      assert.deepEqual(ids(await list({ q })), [], q);
    }
  });

  it("has the same of an account as its own route", async () => {
    const { items } = await list({ q: `0.${mark}` });
    assert.deepEqual(items, [(await get(mine[0].id)).json]);
  });
});

describe("nobody else", { concurrency: 4 }, () => {
  const routes = (id) => [
    ["GET", "/users"],
    ["GET", `/users/${id}`],
    ["PATCH", `/users/${id}`, { role: "admin" }],
  ];

  for (const role of ["student", "teacher"]) {
    it(`a ${role}: not even their own account`, async () => {
      const user = await asRole(role);
      for (const id of [user.id, boss.id, randomUUID()]) {
        for (const [method, path, body] of routes(id)) {
          assertProblem(await api(method, path, { token: user.token, body }), 403, "forbidden");
        }
      }
      assert.equal((await get(user.id)).json.role, role);
    });
  }

  it("somebody without a token", async () => {
    for (const [method, path, body] of routes(boss.id)) {
      assertProblem(await api(method, path, { body }), 401, "unauthorized");
    }
  });

  it("gives themselves a role", async () => {
    const body = {
      email: `${randomUUID()}@example.com`,
      password: "correct horse battery",
      birth_date: "2000-01-31",
    };
    for (const more of [{ role: "admin" }, { app_metadata: { role: "admin" } }, { disabled: 1 }]) {
      const answer = await api("POST", "/auth/register", { body: { ...body, ...more } });
      assertProblem(answer, 422, "invalid", Object.keys(more));
    }
    const { token, id } = await register();
    for (const more of [{ role: "admin" }, { app_metadata: {} }, { limits: {} }, { id: boss.id }]) {
      const answer = await api("PATCH", "/users/me", { token, body: more });
      assertProblem(answer, 422, "invalid", Object.keys(more));
    }
    assert.equal((await get(id)).json.role, "student");
  });
});

describe("sessions", { concurrency: 4 }, () => {
  const sessions = async (token) => {
    const { status, json } = await api("GET", "/auth/sessions", { token });
    assert.equal(status, 200);
    return json.items;
  };

  it("are listed, the newest first, with where they are from", async () => {
    const student = await register();
    const headers = { "user-agent": "A phone, \"mine\"" };
    const { email, password } = student;
    const second = await api("POST", "/auth/login", { body: { email, password }, headers });
    const refreshed = await api("POST", "/auth/refresh", {
      body: { refresh_token: second.json.refresh_token },
    });
    const items = await sessions(student.token);
    assert.deepEqual(items.map(({ id }) => id),
      [second.json.access_token, student.token].map((token) => claimsOf(token).session_id));
    assert.deepEqual(items.map(({ current }) => current), [false, true]);
    assert.equal(items[0].user_agent, "A phone, \"mine\"");
    assert.equal(items[0].ip, "127.0.0.1");
    assert.ok(items[0].refreshed_at >= items[0].created_at);
    assert.equal(items[1].refreshed_at, null);
    const own = await sessions(refreshed.json.access_token);
    assert.deepEqual(own.map(({ current }) => current), [true, false]);
  });

  it("are ended one by one, with their refresh tokens", async () => {
    const student = await register();
    const { json } = await login(student);
    const id = claimsOf(json.access_token).session_id;
    const end = (token) => api("DELETE", `/auth/sessions/${id}`, { token });
    assert.equal((await end(student.token)).status, 204);
    assertProblem(await end(student.token), 404, "not_found");
    assert.equal((await sessions(student.token)).length, 1);
    const body = { refresh_token: json.refresh_token };
    assertProblem(await api("POST", "/auth/refresh", { body }), 401, "bad_refresh_token");
  });

  it("of another user are not there", async () => {
    const [student, other] = [await register(), await register()];
    const id = claimsOf(other.token).session_id;
    for (const path of [id, randomUUID()]) {
      const answer = await api("DELETE", `/auth/sessions/${path}`, { token: student.token });
      assertProblem(answer, 404, "not_found");
    }
    assert.equal((await sessions(other.token)).length, 1);
    assert.equal((await sessions(student.token)).some((session) => session.id === id), false);
  });

  it("that are over are not shown", async () => {
    const student = await register();
    await login(student);
    await db.run("update auth.sessions set not_after = now() where user_id = $1 and id <> $2",
      [student.id, claimsOf(student.token).session_id]);
    assert.equal((await sessions(student.token)).length, 1);
  });
});

test("a refresh and a change of its account do not wait for each other", async () => {
  const student = await register();
  const mark = Math.trunc(Math.random() * 2 ** 31);
  // A refresh has its session locked when its new token refers to the account.
  const refresh = db.run(`do $do$
    begin
      set local lock_timeout = '500ms';
      perform from auth.sessions where user_id = '${student.id}' for update;
      perform pg_advisory_xact_lock(${mark});
      for i in 1..200 loop
        exit when exists (select from pg_locks l
          where not l.granted and pg_backend_pid() = any(pg_blocking_pids(l.pid)));
        perform pg_sleep(0.05);
        assert i < 200, 'nobody waits for the session';
      end loop;
      perform from auth.users where id = '${student.id}' for key share;
    end $do$`);
  const changed = waitUntil(() => db.query(
    "select from pg_locks where locktype = 'advisory' and objid = $1::oid", [mark]).then(
    (rows) => rows.length > 0)).then(() => patch(student.id, { role: "teacher" }));
  await Promise.all([refresh, changed]);
  const { status, json, text } = await changed;
  assert.equal(status, 200, text);
  assert.equal(json.role, "teacher");
  const body = { refresh_token: student.refreshToken };
  assertProblem(await api("POST", "/auth/refresh", { body }), 401, "bad_refresh_token");
});
