// Waiting for a condition, never for a time.

import { setTimeout as pause } from "node:timers/promises";

/** Asks condition() until it gives something true, and resolves with that. */
export async function waitUntil(condition, { timeoutMs = 30000, everyMs = 20, what = "" } = {}) {
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
