// Two hundred students at work while every process of the service, and PostgreSQL, is killed. What
// a student was told is stored, and nothing is stored as more than it was.

import assert from "node:assert/strict";
import { randomInt, randomUUID } from "node:crypto";
import { after, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { waitUntil } from "../lib/fynq.mjs";
import {
  allPages,
  each,
  killPostgres,
  killResponder,
  plainStack,
  pools,
  shuffled,
  upTo,
} from "./load.mjs";

const STUDENTS = 200;
const QUESTIONS = 5;
const KILLS = ["auth", "chat", "contents", "files", "system", "users"]
  .flatMap((name) => [name, name]);
KILLS.push("chat", "chat", "postgres", "postgres");
const MOST_ANSWERS_BETWEEN = 120;
const STREAMING = 20; // Replies that are being written where their writer is killed.
const PATIENCE_MS = 90000; // How long a student tries again.
const PENDING_MS = 60000;
const PASSWORD = "correct horse battery";

const stack = await plainStack({
  durable: true,
  settings: { FYNQ_BCRYPT_COST: 4, FYNQ_DRAIN_SECONDS: 20 },
});
after(() => stack.stop());

const PIECES = upTo(24).map((i) => `${i}. "é" π 🙂 \n`);
const WHOLE = PIECES.join("");
await stack.gemini.script("question", [{ text: PIECES, every_ms: 20 }, { end: "finish" }]);

const counts = { answers: 0, broken: 0, refused: {} };

/** What students were told, to be found again. */
const told = { turns: [], questions: [], cut: [] };

/** attempt() until it gives something; it gives undefined where a frontend would try again. */
async function persist(what, attempt) {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const result = await attempt();
    if (result !== undefined) {
      counts.answers += 1;
      return result;
    }
    if (performance.now() > deadline) throw new Error(`${what}: nothing for ${PATIENCE_MS} ms`);
    await pause(randomInt(50, 250));
  }
}

/** The answer; undefined where the connection broke, or the server could not answer. */
async function request(method, target, options) {
  let answer;
  try {
    answer = await stack.api(method, target, options);
  } catch {
    counts.broken += 1;
    return undefined;
  }
  if (answer.status < 500) return answer;
  counts.refused[answer.status] = (counts.refused[answer.status] ?? 0) + 1;
  return undefined;
}

const persistent = (method, target, options) =>
  persist(`${method} ${target}`, () => request(method, target, options));

/** An account that was made by an attempt without an answer is signed in to. */
async function register() {
  const credentials = { email: `${randomUUID()}@example.com`, password: PASSWORD };
  const body = { ...credentials, birth_date: "2000-01-31" };
  let answer = await persistent("POST", "/auth/register", { body });
  if (answer.status === 409) {
    answer = await persistent("POST", "/auth/login", { body: credentials });
    assert.equal(answer.status, 200, answer.text);
  } else {
    assert.equal(answer.status, 201, answer.text);
  }
  return { ...credentials, session: answer.json, token: answer.json.access_token };
}

/** Reads a stream as far as it goes; {start, text, done}. */
async function readStream(stream) {
  const seen = { text: "" };
  try {
    for await (const { event, data } of stream) {
      if (event === "delta") seen.text += data.text;
      else seen[event] = data;
    }
  } catch {
    counts.broken += 1;
  }
  return seen;
}

/** One attempt to ask. The chat is given up where a reply in it is still thought to be written. */
async function ask(student, content, streamed) {
  const body = { content, stream: streamed, ...(student.chat ? { chat_id: student.chat } : {}) };
  const { token } = student;
  let answer;
  if (streamed) {
    const stream = await stack.sse("/chat/message", body, { token }).catch(() => undefined);
    if (stream?.status === 200) return followStream(student, content, stream);
    answer = stream && { status: stream.status, json: await stream.json().catch(() => undefined) };
    if (!answer || answer.status >= 500) {
      const status = answer?.status ?? "none";
      counts.refused[status] = (counts.refused[status] ?? 0) + 1;
      return undefined;
    }
  } else {
    answer = await request("POST", "/chat/message", { token, body });
    if (!answer) return undefined;
    if (answer.status === 201) {
      const { chat_id: chat, message, reply } = answer.json;
      told.turns.push(message, reply);
      student.chat = chat;
      return true;
    }
  }
  assert.equal(answer.status, 409);
  assert.equal(answer.json.type, "urn:fynq:problem:chat_busy");
  student.chat = undefined;
  return undefined;
}

