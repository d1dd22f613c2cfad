// Builds the reply objects of one call, and writes them in the form that the caller asked for.

import { randomBytes } from "node:crypto";

import { sign } from "./signatures.mjs";
import { promptTokens } from "./tokens.mjs";

const THOUGHTS_TOKENS = 24;

const RATED = [
  "HARM_CATEGORY_HATE_SPEECH",
  "HARM_CATEGORY_DANGEROUS_CONTENT",
  "HARM_CATEGORY_HARASSMENT",
  "HARM_CATEGORY_SEXUALLY_EXPLICIT",
];

/** The reply of one call: how much was said, for the usage; where the model signs, also what. */
export class Reply {
  constructor(request, model) {
    this.request = request;
    this.model = model;
    this.id = randomBytes(16).toString("base64url");
    this.said = "";
    this.length = 0;
    this.prompt = promptTokens(request);
    const budget = request.generationConfig?.thinkingConfig?.thinkingBudget;
    this.thoughts = model.thinking && budget !== 0 ? THOUGHTS_TOKENS : 0;
  }

  /** One event of text. */
  text(text, finishReason) {
    this.repeated(text);
    return this.#event([{ text }], { finishReason });
  }

  /** One event of the model's thoughts, which are not part of what it says. */
  thought(text) {
    return this.#event([{ text, thought: true }]);
  }

  /** An event of text that can be sent many times; note each time with repeated(). */
  repeatable(text) {
    return this.#event([{ text }]);
  }

  repeated(text) {
    this.length += text.length;
    if (this.model.signs) this.said += text;
  }

  /** The last event: with the signature, where the model issues them and has said something. */
  finish(finishReason) {
    const spoke = finishReason === "STOP" || finishReason === "MAX_TOKENS";
    if (!spoke) return this.#event(undefined, { finishReason, ...evidence[finishReason] });
    const part = { text: "" };
    if (this.said !== "") part.thoughtSignature = sign(this.said);
    return this.#event([part], { finishReason });
  }

  /** A last event of content without parts: thinking has used up everything. */
  empty(finishReason) {
    return this.#event([], { finishReason });
  }

  blocked(blockReason) {
    const usageMetadata = {
      promptTokenCount: this.prompt.total,
      totalTokenCount: this.prompt.total,
      promptTokensDetails: this.prompt.details,
    };
    return this.#whole({
      promptFeedback: { blockReason, ...evidence.SAFETY },
      usageMetadata,
    });
  }

  #event(parts, more = {}) {
    const content = parts && { ...(parts.length > 0 ? { parts } : {}), role: "model" };
    const candidate = { content, ...more, index: 0 };
    return this.#whole({ candidates: [candidate], usageMetadata: this.#usage() });
  }

  #usage() {
    const candidatesTokenCount = Math.ceil(this.length / 4);
    return {
      promptTokenCount: this.prompt.total,
      candidatesTokenCount,
      totalTokenCount: this.prompt.total + candidatesTokenCount + this.thoughts,
      promptTokensDetails: this.prompt.details,
      ...(this.thoughts ? { thoughtsTokenCount: this.thoughts } : {}),
    };
  }

  #whole(fields) {
    return { ...fields, modelVersion: this.model.name, responseId: this.id };
  }
}

// What comes with a finishReason, to show for it.
const evidence = {
  SAFETY: {
    safetyRatings: RATED.map((category, i) =>
      i === 1
        ? { category, probability: "HIGH", blocked: true }
        : { category, probability: "NEGLIGIBLE" }),
  },
  RECITATION: {
    citationMetadata: {
      citationSources: [{ startIndex: 0, endIndex: 60, uri: "https://example.org/source" }],
    },
  },
};

// The three forms of an answer. Each has
//   prepare(event)  what send() takes; do it once for an event that is sent often;
//   send(prepared)  write one event; false when the connection wants a pause;
//   raw(bytes)      write bytes as they are;
//   error(body)     the error of a stream that broke, then the end;
//   end()           the end of the body.

/** streamGenerateContent?alt=sse. */
export class SseWriter {
  static contentType = "text/event-stream";

  constructor(exchange) {
    this.exchange = exchange;
  }

  prepare(event) {
    return Buffer.from(`data: ${JSON.stringify(event)}\r\n\r\n`);
  }

  send(prepared) {
    this.exchange.call.events_sent++;
    return this.raw(prepared);
  }

  raw(bytes) {
    this.exchange.begin(200, { "content-type": this.constructor.contentType });
    return this.exchange.write(bytes);
  }

  error(body) {
    this.raw(Buffer.from(JSON.stringify(body, null, 2)));
    this.exchange.end();
  }

  end() {
    this.exchange.begin(200, { "content-type": this.constructor.contentType });
    this.exchange.end();
  }
}

/** streamGenerateContent without alt=sse: one JSON array, an element at a time. */
export class ArrayWriter extends SseWriter {
  static contentType = "application/json; charset=UTF-8";
  #opened = false;

  prepare(event) {
    return Buffer.from(JSON.stringify(event, null, 2));
  }

  send(prepared) {
    this.raw(Buffer.from(this.#opened ? ",\r\n" : "["));
    this.#opened = true;
    return super.send(prepared);
  }

  error(body) {
    this.send(this.prepare(body));
    this.end();
  }

  end() {
    this.raw(Buffer.from(this.#opened ? "]" : "[]"));
    this.exchange.end();
  }
}

/** generateContent: the events of the script joined in one object. */
export class WholeWriter extends SseWriter {
  static contentType = "application/json; charset=UTF-8";
  #reply = null;

  prepare(event) {
    return event;
  }

  send(event) {
    this.#reply = this.#reply ? merge(this.#reply, event) : structuredClone(event);
    return true;
  }

  /** An answer in one piece has no middle: the error is the answer. */
  error(body) {
    this.#reply = null;
    this.exchange.answer(body.error?.code ?? 500, body);
  }

  end() {
    if (this.#reply) {
      this.exchange.call.events_sent = 1;
      this.raw(Buffer.from(`${JSON.stringify(this.#reply, null, 2)}\n`));
    }
    super.end();
  }
}

function merge(reply, event) {
  const merged = { ...reply, ...event };
  const [before, after] = [reply.candidates?.[0], event.candidates?.[0]];
  if (before || after) {
    const content = { ...before?.content, ...after?.content };
    const parts = [...(before?.content?.parts ?? []), ...(after?.content?.parts ?? [])];
    if (parts.length > 0) content.parts = joinTexts(parts);
    merged.candidates = [{ ...before, ...after, content }];
  }
  return merged;
}

function joinTexts(parts) {
  const joined = [];
  for (const part of parts) {
    const last = joined[joined.length - 1];
    const together = last && "text" in last && "text" in part && last.thought === part.thought;
    if (together) joined[joined.length - 1] = { ...last, ...part, text: last.text + part.text };
    else joined.push(part);
  }
  return joined;
}
