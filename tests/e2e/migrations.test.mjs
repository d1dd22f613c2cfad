// The database's migrations: forward, back, two at once, faults, and dbmate on the same folder.

import assert from "node:assert/strict";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { db, stack, startStack } from "./lib/fynq.mjs";
import { Database } from "./lib/database.mjs";
import { execute } from "./lib/stack.mjs";

const MIGRATIONS = fileURLToPath(new URL("../../sql/migrations", import.meta.url));
const SUPABASE = fileURLToPath(new URL("../fakes/supabase/schema.sql", import.meta.url));
const DBMATE = fileURLToPath(new URL("../../node_modules/.bin/dbmate", import.meta.url));

let names; // of the migrations' files, oldest first
let folder; // for copies of them
const databases = [];

before(async () => {
  names = (await readdir(MIGRATIONS)).filter((name) => name.endsWith(".sql")).sort();
  folder = await mkdtemp(path.join(os.tmpdir(), "fynq-migrations-"));
});

after(async () => {
  await rm(folder, { recursive: true });
  for (const name of databases) await db.run(`drop database ${name} with (force)`);
});

/** An empty database with its owner's URL and, as the superuser, its SQL. */
async function emptyDatabase() {
  const name = `migrations_${randomUUID().replaceAll("-", "")}`;
  await db.run(`create database ${name} owner fynq_owner`);
  databases.push(name);
  const at = (url) => url.replace("@/fynq?", `@/${name}?`);
  return { url: at(stack.ownerUrl), ...new Database(at(stack.databaseUrl)) };
}

/** A copy of the migrations to be edited; the result's `edit` and `add` change it. */
async function copyOfMigrations() {
  const directory = await mkdtemp(path.join(folder, "copy-"));
  await cp(MIGRATIONS, directory, { recursive: true });
  const file = (name) => path.join(directory, name);
  return {
    directory,
    edit: async (name, change) =>
      writeFile(file(name), change(await readFile(file(name), "utf8"))),
    add: (name, text) => writeFile(file(name), text),
  };
}

function migrate(database, what, directory = MIGRATIONS) {
  return stack.fynqctl(["migrate", what], {
    FYNQ_DATABASE_ADMIN_URL: database.url,
    FYNQ_MIGRATIONS_DIR: directory,
  });
}

/** The lines of an answer, as [["applied", "name.sql"], ...]. */
function told({ stdout }) {
  return stdout
    .split("\n")
    .filter((line) => line.endsWith(".sql") || line.endsWith(" ms)"))
    .map((line) => line.split(/ +/).slice(0, 2));
}

const all = (state) => names.map((name) => [state, name]);

async function expectOk(promise) {
  const answer = await promise;
  assert.equal(answer.code, 0, answer.stderr);
  return answer;
}

async function expectRefused(promise, pattern) {
  const answer = await promise;
  assert.equal(answer.code, 1, answer.stdout);
  assert.match(answer.stderr, pattern);
  return answer;
}

async function tables(database) {
  return database.query(
    `select schemaname || '.' || tablename as name from pg_tables
     where schemaname not in ('pg_catalog', 'information_schema')
       and tablename not in ('schema_migrations', 'migration_checksums')
     order by name`,
  );
}

test("up, status, down and up again", async () => {
  const database = await emptyDatabase();

  const pending = await migrate(database, "status");
  assert.equal(pending.code, 3);
  assert.deepEqual(told(pending), all("pending"));
  assert.deepEqual(await tables(database), []);

  assert.deepEqual(told(await expectOk(migrate(database, "up"))), all("applied"));
  assert.deepEqual(told(await expectOk(migrate(database, "status"))), all("applied"));
  const made = await tables(database);
  assert.ok(made.some(({ name }) => name === "public.messages"));
  assert.match((await expectOk(migrate(database, "up"))).stdout, /^Nothing to do\.$/m);

  for (const name of [...names].reverse()) {
    assert.deepEqual(told(await expectOk(migrate(database, "down"))), [["undone", name]]);
  }
  assert.deepEqual(await tables(database), []);
  await expectRefused(migrate(database, "down"), /no migration is applied/);

  await expectOk(migrate(database, "up"));
  assert.deepEqual(await tables(database), made);
});

