// Branches of a chat: their lists, each message's siblings, and the choice of one.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";

import { admin, chooseLeaf, ids, opened, put, read } from "./lib/chats.mjs";
import { api, db, register, waitUntil } from "./lib/fynq.mjs";
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
      runner: randomUUID(),
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
