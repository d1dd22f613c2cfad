// The library against who means harm, and against many at once.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { before, describe, it } from "node:test";

import { api, cgi, db, register, stack, waitUntil } from "./lib/fynq.mjs";
import { putContent } from "./lib/library.mjs";
import { pdf } from "./lib/pdf.mjs";
import { registerAs } from "./lib/people.mjs";
import { assertProblem } from "./lib/problem.mjs";

/** A word that no other test has. */
const word = () => `q${randomBytes(6).toString("hex")}`;

const TEXT = { type: "text", title: "Light", body: "It is fast.", published: true };

let teacher;
let other;
let student;

before(async () => {
  [teacher, other, student] = await Promise.all([
    registerAs(stack, "teacher"), registerAs(stack, "teacher"), register(),
  ]);
});

const send = (method, path, body, { who = teacher, ...headers } = {}) =>
  api(method, path, { token: who.token, body, headers });

async function add(members = {}) {
  const { status, text, json } = await send("POST", "/contents", { ...TEXT, ...members });
  assert.equal(status, 201, text);
  return json;
}

const list = async (query, who = teacher) => {
  const path = `/contents?${new URLSearchParams(query)}`;
  const { status, text, json } = await send("GET", path, undefined, { who });
  assert.equal(status, 200, `${path}: ${text}`);
  return json;
};

/** A content whose text is no longer waited for, and its entity tag. */
async function settled(id) {
  const got = await waitUntil(async () => {
    const answer = await send("GET", `/contents/${id}`);
    return answer.json.extraction !== "waiting" && answer;
  });
  return got.headers.get("etag");
}

const counted = (answers) => {
  const counts = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
};

describe("many at once", () => {
  it("of those who change one state, one does", async () => {
    const { id } = await add();
    const tag = await settled(id);
    const answers = await Promise.all(Array.from({ length: 8 }, (_, i) =>
      send("PATCH", `/contents/${id}`, { title: `By ${i}` }, { "if-match": tag })));
    assert.deepEqual(counted(answers), { 200: 1, 412: 7 });
    const { json } = answers.find(({ status }) => status === 200);
    assert.equal((await send("GET", `/contents/${id}`)).json.title, json.title);
  });

  it("of those who delete one, one does, and the others hear that it is gone", async () => {
    for (let i = 0; i < 5; i++) {
      const { id } = await add();
      const answers = await Promise.all(Array.from({ length: 6 }, () =>
        send("DELETE", `/contents/${id}`)));
      assert.deepEqual(counted(answers), { 204: 1, 404: 5 });
    }
  });

  // A row that another transaction holds, and then deletes: the statements wait for it.
  it("a content that goes while it is changed or deleted is not found", async () => {
    for (const [method, body] of [["PATCH", { title: "Late" }], ["DELETE", undefined]]) {
      const { id } = await add();
      await settled(id);
      const mark = Math.trunc(Math.random() * 2 ** 31);
      const gone = db.run(
        `begin; delete from contents where id = $1;
         select pg_advisory_xact_lock($2) \\g /dev/null
         do $$ begin
           for i in 1..1000 loop
             exit when exists (select from pg_stat_activity where wait_event_type = 'Lock'
               and pg_backend_pid() = any (pg_blocking_pids(pid)));
             perform pg_sleep(0.01), pg_stat_clear_snapshot();
           end loop;
         end $$;
         commit;`, [id, mark]);
      await waitUntil(async () => (await db.query(
        "select 1 from pg_locks where locktype = 'advisory' and granted and objid = $1::oid",
        [mark])).length > 0);
      assertProblem(await send(method, `/contents/${id}`, body), 404, "not_found");
      await gone;
    }
  });
});

