// Answers of Supabase Storage: JSON, or a part of a file, which is never in memory as a whole.

import { createReadStream } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

/**
 * Sends an answer; {bytes}: only so many of the file's, and no end; {piece, delay}: a piece every so
 * many ms.
 */
export async function respond(exchange, answer, { bytes, piece, delay } = {}) {
  const { status, headers, file } = answer;
  if (!file) {
    exchange.answer(answer);
    return;
  }
  exchange.begin(status, { ...headers, "content-length": file.n });
  const n = Math.min(bytes ?? file.n, file.n);
  if (n > 0 && exchange.method !== "HEAD") {
    await pour(exchange, { path: file.path, from: file.from, n },
      { piece, delay, flushed: bytes !== undefined });
  }
  if (bytes === undefined) exchange.end();
}

async function pour(exchange, { path, from, n }, { piece = 1 << 18, delay = 0, flushed }) {
  const source = createReadStream(path, { start: from, end: from + n - 1, highWaterMark: piece });
  for await (const block of source) {
    if (exchange.gone) return;
    if (flushed) await new Promise((wake) => exchange.write(block, wake));
    else if (!exchange.write(block)) await new Promise((wake) => exchange.onDrain(wake));
    if (delay > 0) await pause(delay);
  }
}
