// Requests that are wrong, or meant to harm: each gets its 4xx as a problem that names the field
// where there is one, none reaches a 5xx, and what was secret in them reaches no log.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { before, describe, it, test } from "node:test";

import { api, cgi, register, stack } from "./lib/fynq.mjs";
import { assertNotLogged } from "./lib/logs.mjs";
import { assertProblem } from "./lib/problem.mjs";

const JSON_TYPE = { "content-type": "application/json" };

// What must not be in a log: of all that is sent here.
const mark = randomUUID();
const password = `password ${mark}`;
const words = `words ${mark}`;
const email = () => `${randomUUID()}@example.com`;

let student;
let chat;

before(async () => {
  student = await register({ password });
  const opened = await api("POST", "/chats", { token: student.token, body: {} });
  chat = opened.json.id;
});

const post = (path, body, headers = JSON_TYPE) =>
  api("POST", path, { token: student.token, body, headers });

const nested = (depth) => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;

describe("a body that is not the JSON of an object: 400", { concurrency: 4 }, () => {
  const rows = {
    "half of it": '{"content": "Why',
    "nothing but white space": " ",
    "a list": '[{"content": "Why?"}]',
    "a string": '"content"',
    "a number": "7",
    "null": "null",
    "two objects": '{"content": "Why?"}{}',
    "trailing bytes": '{"content": "Why?"} x',
    "a trailing comma": '{"content": "Why?",}',
    "single quotes": "{'content': 'Why?'}",
    "a name without quotes": '{content: "Why?"}',
    "a comment": '{"content": "Why?"} // yes',
    "a byte order mark": '\ufeff{"content": "Why?"}',
    "NaN": '{"content": NaN}',
    "Infinity": '{"content": -Infinity}',
    "a leading zero": '{"content": 01}',
    "a number of 400 digits": `{"content": ${"9".repeat(400)}}`,
    "a number past all doubles": '{"content": 1e999}',
    "a name twice": '{"content": "Why?", "content": "How?"}',
    "a name twice, once escaped": '{"content": "Why?", "c\\u006fntent": "How?"}',
    "an unknown escape": '{"content": "\\x41"}',
    "a bare NUL": '{"content": "a\0b"}',
    "an escaped NUL": '{"content": "a\\u0000b"}',
    "a NUL in a name": '{"content\\u0000": "Why?"}',
    "a bare line end in a string": '{"content": "a\nb"}',
    "the first half of a pair": '{"content": "\\ud83d"}',
    "the second half of a pair": '{"content": "\\ude42"}',
    "two first halves": '{"content": "\\ud83d\\ud83d"}',
    "half of a pair in a name": '{"\\ud83d": 1}',
    "not UTF-8": Buffer.from('{"content": "\xff\xfe"}', "latin1"),
    "UTF-8 cut short": Buffer.from('{"content": "\xe2\x82"}', "latin1"),
    "an overlong form": Buffer.from('{"content": "\xc0\xaf"}', "latin1"),
    "a surrogate in UTF-8": Buffer.from('{"content": "\xed\xa0\x80"}', "latin1"),
    "past the last code point": Buffer.from('{"content": "\xf4\x90\x80\x80"}', "latin1"),
    "UTF-16": Buffer.from('{"content": "Why?"}', "utf16le"),
    "17 levels": nested(17),
    "1000 levels": nested(1000),
    "1000 open brackets": `{"content": ${"[".repeat(1000)}`,
    "20,000 values": `{"content": [${"0,".repeat(20000)}0]}`,
  };
  for (const [name, body] of Object.entries(rows)) {
    it(name, async () => {
      assertProblem(await post("/chat/message", body), 400, "bad_json");
      if (body.length < 16384) assertProblem(await post("/auth/login", body), 400, "bad_json");
    });
  }

  it("16 levels are allowed", async () => {
    const preferences = JSON.parse(nested(15));
    const { status, text } = await api("PATCH", "/users/me", {
      token: student.token,
      body: { preferences },
    });
    assert.equal(status, 200, text);
  });
});

