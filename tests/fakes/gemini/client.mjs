// For tests: starts the stand-in as a process of its own, and talks to its control interface.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const MAIN = fileURLToPath(new URL("main.mjs", import.meta.url));

/** Makes a certificate for 127.0.0.1 and localhost in `directory`; answers its {cert, key}. */
export async function makeCertificate(directory) {
  const cert = path.join(directory, "cert.pem");
  const key = path.join(directory, "key.pem");
  await promisify(execFile)("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
    ...["-keyout", key, "-out", cert, "-days", "30", "-subj", "/CN=localhost"],
    ...["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"],
  ]);
  return { cert, key };
}

/**
 * Starts a stand-in with these arguments of main.mjs; resolves when it listens. It ends with the
 * process that started it, however that ends.
 */
export async function startStandIn(args = []) {
  const child = spawn(process.execPath, [MAIN, "--until-stdin-ends", ...args], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const lines = createInterface({ input: child.stdout });
  const started = await Promise.race([once(lines, "line"), exited.then(() => null)]);
  if (!started) throw new Error("the stand-in did not start");
  return new StandIn(JSON.parse(started[0]), child, exited);
}

export class StandIn {
  #child;
  #exited;

  constructor({ url, control, pid }, child, exited) {
    this.url = url;
    this.control = control;
    this.pid = pid;
    this.#child = child;
    this.#exited = exited;
  }

  /** Registers a script: calls whose last user text has `match` follow `steps`, `times` times. */
  async script(match, steps, times) {
    await this.#ask("POST", "/scripts", { match, steps, times });
  }

  async forget(match) {
    await this.#ask("DELETE", `/scripts?${new URLSearchParams({ match })}`);
  }

  /** Lets the calls of `match` that hold go on, and those that come to hold later. */
  async release(match) {
    await this.#ask("POST", "/release", { match });
  }

  /** The calls of `match`; without it all. */
  async calls(match) {
    const query = match === undefined ? "" : `?${new URLSearchParams({ match })}`;
    return this.#ask("GET", `/calls${query}`);
  }

  /** Waits for `count` calls of `match` (`ended`: "complete", "aborted") and answers them. */
  async waitForCalls(match, { count = 1, ended, timeoutMs = 30000 } = {}) {
    const query = new URLSearchParams({ match, count, timeout_ms: timeoutMs });
    if (ended) query.set("ended", ended);
    return this.#ask("GET", `/calls/wait?${query}`);
  }

  /** The random mode: {seed, share, token, kinds, delay_ms}. */
  async startChaos(mode) {
    await this.#ask("POST", "/chaos", mode);
  }

  async stopChaos() {
    await this.#ask("DELETE", "/chaos");
  }

  async chaosCounts() {
    return this.#ask("GET", "/chaos");
  }

  /** What the calls of each token in the random mode were answered. */
  async tokens() {
    return this.#ask("GET", "/tokens");
  }

  async stats() {
    return this.#ask("GET", "/stats");
  }

  async stop() {
    this.#child.kill("SIGTERM");
    await this.#exited;
  }

  async #ask(method, target, body) {
    const response = await fetch(this.control + target, {
      method,
      body: body && JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${target}: ${response.status} ${text}`);
    return JSON.parse(text);
  }
}
