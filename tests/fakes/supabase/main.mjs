// A strict stand-in for Supabase Auth, as a process of its own. See README.md.

import { once } from "node:events";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

import { createControl } from "./control.mjs";
import { gateway } from "./errors.mjs";
import { Orders } from "./failures.mjs";
import { Keys } from "./keys.mjs";
import { Mails } from "./mails.mjs";
import { People } from "./oauth.mjs";
import { Calls, createServer } from "./server.mjs";
import { createService } from "./service.mjs";
import { OPTIONS, settingsOfArguments } from "./settings.mjs";
import { createStorage } from "./storage.mjs";
import { Objects } from "./storage-objects.mjs";
import { createPool } from "./store.mjs";

const USAGE =
  "usage: main.mjs [--database-url-file FILE] [--objects FOLDER] [--host H] [--port N] " +
  "[--cert FILE --key FILE] " +
  "[--publishable-key-file FILE] [--secret-key-file FILE] [--jwt-secret-file FILE] " +
  "[--signing ES256|HS256] [--until-stdin-ends] [--OPTION VALUE ...]";

const secretOf = (file) => file && readFileSync(file, "utf8").trim();

function readArguments() {
  const text = { type: "string" };
  const names = Object.keys(OPTIONS).map((name) => [name.replaceAll("_", "-"), text]);
  const { values } = parseArgs({
    options: {
      ...Object.fromEntries(names),
      host: { type: "string", default: "127.0.0.1" },
      port: { type: "string", default: "0" },
      cert: text,
      key: text,
      "database-url-file": text,
      objects: text,
      "publishable-key-file": text,
      "secret-key-file": text,
      "jwt-secret-file": text,
      signing: { type: "string", default: "ES256" },
      "until-stdin-ends": { type: "boolean", default: false },
    },
  });
  const port = Number(values.port);
  if (!(port >= 0 && port <= 65535)) throw new Error("--port is not a port");
  if (Boolean(values.cert) !== Boolean(values.key)) throw new Error("--cert goes with --key");
  if (!values["database-url-file"] && !values.objects) {
    throw new Error("--database-url-file, --objects or both must be there");
  }
  const keys = new Keys(secretOf(values["jwt-secret-file"]) ?? randomBytes(32).toString("hex"), {
    publishable: secretOf(values["publishable-key-file"]),
    secret: secretOf(values["secret-key-file"]),
  });
  keys.signing = values.signing;
  return {
    host: values.host,
    port,
    tls: values.cert && { cert: readFileSync(values.cert), key: readFileSync(values.key) },
    databaseUrl: secretOf(values["database-url-file"]),
    objects: values.objects && new Objects(values.objects),
    keys,
    settings: settingsOfArguments(values),
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
  const { host, port, tls, databaseUrl, objects, keys, settings, untilStdinEnds } = options;
  if (untilStdinEnds) process.stdin.on("close", () => process.exit(0)).resume();
  const parts = { keys, settings, people: new People(), mails: new Mails() };
  const calls = new Calls();
  const orders = new Orders();
  const serve = databaseUrl
    ? createService({ ...parts, pool: createPool(databaseUrl) })
    : () => gateway.noRoute;
  const store = createStorage({ keys, objects, settings });
  const server = createServer({ tls, calls, orders, serve, store });
  const control = createControl({ ...parts, objects, calls, orders });
  server.listen(port, host);
  control.listen(0, "127.0.0.1");
  await Promise.all([once(server, "listening"), once(control, "listening")]);
  const url = `${tls ? "https" : "http"}://${host}:${server.address().port}`;
  settings.url = () => url;
  settings.issuer = () => `${url}/auth/v1`;
  const ready = {
    url,
    control: `http://127.0.0.1:${control.address().port}`,
    pid: process.pid,
    publishable_key: keys.publishable,
    secret_key: keys.secret,
    anon_key: keys.anon,
    service_role_key: keys.serviceRole,
  };
  process.stdout.write(`${JSON.stringify(ready)}\n`);
}

await main();
