// fynqctl: pools that start, stop and restart without losing a request, and what it refuses.

import assert from "node:assert/strict";
import { chmod, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, test } from "node:test";

import { startStack, waitUntil } from "./lib/fynq.mjs";
import { lives } from "./lib/processes.mjs";

const ENDPOINTS = ["auth", "chat", "contents", "files", "system", "users"];

let own;

before(async () => {
  own = await startStack({ settings: { FYNQ_PROCESSES: 2, FYNQ_DRAIN_SECONDS: 20 } });
});

after(async () => {
  await own.stop();
});

/** What `fynqctl status` says: {endpoint: {state, pids, draining}} and its exit status. */
async function status() {
  const { code, stdout } = await own.fynqctl(["status"]);
  const numbers = (list) => (list === "-" ? [] : list.split(",").map(Number));
  const rows = stdout.trim().split("\n").slice(1).map((line) => line.split(/ +/));
  const pools = Object.fromEntries(
    rows.map(([name, state, since, pids, draining]) => [
      name,
      { state, since, pids: numbers(pids), draining: numbers(draining) },
    ]),
  );
  return { code, pools };
}

const pidsOf = async (name) => (await status()).pools[name].pids;

const drained = (name) =>
  waitUntil(async () => (await status()).pools[name].draining.length === 0, {
    what: `${name} has drained`,
    timeoutMs: 30000,
  });

async function expectOk(promise) {
  const answer = await promise;
  assert.equal(answer.code, 0, answer.stderr);
  return answer;
}

/** Keeps asking in `width` loops until stop(), which resolves with the answers' statuses, counted. */
function load(width, ask) {
  const seen = {};
  let going = true;
  const loops = Array.from({ length: width }, async (_, i) => {
    while (going) {
      const outcome = await ask(i).catch((error) => error.cause?.code ?? error.message);
      seen[outcome] = (seen[outcome] ?? 0) + 1;
    }
  });
  return async () => {
    going = false;
    await Promise.all(loops);
    return seen;
  };
}

test("status shows each pool with its processes", async () => {
  const { code, pools } = await status();
  assert.equal(code, 0);
  assert.deepEqual(Object.keys(pools), ENDPOINTS);
  for (const { state, since, pids } of Object.values(pools)) {
    assert.equal(state, "up");
    assert.equal(pids.length, 2);
    assert.ok(Math.abs(Date.parse(since) - Date.now()) < 600000, since);
    assert.ok(pids.every(lives));
  }
});

test("a stopped endpoint is down, Nginx says so, and the others go on", async () => {
  const others = await pidsOf("users");
  const pids = await pidsOf("auth");
  await expectOk(own.fynqctl(["stop", "auth"]));
  assert.ok(!pids.some(lives));
  const { code, pools } = await status();
  assert.equal(code, 3);
  assert.equal(pools.auth.state, "down");
  assert.deepEqual(pools.users.pids, others);

  const refused = await own.api("POST", "/auth/login", { body: {} });
  assert.equal(refused.status, 502);
  assert.equal(refused.headers.get("content-type"), "application/problem+json");
  assert.equal(refused.headers.get("retry-after"), "1");
  assert.equal(refused.json.status, 502);
  assert.equal(refused.json.instance, refused.headers.get("x-request-id"));
  assert.equal((await own.api("GET", "//healthz")).status, 200);

  await expectOk(own.fynqctl(["start"]));
  assert.equal((await status()).code, 0);
  assert.deepEqual(await pidsOf("users"), others);
  await own.register();
});

test("a restart under load loses no request and cuts no stream", async () => {
  const student = await own.register();
  const { token } = student;
  const streaming = (await Promise.all([1, 2, 3].map(() => own.register()))).map((s) => s.token);
  const stops = [
    load(4, async () => (await own.api("GET", "/users/me", { token })).status),
    load(4, async (i) => {
      const body = { display_name: `Name ${i}` };
      return (await own.api("PATCH", "/users/me", { token, body })).status;
    }),
    load(streaming.length, async (i) => {
      const body = { content: "Why is the sky blue?", stream: true };
      const stream = await own.sse("/chat/message", body, { token: streaming[i] });
      const { done, text } = await stream.all();
      return done?.reply?.content === text ? "done" : "cut";
    }),
  ];
  for (let round = 0; round < 3; round += 1) {
    const old = { users: await pidsOf("users"), chat: await pidsOf("chat") };
    await expectOk(own.fynqctl(["restart", "users", "chat"]));
    for (const name of ["users", "chat"]) {
      assert.ok(!(await pidsOf(name)).some((pid) => old[name].includes(pid)));
      await drained(name);
      assert.ok(!old[name].some(lives));
    }
  }
  const [reads, changes, streams] = await Promise.all(stops.map((stop) => stop()));
  assert.deepEqual(Object.keys(reads), ["200"], JSON.stringify(reads));
  assert.deepEqual(Object.keys(changes), ["200"], JSON.stringify(changes));
  assert.deepEqual(Object.keys(streams), ["done"], JSON.stringify(streams));
});

