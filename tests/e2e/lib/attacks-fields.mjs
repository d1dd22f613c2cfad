// Words that mean something to SQL, HTTP, shells, templates or parsers, in every field of every
// route of accounts; and values of the wrong kind. No answer is a 5xx, none has a header that was
// written by the words, and the database is as it was.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, it } from "node:test";

import { goodValue, nameOf, operations, requestFor, typesOf } from "./openapi.mjs";
import { registerAs } from "./people.mjs";

// A table that every role of the service may change: an injected statement would.
const table = `sentinel_${randomBytes(6).toString("hex")}`;
const mine = `delete from public.${table}`;

const payloads = {
  "a quote that ends a string": `'; ${mine}; --`,
  "one in a comparison": `' or exists(select ${table}) or '1'='1`,
  "one in JSON": `"}'; ${mine}; --`,
  "a dollar quote": `$$; ${mine}; --`,
  "a backslash before a quote": `\\'; ${mine}; --`,
  "a quote past ASCII": `ʼ＇; ${mine}; --`,
  "a statement without quotes": `1; ${mine}`,
  "a union": "' union select encrypted_password, null from auth.users --",
  "a second that passes": "'; select pg_sleep(8); --",
  "one that passes in an expression": "'||(select pg_sleep(8))||'",
  "parameters": "$1 $2 :name ?",
  "formats": "%s%s%n%1000000d",
  "a header": "x\r\nX-Injected: yes",
  "a header by a line feed": "x\nX-Injected: yes",
  "a header, encoded": "x%0d%0aX-Injected:%20yes",
  "an answer": "x\r\n\r\nHTTP/1.1 200 OK\r\nX-Injected: yes\r\n\r\n",
  "line ends past ASCII": "x\u2028X-Injected: yes\u0085X-Injected: yes\u560d\u560aX-Injected: yes",
  "recipients": "victim@example.com\r\nBcc: everyone@example.com",
  "commands of SMTP": "x@example.com>\r\nRCPT TO:<victim@example.com",
  "a NUL": "a\0b",
  "a NUL, encoded": "a%00b",
  "control characters": "\u0001\u001b[2J\u007f",
  "half of a pair": "\ud800",
  "another direction": "\u202egnp.exe",
  "a path": "../../../../etc/passwd",
  "a path, encoded": "..%2f..%2fetc%2fpasswd",
  "a file": "file:///etc/passwd",
  "an address within": "http://169.254.169.254/latest/meta-data/",
  "a shell": "; id | $(id) `id` && id",
  "a template": "{{7*7}}${7*7}<%= 7*7 %>#{7*7}",
  "a look-up": "${jndi:ldap://127.0.0.1:1/a}",
  "a page": "<script>alert(1)</script>",
  "an operator": '{"$gt": ""}',
  "a filter": "*)(|(mail=*",
  "a prototype": "__proto__",
  "a boolean": "true",
  "a number": "-9223372036854775809",
  "nothing": "null",
  "letters that fold": "ſİıK",
};

const wrong = {
  "a number": 7,
  "a fraction": 1e308,
  "true": true,
  "null": null,
  "an empty list": [],
  "a list of strings": ["a", "b"],
  "an empty object": {},
  "an operator": { $ne: null },
  "ten levels": JSON.parse(`${'{"a":'.repeat(10)}1${"}".repeat(10)}`),
};

