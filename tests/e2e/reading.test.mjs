// Processes that end while they read a document: killed, or told to. pdftotext is held back by a
// program in its place, until a test lets it go on.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { after, before, it } from "node:test";

import { startStack, waitUntil } from "./lib/fynq.mjs";
import { sendOne } from "./lib/files.mjs";
import { pdf } from "./lib/pdf.mjs";
import { registerAs } from "./lib/people.mjs";
import { lives, pidsOf } from "./lib/processes.mjs";

let folder;
let own;
let teacher;

before(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "fynq-reading-"));
  await chmod(folder, 0o777);
  const program = path.join(folder, "pdftotext");
  await writeFile(program, `#!/bin/sh
echo $$ >>${folder}/started
while [ ! -e ${folder}/go ]; do sleep 0.05; done
exec /usr/bin/pdftotext "$@"
`, { mode: 0o755 });
  own = await startStack({
    settings: { FYNQ_PDFTOTEXT: program, FYNQ_PDF_SECONDS: 60, FYNQ_DRAIN_SECONDS: 1 },
  });
  teacher = await registerAs(own, "teacher");
});
after(async () => {
  if (folder) await writeFile(path.join(folder, "go"), "");
  await own?.stop();
  if (folder) await rm(folder, { recursive: true });
});

const at = (name) => path.join(folder, name);
const started = async () =>
  existsSync(at("started")) ? (await readFile(at("started"), "utf8")).trim().split("\n").map(Number) : [];
const post = async (body) => {
  const { status, text, json } = await own.api("POST", "/contents", { token: teacher.token, body });
  assert.equal(status, 201, text);
  return json.id;
};
const rowOf = async (id) => {
  const [row] = await own.db.query(
    "select extraction, reading, tries, due_at <= now() as due from contents where id = $1", [id]);
  return row;
};

/** A pdf that a responder has begun to read: its content, and the reader's process id. */
async function begun() {
  await rm(at("go"), { force: true });
  const before = await started();
  const sent = await sendOne(own, teacher.token, pdf(["Some words."]),
    { name: "a.pdf", purpose: "content" });
  assert.equal(sent.status, 201, sent.text);
  const id = await post({ type: "pdf", title: "A script", file_id: sent.json.id });
  const pids = await waitUntil(async () => {
    const now = await started();
    return now.length > before.length && now;
  });
  assert.deepEqual(await rowOf(id), { extraction: "waiting", reading: true, tries: 1, due: false });
  const responders = await pidsOf(own, "contents");
  assert.ok(responders.length > 0);
  return { id, reader: pids.at(-1), responders };
}

const passages = (id) =>
  own.db.query("select n, page, body from content_passages where content_id = $1", [id]);
const ended = (pids) => waitUntil(() => !pids.some(lives), { timeoutMs: 30000, what: "they end" });

it("who is killed while reading keeps the content until its lease has run out", async () => {
  const { id, responders } = await begun();
  for (const pid of responders) process.kill(pid, "SIGKILL");
  await ended(responders);
  await writeFile(at("go"), ""); // What the dead have left behind ends, too, and is not heard.
  await own.up();

  // Nobody can know that the reader is dead, so nobody takes it, whoever looks for what to read.
  assert.equal((await own.fynqctl(["upkeep"])).code, 0);
  await post({ type: "text", title: "Wakes a reader", body: "Some words." });
  assert.deepEqual(await rowOf(id), { extraction: "waiting", reading: true, tries: 1, due: false });

  await own.db.run("update contents set due_at = now() where id = $1", [id]);
  await post({ type: "text", title: "Wakes a reader", body: "Some words." });
  await waitUntil(async () => (await rowOf(id)).extraction === "done", { timeoutMs: 30000 });
  assert.equal((await rowOf(id)).tries, 2);
  assert.deepEqual(await passages(id), [{ n: 1, page: 1, body: "Some words." }]);
});

it("who is told to end while reading does so soon, and leaves the content to the next at once", async () => {
  const { id, reader, responders } = await begun();
  for (const pid of responders) process.kill(pid, "SIGTERM");
  await ended([...responders, reader]);
  // The next may have taken it by now.
  const row = await rowOf(id);
  assert.ok(row.tries === 2 || (!row.reading && row.due), JSON.stringify(row));
  await writeFile(at("go"), "");
  await own.up();
  await post({ type: "text", title: "Wakes a reader", body: "Some words." });
  await waitUntil(async () => (await rowOf(id)).extraction === "done", { timeoutMs: 30000 });
  assert.deepEqual(await passages(id), [{ n: 1, page: 1, body: "Some words." }]);
});
