// The example of a site, served by an Nginx of the test's own: what TLS it speaks, and that what
// goes by TLS stays there.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import https from "node:https";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import tls from "node:tls";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";

import { stack, waitUntil } from "./lib/fynq.mjs";

const run = promisify(execFile);
const NAME = "api.example";
const { bin } = JSON.parse(process.env.FYNQ_TEST_STACK);

let folder;
let nginx;
let port;
let certificate;

async function freePort() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const found = server.address().port;
  server.close();
  await once(server, "close");
  return found;
}

before(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "fynq-site-"));
  const file = (name) => path.join(folder, name);
  await mkdir(file("tmp"));
  await run("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
    "-nodes", "-days", "2", "-subj", `/CN=${NAME}`, "-addext", `subjectAltName=DNS:${NAME}`,
    "-keyout", file("privkey.pem"), "-out", file("fullchain.pem")]);
  certificate = await readFile(file("fullchain.pem"));
  const shared = path.join(bin, "../../share/fynq/nginx");
  for (const part of ["http", "server"]) {
    const { stdout } = await run("sh", [path.join(shared, "site.sh"), part, bin,
      path.join(stack.state, "run")], { env: stack.environment() });
    await writeFile(file(`fynq-${part}.conf`), stdout);
  }
  const example = await readFile(path.join(shared, "site.example.conf"), "utf8");
  const site = (listen) => example
    .replaceAll("/etc/nginx/", `${folder}/`)
    .replaceAll(`/etc/ssl/${NAME}/`, `${folder}/`)
    .replaceAll("/var/log/nginx/", `${folder}/`)
    .replace("listen 443 ", `listen 127.0.0.1:${listen} `)
    .replace(/.*listen \[::\].*\n/, "");
  const temporary = ["client_body", "fastcgi", "proxy", "scgi", "uwsgi"]
    .map((name) => `${name}_temp_path ${folder}/tmp/${name};`).join("\n");
  const user = process.getuid() === 0 ? "user root;" : "";
  // Another program may take the port between our asking for it and Nginx's: then with another one.
  for (let tries = 3; ; tries -= 1) {
    port = await freePort();
    await writeFile(file("nginx.conf"),
      `${user} daemon off; pid ${folder}/pid; events {} http { ${temporary}\n${site(port)} }\n`);
    nginx = spawn("nginx", ["-p", folder, "-e", file("error.log"), "-c", file("nginx.conf")]);
    // It writes its id once it listens, and ends where it cannot.
    await waitUntil(() => existsSync(file("pid")) || nginx.exitCode !== null, { what: "Nginx" });
    if (nginx.exitCode === null) break;
    if (tries === 1) throw new Error(await readFile(file("error.log"), "utf8"));
  }
});

after(async () => {
  nginx.kill();
  await once(nginx, "exit");
  await rm(folder, { recursive: true });
});

const target = () => ({ host: "127.0.0.1", port, servername: NAME, ca: certificate });

/** The handshake with these options; resolves with {protocol, cipher}. */
async function shakeHands(options) {
  const socket = tls.connect({ ...target(), ...options });
  try {
    await once(socket, "secureConnect");
    return { protocol: socket.getProtocol(), cipher: socket.getCipher() };
  } finally {
    socket.destroy();
  }
}

async function get(route) {
  const request = https.get({ ...target(), path: route, agent: false, headers: { host: NAME } });
  const [response] = await once(request, "response");
  response.resume();
  return response;
}

describe("TLS", () => {
  it("1.3 where the client can, else 1.2", async () => {
    assert.equal((await shakeHands({})).protocol, "TLSv1.3");
    assert.equal((await shakeHands({ maxVersion: "TLSv1.2" })).protocol, "TLSv1.2");
  });

  it("nothing older, whatever the client allows", async () => {
    for (const version of ["TLSv1.1", "TLSv1"]) {
      const options = { minVersion: "TLSv1", maxVersion: version, ciphers: "ALL:@SECLEVEL=0" };
      await assert.rejects(shakeHands(options), version);
    }
  });

  it("of 1.2 only forward secrecy with authenticated encryption", async () => {
    const weak = ["AES128-SHA", "AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-SHA",
      "ECDHE-ECDSA-AES256-SHA384", "NULL", "aNULL"];
    for (const ciphers of weak) {
      const options = { maxVersion: "TLSv1.2", ciphers: `${ciphers}:@SECLEVEL=0` };
      await assert.rejects(shakeHands(options), ciphers);
    }
    const { cipher } = await shakeHands({ maxVersion: "TLSv1.2" });
    assert.match(cipher.name, /^ECDHE-ECDSA-(AES\d+-GCM|CHACHA20)/);
  });

  it("the server's order counts", async () => {
    const ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384";
    const { cipher } = await shakeHands({ maxVersion: "TLSv1.2", ciphers });
    assert.equal(cipher.name, "ECDHE-ECDSA-AES256-GCM-SHA384");
  });
});

describe("what goes by TLS", () => {
  it("answers and Nginx's own problems have Strict-Transport-Security", async () => {
    for (const [route, status] of [["/healthz", 200], ["/api/v1/users/me", 401], ["/none", 404]]) {
      const response = await get(route);
      assert.equal(response.statusCode, status);
      assert.equal(response.headers["strict-transport-security"], "max-age=63072000", route);
      assert.equal(response.headers["x-content-type-options"], "nosniff", route);
    }
  });

  it("plain HTTP on the same port gets no answer of the service", async () => {
    const response = await fetch(`http://127.0.0.1:${port}/healthz`, { redirect: "manual" });
    assert.equal(response.status, 400);
    assert.equal(response.headers.get("location"), null);
  });

  it("without TLS the header is not sent", async () => {
    const { headers } = await stack.api("GET", "//healthz");
    assert.equal(headers.get("strict-transport-security"), null);
  });
});
