// The scripts that tests have registered, by token, and the gates at which `hold` waits.

import { validateHeaderName, validateHeaderValue } from "node:http";

import { failures, forms } from "./scripts.mjs";

const MAX_TOKENS = 10000;
const MAX_STEPS = 1000;
const MAX_WAIT_MS = 600000;

const TUTOR = [{ tutor: true }];

const isText = (value) => typeof value === "string";
const isWait = (value) => Number.isFinite(value) && value >= 0 && value <= MAX_WAIT_MS;
const isObject = (value) =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const listOf = (check) => (value) => Array.isArray(value) && value.every(check);

const HOP_BY_HOP = ["connection", "keep-alive", "transfer-encoding", "upgrade"];

// A step is known by its first key here; `also` are its other members, `last` says that it ends
// the answer, `alone` that nothing may have been sent before it.
const kinds = {
  status: {
    check: (value) => Number.isInteger(value) && value >= 200 && value <= 599,
    also: { headers: areHeaders, body: () => true },
    last: true,
    alone: true,
  },
  events: { check: listOf(isObject), also: { every_ms: isWait } },
  text: { check: listOf(isText), also: { every_ms: isWait } },
  raw: { check: isText },
  raw_base64: { check: isText },
  repeat: {
    check: (value) =>
      isObject(value) && isText(value.text) && isWait(value.every_ms) &&
      Number.isInteger(value.count) && value.count > 0 && value.count <= 1000000,
  },
  delay_ms: { check: isWait, silent: true },
  hold: { check: (value) => value === true, silent: true },
  end: { check: (value) => ["finish", "close", "reset"].includes(value), last: true },
  finish: { check: (value) => isText(value) && /^[A-Z_]+$/.test(value), last: true },
  block: { check: (value) => isText(value) && /^[A-Z_]+$/.test(value), last: true },
  mid_error: { check: (value) => isObject(value) && isObject(value.error), last: true },
  tutor: { check: (value) => value === true, last: true },
};

/** A script that cannot be meant so; the message says why. */
export class ScriptFault extends Error {}

export class Registry {
  #scripts = new Map(); // token -> [{steps, left}]
  #gates = new Map(); // token -> {open, waiting}

  /** Adds {match, steps, times?}; scripts of one token are used up in the order they came. */
  add({ match, steps, times = Infinity, ...rest }) {
    const stray = Object.keys(rest);
    if (stray.length > 0) throw new ScriptFault(`unknown member "${stray[0]}"`);
    if (!isText(match) || match.length < 4 || match.length > 200) {
      throw new ScriptFault('"match" must be a string of 4 to 200 characters');
    }
    if (times !== Infinity && !(Number.isInteger(times) && times > 0)) {
      throw new ScriptFault('"times" must be a positive integer');
    }
    if (!this.#scripts.has(match) && this.#scripts.size >= MAX_TOKENS) {
      throw new ScriptFault(`more than ${MAX_TOKENS} tokens`);
    }
    const script = { steps: checkSteps(steps), left: times };
    const scripts = this.#scripts.get(match) ?? [];
    this.#scripts.set(match, [...scripts, script]);
  }

  remove(match) {
    this.release(match);
    this.#gates.delete(match);
    return this.#scripts.delete(match);
  }

  /** The registered token in `text`, the longest if several are; null without one. */
  tokenIn(text) {
    let found = null;
    for (const token of this.#scripts.keys()) {
      if (text.includes(token) && token.length > (found?.length ?? 0)) found = token;
    }
    return found;
  }

  /** The steps for one more call of `token`: the tutor's where all scripts are used up. */
  take(token) {
    const script = this.#scripts.get(token)?.find(({ left }) => left > 0);
    if (!script) return TUTOR;
    script.left--;
    return script.steps;
  }

  /**
   * Calls `wake` when the token is released: at once if it was, for then it stays open. Returns a
   * function that gives up waiting.
   */
  hold(token, wake) {
    const gate = this.#gateOf(token);
    if (gate.open) setImmediate(wake);
    else gate.waiting.add(wake);
    return () => gate.waiting.delete(wake);
  }

  release(token) {
    const gate = this.#gateOf(token);
    const waiting = [...gate.waiting];
    gate.open = true;
    gate.waiting.clear();
    for (const wake of waiting) wake();
    return waiting.length;
  }

  #gateOf(token) {
    let gate = this.#gates.get(token);
    if (!gate) {
      gate = { open: false, waiting: new Set() };
      this.#gates.set(token, gate);
    }
    return gate;
  }
}

// Names are in lower case, as HTTP/2 has them.
function areHeaders(headers) {
  try {
    return Object.entries(headers).every(([name, value]) => {
      validateHeaderName(name);
      validateHeaderValue(name, value);
      return name === name.toLowerCase() && !HOP_BY_HOP.includes(name);
    });
  } catch {
    return false;
  }
}

function checkSteps(given) {
  if (!Array.isArray(given) || given.length === 0) {
    throw new ScriptFault('"steps" must be a list of steps');
  }
  const steps = given.flatMap(expandNamed);
  if (steps.length > MAX_STEPS) throw new ScriptFault(`more than ${MAX_STEPS} steps`);
  let sent = false;
  for (const [i, step] of steps.entries()) {
    const kind = checkStep(step, i);
    if (kind.alone && sent) throw new ScriptFault(`step ${i}: something was already sent`);
    const isLast = i === steps.length - 1;
    if (kind.last && !isLast) throw new ScriptFault(`step ${i} ends the answer, but more follow`);
    if (!kind.last && isLast) throw new ScriptFault("the last step must end the answer");
    sent ||= !kind.silent;
  }
  return steps;
}

function expandNamed(step) {
  if (!isObject(step) || !("named" in step)) return [step];
  const table = [failures, forms].find((it) => Object.hasOwn(it, step.named));
  if (!table || Object.keys(step).length > 1) {
    throw new ScriptFault(`nothing is named ${JSON.stringify(step.named)}`);
  }
  return table[step.named].steps;
}

function checkStep(step, i) {
  const name = isObject(step) && Object.keys(kinds).find((key) => key in step);
  if (!name) throw new ScriptFault(`step ${i} is of no known kind`);
  const kind = kinds[name];
  if (!kind.check(step[name])) throw new ScriptFault(`step ${i}: bad "${name}"`);
  for (const [key, value] of Object.entries(step)) {
    if (key === name) continue;
    const check = kind.also && Object.hasOwn(kind.also, key) && kind.also[key];
    if (!check) throw new ScriptFault(`step ${i}: unknown member "${key}"`);
    if (!check(value)) throw new ScriptFault(`step ${i}: bad "${key}"`);
  }
  return kind;
}
