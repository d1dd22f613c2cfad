// Two hundred uploads while the processes that take them are killed: no row without its object, no
// half file that anyone sees, nothing lost that was answered with 201, and the counters exact. By
// chance, from a seed that a failure prints, FYNQ_TEST_SEED takes it again; and at each point where
// a process may die between the first row and the last.

import assert from "node:assert/strict";
import { createHash, randomInt, randomUUID } from "node:crypto";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { asRole } from "./lib/accounts.mjs";
import { startStack } from "./lib/fynq.mjs";
import { filePart, form } from "./lib/form.mjs";
import { isWaiting, lock } from "./lib/locks.mjs";
import { ageFile, hashOf, objectsOf, pathOf, rowsOf, sha256, uploadsOf } from "./lib/objects.mjs";
import { Pictures } from "./lib/pictures.mjs";
import { pidsOf } from "./lib/processes.mjs";
import { waitUntil } from "./lib/wait.mjs";

const UPLOADS = 200; // More where a slow machine has not killed and broken ENOUGH by then.
const ENOUGH = 20;
const CLIENTS = 6;
const PATIENCE_MS = 120000; // How long a client sends an upload again.
const LEAST = 2; // libmagic makes nothing of a single byte.
const MOST = 3 << 20;

const seed = Number(process.env.FYNQ_TEST_SEED ?? randomInt(2 ** 31));

let own, pictures; // It counts rows, kills processes, and ages what it finds.
before(async () => {
  pictures = await Pictures.make();
  own = await startStack({
    settings: { FYNQ_PROCESSES: 3, FYNQ_FILES_STUDENT: "0/0/0/0", FYNQ_FILES_TEACHER: "0/0/0/0" },
  });
});
after(async () => {
  await pictures.remove();
  await own?.stop();
});

/** Numbers in [0, 1) that a name and the seed yield, the same each time. */
function chance(name) {
  let n = 0;
  return () => {
    const hash = createHash("sha256").update(`${seed} ${name} ${n++}`).digest();
    return hash.readUIntBE(0, 6) / 2 ** 48;
  };
}

/** Text of so many bytes, which no other name yields. */
function textOf(name, size) {
  const blocks = [];
  for (let i = 0; i * 4096 < size; i++) {
    blocks.push(createHash("shake256", { outputLength: 2048 }).update(`${name} ${i}`).digest("hex"));
  }
  return Buffer.from(blocks.join("").slice(0, size));
}

/** The n-th upload, as the seed has it: {key, purpose, parts: [{field, name, bytes}], persists}. */
function planned(n, picture) {
  const random = chance(`upload ${n}`);
  const size = () => Math.max(LEAST, Math.floor(MOST ** random()));
  const purpose = random() < 0.05 ? "chat" : random() < 0.2 ? "content" : "document";
  const many = random() < 0.3 ? 2 + Math.floor(random() * 4) : 1;
  const files = Array.from({ length: purpose === "chat" ? 1 : many }, (_, i) => {
    const name = `${n}-${i}`;
    return purpose === "chat" ? { name: `${name}.jpg`, bytes: picture, type: "image/jpeg" }
      : { name: `${name}.txt`, bytes: textOf(name, size()), type: "text/plain" };
  });
  return { key: randomUUID(), purpose, files, persists: random() < 0.7, breaksOff: random() < 0.1 };
}

function bodyOf({ purpose, files }) {
  const field = files.length > 1 ? "files" : "file";
  return form([["purpose", purpose],
    ...files.map(({ name, bytes, type }) => [field, filePart(bytes, name, type)])]);
}

let answered = 0;
let underWay = 0;

/** One attempt: the stored files, or undefined where a client would try again. */
async function attempt(user, upload) {
  const { body, headers } = bodyOf(upload);
  let answer;
  underWay += 1;
  try {
    answer = await own.api("POST", "/files/upload",
      { token: user.token, body, headers: { ...headers, "idempotency-key": upload.key } });
  } catch {
    return undefined; // The connection broke.
  } finally {
    underWay -= 1;
  }
  const { status, text, json } = answer;
  if (status === 201) {
    answered += 1;
    return json.items ?? [json];
  }
  // 409: the first attempt may still run.
  assert.ok([409, 502, 503, 504].includes(status), `${status} ${text}`);
  return undefined;
}

/** A client that goes away in the middle of what it sends. */
async function breakOff(user, upload) {
  const { body, headers } = bodyOf(upload);
  const gone = AbortSignal.timeout(randomInt(1, 30));
  await own.api("POST", "/files/upload",
    { token: user.token, body, headers: { ...headers, "idempotency-key": upload.key }, signal: gone },
  ).catch(() => {});
}

