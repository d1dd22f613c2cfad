// Gemini's own limits hold exactly, over all threads and processes: what would go beyond them is
// refused without a trace, also while processes are restarted and killed.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { after, before, describe, it } from "node:test";

import { assertProblem } from "./lib/problem.mjs";
import { waitUntil } from "./lib/wait.mjs";
import { each, killResponder, plainStack } from "./load/load.mjs";

const MODEL = "gemini-2.5-flash";
const MINUTE_MS = 60000;
const WIDTH = 50;
const QUESTION = "Why is that so?";
const ANSWER = [{ text: ["Because."] }, { end: "finish" }];

const settings = (quotas, more = {}) => ({
  FYNQ_PROCESSES: 2,
  FYNQ_THREADS: 4,
  FYNQ_BCRYPT_COST: 4,
  FYNQ_DRAIN_SECONDS: 20,
  FYNQ_GEMINI_MODEL: MODEL,
  FYNQ_GEMINI_QUOTAS: `${MODEL}=${quotas}`,
  FYNQ_GEMINI_WAIT_MS: 0,
  ...more,
});

/** A stack with these quotas, and its only student. */
async function start(quotas, more) {
  const stack = await plainStack({ settings: settings(quotas, more) });
  const { token } = await stack.register();
  const ask = (content = QUESTION) =>
    stack.api("POST", "/chat/message", { token, body: { content } });
  return { stack, ask };
}

const calls = async (stack) =>
  (await stack.gemini.calls()).sort((a, b) => a.received_at - b.received_at);

/** The most calls that any 60 seconds hold. */
function densest(all) {
  let most = 0;
  let first = 0;
  for (const [i, { received_at: at }] of all.entries()) {
    while (at - all[first].received_at >= MINUTE_MS) first += 1;
    most = Math.max(most, i - first + 1);
  }
  return most;
}

const count = (answers, wanted) => answers.filter(({ status }) => status === wanted).length;

/** How much is stored. */
async function stored(stack) {
  const [row] = await stack.db.query(`select (select count(*) from messages) as messages,
    (select count(*) from chats) as chats`);
  return row;
}

const retryAfter = ({ headers }) => Number(headers.get("retry-after"));

