// A student of a chaos run: asks until told to end, and sends a question again, with the same
// Idempotency-Key, until it has a final answer.

import { randomInt, randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";

import { sha256 } from "./judge.mjs";

const PASSWORD = "correct horse battery";
const PATIENCE_MS = 150000; // A reply whose writer was killed is failed within a minute.
const ATTEMPT_MS = 100000;
const MOST_RETRY_AFTER_MS = 3000;
const THINK_MS = [300, 2500];
const WORDS = "why is é not e, π not 3, and 🙂 four bytes long";

/** How often a student does what, in percent. */
export const HABITS = {
  streams: 65,
  goesOn: 70, // in the chat that it used last
  leaves: 10,
  asksAgain: 20,
  triesOtherBody: 3,
  usesAccount: 5,
};

const chance = (percent) => randomInt(100) < percent;
const count = (counts, name, by = 1) => (counts[name] = (counts[name] ?? 0) + by);

/** What a token of a question looks like, for the stand-in and for SQL. */
export const TOKEN = "chaos-[0-9a-f]{8}";

let questions = 0;
const newToken = () => `chaos-${(++questions).toString(16).padStart(8, "0")}`;

export class Student {
  #stack;
  #tally;
  #habits;
  #email = `${randomUUID()}@example.com`;
  #token;
  #chat;

  /** `tally` is {totals, final, refused, asked}: objects to count in, and the list of questions. */
  constructor(stack, tally, habits = HABITS) {
    this.#stack = stack;
    this.#habits = habits;
    this.#tally = tally;
  }

  async register() {
    const { token } = await this.#stack.register({ email: this.#email, password: PASSWORD });
    this.#token = token;
  }

  /** Asks until over() is true; what was begun is ended. */
  async study(over) {
    await pause(randomInt(THINK_MS[1]));
    while (!over()) {
      await this.ask();
      if (chance(this.#habits.usesAccount)) await this.#account();
      await pause(randomInt(...THINK_MS));
    }
  }

  /** One question, with what may follow it: the same again, or another with its key. */
  async ask() {
    const token = newToken();
    const content = `${token}: ${WORDS}`;
    const body = { content, stream: chance(this.#habits.streams) };
    if (this.#chat && chance(this.#habits.goesOn)) body.chat_id = this.#chat;
    const record = {
      key: randomUUID(),
      token,
      asked: sha256(content),
      other: null,
      tried: null,
      answers: [],
      settled: false,
      unmarked: 0,
    };
    this.#tally.asked.push(record);
    const answer = await this.#settle(record, body);
    if (!answer) {
      this.#chat = undefined;
      return;
    }
    if (answer.code === undefined) count(this.#tally.totals, "answered");
    else count(this.#tally.final, answer.code);
    if (chance(this.#habits.asksAgain)) {
      count(this.#tally.totals, "asked_again");
      if (!(await this.#settle(record, body))) record.settled = false;
    }
    if (chance(this.#habits.triesOtherBody)) await this.#otherBody(record, body);
  }

  /** The final answer, which is kept in the record; undefined after PATIENCE_MS without one. */
  async #settle(record, body) {
    const { totals, refused } = this.#tally;
    const until = performance.now() + PATIENCE_MS;
    for (let n = 0; performance.now() < until; n++) {
      if (n > 0) count(totals, "retries");
      const leaves = n === 0 && record.answers.length === 0 && chance(this.#habits.leaves);
      const { answer, replayed, retryAfter } = await this.#attempt(record.key, body, leaves);
      if (replayed) count(totals, "replays");
      if (answer) {
        if (answer.chat) this.#chat = answer.chat;
        if (isFirstAnswer(answer, replayed)) record.answers.push(answer);
        if (isFinal(answer, replayed)) {
          if (record.settled && !replayed) record.unmarked++;
          record.settled = true;
          return answer;
        }
        count(refused, answer.code);
      }
      await pause(Math.min(retryAfter * 1000, MOST_RETRY_AFTER_MS) + randomInt(100, 500));
    }
    return undefined;
  }

  /** {answer, replayed, retryAfter}: no answer where the connection broke, or the client left. */
  async #attempt(key, body, leaves) {
    const options = { token: this.#token, headers: { "idempotency-key": key } };
    if (leaves) count(this.#tally.totals, "left");
    try {
      if (body.stream) return await this.#streamed(body, options, leaves);
      return await this.#whole(body, options, leaves);
    } catch {
      if (!leaves) count(this.#tally.totals, "broken");
      return { retryAfter: 0 };
    }
  }

  async #whole(body, options, leaves) {
    const signal = AbortSignal.timeout(leaves ? randomInt(5, 400) : ATTEMPT_MS);
    const all = { ...options, body, signal };
    const { status, headers, json } = await this.#stack.api("POST", "/chat/message", all);
    if (status !== 201) return about(headers, problem(status, json, null));
    const { chat_id: chat, message, reply } = json;
    return about(headers, told(chat, message.id, reply));
  }

  async #streamed(body, options, leaves) {
    const stream = await this.#stack.sse("/chat/message", body, options);
    const { status, headers } = stream;
    if (status !== 200) return about(headers, problem(status, await stream.json(), null));
    const timer = setTimeout(() => stream.close(), ATTEMPT_MS);
    let eventsLeft = leaves ? randomInt(1, 8) : Infinity;
    let text = "";
    let start;
    let answer;
    let retryAfter;
    try {
      for await (const { event, data } of stream) {
        if (event === "start") start = data;
        else if (event === "delta") text += data.text;
        else if (event === "done") answer = told(start.chat_id, start.message_id, data.reply, text);
        else if (event === "error") answer = problem(data.problem.status, data.problem, text);
        if (event === "error") retryAfter = data.problem.retry_after;
        if (--eventsLeft <= 0) stream.close();
        if (eventsLeft <= 0 || answer) break;
      }
    } finally {
      clearTimeout(timer);
    }
    if (start) this.#chat = start.chat_id;
    if (!answer) throw new Error("the stream was cut");
    return about(headers, answer, retryAfter);
  }

  /** Another question with the key of one that was answered. */
  async #otherBody(record, body) {
    record.other = newToken();
    const other = { ...body, stream: false, content: `${record.other}: ${WORDS}` };
    const until = performance.now() + PATIENCE_MS;
    while (performance.now() < until) {
      const { answer, retryAfter } = await this.#attempt(record.key, other, false);
      record.tried = answer ? (answer.code ?? "answered") : "broken";
      if (answer && (answer.http ?? 201) < 500 && answer.http !== 429) break;
      await pause(Math.min(retryAfter * 1000, MOST_RETRY_AFTER_MS) + randomInt(100, 500));
    }
    count(this.#tally.totals, "other_bodies");
  }

  /** Something for the other pools to do; they may be away. */
  async #account() {
    const body = { email: this.#email, password: PASSWORD };
    const { api } = this.#stack;
    const calls = [
      api("GET", "/users/me", { token: this.#token }),
      api("POST", "/auth/login", { body }),
    ];
    for (const outcome of await Promise.allSettled(calls)) {
      const code = outcome.value?.status === 200 ? "account" : "account_failed";
      count(this.#tally.totals, code);
    }
  }
}

function about(headers, answer, retryAfter = headers.get("retry-after")) {
  const replayed = headers.get("idempotent-replayed") === "true";
  return { answer, replayed, retryAfter: Number(retryAfter) || 0 };
}

/** A reply; where it was streamed, what the deltas said must be it. */
function told(chat, question, { id, status, content, finish_reason: finish }, text = content) {
  const shown = text === content ? sha256(content) : `deltas ${sha256(text)}`;
  return { chat, question, reply: id, status, finish, text: shown };
}

function problem(status, json, text) {
  return { code: json?.code ?? `http_${status}`, http: status, text: text ? sha256(text) : null };
}

const isWait = ({ code }) => code === "request_running" || code === "chat_busy";

/** Nothing else can come of the same request. */
function isFinal(answer, replayed) {
  if (answer.code === undefined) return true;
  if (isWait(answer)) return false;
  return replayed || (answer.http < 500 && answer.http !== 429);
}

// Told once it is stored, so that every later answer must be the same.
const STORED = ["tutor_failed", "tutor_refused", "tutor_cut", "tutor_empty", "tutor_timeout"];

function isFirstAnswer(answer, replayed) {
  return isFinal(answer, replayed) || STORED.includes(answer.code);
}