/** `stackProvider` resolves with the stack to write to; whoever keeps its accounts. */
export function attackFields(stackProvider, programs = ["auth", "users"]) {
  const targets = operations.filter(({ program, fields }) =>
    programs.includes(program) && fields.length > 0);
  let api, db, register, stack;
  let bystander;
  let witness; // What the database holds of the bystander.
  let admin;

  const state = async () => JSON.stringify(await db.query(
    `select (select to_jsonb(u) from auth.users u where id = $1) as u,
       (select to_jsonb(p) from public.profiles p where id = $1) as p,
       (select count(*) from auth.sessions s where user_id = $1) as s`,
    [bystander.id],
  ));

  before(async () => {
    stack = await stackProvider();
    ({ api, db, register } = stack);
    bystander = await register();
    admin = await registerAs(stack, "admin");
    witness = await state();
    await db.run(`create table public.${table} (id int);
      insert into public.${table} values (1), (2);
      grant all on public.${table} to anon, authenticated, service_role, fynq`);
  });

  after(() => db.run(`drop table if exists public.${table}`));

  /** Who tries: admins' routes take nobody else's fields; who changes themselves is their own. */
  async function tokenFor({ who }) {
    if (who === "anyone") return undefined;
    return who === "admin" ? admin.token : (await register()).token;
  }

  /** What holds of every answer here. */
  function assertHarmless(answer, what) {
    assert.ok(answer.status < 500, `${what}: ${answer.status} ${answer.text}`);
    assert.equal(answer.headers.get("x-injected"), null, what);
    assert.equal(answer.headers.get("location")?.includes("X-Injected: yes") ?? false, false, what);
    // A second that an injected statement lets pass is one of FYNQ_DB_TIMEOUT_MS, which ends as 503.
    assert.ok(answer.ms < 30000, `${what}: ${answer.ms} ms`);
    assert.equal(answer.text.includes("root:"), false, what);
    if (answer.status < 400) return;
    assert.equal(answer.headers.get("content-type"), "application/problem+json", what);
    assert.equal(answer.json.instance, answer.headers.get("x-request-id"), what);
  }

  /** Some answers take their time, whatever the words. */
  async function aFewAtOnce(list, work) {
    const left = [...list];
    await Promise.all(Array.from({ length: 8 }, async () => {
      while (left.length > 0) await work(left.shift());
    }));
  }

  /** A lone surrogate has no form in a URL. */
  const isWellFormed = (text) => Buffer.from(text).toString() === text;

  const send = (operation, token, { path, body }) =>
    api(operation.method, path, { token, body });

  describe("hostile words", { concurrency: 4 }, () => {
    for (const operation of targets) {
      const texts = operation.fields.filter((field) =>
        typesOf(field).includes("string") || field.where !== "body");
      for (const field of texts) {
        it(`${nameOf(operation)}: ${field.name}`, async () => {
          const token = await tokenFor(operation);
          const sent = Object.entries(payloads)
            .filter(([, payload]) => field.where === "body" || isWellFormed(payload));
          await aFewAtOnce(sent, async ([name, payload]) => {
            const request = requestFor(operation, { [field.name]: payload });
            assertHarmless(await send(operation, token, request), name);
          });
        });
      }
    }
  });

  describe("values of the wrong kind", { concurrency: 4 }, () => {
    for (const operation of targets) {
      for (const field of operation.fields.filter(({ where }) => where === "body")) {
        it(`${nameOf(operation)}: ${field.name}`, async () => {
          const token = await tokenFor(operation);
          const types = typesOf(field);
          for (const [name, value] of Object.entries(wrong)) {
            const request = requestFor(operation, { [field.name]: value });
            const answer = await send(operation, token, request);
            assertHarmless(answer, name);
            if (types.includes("string") && value !== null) {
              assert.equal(answer.status, 422, `${name}: ${answer.text}`);
            }
          }
          const good = requestFor(operation, { [field.name]: goodValue(field) });
          const twice = JSON.stringify(good.body)
            .replace("{", `{${JSON.stringify(field.name)}:${JSON.stringify(goodValue(field))},`);
          const answer = await api(operation.method, requestFor(operation).path, {
            token,
            body: twice,
            headers: { "content-type": "application/json" },
          });
          assert.equal(answer.status, 400, answer.text);
          assert.equal(answer.json.code, "bad_json");
        });
      }
    }
  });

  describe("one character too many", { concurrency: 4 }, () => {
    for (const operation of targets) {
      for (const field of operation.fields.filter(({ schema }) => schema.maxLength)) {
        it(`${nameOf(operation)}: ${field.name}`, async () => {
          const token = await tokenFor(operation);
          const value = "a".repeat(field.schema.maxLength + 1);
          const request = requestFor(operation, { [field.name]: value });
          const answer = await send(operation, token, request);
          assertHarmless(answer, "");
          assert.ok([404, 422].includes(answer.status), answer.text);
          if (answer.status === 404) return;
          assert.deepEqual(answer.json.errors.map((fault) => fault.field), [field.name]);
        });
      }
    }
  });

  it("the database is as it was", async () => {
    assert.deepEqual(await db.query(`select id from public.${table} order by id`), [
      { id: 1 }, { id: 2 },
    ]);
    assert.equal(await state(), witness);
    const { status } = await api("GET", "/users/me", { token: bystander.token });
    assert.equal(status, 200);
  });

  it("the log is lines of JSON", async () => {
    const lines = await stack.log();
    assert.ok(lines.length > 1000, String(lines.length));
    assert.ok(lines.every(({ time, program, event }) => time && program && event));
  });

  it("the sentinel falls to a statement that is injected", async () => {
    const other = `${table}_too`;
    await db.run(`create table public.${other} (id int); insert into public.${other} values (1);
      grant all on public.${other} to authenticated`);
    await db.run(`set role authenticated; ${mine.replace(table, other)}`);
    assert.deepEqual(await db.query(`select id from public.${other}`), []);
    await db.run(`drop table public.${other}`);
  });
}
