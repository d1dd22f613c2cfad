// A model that fails is left alone for a while, by all processes.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { after, before, describe, it } from "node:test";

import { GOOD, ask, newToken, quota, script } from "./lib/failing.mjs";
import { startStack, waitUntil } from "./lib/fynq.mjs";
import { assertProblem, assertRetryAfter } from "./lib/problem.mjs";

describe("a model that fails is left alone", () => {
  const FAILURES = 5;
  const SECONDS = 6; // Within them both processes must be asked, however busy the machine is.
  const FAILING = [{ named: "overloaded" }];
  let own;
  let student;
  before(async () => {
    own = await startStack({
      settings: {
        FYNQ_BREAKER_FAILURES: FAILURES,
        FYNQ_BREAKER_SECONDS: SECONDS,
        FYNQ_GEMINI_TRIES: 2,
        FYNQ_GEMINI_PATIENCE_MS: 20000,
        FYNQ_PROCESSES: 2,
      },
    });
    student = await own.register();
  });
  after(() => own?.stop());

  const stored = async () => {
    const [{ n }] = await own.db.query(
      "select (select count(*) from messages) + (select count(*) from chats) as n");
    return n;
  };
  const total = async () => (await own.gemini.stats()).total;

  /** Refused without a trace; resolves with the seconds of Retry-After. */
  async function refused(token, most) {
    const { answer } = await ask(own, student, token);
    assertProblem(answer, 503, "tutor_overloaded");
    assertRetryAfter(answer, 1, most);
    return Number(answer.headers.get("retry-after"));
  }

  /** Asks in vain until nothing is sent any more; the number of calls that it took. */
  async function exhaust(token) {
    const sent = async () => (await own.gemini.calls(token)).length;
    for (let before = -1, now = 0; now !== before; now = await sent()) {
      before = now;
      await ask(own, student, token);
    }
    return sent();
  }

  it("by all processes, until one question has found that it works again", async () => {
    const failing = await script(own, FAILING);
    assert.equal(await exhaust(failing), FAILURES);

    const before = { rows: await stored(), calls: await total() };
    const opened = (await own.log()).length;
    const refusing = async () => {
      const lines = (await own.log()).slice(opened);
      const told = lines.filter(({ error }) => error === "tutor_overloaded");
      return new Set(told.map(({ pid }) => pid));
    };
    let seconds;
    await waitUntil(async () => {
      seconds = Math.max(...await Promise.all([1, 2, 3, 4].map(() => refused(failing, SECONDS))));
      return (await refusing()).size === 2;
    });
    assert.deepEqual({ rows: await stored(), calls: await total() }, before);

    // Told when to come back, one comes in vain: that is no probe, and the next one is.
    await pause(seconds * 1000);
    const none = await ask(own, student, failing, { chat_id: randomUUID() });
    assert.equal(none.status, 404);
    const probing = await script(own, [{ hold: true }, ...GOOD]);
    const probe = ask(own, student, probing);
    await own.gemini.waitForCalls(probing);
    await refused(failing, 30);
    await own.gemini.release(probing);
    assert.equal((await probe).status, 201);
    const many = await Promise.all(Array.from({ length: 8 }, () => ask(own, student, probing)));
    assert.deepEqual([...new Set(many.map(({ status }) => status))], [201]);

    const lines = await own.log(({ event }) => event === "breaker");
    assert.deepEqual(lines.map(({ level }) => level), ["warn", "info"]);
  });

  it("all who were told when to come back are answered then", async () => {
    const token = newToken();
    const questions = 12;
    await own.gemini.script(token, [{ hold: true }, { status: 429, body: quota("1s") }], questions);
    await own.gemini.script(token, GOOD);
    const asked = Array.from({ length: questions }, () => ask(own, student, token));
    await own.gemini.waitForCalls(token, { count: questions });
    await own.gemini.release(token);
    const answers = await Promise.all(asked);
    assert.deepEqual(answers.map(({ status }) => status), Array(questions).fill(201));
    assert.equal((await own.gemini.calls(token)).length, 2 * questions);
  });

  it("a probe that fails leaves it alone for twice as long; one that goes is none", async () => {
    const failing = await script(own, FAILING);
    const sent = await exhaust(failing);
    await pause(await refused(failing, SECONDS) * 1000);

    const silent = await script(own, [{ hold: true }, { end: "close" }]);
    const control = new AbortController();
    const gone = own.api("POST", "/chat/message", {
      token: student.token, body: { content: silent }, signal: control.signal,
    });
    await own.gemini.waitForCalls(silent);
    control.abort();
    await assert.rejects(gone);
    await own.gemini.waitForCalls(silent, { ended: "aborted" });

    const { answer } = await ask(own, student, failing);
    assertProblem(answer, 503, "tutor_overloaded");
    assert.equal((await own.gemini.calls(failing)).length, sent + 1);
    assert.ok(await refused(failing, 2 * SECONDS) > SECONDS);
  });
});