const account = (change) => ({ email: email(), password, birth_date: "2000-01-31", ...change });

// path, body, the names of the faulty fields
const faulty = {
  "nothing at all": ["/chat/message", {}, ["content"]],
  "an unknown member": ["/chat/message", { content: words, context: 1 }, ["context"]],
  "a prototype": ["/chat/message", '{"content":"Why?","__proto__":{}}', ["__proto__"]],
  "every fault at once": [
    "/chat/message",
    { content: 7, chat_id: "x", stream: "yes", one: 1, two: 2 },
    ["content", "chat_id", "stream", "one", "two"],
  ],
  "content a number": ["/chat/message", { content: 7 }, ["content"]],
  "content null": ["/chat/message", { content: null }, ["content"]],
  "content a list": ["/chat/message", { content: ["Why?"] }, ["content"]],
  "content an object": ["/chat/message", { content: { text: "Why?" } }, ["content"]],
  "content empty": ["/chat/message", { content: "" }, ["content"]],
  "content of white space": ["/chat/message", { content: " \n\t\u2003" }, ["content"]],
  "content of 32,001 characters": ["/chat/message", { content: "é".repeat(32001) }, ["content"]],
  "content with an escape": ["/chat/message", { content: "a\u001b[31mb" }, ["content"]],
  "stream a string": ["/chat/message", { content: "Why?", stream: "true" }, ["stream"]],
  "stream a number": ["/chat/message", { content: "Why?", stream: 1 }, ["stream"]],
  "stream null": ["/chat/message", { content: "Why?", stream: null }, ["stream"]],
  "chat_id empty": ["/chat/message", { content: "Why?", chat_id: "" }, ["chat_id"]],
  "chat_id no uuid": ["/chat/message", { content: "Why?", chat_id: "1 or 1=1" }, ["chat_id"]],
  "chat_id a number": ["/chat/message", { content: "Why?", chat_id: 1 }, ["chat_id"]],
  "title of two lines": ["/chats", { title: "a\nb" }, ["title"]],
  "title of 201 characters": ["/chats", { title: "é".repeat(201) }, ["title"]],
  "title with a line separator": ["/chats", { title: "a\u2028b" }, ["title"]],
  "a name of 1000 characters": ["/chats", { ["n".repeat(1000)]: 1 }, ["n".repeat(64)]],
  "a name with control characters": ["/chats", '{"a\\r\\nb":1}', ["a??b"]],
  "a query where none is": ["/chats?x=1", {}, ["x"]],

  "no email": ["/auth/register", { ...account(), email: undefined }, ["email"]],
  "email without @": ["/auth/register", account({ email: "nobody" }), ["email"]],
  "email with two": ["/auth/register", account({ email: "a@b@example.com" }), ["email"]],
  "email with a line end": ["/auth/register", account({ email: "a\r\nB: c@example.com" }),
    ["email"]],
  "email of 300 bytes": ["/auth/register", account({ email: `${"a".repeat(300)}@b.example` }),
    ["email"]],
  "password a number": ["/auth/register", account({ password: 12345678 }), ["password"]],
  "birth_date of February 30": ["/auth/register", account({ birth_date: "2000-02-30" }),
    ["birth_date"]],
  "birth_date with a time": ["/auth/register", account({ birth_date: "2000-01-31T00:00:00Z" }),
    ["birth_date"]],
  "birth_date ahead": ["/auth/register", account({ birth_date: "2999-01-01" }), ["birth_date"]],
  "birth_date before 1900": ["/auth/register", account({ birth_date: "1899-12-31" }),
    ["birth_date"]],
  "birth_date in the year 0": ["/auth/register", account({ birth_date: "0000-01-01" }),
    ["birth_date"]],
  "locale": ["/auth/register", account({ locale: "../../etc" }), ["locale"]],
  "display_name of 101": ["/auth/register", account({ display_name: "é".repeat(101) }),
    ["display_name"]],
  "role": ["/auth/register", account({ role: "admin" }), ["role"]],
  "app_metadata": ["/auth/register", account({ app_metadata: {} }), ["app_metadata"]],
  "refresh_token of 513": ["/auth/refresh", { refresh_token: "a".repeat(513) },
    ["refresh_token"]],
  "scope": ["/auth/logout", { scope: "everything" }, ["scope"]],
};

