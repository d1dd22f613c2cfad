// Three thousand streams in flight in one chat process: none is lost, and each takes little memory.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { each, plainStack, pools, privateKb, spread, upTo } from "./load.mjs";

const STREAMS = 3000;
const USERS = 30;
const EVENTS = 15;
const EVERY_MS = 1000;
const GROUPS = 20; // They speak one after the other, so that a second has no single busy moment.
const MOST_KB = 40;

const stack = await plainStack({
  settings: {
    FYNQ_PROCESSES: 1,
    FYNQ_BCRYPT_COST: 4,
    FYNQ_DRAIN_SECONDS: 20,
    FYNQ_GEMINI_BETWEEN_MS: 120000,
  },
});
after(() => stack.stop());

const group = (i) => `group ${String(i % GROUPS).padStart(2, "0")}`;

/** Opens stream i and says so; resolves, at its end, with what came. */
async function open(i, users, opened) {
  const body = { content: `Stream ${i} of ${group(i)}`, stream: true };
  const stream = await stack.sse("/chat/message", body, { token: users[i % USERS].token });
  assert.equal(stream.status, 200);
  const arrivals = [];
  let text = "";
  for await (const { event, data, at } of stream) {
    if (event === "start") opened();
    else if (event === "delta") {
      text += data.text;
      arrivals.push(at);
    } else if (event === "done") return { text, arrivals, stored: data.reply };
    else throw new Error(`${event}: ${JSON.stringify(data)}`);
  }
  throw new Error(`cut after ${arrivals.length} deltas`);
}

test("3,000 streams in one process", { timeout: 600000 }, async (t) => {
  const users = await each(USERS, 8, () => stack.register());
  for (const i of upTo(GROUPS)) {
    await stack.gemini.script(group(i), [
      { text: ["open "] },
      { hold: true },
      { delay_ms: (i * EVERY_MS) / GROUPS },
      { repeat: { text: "tick ", count: EVENTS, every_ms: EVERY_MS } },
      { end: "finish" },
    ]);
  }
  const [pid, ...more] = (await pools(stack)).chat.pids;
  assert.deepEqual(more, []);
  const before = await privateKb(pid);

  const began = performance.now();
  const streams = [];
  await each(STREAMS, 64, (i) => new Promise((opened) => {
    const stream = open(i, users, opened);
    streams.push(stream);
    stream.catch(opened);
  }));
  const { in_flight } = await stack.gemini.stats();
  const openedIn = performance.now() - began;

  let peak = await privateKb(pid);
  const sampling = setInterval(async () => {
    peak = Math.max(peak, await privateKb(pid));
  }, EVERY_MS / 2);
  await each(GROUPS, GROUPS, (i) => stack.gemini.release(group(i)));
  const outcomes = await Promise.allSettled(streams);
  clearInterval(sampling);

  const lost = outcomes.filter(({ status }) => status === "rejected");
  const good = outcomes.filter(({ status }) => status === "fulfilled").map(({ value }) => value);
  const gaps = good.flatMap(({ arrivals }) =>
    arrivals.slice(2).map((at, k) => Math.abs(at - arrivals[k + 1] - EVERY_MS)));
  const perStream = (peak - before) / STREAMS;
  const late = spread(gaps);
  t.diagnostic(`figure: streams_in_flight=${in_flight} opened_in_ms=${openedIn.toFixed(0)}`);
  t.diagnostic(`figure: lost=${lost.length} events=${good.length * (EVENTS + 1)}`);
  t.diagnostic(`figure: kb_per_stream=${perStream.toFixed(1)}`);
  t.diagnostic(`figure: gap_error_ms_p50=${late.p50.toFixed(1)} p99=${late.p99.toFixed(1)}`);

  assert.equal(lost.length, 0, lost[0]?.reason.stack);
  assert.equal(in_flight, STREAMS);
  const whole = `open ${"tick ".repeat(EVENTS)}`;
  for (const { text, arrivals, stored } of good) {
    assert.equal(arrivals.length, EVENTS + 1);
    assert.equal(text, whole);
    assert.equal(stored.content, whole);
    assert.equal(stored.status, "complete");
  }
  assert.ok(perStream <= MOST_KB, `${perStream} KB a stream`);
  assert.deepEqual((await pools(stack)).chat.pids, [pid]);
});
