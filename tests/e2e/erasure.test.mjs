// Who wants to be gone is gone: at once for the outside, and from every place where words lie. The
// test looks for words of its own in all of them, before, so that it is not blind, and after.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdir, readdir, readFile, rmdir } from "node:fs/promises";
import path from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { promisify } from "node:util";

import { admin } from "./lib/accounts.mjs";
import { startStack, waitUntil } from "./lib/fynq.mjs";
import { filePart, form } from "./lib/form.mjs";
import * as locks from "./lib/locks.mjs";
import { Pictures } from "./lib/pictures.mjs";
import { assertProblem } from "./lib/problem.mjs";
import { pidsOf } from "./lib/processes.mjs";

const run = promisify(execFile);

// A statement waits for a lock of the test's for as long as the test needs.
const settings = {
  FYNQ_CACHE_HOURS: 1, FYNQ_ACCOUNT_CHECK_SECONDS: 0, FYNQ_RESUME_SECONDS: 20,
  FYNQ_DB_TIMEOUT_MS: 60000,
};

let own; // The stack of the tests that run.
let pictures;
before(async () => {
  pictures = await Pictures.make();
  own = await startStack({ settings });
});
after(async () => {
  await pictures.remove();
  await own?.stop();
});

const newWord = () => `w${randomUUID().replaceAll("-", "")}`;
const remove = (token) => own.api("DELETE", "/users/me", { token });
const objects = (id) => path.join(own.state, "files/objects", id.slice(-2), id);

/** The whole database as text: every schema, all rows. */
async function dump() {
  const url = new URL(own.databaseUrl.replace("@/", "@host/"));
  const { stdout } = await run("pg_dump", [], {
    env: {
      PATH: process.env.PATH,
      PGHOST: url.searchParams.get("host"),
      PGUSER: url.username,
      PGPASSWORD: url.password,
      PGDATABASE: url.pathname.slice(1),
    },
    maxBuffer: 256 << 20,
  });
  return stdout;
}

/** Names and bytes of all files below a folder; sockets and what goes meanwhile are names alone. */
async function contents(folder) {
  const found = [];
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    const name = path.join(entry.parentPath ?? entry.path, entry.name);
    const bytes = entry.isFile() ? await readFile(name).catch(() => Buffer.alloc(0)) : "";
    found.push(`${name}\n${bytes.toString("latin1")}`);
  }
  return found.join("\n");
}

/** Every place where something of a user could lie: {name: text}. */
async function places() {
  return {
    database: await dump(),
    files: await contents(path.join(own.state, "files")),
    logs: await contents(path.join(own.state, "log")) +
      (await readFile(path.join(own.state, "pg/log"), "latin1")),
    run: await contents(path.join(own.state, "run")) +
      await contents(path.join(own.state, "nginx")),
  };
}

/** In which of the places it stands. */
const where = (all, word) =>
  Object.entries(all).filter(([, text]) => text.includes(word)).map(([name]) => name);

/** A user's id is in no row, but for the record of what happened. */
function assertNoRows(database, id) {
  const blocks = database.split(/^(?=COPY )/m);
  const holding = blocks.filter((block) => block.includes(id)).map((block) => block.split(" ")[1]);
  assert.deepEqual(holding.filter((table) => table !== "fynq.audit"), []);
}

