// Chats and their messages as resources and lists: entity tags, filters, pages.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";

import { asked, ids, messages, opened, read, UUID } from "./lib/chats.mjs";
import { api, db, register } from "./lib/fynq.mjs";
import { assertProblem } from "./lib/problem.mjs";

/** Every page of a list, by its Link headers, which must say what next_cursor says. */
async function pages(token, first) {
  const all = [];
  for (let next = `/api/v1${first}`; next; ) {
    const path = next.replace("/api/v1", "");
    const { status, json, headers, text } = await api("GET", path, { token });
    assert.equal(status, 200, text);
    all.push(json.items);
    const link = headers.get("link");
    assert.equal(link === null, json.next_cursor === null);
    next = link && /^<(.*)>; rel="next"$/.exec(link)[1];
    if (next) assert.equal(new URL(next, "http://x").searchParams.get("cursor"), json.next_cursor);
    assert.ok(all.length <= 120, "the pages have no end");
  }
  return all;
}

describe("a chat as a resource", { concurrency: 4 }, () => {
  it("POST, GET, PATCH, DELETE", async () => {
    const { token } = await register();
    const made = await api("POST", "/chats", { token, body: { title: "Fractions ½" } });
    assert.equal(made.status, 201);
    const { id, title, archived, leaf_id: leaf } = made.json;
    assert.match(id, UUID);
    assert.deepEqual([title, archived, leaf], ["Fractions ½", false, null]);
    assert.equal(made.headers.get("location"), `/api/v1/chats/${id}`);
    const got = await api("GET", `/chats/${id}`, { token });
    assert.deepEqual(got.json, made.json);
    assert.equal(got.headers.get("etag"), made.headers.get("etag"));

    const changed = await api("PATCH", `/chats/${id}`, { token, body: { archived: true } });
    assert.equal(changed.status, 200);
    assert.deepEqual([changed.json.title, changed.json.archived], ["Fractions ½", true]);
    const named = await api("PATCH", `/chats/${id}`, { token, body: { title: "Halves" } });
    assert.deepEqual([named.json.title, named.json.archived], ["Halves", true]);
    assert.ok(named.json.updated_at > changed.json.updated_at);

    const gone = await api("DELETE", `/chats/${id}`, { token });
    assert.deepEqual([gone.status, gone.text], [204, ""]);
    for (const method of ["GET", "DELETE"]) {
      assertProblem(await api(method, `/chats/${id}`, { token }), 404, "not_found");
    }
    const patched = await api("PATCH", `/chats/${id}`, { token, body: { title: "x" } });
    assertProblem(patched, 404, "not_found");
  });

  it("an untitled one stays so, or is named by hand", async () => {
    const { token } = await register();
    const { id, title } = await opened(token);
    assert.equal(title, null);
    await asked(token, { content: "Why?", chat_id: id });
    assert.ok([null, "Why?"].includes((await read(token, `/chats/${id}`)).title));
  });

  it("entity tags: 304, 412", async () => {
    const { token } = await register();
    const { id } = await opened(token, { title: "One" });
    const path = `/chats/${id}`;
    const first = (await api("GET", path, { token })).headers.get("etag");
    const get = (tag) => api("GET", path, { token, headers: { "if-none-match": tag } });
    for (const list of [first, `W/${first}`, `"x" , ${first}`, "*"]) {
      const answer = await get(list);
      assert.deepEqual([answer.status, answer.text], [304, ""], list);
    }
    const patch = (title, tag) =>
      api("PATCH", path, { token, body: { title }, headers: { "if-match": tag } });
    const changed = await patch("Two", first);
    assert.equal(changed.status, 200);
    const second = changed.headers.get("etag");
    assert.notEqual(second, first);
    assertProblem(await patch("Three", first), 412, "precondition_failed");
    assert.equal((await get(first)).status, 200);
    assert.equal((await read(token, path)).title, "Two");
    assert.equal((await patch("Four", "*")).status, 200);

    const before = (await api("GET", path, { token })).headers.get("etag");
    await asked(token, { content: "Why?", chat_id: id });
    assert.equal((await get(before)).status, 200, "a turn changes the chat");
  });

  it("HEAD: the head of GET, no body", async () => {
    const { token } = await register();
    const { id } = await opened(token, { title: "é" });
    for (const path of [`/chats/${id}`, "/chats", `/chats/${id}/messages`]) {
      const whole = await api("GET", path, { token });
      const head = await api("HEAD", path, { token });
      assert.deepEqual([head.status, head.text], [200, ""]);
      for (const name of ["content-type", "content-length", "etag", "link"]) {
        assert.equal(head.headers.get(name), whole.headers.get(name), `${path}: ${name}`);
      }
    }
    const none = await api("HEAD", `/chats/${randomUUID()}`, { token });
    assert.deepEqual([none.status, none.text], [404, ""]);
  });

  it("deleting a chat deletes what was said in it", async () => {
    const { token, id } = await register();
    const { chat_id: chat } = await asked(token, { content: "Why?" });
    const { chat_id: other } = await asked(token, { content: "How?" });
    await api("DELETE", `/chats/${chat}`, { token });
    assertProblem(await api("GET", `/chats/${chat}/messages`, { token }), 404, "not_found");
    const { items } = await read(token, `/chat/history/${id}`);
    assert.deepEqual(items.map(({ chat_id: it }) => it), [other, other]);
  });
});