describe("how many a day", () => {
  const post = ({ token }, headers = {}, title = "Light") => cgi("contents", "POST", "/api/v1/contents", {
    token, headers, body: { ...TEXT, title }, environment: { FYNQ_CONTENTS_DAY: "3" },
  });
  const kept = async ({ id }) =>
    (await db.query("select id from contents where author_id = $1", [id])).map((row) => row.id);

  /** So many posts, none of which gets further than its row before all of them are there. */
  async function atOnce(who, n) {
    const held = db.run(
      `begin; select from auth.users where id = $1 for update;
       do $$ begin
         for i in 1..1000 loop
           exit when ${n} = (select count(*) from pg_stat_activity
             where pg_backend_pid() = any (pg_blocking_pids(pid)));
           perform pg_sleep(0.01), pg_stat_clear_snapshot();
         end loop;
       end $$;
       commit;`, [who.id]);
    await waitUntil(async () => (await db.query(
      `select 1 from pg_locks l join pg_class r on r.oid = l.relation
       where r.relname = 'users' and l.mode = 'RowShareLock'`)).length > 0);
    const answers = await Promise.all(Array.from({ length: n }, () => post(who)));
    await held;
    return answers;
  }

  it("a teacher may add is exact, whoever asks at once; a day later there is room again", async () => {
    const [who, admin] = await Promise.all(["teacher", "admin"].map((role) => registerAs(stack, role)));
    const answers = await atOnce(who, 8);
    assert.deepEqual(counted(answers), { 201: 3, 429: 5 });
    const refused = answers.find(({ status }) => status === 429);
    assertProblem(refused, 429, "rate_limited");
    assert.match(refused.json.detail, /limit of 3 contents a day/);
    const wait = Number(refused.headers.get("retry-after"));
    assert.ok(wait >= 1 && wait <= 86400, String(wait));
    const [first] = await kept(who);
    assert.equal((await kept(who)).length, 3);
    assert.equal((await send("PATCH", `/contents/${first}`, { title: "Dark" }, { who })).status, 200);
    await db.run("update contents set created_at = created_at - interval '1 day' where id = $1", [first]);
    assert.deepEqual(counted([await post(who), await post(who)]), { 201: 1, 429: 1 });
    assert.deepEqual(counted(await Promise.all(Array.from({ length: 5 }, () => post(admin)))), { 201: 5 });
  });

  it("a refusal leaves its Idempotency-Key free, and what a key has added is told again", async () => {
    const who = await registerAs(stack, "teacher");
    const keys = ["a", "b", "c", "d"].map((name) => ({ "idempotency-key": `${name} ${who.id}` }));
    const before = [];
    for (const key of keys) before.push(await post(who, key));
    assert.deepEqual(before.map(({ status }) => status), [201, 201, 201, 429]);
    const again = await post(who, keys[2]);
    assert.deepEqual([again.status, again.json.id], [201, before[2].json.id]);
    await send("DELETE", `/contents/${before[0].json.id}`, undefined, { who });
    assert.equal((await post(who, keys[3])).status, 201);
    assertProblem(await post(who, keys[3], "Another"), 409, "idempotency_key_reused");
    assert.equal((await kept(who)).length, 3);
  });
});

