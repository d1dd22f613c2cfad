// The control interface: tests register scripts and look at calls here. Plain HTTP/1.1, on
// loopback only. README.md describes it.

import http from "node:http";

import { ScriptFault } from "./registry.mjs";

const MAX_BODY = 8 << 20;
const MAX_WAIT_MS = 600000;
const KEEP_ALIVE_MS = 240000;

const routes = {
  "POST /scripts": addScript,
  "DELETE /scripts": removeScripts,
  "POST /release": release,
  "GET /calls": listCalls,
  "GET /calls/wait": waitForCalls,
  "POST /chaos": startChaos,
  "DELETE /chaos": stopChaos,
  "GET /chaos": (ask) => reply(ask, 200, ask.chaos.counts()),
  "GET /tokens": (ask) => reply(ask, 200, ask.chaos.tokens()),
  "GET /stats": (ask) => reply(ask, 200, ask.calls.stats),
};

export function createControl({ registry, chaos, calls }) {
  const server = http.createServer(async (req, res) => {
    const url = new URL(req.url, "http://stand-in.invalid");
    const ask = { registry, chaos, calls, req, res, query: url.searchParams };
    const route = routes[`${req.method} ${url.pathname}`];
    try {
      if (!route) throw new ControlFault(404, "no such control");
      await route(ask);
    } catch (error) {
      if (error instanceof ScriptFault) reply(ask, 400, { error: error.message });
      else if (error instanceof ControlFault) reply(ask, error.status, { error: error.message });
      else throw error;
    }
  });
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  return server;
}

class ControlFault extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function addScript(ask) {
  ask.registry.add(await readJson(ask));
  reply(ask, 201, {});
}

function removeScripts(ask) {
  const removed = ask.registry.remove(tokenOf(ask));
  reply(ask, removed ? 200 : 404, {});
}

async function release(ask) {
  const { match } = await readJson(ask);
  if (typeof match !== "string") throw new ControlFault(400, '"match" is missing');
  reply(ask, 200, { released: ask.registry.release(match) });
}

function listCalls(ask) {
  reply(ask, 200, ask.calls.list(ask.query.get("match")));
}

function waitForCalls(ask) {
  const { query, calls, res } = ask;
  const match = tokenOf(ask);
  const ended = query.get("ended");
  if (![null, "complete", "aborted"].includes(ended)) {
    throw new ControlFault(400, '"ended" is "complete" or "aborted"');
  }
  const count = numberOf(query.get("count") ?? "1", 1, 1000000, "count");
  const timeout = numberOf(query.get("timeout_ms") ?? "10000", 0, MAX_WAIT_MS, "timeout_ms");
  const giveUp = calls.wait(match, ended, count, timeout, (met) => {
    const list = calls.list(match);
    const shown = ended === null ? list : list.filter((call) => call.ended === ended);
    reply(ask, met ? 200 : 408, shown);
  });
  res.on("close", giveUp);
}

async function startChaos(ask) {
  ask.chaos.start(await readJson(ask));
  reply(ask, 201, {});
}

function stopChaos(ask) {
  ask.chaos.stop();
  reply(ask, 200, {});
}

function tokenOf({ query }) {
  const match = query.get("match");
  if (match === null) throw new ControlFault(400, '"match" is missing');
  return match;
}

function numberOf(text, least, most, name) {
  const number = Number(text);
  if (!Number.isInteger(number) || number < least || number > most) {
    throw new ControlFault(400, `"${name}" is not a number from ${least} to ${most}`);
  }
  return number;
}

async function readJson({ req }) {
  const chunks = [];
  let size = 0;
  for await (const chunk of req) {
    size += chunk.length;
    if (size > MAX_BODY) throw new ControlFault(413, "too large");
    chunks.push(chunk);
  }
  let json;
  try {
    json = JSON.parse(Buffer.concat(chunks).toString());
  } catch {
    throw new ControlFault(400, "not JSON");
  }
  if (typeof json !== "object" || json === null) throw new ControlFault(400, "not an object");
  return json;
}

function reply({ res }, status, body) {
  const text = JSON.stringify(body);
  res.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
  });
  res.end(text);
}
