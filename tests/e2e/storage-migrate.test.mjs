// fynqctl storage migrate: objects go from one store to the other, each whole, however often it is
// ended in between; and gc and verify of a store that is not local.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import { readdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";

import { startStack, waitUntil } from "./lib/fynq.mjs";
import {
  hashOf, objectsOf, pathOf, putFile, putRow, putUpload, rowsOf, sha256,
} from "./lib/objects.mjs";

const FYNQCTL = JSON.parse(process.env.FYNQ_TEST_STACK).fynqctl;

let own; // Has both stores, and counts what is in them. FYNQ_STORAGE is supabase.
before(async () => (own = await startStack({ storage: "supabase" })));
after(async () => own?.stop());

/** A test that begins with empty stores. */
const emptied = (test) => async () => {
  await own.db.run("delete from public.files; delete from fynq.uploads");
  await rm(path.join(own.state, "files/objects"), { recursive: true, force: true });
  for (const { name } of await own.storage.objects()) await own.storage.remove(name);
  await test();
};

/** fynqctl storage ARGS, of that store; {code, lines: {key: what}, counts: the last line}. */
async function storage(store, ...args) {
  const { code, stdout, stderr } = await own.fynqctl(["storage", ...args], { FYNQ_STORAGE: store });
  const all = stdout.split("\n").slice(0, -1);
  return {
    code, stderr,
    lines: Object.fromEntries(all.filter((line) => line.includes(": ")).map((line) => line.split(": "))),
    counts: all.at(-1),
  };
}

/** Starts `fynqctl storage migrate` and kills it once `reached` is true. */
async function killMigrate(to, reached) {
  const child = spawn(FYNQCTL, ["storage", "migrate", `--to=${to}`],
    { env: own.environment(), stdio: "ignore" });
  const gone = once(child, "exit");
  await Promise.race([
    waitUntil(reached, { timeoutMs: 30000, what: "the migration is in the middle" }),
    gone.then(([code]) => assert.fail(`it ended by itself: ${code}`)),
  ]);
  child.kill("SIGKILL");
  await gone;
}

/** Files of these sizes, with their bytes: [{key, bytes}], in the order in which they are copied. */
async function files(user, sizes) {
  const made = [];
  for (const size of sizes) {
    const bytes = randomBytes(size);
    made.push({ key: await putFile(own, user, { bytes, hours: 2 }), bytes });
  }
  return made.sort((a, b) => (a.key < b.key ? -1 : 1));
}

const SIZES = [0, 1, 100, 65536, 300000, 3 << 20];

/** What the stand-in holds: {key: SHA-256}. */
async function remoteHashes() {
  const all = await own.storage.objects();
  const pairs = all.map(async ({ name }) => [name, sha256(await own.storage.read(name))]);
  return Object.fromEntries(await Promise.all(pairs));
}

const localHashes = async () => Object.fromEntries(await Promise.all(
  (await objectsOf(own)).map(async (key) => [key, await hashOf(own, key)])));

const hashes = (made) => Object.fromEntries(made.map(({ key, bytes }) => [key, sha256(bytes)]));
const total = (made) => made.reduce((sum, { bytes }) => sum + bytes.length, 0);
const posts = async (key) =>
  (await own.storage.calls(key)).filter(({ method }) => method === "POST").length;

