// Ten thousand streams in flight in one chat process, an event a second on each; then faster.

import { Bench, memoryKb, round, sleep, table, until } from "./lib.mjs";

const STREAMS = 10000;
const RAMP = 500; // Streams opened in a second.
const SECONDS = 30;
const MARK = 48; // Bytes of text in an event.
const STEPS = [1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20]; // Events a second on each stream.
const STEP_SECONDS = 6;
const MOST_MS = 250;

const share = (n) => `${round(100 * n)}%`;
const ROW = ["events/s", "delay p50 ms", "p99 ms", "max ms", "mock late ms", "CPU: chat", "nginx",
  "mock", "client"];
const row = (w) => [round(w.rate), w.delay.p50_ms, w.delay.p99_ms, w.delay.max_ms, w.late_ms,
  share(w.chat), share(w.nginx), share(w.mock), share(w.load)];

const pace = (bench, rate) => bench.mock.ask(`play 0 ${round(1e6 / rate)} ${MARK}`);

/** Opens `streams`, and resolves with the load once all of them have spoken. */
async function open(bench, options) {
  const load = bench.load({ seats: STREAMS, requests: STREAMS, ramp: RAMP, ...options });
  await until(async () => {
    const { speaking, failed } = await load.ask("report");
    if (failed > 0) throw new Error(`${failed} streams failed`);
    return speaking === STREAMS;
  }, "all streams open", 120);
  return load;
}

/** Ends all streams; resolves with how many events of those the mock sent did not come. */
async function end(bench, load, sentBefore) {
  await bench.mock.ask("finish");
  const report = await load.ended;
  const { events } = await bench.mock.ask("stats");
  await load.stop();
  if (report.failed > 0) console.log("failed:", report.failed, report.failures);
  return { lost: events - sentBefore - report.events, failed: report.failed };
}

export async function workload() {
  const bench = await Bench.start();
  try {
    await bench.mock.ask(`play 8 1000 ${MARK}`);
    await bench.through({ seats: 100, requests: 500 }); // What is made once, is made.
    await pace(bench, 1);
    const before = await memoryKb(bench.chat);
    const { events: sentBefore } = await bench.mock.ask("stats");
    const load = await open(bench, {});
    const steady = await bench.window(load, SECONDS);
    const after = await memoryKb(bench.chat);
    const kb = { rss: (after.rss - before.rss) / STREAMS, pss: (after.pss - before.pss) / STREAMS };
    console.log(`${STREAMS} streams through Nginx and one chat process, an event of ${MARK} bytes of`);
    console.log(`text a second on each, for ${SECONDS} s`);
    table(ROW, [row(steady)]);
    table(["memory of the process", "before", "with the streams", "KB a stream"], [
      ["RSS, KB", before.rss, after.rss, round(kb.rss, 1)],
      ["PSS, KB", before.pss, after.pss, round(kb.pss, 1)],
    ]);

    const steps = [];
    let most = steady.rate;
    for (const rate of STEPS.slice(1)) {
      await pace(bench, rate);
      await sleep(2000);
      const step = await bench.window(load, STEP_SECONDS);
      steps.push(step);
      if (step.delay.p99_ms > MOST_MS) break;
      most = step.rate;
    }
    console.log(`faster, until the p99 of the delay passes ${MOST_MS} ms`);
    table(ROW, steps.map(row));
    console.log(`${round(most)} events/s with a p99 of at most ${MOST_MS} ms\n`);
    await pace(bench, 1);
    await sleep(2000);
    const { lost, failed } = await end(bench, load, sentBefore);

    // The mock and the client alone: neither may be what the figures above measure.
    await pace(bench, 1);
    const { events: sentDirectly } = await bench.mock.ask("stats");
    const direct = await open(bench, { direct: true, ramp: 5000 });
    const alone = [await bench.window(direct, STEP_SECONDS)];
    await pace(bench, STEPS[steps.length]);
    await sleep(1000);
    alone.push(await bench.window(direct, STEP_SECONDS));
    await pace(bench, 1);
    const directly = await end(bench, direct, sentDirectly);
    console.log("the client against the mock itself, at the first and at the last of these rates");
    table(ROW, alone.map(row));
    console.log(`events lost: ${lost} through fynq, ${directly.lost} directly; failed: ${failed}\n`);
    return {
      streams: steady.speaking,
      lost: lost + failed,
      kb_per_stream: round(Math.max(kb.rss, kb.pss), 1),
      p99_delay_ms: steady.delay.p99_ms,
    };
  } finally {
    await bench.stop();
  }
}