async function followStream(student, content, stream) {
  const { start, text, done } = await readStream(stream);
  if (start) {
    student.chat = start.chat_id;
    told.questions.push({ id: start.message_id, chat_id: start.chat_id, content });
  }
  if (!done) {
    if (start) told.cut.push({ id: start.reply_id, chat: start.chat_id, text, student });
    return undefined;
  }
  assert.equal(done.reply.content, text);
  told.turns.push(done.reply);
  return true;
}

async function study(number) {
  const student = await register();
  for (let i = 0; i < QUESTIONS || !over; i++) {
    const content = `Student ${number}, question ${i}: é π 🙂`;
    await persist("ask", () => ask(student, content, (number + i) % QUESTIONS > 0));
    const { token } = student;
    if (i === 1) {
      const body = { display_name: `Student ${number} é` };
      const answer = await persistent("PATCH", "/users/me", { token, body });
      assert.equal(answer.status, 200, answer.text);
      student.profile = answer.json;
    } else if (i === 2 && student.chat) {
      const body = { title: `Chat of ${number} π` };
      const answer = await persistent("PATCH", `/chats/${student.chat}`, { token, body });
      assert.equal(answer.status, 200, answer.text);
      student.titled = answer.json;
    } else if (i === 3) {
      assert.equal((await persistent("GET", "//readyz")).status, 200);
      const { email, password } = student;
      const answer = await persistent("POST", "/auth/login", { body: { email, password } });
      assert.equal(answer.status, 200, answer.text);
      student.session = answer.json;
    }
  }
  return student;
}

/**
 * Every process of every pool and PostgreSQL, one after the other, at moments spread by chance;
 * what writes and stores replies is killed while it does so.
 */
async function havoc() {
  const first = Object.values(await pools(stack)).flatMap(({ pids }) => pids);
  const plan = shuffled(KILLS);
  for (const what of plan) {
    const moment = counts.answers + randomInt(MOST_ANSWERS_BETWEEN);
    const options = { timeoutMs: PATIENCE_MS, everyMs: 5, what: `the moment to kill ${what}` };
    await waitUntil(() => counts.answers >= moment, options);
    if (what === "chat" || what === "postgres") {
      await waitUntil(async () => (await stack.gemini.stats()).in_flight >= STREAMING, options);
    }
    await (what === "postgres" ? killPostgres(stack) : killResponder(stack, what, first));
  }
  const left = Object.values(await pools(stack)).flatMap(({ pids }) => pids);
  assert.ok(!left.some((pid) => first.includes(pid)));
  return plan;
}

let students;
let over = false; // Until then the students go on.
let restartedAt;

test("no request meets a connection of a PostgreSQL that is gone", { timeout: 600000 }, async () => {
  const accounts = await Promise.all(upTo(16).map(() => stack.register()));
  await killPostgres(stack);
  for (const { refreshToken } of accounts) {
    const body = { refresh_token: refreshToken };
    const { status, text } = await stack.api("POST", "/auth/refresh", { body });
    assert.equal(status, 200, text);
  }
});

test("200 students at work while everything is killed", { timeout: 600000 }, async (t) => {
  const began = performance.now();
  const work = Promise.allSettled(upTo(STUDENTS).map(study));
  const killed = await havoc().finally(() => (over = true));
  restartedAt = performance.now();
  const outcomes = await work;
  const failed = outcomes.filter(({ status }) => status === "rejected");
  const seconds = (performance.now() - began) / 1000;
  t.diagnostic(`figure: killed=${killed.join(",")} seconds=${seconds.toFixed(1)}`);
  t.diagnostic(
    `figure: answers=${counts.answers} connections_broken=${counts.broken} ` +
      `streams_cut=${told.cut.length} refused=${JSON.stringify(counts.refused)}`,
  );
  assert.equal(failed.length, 0, failed[0]?.reason.stack);
  assert.ok(told.cut.length > 0, "nothing was hit");
  students = outcomes.map(({ value }) => value);
});

