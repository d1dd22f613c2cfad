// The control interface: tests order failures, read mails and change options here. Plain HTTP/1.1,
// on loopback only. README.md describes it.

import http from "node:http";

import { FailureFault } from "./failures.mjs";
import { changeSettings, SettingsFault, shownSettings } from "./settings.mjs";

const MAX_BODY = 1 << 20;
const MAX_WAIT_MS = 600000;
const KEEP_ALIVE_MS = 240000;

const routes = {
  "POST /failures": addFailure,
  "DELETE /failures": removeFailures,
  "GET /mails": listMails,
  "GET /mails/wait": waitForMails,
  "GET /calls": (ask) => reply(ask, 200, ask.calls.list(ask.query.get("match"))),
  "GET /objects": listObjects,
  "POST /objects/age": ageObject,
  "GET /options": (ask) => reply(ask, 200, shownSettings(ask)),
  "PUT /options": putOptions,
  "POST /keys/rotate": (ask) => reply(ask, 201, { kid: ask.keys.rotate() }),
  "POST /keys/drop": (ask) => reply(ask, 200, { kids: ask.keys.drop() }),
  "PUT /people": putPerson,
};

class ControlFault extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** `parts`: {settings, keys, people, mails, objects, calls, orders}. */
export function createControl(parts) {
  const server = http.createServer(async (req, res) => {
    const url = new URL(req.url, "http://stand-in.invalid");
    const ask = { ...parts, req, res, query: url.searchParams };
    try {
      const route = routes[`${req.method} ${url.pathname}`];
      if (!route) throw new ControlFault(404, "no such control");
      await route(ask);
    } catch (error) {
      if (error instanceof ControlFault) reply(ask, error.status, { error: error.message });
      else if (error instanceof FailureFault || error instanceof SettingsFault) {
        reply(ask, 400, { error: error.message });
      } else throw error;
    }
  });
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  return server;
}

async function addFailure(ask) {
  ask.orders.add(await readJson(ask));
  reply(ask, 201, {});
}

function removeFailures(ask) {
  reply(ask, 200, { removed: ask.orders.remove(ask.query.get("match")) });
}

const which = ({ query }) => ({ to: query.get("to"), kind: query.get("kind") });

function listMails(ask) {
  reply(ask, 200, ask.mails.list(which(ask)));
}

function waitForMails(ask) {
  const count = numberOf(ask, "count", 1, 1, 1000);
  const timeout = numberOf(ask, "timeout_ms", 10000, 0, MAX_WAIT_MS);
  const giveUp = ask.mails.wait(which(ask), count, timeout, (list, met) => {
    reply(ask, met ? 200 : 408, list);
  });
  ask.res.on("close", giveUp);
}

/** Those of all buckets, or of one, whose name begins so. */
function listObjects({ objects, ...ask }) {
  const bucket = ask.query.get("bucket");
  const buckets = (objects?.buckets() ?? []).filter(({ id }) => bucket === null || id === bucket);
  const prefix = ask.query.get("prefix") ?? "";
  reply(ask, 200, buckets.flatMap(({ id }) => objects.all(id, prefix).map(
    ({ name, metadata: { size, mimetype, cacheControl }, created_at, updated_at }) =>
      ({ bucket: id, name, size, mimetype, cacheControl, created_at, updated_at }))));
}

async function ageObject(ask) {
  const { bucket, name, hours } = await readJson(ask);
  const object = ask.objects?.find(bucket, name);
  if (!object) throw new ControlFault(404, "no such object");
  ask.objects.age(object, hours);
  reply(ask, 200, {});
}

async function putOptions(ask) {
  changeSettings(ask, await readJson(ask));
  reply(ask, 200, shownSettings(ask));
}

async function putPerson(ask) {
  const person = await readJson(ask);
  if (typeof person.email !== "string") throw new ControlFault(400, '"email" is missing');
  ask.people.set(person);
  reply(ask, 200, {});
}

function numberOf({ query }, name, otherwise, least, most) {
  const number = Number(query.get(name) ?? otherwise);
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
  try {
    const json = JSON.parse(Buffer.concat(chunks).toString());
    if (typeof json === "object" && json !== null) return json;
  } catch {
    // Told below.
  }
  throw new ControlFault(400, "not a JSON object");
}

function reply({ res }, status, body) {
  const text = JSON.stringify(body);
  res.writeHead(status, {
    "content-type": "application/json", "content-length": Buffer.byteLength(text),
  });
  res.end(text);
}
