// Waiting for a condition, never for a time; but for midnight.

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

/**
 * For what is counted by the day, in UTC: resolves at once, or where midnight would come within so
 * many seconds, when it has come.
 */
export async function sameDay(seconds = 60) {
  const left = 86400 - ((Date.now() / 1000) % 86400);
  if (left < seconds) await pause((left + 1) * 1000);
}
