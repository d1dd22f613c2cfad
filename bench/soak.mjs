// Many short replies, some of which nobody waits for: does the memory of the process grow?

import { Bench, memoryKb, round, sleep, table, until } from "./lib.mjs";

const EVENTS = 4;
const MARK = 48; // Bytes of text in an event.
const SEATS = 48;
const LEAVE_PERCENT = 3;
const SAMPLES = 200;
const WARM_UP = 0.2; // Of the messages, at most WARM_MOST.
const WARM_MOST = 100000;
const SHOWN = 10;

/** The slope of y over x by least squares. */
function slope(points) {
  const mean = (of) => points.reduce((sum, p) => sum + of(p), 0) / points.length;
  const [x, y] = [mean((p) => p.x), mean((p) => p.y)];
  const sum = (of) => points.reduce((total, p) => total + of(p), 0);
  return sum((p) => (p.x - x) * (p.y - y)) / sum((p) => (p.x - x) ** 2);
}

export async function workload({ messages }) {
  const bench = await Bench.start();
  try {
    await bench.mock.ask(`play ${EVENTS} 0 ${MARK}`);
    const load = bench.load({
      seats: SEATS,
      requests: messages,
      "leave-percent": LEAVE_PERCENT,
      "leave-min": 0,
      "leave-max": EVENTS,
    });
    const began = performance.now();
    let last;
    load.ended.then((report) => (last = report));
    const samples = [];
    while (!last) {
      const { ok, gone, failed } = await load.ask("report");
      const { pss } = await memoryKb(bench.chat);
      if (ok + gone >= ((samples.length + 1) * messages) / SAMPLES) {
        samples.push({ x: ok + gone, y: pss, s: (performance.now() - began) / 1000 });
      }
      if (failed > messages / 100) throw new Error(`${failed} failed`);
      await sleep(200);
    }
    await load.stop();
    await until(async () => (await bench.pending()) === 0, "every reply stored");
    const seconds = (performance.now() - began) / 1000;
    const warm = samples.filter(({ x }) => x >= Math.min(WARM_UP * messages, WARM_MOST));
    const growth = slope(warm) * 100000;

    const every = Math.ceil(samples.length / SHOWN);
    table(["messages", "seconds", "PSS, KB"],
      samples.filter((_, i) => i % every === 0).map(({ x, y, s }) => [x, round(s), y]));
    console.log(`${round(messages / seconds)} messages/s; ${last.gone} clients left`);
    console.log(`the slope is that of ${warm.length} samples after ${warm[0].x} messages\n`);
    if (last.failed > 0) console.log("failed:", last.failures);
    return {
      messages,
      slope_kb_per_100k: round(growth, 1),
      failed: last.failed,
    };
  } finally {
    await bench.stop();
  }
}
