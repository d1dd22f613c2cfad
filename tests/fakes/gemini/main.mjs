// A strict stand-in for the Gemini API, as a process of its own. See README.md.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

import { Calls } from "./calls.mjs";
import { Chaos } from "./chaos.mjs";
import { createControl } from "./control.mjs";
import { Registry } from "./registry.mjs";
import { createServer } from "./server.mjs";
import { createService } from "./service.mjs";

const USAGE =
  "usage: main.mjs [--host H] [--port N] [--cert FILE --key FILE] [--api-key K] [--delay-ms N] " +
  "[--until-stdin-ends]";

function readArguments() {
  const { values } = parseArgs({
    options: {
      host: { type: "string", default: "127.0.0.1" },
      port: { type: "string", default: "0" },
      cert: { type: "string" },
      key: { type: "string" },
      "api-key": { type: "string" },
      "delay-ms": { type: "string", default: "5" },
      "until-stdin-ends": { type: "boolean", default: false },
    },
  });
  const port = Number(values.port);
  const delayMs = Number(values["delay-ms"]);
  if (!(port >= 0 && port <= 65535)) throw new Error("--port is not a port");
  if (!(delayMs >= 0 && delayMs <= 60000)) throw new Error("--delay-ms is not 0 to 60000");
  if (Boolean(values.cert) !== Boolean(values.key)) throw new Error("--cert goes with --key");
  const tls = values.cert && { cert: readFileSync(values.cert), key: readFileSync(values.key) };
  return {
    host: values.host,
    port,
    tls: tls || null,
    apiKey: values["api-key"] ?? null,
    delayMs,
    untilStdinEnds: values["until-stdin-ends"],
  };
}

async function main() {
  let options;
  try {
    options = readArguments();
  } catch (error) {
    console.error(`${error.message}\n${USAGE}`);
    process.exit(2);
  }
  process.on("SIGTERM", () => process.exit(0));
  process.on("SIGINT", () => process.exit(0));
  const { host, port, tls, apiKey, delayMs, untilStdinEnds } = options;
  if (untilStdinEnds) process.stdin.on("close", () => process.exit(0)).resume();
  const calls = new Calls();
  const registry = new Registry();
  const chaos = new Chaos();
  const serve = createService({ registry, chaos, calls, apiKey, delayMs });
  const server = createServer({ tls, calls, serve });
  const control = createControl({ registry, chaos, calls });
  server.listen(port, host);
  control.listen(0, "127.0.0.1");
  await Promise.all([once(server, "listening"), once(control, "listening")]);
  const shown = host.includes(":") ? `[${host}]` : host;
  const ready = {
    url: `${tls ? "https" : "http"}://${shown}:${server.address().port}`,
    control: `http://127.0.0.1:${control.address().port}`,
    pid: process.pid,
  };
  process.stdout.write(`${JSON.stringify(ready)}\n`);
}

await main();
