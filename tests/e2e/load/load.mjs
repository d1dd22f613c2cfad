// What the load tests share: a stack of the plain build, what its processes use, and arithmetic.

import { randomInt } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";

import { lives } from "../lib/processes.mjs";
import { Stack } from "../lib/stack.mjs";
import { waitUntil } from "../lib/wait.mjs";

/**
 * A stack of the build without sanitizers, which would spoil every figure; options as those of
 * startStack().
 */
export function plainStack(options) {
  const about = JSON.parse(process.env.FYNQ_TEST_STACK);
  return new Stack({ ...about, build: "build" }).another(options);
}

/** {p50, p99, max} of numbers. */
export function spread(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const at = (part) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
  return { p50: at(0.5), p99: at(0.99), max: sorted.at(-1) };
}

/** Numbers from 0 to n - 1. */
export const upTo = (n) => Array.from({ length: n }, (_, i) => i);

/** job(i) for each i below n, `width` of them at a time; resolves with the results in order. */
export async function each(n, width, job) {
  const results = new Array(n);
  let next = 0;
  const run = async () => {
    while (next < n) {
      const i = next++;
      results[i] = await job(i);
    }
  };
  await Promise.all(upTo(Math.min(width, n)).map(run));
  return results;
}

/** All items of a list that is paged. */
export async function allPages(api, target, token) {
  const items = [];
  let cursor = "";
  do {
    const url = cursor ? `${target}${target.includes("?") ? "&" : "?"}cursor=${cursor}` : target;
    const { status, text, json } = await api("GET", url, { token });
    if (status !== 200) throw new Error(`GET ${url}: ${status} ${text}`);
    items.push(...json.items);
    cursor = json.next_cursor;
  } while (cursor);
  return items;
}

/** The pools as fynqctl sees them: {chat: {pids: [1, 2], draining: []}, …}. */
export async function pools(stack) {
  const { stdout } = await stack.fynqctl(["status"]);
  const numbers = (text) => (text === "-" ? [] : text.split(",").map(Number));
  const rows = stdout.trim().split("\n").slice(1).map((line) => line.trim().split(/\s+/));
  return Object.fromEntries(
    rows.map(([name, , , pids, draining]) => [
      name,
      { pids: numbers(pids), draining: numbers(draining) },
    ]),
  );
}

/** Memory that a process has to itself, in KB. */
export async function privateKb(pid) {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, "utf8");
  return Number(/^Private_Dirty:\s+(\d+) kB$/m.exec(rollup)[1]);
}

export async function descriptors(pid) {
  return (await readdir(`/proc/${pid}/fd`)).length;
}

/** The process id of the stack's postmaster. */
export async function postmaster(stack) {
  const text = await readFile(path.join(stack.state, "pg/data/postmaster.pid"), "utf8");
  return Number(text.split("\n")[0]);
}

/** Ends PostgreSQL, by SIGKILL or by SIGQUIT (an immediate shutdown), and starts it again. */
export async function killPostgres(stack, signal = "SIGKILL") {
  process.kill(await postmaster(stack), signal);
  // The new one does not start before the old one's last process has gone.
  const start = () => stack.up().then(() => true, () => false);
  await waitUntil(start, { timeoutMs: 60000, what: "PostgreSQL to start again" });
}

/** Kills a process of a pool, one of `first` if any is left, and waits for another in its place. */
export async function killResponder(stack, name, first = []) {
  const { pids } = (await pools(stack))[name];
  const pid = pids.find((it) => first.includes(it)) ?? pids[randomInt(pids.length)];
  process.kill(pid, "SIGKILL");
  const whole = async () => {
    const now = (await pools(stack))[name].pids;
    return now.length === pids.length && !now.includes(pid) && now.every(lives);
  };
  await waitUntil(whole, { timeoutMs: 30000, what: `${name} to be whole again` });
}

/** The list in an order by chance. */
export function shuffled(list) {
  const result = [...list];
  for (let i = result.length - 1; i > 0; i--) {
    const k = randomInt(i + 1);
    [result[i], result[k]] = [result[k], result[i]];
  }
  return result;
}
