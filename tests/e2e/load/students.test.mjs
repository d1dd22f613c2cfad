// Two hundred students at once: nobody fails, what they saw is what is stored, and nobody sees what
// is another's.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { allPages, each, plainStack, upTo } from "./load.mjs";

const STUDENTS = 200;
const QUESTIONS = 5;
const INTRUDERS = 20;

const stack = await plainStack({ settings: { FYNQ_BCRYPT_COST: 4, FYNQ_DRAIN_SECONDS: 20 } });
after(() => stack.stop());

// What is hard to carry: line ends, quotes, escapes, and characters of one to four bytes.
const HARD = [
  ...['He said: "π ≈ 3', ',14"\r\n\n', "\\u0041\\ \u0001\t"],
  ...["\u2028🙂", "e\u0301 </script>", " "],
];
await stack.gemini.script("hard to carry", [{ text: HARD, every_ms: 2 }, { end: "finish" }]);

/** Registers, asks, reads history; everything is checked on the way. */
async function study(number) {
  const student = await stack.register();
  const told = [];
  let chat;
  for (const question of upTo(QUESTIONS)) {
    const hard = question % 2 === 1;
    const content = `Student ${number}: é π 🙂 ${question}${hard ? ", hard to carry" : "?"}`;
    const body = { content, stream: true, ...(chat ? { chat_id: chat } : {}) };
    const stream = await stack.sse("/chat/message", body, { token: student.token });
    assert.equal(stream.status, 200);
    const { text, start, done, error } = await stream.all();
    assert.equal(error, undefined);
    assert.equal(done?.reply.content, text);
    assert.equal(done.reply.status, "complete");
    assert.equal(done.reply.id, start.reply_id);
    assert.equal(done.reply.parent_id, start.message_id);
    if (hard) assert.equal(text, HARD.join(""));
    chat ??= start.chat_id;
    assert.equal(start.chat_id, chat);
    told.push({ id: start.message_id, content }, { id: start.reply_id, content: text });
  }
  const history = await allPages(stack.api, `/chat/history/${student.id}?limit=3`, student.token);
  const read = history.map(({ id, content }) => ({ id, content })).reverse();
  assert.deepEqual(read, told);
  return { ...student, chat, told, messages: history };
}

let students;

test("200 students register, ask and read at once", { timeout: 600000 }, async (t) => {
  const began = performance.now();
  const outcomes = await Promise.allSettled(upTo(STUDENTS).map(study));
  const failed = outcomes.filter(({ status }) => status === "rejected");
  const seconds = (performance.now() - began) / 1000;
  t.diagnostic(`figure: students=${STUDENTS} failed=${failed.length}`);
  const rate = ((STUDENTS * QUESTIONS) / seconds).toFixed(0);
  t.diagnostic(`figure: seconds=${seconds.toFixed(1)} replies_per_second=${rate}`);
  assert.equal(failed.length, 0, failed[0]?.reason.stack);
  students = outcomes.map(({ value }) => value);
});

test("every stored turn is what its student saw, byte for byte", async () => {
  const rows = await stack.db.query("select id, user_id, chat_id, content, status from messages");
  const stored = new Map(rows.map((row) => [row.id, row]));
  for (const student of students) {
    for (const { id, content } of student.told) {
      const row = { id, user_id: student.id, chat_id: student.chat, content, status: "complete" };
      assert.deepEqual(stored.get(id), row);
    }
  }
  assert.equal(stored.size, STUDENTS * QUESTIONS * 2);
});

/** The id after this one, as somebody who guesses would try. */
function following(id) {
  const digits = (BigInt(`0x${id.replaceAll("-", "")}`) + 1n).toString(16).padStart(32, "0");
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** Requests about another's things, each to be answered as if there were no such thing. */
function intrusions(victim) {
  const { id, chat, told } = victim;
  const others = [id, told[0].id, told[1].id, following(chat), following(told[0].id)];
  return [
    ["GET", `/chats/${chat}`],
    ["PATCH", `/chats/${chat}`, { title: "Mine now" }],
    ["PATCH", `/chats/${chat}`, { archived: true }],
    ["DELETE", `/chats/${chat}`],
    ["GET", `/chats/${chat}/messages`],
    ["GET", `/chats/${chat}/messages?limit=1`],
    ["GET", `/chat/history/${id}`],
    ["GET", `/chat/history/${id}?chat_id=${chat}`],
    ["GET", `/chat/history/${id}?q=student`],
    ["POST", "/chat/message", { content: "Let me in.", chat_id: chat }],
    ["POST", "/chat/message", { content: "Let me in.", chat_id: chat, stream: true }],
    ...others.flatMap((other) => [
      ["GET", `/chats/${other}`],
      ["GET", `/chats/${other}/messages`],
      ["PATCH", `/chats/${other}`, { archived: true }],
      ["DELETE", `/chats/${other}`],
      ["POST", "/chat/message", { content: "Let me in.", chat_id: other }],
    ]),
    ["GET", `/chat/history/${chat}`],
  ];
}

async function belongings({ id, token }) {
  return {
    profile: (await stack.api("GET", "/users/me", { token })).json,
    chats: await allPages(stack.api, "/chats", token),
    archived: await allPages(stack.api, "/chats?archived=true", token),
    history: await allPages(stack.api, `/chat/history/${id}?limit=100`, token),
  };
}

test("no route and no guess shows or changes another's", { timeout: 600000 }, async (t) => {
  const intruders = students.slice(0, INTRUDERS);
  let tried = 0;
  await each(INTRUDERS, 10, async (i) => {
    const intruder = intruders[i];
    const victim = students[(i * 7 + 31) % STUDENTS];
    const before = { own: await belongings(intruder), theirs: await belongings(victim) };
    for (const [method, target, body] of intrusions(victim)) {
      const { status, json } = await stack.api(method, target, { token: intruder.token, body });
      assert.equal(status, 404, `${method} ${target}`);
      assert.equal(json.type, "urn:fynq:problem:not_found");
      tried += 1;
    }
    const own = `/chat/history/${intruder.id}`;
    const filtered = await allPages(stack.api, `${own}?chat_id=${victim.chat}`, intruder.token);
    assert.deepEqual(filtered, []);

    // Another's place in a list is a place in one's own, and no more.
    for (const list of ["/chat/history/ID?limit=1", "/chats/CHAT/messages?limit=1"]) {
      const of = (it) => list.replace("ID", it.id).replace("CHAT", it.chat);
      const { json } = await stack.api("GET", of(victim), { token: victim.token });
      assert.ok(json.next_cursor);
      const target = `${of(intruder)}&cursor=${json.next_cursor}`;
      const items = await allPages(stack.api, target, intruder.token).catch((error) => {
        assert.match(error.message, /: 422 /);
        return [];
      });
      const ids = new Set(intruder.told.map(({ id }) => id));
      assert.ok(items.every(({ id }) => ids.has(id)), target);
    }
    const after = { own: await belongings(intruder), theirs: await belongings(victim) };
    assert.deepEqual(after, before);
    assert.deepEqual(after.own.chats.map(({ id }) => id), [intruder.chat]);
    assert.equal(after.own.history.length, QUESTIONS * 2);
    assert.equal(after.own.profile.id, intruder.id);
  });
  t.diagnostic(`figure: intrusions=${tried} refused=${tried}`);
});
