// What the documents say of the programs is so: events of the log, commands, settings, links.

import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { stack } from "./lib/fynq.mjs";

const TOP = fileURLToPath(new URL("../../", import.meta.url));
const read = (file) => readFile(path.join(TOP, file), "utf8");

let documents; // Map from path to text
let operating;

async function namesIn(folder, end) {
  const names = await readdir(path.join(TOP, folder), { withFileTypes: true });
  return names.filter((entry) => entry.isFile() && entry.name.endsWith(end))
    .map(({ name }) => path.join(folder, name)).sort();
}

async function foldersBelow(folder) {
  const entries = await readdir(path.join(TOP, folder), { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory())
    .map(({ name }) => path.join(folder, name));
  return [folder, ...(await Promise.all(folders.map(foldersBelow))).flat()];
}

before(async () => {
  const folders = [".", "sql", "bench", "tests/fakes/gemini", "tests/fakes/smtp",
    "tests/fakes/supabase", ...(await foldersBelow("docs"))];
  const files = (await Promise.all(folders.map((folder) => namesIn(folder, ".md")))).flat();
  documents = new Map(await Promise.all(files.map(async (file) => [file, await read(file)])));
  operating = documents.get("docs/operating.md");
});

/** The rows of the tables in a section of operating.md whose first cell names something: its cells. */
function rowsOf(title) {
  const [, section] = operating.split(`\n## ${title}\n`);
  assert.ok(section, title);
  return section.split("\n## ")[0].split("\n").filter((line) => line.startsWith("| `"))
    .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
}

const wordsOf = (cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, word]) => word);

