// Branches of a chat: their lists, each message's siblings, the choice of one, and how they begin.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";
import { promisify } from "node:util";

import { admin, asked, chooseLeaf, ids, liveRunner, messages, newToken, opened, put, read } from
  "./lib/chats.mjs";
import { api, db, gemini, register, sse, waitUntil } from "./lib/fynq.mjs";
import { assertProblem } from "./lib/problem.mjs";

/**
 * A chat with two first questions and two replies to the first of them, of which the first was
 * followed up:
 *
 *	q1 - a1 - q2 - a2
 *	   \ b1
 *	q3 - a3
 */
async function tree() {
  const student = await register();
  const { token, id: user } = student;
  const { id: chat } = await opened(token);
  const add = (sender, parent) =>
    put({ chat, user, sender, content: sender, ...(parent ? { parent_id: parent } : {}) });
  const q1 = await add("student");
  const a1 = await add("tutor", q1);
  const q2 = await add("student", a1);
  const a2 = await add("tutor", q2);
  const b1 = await add("tutor", q1);
  const q3 = await add("student");
  const a3 = await add("tutor", q3);
  await chooseLeaf(chat, a3);
  return { ...student, user, chat, q1, a1, q2, a2, b1, q3, a3 };
}

const choose = ({ token, chat }, leaf, more = {}) =>
  api("PATCH", `/chats/${chat}`, { token, body: { leaf_id: leaf }, ...more });

describe("a chat's messages", { concurrency: 4 }, () => {
  it("all branches, each message with its siblings", async () => {
    const t = await tree();
    const { items } = await read(t.token, `/chats/${t.chat}/messages`);
    const place = ({ id, siblings: { index, count } }) => [id, index, count];
    assert.deepEqual(items.map(place), [
      [t.a3, 1, 1],
      [t.q3, 2, 2],
      [t.b1, 2, 2],
      [t.a2, 1, 1],
      [t.q2, 1, 1],
      [t.a1, 1, 2],
      [t.q1, 1, 2],
    ]);
    // In each page, also where the siblings are on others.
    for (const [i, item] of items.entries()) {
      const cursor = i === 0 ? "" : `&cursor=${await cursorAfter(t, i)}`;
      const page = await read(t.token, `/chats/${t.chat}/messages?limit=1${cursor}`);
      assert.deepEqual(page.items, [item]);
    }
    const { items: history } = await read(t.token, `/chat/history/${t.id}`);
    assert.ok(history.every((item) => !("siblings" in item)));
    assert.deepEqual(items.map(({ siblings, ...rest }) => rest), history);
  });

  it("of one branch, from its leaf to the root, in pages", async () => {
    const t = await tree();
    const branch = (leaf, more = "") =>
      read(t.token, `/chats/${t.chat}/messages?leaf_id=${leaf}${more}`);
    const rows = [
      [t.a2, [t.a2, t.q2, t.a1, t.q1]],
      [t.b1, [t.b1, t.q1]],
      [t.a3, [t.a3, t.q3]],
      [t.q1, [t.q1]],
    ];
    const { items } = await read(t.token, `/chats/${t.chat}/messages`);
    const whole = new Map(items.map((item) => [item.id, item]));
    for (const [leaf, wanted] of rows) {
      for (const limit of [1, 2, 3, 4, 5]) {
        const all = [];
        let cursor = "";
        do {
          const page = await branch(leaf, `&limit=${limit}${cursor}`);
          assert.ok(page.items.length > 0 && page.items.length <= limit);
          all.push(...page.items);
          cursor = page.next_cursor && `&cursor=${page.next_cursor}`;
        } while (cursor);
        assert.deepEqual(ids(all), wanted);
        for (const item of all) assert.deepEqual(item, whole.get(item.id));
      }
    }
  });

  it("of a branch that is not there, or not one's own", async () => {
    const t = await tree();
    const other = await tree();
    const path = (chat, leaf) => `/chats/${chat}/messages?leaf_id=${leaf}`;
    const rows = [
      [t.token, path(t.chat, randomUUID())],
      [t.token, path(t.chat, other.a1)],
      [t.token, path(randomUUID(), t.a1)],
      [other.token, path(t.chat, t.a1)],
      [await admin(), path(t.chat, t.a1)],
    ];
    for (const [token, target] of rows) {
      assertProblem(await api("GET", target, { token }), 404, "not_found");
    }
    for (const [query, field] of [["leaf_id=1", "leaf_id"], [`leaf_id=${t.a1}&cursor=_`, "cursor"]]) {
      const answer = await api("GET", `/chats/${t.chat}/messages?${query}`, { token: t.token });
      assertProblem(answer, 422, "invalid", [field]);
    }
  });
});

