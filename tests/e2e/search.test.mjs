// GET /chats?q=: titles and what was said.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { admin, ids, opened, put, read } from "./lib/chats.mjs";
import { api, db, register } from "./lib/fynq.mjs";
import { assertProblem } from "./lib/problem.mjs";

const search = (token, q, more = "") =>
  read(token, `/chats?q=${encodeURIComponent(q)}${more}`);

async function newChat({ token, id: user }, title, ...contents) {
  const { id: chat } = await opened(token, title === null ? {} : { title });
  const said = [];
  for (const content of contents) said.push(await put({ chat, user, content }));
  return { chat, said };
}

describe("a search", { concurrency: 4 }, () => {
  it("in titles, in messages, in any case, without wildcards", async () => {
    const student = await register();
    const { token } = student;
    const cell = await newChat(student, "What is a cell?", "It DIVIDES.", "100% of it?");
    const none = await newChat(student, null, "An Äpfel_Baum", "divides, divided");
    const rows = [
      ["CELL", [[cell.chat, null]]],
      ["divides", [[none.chat, none.said[1]], [cell.chat, cell.said[0]]]],
      ["äPFEL", [[none.chat, none.said[0]]]],
      ["%", [[cell.chat, cell.said[1]]]],
      ["_", [[none.chat, none.said[0]]]],
      ["\\", []],
      ["divides%", []],
    ];
    for (const [q, wanted] of rows) {
      const { items, next_cursor: next } = await search(token, q);
      assert.deepEqual(items.map(({ id, match }) => [id, match?.message_id ?? null]), wanted, q);
      assert.equal(next, null);
    }
    const { items } = await read(token, "/chats");
    assert.ok(items.every((item) => !("match" in item)), "a match where nothing was searched");
    const found = (await search(token, "cell")).items[0];
    const { match, ...rest } = found;
    assert.equal(match, null);
    assert.deepEqual(rest, await read(token, `/chats/${cell.chat}`));
  });

  it("the newest message that holds it, of any branch, the tutor's too", async () => {
    const student = await register();
    const { chat, said } = await newChat(student, null, "a flower", "no", "Flowers?");
    const reply = await put({
      chat, user: student.id, sender: "tutor", parent_id: said[0], content: "flowering",
    });
    const { items } = await search(student.token, "flower");
    assert.equal(items.length, 1);
    assert.deepEqual(items[0].match, { message_id: reply, snippet: "flowering" });
  });

  it("the snippet: on one line, cut around the text", async () => {
    const student = await register();
    const before = "é<b> ".repeat(60);
    const after = " über".repeat(60);
    const rows = [
      ["short", " a\n\n\tneedle1\r\nb", "a needle1 b"],
      ["begins", `needle2${after}`, /^needle2( über){22} üb…$/],
      ["ends", `${before}needle3`, /^….{50,70}needle3$/u],
      ["between", `${before}needle4${after}`, /^….{40,60}needle4.{40,60}…$/u],
      ["all of a long text", "x".repeat(200), /^x{120}…$/],
    ];
    for (const [name, content, wanted] of rows) {
      await newChat(student, null, content);
      const q = /needle\d/.exec(content)?.[0] ?? content;
      const { snippet } = (await search(student.token, q)).items[0].match;
      if (typeof wanted === "string") assert.equal(snippet, wanted, name);
      else assert.match(snippet, wanted, name);
      assert.ok(snippet.length <= 122, name);
    }
  });

  it("pages, archived ones apart, the one used last first", async () => {
    const student = await register();
    const { token } = student;
    const made = [];
    for (let i = 0; i < 7; i++) {
      made.unshift((await newChat(student, i % 2 ? "word" : null, i % 2 ? "" : "a word")).chat);
      await newChat(student, "other", "other");
    }
    const [away] = made.splice(2, 1);
    await api("PATCH", `/chats/${away}`, { token, body: { archived: true } });
    for (const limit of [1, 2, 6]) {
      const all = [];
      let cursor = "";
      do {
        const page = await search(token, "word", `&limit=${limit}${cursor}`);
        all.push(...ids(page.items));
        assert.ok(page.items.length <= limit);
        cursor = page.next_cursor && `&cursor=${page.next_cursor}`;
      } while (cursor);
      assert.deepEqual(all, made, `limit ${limit}`);
    }
    assert.deepEqual(ids((await search(token, "word", "&archived=true")).items), [away]);
    const { next_cursor: next } = await read(token, "/chats?limit=1");
    const other = await api("GET", `/chats?q=word&cursor=${next}`, { token });
    assertProblem(other, 422, "invalid", ["cursor"]);
  });

  it("a page that has read enough ends early, and the next goes on", async () => {
    const student = await register();
    const { token, id: user } = student;
    const oldest = (await newChat(student, "needle")).chat;
    // Stored, 20 MB of this are a few KB.
    const large = [];
    for (let i = 0; i < 4; i++) {
      const { id } = await opened(token);
      large.push(id);
      await db.run(
        `insert into messages (id, chat_id, user_id, sender, content)
         select gen_random_uuid(), $1, $2, 'student', repeat('x', 1000000)
         from generate_series(1, 20)`,
        [id, user],
      );
    }
    const found = [];
    const lengths = [];
    let cursor = "";
    do {
      const page = await search(token, "needle", cursor);
      lengths.push(page.items.length);
      found.push(...ids(page.items));
      cursor = page.next_cursor && `&cursor=${page.next_cursor}`;
    } while (cursor);
    assert.deepEqual(found, [oldest]);
    assert.deepEqual(lengths, [0, 0, 0, 0, 1]);
  });

  it("what is others' is not found, by admins neither", async () => {
    const student = await register();
    await newChat(student, "mine-9f31", "and mine-9f31");
    assert.equal((await search(student.token, "mine-9f31")).items.length, 1);
    for (const token of [(await register()).token, await admin()]) {
      assert.deepEqual((await search(token, "mine-9f31")).items, []);
    }
  });

  it("q: 1 to 200 characters", async () => {
    const { token } = await register();
    for (const q of ["", "%20", "x".repeat(201), "%00", "a&q=b"]) {
      assertProblem(await api("GET", `/chats?q=${q}`, { token }), 422, "invalid", ["q"]);
    }
    assert.deepEqual((await search(token, "é".repeat(200))).items, []);
  });
});