/** Sends it, again and again where it persists; fills `upload.stored` once it is told 201. */
async function send(user, upload) {
  if (upload.breaksOff) await breakOff(user, upload);
  const deadline = performance.now() + PATIENCE_MS;
  do {
    upload.stored = await attempt(user, upload);
    if (!upload.stored) upload.broken += 1;
    if (!upload.stored && upload.persists) await pause(randomInt(20, 200));
  } while (!upload.stored && upload.persists && performance.now() < deadline);
  assert.ok(upload.stored || !upload.persists, "an upload was not taken in all this time");
}

/**
 * Kills processes of the pool at random moments until over(), and counts them in `count`. Between two
 * of them an upload is answered, and others are under way: else a slow machine, on which each takes
 * longer, would never be done, or break none.
 */
async function havoc(over, count) {
  const random = chance("havoc");
  while (!over()) {
    const before = answered;
    await waitUntil(() => over() || answered > before, { timeoutMs: PATIENCE_MS, what: "an answer" });
    await pause(Math.floor(random() * 250));
    const busy = () => over() || underWay > CLIENTS / 2;
    await waitUntil(busy, { timeoutMs: PATIENCE_MS, everyMs: 1, what: "uploads under way" });
    const pids = await pidsOf(own, "files");
    if (pids.length === 0) continue;
    try {
      process.kill(pids[Math.floor(random() * pids.length)], "SIGKILL");
      count.killed += 1;
    } catch {
      // It ended by itself.
    }
  }
}

/** Reads what users see of their files until over(); resolves with how many were whole. */
async function watch(users, over) {
  const random = chance("watch");
  let whole = 0;
  while (!over()) {
    const { token } = users[Math.floor(random() * users.length)];
    const list = await own.api("GET", "/files?limit=20", { token }).catch(() => ({}));
    for (const { id, sha256: wanted, bytes } of list.status === 200 ? list.json.items : []) {
      const headers = { authorization: `Bearer ${token}` };
      try {
        const response = await fetch(`${own.url}/api/v1/files/${id}/content`, { headers });
        const body = Buffer.from(await response.arrayBuffer());
        // 502 is a process that was killed; that the file is missing, or half, is the fault.
        if (response.status === 502) continue;
        assert.equal(response.status, 200, `${id}: ${response.status} ${body.subarray(0, 300)}`);
        assert.equal(body.length, bytes, id);
        assert.equal(sha256(body), wanted, id);
        whole += 1;
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error; // Else the connection broke.
      }
    }
    await pause(10);
  }
  return whole;
}

/** What must be true whenever nothing runs: rows, objects and counters agree. */
async function assertSound() {
  const rows = await own.db.query(
    "select user_id || '/' || id as key, bytes, sha256 from public.files");
  const objects = new Set(await objectsOf(own));
  for (const { key, sha256: wanted } of rows) {
    assert.ok(objects.has(key), `${key} is a row without its object`);
    assert.equal(await hashOf(own, key), wanted, key);
  }
  const wrong = await own.db.query(
    `select coalesce(u.user_id, f.user_id) as user_id, u.bytes, u.files, u.day_files, f.sum, f.n
     from fynq.file_usage u
     full join (select user_id, sum(bytes)::bigint as sum, count(*)::int as n,
         (count(*) filter (where day = last))::int as day_n
       from (select *, max(day) over (partition by user_id) as last
         from (select *, (created_at at time zone 'UTC')::date as day from public.files) d) l
       group by user_id) f on f.user_id = u.user_id
     where (u.bytes, u.files, u.day_files) is distinct from
       (coalesce(f.sum, 0), coalesce(f.n, 0), coalesce(f.day_n, 0))`);
  assert.deepEqual(wrong, [], "the counters are not exact");
}

/** Nothing of the pool is at work any more: what was killed left PostgreSQL its last words. */
const settled = () => waitUntil(async () => {
  const busy = await own.db.query(
    `select from pg_stat_activity where state <> 'idle' and usename = 'fynq'`);
  return busy.length === 0;
}, { what: "all transactions are over", timeoutMs: 30000 });

/** After gc, when all of it is old, there is no more than rows and their objects. */
async function assertSwept() {
  for (const key of await objectsOf(own)) await ageFile(pathOf(own, key), 48);
  await own.db.run("update fynq.uploads set began_at = began_at - interval '2 days'");
  for (const folder of ["tmp", "incoming"]) {
    const at = path.join(own.state, "files", folder);
    for (const name of await readdir(at).catch(() => [])) await ageFile(path.join(at, name), 48);
  }
  const { code, stdout, stderr } = await own.fynqctl(["storage", "gc"]);
  assert.equal(code, 0, stdout + stderr);
  assert.deepEqual((await objectsOf(own)).sort(), (await rowsOf(own)).sort());
  assert.deepEqual(await uploadsOf(own), []);
  for (const folder of ["tmp", "incoming"]) {
    const left = await readdir(path.join(own.state, "files", folder)).catch(() => []);
    assert.deepEqual(left, [], folder);
  }
  const verified = await own.fynqctl(["storage", "verify"]);
  assert.equal(verified.code, 0, verified.stdout + verified.stderr);
}