test("users' data comes through an upgrade, by an owner whom row security binds, and back", async () => {
  const database = await emptyDatabase();
  await expectOk(migrate(database, "up"));
  const before = names.indexOf("20261124000001_uploads.sql");
  for (const name of names.slice(before).reverse()) {
    assert.deepEqual(told(await expectOk(migrate(database, "down"))), [["undone", name]]);
  }
  const [ada, bob, chat, file] = [1, 2, 3, 4].map(() => randomUUID());
  const picture = (id, bytes, purpose = "chat") => `insert into public.files
    (id, user_id, purpose, media_type, bytes, sha256, width, height)
    values ('${id}', '${ada}', '${purpose}', 'image/jpeg', ${bytes}, repeat('0', 64), 1, 1)`;
  await database.run(`
    insert into auth.users (id, email) values ('${ada}', 'ada@x.invalid'), ('${bob}', 'bob@x.invalid');
    insert into public.chats (id, user_id) values ('${chat}', '${ada}');
    ${picture(file, 1000)}; ${picture(randomUUID(), 24)};
    insert into public.messages (id, chat_id, user_id, sender, type, content, status, file_id)
    values ('${randomUUID()}', '${chat}', '${ada}', 'student', 'image', 'Look', 'complete', '${file}');
    insert into public.user_limits (user_id, messages_day) values ('${ada}', 7)`);
  const kept = () => database.query(`
    select m.content, m.file_id, f.bytes::int, l.messages_day
    from public.messages m join public.files f on f.id = m.file_id
      join public.user_limits l on l.user_id = m.user_id`);
  const data = [{ content: "Look", file_id: file, bytes: 1000, messages_day: 7 }];
  assert.deepEqual(await kept(), data);

  const used = () => database.query(`
    select u.id, f.counted, f.used::int from auth.users u,
      fynq.file_limits(u.id, 5, 5, 5, 5) f where f.counted like 'storage_%'
    order by u.id = '${bob}', f.counted`);
  for (let round = 0; round < 2; round++) {
    await expectOk(migrate(database, "up"));
    assert.deepEqual(await kept(), data);
    assert.deepEqual(await used(), [
      { id: ada, counted: "storage_bytes", used: 1024 }, { id: ada, counted: "storage_files", used: 2 },
      { id: bob, counted: "storage_bytes", used: 0 }, { id: bob, counted: "storage_files", used: 0 },
    ]);
    // What the older version does not know goes; the rest stays.
    await database.run(picture(randomUUID(), 5, "document"));
    for (const name of names.slice(before).reverse()) {
      assert.deepEqual(told(await expectOk(migrate(database, "down"))), [["undone", name]]);
    }
    assert.deepEqual(await kept(), data);
  }
});

test("two runs at once apply each migration once", async () => {
  const database = await emptyDatabase();
  const answers = await Promise.all([1, 2, 3].map(() => expectOk(migrate(database, "up"))));
  const lines = answers.flatMap(told);
  assert.deepEqual(lines.sort((a, b) => (a[1] < b[1] ? -1 : 1)), all("applied"));
});

test("an applied migration that was edited is refused", async () => {
  const database = await emptyDatabase();
  const copy = await copyOfMigrations();
  await expectOk(migrate(database, "up", copy.directory));

  await copy.edit(names[1], (text) => `${text}\n-- One more word.\n`);
  await copy.add("29990101000000_more.sql", "-- migrate:up\ncreate table more ();\n");
  const { stderr } = await expectRefused(migrate(database, "up", copy.directory), /edited/);
  assert.ok(stderr.includes(names[1]), stderr);
  await expectRefused(migrate(database, "down", copy.directory), /edited/);
  assert.ok(!(await tables(database)).some(({ name }) => name === "public.more"));

  const status = await migrate(database, "status", copy.directory);
  assert.equal(status.code, 3);
  assert.deepEqual(
    told(status),
    [...all("applied"), ["pending", "29990101000000_more.sql"]].map(([state, name]) =>
      name === names[1] ? ["edited", name] : [state, name],
    ),
  );
});

