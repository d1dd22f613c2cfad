// Clients that leave in the middle of a reply: how soon the call to Gemini ends, and whether
// anything of theirs stays behind.

import { Bench, descriptors, noneFailed, percentile, round, table, until } from "./lib.mjs";

const EVERY_MS = 50;
const MARK = 48; // Bytes of text in an event.
const PATIENCE = { "leave-percent": 100, "leave-min": 1, "leave-max": 10 }; // Events.
const CASES = [
  ["200 at a time", { seats: 200, requests: 9500 }],
  ["one at a time", { seats: 1, requests: 500, "leave-max": 2 }],
];

/** Clients that leave; resolves with ms from each one's close to the end of its call. */
async function leave(bench, options) {
  const load = bench.load({ ...PATIENCE, ...options });
  const report = await load.ended;
  noneFailed(report);
  const { gone } = report;
  await until(async () => (await bench.mock.ask("stats")).open === 0, "all calls ended");
  const closes = new Map(await load.ask("closes"));
  const ends = await bench.mock.ask("cancels");
  await load.stop();
  if (ends.length !== gone) throw new Error(`${gone} left, ${ends.length} calls were given up`);
  return ends.map(([call, at]) => (at - closes.get(call)) / 1000);
}

export async function workload() {
  const bench = await Bench.start();
  try {
    await bench.mock.ask(`play 0 ${EVERY_MS * 1000} ${MARK}`);
    await leave(bench, { seats: 200, requests: 400 }); // What is opened once, is open.
    await until(async () => (await bench.pending()) === 0, "warmed up");
    const before = await descriptors(bench.chat);
    const { connections } = await bench.mock.ask("stats");
    const all = [];
    const rows = [];
    for (const [name, options] of CASES) {
      const delays = await leave(bench, options);
      all.push(...delays);
      rows.push([name, delays.length, percentile(delays, 0.5), percentile(delays, 0.99),
        Math.max(...delays)]);
    }
    console.log(`clients leave after 1 to 10 events, ${EVERY_MS} ms apart`);
    table(["", "clients", "p50 ms", "p99 ms", "max ms"], rows);
    await until(async () => (await bench.pending()) === 0, "every reply stored").catch(() => {});
    const [pending, stats] = [await bench.pending(), await bench.mock.ask("stats")];
    // Connections to the mock come and go; they are counted at both ends.
    const fds = (await descriptors(bench.chat)) - before - (stats.connections - connections);
    table(["left behind", "count"],
      [["descriptors", fds], ["calls", stats.open], ["pending rows", pending]]);
    return {
      p99_ms: round(percentile(all, 0.99), 2),
      leaked: Math.max(fds, 0) + stats.open + pending,
    };
  } finally {
    await bench.stop();
  }
}
