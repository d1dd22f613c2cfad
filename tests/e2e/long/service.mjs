// A service in memory, without a network, that keeps the contract of Idempotency-Key, or breaks it
// in one way that is named: whether the students of a chaos run see it is what this is for.

import { randomInt, randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";

import { sha256 } from "./judge.mjs";
import { TOKEN } from "./student.mjs";

const FAILURES = [
  ["tutor_cut", 502, "Let us "],
  ["tutor_overloaded", 503, ""],
  ["tutor_quota", 429, ""],
  ["tutor_blocked", 422, ""],
  ["interrupted", 502, ""],
];

/** Ways to break the contract, and the counts of judge() that must tell. */
export const faults = {
  forgets_keys: ["duplicate_calls", "two_questions_for_one_key", "answers_that_differ"],
  forgets_turns: ["lost_turns"],
  tells_half: ["lost_turns"],
  keeps_half: ["truncated_as_complete"],
  asks_twice: ["duplicate_calls"],
  takes_other_bodies: ["other_body_not_refused"],
  marks_nothing: ["replays_not_marked"],
};

const once = (n) => randomInt(n) === 0;

/** What a Student asks of a stack (api, sse), with `stored` and `calls` as judge() takes them. */
export class Service {
  stored = [];
  calls = {};
  #kept = new Map(); // key -> {body, turn}
  #fault;

  constructor(fault) {
    this.#fault = fault;
  }

  api = async (_method, _path, { body, headers, signal }) => {
    const answer = await this.#answer(body, headers["idempotency-key"]);
    if (signal.aborted) throw new Error("left");
    const { turn, code, http, replayed } = answer;
    const json = turn?.reply
      ? { chat_id: turn.chat, message: { id: turn.id }, reply: turn.reply }
      : { code };
    return { status: turn?.reply ? 201 : http, headers: headersOf(replayed), json };
  };

  sse = async (_path, body, { headers }) => {
    const { turn, code, http, replayed } = await this.#answer(body, headers["idempotency-key"]);
    const text = turn?.reply?.content ?? turn?.text ?? "";
    const status = text === "" ? http : 200;
    return {
      status,
      headers: headersOf(replayed),
      json: async () => ({ code }),
      close() {},
      async *[Symbol.asyncIterator]() {
        yield {
          event: "start",
          data: { chat_id: turn.chat, message_id: turn.id, reply_id: turn.replyId },
        };
        yield { event: "delta", data: { text } };
        if (once(10)) throw new Error("cut");
        if (turn.reply) yield { event: "done", data: { reply: turn.reply } };
        else yield { event: "error", data: { problem: { status: http, code } } };
      },
    };
  };

  async #answer(body, key) {
    if (once(10)) throw new Error("broken before anything was stored");
    if (once(10)) return { code: "busy", http: 503 };
    const kept = this.#kept.get(key);
    if (kept && !this.#is("forgets_keys")) return this.#again(kept, body);
    const entry = { body: JSON.stringify(body), turn: null };
    this.#kept.set(key, entry);
    const turn = await this.#execute(body);
    entry.turn = turn;
    if (once(10)) throw new Error("broken after all was stored");
    return { turn, code: turn.code, http: turn.http };
  }

  #again({ body: first, turn }, body) {
    if (first !== JSON.stringify(body)) {
      if (!this.#is("takes_other_bodies")) return { code: "idempotency_key_reused", http: 409 };
    } else if (turn === null) {
      return { code: "request_running", http: 409 };
    }
    return { turn, code: turn.code, http: turn.http, replayed: !this.#is("marks_nothing") };
  }

  async #execute({ content: question, chat_id: chat = randomUUID() }) {
    const [token] = new RegExp(TOKEN).exec(question);
    const [code, http, text] = once(2) ? FAILURES[randomInt(FAILURES.length)] : [];
    const said = text ?? `An answer to ${token}.`;
    const finish = code ? null : "STOP";
    const call = {
      named: code ?? "tutor",
      streamed: true,
      text_bytes: said.length,
      text_sha256: sha256(said),
      finish,
    };
    this.calls[token] = [...(this.calls[token] ?? []), call];
    if (this.#is("asks_twice")) this.calls[token].push(call);
    await pause(randomInt(50));
    const turn = { chat, id: randomUUID(), replyId: randomUUID(), code, http, text };
    const status = code ? "failed" : "complete";
    const half = code ? said : said.slice(0, 5);
    const kept = this.#is("keeps_half") ? half : said;
    const content = this.#is("tells_half") ? half : kept;
    if (!code) turn.reply = { id: turn.replyId, status, content, finish_reason: finish };
    const reply = { id: turn.replyId, status, text: sha256(kept), finish };
    const replies = this.#is("forgets_turns") ? [] : [reply];
    this.stored.push({ token, id: turn.id, chat, text: sha256(question), replies });
    return turn;
  }

  // Not each time, as a fault of a real service would not be.
  #is(fault) {
    return this.#fault === fault && once(2);
  }
}

function headersOf(replayed) {
  return new Headers(replayed ? { "idempotent-replayed": "true" } : {});
}
