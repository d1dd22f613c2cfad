// An export of everything that is held about a user, as its owner downloads it.

import http from "node:http";

import { stack } from "./fynq.mjs";
import { waitUntil } from "./wait.mjs";

export const EXPORT = "/users/me/export";

/**
 * What call() answers once the service has a place for it: of a process few are made at a time, and
 * one shared by many tests is busy at times. The place of one that was read to its end may be taken
 * for a moment longer.
 */
export const admitted = (call) => waitUntil(async () => {
  const answer = await call();
  return answer.status !== 503 && answer;
}, { timeoutMs: 30000, what: "a place for an export" });

/** One attempt, as bytes: {status, headers (Node's), body}. */
export async function download(token, on = stack) {
  const request = http.request(`${on.url}/api/v1${EXPORT}`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
    agent: false,
  });
  request.end();
  const response = await new Promise((resolve, reject) => {
    request.on("response", resolve);
    request.on("error", reject);
  });
  const chunks = [];
  for await (const chunk of response) chunks.push(chunk);
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) };
}