describe("Gemini's limits", { concurrency: 5 }, () => {
  // Each limit has a stack of its own, as its test mostly waits.
  const stacks = {};
  before(async () => {
    stacks.minute = await start("100/0/0");
    stacks.deaths = await start("60/0/0");
    const more = { FYNQ_GEMINI_WAIT_MS: 60000, FYNQ_GEMINI_PATIENCE_MS: 120000 };
    stacks.waits = await start("5/0/0", more);
    stacks.tokens = await start("0/20000/0");
    stacks.day = await start("0/0/3");
  });
  after(() => Promise.all(Object.values(stacks).map(({ stack }) => stack.stop())));

  describe("requests a minute", () => {
    const LIMIT = 100;
    const QUESTIONS = 400;

    it("as many as the limit reach Gemini", { timeout: 600000 }, async (t) => {
      const { stack, ask } = stacks.minute;
      const began = performance.now();
      const answers = await each(QUESTIONS, WIDTH, async () => {
        const answer = await ask();
        return { ...answer, back: performance.now() + retryAfter(answer) * 1000 };
      });
      const seconds = (performance.now() - began) / 1000;
      const refused = answers.filter(({ status }) => status !== 201);
      t.diagnostic(`figure: questions=${QUESTIONS} answered=${count(answers, 201)}`);
      t.diagnostic(`figure: refused=${refused.length} seconds=${seconds.toFixed(1)}`);
      assert.ok(seconds < 58, `${seconds} s, more than the minute that is looked at`);
      assert.equal(refused.length, QUESTIONS - LIMIT);
      for (const answer of refused) {
        assertProblem(answer, 429, "tutor_quota");
        assert.ok(retryAfter(answer) >= 1 && retryAfter(answer) <= 61);
      }
      assert.equal((await calls(stack)).length, LIMIT);
      assert.deepEqual(await stored(stack), { messages: 2 * LIMIT, chats: LIMIT });

      // When the earliest was told to come back it is let in, and not before.
      const back = Math.min(...refused.map((answer) => answer.back));
      const [first] = await calls(stack);
      const opens = first.received_at + MINUTE_MS - performance.timeOrigin;
      assert.ok(back >= opens && back < opens + 5000, `${back - opens} ms`);
      await pause(Math.max(0, opens - performance.now() - 2000));
      let { status } = await ask();
      // On a machine that is busy for seconds this may be answered when it is let in already.
      if (performance.now() < opens) assert.equal(status, 429);
      if (status === 429) {
        await pause(Math.max(0, back - performance.now()));
        ({ status } = await ask());
      }
      assert.equal(status, 201);
      const all = await calls(stack);
      const gap = all.at(-1).received_at - first.received_at;
      t.diagnostic(`figure: densest_minute=${densest(all)} back_after_ms=${gap.toFixed(0)}`);
      assert.equal(densest(all), LIMIT);
      assert.ok(gap >= MINUTE_MS, `${gap} ms`);
    });
  });

  describe("restarts and deaths", () => {
    const LIMIT = 60;
    const KILLS = 3;

    it("the limit is kept", { timeout: 600000 }, async (t) => {
      const { stack, ask } = stacks.deaths;
      await stack.gemini.script(QUESTION, [{ delay_ms: 300 }, ...ANSWER]);
      let done = false;
      const answers = [];
      const student = async () => {
        while (!done) {
          const { status } = await ask().catch(() => ({ status: 0 }));
          answers.push(status);
          if (status !== 201) await pause(100);
        }
      };
      const students = [student(), student(), student(), student()];
      await stack.gemini.waitForCalls(QUESTION, { count: 10 });
      assert.equal((await stack.fynqctl(["restart", "chat"])).code, 0);
      for (let i = 0; i < KILLS; i++) await killResponder(stack, "chat");
      await Promise.all([
        each(200, 20, async () => answers.push((await ask().catch(() => ({ status: 0 }))).status)),
        killResponder(stack, "chat"),
      ]);
      done = true;
      await Promise.all(students);
      const all = await calls(stack);
      const seconds = (all.at(-1).received_at - all[0].received_at) / 1000;
      const of = (status) => answers.filter((it) => it === status).length;
      t.diagnostic(`figure: questions=${answers.length} answered=${of(201)} refused=${of(429)}`);
      t.diagnostic(`figure: calls=${all.length} seconds=${seconds.toFixed(1)}`);
      assert.ok(densest(all) <= LIMIT, `${densest(all)} calls in a minute`);
      // What a killed process had leave for and did not send is lost: one for each thread at most.
      assert.ok(all.length >= LIMIT - 4 * (KILLS + 1), `${all.length} calls`);
    });
  });

  describe("short waits", () => {
    const LIMIT = 5;
    const WAITING = 3;

    it("end in the order in which they began", { timeout: 600000 }, async (t) => {
      const { stack, ask } = stacks.waits;
      await each(LIMIT, 1, () => ask());
      await pause(3000); // Else the wait of 61 s is longer than the longest that may be set.
      const order = [];
      const asked = [];
      for (let i = 0; i < WAITING; i++) {
        const token = `turn ${i} ${randomUUID()}`;
        order.push(token);
        await stack.gemini.script(token, ANSWER);
        asked.push(ask(token));
        // It is stored when it has its turn, and waits for that.
        await waitUntil(async () => (await stack.db.query(
          "select from messages where content = $1", [token])).length > 0,
        { what: `question ${i} waits` });
      }
      const answers = await Promise.all(asked);
      assert.equal(count(answers, 201), WAITING);
      const all = await calls(stack);
      assert.deepEqual(all.slice(LIMIT).map(({ match }) => match), order);
      assert.equal(densest(all), LIMIT);
      t.diagnostic(`figure: waited_ms=${answers.map(({ ms }) => ms.toFixed(0))}`);
    });
  });

  describe("tokens a minute", () => {
    const LIMIT = 20000;

    it("no more input tokens than the limit reach Gemini", async (t) => {
      const { stack, ask } = stacks.tokens;
      const question = "Warum ist der Himmel blau? ".repeat(200);
      const answers = await each(40, 10, () => ask(question));
      const refused = answers.filter(({ status }) => status !== 201);
      for (const answer of refused) assertProblem(answer, 429, "tutor_quota");
      assert.ok(refused.length > 0 && refused.length < answers.length);
      const [{ tokens }] = await stack.db.query(
        "select sum(prompt_tokens) as tokens from messages where sender = 'tutor'");
      t.diagnostic(`figure: limit=${LIMIT} tokens=${tokens} answered=${count(answers, 201)}`);
      assert.ok(tokens <= LIMIT, `${tokens} tokens`);
    });
  });

  describe("requests a day", () => {
    const LIMIT = 3;
    /** Seconds until midnight in Pacific time, on a day without a change of the clocks. */
    function untilMidnight() {
      const parts = new Intl.DateTimeFormat("en-US", {
        timeZone: "America/Los_Angeles", hourCycle: "h23",
        hour: "numeric", minute: "numeric", second: "numeric",
      }).formatToParts(new Date());
      const of = (type) => Number(parts.find((part) => part.type === type).value);
      return 86400 - (of("hour") * 3600 + of("minute") * 60 + of("second"));
    }

    it("the next is told to come back at midnight in Pacific time", async () => {
      const { stack, ask } = stacks.day;
      const answers = await each(LIMIT, 1, () => ask());
      assert.equal(count(answers, 201), LIMIT);
      const answer = await ask();
      assertProblem(answer, 429, "tutor_day_quota");
      // What the clocks are changed by, and what the answer took.
      const off = retryAfter(answer) - untilMidnight();
      assert.ok([0, -3600, 3600].some((by) => off - by >= -1 && off - by <= 10),
        `Retry-After: ${retryAfter(answer)}, ${off} s off`);
      // The day is kept by the host, not by a process.
      assert.equal((await stack.fynqctl(["restart", "chat"])).code, 0);
      assertProblem(await ask(), 429, "tutor_day_quota");
      assert.equal((await calls(stack)).length, LIMIT);
      assert.deepEqual(await stored(stack), { messages: 2 * LIMIT, chats: LIMIT });
    });
  });
});