describe("a field that is wrong: 422 that names it", { concurrency: 4 }, () => {
  for (const [name, [path, body, fields]] of Object.entries(faulty)) {
    it(`${path.split("?")[0]}: ${name}`, async () => {
      assertProblem(await post(path, body), 422, "invalid", fields);
    });
  }

  const profile = {
    "birth_date before 1900": [{ birth_date: "1899-12-31" }, ["birth_date"]],
    "birth_date ahead": [{ birth_date: "2999-01-01" }, ["birth_date"]],
    "birth_date null": [{ birth_date: null }, ["birth_date"]],
    "email": [{ email: email() }, ["email"]],
    "role": [{ role: "admin" }, ["role"]],
    "id": [{ id: randomUUID() }, ["id"]],
    "preferences a list": [{ preferences: [] }, ["preferences"]],
    "preferences null": [{ preferences: null }, ["preferences"]],
    "preferences of 5000 bytes": [{ preferences: { a: "b".repeat(5000) } }, ["preferences"]],
    "preferences that grow": [
      `{"preferences":{"a":[${Array(600).fill("1e300").join()}]}}`,
      ["preferences"],
    ],
  };
  for (const [name, [body, fields]] of Object.entries(profile)) {
    it(`/users/me: ${name}`, async () => {
      const answer = await api("PATCH", "/users/me", {
        token: student.token,
        body,
        headers: JSON_TYPE,
      });
      assertProblem(answer, 422, "invalid", fields);
    });
  }

  it("a hundred unknown members: some are named", async () => {
    const body = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`m${i}`, i]));
    const answer = await post("/chats", body);
    assertProblem(answer, 422, "invalid");
    assert.ok(answer.json.errors.length >= 32);
  });

  it("a body where none is taken", async () => {
    const { token } = student;
    const answer = await api("DELETE", `/chats/${chat}`, { token, body: {} });
    assertProblem(answer, 422, "invalid", ["body"]);
  });
});

const b64 = (text) => Buffer.from(text).toString("base64url");
const queries = {
  "limit=0": ["limit"],
  "limit=101": ["limit"],
  "limit=-1": ["limit"],
  "limit=ten": ["limit"],
  "limit=1.5": ["limit"],
  "limit=1e1": ["limit"],
  "limit=%2010": ["limit"],
  "limit=99999999999999999999": ["limit"],
  "limit=": ["limit"],
  "limit": ["limit"],
  "limit=5&limit=6": ["limit"],
  "cursor=": ["cursor"],
  "cursor=%00": ["cursor"],
  "cursor=garbage!": ["cursor"],
  "cursor=garbage": ["cursor"],
  "cursor=a": ["cursor"],
  [`cursor=${b64("\xff".repeat(600))}`]: ["cursor"],
  [`cursor=${b64("' or 1=1 --")}`]: ["cursor"],
  [`cursor=${Buffer.from([0xff, 0xfe]).toString("base64url")}`]: ["cursor"],
  [`cursor=${b64("a\0b")}`]: ["cursor"],
  [`cursor=${b64("2026-01-01T00:00:00Z/x")}`]: ["cursor"],
  "page=2": ["page"],
  "limit=0&page=2&cursor=%2F": ["limit", "page", "cursor"],
  "%FF=1": ["%FF"],
};
const historyQueries = {
  "chat_id=1": ["chat_id"],
  "type=video": ["type"],
  "sender=": ["sender"],
  "sender=admin": ["sender"],
  "q=": ["q"],
  "q=%FF": ["q"],
  "q=%": ["q"],
  "q=%4": ["q"],
  "q=%zz": ["q"],
  "q=%00": ["q"],
  [`q=${"a".repeat(201)}`]: ["q"],
  "from=yesterday": ["from"],
  "from=2026-01-31": ["from"],
  "from=2026-02-30T00:00:00Z": ["from"],
  "from=0000-01-01T00:00:00Z": ["from"],
  "from=2026-01-31T00:00:00%2B16:00": ["from"],
  "to=2026-01-31T25:00:00Z": ["to"],
  "to=10000-01-01T00:00:00Z": ["to"],
  "from=1&to=2": ["from", "to"],
};

