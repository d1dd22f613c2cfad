// Limits of questions: three a minute and five a day, and what one user's own say instead.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";

import { startStack } from "./lib/fynq.mjs";
import { assertProblem, assertRetryAfter } from "./lib/problem.mjs";
import { sameDay } from "./lib/wait.mjs";

let own;
before(async () => {
  own = await startStack({ settings: { FYNQ_LIMIT_STUDENT: "3/5/0/0" } });
  await sameDay(120);
});
after(() => own?.stop());

const ask = (token, body = {}) =>
  own.api("POST", "/chat/message", { token, body: { content: "Why?", ...body } });

async function asked(token, body) {
  const answer = await ask(token, body);
  assert.equal(answer.status, 201, answer.text);
  return answer;
}

/** [limit, remaining, reset] of an answer's head. */
const told = ({ headers }) =>
  ["limit", "remaining", "reset"].map((name) => {
    const value = headers.get(`ratelimit-${name}`);
    assert.match(String(value), /^[0-9]+$/, `RateLimit-${name}`);
    return Number(value);
  });

function assertTold(answer, limit, remaining, longest) {
  const [l, r, reset] = told(answer);
  assert.deepEqual([l, r], [limit, remaining]);
  assert.ok(reset >= 1 && reset <= longest, `RateLimit-Reset: ${reset}`);
}

/** Refused by a limit; resolves with the seconds of Retry-After. */
function refused(answer, limit, detail, longest) {
  assertProblem(answer, 429, "rate_limited");
  assert.match(answer.json.detail, detail);
  assertTold(answer, limit, 0, longest);
  assertRetryAfter(answer, 1, longest);
  const seconds = Number(answer.headers.get("retry-after"));
  assert.deepEqual([answer.json.retry_after, told(answer)[2]], [seconds, seconds]);
  return seconds;
}

/** What is stored of a student's questions and replies. */
async function stored({ id }) {
  const [row] = await own.db.query(`select (select count(*) from chats where user_id = $1) as chats,
    (select count(*) from messages where user_id = $1) as messages`, [id]);
  return row;
}

async function usage({ token }) {
  const { status, json, text } = await own.api("GET", "/users/me/usage", { token });
  assert.equal(status, 200, text);
  return json;
}

/** As if so many seconds had gone by in the student's minute. */
const wait = ({ id }, seconds) => own.db.run(`update fynq.rates
  set started_at = started_at - make_interval(secs => $2::int) where user_id = $1`, [id, seconds]);

const setLimits = ({ id }, limits) => own.db.run(`insert into user_limits values ($1, ${limits})
  on conflict (user_id) do update set (messages_minute, messages_day, tokens_minute, tokens_day)
    = row(excluded.messages_minute, excluded.messages_day, excluded.tokens_minute,
      excluded.tokens_day)`, [id]);

const spent = ({ json: { reply } }) => reply.usage.prompt_tokens + reply.usage.reply_tokens
  + reply.usage.thought_tokens;