/** A student with a word of its own in every field; {words: {name: word}, ...}. */
async function student() {
  const names = ["email", "display", "grade", "preferences", "title", "question", "reply", "edited",
    "file", "metadata", "caption", "key", "agent", "search", "summary"];
  const words = Object.fromEntries(names.map((name) => [name, newWord()]));
  const one = await own.register({
    email: `${words.email}@example.com`, display_name: `Ada ${words.display}`, locale: "de-CH",
  });
  const call = async (method, at, body, headers = {}) => {
    const answer = await own.api(method, at, { token: one.token, body, headers });
    assert.ok(answer.status < 300, `${method} ${at}: ${answer.status} ${answer.text}`);
    return answer.json;
  };
  const login = await own.api("POST", "/auth/login", {
    body: { email: one.email, password: one.password },
    headers: { "user-agent": `Browser ${words.agent}` },
  });
  assert.equal(login.status, 200, login.text);
  await call("PATCH", "/users/me",
    { grade_level: words.grade, preferences: { theme: words.preferences } });
  await own.gemini.script(words.question, [{ text: [`Because ${words.reply}.`] }, { end: "finish" }]);
  const { chat_id: chat, message, reply } = await call("POST", "/chat/message",
    { content: `Why ${words.question}?` }, { "idempotency-key": words.key });
  await call("PATCH", `/chats/${chat}`, { title: words.title });
  await call("POST", `/chats/${chat}/messages/${message.id}/edit`, { content: words.edited });
  await call("GET", `/chat/history?q=${words.search}`).catch(() => {});
  await own.db.run(
    "insert into summaries (message_id, chat_id, user_id, content) values ($1, $2, $3, $4)",
    [reply.id, chat, one.id, `Said: ${words.summary}`],
  );
  const file = await pictures.tag(await pictures.marked(`${words.file}.jpg`),
    `-EXIF:Artist=${words.metadata}`, `-Comment=${words.metadata}`);
  const sent = form({
    content: words.caption, image: filePart(await readFile(file), `${words.file}.jpg`),
  });
  await call("POST", "/chat/image", sent.body, sent.headers);
  const recovered = await own.api("POST", "/auth/recover", { body: { email: one.email } });
  assert.equal(recovered.status, 202, recovered.text);
  return { ...one, words, chat };
}

/** Nothing of the student is anywhere. */
async function assertGone({ id, words }) {
  const all = await places();
  for (const [name, word] of Object.entries(words)) assert.deepEqual(where(all, word), [], name);
  assertNoRows(all.database, id);
  assert.ok(!all.files.includes(id), "files");
}

/** Nobody gets in, neither with a token nor with the password. */
async function assertOut({ email, password, token, refreshToken }) {
  const me = await own.api("GET", "/users/me", { token });
  assert.ok([401, 403].includes(me.status), me.text);
  const refreshed = await own.api("POST", "/auth/refresh",
    { body: { refresh_token: refreshToken } });
  assert.equal(refreshed.status, 401, refreshed.text);
  const login = await own.api("POST", "/auth/login", { body: { email, password } });
  assert.ok([401, 403].includes(login.status), login.text);
}

const lock = (table) => locks.lock(own, table);
const isWaiting = (statement) => locks.isWaiting(own, statement);
const pids = (name) => pidsOf(own, name);

/** What is in a picture's metadata, and what is searched for, is never stored; all else is. */
async function isFoundNowhere() {
  const never = ["metadata", "search"];
  const one = await student();
  const { words } = one;
  const before = await places();
  for (const [name, word] of Object.entries(words)) {
    if (never.includes(name)) assert.deepEqual(where(before, word), [], name);
    else assert.ok(where(before, word).includes("database"), `${name} is not stored`);
  }
  for (const [name, word] of Object.entries(words)) {
    assert.ok(!before.logs.includes(word), `${name} is in a log`);
    assert.ok(!before.run.includes(word), `${name} is in the run folder`);
  }
  assert.ok(before.files.includes(one.id));
  const [{ mails }] = await own.db.query(
    "select count(*)::int as mails from fynq.mails where email = lower($1)", [one.email]);
  assert.equal(mails, 1);
  assert.ok(/COPY fynq.answers [^\n]*\n[^]*?\\\./.exec(before.database)[0]
    .includes(words.reply), "the answer is not in the cache");
  assert.equal((await own.api("POST", "/users/me/export", { token: one.token })).status, 200);

  const answer = await remove(one.token);
  assert.equal(answer.status, 204, answer.text);
  assert.equal(answer.text, "");
  await assertGone(one);
  await assertOut(one);
  assert.deepEqual(await own.db.query("select * from fynq.erasures"), []);
  const record = await own.db.query(
    "select event, address from fynq.audit where subject = $1 order by id", [one.id]);
  const events = record.map((row) => row.event);
  for (const event of ["exported", "deletion_asked", "deleted"]) {
    assert.equal(events.filter((it) => it === event).length, 1, event);
  }
  assert.deepEqual(record.filter((row) => row.address !== null), []);

  // The address is free, and whoever takes it finds nothing.
  const again = await own.register({ email: one.email });
  assert.notEqual(again.id, one.id);
  const { json } = await own.api("GET", "/chats", { token: again.token });
  assert.deepEqual(json.items, []);
  assert.equal((await remove(again.token)).status, 204);
}

