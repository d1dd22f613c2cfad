// Answers that are ready and wait for their time, as refusals of sign-ins with Supabase do: they keep
// no worker, outlive the order to end, and do no harm where the client has gone.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readdir } from "node:fs/promises";
import { after, before, test } from "node:test";

import { startStack, waitUntil } from "./lib/fynq.mjs";
import { assertProblem } from "./lib/problem.mjs";
import { lives } from "./lib/processes.mjs";

const HELD_MS = 300;

let own;

before(async () => {
  own = await startStack({ auth: "supabase", settings: { FYNQ_PROCESSES: 1, FYNQ_THREADS: 1 } });
});
after(() => own?.stop());

/** The only process of the pool. */
const pidOf = (name) => waitUntil(async () => {
  const { stdout } = await own.fynqctl(["status", name]);
  const [, , , pids] = stdout.trim().split("\n").at(-1).split(/ +/);
  return Number(pids) || null;
});

const ended = (pid) => waitUntil(() => !lives(pid), { what: "the process has ended" });

/** Sign-ins with a wrong password, once Supabase has refused them all: {answers, ids, leave()}. */
async function refused(n) {
  const word = randomUUID();
  const ids = Array.from({ length: n }, () => randomUUID());
  const going = new AbortController();
  const answers = ids.map((id, i) => own.api("POST", "/auth/login", {
    body: { email: `${i}.${word}@example.com`, password: "wrong" },
    headers: { "x-request-id": id },
    signal: going.signal,
  }));
  for (const answer of answers) answer.catch(() => {}); // Who leaves gets none.
  await waitUntil(async () => {
    const calls = await own.supabase.calls(word);
    return calls.length === n && calls.every(({ status }) => status >= 400);
  }, { everyMs: 2, what: "Supabase has refused them" });
  return { answers, ids, leave: () => going.abort() };
}

const requests = (ids) =>
  own.log(({ event, request_id: id }) => event === "request" && ids.includes(id));

const eventOf = async (pid, name) =>
  (await own.log(({ pid: of, event }) => of === pid && event === name)).at(-1);

test("no worker waits with them", async () => {
  const n = 20;
  // A machine that is busy may take as long: then once more.
  for (let tries = 5; ; tries -= 1) {
    const began = performance.now();
    const answers = await Promise.all((await refused(n)).answers);
    const took = performance.now() - began;
    for (const answer of answers) assertProblem(answer, 401, "bad_credentials");
    assert.ok(Math.min(...answers.map(({ ms }) => ms)) >= HELD_MS);
    if (took < n * HELD_MS - 1000) break;
    assert.ok(tries > 1, `${took} ms`);
  }
});

test("a process that is told to end gives them first", async () => {
  const n = 5;
  // On a machine that is busy they may be gone before it is told: then once more.
  for (let tries = 5; ; tries -= 1) {
    const pid = await pidOf("auth");
    const { answers, ids } = await refused(n);
    process.kill(pid, "SIGTERM");
    for (const answer of await Promise.all(answers)) {
      assertProblem(answer, 401, "bad_credentials");
      assert.ok(answer.ms >= HELD_MS, `${answer.ms} ms`);
    }
    await ended(pid);
    assert.ok(await eventOf(pid, "end"), "it did not end by itself");
    const { time: told } = await eventOf(pid, "drain");
    const lines = await requests(ids);
    assert.deepEqual(lines.map((line) => line.pid), ids.map(() => pid));
    if (lines.every(({ time }) => time > told)) break;
    assert.ok(tries > 1, "no answer was held when it was told to end");
  }
});

test("a client that goes leaves nothing, and keeps no process from its end", async () => {
  const n = 5;
  const pid = await pidOf("auth");
  const descriptors = async () => (await readdir(`/proc/${pid}/fd`)).length;
  await Promise.all((await refused(n)).answers); // What is kept open is open then.
  const open = await descriptors();
  const gone = await refused(n);
  gone.leave();
  const lines = await waitUntil(async () => {
    const found = await requests(gone.ids);
    return found.length === n && found;
  }, { what: "the requests have ended" });
  assert.ok(lines.every((line) => line.pid === pid && line.ms >= HELD_MS));
  await waitUntil(async () => await descriptors() <= open, { what: "their connections are closed" });

  (await refused(n)).leave();
  process.kill(pid, "SIGTERM");
  await ended(pid);
  assert.ok(await eventOf(pid, "end"), "it did not end by itself");
  const { email, password } = await own.register();
  assert.equal((await own.api("POST", "/auth/login", { body: { email, password } })).status, 200);
});