describe("fields", () => {
  it("links that only look like one to a host that is allowed", async () => {
    for (const url of [
      "https://youtube.com@evil.example/x", "https://evil.example@youtube.com/x",
      "https://YOUTUBE.com/x", "HTTPS://youtube.com/x", "https://youtube.com./x",
      "https://youtube.com:443/x", "https://youtube.com:/x", "https://youtube.com/../x",
      "https://youtube.com/%2e%2e/x", "https://youtube.com/x#y", "https://youtube.com\\@evil.example/",
      "https://youtube.com%2fevil.example/", "https:youtube.com/x", "https:///youtube.com/x",
      "https://y\u043eutube.com/x", "https://xn--yutube-bqf.com/x", "https://youtube.com/\u00e9",
      "https://youtube.com/x\ty", "https://youtube.com/x\r\nSet-Cookie: a=b", " https://youtube.com/x",
      "https://youtube.com/%zz", "https://youtube.com/%", "https://youtube.com?x=1", "https://",
      "data:text/html,x", "https://youtube.com,vimeo.com/x", "https://,/x", "https://.com/x", "",
      `https://youtube.com/${"x".repeat(2048)}`, "https://[::1]/x",
    ]) {
      const tried = await send("POST", "/contents", { type: "video", title: "A film", url });
      assert.equal(tried.status, 422, `${url}: ${tried.text}`);
      assert.deepEqual(tried.json.errors.map(({ field }) => field), ["url"], url);
    }
    const film = await add({ type: "video", body: undefined, url: "https://youtu.be/x?t=1&a=%2F" });
    for (const url of ["https://evil.example/x", "https://youtu.be:1/x", "", null]) {
      assertProblem(await send("PATCH", `/contents/${film.id}`, { url }), 422, "invalid", ["url"]);
    }
    // Two members of one name, however they are written: what is checked must be what is kept.
    for (const name of ["url", "\\u0075rl"]) {
      const body = `{"url":"https://youtu.be/y","${name}":"https://evil.example/x"}`;
      const tried = await send("PATCH", `/contents/${film.id}`, body,
        { "content-type": "application/json" });
      assert.ok([400, 422].includes(tried.status), tried.text);
    }
    assert.equal((await send("GET", `/contents/${film.id}`)).json.url, film.url);
  });

  it("of every kind are refused by name", async () => {
    const { id } = await add();
    for (const [members, field] of [
      [{ title: " " }, "title"], [{ title: "\u2028" }, "title"], 
      [{ title: "a\nb" }, "title"], [{ title: "x".repeat(201) }, "title"], [{ title: null }, "title"],
      [{ title: 1 }, "title"],
      [{ description: "x".repeat(2001) }, "description"],
      [{ body: "" }, "body"], [{ body: null }, "body"],
      [{ language: "" }, "language"], [{ language: "x" }, "language"],
      [{ language: "english please" }, "language"], [{ language: "en'; drop" }, "language"],
      [{ language: "e".repeat(99) }, "language"], [{ language: "en-" }, "language"],
      [{ tags: "physics" }, "tags"], [{ tags: [1] }, "tags.0"],
      [{ tags: ["x", "x".repeat(51)] }, "tags.1"], [{ tags: null }, "tags"], [{ tags: ["a", ""] }, "tags.1"],
      [{ published: "true" }, "published"], [{ published: null }, "published"],
      [{ file_id: "x" }, "file_id"], [{ file_id: null }, "file_id"], [{ author_id: other.id }, "author_id"],
      [{ search: "x" }, "search"], [{ extraction: "done" }, "extraction"], [{ pages: 1 }, "pages"],
    ]) {
      for (const [method, path, body] of [
        ["POST", "/contents", { ...TEXT, ...members }], ["PATCH", `/contents/${id}`, members],
      ]) {
        const tried = await send(method, path, body);
        assert.equal(tried.status, 422, `${method} ${JSON.stringify(members).slice(0, 99)}: ${tried.text}`);
        assert.deepEqual(tried.json.errors.map((e) => e.field), [field], JSON.stringify(members).slice(0, 99));
      }
    }
    for (const value of ['"a\\u0000b"', '"\\ud800"', '"\\udc00\\ud800"']) {
      for (const name of ["title", "description", "body", "language"]) {
        const tried = await send("PATCH", `/contents/${id}`, `{"${name}":${value}}`,
          { "content-type": "application/json" });
        assertProblem(tried, 400, "bad_json");
      }
    }
    assertProblem(await send("PATCH", `/contents/${id}`, { type: "video" }), 422, "invalid", ["type"]);
    const kept = (await send("GET", `/contents/${id}`)).json;
    assert.deepEqual([kept.title, kept.body, kept.tags], [TEXT.title, TEXT.body, []]);
  });

  it("tags are whatever they are, and found by that alone", async () => {
    const mine = word();
    const tags = ["a,b", "it's", '"quoted"', "100%", "#published", "c\\d", "a & b | !c", "{x}", "null",
      "'#type=pdf'", "::text", "\u{1F642}", "_", "x:*", "(", "NaN"].map((tag) => `${tag}${mine}`);
    const { id, tags: kept } = await add({ tags });
    assert.deepEqual(kept, tags.map((tag) => tag.toLowerCase()));
    for (const tag of tags) {
      assert.deepEqual((await list({ tag }, student)).items.map((c) => c.id), [id], tag);
    }
    for (const tag of [mine, `%${mine}`, `a${mine}`, `_${mine.slice(1)}`, "#published", "' | '#published"]) {
      const { items } = await list({ tag }, student);
      assert.ok(!items.some((c) => c.id === id), tag);
    }
    await send("PATCH", `/contents/${id}`, { tags: tags.slice(0, 1) });
    assert.deepEqual((await list({ tag: tags[1] })).items, []);
  });

  it("at their longest they are kept", async () => {
    const wide = "\u{1F642}";
    const longest = {
      title: wide.repeat(200), description: wide.repeat(2000), body: wide.repeat(200000),
      tags: Array.from({ length: 20 }, (_, i) => `${String.fromCodePoint(97 + i)}${wide.repeat(49)}`),
      language: "zh-Hant-TW",
    };
    const content = await add(longest);
    for (const [name, value] of Object.entries(longest)) assert.deepEqual(content[name], value, name);
    const words = Array.from({ length: 28000 }, (_, i) => (i * 7919 + 60466176).toString(36)).join(" ");
    assert.ok(words.length <= 200000);
    const { id } = await add({ body: words });
    await settled(id);
    assert.equal((await send("GET", `/contents/${id}`)).json.extraction, "done");
  });
});

