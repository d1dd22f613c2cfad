// The random mode: calls that no script is for follow a row of scripts.mjs by chance, and what each
// token was answered is kept, so that a test can tell afterwards what Gemini was asked for what.

import { createHash } from "node:crypto";

import { readStream } from "./probe.mjs";
import { ScriptFault } from "./registry.mjs";
import { failures, forms } from "./scripts.mjs";

const MAX_KEPT = 400000; // Calls; past that the oldest tokens are forgotten, and counted.
const MAX_BODY = 1 << 20; // Of an answer, kept while it is written.
const MAX_STRAYS = 5;
const STRAY_TEXT = 200;
const MAX_PATTERN = 100;
const MAX_SEED = 2 ** 32;
const MAX_DELAY_MS = 2000;
const DEFAULT_DELAY_MS = 50;

const TABLES = { failures, forms };
const ROWS = new Map(Object.values(TABLES).flatMap(Object.entries));
const TUTOR = { name: "tutor", steps: [{ tutor: true }] };

export class Chaos {
  #mode = null; // {seed, share, rows, token, delayMs}
  #tokens = new Map(); // token -> its calls, the oldest token first
  #kept = 0;
  #counts = null;

  constructor() {
    this.#reset();
  }

  /** Begins anew with {seed, share, token, kinds?, delay_ms?}; README.md says what they are. */
  start({ seed, share, token, kinds, delay_ms = DEFAULT_DELAY_MS, ...rest }) {
    const stray = Object.keys(rest);
    if (stray.length > 0) throw new ScriptFault(`unknown member "${stray[0]}"`);
    if (!(Number.isInteger(seed) && seed >= 0 && seed < MAX_SEED)) {
      throw new ScriptFault('"seed" must be a whole number below 2^32');
    }
    if (!(typeof share === "number" && share >= 0 && share <= 1)) {
      throw new ScriptFault('"share" must be from 0 to 1');
    }
    if (!(Number.isInteger(delay_ms) && delay_ms >= 0 && delay_ms <= MAX_DELAY_MS)) {
      throw new ScriptFault(`"delay_ms" must be a whole number up to ${MAX_DELAY_MS}`);
    }
    const rows = rowsOf(kinds ?? Object.keys(TABLES));
    this.#mode = { seed, share, rows, token: patternOf(token), delayMs: delay_ms };
    this.#reset();
  }

  /** The mode ends; what was kept can still be read. */
  stop() {
    this.#mode = null;
  }