describe("a user who leaves", () => {
  it("is found nowhere, having been found", isFoundNowhere);

  it("is out at once, also where the files cannot go; the upkeep ends it", async () => {
    const one = await student();
    const stuck = path.join(objects(one.id), "stuck");
    await mkdir(stuck); // No object: it is not removed, whoever tries.
    const answer = await remove(one.token);
    assert.equal(answer.status, 202, answer.text);
    await assertOut(one);
    assert.equal((await own.api("GET", "/users/me", { token: one.token })).status, 401);

    // Nor does anybody let it in again.
    const { token } = await admin(own);
    const body = { disabled: false };
    assertProblem(await own.api("PATCH", `/users/${one.id}`, { token, body }), 409, "conflict");
    const enabled = await own.fynqctl(["user", "enable", one.id]);
    assert.deepEqual([enabled.code, enabled.stderr],
      [1, "fynqctl: user: The account is being erased.\n"]);
    await assertOut(one);

    const { code, stdout, stderr } = await own.fynqctl(["upkeep"]);
    assert.equal(code, 1, stdout + stderr);
    assert.equal((await own.db.query("select * from auth.users where id = $1", [one.id])).length, 1);

    await rmdir(stuck);
    const done = await own.fynqctl(["upkeep"]);
    assert.equal(done.code, 0, done.stderr);
    await assertGone(one);
    await assertOut(one);
    assert.deepEqual(await own.db.query("select * from fynq.erasures"), []);
    assert.equal((await own.fynqctl(["upkeep"])).code, 0);
  });

  it("is gone though the process was killed; the auth responder goes on", async () => {
    const one = await student();
    // What is left is the account: it waits for this table.
    const unlock = await lock("public.user_limits");
    const asked = remove(one.token);
    await isWaiting("auth.users");
    for (const pid of await pids("users")) process.kill(pid, "SIGKILL");
    assert.equal((await asked).status, 502);
    const [row] = await own.db.query("select * from fynq.erasures where user_id = $1", [one.id]);
    assert.ok(row, "nobody knows of it any more");
    await assertOut(one);
    await unlock();
    await own.db.run("update fynq.erasures set due_at = now()");
    for (const pid of await pids("auth")) process.kill(pid, "SIGKILL");
    await waitUntil(async () => (await own.db.query("select * from fynq.erasures")).length === 0,
      { what: "the upkeep has erased it" });
    await assertGone(one);
  });

  it("may say so many times at once", async () => {
    const one = await student();
    const answers = await Promise.all(Array.from({ length: 6 }, () => remove(one.token)));
    const statuses = answers.map(({ status }) => status);
    assert.ok(statuses.includes(204), `${statuses}`);
    assert.ok(statuses.every((status) => [202, 204, 401, 403].includes(status)), `${statuses}`);
    assert.equal((await own.fynqctl(["upkeep"])).code, 0);
    await assertGone(one);
    assert.deepEqual(await own.db.query("select * from fynq.erasures"), []);
    assertProblem(await remove(one.token), 401, "unauthorized");
  });

  it("while the tutor answers: nothing of it is stored or told in a log", async () => {
    const one = await student();
    const words = { ...one.words, late: newWord(), said: newWord() };
    await own.gemini.script(words.late,
      [{ text: [`First ${words.said}`] }, { hold: true }, { text: [" more"] }, { end: "finish" }]);
    const stream = await own.sse("/chat/message", { content: words.late, stream: true },
      { token: one.token });
    await own.gemini.waitForCalls(words.late);
    const running = await pids("chat");
    assert.equal((await remove(one.token)).status, 204);
    await own.gemini.release(words.late);
    const { events } = await stream.all();
    assert.ok(events.length > 0);
    assert.deepEqual(await pids("chat"), running);
    await assertGone({ ...one, words });
  });
});