describe("files of contents", () => {
  const put = async (who, fields = {}) => {
    const { purpose = "content", type = "application/pdf" } = fields;
    const [{ id }] = await db.query(
      `insert into files (id, user_id, purpose, media_type, bytes, sha256)
       values (gen_random_uuid(), $1, $2, $3, 1, repeat('a', 64)) returning id`,
      [who.id, purpose, type]);
    return id;
  };

  it("are the author's, for the library, and of the content's type", async () => {
    const wrong = await Promise.all([
      put(other), put(teacher, { purpose: "document" }), put(teacher, { type: "video/mp4" }),
      put(teacher, { type: "text/plain" }),
    ]);
    const id = await putContent(stack, teacher.id, { pdf: pdf(["One."]) });
    for (const file_id of wrong) {
      for (const [method, path, body] of [
        ["POST", "/contents", { type: "pdf", title: "Stolen", file_id }],
        ["PATCH", `/contents/${id}`, { file_id }],
      ]) {
        assertProblem(await send(method, path, body), 422, "invalid", ["file_id"]);
      }
    }
    // Who may change everything gives a content no file that is not its author's, either.
    const admin = await registerAs(stack, "admin");
    const theirs = await put(admin);
    assertProblem(await send("PATCH", `/contents/${id}`, { file_id: theirs }, { who: admin }), 422,
      "invalid", ["file_id"]);
    const text = await add();
    assertProblem(await send("PATCH", `/contents/${text.id}`, { file_id: await put(teacher) }), 422,
      "invalid", ["file_id"]);
    const film = await add({ type: "video", body: undefined, url: "https://youtu.be/x" });
    const file = await put(teacher, { type: "video/mp4" });
    const both = { file_id: file, url: "https://youtu.be/y" };
    assertProblem(await send("PATCH", `/contents/${film.id}`, both), 422, "invalid", ["url"]);
    const { json: stored } = await send("PATCH", `/contents/${film.id}`, { file_id: file });
    assert.deepEqual([stored.file_id, stored.url], [file, `/api/v1/files/${file}/content`]);
    const { json: linked } = await send("PATCH", `/contents/${film.id}`, { url: both.url });
    assert.deepEqual([linked.file_id, linked.url], [null, both.url]);
  });
});