test("a migration that fails is undone whole, and told with its line", async () => {
  const database = await emptyDatabase();
  const copy = await copyOfMigrations();
  const bad = "29990101000000_bad.sql";
  await copy.add(bad, "-- migrate:up\ncreate table é ();\n\nselect nowhere;\n-- migrate:down\n");

  const { stderr } = await expectRefused(migrate(database, "up", copy.directory), /nowhere/);
  assert.match(stderr, /29990101000000_bad\.sql:4: /);
  assert.match(stderr, /SQLSTATE: 42703/);
  assert.deepEqual(told(await migrate(database, "status", copy.directory)), [
    ...all("applied"),
    ["pending", bad],
  ]);
  assert.ok(!(await tables(database)).some(({ name }) => name === "public.é"));

  await copy.add(bad, "-- migrate:up\ncommit;\n");
  await expectRefused(migrate(database, "up", copy.directory), /ended its transaction itself/);
});

test("what is not a migration is refused before anything runs", async () => {
  const faults = {
    "no marker": ["1_a.sql", "create table a ();\n", /SQL before the line -- migrate:up/],
    "only comments": ["1_a.sql", "-- nothing\n", /has no line -- migrate:up/],
    "down first": ["1_a.sql", "-- migrate:down\n-- migrate:up\n", /one line -- migrate:up, then/],
    "up twice": ["1_a.sql", "-- migrate:up\n-- migrate:up\n", /one line -- migrate:up, then/],
    options: ["1_a.sql", "-- migrate:up transaction:false\n", /not supported/],
    "not UTF-8": ["1_a.sql", Buffer.from([0x2d, 0x2d, 0xff, 0x0a]), /not UTF-8/],
    NUL: ["1_a.sql", "-- migrate:up\n\0", /not UTF-8/],
    "too large": ["1_a.sql", Buffer.alloc((1 << 20) + 1, "-"), /cannot read it/],
    "a version twice": ["20260101000001_again.sql", "-- migrate:up\n", /have the same version/],
  };
  const database = await emptyDatabase();
  for (const [fault, [name, text, pattern]] of Object.entries(faults)) {
    const copy = await copyOfMigrations();
    await copy.add(name, text);
    const { stderr } = await expectRefused(migrate(database, "up", copy.directory), pattern);
    assert.ok(stderr.includes(name), `${fault}: ${stderr}`);
  }
  assert.deepEqual(await tables(database), []);
});

test("a database that does not answer is told without its password", async () => {
  const database = { url: "postgresql://fynq:hunter2-hunter2@127.0.0.1:1/fynq" };
  const { stderr } = await expectRefused(migrate(database, "up"), /refused/i);
  assert.ok(!stderr.includes("hunter2"), stderr);
  const nonsense = await expectRefused(migrate({ url: "hunter2-hunter2" }, "up"), /neither a URI/);
  assert.ok(!nonsense.stderr.includes("hunter2"), nonsense.stderr);
});

async function dbmate(database, ...args) {
  const url = `${database.url.replace("?host=", "?socket=")}&sslmode=disable`;
  const environment = { PATH: process.env.PATH, HOME: os.tmpdir(), DATABASE_URL: url };
  return execute(DBMATE, ["-d", MIGRATIONS, "--no-dump-schema", ...args], environment);
}

test("dbmate runs the same folder up and down", async () => {
  const database = await emptyDatabase();
  await expectOk(dbmate(database, "migrate"));
  const made = await tables(database);
  assert.ok(made.some(({ name }) => name === "public.messages"));
  for (const name of names) {
    const { stdout, stderr } = await expectOk(dbmate(database, "rollback"));
    assert.match(stdout + stderr, /Rolled back/, name);
  }
  assert.deepEqual(await tables(database), []);
  await expectOk(dbmate(database, "migrate"));
  assert.deepEqual(await tables(database), made);
});

