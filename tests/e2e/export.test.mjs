// GET /chats/{id}/export: a chat as a file.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";

import { admin, asked, chooseLeaf, messages, opened, put, read, TIME } from "./lib/chats.mjs";
import { api, db, register } from "./lib/fynq.mjs";
import { assertProblem } from "./lib/problem.mjs";

const exported = (token, chat, query = "") =>
  api("GET", `/chats/${chat}/export${query}`, { token });

async function newChat(title) {
  const { token, id: user } = await register();
  const { id: chat } = await opened(token, title === undefined ? {} : { title });
  const say = (columns) => put({ chat, user, ...columns });
  return { token, user, chat, say };
}

/** The Markdown of a chat, without its first lines. */
async function markdown({ token, chat }) {
  const { status, text } = await exported(token, chat, "?format=markdown");
  assert.equal(status, 200, text);
  const lines = text.split("\n");
  assert.match(lines[0], /^# /);
  assert.match(lines[2], /^Exported on \d{4}-\d\d-\d\d \d\d:\d\d UTC\.$/);
  return { title: lines[0].slice(2), body: lines.slice(4).join("\n") };
}

describe("an export", { concurrency: 4 }, () => {
  it("JSON: the chat and all its messages, of all branches", async () => {
    const c = await newChat("Fractions");
    const { message, reply } = await asked(c.token, { content: "Why?", chat_id: c.chat });
    await c.say({ sender: "tutor", parent_id: message.id, content: "Another" });
    const answer = await exported(c.token, c.chat);
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.headers.get("content-type"), "application/json");
    assert.deepEqual(Object.keys(answer.json), [
      "format_version", "exported_at", "chat", "messages",
    ]);
    assert.equal(answer.json.format_version, 1);
    assert.match(answer.json.exported_at, TIME);
    assert.deepEqual(answer.json.chat, await read(c.token, `/chats/${c.chat}`));
    const all = await messages(c.token, c.chat);
    assert.equal(all.length, 3);
    assert.deepEqual(answer.json.messages, all.reverse());
    assert.deepEqual(answer.json.messages[1], reply);
    assert.equal((await exported(c.token, c.chat, "?format=json")).status, 200);
  });

  it("a chat without messages", async () => {
    const c = await newChat();
    assert.deepEqual((await exported(c.token, c.chat)).json.messages, []);
    assert.deepEqual(await markdown(c), { title: "Untitled chat", body: "" });
  });

  it("Markdown: the chosen branch, oldest first", async () => {
    const c = await newChat("Halves");
    const at = "2026-01-31T12:00:59Z";
    const q = await c.say({ content: "Why?\n\nReally?", created_at: at });
    const a = await c.say({ sender: "tutor", parent_id: q, content: "**Half**", created_at: at });
    await c.say({ sender: "tutor", parent_id: q, content: "Not chosen" });
    const picture = await c.say({
      parent_id: a, type: "image", image_url: "/api/v1/files/1/content?x=1", created_at: at,
      content: "This",
    });
    const failed = await c.say({
      sender: "tutor", parent_id: picture, status: "failed", error: "tutor_cut", created_at: at,
    });
    await chooseLeaf(c.chat, failed);
    const answer = await exported(c.token, c.chat, "?format=markdown");
    assert.equal(answer.headers.get("content-type"), "text/markdown; charset=utf-8");
    const { title, body } = await markdown(c);
    assert.equal(title, "Halves");
    assert.equal(body, `## Student, 2026-01-31 12:00 UTC

> Why?
> 
> Really?

## Tutor, 2026-01-31 12:00 UTC

> **Half**

## Student, 2026-01-31 12:00 UTC

[Picture](/api/v1/files/1/content?x=1)

> This

## Tutor, 2026-01-31 12:00 UTC, failed
`);
  });

  it("Markdown: nothing that was said leaves its quotation", async () => {
    const c = await newChat("# <b>[x](y) *a* `b` \\ 1 | 2");
    assert.equal((await markdown(c)).title,
      "\\# \\<b\\>\\[x\\]\\(y\\) \\*a\\* \\`b\\` \\\\ 1 \\| 2");
    const content = "# Tutor\r\n## Tutor\r```\r\n</blockquote><script> & &lt;\n\n---\n\\1 \\& $1\n";
    const leaf = await c.say({ content });
    await chooseLeaf(c.chat, leaf);
    const { body } = await markdown(c);
    const [heading, gap, ...quoted] = body.replace(/\n$/, "").split("\n");
    assert.match(heading, /^## Student, /);
    assert.equal(gap, "");
    assert.deepEqual(quoted, [
      "> # Tutor", "> ## Tutor", "> ```", "> &lt;/blockquote>&lt;script> &amp; &amp;lt;", "> ",
      "> ---", "> \\1 \\&amp; $1", "> ",
    ]);
  });

  it("Markdown: a picture is a link only where its address can be nothing else", async () => {
    for (const [url, linked] of [
      ["https://example.com/a.png?b=c&d", true],
      ["/api/v1/files/1/content", true],
      ["javascript:alert(1)", false],
      ["https://x/) [y](z", false],
      ["https://x/\n# Tutor", false],
      ["x", false],
    ]) {
      const c = await newChat();
      const leaf = await c.say({ type: "image", image_url: url });
      await chooseLeaf(c.chat, leaf);
      const lines = (await markdown(c)).body.split("\n");
      assert.deepEqual(lines.slice(1), ["", linked ? `[Picture](${url})` : "Picture", ""], url);
    }
  });

  it("the file's name", async () => {
    for (const [title, ascii, encoded] of [
      [undefined, "chat", "chat"],
      ["Two halves", "Two halves", "Two%20halves"],
      ["Äpfel ½", "_pfel _", "%C3%84pfel%20%C2%BD"],
      ['../"a";\\b%41', "__a___b_41", "__a___b_41"],
    ]) {
      const c = await newChat(title);
      for (const [format, extension] of [["json", "json"], ["markdown", "md"]]) {
        const { headers } = await exported(c.token, c.chat, `?format=${format}`);
        assert.equal(headers.get("content-disposition"),
          `attachment; filename="${ascii}.${extension}"; ` +
          `filename*=UTF-8''${encoded}.${extension}`);
      }
    }
  });

  it("too many messages, too much text", async () => {
    const c = await newChat();
    const fill = (count, content) =>
      db.run(
        `insert into messages (id, chat_id, user_id, sender, content)
         select gen_random_uuid(), $1, $2, 'student', repeat('x', $4)
         from generate_series(1, $3::int)`,
        [c.chat, c.user, count, content],
      );
    const empty = () => db.run("delete from messages where chat_id = $1", [c.chat]);
    await fill(10000, 1);
    assert.equal((await exported(c.token, c.chat)).json.messages.length, 10000);
    await fill(1, 1);
    for (const format of ["json", "markdown"]) {
      const answer = await exported(c.token, c.chat, `?format=${format}`);
      assertProblem(answer, 413, "chat_too_large");
      assert.match(answer.json.detail, /10000 messages/);
      assert.equal(answer.headers.get("content-disposition"), null);
    }
    await empty();
    await fill(16, 1000000);
    assert.equal((await exported(c.token, c.chat, "?format=markdown")).status, 200);
    await fill(1, 777217);
    assertProblem(await exported(c.token, c.chat), 413, "chat_too_large");
    await empty();
  });

  it("parents in a circle, which only SQL makes, end", async () => {
    const c = await newChat();
    const [one, two] = [randomUUID(), randomUUID()];
    await db.run(
      `insert into messages (id, chat_id, user_id, parent_id, sender, content)
       values ($1, $3, $4, $2, 'student', 'one'), ($2, $3, $4, $1, 'student', 'two')`,
      [one, two, c.chat, c.user],
    );
    await chooseLeaf(c.chat, one);
    assert.deepEqual((await markdown(c)).body.match(/^> .*/gm), ["> two", "> one"]);
  });

  it("of others' chats, of none, in no format", async () => {
    const c = await newChat("Mine");
    for (const token of [(await register()).token, await admin()]) {
      for (const format of ["json", "markdown"]) {
        assertProblem(await exported(token, c.chat, `?format=${format}`), 404, "not_found");
      }
    }
    assertProblem(await exported(c.token, randomUUID()), 404, "not_found");
    assertProblem(await exported(undefined, c.chat), 401, "unauthorized");
    for (const [query, field] of [["?format=pdf", "format"], ["?format=", "format"], ["?x=1", "x"]]) {
      assertProblem(await exported(c.token, c.chat, query), 422, "invalid", [field]);
    }
    assertProblem(await exported(c.token, "x"), 422, "invalid", ["id"]);
  });
});
