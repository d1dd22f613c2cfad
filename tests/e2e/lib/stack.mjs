// A running stack as tests see it: the shared one that ./dev test started, or one of their own.

import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { StandIn } from "../../fakes/gemini/client.mjs";
import { StandIn as SupabaseStandIn } from "../../fakes/supabase/client.mjs";
import { StorageStandIn } from "../../fakes/supabase/storage-client.mjs";
import { Cgi } from "./cgi.mjs";
import { Client } from "./http.mjs";
import { Database } from "./database.mjs";

const run = promisify(execFile);
const DEV = fileURLToPath(new URL("../../../dev", import.meta.url));

export class Stack {
  #about;
  #client;

  // about: what `./dev up --json` prints.
  constructor(about) {
    this.#about = about;
    this.#client = new Client(about.url);
    this.url = about.url;
    this.state = about.state;
    this.build = about.build;
    this.config = about.config;
    this.ownerUrl = about.owner_url;
    this.databaseUrl = about.database_url;
    this.db = new Database(about.database_url);
    this.gemini = new StandIn({ url: about.gemini, control: about.gemini_control, pid: 0 });
    this.auth = about.auth;
    if (about.auth === "supabase") this.supabase = new SupabaseStandIn(supabaseOf(about));
    if (about.storage === "supabase") this.storage = new StorageStandIn(supabaseOf(about));
    this.api = this.#client.api;
    this.register = this.#client.register;
    this.sse = this.#client.sse;
    this.raw = this.#client.raw;
    this.cgi = new Cgi(about.bin, this.environment()).call;
  }

  /** The environment of the service's programs: the stack's settings and none of the caller's. */
  environment(more = {}) {
    const reports = `log_path=${this.state}/san/report`;
    return {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      LANG: "C.UTF-8",
      FYNQ_CONFIG: this.config,
      ASAN_OPTIONS: `${reports}:detect_leaks=1:exitcode=99`,
      UBSAN_OPTIONS: `${reports}:print_stacktrace=1`,
      ...more,
    };
  }

  /** Runs fynqctl; resolves with {code, stdout, stderr}, whatever the code. */
  async fynqctl(args, environment = {}) {
    return execute(this.#about.fynqctl, args, this.environment(environment));
  }

  /** The log of the endpoints, as objects; only lines for which `keep` is true. */
  async log(keep = () => true) {
    const text = await readFile(path.join(this.state, "log/fynq.log"), "utf8");
    const lines = text.split("\n").slice(0, -1); // What follows the last end is being written.
    return lines.map((line) => JSON.parse(line)).filter(keep);
  }

  /** Starts what is down (after a test killed it), restarts what has changed. */
  async up() {
    await run(DEV, ["up", "--state", this.state, "--built"], { env: developer() });
  }

  /** Ends the stack and removes it; fails where a sanitizer had something to say. */
  async stop() {
    await run(DEV, ["down", "--state", this.state], { env: developer() });
    const folder = path.join(this.state, "san");
    const reports = await Promise.all(
      (await readdir(folder)).map((name) => readFile(path.join(folder, name), "utf8")),
    );
    if (reports.length > 0) throw new Error(`a sanitizer reported:\n${reports.join("\n")}`);
    await rm(this.state, { recursive: true });
  }

  /** Another stack, of the same build; `settings` such as {FYNQ_PROCESSES: 4}. */
  async another({ settings = {}, durable = false, auth = "local", storage = "local" } = {}) {
    const state = await mkdtemp(path.join(path.dirname(this.state), "s-"));
    const options = Object.entries(settings).flatMap(([name, value]) => [
      "--set",
      `${name}=${value}`,
    ]);
    if (this.#about.build === "build-asan") options.push("--asan");
    if (!durable) options.push("--fast");
    const keepers = ["--auth", auth, "--storage", storage];
    const args = ["up", "--state", state, ...keepers, "--built", "--json", ...options];
    const { stdout } = await run(DEV, args, { env: developer() });
    return new Stack(JSON.parse(stdout));
  }
}

/** Runs a program; resolves with {code, stdout, stderr}, whatever the code. */
export async function execute(file, args, environment) {
  try {
    const { stdout, stderr } = await run(file, args, { env: environment, maxBuffer: 16 << 20 });
    return { code: 0, stdout, stderr };
  } catch (error) {
    if (typeof error.code !== "number") throw error;
    return { code: error.code, stdout: error.stdout, stderr: error.stderr };
  }
}

/** Of the stand-in for Supabase, of a stack whose accounts or files it keeps. */
function supabaseOf({ supabase, supabase_control: control, state }) {
  const read = (name) => readFileSync(path.join(state, name), "utf8").trim();
  return {
    url: supabase,
    control,
    ca: read("supabase.pem"),
    keys: JSON.parse(read("supabase.json")),
  };
}

// What ./dev is run with: a key in the developer's environment must not make a test ask Google.
function developer() {
  const environment = { ...process.env };
  delete environment.GEMINI_API_KEY;
  return environment;
}