describe("migrate --to=supabase", () => {
  it("copies every object once, and removes none", emptied(async () => {
    const user = await own.register();
    const made = await files(user, SIZES);
    const { code, counts, stderr } = await storage("local", "migrate", "--to=supabase");
    assert.equal(code, 0, stderr);
    assert.equal(counts, `6 files, 6 copied (${total(made)} bytes), 0 there already, 0 not copied`);
    assert.deepEqual(await remoteHashes(), hashes(made));
    assert.deepEqual(await localHashes(), hashes(made));
    for (const { mimetype } of await own.storage.objects()) assert.equal(mimetype, "text/plain");

    const before = await posts(user.id);
    const again = await storage("local", "migrate", "--to=supabase");
    assert.equal(again.counts, "6 files, 0 copied (0 bytes), 6 there already, 0 not copied");
    assert.equal(await posts(user.id), before);
    assert.equal((await storage("supabase", "verify")).code, 0);
  }));

  it("copies again what is there in another size, and never what is damaged", emptied(async () => {
    const user = await own.register();
    const made = await files(user, [500, 500, 500, 500]);
    const [shorter, damaged, lost] = made;
    await own.storage.put(shorter.key, shorter.bytes.subarray(0, 499));
    await writeFile(pathOf(own, damaged.key), randomBytes(500));
    await rm(pathOf(own, lost.key));
    const { code, lines, counts } = await storage("local", "migrate", "--to=supabase");
    assert.equal(code, 1);
    assert.deepEqual(lines, { [damaged.key]: "it is damaged", [lost.key]: "it is missing" });
    assert.equal(counts, "4 files, 2 copied (1000 bytes), 0 there already, 2 not copied");
    assert.deepEqual(await remoteHashes(), hashes([made[0], made[3]]));
  }));

  it("goes on where it was killed", emptied(async () => {
    const user = await own.register();
    const made = await files(user, [1000, 70000, 3 << 20, 40000, 10]);
    const { key } = made[2];
    await own.storage.fail(key, "stall_upload", { route: "POST /object", bytes: 300 });
    await killMigrate("supabase", async () => (await posts(key)) > 0);
    assert.deepEqual(await remoteHashes(), hashes(made.slice(0, 2)));

    const { code, counts, stderr } = await storage("local", "migrate", "--to=supabase");
    assert.equal(code, 0, stderr);
    assert.match(counts, /^5 files, 3 copied \(\d+ bytes\), 2 there already, 0 not copied$/);
    assert.deepEqual(await remoteHashes(), hashes(made));
  }));

  it("goes on with the others where one fails, and ends where all do", emptied(async () => {
    const user = await own.register();
    const made = await files(user, [10, 20, 30, 40, 50, 60, 70]);
    await own.storage.fail(made[1].key, "wrong_key", { times: null, route: "POST /object" });
    const one = await storage("local", "migrate", "--to=supabase");
    assert.equal(one.code, 1);
    assert.deepEqual(one.lines, { [made[1].key]: "it cannot be copied" });
    assert.match(one.counts, /^7 files, 6 copied/);

    for (const { name } of await own.storage.objects()) await own.storage.remove(name);
    await own.storage.fail(user.id, "wrong_key", { times: null });
    const none = await storage("local", "migrate", "--to=supabase");
    assert.equal(none.code, 1);
    assert.match(none.stderr, /^fynqctl: storage: Files cannot be stored or read now$/m);
    assert.match(none.counts, /^5 files, 0 copied .* 5 not copied$/);
    await own.storage.heal(user.id);
    await own.storage.heal(made[1].key);
  }));

  it("says that it cannot reach where it is to copy to, though there is nothing to copy",
    emptied(async () => {
      const { code, stderr, stdout } = await own.fynqctl(["storage", "migrate", "--to=supabase"],
        { FYNQ_STORAGE: "local", FYNQ_SUPABASE_URL: "http://127.0.0.1:1" });
      assert.equal(code, 1, stdout);
      assert.match(stderr, /^fynqctl: storage: Files cannot be stored or read now$/m);
    }));

  it("leaves nothing of a file that is deleted meanwhile", emptied(async () => {
    const user = await own.register();
    const [{ key }] = await files(user, [3000]);
    await own.storage.fail(key, "late", { route: "POST /object", delay_ms: 5000 });
    const migrating = storage("local", "migrate", "--to=supabase");
    await waitUntil(async () => (await posts(key)) > 0, { timeoutMs: 30000 });
    await own.db.run("delete from public.files");
    assert.deepEqual(await own.storage.objects(user.id), [], "it was stored before the row went");
    const { code, stderr } = await migrating;
    assert.equal(code, 0, stderr);
    assert.deepEqual(await own.storage.objects(user.id), []);
  }));
});