// These write under an event that they were handed; all but the log itself warn.
const HANDED = ["lib/base/log.c", "lib/base/fetch.c", "lib/data/db.c"];
const CALL = /\bfynq_(log|log_members|log_fatal|fetch|db_aside)\(\s*([^";{]*)(?:"([^"]*)"(,)?)?/g;

/** What the programs log, as "EVENT LEVEL"; fails where a call is not understood. */
async function logged() {
  const folders = [...(await foldersBelow("lib")), "cgi-bin", "sbin"];
  const files = (await Promise.all(folders.map((folder) => namesIn(folder, ".c")))).flat();
  const found = new Set();
  for (const file of files) {
    const code = (await read(file)).replace(/\/\*[^]*?\*\//g, "");
    for (const [call, name, given, event, comma] of code.matchAll(CALL)) {
      if (HANDED.includes(file) && /\bevent\b/.test(given)) continue;
      const levels = { log_fatal: ["error"], fetch: ["warn"], db_aside: ["warn"] }[name] ??
        [...given.matchAll(/\bFYNQ_LOG_([A-Z]+)\b/g)].map(([, level]) => level.toLowerCase());
      const where = `${file}: ${call}`;
      assert.match(event ?? "", /^[a-z]+$/, where);
      assert.match(given, name === "log_fatal" ? /^$/ : /,\s*$/, where);
      assert.ok(comma && levels.length > 0, where);
      for (const level of levels) found.add(`${event} ${level}`);
    }
  }
  return [...found].sort();
}

test("a file of a floor includes its own floor and those in its row of HACKING.md alone", async () => {
  const rows = (await read("HACKING.md")).matchAll(/^\| `(\w+)\/` \|[^|]*\|([^|]*)\|$/gm);
  const floors = new Map([...rows].map(([, floor, on]) =>
    [floor, [floor, ...on.split(",").map((name) => name.trim())]]));
  const wrong = [];
  for (const folder of (await foldersBelow("lib")).slice(1)) {
    const floor = folder.split("/")[1];
    const allowed = floors.get(floor) ?? assert.fail(`${floor} has no row`);
    for (const file of [...(await namesIn(folder, ".c")), ...(await namesIn(folder, ".h"))]) {
      for (const [, other] of (await read(file)).matchAll(/^#include "(\w+)\//gm)) {
        if (!allowed.includes(other)) wrong.push(`${file}: ${other}`);
      }
    }
  }
  assert.deepEqual(wrong, []);
  assert.ok(floors.size > 9, String(floors.size));
});

test("operating.md has each event that is logged, with its levels, and no other", async () => {
  const events = await logged();
  assert.ok(events.length > 30, String(events.length));
  const rows = rowsOf("The log");
  const described = rows.flatMap(([names, levels]) =>
    wordsOf(names).flatMap((event) => levels.split(", ").map((level) => `${event} ${level}`)));
  assert.deepEqual(described.sort(), events);
  for (const [names, , means, act, ...rest] of rows) {
    assert.ok(means !== "" && act !== "" && rest.length === 0, names);
  }
});

test("and each event of the record of accounts", async () => {
  const source = await read("lib/identity/audit.c");
  const events = [...source.matchAll(/\[FYNQ_EVENT_\w+\] = "(\w+)"/g)].map(([, event]) => event);
  assert.ok(events.length > 15, String(events.length));
  assert.deepEqual(rowsOf("Audit").flatMap(([names]) => wordsOf(names)).sort(), events.sort());
});

test("each command of fynqctl that a document names is one", async () => {
  const { code, stdout } = await stack.fynqctl(["help"]);
  assert.equal(code, 0);
  const commands = new Map([["help", []]]); // To the words that may follow, or none.
  for (const [, name, next] of stdout.matchAll(/^ {2}([a-z]+)(?: ([a-z|]+)\b)?/gm)) {
    commands.set(name, [...(commands.get(name) ?? []), ...(next?.split("|") ?? [])]);
  }
  assert.ok(commands.size > 8, stdout);
  const wrong = [];
  let count = 0;
  for (const [file, text] of documents) {
    for (const [call, name, next] of text.matchAll(/\bfynqctl ([a-z]+)(?:[ \n]([a-z]+))?/g)) {
      count += 1;
      const follow = commands.get(name);
      if (!follow || (follow.length > 0 && next && !follow.includes(next))) {
        wrong.push(`${file}: ${call}`);
      }
    }
  }
  assert.deepEqual(wrong, []);
  assert.ok(count > 30, String(count));
});

test("each setting that a document names is one", async () => {
  const settings = new Map([...documents.get("docs/config.md").matchAll(/^\| `(FYNQ_\w+)` \| (.*?) \|/gm)]
    .map(([, name, type]) => [name, type]));
  const others = new Set(["FYNQ_CONFIG", "FYNQ_TEST_STACK"]);
  const headers = (await Promise.all((await foldersBelow("lib")).map((it) => namesIn(it, ".h")))).flat();
  for (const text of await Promise.all(headers.map(read))) {
    for (const [name] of text.matchAll(/\bFYNQ_[A-Z_0-9]+/g)) others.add(name);
  }
  const exists = (name) => settings.has(name) || others.has(name) ||
    settings.get(name.replace(/_FILE$/, ""))?.startsWith("secret");
  const wrong = [];
  for (const [file, text] of documents) {
    if (file === "HACKING.md") continue; // Its example is C.
    for (const [name, more] of text.matchAll(/\bFYNQ_[A-Z_0-9]+(\*)?/g)) {
      if (more === undefined && !exists(name)) wrong.push(`${file}: ${name}`);
    }
  }
  assert.deepEqual(wrong, []);
});

/** The anchors of a document, as GitHub makes them of its headings. */
function anchorsOf(text) {
  return [...text.replace(/^```[^]*?^```/gm, "").matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
    title.toLowerCase().replace(/[^\p{L}\p{N}_ -]/gu, "").replaceAll(" ", "-"));
}

test("each link leads somewhere", async () => {
  const wrong = [];
  for (const [file, text] of documents) {
    for (const [, target] of text.replace(/^```[^]*?^```/gm, "").matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [to, anchor] = target.split("#");
      const other = to === "" ? file : path.join(path.dirname(file), to);
      const there = documents.get(other) ??
        (await read(other).catch(({ code }) => (code === "EISDIR" ? "" : null)));
      if (there === null || (anchor && !anchorsOf(there).includes(anchor))) {
        wrong.push(`${file}: ${target}`);
      }
    }
  }
  assert.deepEqual(wrong, []);
});
