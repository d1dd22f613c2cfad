// fynqctl storage gc and verify: what is left behind goes, what is on its way stays, and what is
// damaged is told. Each test has students of its own; where all of the store counts, it says so.

import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { appendFile, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";

import { startStack } from "./lib/fynq.mjs";
import { filePart, form } from "./lib/form.mjs";
import { isWaiting, lock } from "./lib/locks.mjs";
import {
  ageFile, objectsOf, pathOf, putFile, putObject, putRow, putUpload, rowsOf, uploadsOf,
} from "./lib/objects.mjs";
import { assertProblem } from "./lib/problem.mjs";

let own; // The stack of the tests: they count what is in its store.
before(async () => (own = await startStack()));
after(async () => own?.stop());

/** A test that begins with an empty store: it counts all of it. */
const emptied = (test) => async () => {
  await own.db.run("delete from public.files; delete from fynq.uploads");
  await rm(path.join(own.state, "files/objects"), { recursive: true, force: true });
  await test();
};

/** fynqctl storage ARGS; {code, lines: {key: what}, counts: the other lines}. */
async function storage(...args) {
  const { code, stdout, stderr } = await own.fynqctl(["storage", ...args],
    { FYNQ_DB_TIMEOUT_MS: "60000" });
  const all = stdout.split("\n").slice(0, -1);
  const about = (line) => /^([0-9a-f-]{36}\/[0-9a-f-]{36}): (.*)$/.exec(line);
  return {
    code, stderr,
    lines: Object.fromEntries(all.filter(about).map((line) => about(line).slice(1))),
    counts: all.filter((line) => !about(line)),
  };
}

const isThere = async (key) => (await objectsOf(own)).includes(key);
const hasRow = async (key) => (await rowsOf(own)).includes(key);
const hasUpload = async (key) => (await uploadsOf(own)).includes(key);
const keyOf = ({ id: user }, { id }) => `${user}/${id}`;

async function upload(user, bytes = Buffer.from("What is a prime number?")) {
  const { body, headers } = form({ file: filePart(bytes, "notes.txt", "text/plain") });
  const { status, text, json } =
    await own.api("POST", "/files/upload", { token: user.token, body, headers });
  assert.equal(status, 201, text);
  return keyOf(user, json);
}

describe("objects without a row", () => {
  it("go when they are old, and what an upload needs stays", emptied(async () => {
    const user = await own.register();
    const file = await upload(user);
    await ageFile(pathOf(own, file), 48);
    const old = await putObject(own, user, { hours: 2 });
    const young = await putObject(own, user);
    const slow = await putObject(own, user, { hours: 2 });
    await putUpload(own, slow, 0);
    const dead = await putObject(own, user, { hours: 2 });
    await putUpload(own, dead, 2);
    // Its row is another user's: that one's key is not this one's.
    const other = await own.register();
    const taken = await putObject(own, user, { hours: 2 });
    const [, id] = taken.split("/");
    await putRow(own, `${other.id}/${id}`);

    const dry = await storage("gc", "--dry-run");
    assert.equal(dry.code, 0, dry.stderr);
    assert.deepEqual(dry.lines, { [old]: "no row", [dead]: "no row", [taken]: "no row" });
    assert.ok(await isThere(old) && await isThere(dead) && await hasUpload(dead));

    const { code, lines, stderr } = await storage("gc");
    assert.equal(code, 0, stderr);
    const removed = "no row, removed";
    assert.deepEqual(lines, { [old]: removed, [dead]: removed, [taken]: removed });
    for (const key of [file, young, slow]) assert.ok(await isThere(key), key);
    for (const key of [old, dead, taken]) assert.ok(!await isThere(key), key);
    assert.deepEqual(await uploadsOf(own), [slow]);
    assert.ok(await hasRow(file));

    assert.deepEqual((await storage("gc")).lines, {});
  }));

  it("are left where they are more than half of all: another database's", emptied(async () => {
    const user = await own.register();
    for (let i = 0; i < 10; i++) await putFile(own, user);
    const keys = [];
    for (let i = 0; i < 11; i++) keys.push(await putObject(own, user, { hours: 2 }));
    const { code, lines, stderr } = await storage("gc");
    assert.equal(code, 1);
    assert.match(stderr, /11 of 21 objects have no row: .* none was removed/);
    assert.deepEqual(lines, {});
    for (const key of keys) assert.ok(await isThere(key));

    const forced = await storage("gc", "--force");
    assert.equal(forced.code, 0, forced.stderr);
    assert.equal(Object.keys(forced.lines).length, 11);
    for (const key of keys) assert.ok(!await isThere(key));
  }));
});

it("what else uploads leave behind goes when it is a day old", emptied(async () => {
  const user = await own.register();
  const incoming = path.join(own.state, "files/incoming");
  await mkdir(incoming, { recursive: true });
  for (const [name, hours] of [["old", 25], ["young", 23]]) {
    await writeFile(path.join(incoming, name), "half");
    await ageFile(path.join(incoming, name), hours);
  }
  const old = `${user.id}/${randomUUID()}`, young = `${user.id}/${randomUUID()}`;
  await putUpload(own, old, 25);
  await putUpload(own, young, 23);

  const dry = await storage("gc", "--dry-run");
  assert.ok(dry.counts.includes("1 uploads never ended, 1 files left behind"), dry.counts);
  assert.equal((await readdir(incoming)).length, 2);
  assert.equal((await uploadsOf(own)).length, 2);

  const { code, counts, stderr } = await storage("gc");
  assert.equal(code, 0, stderr);
  assert.ok(counts.includes("1 uploads never ended, 1 files left behind, removed"), counts);
  assert.deepEqual(await readdir(incoming), ["young"]);
  assert.deepEqual(await uploadsOf(own), [young]);
}));

describe("rows without an object", () => {
  it("are told, and removed where that is asked for", emptied(async () => {
    const user = await own.register();
    const whole = await upload(user);
    const lost = await upload(user, Buffer.from(randomBytes(50000).toString("hex")));
    const young = await upload(user);
    await own.db.run(
      `update public.files set created_at = now() - interval '2 hours'
       where user_id || '/' || id in ($1, $2)`, [whole, lost]);
    await rm(pathOf(own, lost));
    await rm(pathOf(own, young));

    for (const args of [["gc"], ["gc", "--dry-run"], ["gc", "--dry-run", "--lost"]]) {
      const told = await storage(...args);
      assert.equal(told.code, 1, told.stderr);
      assert.deepEqual(told.lines, { [lost]: "no object" });
    }
    assert.ok(await hasRow(lost));

    const { code, lines, stderr } = await storage("gc", "--lost");
    assert.equal(code, 0, stderr);
    assert.deepEqual(lines, { [lost]: "no object, row removed" });
    assert.ok(!await hasRow(lost) && await hasRow(whole) && await hasRow(young));
    const { token } = user;
    assertProblem(await own.api("GET", `/files/${lost.split("/")[1]}`, { token }), 404, "not_found");
    const [usage] = await own.db.query(
      "select bytes, files from fynq.file_usage where user_id = $1", [user.id]);
    assert.deepEqual(usage, { bytes: 46, files: 2 });
  }));

  it("that a content of the library needs are told, and stay", emptied(async () => {
    const user = await own.register();
    const key = `${user.id}/${randomUUID()}`, other = `${user.id}/${randomUUID()}`;
    for (const it of [key, other]) await putRow(own, it, { hours: 2 });
    const whole = await upload(user, Buffer.from("whole"));
    await own.db.run("update public.files set created_at = now() - interval '2 h' where id = $1",
      [whole.split("/")[1]]);
    await own.db.run(
      `insert into public.contents (id, author_id, type, title, file_id)
       values (gen_random_uuid(), $1, 'video', 'A film', $2)`, [user.id, key.split("/")[1]]);
    const { code, lines } = await storage("gc", "--lost");
    assert.equal(code, 1);
    assert.deepEqual(lines, {
      [key]: "no object; another row still refers to it", [other]: "no object, row removed",
    });
    assert.deepEqual((await rowsOf(own)).sort(), [key, whole].sort());
    await own.db.run("delete from public.contents");
  }));

  it("are left where nothing is there: a folder that is not mounted", emptied(async () => {
    const user = await own.register();
    const key = `${user.id}/${randomUUID()}`;
    await putRow(own, key, { hours: 2 });
    const { code, stderr } = await storage("gc", "--lost");
    assert.equal(code, 1);
    assert.match(stderr, /1 of 1 files have no object: .* no row was removed/);
    assert.ok(await hasRow(key));
    const forced = await storage("gc", "--lost", "--force");
    assert.equal(forced.code, 0, forced.stderr);
    assert.ok(!await hasRow(key));
  }));

  it("are left where they are many: a folder that is not mounted", emptied(async () => {
    const user = await own.register();
    const keys = [];
    for (let i = 0; i < 11; i++) {
      keys.push(`${user.id}/${randomUUID()}`);
      await putRow(own, keys[i], { hours: 2 });
    }
    const { code, stderr } = await storage("gc", "--lost");
    assert.equal(code, 1);
    assert.match(stderr, /11 of 11 files have no object: .* no row was removed/);
    for (const key of keys) assert.ok(await hasRow(key));

    const forced = await storage("gc", "--lost", "--force");
    assert.equal(forced.code, 0, forced.stderr);
    assert.equal(Object.keys(forced.lines).length, 11);
    for (const key of keys) assert.ok(!await hasRow(key));
  }));

  it("whose account is being erased are none of gc's", emptied(async () => {
    const user = await own.register();
    const key = `${user.id}/${randomUUID()}`;
    await putRow(own, key, { hours: 2 });
    await own.db.run("insert into fynq.erasures (user_id, due_at) values ($1, now() + interval '1 day')",
      [user.id]);
    const { code, lines, stderr } = await storage("gc", "--lost");
    assert.equal(code, 0, stderr);
    assert.deepEqual(lines, {});
    assert.ok(await hasRow(key));
    assert.deepEqual((await storage("verify", "--quick")).lines, {});
    await own.db.run("delete from fynq.erasures");
  }));
});

/** An upload by a process of its own, which waits for the test longer than one of a pool may. */
function patientUpload({ token }) {
  const { body, headers } = form({ file: filePart(Buffer.from("Slow."), "a.txt", "text/plain") });
  return own.cgi("files", "POST", "/api/v1/files/upload",
    { token, body, headers, environment: { FYNQ_DB_TIMEOUT_MS: "60000" } });
}

describe("gc beside an upload whose object is old", () => {
  let user;
  before(async () => {
    user = await own.register();
    // As if the process had been stopped for so long: what is begun from here on is old.
    await own.db.run(
      "alter table fynq.uploads alter column began_at set default now() - interval '2 hours'");
  });
  after(() => own.db.run("alter table fynq.uploads alter column began_at set default now()"));

  /** The upload's object, made old. */
  async function objectOfUpload() {
    const key = (await objectsOf(own)).find((it) => it.startsWith(user.id));
    assert.ok(key, "no object was put");
    await ageFile(pathOf(own, key), 2);
    return key;
  }

  it("before its rows are added: it is refused, and nothing of it stays", emptied(async () => {
    const unlock = await lock(own, "fynq.file_usage", "exclusive");
    const uploading = patientUpload(user);
    await isWaiting(own, "fynq.upload_end");
    const key = await objectOfUpload();
    const { code, lines, stderr } = await storage("gc");
    assert.equal(code, 0, stderr);
    assert.deepEqual(lines, { [key]: "no row, removed" });
    await unlock();
    assertProblem(await uploading, 503, "storage_unavailable");
    assert.ok(!await hasRow(key) && !await isThere(key) && !await hasUpload(key));
  }));

  it("while its rows are added: gc waits for them, and the file stays", emptied(async () => {
    const unlock = await lock(own, "public.files", "exclusive");
    const uploading = patientUpload(user);
    await isWaiting(own, "fynq.upload_end");
    const key = await objectOfUpload();
    const collecting = storage("gc");
    await isWaiting(own, "delete from fynq.uploads");
    await unlock();
    const { status, text, json } = await uploading;
    assert.equal(status, 201, text);
    assert.equal(keyOf(user, json), key);
    const { code, lines, stderr } = await collecting;
    assert.equal(code, 0, stderr);
    assert.deepEqual(lines, {});
    assert.ok(await hasRow(key) && await isThere(key) && !await hasUpload(key));
  }));
});

describe("verify", () => {
  it("tells of each object that is not what its row says", emptied(async () => {
    const user = await own.register();
    const bytes = randomBytes(200000);
    const [whole, missing, longer, changed] =
      await Promise.all([1, 2, 3, 4].map(() => putFile(own, user, { bytes })));
    const good = await storage("verify");
    assert.equal(good.code, 0, good.stderr);
    assert.deepEqual(good.lines, {});
    assert.match(good.counts[0], /^4 files, 0 damaged, 0 not read$/);

    await rm(pathOf(own, missing));
    await appendFile(pathOf(own, longer), "x");
    await writeFile(pathOf(own, changed), Buffer.concat([bytes.subarray(0, -1), Buffer.from("x")]));
    const quick = await storage("verify", "--quick");
    assert.equal(quick.code, 1);
    assert.deepEqual(quick.lines,
      { [missing]: "it is missing", [longer]: "it has another size" });
    const full = await storage("verify");
    assert.equal(full.code, 1);
    assert.deepEqual(full.lines, { ...quick.lines, [changed]: "it has another SHA-256" });
    assert.match(full.counts[0], /^4 files, 3 damaged, 0 not read$/);
    assert.ok(!(whole in full.lines));
  }));

  it("goes through more rows than one page has", emptied(async () => {
    const user = await own.register();
    const bytes = randomBytes(10);
    const key = await putFile(own, user, { bytes });
    await own.db.run(
      `insert into public.files (id, user_id, purpose, media_type, bytes, sha256)
       select gen_random_uuid(), $1, 'document', 'text/plain', 10, repeat('0', 64)
       from generate_series(1, 1200)`, [user.id]);
    const { lines, counts } = await storage("verify", "--quick");
    assert.equal(Object.keys(lines).length, 1200);
    assert.ok(!(key in lines));
    assert.match(counts[0], /^1201 files, 1200 damaged/);
  }));
});

it("wrong calls are told what is right", emptied(async () => {
  for (const args of [[], ["tidy"], ["gc", "--quick"], ["verify", "--lost"], ["migrate"],
    ["migrate", "--to=nowhere"], ["verify", "all"]]) {
    const { code, stderr } = await own.fynqctl(["storage", ...args]);
    assert.equal(code, 64, args.join(" "));
    assert.match(stderr, /usage: fynqctl storage verify \[--quick\]/);
  }
  // To a store that is not set up.
  const { code, stderr } = await own.fynqctl(["storage", "migrate", "--to=supabase"]);
  assert.equal(code, 78);
  assert.match(stderr, /--to: supabase needs FYNQ_SUPABASE_URL/);
}));