it("in another language a long text is changed at once, and read again", async () => {
  const mine = word();
  const { id } = await add({ body: `${mine} grows.`, language: "en" });
  await settled(id);
  // As many passages as there may be: no request has the time to stem them all.
  await db.run(
    `insert into content_passages (content_id, n, body, search)
     select $1, n, b.body, '' from generate_series(2, 5000) n
     cross join (select string_agg(md5(i::text), ' ') as body from generate_series(1, 36) i) b`, [id]);
  const changed = await send("PATCH", `/contents/${id}`, { language: "de" });
  assert.deepEqual([changed.status, changed.json.extraction], [200, "waiting"], changed.text);
  await settled(id);
  assert.deepEqual(await db.query(
    "select n, search::text from content_passages where content_id = $1", [id]),
    [{ n: 1, search: `'grows':2 '${mine}':1` }]);
  assert.deepEqual((await list({ q: `${mine} grows` })).items.map((c) => c.id), [id]);
});

describe("pages", () => {
  const walk = async (query) => {
    const pages = [];
    let cursor;
    do {
      const { items, next_cursor: next } = await list(cursor ? { ...query, cursor } : query, student);
      pages.push(items.map(({ id }) => id));
      cursor = next;
    } while (cursor && pages.length < 20);
    return pages;
  };

  it("of equals have neither gaps nor doubles", async () => {
    const mine = word();
    const made = [];
    for (let i = 0; i < 7; i++) made.unshift((await add({ title: mine, tags: [mine] })).id);
    for (const query of [{ q: mine, limit: 2 }, { tag: mine, limit: 2 }, { q: mine, tag: mine, limit: 2 }]) {
      const pages = await walk(query);
      assert.deepEqual(pages.map(({ length }) => length), [2, 2, 2, 1]);
      assert.deepEqual(pages.flat(), made);
    }
    assert.deepEqual((await walk({ q: mine, limit: 7 })).map(({ length }) => length), [7]);
  });

  it("are asked for with what the last one said, of the same list", async () => {
    const mine = word();
    for (let i = 0; i < 3; i++) await add({ title: mine, tags: [mine] });
    const base = { limit: "1" };
    const next = {};
    for (const [name, query] of Object.entries({ all: {}, tag: { tag: mine }, q: { q: mine } })) {
      next[name] = (await list({ ...base, ...query })).next_cursor;
      assert.ok(next[name], name);
    }
    for (let i = 0; i < 2; i++) await send("POST", "/chats", {});
    const foreign = (await send("GET", "/chats?limit=1", undefined)).json.next_cursor;
    assert.ok(foreign);
    const forged = (text) => Buffer.from(text).toString("base64url");
    const uuid = "018f0000-0000-7000-8000-000000000000";
    for (const [query, cursor] of [
      [{ q: mine }, next.all], [{}, next.q], [{ tag: mine }, next.q], [{ q: mine }, `${next.q}A`],
      [{ q: mine }, next.q.slice(1)], [{}, forged(uuid)], [{ q: mine }, forged(`1/${uuid}`)],
      [{ q: mine }, forged(`99999999999/${uuid}`)], [{ q: mine }, forged("1/x")], [{}, "%00"], [{}, foreign],
      [{}, "x".repeat(5000)], [{}, ""],
    ]) {
      const path = `/contents?${new URLSearchParams({ ...base, ...query, cursor })}`;
      const answer = await send("GET", path, undefined, { who: student });
      assertProblem(answer, 422, "invalid", ["cursor"]);
    }
    for (const limit of ["0", "-1", "101", "x", "1.5", "", "99999999999999999999"]) {
      assertProblem(await send("GET", `/contents?limit=${limit}`, undefined), 422, "invalid", ["limit"]);
    }
  });
});
