// What fynq does by itself when Gemini fails: it asks again, within its patience, and logs each
// attempt; and when it does not.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";

import { failures } from "../fakes/gemini/scripts.mjs";
import { GOOD, WORDS, ask, quota, script } from "./lib/failing.mjs";
import { startStack, waitUntil } from "./lib/fynq.mjs";
import { assertProblem, assertRetryAfter } from "./lib/problem.mjs";

const MODEL = "gemini-2.5-flash";
const PATIENCE_MS = 7000;
const BACKOFF_MS = 500;
// What a busy machine may take beyond that.
const SLACK_MS = 20000;

/** How long after the end of each call the next one began, in ms. */
const gaps = (calls) => calls.slice(1).map((call, i) => call.received_at - calls[i].ended_at);

const attempts = (stack, id) =>
  stack.log(({ event, attempt, request_id: of }) => event === "gemini" && attempt && of === id);

describe("a question is sent again", { concurrency: 16 }, () => {
  let own;
  let student;
  before(async () => {
    own = await startStack({
      settings: {
        FYNQ_GEMINI_TRIES: 3,
        FYNQ_GEMINI_PATIENCE_MS: PATIENCE_MS,
      },
    });
    student = await own.register();
  });
  after(() => own?.stop());

  // A reply without words but with a finishReason is not asked for again: it would come again.
  const again = ({ expect: { retry, text = "", finish = null } }) =>
    retry && text === "" && finish === null;
  // RetryInfo and the day are beyond the patience.
  const passing = (name, row) => again(row) && !name.startsWith("quota_");

  for (const [name, row] of Object.entries(failures)) {
    const passes = passing(name, row);
    for (const stream of passes ? [false, true] : [true]) {
      const how = stream ? "streamed" : "whole";
      it(`${name}, ${how}: ${passes ? "until it is answered" : "never"}`, async () => {
        const token = await script(own, [{ named: name }], [{ named: name }], GOOD);
        const { text, code, ms } = await ask(own, student, token, { stream });
        const calls = await own.gemini.calls(token);
        assert.ok(ms < PATIENCE_MS + SLACK_MS, `${ms} ms`);
        if (!passes) {
          assert.equal(calls.length, 1);
          return;
        }
        assert.equal(code, undefined);
        assert.equal(text, WORDS);
        assert.equal(calls.length, 3);
        const [first, second] = gaps(calls);
        assert.ok(first < BACKOFF_MS + SLACK_MS, `${first} ms`);
        assert.ok(second < 2 * BACKOFF_MS + SLACK_MS, `${second} ms`);
      });
    }
  }

  const later = (seconds) => ({ "retry-after": String(seconds) });
  const asked = [
    ["RetryInfo", { status: 429, body: quota("1.2s") }, 1200],
    ["Retry-After of a 503", { status: 503, headers: later(1), body: "Later." }, 1000],
    ["Retry-After of a 429", { status: 429, headers: later(2), body: quota("1s") }, 2000],
  ];
  for (const [name, refusal, least] of asked) {
    it(`not before ${name} has passed`, async () => {
      const token = await script(own, [refusal], GOOD);
      const { status, text } = await ask(own, student, token);
      assert.equal(status, 201);
      assert.equal(text, WORDS);
      const calls = await own.gemini.calls(token);
      const [gap] = gaps(calls);
      assert.equal(calls.length, 2);
      assert.ok(gap >= least - 10 && gap < PATIENCE_MS, `${gap} ms`);
    });
  }

  for (const stream of [false, true]) {
    it(`at once refused where the wait is too long, ${stream ? "streamed" : "whole"}`, async () => {
      const token = await script(own, [{ status: 429, body: quota("40s") }], GOOD);
      const { code, retryAfter, ms } = await ask(own, student, token, { stream });
      assert.deepEqual([code, retryAfter], ["tutor_quota", 40]);
      assert.ok(ms < SLACK_MS, `${ms} ms`);
      assert.equal((await own.gemini.calls(token)).length, 1);
    });
  }

  it("the last failure is told when the tries are used up", async () => {
    const token = await script(own, [{ named: "internal" }], [{ named: "deadline" }],
      [{ named: "overloaded" }]);
    const { answer } = await ask(own, student, token);
    assertProblem(answer, 503, "tutor_overloaded");
    assertRetryAfter(answer, 10, 10);
    assert.equal((await own.gemini.calls(token)).length, 3);
    const [reply] = await own.db.query(
      `select r.status, r.error from messages r join messages q on q.id = r.parent_id
       where q.content = $1`, [token]);
    assert.deepEqual(reply, { status: "failed", error: "tutor_overloaded" });
  });

  for (const stream of [false, true]) {
    it(`a silence ends with the patience, ${stream ? "streamed" : "whole"}`, async () => {
      const token = await script(own, [{ hold: true }, { end: "close" }]);
      const tries = 10;
      const began = performance.now();
      const answer = await own.cgi("chat", "POST", "/api/v1/chat/message", {
        token: student.token,
        body: { content: token, stream },
        environment: {
          FYNQ_GEMINI_TRIES: String(tries),
          FYNQ_GEMINI_PATIENCE_MS: "8000",
          FYNQ_GEMINI_FIRST_MS: "1000",
        },
      });
      assertProblem(answer, 504, "tutor_timeout");
      const ms = performance.now() - began;
      assert.ok(ms >= 2000, `${ms} ms`);
      const calls = await own.gemini.waitForCalls(token, { count: 2, ended: "aborted" });
      assert.ok(calls.length < tries, `${calls.length} calls`);
      await own.gemini.release(token);
    });

    it(`a client that goes while it waits ends it, ${stream ? "streamed" : "whole"}`, async () => {
      let token, rows;
      const stopped = async () => {
        rows = await own.db.query(
          `select r.status, r.content from messages r join messages q on q.id = r.parent_id
           where q.content = $1 and r.status <> 'pending'`, [token]);
        return rows.length > 0;
      };
      // On a machine that is busy for seconds the wait may be over before the client goes, or before
      // anybody looks.
      for (let tries = 5, left = false; !left;) {
        token = await script(own, [{ status: 429, body: quota("4s") }], GOOD);
        const control = new AbortController();
        const answer = own.api("POST", "/chat/message", {
          token: student.token, body: { content: token, stream }, signal: control.signal,
        });
        await own.gemini.waitForCalls(token, { ended: "complete" });
        control.abort();
        left = await answer.then(() => false, () => true);
        left &&= (await own.gemini.calls(token)).length === 1;
        if (!left) continue;
        const soon = { timeoutMs: 3800, what: "the reply to be stopped" };
        left = await waitUntil(stopped, soon).catch((error) => {
          if ((tries -= 1) === 0) throw error;
          return false;
        });
      }
      const [{ status, content }] = rows;
      assert.deepEqual([status, content], ["stopped", ""]);
      // Another question's wait of the same length shows that this one's is over.
      const other = await script(own, [{ status: 429, body: quota("4s") }], GOOD);
      assert.equal((await ask(own, student, other)).status, 201);
      assert.equal((await own.gemini.calls(token)).length, 1);
    });
  }

  it("each attempt is a line of the log, without a word of what was said", async () => {
    const secret = randomUUID();
    const answer = `Antwort ${randomUUID()}`;
    const token = await script(own, [{ named: "internal" }], [{ named: "cut_at_once" }],
      [{ text: [answer] }, { end: "finish" }]);
    const { status, answer: { headers } } = await ask(own, student, `${secret} ${token}`);
    assert.equal(status, 201);
    const id = headers.get("x-request-id");
    const lines = await waitUntil(async () => {
      const found = await attempts(own, id);
      return found.length >= 3 && found;
    });
    assert.deepEqual(
      lines.map((line) => [line.model, line.for, line.attempt, line.status, line.result]),
      [
        [MODEL, "answer", 1, 500, "tutor_failed"],
        [MODEL, "answer", 2, 200, "tutor_cut"],
        [MODEL, "answer", 3, 200, "ok"],
      ],
    );
    for (const { ms } of lines) assert.ok(Number.isInteger(ms) && ms >= 0 && ms < SLACK_MS);
    const { first_ms, prompt_tokens, reply_tokens, finish_reason, level } = lines[2];
    assert.ok(first_ms >= 0 && first_ms <= lines[2].ms);
    assert.ok(prompt_tokens > 0 && reply_tokens > 0);
    assert.deepEqual([finish_reason, level, lines[0].level], ["STOP", "info", "warn"]);
    assert.equal(lines[0].first_ms, undefined);
    const text = JSON.stringify(await own.log());
    for (const word of [secret, answer, token]) assert.ok(!text.includes(word), word);
  });

  it("Gemini gets the client's traceparent, with each attempt", async () => {
    const token = await script(own, [{ named: "internal" }], GOOD);
    const traceparent = `00-${randomUUID().replaceAll("-", "")}-00f067aa0ba902b7-01`;
    const { status } = await own.api("POST", "/chat/message", {
      token: student.token, body: { content: token }, headers: { traceparent },
    });
    assert.equal(status, 201);
    const calls = await own.gemini.calls(token);
    assert.deepEqual(calls.map((call) => call.traceparent), [traceparent, traceparent]);
  });
});