test("a stream that runs drains in the old generation", async () => {
  const { token } = await own.register();
  const mark = "fynqctl-drains";
  await own.gemini.script(mark, [{ text: ["one "] }, { hold: true }, { text: ["two"] }, { end: "finish" }]);
  const body = { content: mark, stream: true };
  const stream = await own.sse("/chat/message", body, { token });
  await own.gemini.waitForCalls(mark);
  const old = await pidsOf("chat");
  await expectOk(own.fynqctl(["restart", "chat"]));
  const { pools } = await status();
  assert.equal(pools.chat.state, "up");
  assert.ok(pools.chat.draining.length > 0);
  assert.ok(pools.chat.draining.every((pid) => old.includes(pid)));

  await own.gemini.release(mark);
  assert.equal((await stream.all()).text, "one two");
  await drained("chat");
});

test("a restart with a bad setting changes nothing", async () => {
  const before = await pidsOf("users");
  const { code, stderr } = await own.fynqctl(["restart", "users"], { FYNQ_DB_TIMEOUT_MS: "1" });
  assert.equal(code, 78);
  assert.match(stderr, /FYNQ_DB_TIMEOUT_MS/);
  assert.deepEqual(await pidsOf("users"), before);
});

test("a restart whose new processes cannot work keeps the old ones", async () => {
  const before = await pidsOf("users");
  const url = "postgresql://fynq:hunter2-hunter2@127.0.0.1:1/fynq";
  const { code, stderr } = await own.fynqctl(["restart", "users"], { FYNQ_DATABASE_URL: url });
  assert.equal(code, 1);
  assert.match(stderr, /users: .*database/);
  assert.match(stderr, /users: not restarted; the old processes go on/);
  assert.ok(!stderr.includes("hunter2"), stderr);
  assert.deepEqual(await pidsOf("users"), before);
  assert.equal((await status()).pools.users.draining.length, 0);
});

test("a restart whose new processes never answer keeps the old ones", async (t) => {
  const bin = await mkdtemp(path.join(own.state, "bin-"));
  t.after(() => rm(bin, { recursive: true }));
  const program = path.join(bin, "users.fcgi");
  const pidFile = path.join(bin, "pid");
  await writeFile(
    program,
    `#!/bin/sh\n[ "$1" = --check ] && exit 0\necho $$ >${pidFile}\nexec sleep 600\n`,
  );
  await chmod(program, 0o755);

  const before = await pidsOf("users");
  const { code, stderr } = await own.fynqctl(["restart", "users"], { FYNQ_BIN_DIR: bin });
  assert.equal(code, 1);
  assert.match(stderr, /users: it does not answer/);
  assert.deepEqual(await pidsOf("users"), before);
  assert.ok(!lives(Number(await readFile(pidFile, "utf8"))), "the new processes are gone");
  const left = (await readdir(path.join(own.state, "run"))).filter((name) => name.endsWith(".new"));
  assert.deepEqual(left, []);
  const { token } = await own.register();
  assert.equal((await own.api("GET", "/users/me", { token })).status, 200);
});

test("two at once take turns", async () => {
  const before = await pidsOf("system");
  const answers = await Promise.all([1, 2, 3].map(() => own.fynqctl(["restart", "system"])));
  for (const { code, stderr } of answers) assert.equal(code, 0, stderr);
  await drained("system");
  const now = await pidsOf("system");
  assert.equal(now.length, 2);
  assert.ok(!now.some((pid) => before.includes(pid)));
});

test("a process that is killed is replaced", async () => {
  const before = await pidsOf("system");
  process.kill(before[0], "SIGKILL");
  await waitUntil(async () => {
    const now = await pidsOf("system");
    return now.length === 2 && !now.includes(before[0]);
  });
  assert.ok((await pidsOf("system")).includes(before[1]));
});

test("a pool whose multiwatch is killed is down, and start replaces it", async () => {
  const leader = Number.parseInt(await readFile(path.join(own.state, "run/system.pid"), "utf8"), 10);
  const orphans = await pidsOf("system");
  process.kill(leader, "SIGKILL");
  await waitUntil(() => !lives(leader));
  const { code, pools } = await status();
  assert.equal(code, 3);
  assert.equal(pools.system.state, "down");
  await expectOk(own.fynqctl(["start", "system"]));
  await drained("system");
  assert.ok(!orphans.some(lives));
  assert.equal((await status()).code, 0);
});