  /** A call whose last user text is `text`: it is kept, where the mode is on and a token there. */
  recognise(exchange, text, streamed) {
    if (this.#mode === null) return null;
    // A question whose reply failed is sent again before the next one: the last token is meant.
    const token = text.match(this.#mode.token)?.pop();
    if (token === undefined) {
      this.#counts.without_token++;
      if (streamed) this.#stray({ id: exchange.call.id, text: text.slice(0, STRAY_TEXT) });
      return null;
    }
    const call = new ChaosCall(exchange, streamed);
    this.#tokens.set(token, [...(this.#tokens.get(token) ?? []), call]);
    this.#kept++;
    this.#forget();
    return call;
  }

  /**
   * What the call is answered by: {steps, delayMs}, the latter the pause between the tutor's
   * events. What is not streamed is a title or a summary, not a reply: the tutor answers.
   */
  answer(call) {
    const { seed, share, rows, delayMs } = this.#mode;
    const number = ++this.#counts.calls;
    const chance = (part) => draw(seed, number, part);
    const odd = call.streamed && rows.length > 0 && chance(0) < share;
    const { name, steps } = odd ? rows[Math.floor(chance(1) * rows.length)] : TUTOR;
    const wait = { delay_ms: Math.floor(chance(2) * (delayMs + 1)) };
    call.named = name;
    this.#counts.by_name[name] = (this.#counts.by_name[name] ?? 0) + 1;
    return { steps: [wait, ...steps.map(bounded)], delayMs: Math.floor(chance(3) * (delayMs + 1)) };
  }

  counts() {
    return { ...this.#counts };
  }

  /** {token: [call]}, each as ChaosCall.about() has it. */
  tokens() {
    const abouts = (calls) => calls.map((call) => call.about());
    return Object.fromEntries([...this.#tokens].map(([token, calls]) => [token, abouts(calls)]));
  }

  #reset() {
    this.#tokens.clear();
    this.#kept = 0;
    this.#counts = { calls: 0, without_token: 0, forgotten: 0, by_name: {}, strays: [] };
  }

  // A title is asked for whole, so a stream without a token wants to be explained.
  #stray(call) {
    if (this.#counts.strays.length < MAX_STRAYS) this.#counts.strays.push(call);
  }

  #forget() {
    for (const [token, calls] of this.#tokens) {
      if (this.#kept <= MAX_KEPT) break;
      this.#tokens.delete(token);
      this.#kept -= calls.length;
      this.#counts.forgotten++;
    }
  }
}

/** A call, and what was said in it: read from the bytes that were written, not from its script. */
class ChaosCall {
  named = null; // Until it is answered; stays so where the request itself was refused.
  #call;
  #chunks = [];
  #bytes = 0;
  #said = null; // Once nothing more can be written.

  constructor(exchange, streamed) {
    this.streamed = streamed;
    this.#call = exchange.call;
    exchange.tap = (bytes) => {
      this.#bytes += bytes.length;
      if (this.#bytes <= MAX_BODY) this.#chunks.push(bytes);
    };
    exchange.onClose(() => {
      this.#said = this.#read();
      this.#chunks = [];
    });
  }

  about() {
    const { id, status, ended } = this.#call;
    const { named, streamed } = this;
    return { id, status, named, streamed, ended, ...(this.#said ?? this.#read()) };
  }

  #read() {
    const { text, finish, malformed } = said(Buffer.concat(this.#chunks).toString());
    return {
      text_bytes: Buffer.byteLength(text),
      text_sha256: createHash("sha256").update(text).digest("hex"),
      finish: malformed || this.#bytes > MAX_BODY ? null : finish,
    };
  }
}

// The array form is no JSON before its end.
function said(body) {
  try {
    return readStream(body);
  } catch {
    return { text: "", finish: null };
  }
}

/** A number from 0 up to 1, for ever the same for the same three. */
function draw(seed, number, part) {
  const digest = createHash("sha256").update(`${seed}.${number}.${part}`).digest();
  return digest.readUInt32BE(0) / 2 ** 32;
}

function rowsOf(kinds) {
  if (!Array.isArray(kinds)) throw new ScriptFault('"kinds" must be a list');
  const names = kinds.flatMap((kind) => {
    if (Object.hasOwn(TABLES, kind)) return Object.keys(TABLES[kind]);
    if (ROWS.has(kind)) return [kind];
    throw new ScriptFault(`nothing is named ${JSON.stringify(kind)}`);
  });
  return [...new Set(names)].map((name) => ({ name, steps: ROWS.get(name).steps }));
}

function patternOf(token) {
  const isText = typeof token === "string" && token.length <= MAX_PATTERN;
  try {
    if (isText && !new RegExp(token).test("")) return new RegExp(token, "g");
  } catch {
    // Told below.
  }
  throw new ScriptFault(`"token" must be a pattern of up to ${MAX_PATTERN} characters`);
}

/** The step with no wait longer than MAX_DELAY_MS: nobody releases what a row holds. */
function bounded(step) {
  if (step.hold) return { delay_ms: MAX_DELAY_MS };
  const short = (ms) => Math.min(ms, MAX_DELAY_MS);
  if (step.repeat) {
    const { count, every_ms } = step.repeat;
    return { repeat: { ...step.repeat, every_ms: Math.min(every_ms, MAX_DELAY_MS / count) } };
  }
  const waits = ["delay_ms", "every_ms"].filter((name) => name in step);
  return { ...step, ...Object.fromEntries(waits.map((name) => [name, short(step[name])])) };
}
