// The committed OpenAPI documents as tests walk them: every route, and a good value for every
// field, which a test then spoils one at a time. generated.test.mjs proves the documents true.

import { randomBytes, randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";

const FOLDER = new URL("../../../docs/api/", import.meta.url);
const API = "/api/v1";

/**
 * Every operation, as {program, method, path (under /api/v1, or "//..." outside it), who
 * ("anyone", "user", "teacher" or "admin"), fields, type}. A field is {name, where ("path", "query" or "body"),
 * required, schema}; type is that of the body, null for none.
 */
export const operations = readdirSync(FOLDER).filter((file) => file.endsWith(".json")).sort()
  .flatMap((file) => {
    const { paths } = JSON.parse(readFileSync(new URL(file, FOLDER), "utf8"));
    return Object.entries(paths).flatMap(([route, item]) =>
      Object.entries(item).map(([method, operation]) => ({
        program: file.slice(0, -".json".length),
        method: method.toUpperCase(),
        path: route.startsWith(API) ? route.slice(API.length) : `/${route}`,
        who: whoOf(operation),
        fields: fieldsOf(operation),
        type: Object.keys(operation.requestBody?.content ?? {})[0] ?? null,
      })));
  });

export const nameOf = ({ method, path }) => `${method} ${path}`;

function whoOf({ security }) {
  if (security.length === 0) return "anyone";
  return security[0].bearerAuth[0] ?? "user";
}

function fieldsOf({ parameters = [], requestBody }) {
  const outer = parameters.filter((parameter) => parameter.in !== "header").map((parameter) => ({
    name: parameter.name,
    where: parameter.in,
    required: parameter.required === true,
    schema: parameter.schema,
  }));
  const schema = Object.values(requestBody?.content ?? {})[0]?.schema ?? {};
  const inner = Object.entries(schema.properties ?? {}).map(([name, property]) => ({
    name,
    where: "body",
    required: schema.required?.includes(name) ?? false,
    schema: property,
  }));
  return [...outer, ...inner];
}

/** The types of a field's schema, as an array. */
export const typesOf = ({ schema }) => [schema.type ?? "string"].flat();

// Good for every field of that name, wherever it stands.
const known = {
  password: () => "correct horse battery",
  current: () => "correct horse battery",
  birth_date: () => "2000-01-31",
  locale: () => "en-GB",
  content: () => "Why is the sky blue?",
  provider: () => "google",
  code_challenge: () => randomBytes(32).toString("base64url"),
  code_verifier: () => randomBytes(32).toString("base64url"),
  redirect_to: () => "https://app.example/in",
  email: () => `${randomUUID()}@example.com`,
};

/** A value that the field takes, as far as its schema tells. */
export function goodValue({ name, schema }) {
  if (name in known) return known[name]();
  if (schema.enum) return schema.enum.find((value) => value !== null);
  const [type] = [schema.type ?? "string"].flat();
  if (type === "integer" || type === "number") return schema.minimum ?? 1;
  if (type === "boolean") return false;
  if (type === "object") return {};
  if (type === "array") return [];
  if (schema.format === "uuid") return randomUUID();
  if (schema.format === "date") return "2000-01-31";
  if (schema.format === "date-time") return "2026-01-31T12:00:00Z";
  return "a".repeat(Math.max(schema.minLength ?? 1, 12)).slice(0, schema.maxLength);
}

/**
 * A request for the operation: {path, body}. Required fields have good values, `given` goes before
 * them; what is not in the operation goes into the body.
 */
export function requestFor({ path, fields, type }, given = {}) {
  const query = new URLSearchParams();
  const body = {};
  let target = path;
  for (const field of fields) {
    if (!(field.name in given) && !field.required) continue;
    const value = field.name in given ? given[field.name] : goodValue(field);
    if (field.where === "path") {
      target = target.replace(`{${field.name}}`, encodeURIComponent(value));
    } else if (field.where === "query") query.set(field.name, value);
    else body[field.name] = value;
  }
  for (const [name, value] of Object.entries(given)) {
    if (!fields.some((field) => field.name === name)) body[name] = value;
  }
  const asked = query.size > 0 ? `${target}?${query}` : target;
  return { path: asked, body: type === "application/json" ? body : undefined };
}
