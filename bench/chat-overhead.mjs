// What fynq adds to the time of a reply: signing in, limits, both turns stored and on disk. The mock
// answers at once, so the difference to asking the mock directly is fynq's.

import { Bench, noneFailed, round, sleep, table } from "./lib.mjs";

const EVENTS = 8;
const MARK = 48; // Bytes of text in an event.
const ALONE = 2000; // Questions one after the other.
const SEATS = 64; // Students that saturate it.
const SECONDS = 8;
const PART = 0.7; // Of saturation.

const kinds = [["whole reply", { whole: true }], ["streamed", {}]];

/** Questions one after the other: the report. */
const alone = (bench, options) => bench.through({ seats: 1, requests: ALONE, ...options });

/** Students who ask without end, or at a rate: the window. */
async function together(bench, options) {
  const load = bench.load({ seats: SEATS, ...options });
  await sleep(2000);
  const window = await bench.window(load, SECONDS);
  load.tell("stop");
  const report = await load.ended;
  await load.stop();
  noneFailed(report);
  return window;
}

export async function workload() {
  const bench = await Bench.start({ durable: true });
  try {
    await bench.mock.ask(`play ${EVENTS} 0 ${MARK}`);
    await bench.through({ seats: 20, requests: 2000 });
    const [{ fsync }] = await bench.stack.db.query("select current_setting('fsync') as fsync");
    const direct = await alone(bench, { direct: true });
    const rows = [];
    const added = [];
    const saturated = [];
    for (const [name, options] of kinds) {
      const one = await alone(bench, options);
      const full = await together(bench, options);
      const rate = Math.floor(full.replies * PART);
      const most = await together(bench, { ...options, rate, seats: 4 * SEATS });
      const plus = { p50: one.total.p50_ms - direct.total.p50_ms,
        p99: one.total.p99_ms - direct.total.p99_ms };
      added.push(plus);
      saturated.push(full.replies);
      rows.push([name, one.total.p50_ms, one.total.p99_ms, round(plus.p50, 2), round(plus.p99, 2),
        round(full.replies), round(most.replies), most.total.p50_ms, most.total.p99_ms,
        round(1e6 * full.chat / full.replies), round(1e6 * full.nginx / full.replies)]);
    }
    console.log(`replies of ${EVENTS} events, PostgreSQL with fsync ${fsync}; the mock itself, asked`);
    console.log(`directly: p50 ${direct.total.p50_ms} ms, p99 ${direct.total.p99_ms} ms`);
    table(["", "alone p50 ms", "p99 ms", "added p50", "added p99", "saturated replies/s",
      `at ${100 * PART}%`, "p50 ms", "p99 ms", "chat us/reply", "nginx us/reply"], rows);
    return {
      p50_ms: round(Math.max(...added.map(({ p50 }) => p50)), 3),
      p99_ms: round(Math.max(...added.map(({ p99 }) => p99)), 3),
      rps: round(Math.min(...saturated)),
    };
  } finally {
    await bench.stop();
  }
}
