// A gigabyte up and down through Nginx and the files responder, beside what Nginx does by itself on
// the same disk: PUT of its dav module, GET of a file. Rounds alternate, so that what else the machine
// does falls on all of them, and the median of each is taken.

import { execFile, spawn } from "node:child_process";
import { createHash, randomFillSync } from "node:crypto";
import { mkdir, open, readFile, rm, stat, writeFile } from "node:fs/promises";
import http from "node:http";
import net from "node:net";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { registerAs } from "../tests/e2e/lib/people.mjs";
import { pools } from "../tests/e2e/load/load.mjs";
import { Bench, memoryKb, percentile, round, sleep, table, until } from "./lib.mjs";

const run = promisify(execFile);
const TRANSFER = fileURLToPath(new URL("../build/bench/transfer", import.meta.url));
const BYTES = 2 ** 30;
const MB = 1e6;
const ROUNDS = 7; // After one that is not counted.
const SAMPLE_MS = 20;
const BOUNDARY = "fynq-bench-4b1c7e";
const LARGE_BUFFER = "256k"; // client_body_buffer_size of nginx/server.conf.

const median = (numbers) => percentile(numbers, 0.5);
const seconds = (s) => s.toFixed(3);

/** A file of random bytes that begins as a PDF; resolves with its SHA-256. */
async function writePayload(file) {
  const out = await open(file, "w");
  const piece = Buffer.alloc(2 ** 20);
  const hash = createHash("sha256");
  for (let at = 0; at < BYTES; at += piece.length) {
    randomFillSync(piece);
    if (at === 0) piece.write("%PDF-1.4\n");
    hash.update(piece);
    await out.write(piece);
  }
  await out.close();
  return hash.digest("hex");
}

async function freePort() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/**
 * Another Nginx with the workers that the stack's has, and a server of its own: /files/ takes PUT
 * with the body buffer that Nginx has by itself, /large/ with the stack's.
 */
async function startNginx(stack, folder) {
  const port = await freePort();
  const conf = await readFile(path.join(stack.state, "nginx/nginx.conf"), "utf8");
  const file = path.join(folder, "nginx.conf");
  await mkdir(path.join(folder, "files"));
  const own = conf
    .replace(/^\s*listen .*\n\s*include .*\n/m, `
        listen 127.0.0.1:${port} backlog=4096;
        root ${folder};
        client_max_body_size 0;
        dav_methods PUT;
        sendfile on;
        tcp_nopush on;
        location /large/ {
            alias ${folder}/files/;
            client_body_buffer_size ${LARGE_BUFFER};
        }
`)
    .replaceAll(path.join(stack.state, "nginx/pid"), path.join(folder, "pid"))
    .replaceAll(`${stack.state}/log/`, `${folder}/`)
    .replaceAll(/_temp_path \S*\//g, `_temp_path ${folder}/tmp-`);
  await writeFile(file, `daemon off;\n${own}`);
  const child = spawn("nginx", ["-p", folder, "-e", path.join(folder, "error.log"), "-c", file], {
    stdio: "inherit",
  });
  const gone = new Promise((resolve) => child.once("exit", resolve));
  const stop = async () => {
    child.kill("SIGQUIT");
    await gone;
  };
  await until(() => accepts(port), "Nginx accepts connections", 10);
  return { port, stop };
}

function accepts(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    socket.once("error", () => resolve(false));
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
  });
}

/** What is sent and asked, in files that the client sends as they are. */
class Requests {
  #folder;
  #n = 0;

  constructor(folder) {
    this.#folder = folder;
  }

  async #file(text) {
    const file = path.join(this.#folder, `request-${this.#n++}`);
    await writeFile(file, text);
    return file;
  }

  /** Sends them; resolves with {status, bytes, seconds, cpu_us}. */
  async send(port, head, parts = [], want = 200) {
    const sizes = await Promise.all(parts.map(async (file) => (await stat(file)).size));
    const length = sizes.reduce((sum, n) => sum + n, 0);
    const lines = [...head, "Host: 127.0.0.1", "Connection: close"];
    if (parts.length > 0) lines.push(`Content-Length: ${length}`);
    const first = await this.#file(`${lines.join("\r\n")}\r\n\r\n`);
    const { stdout } = await run(TRANSFER, [String(port), first, ...parts]);
    await rm(first);
    const result = JSON.parse(stdout);
    if (result.status !== want) throw new Error(`${head[0]}: ${result.status}`);
    return result;
  }

