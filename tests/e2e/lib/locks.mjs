// Statements of the service that a test makes wait: by locks of PostgreSQL, never by time.

import assert from "node:assert/strict";

import { waitUntil } from "./wait.mjs";

/**
 * A session that holds a lock on a table; resolves, once it has it, with a function that ends it.
 * "exclusive" lets others read, "access exclusive" does not.
 */
export async function lock(stack, table, mode = "access exclusive") {
  const ended = assert.rejects(
    stack.db.run(`begin; lock table ${table} in ${mode} mode; select pg_sleep(120); commit`));
  const called = `${mode}lock`.replaceAll(" ", "");
  const holders = `select pid from pg_locks where relation = '${table}'::regclass and granted
    and lower(mode) = '${called}'`;
  await waitUntil(async () => (await stack.db.query(holders)).length > 0, { what: "it is locked" });
  return async () => {
    await stack.db.query(`select pg_terminate_backend(pid) from (${holders}) as l`);
    await ended;
  };
}

/** Waits until a statement in which these words stand waits for a lock. */
export const isWaiting = (stack, words) =>
  waitUntil(async () => (await stack.db.query(
    "select 1 from pg_stat_activity where wait_event_type = 'Lock' and position($1 in query) > 0",
    [words],
  )).length > 0, { what: `"${words}" waits for a lock`, timeoutMs: 30000 });