describe("history", { concurrency: 4 }, () => {
  it("each filter, and several", async () => {
    const { token, id } = await register();
    const first = await asked(token, { content: "What is 100% of π_x?" });
    const second = await asked(token, { content: "And ÄPFEL?", chat_id: first.chat_id });
    const third = await asked(token, { content: "What is a cell?" });
    const image = randomUUID().replace(/^.{14}./, "ffffffff-ffff-7"); // The newest of all.
    await db.run(
      `insert into messages (id, chat_id, user_id, sender, type, content, image_url, status)
       values ($1, $2, $3, 'student', 'image', 'What is 7 of these?', 'x:y', 'complete')`,
      [image, third.chat_id, id],
    );
    const [one, two, three] = [first, second, third].map(({ message, reply }) => ({
      q: message.id,
      a: reply.id,
    }));
    const all = [image, three.a, three.q, two.a, two.q, one.a, one.q];
    const rows = [
      [{}, all],
      [{ chat_id: first.chat_id }, [two.a, two.q, one.a, one.q]],
      [{ chat_id: randomUUID() }, []],
      [{ type: "image" }, [image]],
      [{ type: "text" }, all.slice(1)],
      [{ sender: "student" }, [image, three.q, two.q, one.q]],
      [{ sender: "tutor" }, [three.a, two.a, one.a]],
      [{ sender: "student", q: "what IS" }, [image, three.q, one.q]],
      [{ sender: "student", q: "äpfel" }, [two.q]],
      [{ sender: "student", q: "%" }, [one.q]],
      [{ sender: "student", q: "_" }, [one.q]],
      [{ sender: "student", q: "\\" }, []],
      [{ from: third.message.created_at }, [image, three.a, three.q]],
      [{ to: third.message.created_at }, [two.a, two.q, one.a, one.q]],
      [{ from: second.message.created_at, to: third.message.created_at }, [two.a, two.q]],
      [{ from: "2999-01-01T00:00:00Z" }, []],
      [{ to: "2000-01-01T00:00:00+14:00" }, []],
      [
        { chat_id: third.chat_id, sender: "student", type: "text", q: "cell" },
        [three.q],
      ],
      [{ chat_id: third.chat_id, type: "image", sender: "tutor" }, []],
    ];
    for (const [filter, wanted] of rows) {
      const query = new URLSearchParams(filter);
      const { items, next_cursor: next } = await read(token, `/chat/history/${id}?${query}`);
      assert.deepEqual(ids(items), wanted, query.toString());
      assert.equal(next, null);
    }
    const filtered = await pages(token, `/chat/history/${id}?sender=student&limit=1&q=what%20is`);
    assert.deepEqual(filtered.map((page) => ids(page)), [[image], [three.q], [one.q]]);
  });
});

