// Bodies, read as the service reads them: a member of the wrong type is an error, null is as good as
// absent, and a member that it does not know is let pass (and noted, for tests that want to know).

import { badJson, internal, invalid, AuthError } from "./errors.mjs";

const ZERO = { string: "", object: null, bool: false, pointer: null };
const TYPES = {
  string: (value) => typeof value === "string",
  pointer: (value) => typeof value === "string", // A string that may be absent.
  bool: (value) => typeof value === "boolean",
  object: (value) => typeof value === "object" && !Array.isArray(value),
};
const NAMES = { string: "string", pointer: "string", bool: "bool", object: "map[string]interface {}" };

const EMAIL = new RegExp(
  "^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?" +
  "(?:\\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$");
const MAX_PASSWORD = 72;
const CHALLENGE = /^[a-zA-Z._~0-9-]+$/;

/** The body of a request as an object of all members of `shape`: {name: a key of TYPES}. */
export function readBody(ask, shape) {
  const json = parse(ask.body.toString());
  if (json === null) return zero(shape);
  if (typeof json !== "object" || Array.isArray(json)) {
    throw badJson(`json: cannot unmarshal ${kindOf(json)} into Go value`);
  }
  const read = zero(shape);
  for (const [name, value] of Object.entries(json)) {
    if (!Object.hasOwn(shape, name)) {
      if (name !== "gotrue_meta_security") ask.odd(`member ${name}`);
      continue;
    }
    if (value === null) continue;
    if (!TYPES[shape[name]](value)) {
      const wanted = NAMES[shape[name]];
      throw badJson(`json: cannot unmarshal ${kindOf(value)} into Go struct field ${name} ` +
        `of type ${wanted}`);
    }
    read[name] = value;
  }
  if (!/^application\/json\b/.test(ask.headers["content-type"] ?? "")) ask.odd("media type");
  return read;
}

function parse(text) {
  if (text === "") throw badJson("unexpected end of JSON input");
  try {
    return JSON.parse(text);
  } catch {
    throw badJson("invalid character");
  }
}

const zero = (shape) =>
  Object.fromEntries(Object.entries(shape).map(([name, type]) => [name, ZERO[type]]));

const kindOf = (value) =>
  Array.isArray(value) ? "array" : { boolean: "bool" }[typeof value] ?? typeof value;

/** An address, in small letters. */
export function checkedEmail(email) {
  if (email === "") throw invalid("An email address is required");
  if (Buffer.byteLength(email) > 255) throw invalid("An email address is too long");
  if (!EMAIL.test(email)) throw invalid("Unable to validate email address: invalid format");
  return email.toLowerCase();
}

export function checkPassword(password, { passwordMin }) {
  const bytes = Buffer.byteLength(password);
  if (bytes > MAX_PASSWORD) {
    throw invalid(`Password cannot be longer than ${MAX_PASSWORD} characters`);
  }
  if (bytes < passwordMin) {
    throw new AuthError(422, "weak_password",
      `Password should be at least ${passwordMin} characters.`, { reasons: ["length"] });
  }
}

/** code_challenge and code_challenge_method of RFC 7636: both or none. */
export function checkChallenge(challenge, method) {
  if ((challenge === "") !== (method === "")) {
    throw invalid("PKCE flow requires code_challenge_method and code_challenge");
  }
  if (challenge === "") return;
  if (challenge.length < 43 || challenge.length > 128) {
    throw invalid("code challenge has to be between 43 and 128 characters");
  }
  if (!CHALLENGE.test(challenge)) {
    throw invalid("code challenge can only contain alphanumeric characters, hyphens, periods, " +
      "underscores and tildes");
  }
}

/** "s256" or "plain"; for flows by mail an unknown one is, in the service, an internal error. */
export function challengeMethod(method, { byMail = false } = {}) {
  const known = method.toLowerCase();
  if (["s256", "plain"].includes(known)) return known;
  throw byMail
    ? internal("Unexpected failure, please check server logs for more information")
    : invalid("Invalid code_challenge_method");
}

const UNITS = { ns: 1e-6, us: 1e-3, "µs": 1e-3, ms: 1, s: 1e3, m: 6e4, h: 36e5 };

/** A ban, such as "24h" or "1h30m", in ms; "none" is 0. */
export function banMs(text) {
  if (text === "none" || text === "0") return 0;
  const parts = /^[+-]?((?:\d+\.?\d*|\.\d+)(?:ns|us|µs|ms|s|m|h))+$/.test(text)
    ? [...text.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)/g)]
    : [];
  if (parts.length === 0) {
    throw invalid(`invalid format for ban duration: time: invalid duration "${text}"`);
  }
  const sum = parts.reduce((ms, [, number, unit]) => ms + Number(number) * UNITS[unit], 0);
  return text.startsWith("-") ? -sum : sum;
}
