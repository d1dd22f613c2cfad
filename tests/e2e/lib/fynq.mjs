// What end-to-end tests import. They run side by side against one stack that ./dev test has started;
// a test that kills, restarts or counts things starts its own with startStack().

import { Stack } from "./stack.mjs";

export { waitUntil } from "./wait.mjs";

if (!process.env.FYNQ_TEST_STACK) {
  throw new Error("there is no stack to test: run ./dev test, or ./dev test FILE for one file");
}

/** The shared stack. */
export const stack = new Stack(JSON.parse(process.env.FYNQ_TEST_STACK));

export const { api, register, sse, raw, db, gemini, cgi } = stack;

/**
 * A stack of the test's own, with the same members as `stack`; its stop() must be called, in
 * after(). `settings` are those of the service, `durable` makes PostgreSQL safe against a crash of
 * the machine, `auth` says who keeps the accounts: "local" or "supabase", a stand-in for it, which
 * the stack then has as `supabase`, and `storage` likewise who keeps the files, `storage`.
 */
export function startStack(options) {
  return stack.another(options);
}