/** The cursor of a chat's list after its newest `count`. */
async function cursorAfter({ token, chat }, count) {
  return (await read(token, `/chats/${chat}/messages?limit=${count}`)).next_cursor;
}

describe("choosing a branch", { concurrency: 4 }, () => {
  it("any message leads to its newest end", async () => {
    const t = await tree();
    const rows = [
      [t.q2, t.a2],
      [t.a2, t.a2],
      [t.a1, t.a2],
      [t.q1, t.b1], // Its newest child ends that branch, though an older one goes further.
      [t.b1, t.b1],
      [t.q3, t.a3],
    ];
    for (const [message, leaf] of rows) {
      const { status, json, text } = await choose(t, message);
      assert.equal(status, 200, text);
      assert.equal(json.leaf_id, leaf);
      assert.deepEqual(json, await read(t.token, `/chats/${t.chat}`));
    }
    const both = await api("PATCH", `/chats/${t.chat}`, {
      token: t.token,
      body: { leaf_id: t.q2.toUpperCase(), title: "Two", archived: true },
    });
    assert.deepEqual([both.json.leaf_id, both.json.title, both.json.archived], [t.a2, "Two", true]);
    const title = await api("PATCH", `/chats/${t.chat}`, { token: t.token, body: { title: "3" } });
    assert.equal(title.json.leaf_id, t.a2, "a change of the title keeps the branch");
  });

  it("the next question goes on from there", async () => {
    const t = await tree();
    await choose(t, t.a1);
    const body = { chat_id: t.chat, content: "And then?" };
    const { json } = await api("POST", "/chat/message", { token: t.token, body });
    assert.equal(json.message.parent_id, t.a2);
  });

  it("of another chat, of nobody, not an id: a fault; others' chats: not found", async () => {
    const t = await tree();
    const other = await tree();
    const second = (await opened(t.token)).id;
    const mine = await put({ chat: second, user: t.user, content: "x" });
    for (const leaf of [randomUUID(), other.a1, mine, "x", null, 1]) {
      assertProblem(await choose(t, leaf), 422, "invalid", ["leaf_id"]);
    }
    for (const token of [other.token, await admin()]) {
      assertProblem(await choose({ token, chat: t.chat }, t.a1), 404, "not_found");
    }
    assert.equal((await read(t.token, `/chats/${t.chat}`)).leaf_id, t.a3);
  });

  it("not while the reply of the chosen one is being written", async () => {
    const t = await tree();
    const pending = await put({
      chat: t.chat, user: t.user, sender: "tutor", parent_id: t.q3, status: "pending",
      runner: await liveRunner(),
    });
    await chooseLeaf(t.chat, pending);
    const refused = await choose(t, t.a1);
    assertProblem(refused, 409, "chat_busy");
    assert.equal(refused.headers.get("retry-after"), "1");
    assert.equal((await choose(t, pending)).status, 200, "it is the chosen one already");
    const body = { title: "Meanwhile" };
    const named = await api("PATCH", `/chats/${t.chat}`, { token: t.token, body });
    assert.equal(named.status, 200);
    await db.run("update messages set status = 'complete' where id = $1", [pending]);
    assert.equal((await choose(t, t.a1)).json.leaf_id, t.a2);
  });

  it("nor where that reply begins as the other branch is being chosen", async () => {
    const t = await tree();
    const key = String(Math.floor(Math.random() * 2 ** 31));
    // As a question does: it holds the chat, and has stored the reply once the choice waits.
    const asking = db.run(
      `begin;
       select from chats where id = $1 for update;
       select pg_advisory_xact_lock($5);
       do $do$ begin
         for i in 1..500 loop
           exit when exists (select from pg_locks
             where not granted and pg_backend_pid() = any (pg_blocking_pids(pid)));
           perform pg_sleep(0.02);
         end loop;
       end $do$;
       insert into messages (id, chat_id, user_id, parent_id, sender, status, runner)
       values ($4, $1, $2, $3, 'tutor', 'pending', gen_random_uuid());
       update chats set leaf_id = $4 where id = $1;
       commit`,
      [t.chat, t.user, t.a3, randomUUID(), key],
    );
    const held = "select from pg_locks where locktype = 'advisory' and granted and objid = $1::oid";
    await waitUntil(async () => (await db.query(held, [key])).length > 0);
    const answer = await choose(t, t.a1);
    await asking;
    assertProblem(answer, 409, "chat_busy");
  });

  it("If-Match", async () => {
    const t = await tree();
    const { headers } = await api("GET", `/chats/${t.chat}`, { token: t.token });
    const tag = { headers: { "if-match": headers.get("etag") } };
    const first = await choose(t, t.a1, tag);
    assert.equal(first.status, 200);
    assert.notEqual(first.headers.get("etag"), headers.get("etag"));
    assertProblem(await choose(t, t.a3, tag), 412, "precondition_failed");
    assertProblem(await choose(t, randomUUID(), tag), 412, "precondition_failed");
    assert.equal((await read(t.token, `/chats/${t.chat}`)).leaf_id, t.a2);
  });

  it("parents in a circle, which only SQL makes, end", async () => {
    const { token, id: user } = await register();
    const { id: chat } = await opened(token);
    const [one, two] = [randomUUID(), randomUUID()];
    await db.run(
      `insert into messages (id, chat_id, user_id, parent_id, sender)
       values ($1, $3, $4, $2, 'student'), ($2, $3, $4, $1, 'student')`,
      [one, two, chat, user],
    );
    assertProblem(await choose({ token, chat }, one), 422, "invalid", ["leaf_id"]);
    const page = await read(token, `/chats/${chat}/messages?leaf_id=${one}&limit=5`);
    assert.deepEqual(ids(page.items), [one, two, one, two, one]);
  });
});

