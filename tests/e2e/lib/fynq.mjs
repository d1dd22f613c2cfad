// What end-to-end tests import. They run side by side against one stack that ./dev test has started;
// a test that kills, restarts or counts things starts its own with startStack().

import { setTimeout as pause } from "node:timers/promises";

import { Stack } from "./stack.mjs";

if (!process.env.FYNQ_TEST_STACK) {
  throw new Error("there is no stack to test: run ./dev test, or ./dev test FILE for one file");
}

/** The shared stack. */
export const stack = new Stack(JSON.parse(process.env.FYNQ_TEST_STACK));

export const { api, register, sse, raw, db, gemini, cgi } = stack;

/**
 * A stack of the test's own, with the same members as `stack`; its stop() must be called, in
 * after(). `settings` are those of the service, `durable` makes PostgreSQL safe against a crash of
 * the machine.
 */
export function startStack(options) {
  return stack.another(options);
}

/** Asks condition() until it gives something true, and resolves with that. */
export async function waitUntil(condition, { timeoutMs = 10000, everyMs = 20, what = "" } = {}) {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const result = await condition();
    if (result) return result;
    if (performance.now() > deadline) {
      throw new Error(`not within ${timeoutMs} ms: ${what || condition}`);
    }
    await pause(everyMs);
  }
}
