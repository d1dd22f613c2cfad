// Everything that is held about a user, as one file: all of it, nobody else's, in little memory.

import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";

import { asked } from "./lib/chats.mjs";
import { api, cgi, db, register, stack, startStack, waitUntil } from "./lib/fynq.mjs";
import { filePart, form } from "./lib/form.mjs";
import { Pictures } from "./lib/pictures.mjs";
import { assertProblem } from "./lib/problem.mjs";
import { admitted, download, EXPORT } from "./lib/takeout.mjs";
import { sameDay } from "./lib/wait.mjs";
import { unzip } from "./lib/zip.mjs";

async function taken(token, on = stack) {
  const { status, headers, body } = await admitted(() => download(token, on));
  assert.equal(status, 200, body.toString());
  return { headers, files: await unzip(body) };
}

const json = (files, name) => JSON.parse(files[name].toString());

let pictures;
let picture;
before(async () => {
  pictures = await Pictures.make();
  picture = await readFile(await pictures.marked("takeout.png", { width: 32, height: 24 }));
});
after(() => pictures.remove());

async function sendPicture(token, name) {
  const { body, headers } = form({ content: `Look ${randomUUID()}`,
    image: filePart(picture, name) });
  const answer = await api("POST", "/chat/image", { token, body, headers });
  assert.equal(answer.status, 201, answer.text);
  return answer.json;
}

const objects = (on, id) => path.join(on.state, "files/objects", id.slice(-2), id);

/** A file of so many random bytes, as row and object. */
async function addFile(on, user, bytes, name = "big.bin") {
  const id = randomUUID();
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  await mkdir(objects(on, user), { recursive: true });
  await writeFile(path.join(objects(on, user), id), bytes);
  await on.db.run(
    `insert into files (id, user_id, purpose, name, media_type, bytes, sha256)
     values ($1, $2, 'chat', $3, 'application/octet-stream', $4, $5)`,
    [id, user, name, bytes.length, sha256],
  );
  return { id, sha256 };
}

