// What a user has used and how much they may, and how both are counted.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { api, cgi, db, register, stack } from "./lib/fynq.mjs";
import { assertProblem } from "./lib/problem.mjs";
import { sameDay } from "./lib/wait.mjs";

const USAGE = "/users/me/usage";

async function usage(token) {
  const { status, json, text } = await api("GET", USAGE, { token });
  assert.equal(status, 200, text);
  return json;
}

// By CGI, which lets a test have settings of its own.
async function usageWith(token, environment) {
  const { status, json, text } = await cgi("users", "GET", `/api/v1${USAGE}`,
    { token, environment });
  assert.equal(status, 200, text);
  return json;
}

/** {minute: {messages: 10, ...}, ...}: one member of each count. */
const all = ({ minute, day }, member) => Object.fromEntries(
  Object.entries({ minute, day }).map(([name, { messages, tokens }]) =>
    [name, { messages: messages[member], tokens: tokens[member] }]),
);

// Of today and, should midnight come between, of tomorrow too; the day before never counts.
async function used(id, { messages = 0, prompt = 0, reply = 0, saved = 0 } = {}) {
  await db.run(`insert into public.usage
      (user_id, day, messages, prompt_tokens, reply_tokens, saved_tokens)
    select $1::uuid, (now() at time zone 'UTC')::date + n, $2::int, $3::int, $4::int, $5::int
    from generate_series(0, 1) n
    union all
    select $1::uuid, (now() at time zone 'UTC')::date - 1, 77777, 77777, 77777, 77777`,
  [id, messages, prompt, reply, saved]);
}

async function promoted(role) {
  const { id, refreshToken } = await register();
  await db.run(`update auth.users set raw_app_meta_data = json_build_object('role', $2::text)
    where id = $1`, [id, role]);
  const { json } = await api("POST", "/auth/refresh", { body: { refresh_token: refreshToken } });
  return json.access_token;
}

describe("GET /users/me/usage", { concurrency: 4 }, () => {
  it("nothing used, and no limits but those of files", async () => {
    const { token } = await register();
    const json = await usage(token);
    const { reset_seconds: reset } = json.day.messages;
    const room = (limit) => ({ used: 0, limit, remaining: limit });
    assert.ok(Number.isInteger(reset) && reset >= 1 && reset <= 86400, `reset: ${reset}`);
    const none = (seconds) => ({ used: 0, limit: null, remaining: null, reset_seconds: seconds });
    assert.deepEqual(json, {
      minute: { messages: none(60), tokens: none(60) },
      day: { messages: none(reset), tokens: none(reset) },
      saved_tokens: 0,
      bytes: room(524288000),
      files: room(1000),
      uploads: { ...room(200), reset_seconds: json.uploads.reset_seconds },
      file_bytes: 26214400,
    });
  });

  it("what was used, against the limits of one's own", async () => {
    const [student, other] = [await register(), await register()];
    await used(student.id, { messages: 5, prompt: 600, reply: 500, saved: 70 });
    await used(other.id, { messages: 88888 });
    await db.run("insert into public.user_limits values ($1, 3, 20, 0, 1000)", [student.id]);
    await db.run("insert into fynq.rates values ($1, now() - interval '20 s', 2, 300)",
      [student.id]);
    const json = await usage(student.token);
    assert.deepEqual(all(json, "used"), {
      minute: { messages: 2, tokens: 300 },
      day: { messages: 5, tokens: 1100 },
    });
    assert.deepEqual(all(json, "limit"), {
      minute: { messages: 3, tokens: null },
      day: { messages: 20, tokens: 1000 },
    });
    assert.deepEqual(all(json, "remaining"), {
      minute: { messages: 1, tokens: null },
      day: { messages: 15, tokens: 0 },
    });
    assert.equal(json.saved_tokens, 70);
    const { reset_seconds: reset } = json.minute.messages;
    assert.ok(reset >= 1 && reset <= 40, `reset: ${reset}`);
  });

  it("a minute that is over counts no more", async () => {
    const { id, token } = await register();
    await db.run("insert into fynq.rates values ($1, now() - interval '60 s', 2, 300)", [id]);
    assert.deepEqual((await usage(token)).minute.messages,
      { used: 0, limit: null, remaining: null, reset_seconds: 60 });
  });

  it("limits by role, and a user's own before them", async () => {
    const { id, token: student } = await register();
    const [teacher, admin] = [await promoted("teacher"), await promoted("admin")];
    const environment = {
      FYNQ_LIMIT_STUDENT: "1/2/3/4",
      FYNQ_LIMIT_TEACHER: "5/6/7/8",
      FYNQ_LIMIT_ADMIN: "0/9/0/1000000000",
    };
    const limits = async (token) => all(await usageWith(token, environment), "limit");
    assert.deepEqual(await limits(student),
      { minute: { messages: 1, tokens: 3 }, day: { messages: 2, tokens: 4 } });
    assert.deepEqual(await limits(teacher),
      { minute: { messages: 5, tokens: 7 }, day: { messages: 6, tokens: 8 } });
    assert.deepEqual(await limits(admin),
      { minute: { messages: null, tokens: null }, day: { messages: 9, tokens: 1000000000 } });
    await db.run("insert into public.user_limits values ($1, 40, null, 0, null)", [id]);
    assert.deepEqual(await limits(student),
      { minute: { messages: 40, tokens: null }, day: { messages: 2, tokens: 4 } });
  });

  it("refuses what is no such question", async () => {
    const { token } = await register();
    assertProblem(await api("GET", USAGE), 401, "unauthorized");
    assertProblem(await api("GET", `${USAGE}?day=2026-01-31`, { token }), 422, "invalid", ["day"]);
    assertProblem(await api("POST", USAGE, { token }), 405, "method_not_allowed");
  });
});

describe("counting", { concurrency: 4 }, () => {
  // As the responders take a message, each in a transaction of its own. What was counted is not yet
  // to be seen for a while: without a lock the others would run ahead meanwhile.
  const take = (id, limits) => db.run(`begin;
    select set_config('role', 'service_role', true), set_config('fynq.go', 't', true);
    select * from fynq.take_message($1, ${limits});
    select pg_sleep(0.05);
    commit`, [id]);

  it("many at once: exactly as many as the limit", async () => {
    await sameDay();
    const { id, token } = await register();
    await Promise.all(Array.from({ length: 12 }, () => take(id, "5, 0, 0, 0")));
    const json = await usage(token);
    assert.equal(json.minute.messages.used, 5);
    assert.equal(json.day.messages.used, 5);
  });
});

it("a bad limit keeps the service from starting", async () => {
  const { code, stderr } = await stack.fynqctl(["config", "check"], {
    FYNQ_LIMIT_STUDENT: "10/300",
  });
  assert.equal(code, 78);
  assert.match(stderr, /FYNQ_LIMIT_STUDENT: it must be four numbers/);
});
