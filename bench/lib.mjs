// What the workloads share: a stack that asks the mock, the load client, what processes use.

import { execFile, spawn } from "node:child_process";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { Stack } from "../tests/e2e/lib/stack.mjs";
import { descriptors, each, pools } from "../tests/e2e/load/load.mjs";

export { descriptors };

const run = promisify(execFile);
const TOP = fileURLToPath(new URL("..", import.meta.url));
const STUDENTS = 200;
const TICKS_A_SECOND = 100; // Of /proc/PID/stat.

/** The settings of every workload; one that bounds what a student may ask belongs here. */
const SETTINGS = {
  FYNQ_PROCESSES: 1,
  FYNQ_BCRYPT_COST: 4,
  FYNQ_JWT_SECONDS: 86400,
  FYNQ_STREAMS_MAX: 20000,
  FYNQ_GEMINI_CONNECTIONS: 120,
  FYNQ_GEMINI_TOTAL_MS: 3600000,
  FYNQ_REPLY_MAX: 1000000,
};

/** A program that takes commands and answers with lines of JSON; see bench/tool.h. */
class Program {
  #child;
  #waiting = [];
  #failed = null;

  constructor(name, args) {
    this.#child = spawn(path.join(TOP, "build/bench", name), args, {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.pid = this.#child.pid;
    this.gone = new Promise((resolve) => this.#child.on("exit", resolve));
    this.ended = new Promise((resolve, reject) => {
      createInterface({ input: this.#child.stdout }).on("line", (line) => {
        const json = JSON.parse(line);
        if (json.ended) resolve(json);
        else this.#waiting.shift().resolve(json);
      });
      this.#child.on("exit", (code) => {
        this.#failed = new Error(`${name} ended: ${code}`);
        for (const { reject: fail } of this.#waiting) fail(this.#failed);
        reject(this.#failed);
      });
    });
    this.ended.catch(() => {}); // Who waits for it hears of it.
  }

  /** The next line that is printed. */
  line() {
    if (this.#failed) throw this.#failed;
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  ask(command) {
    const line = this.line();
    this.#child.stdin.write(`${command}\n`);
    return line;
  }

  tell(command) {
    this.#child.stdin.write(`${command}\n`);
  }

  async stop() {
    this.#child.stdin.end();
    await this.gone;
  }
}

/** A stack whose Gemini is the mock. */
export class Bench {
  #base;
  #programs = [];
  #mockPort;
  #stopped;

  /**
   * `settings` are more of the service, `durable` lets PostgreSQL wait for the disk, `students` are
   * registered for the load client.
   */
  static async start({ settings = {}, durable = false, students = STUDENTS } = {}) {
    const bench = new Bench();
    for (const signal of ["SIGINT", "SIGTERM"]) {
      process.once(signal, () => bench.stop().finally(() => process.exit(130)));
    }
    try {
      await bench.#start({ ...SETTINGS, ...settings }, durable, students);
    } catch (error) {
      await bench.stop();
      throw error;
    }
    return bench;
  }

  async #start(settings, durable, n) {
    this.#base = await mkdtemp("/var/tmp/fynq-bench-");
    await chmod(this.#base, 0o711); // PostgreSQL's user must reach its part.
    const [cert, key] = [path.join(this.#base, "cert.pem"), path.join(this.#base, "key.pem")];
    await run("openssl", [
      ..."req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30".split(" "),
      ..."-subj /CN=localhost -addext subjectAltName=IP:127.0.0.1".split(" "),
      ...["-keyout", key, "-out", cert],
    ]);
    this.mock = this.#program("mock", [cert, key]);
    const { url } = await this.mock.line();
    this.#mockPort = new URL(url).port;
    const set = { ...settings, FYNQ_GEMINI_URL: `${url}/v1beta`, FYNQ_GEMINI_CA_FILE: cert };
    const args = ["up", "--state", path.join(this.#base, "s"), "--built", "--json"];
    if (!durable) args.push("--fast");
    for (const [name, value] of Object.entries(set)) args.push("--set", `${name}=${value}`);
    const { GEMINI_API_KEY, ...env } = process.env;
    const { stdout } = await run(path.join(TOP, "dev"), args, { env });
    this.stack = new Stack(JSON.parse(stdout));
    const students = await each(n, 4, () => this.stack.register());
    const tokens = students.map(({ token }) => `${token}\n`).join("");
    await writeFile(this.#tokens(), tokens, { mode: 0o600 });
    [this.chat] = (await pools(this.stack)).chat.pids;
  }

  #tokens() {
    return path.join(this.#base, "tokens");
  }

  #program(name, args) {
    const program = new Program(name, args);
    this.#programs.push(program);
    return program;
  }

  /** A load client; options as {seats: 10, whole: true}, direct asks the mock itself. */
  load({ direct = false, ...options }) {
    const port = direct ? this.#mockPort : new URL(this.stack.url).port;
    const args = [`--port=${port}`, direct ? "--direct" : `--tokens=${this.#tokens()}`];
    for (const [name, value] of Object.entries(options)) {
      args.push(value === true ? `--${name}` : `--${name}=${value}`);
    }
    return this.#program("load", args);
  }

  /** Runs a load to its end; resolves with its last report, fails where a question failed. */
  async through(options) {
    const load = this.load(options);
    const report = await load.ended;
    await load.stop();
    noneFailed(report);
    return report;
  }

  /** What a second of `seconds` brought: rates, processor shares, and durations of the load. */
  async window(load, seconds) {
    await load.ask("report");
    const before = await this.#used(load);
    await sleep(seconds * 1000);
    const after = await this.#used(load);
    const took = (after.report.now_us - before.report.now_us) / 1e6;
    const a_second = (name) => (after[name] - before[name]) / took;
    return {
      ...after.report,
      rate: (after.report.events - before.report.events) / took,
      replies: (after.report.ok - before.report.ok) / took,
      chat: a_second("chat"),
      nginx: a_second("nginx"),
      mock: a_second("mock"),
      load: a_second("load"),
      late_ms: after.stats.late_us / 1000,
    };
  }

  // Processor seconds so far.
  async #used(load) {
    const [stats, report] = [await this.mock.ask("stats"), await load.ask("report")];
    const nginx = await Promise.all((await this.#nginx()).map(cpuSeconds));
    return {
      stats,
      report,
      chat: await cpuSeconds(this.chat),
      nginx: nginx.reduce((sum, s) => sum + s, 0),
      mock: stats.cpu_us / 1e6,
      load: report.cpu_us / 1e6,
    };
  }

  async #nginx() {
    const text = await readFile(path.join(this.stack.state, "nginx/pid"), "utf8");
    const children = `/proc/${Number(text)}/task/${Number(text)}/children`;
    return (await readFile(children, "utf8")).trim().split(" ").map(Number);
  }

  /** Rows that still wait for a reply. */
  async pending() {
    const [{ n }] = await this.stack.db.query(
      "select count(*)::int as n from messages where status = 'pending'",
    );
    return n;
  }

  /** Ends all that was started; a signal may have begun that already. */
  stop() {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop() {
    await Promise.all(this.#programs.map((program) => program.stop()));
    if (this.stack) await this.stack.stop();
    else await run(path.join(TOP, "dev"), ["down", "--state", path.join(this.#base, "s")]);
    await rm(this.#base, { recursive: true });
  }
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Asks condition() until it gives something true. */
export async function until(condition, what, seconds = 60) {
  const deadline = performance.now() + seconds * 1000;
  for (;;) {
    const result = await condition();
    if (result) return result;
    if (performance.now() > deadline) throw new Error(`not within ${seconds} s: ${what}`);
    await sleep(50);
  }
}

/** Processor time of a process so far, user and system. */
export async function cpuSeconds(pid) {
  const fields = (await readFile(`/proc/${pid}/stat`, "utf8")).replace(/^.*\) /s, "").split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
}

/** Memory of a process in KB: {rss, pss, anonymous}. */
export async function memoryKb(pid) {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, "utf8");
  const of = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(rollup)[1]);
  return { rss: of("Rss"), pss: of("Pss"), anonymous: of("Anonymous") };
}

/** Throws where a question failed; 0 stands for a connection that broke. */
export function noneFailed({ failed, failures }) {
  if (failed > 0) throw new Error(`${failed} failed, by status: ${JSON.stringify(failures)}`);
}

/** Prints rows under their titles, columns aligned to the right but for the first. */
export function table(titles, rows) {
  const text = [titles, ...rows].map((row) => row.map(String));
  const widths = titles.map((_, i) => Math.max(...text.map((row) => row[i].length)));
  for (const row of text) {
    const cells = row.map((cell, i) =>
      i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]));
    console.log(cells.join("  "));
  }
  console.log();
}

export const round = (n, digits = 0) => Number(n.toFixed(digits));

/** The percentile of numbers, part from 0 to 1. */
export function percentile(numbers, part) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
}