test("reopen lets a rotated log begin anew", async () => {
  const log = path.join(own.state, "log/fynq.log");
  await rename(log, `${log}.1`);
  await expectOk(own.fynqctl(["reopen"]));
  await waitUntil(async () => {
    await own.api("GET", "//healthz");
    return readFile(log, "utf8").then((text) => text.includes('"system"'), () => false);
  });
});

test("wrong calls are told what is right", async () => {
  for (const [args, pattern] of [
    [[], /a command is missing; see `fynqctl help`/],
    [["nonsense"], /there is no command nonsense/],
    [["help", "nonsense"], /there is no command nonsense/],
    [["restart", "nonsense"], /there is no endpoint nonsense/],
    [["stop", "../users"], /there is no endpoint/],
    [["migrate"], /usage: fynqctl migrate up\|down\|status/],
    [["migrate", "sideways"], /usage: fynqctl migrate up\|down\|status/],
    [["config", "check", "twice"], /usage: fynqctl config/],
    [["user"], /usage: fynqctl user create .*\n.* fynqctl user list .*\n/],
  ]) {
    const { code, stderr } = await own.fynqctl(args);
    assert.equal(code, 64, args.join(" "));
    assert.match(stderr, pattern);
  }
  const { code, stdout } = await own.fynqctl(["help"]);
  assert.equal(code, 0);
  for (const word of ["start", "stop", "restart", "status", "reopen", "migrate", "config",
    "user create", "user delete", "keys", "mail", "upkeep", "storage gc"]) {
    assert.match(stdout, new RegExp(`^ +${word} `, "m"));
  }
  assert.ok(stdout.split("\n").every((line) => line.length <= 100), stdout);
});

test("help of a command says what its options do", async () => {
  const { stdout } = await expectOk(own.fynqctl(["help", "storage"]));
  assert.match(stdout, /^usage: fynqctl storage verify \[--quick\]$/m);
  const [usage, ...rest] = stdout.split("\n\n");
  const options = usage.match(/--[a-z-]+/g);
  assert.deepEqual(rest.join("\n").match(/^ +--[a-z-]+/gm).map((it) => it.trim()), options);
  for (const args of [["storage", "--help"], ["storage", "gc", "--help"]]) {
    assert.equal((await expectOk(own.fynqctl(args))).stdout, stdout);
  }
  assert.match((await expectOk(own.fynqctl(["upkeep", "--help"]))).stdout, /^usage: fynqctl upkeep\n/);
});

test("migrations as the service: what they take is said", async () => {
  const { code, stderr } = await own.fynqctl(["migrate", "status"], { FYNQ_DATABASE_ADMIN_URL: "" });
  assert.equal(code, 1);
  assert.match(stderr, /owner: run it as that, or set FYNQ_DATABASE_ADMIN_URL$/m);
});

test("config checks the settings, and shows what they are", async () => {
  await expectOk(own.fynqctl(["config", "check"]));
  const bad = await own.fynqctl(["config", "check"], {
    FYNQ_JWT_SECRET: "hunter2",
    FYNQ_TREADS: "4",
    FYNQ_THREADS: "none",
  });
  assert.equal(bad.code, 78);
  for (const name of ["FYNQ_JWT_SECRET", "FYNQ_TREADS", "FYNQ_THREADS"]) {
    assert.match(bad.stderr, new RegExp(`${name}: `));
  }
  assert.ok(!bad.stderr.includes("hunter2"), bad.stderr);

  // What does not go together is told at once, too, and what is right.
  const wrong = await own.fynqctl(["config", "check"], {
    FYNQ_REDIRECTS: "http://app.example/signed-in", FYNQ_PUBLIC_URL: "api.example",
    FYNQ_SITE_URL: "nowhere", FYNQ_JWT_KEYS_DIR: "/nowhere",
  });
  assert.equal(wrong.code, 78);
  for (const words of [/FYNQ_REDIRECTS: http.* must be https/, /FYNQ_PUBLIC_URL: it must be https/,
    /FYNQ_SITE_URL: it must be/, /FYNQ_JWT_KEYS_DIR: .*No such file.*`fynqctl keys new`/]) {
    assert.match(wrong.stderr, words);
  }
  const auth = await own.fynqctl(["config", "check"], { FYNQ_AUTH: "us" });
  assert.match(auth.stderr, /FYNQ_AUTH: it must be local or supabase/);

  const example = (await expectOk(own.fynqctl(["config", "example"]))).stdout;
  const page = (await expectOk(own.fynqctl(["config", "markdown"]))).stdout;
  for (const name of ["FYNQ_DATABASE_URL", "FYNQ_THREADS", "FYNQ_GEMINI_API_KEY"]) {
    assert.match(example, new RegExp(`^(# )?${name}=`, "m"));
    assert.ok(page.includes(`| \`${name}\` |`));
  }
});