/** What a chat holds, the oldest first, without siblings. */
const turnsOf = async (token, chat) => (await messages(token, chat)).reverse();

const edit = (chat, message, body) => [`/chats/${chat}/messages/${message}/edit`, body];
const regenerate = (chat, message, body) => [`/chats/${chat}/messages/${message}/regenerate`, body];

/** A POST that is answered whole. */
async function answered(token, [path, body]) {
  const { status, json, text } = await api("POST", path, { token, body });
  assert.equal(status, 201, text);
  return json;
}

const said = ({ role, parts }) => [role, parts.map(({ text }) => text).join("")];

/** A chat of two questions; the stand-in says `one`, then `two`. */
async function talk() {
  const { token, id } = await register();
  const script = newToken();
  await gemini.script(script, [{ text: ["one"] }, { end: "finish" }], 1);
  await gemini.script(script, [{ text: ["two"] }, { end: "finish" }], 1);
  const first = await asked(token, { content: `First ${script}` });
  const chat = first.chat_id;
  const second = await asked(token, { content: `Second ${script}`, chat_id: chat });
  return { token, id, chat, script, first, second, before: await turnsOf(token, chat) };
}

describe("another reply, another question", { concurrency: 4 }, () => {
  it("regenerate, by the reply or by its question", async () => {
    const { token, chat, script, first, second, before } = await talk();
    let place = 1;
    for (const { id } of [second.reply, second.message]) {
      const name = `again ${place}`;
      await gemini.script(script, [{ text: [name] }, { end: "finish" }], 1);
      const body = place === 1 ? undefined : {};
      const { chat_id: where, message, reply } = await answered(token, regenerate(chat, id, body));
      place += 1;
      assert.equal(where, chat);
      assert.deepEqual(message, second.message, "the question is the same one");
      assert.equal(reply.content, name);
      assert.equal(reply.parent_id, second.message.id);
      assert.equal((await read(token, `/chats/${chat}`)).leaf_id, reply.id);
      const { items } = await read(token, `/chats/${chat}/messages?leaf_id=${reply.id}`);
      assert.deepEqual(items.map((item) => item.content),
        [name, second.message.content, "one", first.message.content]);
      assert.deepEqual(items[0].siblings, { index: place, count: place });
      assert.deepEqual(items[1].siblings, { index: 1, count: 1 });
      // The model is told what it was told before, and nothing of its other replies.
      const calls = await gemini.calls(script);
      assert.deepEqual(calls.at(-1).request, calls[1].request);
    }
    const turns = await turnsOf(token, chat);
    assert.deepEqual(turns.slice(0, 4), before, "nothing is overwritten");
    assert.equal(turns.length, 6);
  });

  it("of an earlier turn: the branch begins there", async () => {
    const { token, chat, script, first, before } = await talk();
    await gemini.script(script, [{ text: ["uno"] }, { end: "finish" }], 1);
    const again = await answered(token, regenerate(chat, first.reply.id));
    assert.deepEqual((await gemini.calls(script)).at(-1).request.contents.map(said),
      [["user", first.message.content]]);
    await gemini.script(script, [{ text: ["due"] }, { end: "finish" }], 1);
    const next = await asked(token, { content: `Then ${script}`, chat_id: chat });
    assert.equal(next.message.parent_id, again.reply.id);
    assert.deepEqual((await gemini.calls(script)).at(-1).request.contents.map(said),
      [["user", first.message.content], ["model", "uno"], ["user", `Then ${script}`]]);
    assert.deepEqual((await turnsOf(token, chat)).slice(0, 4), before);
  });

  it("edit, of any question", async () => {
    const { token, chat, script, first, second, before } = await talk();
    const rows = [
      [second.message, [["user", first.message.content], ["model", "one"]]],
      [first.message, []],
    ];
    for (const [{ id, parent_id: parent }, path] of rows) {
      await gemini.script(script, [{ text: ["other"] }, { end: "finish" }], 1);
      const content = `Other words ${script}`;
      const { message, reply } = await answered(token, edit(chat, id, { content }));
      assert.notEqual(message.id, id);
      assert.deepEqual([message.content, message.parent_id], [content, parent]);
      assert.deepEqual([reply.content, reply.parent_id], ["other", message.id]);
      assert.equal((await read(token, `/chats/${chat}`)).leaf_id, reply.id);
      const { items } = await read(token, `/chats/${chat}/messages`);
      const places = new Map(items.map((item) => [item.id, item.siblings]));
      assert.deepEqual(places.get(id), { index: 1, count: 2 });
      assert.deepEqual(places.get(message.id), { index: 2, count: 2 });
      assert.deepEqual(places.get(reply.id), { index: 1, count: 1 });
      assert.deepEqual((await gemini.calls(script)).at(-1).request.contents.map(said),
        [...path, ["user", content]]);
    }
    assert.deepEqual((await turnsOf(token, chat)).slice(0, 4), before);
    // The way back to what was is open.
    const back = await choose({ token, chat }, second.reply.id);
    assert.equal(back.json.leaf_id, second.reply.id);
  });

  it("a reply that failed is given anew", async () => {
    const { token } = await register();
    const script = newToken();
    await gemini.script(script, [{ named: "overloaded" }], 1);
    const body = { content: script };
    assertProblem(await api("POST", "/chat/message", { token, body }), 503, "tutor_overloaded");
    const [{ id: chat }] = (await read(token, "/chats")).items;
    const [question, failed] = await turnsOf(token, chat);
    assert.equal(failed.status, "failed");
    await gemini.script(script, [{ text: ["better"] }, { end: "finish" }], 1);
    const { message, reply } = await answered(token, regenerate(chat, failed.id));
    assert.deepEqual([message.id, reply.content], [question.id, "better"]);
    assert.deepEqual(await turnsOf(token, chat), [question, failed, reply]);
    assert.deepEqual((await gemini.calls(script)).at(-1).request.contents.map(said),
      [["user", script]]);
  });

  it("streamed", async () => {
    const { token, chat, script, second, before } = await talk();
    const rows = [
      [regenerate(chat, second.reply.id, { stream: true }), (start) =>
        assert.equal(start.message_id, second.message.id)],
      [edit(chat, second.message.id, { content: `Other ${script}`, stream: true }), (start) =>
        assert.ok(before.every(({ id }) => id !== start.message_id))],
    ];
    for (const [[path, body], check] of rows) {
      await gemini.script(script, [{ text: ["a", "b"] }, { end: "finish" }], 1);
      const { start, text, done } = await (await sse(path, body, { token })).all();
      check(start);
      assert.equal(start.chat_id, chat);
      assert.equal(text, "ab");
      assert.equal((await read(token, `/chats/${chat}`)).leaf_id, start.reply_id);
      assert.deepEqual((await turnsOf(token, chat)).at(-1), done.reply);
    }
    assert.deepEqual((await turnsOf(token, chat)).slice(0, 4), before);
  });

  it("an edited picture keeps its picture", async () => {
    const { token } = await register();
    const { stdout } = await promisify(execFile)("convert",
      ["-size", "64x48", "xc:red", "png:-"], { encoding: "buffer" });
    const form = new FormData();
    form.append("content", "What is it?");
    form.append("image", new Blob([stdout], { type: "image/png" }), "red.png");
    const sent = new Response(form);
    const first = await api("POST", "/chat/image", {
      token,
      body: Buffer.from(await sent.arrayBuffer()),
      headers: { "content-type": sent.headers.get("content-type") },
    });
    assert.equal(first.status, 201, first.text);
    const { chat_id: chat, message: old } = first.json;
    const script = newToken();
    await gemini.script(script, [{ tutor: true }]);
    const { message } = await answered(token, edit(chat, old.id, { content: script }));
    assert.deepEqual([message.type, message.image_url, message.parent_id],
      ["image", old.image_url, null]);
    await answered(token, regenerate(chat, message.id));
    for (const { request } of await gemini.calls(script)) {
      assert.equal(request.contents.length, 1);
      const [image, words] = request.contents[0].parts;
      assert.equal(image.inlineData.mimeType, "image/png");
      assert.deepEqual(words, { text: script });
    }
  });

  it("what is not there, or not one's own, or no question", async () => {
    const mine = await talk();
    const other = await talk();
    const second = (await opened(mine.token)).id;
    const { chat, first } = mine;
    const words = { content: "Other words" };
    const rows = [
      [other.token, edit(chat, first.message.id, words)],
      [other.token, regenerate(chat, first.reply.id)],
      [other.token, edit(other.chat, first.message.id, words)],
      [other.token, regenerate(other.chat, first.reply.id)],
      [await admin(), edit(chat, first.message.id, words)],
      [await admin(), regenerate(chat, first.reply.id)],
      [mine.token, edit(second, first.message.id, words)],
      [mine.token, regenerate(second, first.reply.id)],
      [mine.token, edit(chat, randomUUID(), words)],
      [mine.token, regenerate(chat, randomUUID())],
      [mine.token, edit(randomUUID(), first.message.id, words)],
      [mine.token, regenerate(randomUUID(), first.message.id)],
      [mine.token, edit(chat, first.reply.id, words)], // The tutor's.
    ];
    for (const [token, [path, body]] of rows) {
      assertProblem(await api("POST", path, { token, body }), 404, "not_found");
    }
    const faults = [
      [edit(chat, first.message.id, {}), ["content"]],
      [edit(chat, first.message.id, { content: "" }), ["content"]],
      [edit(chat, first.message.id, { content: " \n" }), ["content"]],
      [edit(chat, first.message.id, { content: "x".repeat(32001) }), ["content"]],
      [edit(chat, first.message.id, { content: 1 }), ["content"]],
      [edit(chat, first.message.id, { ...words, stream: "yes" }), ["stream"]],
      [edit(chat, first.message.id, { ...words, chat_id: chat }), ["chat_id"]],
      [edit(chat, "x", words), ["mid"]],
      [edit("x", first.message.id, words), ["id"]],
      [regenerate(chat, first.reply.id, { content: "x" }), ["content"]],
      [regenerate(chat, "x"), ["mid"]],
    ];
    for (const [[path, body], fields] of faults) {
      const answer = await api("POST", path, { token: mine.token, body });
      assertProblem(answer, 422, "invalid", fields);
    }
    for (const [path] of [edit(chat, first.message.id), regenerate(chat, first.reply.id)]) {
      assertProblem(await api("POST", path, { body: words }), 401, "unauthorized");
    }
    for (const { token, chat: one, before } of [mine, other]) {
      assert.deepEqual(await turnsOf(token, one), before);
    }
  });

  it("not while a reply is being written", async () => {
    const { token, chat, script, first, second } = await talk();
    await gemini.script(script, [{ hold: true }, { tutor: true }], 1);
    const running = answered(token, regenerate(chat, second.reply.id));
    await gemini.waitForCalls(script, { count: 3 });
    const turns = await turnsOf(token, chat);
    const pending = turns.at(-1);
    assert.equal(pending.status, "pending");
    const rows = [
      edit(chat, second.message.id, { content: "x" }),
      edit(chat, first.message.id, { content: "x" }),
      regenerate(chat, first.reply.id),
      regenerate(chat, pending.id),
      ["/chat/message", { content: "x", chat_id: chat }],
    ];
    for (const [path, body] of rows) {
      const busy = await api("POST", path, { token, body });
      assertProblem(busy, 409, "chat_busy");
      assert.match(busy.headers.get("retry-after"), /^[1-9]/);
    }
    assert.deepEqual(await turnsOf(token, chat), turns);
    await gemini.release(script);
    assert.equal((await running).reply.id, pending.id);
    // Of several at once one is taken.
    await gemini.script(script, [{ hold: true }, { tutor: true }], 1);
    const asking = [1, 2, 3, 4].map(() =>
      api("POST", regenerate(chat, second.reply.id)[0], { token }));
    await gemini.waitForCalls(script, { count: 4 });
    await gemini.release(script);
    const answers = await Promise.all(asking);
    const given = answers.filter(({ status }) => status === 201);
    assert.ok(given.length >= 1);
    for (const answer of answers) {
      if (answer.status !== 201) assertProblem(answer, 409, "chat_busy");
    }
    assert.equal((await turnsOf(token, chat)).length, turns.length + given.length);
  });
});
