// What is generated from the programs and committed is fresh, and the OpenAPI documents are sound.

import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { documents, parseRoutes } from "../../dev.d/documents.mjs";

import { stack } from "./lib/fynq.mjs";
import { execute } from "./lib/stack.mjs";

const TOP = fileURLToPath(new URL("../../", import.meta.url));
const METHODS = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
const { bin } = JSON.parse(process.env.FYNQ_TEST_STACK);

let fresh; // Map from path to text
let endpoints; // [{name, document, routes}]

before(async () => {
  fresh = await documents(path.dirname(path.dirname(bin)));
  const names = [...fresh.keys()].filter((file) => file.endsWith(".json"));
  endpoints = await Promise.all(
    names.map(async (file) => {
      const name = path.basename(file, ".json");
      const program = path.join(bin, `${name}.fcgi`);
      const { code, stdout } = await execute(program, ["--routes"], stack.environment());
      assert.equal(code, 0);
      return { name, document: JSON.parse(fresh.get(file)), routes: parseRoutes(stdout) };
    }),
  );
});

test("the committed files are what the programs say; else run ./dev generate", async () => {
  for (const [file, text] of fresh) {
    const committed = await readFile(path.join(TOP, file), "utf8").catch(() => "(missing)");
    assert.equal(committed, text, `${file} is stale: run ./dev generate`);
  }
});

test("docs/api holds nothing that no program made", async () => {
  const expected = [...fresh.keys()].filter((file) => file.startsWith("docs/api/"));
  const there = (await readdir(path.join(TOP, "docs/api"))).map((file) => `docs/api/${file}`);
  assert.deepEqual(there.sort(), expected.sort());
});

test("no path of this machine stands in them", () => {
  for (const [file, text] of fresh) assert.ok(!text.includes(TOP), file);
});

/** Every operation of a document: {path, method, operation}. */
function operations(document) {
  return Object.entries(document.paths).flatMap(([route, item]) =>
    Object.entries(item).map(([method, operation]) => ({ path: route, method, operation })),
  );
}

test("each document has the members that OpenAPI 3.1 asks for", () => {
  for (const { name, document } of endpoints) {
    assert.match(document.openapi, /^3\.1\.\d+$/, name);
    assert.equal(document.info.title, `fynq: ${name}`);
    assert.match(document.info.version, /^\d+\.\d+\.\d+$/);
    for (const { path: route, method, operation } of operations(document)) {
      const where = `${method} ${route}`;
      assert.ok(METHODS.includes(method), where);
      assert.ok(operation.summary, where);
      const statuses = Object.keys(operation.responses);
      assert.ok(statuses.some((status) => /^[23]\d\d$/.test(status)), where);
      for (const [status, response] of Object.entries(operation.responses)) {
        assert.match(status, /^[1-5]\d\d$/, where);
        assert.ok(response.description, `${where} ${status}`);
      }
      for (const requirement of operation.security) {
        for (const scheme of Object.keys(requirement)) {
          assert.ok(document.components.securitySchemes[scheme], `${where}: ${scheme}`);
        }
      }
    }
  }
});

test("operationIds are unique, in all documents together", () => {
  const ids = endpoints.flatMap(({ document }) =>
    operations(document).map(({ operation }) => operation.operationId),
  );
  assert.ok(ids.length > 0 && ids.every(Boolean));
  assert.deepEqual(ids.filter((id, i) => ids.indexOf(id) !== i), []);
});

test("the routes of a program and those of its document are the same", () => {
  for (const { document, routes } of endpoints) {
    const described = operations(document).map(
      ({ path: route, method }) => `${method.toUpperCase()} ${route}`,
    );
    const served = routes.map(({ method, path: route }) => `${method} ${route}`);
    assert.ok(served.length > 0);
    assert.deepEqual(described.sort(), served.sort());
  }
});

test("a route asks for a token where --routes says user, and streams where it says stream", () => {
  for (const { document, routes } of endpoints) {
    for (const { method, path: route, who, streams } of routes) {
      const { security, responses } = document.paths[route][method.toLowerCase()];
      assert.equal(security.length > 0, who !== "anyone", `${method} ${route}`);
      const types = Object.values(responses).flatMap(({ content = {} }) => Object.keys(content));
      assert.equal(types.includes("text/event-stream"), streams, `${method} ${route}`);
    }
  }
});

test("the {names} of a path are its path parameters, all required, and none is there twice", () => {
  for (const { document } of endpoints) {
    for (const { path: route, method, operation } of operations(document)) {
      const where = `${method} ${route}`;
      const parameters = operation.parameters ?? [];
      const names = [...route.matchAll(/\{([^}]+)\}/g)].map(([, name]) => name);
      const inPath = parameters.filter((parameter) => parameter.in === "path");
      assert.deepEqual(inPath.map(({ name }) => name).sort(), names.sort(), where);
      assert.ok(inPath.every(({ required }) => required === true), where);
      const keys = parameters.map((parameter) => `${parameter.in} ${parameter.name}`);
      assert.equal(new Set(keys).size, keys.length, where);
      assert.ok(parameters.every(({ schema }) => schema), where);
    }
  }
});

/** Calls visit(object) for every object inside a value. */
function walk(value, visit) {
  if (typeof value !== "object" || value === null) return;
  if (!Array.isArray(value)) visit(value);
  for (const inner of Object.values(value)) walk(inner, visit);
}

test("every $ref resolves, and every required member is described", () => {
  for (const { name, document } of endpoints) {
    let refs = 0;
    walk(document, (object) => {
      if (typeof object.$ref === "string") {
        refs += 1;
        assert.match(object.$ref, /^#\//, name);
        const keys = object.$ref.slice(2).split("/");
        const target = keys.reduce((at, key) => at?.[key], document);
        assert.ok(target, `${name}: ${object.$ref}`);
      }
      if (Array.isArray(object.required) && object.type === "object") {
        for (const member of object.required) {
          assert.ok(object.properties[member], `${name}: ${member}`);
        }
      }
    });
    assert.ok(refs > 0, name);
  }
});