test("no reply stays pending for more than a minute", { timeout: 600000 }, async (t) => {
  const pending = async () => {
    const [{ count }] = await stack.db.query(
      "select count(*)::int from messages where status = 'pending'",
    );
    return count;
  };
  t.diagnostic(`figure: pending_at_end=${await pending()}`);
  await waitUntil(async () => (await pending()) === 0, {
    timeoutMs: restartedAt + PENDING_MS - performance.now(),
    everyMs: 100,
    what: "no pending reply",
  });
  const seconds = (performance.now() - restartedAt) / 1000;
  t.diagnostic(`figure: none_pending_after_s=${seconds.toFixed(1)}`);
});

test("what a student was told is stored, and reads the same", { timeout: 600000 }, async (t) => {
  const read = new Map();
  await each(STUDENTS, 8, async (i) => {
    const { email, token, session, profile, titled } = students[i];
    const me = await stack.api("GET", "/users/me", { token });
    assert.equal(me.json.email, email);
    assert.deepEqual({ ...me.json, updated_at: "" }, { ...profile, updated_at: "" });

    const body = { refresh_token: session.refresh_token };
    assert.equal((await stack.api("POST", "/auth/refresh", { body })).status, 200);

    const chats = await allPages(stack.api, "/chats", token);
    if (titled) assert.equal(chats.find(({ id }) => id === titled.id).title, titled.title);
    for (const { id } of chats) {
      const turns = await allPages(stack.api, `/chats/${id}/messages`, token);
      for (const { siblings, ...turn } of turns) read.set(turn.id, turn);
    }
  });
  for (const turn of told.turns) assert.deepEqual(read.get(turn.id), turn);
  for (const { id, chat_id: chat, content } of told.questions) {
    assert.equal(read.get(id)?.content, content);
    assert.equal(read.get(id).chat_id, chat);
    assert.equal(read.get(id).status, "complete");
  }
  const rows = await stack.db.query("select id, content from messages");
  const stored = new Map(rows.map(({ id, content }) => [id, content]));
  for (const { id, content } of told.turns) assert.equal(stored.get(id), content);
  t.diagnostic(`figure: told=${told.turns.length + told.questions.length} missing=0`);
});

test("nothing is stored as complete that was cut", async (t) => {
  const rows = await stack.db.query(
    "select id, status, content, finish_reason from messages where sender = 'tutor'",
  );
  for (const { status, content, finish_reason: reason } of rows) {
    assert.ok(["complete", "stopped", "failed"].includes(status), status);
    if (status === "complete") {
      assert.equal(content, WHOLE);
      assert.equal(reason, "STOP");
    } else {
      assert.ok(WHOLE.startsWith(content));
    }
  }
  const stored = new Map(rows.map((row) => [row.id, row]));
  const kinds = {};
  for (const { id, text } of told.cut) {
    const { status } = stored.get(id);
    kinds[status] = (kinds[status] ?? 0) + 1;
    // Killed between the commit and "done": then all but that was seen.
    if (status === "complete") assert.equal(text, WHOLE);
  }
  t.diagnostic(`figure: cut=${JSON.stringify(kinds)}`);
});

test("chats that were cut go on", { timeout: 600000 }, async () => {
  const chats = new Map(told.cut.map(({ chat, student }) => [chat, student]));
  await each(chats.size, 20, async (i) => {
    const [chat, { token }] = [...chats][i];
    const body = { content: "Go on with the question.", chat_id: chat };
    const { status, json, text } = await stack.api("POST", "/chat/message", { token, body });
    assert.equal(status, 201, text);
    assert.equal(json.reply.content, WHOLE);
  });
});