describe("an export", { concurrency: 3 }, () => {
  it("has everything, as it is", async () => {
    const word = randomUUID();
    const student = await register({ display_name: `Ada ${word}`, locale: "de-CH" });
    const { token, id } = student;
    await api("PATCH", "/users/me", { token,
      body: { grade_level: `7${word.slice(0, 8)}`, preferences: { theme: `dark-${word}` } } });
    const key = `key-${word}`;
    const first = (await api("POST", "/chat/message", { token, body: { content: `Why ${word}?` },
      headers: { "idempotency-key": key } })).json;
    const chat = first.chat_id;
    const edit = `/chats/${chat}/messages/${first.message.id}/edit`;
    const again = await api("POST", edit, { token, body: { content: `Edited ${word}` } });
    assert.equal(again.status, 201, again.text);
    await db.run(
      `insert into summaries (message_id, chat_id, user_id, content) values ($1, $2, $3, $4)`,
      [first.reply.id, chat, id, `Sum ${word}`],
    );
    const shown = await sendPicture(token, `Größe ${word}.png`);
    await db.run("insert into user_limits (user_id, messages_day) values ($1, 77)", [id]);
    const other = await register();
    const foreign = await asked(other.token, { content: `Foreign ${randomUUID()}` });

    await sameDay();
    const day = new Date().toISOString().slice(0, 10);
    const { headers, files } = await taken(token);
    assert.equal(headers["content-type"], "application/zip");
    assert.equal(headers["cache-control"], "no-store");
    assert.match(headers["content-disposition"],
      new RegExp(`^attachment; filename="fynq-export-${day}\\.zip"`));

    const account = json(files, "account.json");
    assert.deepEqual([account.id, account.email, account.role], [id, student.email, "student"]);
    assert.equal(account.user_metadata.display_name, `Ada ${word}`);
    const profile = json(files, "profile.json");
    assert.deepEqual([profile.display_name, profile.locale, profile.preferences],
      [`Ada ${word}`, "de-CH", { theme: `dark-${word}` }]);
    assert.equal(json(files, "sessions.json").length, 1);
    assert.equal(json(files, "limits.json").own.messages_day, 77);
    assert.ok(json(files, "usage.json")[0].messages >= 2);
    assert.equal(json(files, "requests.json")[0].key, key);
    assert.deepEqual(json(files, "chats.json").map((c) => c.id).sort(),
      [chat, shown.chat_id].sort());

    const whole = json(files, `chats/${chat}.json`);
    const rows = await db.query("select id, content from messages where chat_id = $1", [chat]);
    assert.deepEqual(
      Object.fromEntries(whole.messages.map((m) => [m.id, m.content])),
      Object.fromEntries(rows.map((m) => [m.id, m.content])),
    );
    assert.equal(rows.length, 4);
    const summed = whole.messages.find((m) => m.id === first.reply.id);
    assert.equal(summed.summary.content, `Sum ${word}`);

    const [file] = json(files, "files.json");
    assert.equal(file.name, `Größe ${word}.png`);
    const name = Object.keys(files).find((n) => n.startsWith(`files/${file.id}-`));
    assert.match(name, /^[\x20-\x7e]+$/);
    assert.equal(createHash("sha256").update(files[name]).digest("hex"), file.sha256);

    assert.match(files["README.txt"].toString(), /profile\.json\n {4}Your profile/);
    const all = Buffer.concat(Object.values(files)).toString("latin1");
    assert.ok(!all.includes(other.id) && !all.includes(foreign.chat_id), "somebody else's rows");
    const [{ encrypted_password: hash }] =
      await db.query("select encrypted_password from auth.users where id = $1", [id]);
    const tokens = await db.query("select token from auth.refresh_tokens where user_id = $1", [id]);
    for (const secret of [hash, ...tokens.map((t) => t.token), student.refreshToken, token]) {
      assert.ok(!all.includes(secret), "a secret");
    }
  });

  it("leaves out no table that has users in it", async () => {
    const { token } = await register();
    const contents = json((await taken(token)).files, "contents.json");
    const told = new Set([
      ...contents.parts.flatMap((part) => part.tables.split(",")),
      ...contents.left_out.map((left) => left.table),
    ]);
    // A column that refers to a user, or that is called as if it did.
    const held = await db.query(`
      select distinct n.nspname || '.' || c.relname as name
      from pg_class c
      join pg_namespace n on n.oid = c.relnamespace
      join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      where n.nspname in ('public', 'fynq', 'auth') and c.relkind in ('r', 'p')
        and (a.attname in ('user_id', 'author_id', 'owner', 'owner_id', 'account', 'account_id', 'actor',
            'subject', 'asked_by', 'asker', 'email', 'created_by')
          or exists (
            select from pg_constraint k
            where k.contype = 'f' and k.conrelid = c.oid and a.attnum = any (k.conkey)
              and k.confrelid = 'auth.users'::regclass))`);
    assert.ok(held.length >= 10, "the catalog was not read");
    assert.deepEqual(held.map((row) => row.name).filter((name) => !told.has(name)), []);
  });

  it("of more rows than a page has", async () => {
    const { token, id } = await register();
    const { chat_id: chat } = await asked(token, { content: `Many ${randomUUID()}` });
    await db.run(
      `insert into messages (id, chat_id, user_id, sender, content)
       select gen_random_uuid(), $1, $2, 'student', 'n' || n || repeat('x', 3000)
       from generate_series(1, 1200) n`,
      [chat, id],
    );
    await db.run(
      `insert into chats (id, user_id, title)
       select gen_random_uuid(), $1, 'title' || n from generate_series(1, 600) n`,
      [id],
    );
    const large = "y".repeat(900000);
    await db.run(
      `insert into messages (id, chat_id, user_id, sender, content)
       select gen_random_uuid(), $1, $2, 'student', n || repeat('y', 900000)
       from generate_series(1, 2) n`,
      [chat, id],
    );
    const { files } = await taken(token);
    const { messages } = json(files, `chats/${chat}.json`);
    assert.equal(messages.length, 1204);
    assert.equal(new Set(messages.map((m) => m.id)).size, 1204);
    assert.equal(messages.filter((m) => m.content.endsWith(large)).length, 2);
    assert.equal(Object.keys(files).filter((name) => name.startsWith("chats/")).length, 601);
    assert.equal(json(files, "chats.json").length, 601);
  });

  it("is made while files go, and says which went", async () => {
    const { token, id } = await register();
    const kept = await addFile(stack, id, Buffer.from("kept"), "../../etc/passwd");
    const gone = await addFile(stack, id, Buffer.from("gone"));
    await rm(path.join(objects(stack, id), gone.id));
    const { files } = await taken(token);
    assert.equal(files[`files/${kept.id}-.._.._etc_passwd`].toString(), "kept");
    assert.deepEqual(json(files, "contents.json").files_without_bytes, [gone.id]);
    assert.match(files["README.txt"].toString(), new RegExp(gone.id));
  });

  it("is made a few times an hour, one at a time", async () => {
    const { token, id } = await register();
    for (let i = 0; i < 5; i += 1) await taken(token);
    const refused = await admitted(() => api("POST", EXPORT, { token }));
    assertProblem(refused, 429, "rate_limited");
    const wait = Number(refused.headers.get("retry-after"));
    assert.ok(wait > 3500 && wait <= 3600, `Retry-After: ${wait}`);
    const ages = "array(select t - interval '1 hour' from unnest(began_at) t)";
    await db.run(`update fynq.exports set began_at = ${ages} where user_id = $1`, [id]);
    await taken(token);
    const soon = "busy_until = now() + interval '20 s'";
    await db.run(`update fynq.exports set ${soon} where user_id = $1`, [id]);
    const running = await admitted(() => api("POST", EXPORT, { token }));
    assertProblem(running, 429, "rate_limited");
    assert.equal(running.headers.get("retry-after"), "10");
    const ended = "busy_until = now() - interval '1 s'";
    await db.run(`update fynq.exports set ${ended} where user_id = $1`, [id]);
    await taken(token);
  });

  it("that cannot be made is a problem, and the next one need not wait for it", async () => {
    const { token } = await register();
    const answer = await cgi("users", "POST", `/api/v1${EXPORT}`,
      { token, environment: { FYNQ_FILES_DIR: "/proc/nowhere" } });
    assertProblem(answer, 503, "storage_unavailable");
    await taken(token);
  });

  it("comes by CGI as well", async () => {
    const { token, id } = await register();
    const answer = await cgi("users", "POST", `/api/v1${EXPORT}`, { token });
    assert.equal(answer.status, 200);
    assert.match(answer.text, /^PK\u0003\u0004/);
    assert.ok(answer.text.includes("README.txt") && answer.text.includes("profile.json"), id);
  });
});