describe("migrate --to=local", () => {
  /** Rows whose objects lie in the bucket alone. */
  async function remoteFiles(user, sizes) {
    const made = await files(user, sizes);
    for (const { key, bytes } of made) await own.storage.put(key, bytes, { type: "text/plain" });
    await rm(path.join(own.state, "files/objects"), { recursive: true });
    return made;
  }

  it("copies every object, whole, and goes on where it was killed", emptied(async () => {
    const user = await own.register();
    const made = await remoteFiles(user, SIZES);
    const { key } = made[3];
    const gets = async () => (await own.storage.calls(key))
      .filter(({ path: at }) => at.includes("/authenticated/")).length;
    await own.storage.fail(key, "silence", { route: "GET /object/authenticated" });
    await killMigrate("local", async () => (await gets()) > 0);
    assert.deepEqual(await localHashes(), hashes(made.slice(0, 3)));
    for (const folder of ["tmp", "incoming"]) {
      const left = await readdir(path.join(own.state, "files", folder)).catch(() => []);
      assert.deepEqual(left, [], folder);
    }

    const { code, counts, stderr } = await storage("supabase", "migrate", "--to=local");
    assert.equal(code, 0, stderr);
    assert.match(counts, /^6 files, 3 copied \(\d+ bytes\), 3 there already, 0 not copied$/);
    assert.deepEqual(await localHashes(), hashes(made));
    assert.deepEqual(await remoteHashes(), hashes(made));
    assert.equal((await storage("local", "verify")).code, 0);
  }));
});

describe("gc and verify of Supabase Storage", () => {
  it("see and mend the same", emptied(async () => {
    const user = await own.register();
    const key = () => `${user.id}/${randomUUID()}`;
    const [whole, damaged, lost, orphan, slow] = [key(), key(), key(), key(), key()];
    const bytes = randomBytes(1000);
    for (const it of [whole, damaged, lost]) await putRow(own, it, { bytes, hours: 2 });
    for (const it of [whole, orphan, slow]) await own.storage.put(it, bytes);
    await own.storage.put(damaged, randomBytes(1000));
    await putUpload(own, slow, 0);

    const { code, lines } = await storage("supabase", "verify");
    assert.equal(code, 1);
    assert.deepEqual(lines, { [damaged]: "it has another SHA-256", [lost]: "it is missing" });
    // All of them were put a moment ago.
    const young = await storage("supabase", "gc");
    assert.deepEqual(young.lines, { [lost]: "no object" });
    const names = (await own.storage.objects(user.id)).map(({ name }) => name).sort();
    assert.deepEqual(names, [whole, damaged, orphan, slow].sort());

    for (const it of [whole, damaged, orphan, slow]) await own.storage.age(it, 2);
    const gc = await storage("supabase", "gc", "--lost");
    assert.equal(gc.code, 0, gc.stderr);
    assert.deepEqual(gc.lines,
      { [orphan]: "no row, removed", [lost]: "no object, row removed" });
    const left = (await own.storage.objects(user.id)).map(({ name }) => name).sort();
    assert.deepEqual(left, [whole, damaged, slow].sort());
  }));

  it("remove nothing while it is away, or the bucket is another one", emptied(async () => {
    const user = await own.register();
    const keys = Array.from({ length: 11 }, () => `${user.id}/${randomUUID()}`);
    for (const it of keys) await putRow(own, it, { hours: 2 });
    await own.storage.fail(user.id, "unavailable", { times: null });
    const away = await storage("supabase", "gc", "--lost", "--force");
    assert.equal(away.code, 1);
    assert.equal((await rowsOf(own)).length, 11);
    await own.storage.heal(user.id);

    const other = await storage("supabase", "gc", "--lost");
    assert.equal(other.code, 1);
    assert.match(other.stderr, /11 of 11 files have no object/);
    assert.equal((await rowsOf(own)).length, 11);
  }));
});