  /** The parts of a form whose file is the payload. */
  async form(payload) {
    const part = (fields) => `--${BOUNDARY}\r\nContent-Disposition: form-data; ${fields}\r\n`;
    return [
      await this.#file(
        `${part('name="purpose"')}\r\ncontent\r\n` +
        `${part('name="file"; filename="a.pdf"')}Content-Type: application/pdf\r\n\r\n`,
      ),
      payload,
      await this.#file(`\r\n--${BOUNDARY}--\r\n`),
    ];
  }
}

/** What the responder's processes take while something goes on, in KB. */
class Memory {
  #processes;
  #stopped = false;
  #ended;

  static async watch(pids) {
    const memory = new Memory();
    memory.#processes = await Promise.all(pids.map(async (pid) => {
      await writeFile(`/proc/${pid}/clear_refs`, "5"); // VmHWM begins anew; see proc(5).
      return { pid, before: await memoryKb(pid), rss: 0, anonymous: 0 };
    }));
    memory.#ended = memory.#sample();
    return memory;
  }

  async #sample() {
    while (!this.#stopped) {
      for (const process of this.#processes) {
        const now = await memoryKb(process.pid);
        process.rss = Math.max(process.rss, now.rss - process.before.rss);
        process.anonymous = Math.max(process.anonymous, now.anonymous - process.before.anonymous);
      }
      await sleep(SAMPLE_MS);
    }
  }

  /** The largest growth of a process: {rss, anonymous}. */
  async end() {
    this.#stopped = true;
    await this.#ended;
    for (const process of this.#processes) {
      const status = await readFile(`/proc/${process.pid}/status`, "utf8");
      const peak = Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)[1]);
      process.rss = Math.max(process.rss, peak - process.before.rss);
    }
    const most = (name) => Math.max(...this.#processes.map((process) => process[name]));
    return { rss: most("rss"), anonymous: most("anonymous") };
  }
}

/** Both sides, and what each arm does. */
class Sides {
  constructor(bench, nginx, folder, teacher) {
    this.stack = bench.stack;
    this.folder = folder;
    this.teacher = teacher;
    this.dav = nginx.port;
    this.fynq = Number(new URL(bench.stack.url).port);
    this.requests = new Requests(folder);
    this.payload = path.join(folder, "payload");
    this.target = path.join(folder, "files/put");
    this.files = new Set();
  }

  #api(method, target) {
    return this.stack.api(method, target, { token: this.teacher.token });
  }

  /** The only file that there is. */
  async file() {
    const { json } = await this.#api("GET", "/files");
    if (json.items.length !== 1) throw new Error(`${json.items.length} files`);
    return json.items[0];
  }

  async remove() {
    const { status } = await this.#api("DELETE", `/files/${(await this.file()).id}`);
    if (status !== 204) throw new Error(`DELETE: ${status}`);
  }

  /** With nothing left to write of what was before, and memory at hand for what comes. */
  async #settle() {
    const file = path.join(this.folder, "settle");
    await run("cp", [this.payload, file]);
    await run("sync");
    await rm(file);
  }

  async put(place) {
    await rm(this.target, { force: true });
    await this.#settle();
    const took = await this.requests.send(this.dav, [`PUT /${place}/put HTTP/1.1`], [this.payload], 201);
    const began = performance.now();
    await run("sync", [this.target]); // fsync(2) of it.
    return { ...took, durable: took.seconds + (performance.now() - began) / 1000 };
  }

  async upload(payload = this.payload) {
    await this.#settle();
    return this.requests.send(this.fynq, [
      "POST /api/v1/files/upload HTTP/1.1",
      `Authorization: Bearer ${this.teacher.token}`,
      `Content-Type: multipart/form-data; boundary=${BOUNDARY}`,
    ], await this.requests.form(payload), 201);
  }

  get() {
    return this.#whole(this.dav, ["GET /payload HTTP/1.1"]);
  }

  async download() {
    const { id } = await this.file();
    return this.#whole(this.fynq, [
      `GET /api/v1/files/${id}/content HTTP/1.1`,
      `Authorization: Bearer ${this.teacher.token}`,
    ]);
  }

  async #whole(port, head) {
    const result = await this.requests.send(port, head);
    if (result.bytes !== BYTES) throw new Error(`${head[0]}: ${result.bytes} bytes`);
    return result;
  }

  /** The SHA-256 of a download. */
  async downloaded() {
    const { id } = await this.file();
    const headers = { authorization: `Bearer ${this.teacher.token}` };
    const url = `${this.stack.url}/api/v1/files/${id}/content`;
    const response = await new Promise((resolve, reject) => {
      http.get(url, { headers, agent: false }, resolve).on("error", reject);
    });
    const hash = createHash("sha256");
    for await (const piece of response) hash.update(piece);
    return hash.digest("hex");
  }
}

