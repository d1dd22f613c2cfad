// Events a second for each core: streams of 64 events, 20 ms apart and more of them at a time until
// the machine is full; then as fast as they are read.

import { Bench, round, sleep, table } from "./lib.mjs";

const EVENTS = 64;
const EVERY_MS = 20;
const MARK = 48; // Bytes of text in an event.
const SEATS = [25, 50, 100, 200, 400, 800, 1600]; // Streams at a time.
const STEP_SECONDS = 6;
const PAST_FULL = 0.9; // A step that brings less than this of what it asks for is past the end.

const ROW = ["streams", "events/s", "replies/s", "gap p50 ms", "gap p99 ms", "delay p99 ms",
  "CPU: chat", "nginx", "mock", "client", "events/s a core", "with Nginx"];
const share = (n) => `${round(100 * n)}%`;
const row = (name, w) => [name, round(w.rate), round(w.replies), w.gap.p50_ms, w.gap.p99_ms,
  w.delay.p99_ms, share(w.chat), share(w.nginx), share(w.mock), share(w.load),
  round(w.rate / w.chat), round(w.rate / (w.chat + w.nginx))];

/** Runs a load for a while; resolves with its window, once every stream has ended. */
async function step(bench, options, totals) {
  const { events: sentBefore } = await bench.mock.ask("stats");
  const load = bench.load(options);
  await sleep(2000);
  const window = await bench.window(load, STEP_SECONDS);
  load.tell("stop");
  const report = await load.ended;
  const { events } = await bench.mock.ask("stats");
  await load.stop();
  totals.lost += events - sentBefore - report.events;
  totals.failed += report.failed;
  return window;
}

export async function workload() {
  const bench = await Bench.start();
  const totals = { lost: 0, failed: 0 };
  try {
    const play = `play ${EVENTS} ${EVERY_MS * 1000} ${MARK}`;
    await bench.mock.ask(play);
    await bench.through({ seats: 50, requests: 200 });
    console.log(`streams of ${EVENTS} events of ${MARK} bytes of text, ${EVERY_MS} ms apart`);
    const steps = [];
    for (const seats of SEATS) {
      steps.push({ seats, ...(await step(bench, { seats, ramp: seats }, totals)) });
      if (steps.at(-1).rate < PAST_FULL * seats * (1000 / EVERY_MS)) break;
    }
    table(ROW, steps.map((w) => row(w.seats, w)));
    const last = steps.at(-1).seats;
    const alone = await step(bench, { seats: last, ramp: last, direct: true }, totals);
    console.log("the client against the mock itself: neither is what ends the steps above");
    table(ROW.slice(0, 10), [row(last, alone).slice(0, 10)]);

    await bench.mock.ask(`play ${EVENTS} 0 ${MARK}`);
    const fast = await step(bench, { seats: 64 }, totals);
    console.log("as fast as they are read");
    table(ROW, [row(64, fast)]);
    console.log(`events lost: ${totals.lost}, replies failed: ${totals.failed}\n`);
    const best = steps.reduce((a, b) => (b.rate > a.rate ? b : a));
    return { events_per_s_core: round(best.rate / best.chat), lost: totals.lost };
  } finally {
    await bench.stop();
  }
}
