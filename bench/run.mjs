// ./dev bench: the workloads, a file each. A workload prints tables and returns its figures, which
// are printed as the last line.

import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";

const workloads = {
  "chat-streams": "10,000 streams in one process: memory, delay, loss",
  "chat-events": "events a second for each core",
  "chat-overhead": "what fynq adds to the time of a reply",
  "chat-disconnect": "clients that leave: how soon Gemini is told, what leaks",
  "login-timing": "does the time of an answer tell who has an account? --tries N --cost N",
  files: "a gigabyte up and down, beside Nginx's own PUT and GET: throughput, memory",
  search: "the library's search: 100,000 contents, 10 clients",
  soak: "a million messages: does memory grow? --messages N",
};

const { positionals, values } = parseArgs({
  options: {
    messages: { type: "string", default: "1000000" },
    tries: { type: "string", default: "1000" },
    cost: { type: "string", default: "10" },
  },
  allowPositionals: true,
});
const [name, ...more] = positionals;

if (name === undefined) {
  console.log("usage: ./dev bench WORKLOAD [--messages N] [--tries N] [--cost N]\n");
  for (const [workload, title] of Object.entries(workloads)) {
    console.log(`  ${workload.padEnd(16)}  ${title}`);
  }
} else if (
  !(name in workloads) || more.length > 0 ||
  Object.values(values).some((value) => !/^[1-9]\d*$/.test(value))
) {
  console.error("./dev bench lists the workloads");
  process.exitCode = 64;
} else {
  console.log(`${cpus().length} processors, ${cpus()[0].model}; ${loadavg()[0].toFixed(1)} ready\n`);
  const { workload } = await import(`./${name}.mjs`);
  const figures = await workload({
    messages: Number(values.messages),
    tries: Number(values.tries),
    cost: Number(values.cost),
  });
  console.log(JSON.stringify({ bench: name, ...figures }));
}