/** `count` messages in a new chat, oldest first: their ids. */
async function said(student, count) {
  const chat = (await opened(student.token)).id;
  const prefix = randomUUID().slice(0, 8);
  const made = Array.from({ length: count }, (_, i) =>
    `${prefix}-0000-7000-8000-${i.toString(16).padStart(12, "0")}`);
  await db.run(
    `insert into messages (id, chat_id, user_id, sender, content)
     select id::uuid, $2, $3, 'student', 'No. ' || n
     from unnest(string_to_array($1, ',')) with ordinality as made (id, n)`,
    [made.join(), chat, student.id],
  );
  return { chat, made };
}

describe("paging", { concurrency: 4 }, () => {
  for (const limit of [null, 1, 7, 35, 100]) {
    it(`105 messages, ${limit ?? "20 by default"} a page: none missing, none twice`, async () => {
      const student = await register();
      const { chat, made } = await said(student, 105);
      const newest = [...made].reverse();
      for (const path of [`/chats/${chat}/messages`, `/chat/history/${student.id}`]) {
        const all = await pages(student.token, limit ? `${path}?limit=${limit}` : path);
        assert.deepEqual(ids(all.flat()), newest);
        const size = limit ?? 20;
        assert.deepEqual(all.map(({ length }) => length), [
          ...Array(Math.ceil(105 / size) - 1).fill(size),
          105 % size || size,
        ]);
      }
    });
  }

  it("what is added or deleted meanwhile moves nothing", async () => {
    const student = await register();
    const { token } = student;
    const { chat, made } = await said(student, 30);
    const first = await read(token, `/chats/${chat}/messages?limit=10`);
    await asked(token, { content: "Meanwhile?", chat_id: chat });
    await db.run("delete from messages where id = $1", [made[20]]); // The last of the first page.
    const path = `/chats/${chat}/messages?limit=10&cursor=${first.next_cursor}`;
    const second = await read(token, path);
    assert.deepEqual(ids(second.items), made.slice(10, 20).reverse());
  });

  it("a link keeps the query", async () => {
    const student = await register();
    await said(student, 3);
    const path = `/chat/history/${student.id}?q=No.%201&limit=1&sender=student`;
    const { headers } = await api("GET", path, { token: student.token });
    assert.equal(headers.get("link"), null);
    const more = await api("GET", path.replace("No.%201", "No."), { token: student.token });
    const link = /^<(.*)>/.exec(more.headers.get("link"))[1];
    assert.match(link, /\?q=No\.&limit=1&sender=student&cursor=[\w-]+$/);
  });

  it("chats: the one used last first, archived ones apart", async () => {
    const { token } = await register();
    const made = [];
    for (let i = 0; i < 7; i++) made.push((await opened(token, { title: `No. ${i}` })).id);
    await asked(token, { content: "Again?", chat_id: made[2] });
    await api("PATCH", `/chats/${made[4]}`, { token, body: { title: "Äpfel" } });
    await api("PATCH", `/chats/${made[5]}`, { token, body: { archived: true } });
    const order = [4, 2, 6, 3, 1, 0].map((i) => made[i]);
    for (const limit of [1, 2, 3, 6, 7]) {
      const all = await pages(token, `/chats?limit=${limit}`);
      assert.deepEqual(ids(all.flat()), order);
      assert.equal(all.length, Math.ceil(6 / limit));
    }
    assert.deepEqual(ids((await read(token, "/chats?archived=true")).items), [made[5]]);
    assert.deepEqual(ids((await read(token, "/chats?archived=false")).items), order);
    assert.deepEqual(ids((await read(token, "/chats?q=%C3%A4PFEL")).items), [made[4]]);
    assert.deepEqual(ids((await read(token, "/chats?q=no.%203")).items), [made[3]]);
  });

  it("chats that were used at the same moment", async () => {
    const { token, id } = await register();
    await db.run(
      `insert into chats (id, user_id, updated_at)
       select gen_random_uuid(), $1, '2026-01-31T12:00:00.123456Z' from generate_series(1, 11)`,
      [id],
    );
    const all = (await pages(token, "/chats?limit=3")).flat();
    assert.equal(new Set(ids(all)).size, 11);
    assert.deepEqual(ids(all), ids(all).sort().reverse());
  });
});
