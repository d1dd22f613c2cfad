// Questions that meet a Gemini which fails, on a stack of the test's own.

import { randomUUID } from "node:crypto";

import { errorBody, quotaDetails } from "../../fakes/gemini/errors.mjs";

const MINUTE = ["GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "10"];

/** The body of a 429 with this RetryInfo. */
export const quota = (delay) =>
  errorBody(429, "RESOURCE_EXHAUSTED", "Quota.", quotaDetails([MINUTE], delay));

/** A good answer, and its words. */
export const WORDS = "Erst die Klammern";
export const GOOD = [{ text: [WORDS] }, { end: "finish" }];

export const newToken = () => `resilience ${randomUUID()}`;

/** Scripts of one token, one after the other, each for one call; the last for all that follow. */
export async function script(stack, ...all) {
  const token = newToken();
  for (const [i, steps] of all.entries()) {
    await stack.gemini.script(token, steps, i < all.length - 1 ? 1 : undefined);
  }
  return token;
}

/**
 * A question, whole or streamed: {status, code, retryAfter, text, model,
 * chat, ms}; `answer` where it was whole.
 */
export async function ask(stack, student, content, { stream = false, ...body } = {}) {
  const began = performance.now();
  const all = { content, stream, ...body };
  if (!stream) {
    const answer = await stack.api("POST", "/chat/message", { token: student.token, body: all });
    const { json } = answer;
    const { content: text, model } = json.reply ?? {};
    const told = { text, model, code: json.code, retryAfter: json.retry_after };
    return { ...told, answer, status: answer.status, chat: json.chat_id, ms: answer.ms };
  }
  const answer = await stack.sse("/chat/message", all, { token: student.token });
  const ms = () => performance.now() - began;
  if (answer.headers.get("content-type") !== "text/event-stream") {
    const json = await answer.json();
    return { status: answer.status, code: json.code, retryAfter: json.retry_after, ms: ms() };
  }
  const { text, start, done, error } = await answer.all();
  const told = { text, model: done?.reply.model, chat: start.chat_id, ms: ms() };
  const code = error?.problem.code;
  return { ...told, status: 200, code, retryAfter: error?.problem.retry_after };
}