describe("limits", { concurrency: 4 }, () => {
  it("three a minute, five a day; Retry-After is true", async () => {
    const student = await own.register();
    for (const remaining of [2, 1, 0]) {
      assertTold(await asked(student.token), 3, remaining, 60);
    }
    const before = await stored(student);
    assert.deepEqual(before, { chats: 3, messages: 6 });
    const longest = refused(await ask(student.token), 3, /3 questions a minute/, 60);
    assert.deepEqual(await stored(student), before);

    assert.ok(longest > 20, "too slow to tell"); // A minute has gone by in four questions.
    await wait(student, longest - 20);
    const rest = refused(await ask(student.token), 3, /3 questions a minute/, 20);
    await wait(student, rest);
    // Four of five and five of five tell more than one and two of three.
    assertTold(await asked(student.token), 5, 1, 86400);
    assertTold(await asked(student.token), 5, 0, 86400);
    refused(await ask(student.token), 5, /5 questions a day/, 86400);
    assert.deepEqual(await stored(student), { chats: 5, messages: 10 });
    const { minute, day } = await usage(student);
    assert.deepEqual([minute.messages.used, day.messages.used], [2, 5]);
    assert.deepEqual([minute.messages.limit, day.messages.limit], [3, 5]);
  });

  it("a stream, and a problem that comes later, tell of the limits too", async () => {
    const student = await own.register();
    const body = { content: "Why?", stream: true };
    const stream = await own.sse("/chat/message", body, { token: student.token });
    assert.equal(stream.status, 200);
    assertTold(stream, 3, 2, 60);
    await stream.all();
    const token = `script ${randomUUID()}`;
    await own.gemini.script(token, [{ named: "quota_day" }]);
    const failed = await ask(student.token, { content: token });
    assertProblem(failed, 429, "tutor_day_quota");
    assertTold(failed, 3, 1, 60);
    await asked(student.token);
    const last = await own.sse("/chat/message", body, { token: student.token });
    assertProblem({ status: last.status, headers: last.headers, json: await last.json() }, 429,
      "rate_limited");
    assertTold(last, 3, 0, 60);
  });

  it("many at once: exactly three, and each in a chat of its own", async () => {
    const student = await own.register();
    const answers = await Promise.all(Array.from({ length: 9 }, () => ask(student.token)));
    const statuses = answers.map(({ status }) => status).sort();
    assert.deepEqual(statuses, [201, 201, 201, 429, 429, 429, 429, 429, 429]);
    assert.deepEqual(await stored(student), { chats: 3, messages: 6 });
    assert.equal((await usage(student)).day.messages.used, 3);
  });

  it("what is not stored for another reason is not counted", async () => {
    const student = await own.register();
    const lost = await ask(student.token, { chat_id: randomUUID() });
    assertProblem(lost, 404, "not_found");
    assert.equal(lost.headers.get("ratelimit-limit"), null);

    const token = `script ${randomUUID()}`;
    await own.gemini.script(token, [{ hold: true }, { tutor: true }]);
    const { json: chat } = await own.api("POST", "/chats", { token: student.token, body: {} });
    const body = { content: token, chat_id: chat.id, stream: true };
    const stream = own.sse("/chat/message", body, { token: student.token });
    await own.gemini.waitForCalls(token);
    const busy = await ask(student.token, { chat_id: chat.id });
    assertProblem(busy, 409, "chat_busy");
    assert.equal(busy.headers.get("ratelimit-limit"), null);
    assert.equal((await usage(student)).minute.messages.used, 1);
    await own.gemini.release(token);
    await (await stream).all();
  });

  it("a user's own limits", async () => {
    const student = await own.register();
    await setLimits(student, "4, 0, null, null");
    for (const remaining of [3, 2, 1, 0]) {
      assertTold(await asked(student.token), 4, remaining, 60);
    }
    refused(await ask(student.token), 4, /4 questions a minute/, 60);
    await setLimits(student, "0, 0, 0, 0");
    const { headers } = await asked(student.token);
    assert.equal(headers.get("ratelimit-limit"), null, "0 is no limit");
  });

  it("tokens: the last reply may go beyond, the next is refused", async () => {
    const student = await own.register();
    await setLimits(student, "0, 0, 0, null");
    const first = spent(await asked(student.token));
    assert.ok(first > 0);
    const { minute, day } = await usage(student);
    assert.deepEqual([minute.tokens.used, day.tokens.used], [first, first]);

    await setLimits(student, `0, 0, ${first + 1}, null`);
    const second = await asked(student.token);
    assertTold(second, first + 1, 1, 60);
    assert.equal((await usage(student)).minute.tokens.used, first + spent(second));
    const seconds = refused(await ask(student.token), first + 1, /tokens a minute/, 60);
    await wait(student, seconds);
    await asked(student.token);

    await setLimits(student, "0, 0, 0, 1");
    refused(await ask(student.token), 1, /1 tokens a day/, 86400);
  });

  it("a reply's tokens are counted once, whatever its end", async () => {
    const student = await own.register();
    const token = `script ${randomUUID()}`;
    await own.gemini.script(token, [{ text: ["One, "] }, { end: "close" }]);
    assertProblem(await ask(student.token, { content: token }), 502, "tutor_cut");
    const { json } = await asked(student.token);
    const [row] = await own.db.query(`select messages, calls, prompt_tokens, reply_tokens,
      saved_tokens from public.usage where user_id = $1`, [student.id]);
    const { usage: whole } = json.reply;
    const [cut] = await own.db.query(`select coalesce(prompt_tokens, 0) as prompt,
      coalesce(reply_tokens, 0) + coalesce(thought_tokens, 0) as reply,
      (total_tokens is not null)::int as calls
      from messages where user_id = $1 and status = 'failed'`, [student.id]);
    assert.deepEqual(row, {
      messages: 2,
      calls: 1 + cut.calls,
      prompt_tokens: whole.prompt_tokens + cut.prompt,
      reply_tokens: whole.reply_tokens + whole.thought_tokens + cut.reply,
      saved_tokens: 0,
    });
  });

  it("admins have no limits unless the settings say so", async () => {
    const { id, refreshToken } = await own.register();
    await own.db.run(`update auth.users set raw_app_meta_data = '{"role": "admin"}'
      where id = $1`, [id]);
    const body = { refresh_token: refreshToken };
    const { json } = await own.api("POST", "/auth/refresh", { body });
    for (let n = 0; n < 4; n++) await asked(json.access_token);
  });
});