test("fynqctl adopts what dbmate applied, and dbmate follows fynqctl", async () => {
  const database = await emptyDatabase();
  await expectOk(dbmate(database, "migrate"));
  assert.deepEqual(told(await expectOk(migrate(database, "status"))), all("applied"));
  assert.deepEqual(told(await expectOk(migrate(database, "up"))), all("adopted"));

  const copy = await copyOfMigrations();
  await copy.edit(names[0], (text) => `${text}\n`);
  await expectRefused(migrate(database, "up", copy.directory), /edited/);

  // Undone by dbmate, the migration is new again, also where it has changed since.
  const newest = names.at(-1);
  await expectOk(dbmate(database, "rollback"));
  assert.deepEqual(told(await migrate(database, "status")).at(-1), ["pending", newest]);
  assert.deepEqual(told(await expectOk(migrate(database, "up"))), [["applied", newest]]);
  const { stdout } = await expectOk(dbmate(database, "status"));
  assert.match(stdout, new RegExp(`Applied: ${names.length}\\s+Pending: 0`));
});

// Where the extensions are Supabase's, and so is auth.users: what is about a user goes by triggers
// and keys that run for a role with no right on any of it.
test("in a project of Supabase, down and up again, and accounts go with all that is theirs", async () => {
  const own = await startStack({ auth: "supabase" });
  try {
    await own.db.run("create database project owner fynq_owner");
    const secret = await readFile(path.join(own.state, "secret/supabase_auth_admin"), "utf8");
    const at = (url) => url.replace("@/fynq?", "@/project?");
    const project = new Database(at(own.databaseUrl));
    const auth = new Database(
      at(own.databaseUrl).replace(/\/\/[^@]*@/, `//supabase_auth_admin:${secret.trim()}@`));
    await project.run(`\\set owner fynq_owner\n\\set password '${secret.trim()}'\n` +
      await readFile(SUPABASE, "utf8"));
    await project.run("create extension pg_trgm with schema extensions");
    const migrated = async (what) =>
      told(await expectOk(own.fynqctl(["migrate", what], { FYNQ_DATABASE_ADMIN_URL: at(own.ownerUrl) })));
    const before = await tables(project);

    assert.deepEqual(await migrated("up"), all("applied"));
    for (const name of [...names].reverse()) assert.deepEqual(await migrated("down"), [["undone", name]]);
    assert.deepEqual(await tables(project), before);
    assert.deepEqual(await migrated("up"), all("applied"));
    assert.deepEqual(await project.query(
      `select n.nspname as schema from pg_extension e join pg_namespace n on n.oid = e.extnamespace
       where e.extname = 'pg_trgm'`), [{ schema: "extensions" }]);

    const [user, file, text, script] = Array.from({ length: 4 }, () => randomUUID());
    await auth.run("insert into auth.users (id, email) values ($1, 'ada@example.com')", [user]);
    await project.run(
      `insert into files (id, user_id, purpose, media_type, bytes, sha256)
         values ($2, $1, 'content', 'application/pdf', 7, repeat('a', 64));
       set role service_role;
       insert into contents (id, author_id, type, title, body) values ($3, $1, 'text', 'T', 'Words');
       insert into contents (id, author_id, type, title, file_id) values ($4, $1, 'pdf', 'P', $2);
       select fynq.put_passages($3, due_at, 1, '[{"page": null, "body": "Words"}]'),
         fynq.end_passages($3, due_at, 1, null) from contents where id = $3;
       update contents set language = 'en' where id = $3`, [user, file, text, script]);
    const left = async () => (await project.query(
      `select (select count(*) from files)::int as files, (select count(*) from contents)::int as contents,
         (select count(*) from content_passages)::int as passages,
         (select coalesce(sum(bytes), 0) from fynq.file_usage)::int as bytes`))[0];
    assert.deepEqual(await left(), { files: 1, contents: 2, passages: 1, bytes: 7 });
    await auth.run("delete from auth.users where id = $1", [user]);
    assert.deepEqual(await left(), { files: 0, contents: 0, passages: 0, bytes: 0 });
  } finally {
    await own.stop();
  }
});
