// Reads JSON as Google's front end does, by the messages of schema.mjs: lowerCamelCase and
// snake_case names, enums by name or number, numbers also as strings, bytes as base64 of either
// alphabet, a lone value for a list of one. Every unknown name and wrong type is a violation.

import { badRequest } from "./errors.mjs";
import { enums, messages, oneofs } from "./schema.mjs";

const PACKAGE = "type.googleapis.com/google.ai.generativelanguage.v1beta.";
const MAX_DEPTH = 100;
const BASE64 = /^(?:[A-Za-z0-9+/]*|[A-Za-z0-9_-]*)={0,2}$/;
const INT32 = [-(2 ** 31), 2 ** 31 - 1];
const INT64 = [-(2 ** 63), 2 ** 63];

/** The parsed body: undefined for none. Throws the 400 of a body that is not JSON. */
export function parseJson(buffer) {
  if (buffer.length === 0) return undefined;
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(buffer);
  } catch {
    throw malformed("Invalid UTF-8.", "");
  }
  let json;
  try {
    json = JSON.parse(text);
  } catch (error) {
    const at = / position (\d+)/.exec(error.message);
    const position = at ? Number(at[1]) : 0;
    throw malformed("Unexpected token.", text.slice(Math.max(0, position - 20), position + 20));
  }
  if (tooDeep(json, MAX_DEPTH)) throw malformed("Message too deep.", "");
  return json;
}

/** `json` as a message of `type`, with lowerCamelCase names; throws the 400 with all faults. */
export function readRequest(type, json) {
  const faults = [];
  const message = isObject(json) ? readMessage(type, json, "", faults) : undefined;
  if (!message) {
    const description =
      'Invalid JSON payload received. Unknown name "": Root element must be a message.';
    faults.push({ description });
  }
  if (faults.length > 0) throw badRequest(faults);
  return message;
}

export function snakeCase(name) {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function malformed(what, excerpt) {
  const description = `Invalid JSON payload received. ${what}\n${excerpt}`.trimEnd();
  return badRequest([{ description }]);
}

function tooDeep(value, left) {
  if (typeof value !== "object" || value === null) return false;
  if (left === 0) return true;
  return Object.values(value).some((child) => tooDeep(child, left - 1));
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const lookups = new Map();

function lookupOf(type) {
  let lookup = lookups.get(type);
  if (!lookup) {
    lookup = new Map();
    for (const [name, kind] of Object.entries(messages[type])) {
      const field = { name, snake: snakeCase(name), kind };
      lookup.set(name, field).set(field.snake, field);
    }
    lookups.set(type, lookup);
  }
  return lookup;
}

function readMessage(type, json, path, faults) {
  const lookup = lookupOf(type);
  const message = {};
  for (const [key, value] of Object.entries(json)) {
    const field = lookup.get(key);
    if (!field) {
      unknownName(key, path, "Cannot find field.", faults);
    } else if (value !== null) {
      checkOneof(type, field, message, path, faults);
      message[field.name] = readField(field, key, value, path, faults);
    }
  }
  return message;
}

function checkOneof(type, field, message, path, faults) {
  for (const [oneof, members] of Object.entries(oneofs[type] ?? {})) {
    if (!members.includes(field.name)) continue;
    if (!members.some((member) => member !== field.name && member in message)) continue;
    faults.push({
      field: path,
      description:
        `Invalid value at '${path}' (oneof), oneof field '${oneof}' is already set. ` +
        `Cannot set '${field.name}'`,
    });
  }
}

function readField({ snake, kind }, key, value, parent, faults) {
  const path = parent ? `${parent}.${snake}` : snake;
  if (kind.endsWith("*")) {
    const list = Array.isArray(value) ? value : [value];
    return list.map((item, i) => readValue(kind.slice(0, -1), item, `${path}[${i}]`, faults));
  }
  if (Array.isArray(value) && kind !== "Value") {
    unknownName(key, parent, "Proto field is not repeating, cannot start list.", faults);
    return undefined;
  }
  if (kind.startsWith("map<")) return readMap(kind.slice(4, -1), value, path, faults);
  return readValue(kind, value, path, faults);
}

function readMap(kind, value, path, faults) {
  if (!isObject(value)) return wrong(path, `${PACKAGE}${kind}`, value, faults);
  const entries = Object.entries(value).map(([key, item], i) => [
    key,
    readValue(kind, item, `${path}[${i}].value`, faults),
  ]);
  return Object.fromEntries(entries);
}

function readValue(kind, value, path, faults) {
  const scalar = scalars[kind];
  if (scalar) {
    const read = scalar.read(value);
    if (read !== undefined) return read;
    if (kind === "bytes" && typeof value === "string") {
      const why = `Base64 decoding failed for ${JSON.stringify(value.slice(0, 64))}`;
      faults.push(invalidValue(path, scalar.label, why));
      return undefined;
    }
    return wrong(path, scalar.label, value, faults);
  }
  if (enums[kind]) {
    const values = enums[kind];
    if (values.includes(value)) return value;
    if (Number.isInteger(value) && values[value]) return values[value];
    return wrong(path, `${PACKAGE}${kind}`, value, faults);
  }
  if (!isObject(value)) return wrong(path, `${PACKAGE}${kind}`, value, faults);
  return readMessage(kind, value, path, faults);
}

function numberBetween([least, most], whole) {
  return (value) => {
    const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
    if (typeof number !== "number" || Number.isNaN(number)) return undefined;
    if (whole && !Number.isInteger(number)) return undefined;
    return number >= least && number <= most ? number : undefined;
  };
}

// A `read` answers undefined for a value that is not of the type.
const scalars = {
  string: {
    label: "TYPE_STRING",
    read: (value) => (typeof value === "string" ? value : undefined),
  },
  bool: { label: "TYPE_BOOL", read: readBool },
  int32: { label: "TYPE_INT32", read: numberBetween(INT32, true) },
  int64: { label: "TYPE_INT64", read: numberBetween(INT64, true) },
  float: { label: "TYPE_FLOAT", read: numberBetween([-Infinity, Infinity], false) },
  double: { label: "TYPE_DOUBLE", read: numberBetween([-Infinity, Infinity], false) },
  bytes: { label: "TYPE_BYTES", read: (value) => (isBase64(value) ? value : undefined) },
  Struct: {
    label: "type.googleapis.com/google.protobuf.Struct",
    read: (value) => (isObject(value) ? value : undefined),
  },
  Value: { label: "type.googleapis.com/google.protobuf.Value", read: (value) => value },
};

function readBool(value) {
  if (value === true || value === "true") return true;
  return value === false || value === "false" ? false : undefined;
}

function isBase64(value) {
  if (typeof value !== "string" || !BASE64.test(value)) return false;
  const bare = value.replace(/=+$/, "").length;
  return bare % 4 !== 1 && (bare === value.length || value.length % 4 === 0);
}

function unknownName(key, path, why, faults) {
  const at = path ? ` at '${path}'` : "";
  const description =
    `Invalid JSON payload received. Unknown name ${JSON.stringify(key)}${at}: ${why}`;
  faults.push({ field: path, description });
}

function invalidValue(path, label, shown) {
  return { field: path, description: `Invalid value at '${path}' (${label}), ${shown}` };
}

function wrong(path, label, value, faults) {
  faults.push(invalidValue(path, label, JSON.stringify(value).slice(0, 200)));
  return undefined;
}