/** Runs a test; where it fails, the seed is told. */
const seeded = (test) => async (t) => {
  try {
    await test(t);
  } catch (error) {
    t.diagnostic(`FYNQ_TEST_SEED=${seed}`);
    error.message += ` (FYNQ_TEST_SEED=${seed})`;
    throw error;
  }
};

it(`${UPLOADS} uploads while processes are killed`, { timeout: 400000 }, seeded(async (t) => {
  const picture = await readFile(await pictures.marked("a.jpg", { width: 64, height: 48 }));
  const users = [];
  for (let i = 0; i < CLIENTS; i++) users.push(await asRole("teacher", own));
  const uploads = [];
  const count = { killed: 0 };
  const broken = () => uploads.reduce((sum, upload) => sum + upload.broken, 0);
  let over = false;
  const clients = users.map(async (user) => {
    while (!over && (uploads.length < UPLOADS || count.killed < ENOUGH || broken() < ENOUGH)) {
      const upload = { ...planned(uploads.length, picture), user, broken: 0 };
      uploads.push(upload);
      await send(user, upload);
    }
  });
  const others = [havoc(() => over, count), watch(users, () => over)];
  try {
    await Promise.race([Promise.all(clients), Promise.all(others)]);
  } finally {
    over = true;
    await Promise.allSettled([...clients, ...others]);
  }
  const [, whole] = await Promise.all(others);
  await settled();

  const told = uploads.filter(({ stored }) => stored);
  t.diagnostic(`${count.killed} killed, ${broken()} broken off, ${told.length} answered,`
    + ` ${whole} read`);
  assert.ok(whole >= ENOUGH, `only ${whole} were read`);
  assert.ok(told.length >= uploads.length / 2);

  await assertSound();
  const rows = await own.db.query("select id, user_id, name, bytes, sha256 from public.files");
  const byName = Map.groupBy ? Map.groupBy(rows, ({ name }) => name)
    : rows.reduce((all, row) => all.set(row.name, [...(all.get(row.name) ?? []), row]), new Map());
  for (const { user, purpose, files, stored } of uploads) {
    const found = files.map(({ name }) => byName.get(name) ?? []);
    // All of them or none, and never twice: it was sent again with the same key.
    assert.ok(found.every((them) => them.length === found[0].length), "a part of an upload");
    assert.ok(found[0].length <= 1, "an upload was stored twice");
    if (!stored) continue;
    assert.equal(found[0].length, 1, "an upload that was answered is not there");
    for (const [i, { bytes }] of files.entries()) {
      const [row] = found[i];
      assert.equal(row.id, stored[i].id);
      assert.equal(row.user_id, user.id);
      if (purpose !== "chat") assert.equal(row.sha256, sha256(bytes));
    }
  }
  await assertSwept();
}));

/** An upload by a process of its own, which waits for the test longer than one of a pool may. */
function uploadAlone({ token }) {
  const parts = [1, 2, 3].map((i) => ["files", filePart(Buffer.from(`Part ${i}.`), `${i}.txt`)]);
  const { body, headers } = form(parts);
  const upload = {};
  upload.answer = own.cgi("files", "POST", "/api/v1/files/upload", {
    token, body, headers, environment: { FYNQ_DB_TIMEOUT_MS: "60000" },
    started: (process) => (upload.process = process),
  });
  return upload;
}

// Where it waits when it is killed: the table that is locked, and for what statement. Of a
// transaction that was sent whole PostgreSQL may do the rest: all of it or nothing.
const points = [
  ["before it has begun", "fynq.uploads", "fynq.upload_begin"],
  ["between its objects and its rows", "fynq.file_usage", "fynq.upload_end"],
  ["within the transaction that adds its rows", "public.files", "fynq.upload_end"],
];

describe("a process that is killed", () => {
  for (const [about, table, statement] of points) {
    it(about, async () => {
      const user = await own.register();
      const unlock = await lock(own, table, "exclusive");
      const upload = uploadAlone(user);
      await isWaiting(own, statement);
      const objects = (await objectsOf(own)).filter((key) => key.startsWith(user.id));
      assert.equal(objects.length, statement === "fynq.upload_begin" ? 0 : 3);
      const { json } = await own.api("GET", "/files", { token: user.token });
      assert.deepEqual(json.items, [], "files that are not all there are seen");
      upload.process.kill("SIGKILL");
      await once(upload.process, "exit");
      await upload.answer.catch(() => {});
      await unlock();
      await settled();

      const rows = (await rowsOf(own)).filter((key) => key.startsWith(user.id));
      assert.ok([0, 3].includes(rows.length), `${rows.length} of 3 files were stored`);
      await assertSound();
      await assertSwept();
    });
  }
});
