// What docs/security.md claims: its tests exist, its list of requirements is whole.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";

const TOP = fileURLToPath(new URL("../../", import.meta.url));

// The requirements of level 1 and 2 of ASVS 4.0.3, by section; those it has deleted, and those of
// level 3, are left out.
const upTo = (n, ...left) =>
  Array.from({ length: n }, (_, i) => i + 1).filter((i) => !left.includes(i));
const sections = {
  "2.1": upTo(12), "2.2": upTo(3), "2.3": upTo(3), "2.4": upTo(5), "2.5": upTo(7), "2.6": upTo(3),
  "2.7": upTo(6), "2.8": upTo(7), "2.9": upTo(3), "2.10": upTo(4),
  "3.1": upTo(1), "3.2": upTo(4), "3.3": upTo(4), "3.4": upTo(5), "3.5": upTo(3), "3.7": upTo(1),
  "4.1": upTo(5, 4), "4.2": upTo(2), "4.3": upTo(3),
  "7.1": upTo(4), "7.2": upTo(2), "7.3": upTo(4, 2), "7.4": upTo(3),
  "8.1": upTo(4), "8.2": upTo(3), "8.3": upTo(8),
  "9.1": upTo(3), "9.2": upTo(4),
  "12.1": upTo(3), "12.2": upTo(1), "12.3": upTo(6), "12.4": upTo(2), "12.5": upTo(2), "12.6": upTo(1),
  "13.1": upTo(5, 2), "13.2": upTo(6, 4), "13.3": upTo(2), "13.4": upTo(2),
};
const ids = Object.entries(sections).flatMap(([section, numbers]) =>
  numbers.map((number) => `${section}.${number}`));

let text;
let rows; // Of the requirements: {id, level, asks, state, because}.

before(async () => {
  text = await readFile(path.join(TOP, "docs/security.md"), "utf8");
  rows = text.split("\n").filter((line) => /^\| \d+\.\d+\.\d+ \|/.test(line)).map((line) => {
    const [id, level, asks, state, because, ...rest] = line.split("|").slice(1, -1)
      .map((cell) => cell.trim());
    assert.deepEqual(rest, [], line);
    return { id, level, asks, state, because };
  });
});

/** The tests that a text names. */
const named = (markdown) =>
  [...markdown.replace(/\s+/g, " ").matchAll(/`([a-z0-9_-]+): ([^`]+)`/g)]
    .map(([, name, title]) => ({ name, title }));

/** Where they are: what more than one file runs is in lib. */
function filesOf(name) {
  if (/^\d\d_/.test(name)) return [`sql/tests/${name}.sql`];
  if (name.startsWith("test-")) return [`tests/unit/${name}.c`];
  return [`tests/e2e/${name}.test.mjs`, `tests/e2e/lib/${name}.mjs`];
}

async function sourceOf(name) {
  const texts = await Promise.all(filesOf(name).map((file) =>
    readFile(path.join(TOP, file), "utf8").catch(() => "")));
  return texts.join("\n");
}

/** Is that the title of a test, or of a row of a table that makes tests? */
function hasTest(source, name, title) {
  if (name.startsWith("test-")) {
    return new RegExp(`cmocka_unit_test\\w*\\(\\s*${title}\\b`).test(source);
  }
  if (/^\d\d_/.test(name)) return source.includes(`'${title.replaceAll("'", "''")}'`);
  return ['"', "'", "`"].some((quote) => source.includes(quote + title + quote)) ||
    source.includes(JSON.stringify(title));
}

test("each test that it names exists", async () => {
  const tests = named(text);
  assert.ok(tests.length > 50, String(tests.length));
  const missing = [];
  for (const { name, title } of tests) {
    if (!hasTest(await sourceOf(name), name, title)) missing.push(`${name}: ${title}`);
  }
  assert.deepEqual(missing, []);
});

test("each requirement of the chapters is there once, with its level", () => {
  assert.equal(ids.length, 142);
  assert.deepEqual(rows.map(({ id }) => id), ids);
  for (const { id, level, asks } of rows) {
    assert.match(level, /^[12]$/, id);
    assert.notEqual(asks, "", id);
  }
});

test("what is met names its test, what is not says why", () => {
  for (const { id, state, because } of rows) {
    assert.ok(["met", "n/a", "open"].includes(state), `${id}: ${state}`);
    assert.notEqual(because, "", id);
    if (state === "met") assert.ok(named(because).length > 0, `${id} is met by no test`);
  }
});

test("the parts of the document that other files link to are there", () => {
  for (const title of ["Threat model", "Secrets", "Who may do what in the database"]) {
    assert.ok(text.includes(`\n## ${title}\n`), title);
  }
});