/** Runs the arms in turn, in the other order every other round; resolves with results by name. */
async function alternate(arms, rounds) {
  const results = Object.fromEntries(Object.keys(arms).map((name) => [name, []]));
  for (let i = 0; i <= rounds; i++) {
    const names = Object.keys(arms);
    const line = {};
    if (i % 2 === 1) names.reverse();
    for (const name of names) {
      const result = await arms[name]();
      line[name] = seconds(result.seconds);
      if (i > 0) results[name].push(result);
    }
    const said = Object.keys(arms).map((name) => `${name} ${line[name]}`);
    console.log(`${i === 0 ? "warm-up" : `round ${i}`}, s: ${said.join(", ")}`);
  }
  console.log();
  return results;
}

async function measure(bench, nginx, folder) {
  const { stack } = bench;
  const sides = new Sides(bench, nginx, folder, await registerAs(stack, "teacher"));
  const sha256 = await writePayload(sides.payload);
  const { pids } = (await pools(stack)).files;

  // What libraries map and take once, whatever a file's size.
  const small = path.join(folder, "small");
  await writeFile(small, "%PDF-1.4\n%small\n");
  for (let i = 0; i < 8; i++) {
    await sides.upload(small);
    await sides.downloaded();
    await sides.remove();
  }

  const memory = await Memory.watch(pids);
  let kept = false;
  const up = await alternate({
    "dav PUT": () => sides.put("files"),
    [`dav PUT, ${LARGE_BUFFER} buffer`]: () => sides.put("large"),
    upload: async () => {
      if (kept) await sides.remove();
      kept = true;
      return sides.upload();
    },
  }, ROUNDS);
  if ((await sides.file()).sha256 !== sha256 || (await sides.downloaded()) !== sha256) {
    throw new Error("the file is not what was sent");
  }
  const down = await alternate({
    "static GET": () => sides.get(),
    download: () => sides.download(),
  }, ROUNDS);
  return { up, down, grown: await memory.end() };
}

export async function workload() {
  const bench = await Bench.start({ students: 0, durable: true });
  let nginx;
  let measured;
  try {
    const folder = path.join(bench.stack.state, "bench");
    await mkdir(folder);
    nginx = await startNginx(bench.stack, folder);
    measured = await measure(bench, nginx, folder);
  } finally {
    await nginx?.stop();
    await bench.stop();
  }
  const { up, down, grown } = measured;
  const [put, large, upload] = Object.values(up);
  const [get, download] = Object.values(down);
  const of = (results, member = "seconds") => median(results.map((result) => result[member]));
  const row = (name, results, member) => {
    const all = results.map((result) => result[member ?? "seconds"]);
    return [name, ...[Math.min(...all), median(all), Math.max(...all)].map(seconds),
      round(BYTES / MB / median(all)),
      round(median(results.map((result) => result.cpu_us / 1e4 / result.seconds)))];
  };
  table(["1 GB, s", "least", "median", "most", "MB/s", "client's CPU, %"], [
    row("dav PUT", put),
    row("dav PUT, and fsync", put, "durable"),
    row(`dav PUT, ${LARGE_BUFFER} buffer`, large),
    row(`dav PUT, ${LARGE_BUFFER} buffer, and fsync`, large, "durable"),
    row("upload", upload),
    row("static GET", get),
    row("download", download),
  ]);
  return {
    upload_ratio: round(of(put) / of(upload), 2),
    download_ratio: round(of(get) / of(download), 2),
    rss_growth_kb: grown.rss,
    anonymous_growth_kb: grown.anonymous,
    upload_ratio_durable: round(of(put, "durable") / of(upload), 2),
    upload_ratio_large_buffer: round(of(large) / of(upload), 2),
    upload_ratio_large_buffer_durable: round(of(large, "durable") / of(upload), 2),
    upload_mb_s: round(BYTES / MB / of(upload)),
    download_mb_s: round(BYTES / MB / of(download)),
  };
}