describe("an export on a machine of its own", () => {
  let own;
  before(async () => {
    // A statement waits for a lock of the test's for as long as the test needs.
    own = await startStack({
      settings: { FYNQ_PROCESSES: 1, FYNQ_THREADS: 4, FYNQ_DB_TIMEOUT_MS: 60000 },
    });
  });
  after(() => own?.stop());

  const MB = 1 << 20;

  /** Of the users responder's processes, the largest: resident bytes that are not files', and pid. */
  async function memory() {
    const found = [];
    for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
      try {
        const command = await readFile(`/proc/${pid}/cmdline`, "utf8");
        const environment = await readFile(`/proc/${pid}/environ`, "latin1");
        if (!command.includes("users.fcgi") || !environment.includes(own.state)) continue;
        const status = await readFile(`/proc/${pid}/status`, "utf8");
        const peak = Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024;
        if (peak > 0) found.push({ pid, peak });
      } catch {
        // It ended meanwhile.
      }
    }
    return found.sort((a, b) => b.peak - a.peak)[0];
  }

  it("of 200 MB takes no more memory than one of nothing", async (t) => {
    const student = await own.register();
    await taken((await own.register()).token, own);
    const before = await memory();
    const sums = [];
    for (let i = 0; i < 10; i += 1) {
      const bytes = Buffer.alloc(20 * MB, randomUUID());
      sums.push(await addFile(own, student.id, bytes, `part-${i}`));
    }
    const { files } = await taken(student.token, own);
    for (const { id, sha256 } of sums) {
      const name = Object.keys(files).find((n) => n.startsWith(`files/${id}`));
      assert.equal(createHash("sha256").update(files[name]).digest("hex"), sha256);
    }
    const { pid, peak } = await memory();
    assert.equal(pid, before.pid);
    const grown = (peak - before.peak) / MB;
    t.diagnostic(`an export of 200 MB grew the process by ${grown.toFixed(1)} MB`);
    assert.ok(grown < 8, `${grown} MB`);
  });

  it("leaves workers to others: of one process two at a time are made or sent", async () => {
    const students = await Promise.all([0, 1, 2].map(() => own.register()));
    // A lock on the chats keeps the archives from being finished, until its session is ended.
    const ended = assert.rejects(
      own.db.run("begin; lock table chats; select pg_sleep(60); commit"));
    const holders = "select pid from pg_locks where relation = 'chats'::regclass and granted" +
      " and mode = 'AccessExclusiveLock'";
    await waitUntil(async () => (await own.db.query(holders)).length > 0,
      { what: "the table is locked" });
    // The place of the test before may be taken for a moment longer.
    const two = students.slice(0, 2).map(({ token }) => admitted(() => download(token, own)));
    await waitUntil(async () => (await own.db.query(
      "select 1 from fynq.exports where busy_until is not null")).length === 2,
    { what: "two are at work" });
    const third = await own.api("POST", EXPORT, { token: students[2].token });
    assertProblem(third, 503, "busy");
    assert.equal(third.headers.get("retry-after"), "10");
    const me = await own.api("GET", "/users/me", { token: students[2].token });
    assert.equal(me.status, 200);
    await own.db.query(`select pg_terminate_backend(pid) from (${holders}) as l`);
    await ended;
    for (const { status, body } of await Promise.all(two)) {
      assert.equal(status, 200);
      await unzip(body);
    }
    await taken(students[2].token, own);
    assert.deepEqual(await readdir(path.join(own.state, "files/tmp")), []);
  });
});