/** By a process of its own, for which Nginx need not wait. */
const removePatiently = (token) => own.cgi("users", "DELETE", "/api/v1/users/me", { token });

/**
 * A picture on its way to a process that has let its user in and waits for the last byte:
 * {process, finish()}, which sends that and resolves with the answer.
 */
async function beginUpload({ token }) {
  // More than what lies between two processes, so that whoever has taken it all but this has read.
  const picture = await pictures.convert("noise.png", "-size", "800x600", "xc:gray",
    "+noise", "Random");
  const { body, headers } = form({ content: newWord(), image: filePart(await readFile(picture)) });
  const upload = {};
  await new Promise((resolve, reject) => {
    const answer = own.cgi("chat", "POST", "/api/v1/chat/image", {
      token, body, headers,
      started: (process) => (upload.process = process),
      send: (stdin, bytes) => stdin.write(bytes.subarray(0, -1), resolve),
    });
    answer.then(({ text }) => reject(new Error(`it did not wait: ${text}`)), reject);
    upload.finish = () => {
      upload.process.stdin.end(body.subarray(-1));
      return answer;
    };
  });
  return upload;
}

const objectsOf = ({ id }) => readdir(objects(id)).catch(() => []);

/** Neither row, nor object, nor folder, and nobody has to come again. */
async function assertNothingOf({ id }) {
  assertNoRows(await dump(), id);
  assert.ok(!(await contents(path.join(own.state, "files"))).includes(id), "files");
  assert.deepEqual(await own.db.query("select * from fynq.erasures"), []);
}

describe("a picture that is on its way while its user leaves", () => {
  let one, upload;
  beforeEach(async () => {
    one = await own.register();
    upload = await beginUpload(one);
  });

  it("is refused once the user is being erased", async () => {
    const unlock = await lock("fynq.mails");
    const asked = removePatiently(one.token);
    await isWaiting("fynq.erase_rows");
    assertProblem(await upload.finish(), 404, "not_found");
    assert.deepEqual(await objectsOf(one), []);
    await unlock();
    assert.equal((await asked).status, 204);
    await assertNothingOf(one);
  });

  it("has no row yet when its process is killed and the account goes", async () => {
    const unlock = [await lock("fynq.mails"), await lock("public.files")];
    upload.finish();
    await isWaiting("fynq.upload_end");
    assert.equal((await objectsOf(one)).length, 1);
    upload.process.kill("SIGKILL");
    await once(upload.process, "exit");
    const asked = removePatiently(one.token);
    await isWaiting("fynq.erase_rows");
    assert.deepEqual(await objectsOf(one), []);
    for (const free of unlock) await free();
    assert.equal((await asked).status, 204);
    await assertNothingOf(one);
  });

  it("comes when all is gone: nothing of it stays", async () => {
    assert.equal((await remove(one.token)).status, 204);
    assertProblem(await upload.finish(), 404, "not_found");
    await assertNothingOf(one);
  });
});

describe("a user who leaves, where Supabase keeps the accounts", () => {
  let local;
  before(async () => {
    local = own;
    own = await startStack({ auth: "supabase", settings });
  });
  after(async () => {
    await own?.stop();
    own = local;
  });

  it("is found nowhere, having been found", isFoundNowhere);

  it("is out at once, also where Supabase does not answer; the upkeep ends it", async () => {
    const one = await student();
    await own.supabase.fail(one.id, "unavailable", { times: null });
    const answer = await remove(one.token);
    assert.equal(answer.status, 202, answer.text);
    await own.supabase.heal(one.id);
    await assertOut(one);
    const { code, stderr } = await own.fynqctl(["upkeep"]);
    assert.equal(code, 0, stderr);
    await assertGone(one);
    assert.deepEqual(await own.db.query("select * from fynq.erasures"), []);
  });
});
