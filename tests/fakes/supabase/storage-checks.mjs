// What names and bodies must be like.

import { badBucket, badKey, invalid } from "./storage-errors.mjs";

const KEY = /^[A-Za-z0-9_/!.*'() &$=@;:+,?-]+$/;
const BUCKET = /^[A-Za-z0-9_!.*'() &$=@;:+,?-]{1,100}$/;

export function checkBucket(name) {
  if (typeof name !== "string" || !BUCKET.test(name) || name.trim() !== name) throw badBucket();
}

/** Stricter than the service: no part of a key is empty or leads elsewhere. */
export function checkKey(key) {
  const parts = typeof key === "string" ? key.split("/") : [];
  if (!KEY.test(key) || parts.some((part) => ["", ".", ".."].includes(part))) throw badKey(key);
}

const TYPES = {
  string: (value) => typeof value === "string",
  boolean: (value) => typeof value === "boolean",
  integer: (value) => Number.isInteger(value),
  object: (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  strings: (value) => Array.isArray(value) && value.every((one) => typeof one === "string"),
};

/**
 * The body as an object. `shape`: {name: {type, required, nullable, min, of, fits}}; stricter than
 * the service, which lets members pass that it does not know.
 */
export function readJson({ headers, body }, shape) {
  if (!/^application\/json\b/.test(headers["content-type"] ?? "")) {
    throw invalid("Unsupported Media Type");
  }
  let json;
  try {
    json = JSON.parse(body.toString());
  } catch {
    throw invalid("Body is not valid JSON but content-type is set to 'application/json'");
  }
  checkShape(json, shape, "body");
  return json;
}

function checkShape(json, shape, where) {
  if (!TYPES.object(json)) throw invalid(`${where} must be object`);
  for (const [name, { required }] of Object.entries(shape)) {
    if (required && json[name] === undefined) {
      throw invalid(`${where} must have required property '${name}'`);
    }
  }
  for (const [name, value] of Object.entries(json)) {
    if (!Object.hasOwn(shape, name)) {
      throw invalid(`${where} must NOT have additional properties: ${name}`);
    }
    checkMember(value, shape[name], `${where}/${name}`);
  }
}

function checkMember(value, { type, nullable, min, of, fits }, where) {
  if (value === null && nullable) return;
  if (!TYPES[type](value)) throw invalid(`${where} must be ${type}`);
  if (min !== undefined && value < min) throw invalid(`${where} must be >= ${min}`);
  if (fits && !fits.includes(value)) throw invalid(`${where} must be one of the allowed values`);
  if (of) checkShape(value, of, where);
  if (type === "strings" && value.length === 0 && !nullable) {
    throw invalid(`${where} must NOT have fewer than 1 items`);
  }
}