describe("a query that is wrong: 422 that names the parameter", { concurrency: 4 }, () => {
  const lists = {
    "/chats": queries,
    "/chats/{id}/messages": queries,
    "/chat/history/{user_id}": { ...queries, ...historyQueries },
  };
  for (const [list, rows] of Object.entries(lists)) {
    for (const [query, fields] of Object.entries(rows)) {
      it(`${list}?${query.slice(0, 60)}`, async () => {
        const path = list.replace("{id}", chat).replace("{user_id}", student.id);
        const answer = await api("GET", `${path}?${query}`, { token: student.token });
        assertProblem(answer, 422, "invalid", fields);
      });
    }
  }

  it("a cursor of another list", async () => {
    const { token, id } = student;
    for (const content of [words, words]) await post("/chat/message", JSON.stringify({ content }));
    const { json } = await api("GET", "/chats?limit=1", { token });
    assert.notEqual(json.next_cursor, null);
    for (const path of [`/chat/history/${id}`, `/chats/${chat}/messages`]) {
      const answer = await api("GET", `${path}?cursor=${json.next_cursor}`, { token });
      assertProblem(answer, 422, "invalid", ["cursor"]);
    }
    const history = await api("GET", `/chat/history/${id}?limit=1`, { token });
    const answer = await api("GET", `/chats?cursor=${history.json.next_cursor}`, { token });
    assertProblem(answer, 422, "invalid", ["cursor"]);
  });
});

describe("media types", { concurrency: 4 }, () => {
  const good = ["application/json", "application/json; charset=utf-8", "Application/JSON;",
    'application/json;charset="UTF-8"'];
  for (const type of good) {
    it(type, async () => {
      const { status, text } = await post("/chats", "{}", { "content-type": type });
      assert.equal(status, 201, text);
    });
  }
  const bad = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data",
    "application/json; charset=latin1", "application/jsonx", "application/json, text/plain",
    "application/problem+json", "json", ""];
  for (const type of bad) {
    it(`"${type}": 415`, async () => {
      const answer = await post("/chats", Buffer.from("{}"), { "content-type": type });
      assertProblem(answer, 415, "unsupported_media_type");
    });
  }
  it("none: 415", async () => {
    const { token } = student;
    const answer = await cgi("chat", "POST", "/api/v1/chats", {
      token,
      body: "{}",
      environment: { CONTENT_TYPE: "" },
    });
    assertProblem(answer, 415, "unsupported_media_type");
  });
});

test("words of SQL and of HTML are words", async () => {
  const { token, id } = student;
  const content = `'; drop table messages; -- $1 %s \\ <script>alert(1)</script> ${words}`;
  const { status, json } = await post("/chat/message", JSON.stringify({ content }));
  assert.equal(status, 201);
  assert.equal(json.message.content, content);
  const q = new URLSearchParams({ q: "'; drop table messages; -- $1 %s \\", sender: "student" });
  const found = await api("GET", `/chat/history/${id}?${q}`, { token });
  assert.deepEqual(found.json.items.map((item) => item.content), [content]);
  const searched = await api("GET", `/chat/history/${id}?q=${mark}&sender=tutor`, { token });
  assert.equal(searched.status, 200);
});

test("no secret reaches a log, and nothing failed inside", async () => {
  const wrong = await post("/auth/login", JSON.stringify({ email: student.email, password: mark }));
  assertProblem(wrong, 401, "bad_credentials");
  const last = await api("GET", "/users/me", { token: student.token });
  await assertNotLogged(stack, last, [
    mark,
    student.token.split(".")[2],
    student.refreshToken,
    "drop table",
  ]);
});
