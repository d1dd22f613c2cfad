// The Idempotency-Key: what is asked for again is not made again, whatever became of it.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";

import { asked, liveRunner, newToken, opened, put, read } from "./lib/chats.mjs";
import { api, db, gemini, register, sse, stack, startStack, waitUntil } from "./lib/fynq.mjs";
import { assertProblem, assertRetryAfter } from "./lib/problem.mjs";
import { sameDay } from "./lib/wait.mjs";

const PATH = "/chat/message";

const run = promisify(execFile);

// Gemini's quota is two questions a minute there. It starts while the others are tested.
const starting = startStack({
  settings: {
    FYNQ_GEMINI_QUOTAS: "gemini-2.5-flash=2/0/0",
    FYNQ_GEMINI_WAIT_MS: 0,
    FYNQ_IDEMPOTENCY_HOURS: 3,
  },
});
starting.catch(() => {}); // Told by the tests that use it.
after(async () => (await starting).stop());

before(() => sameDay(120)); // What is asked is counted by the day.

const newKey = () => `key ${randomUUID()}`;

/** POST with a key. */
const post = (path, { token, key, body, on = stack }) =>
  on.api("POST", path, { token, body, headers: { "idempotency-key": key } });

const stream = async (path, { token, key, body }) => {
  const answer = await sse(path, { ...body, stream: true }, {
    token,
    headers: { "idempotency-key": key },
  });
  return { answer, ...(answer.status === 200 ? await answer.all() : {}) };
};

const replayed = ({ headers }) => headers.get("idempotent-replayed") === "true";

function assertReplay(again, first) {
  assert.equal(again.status, first.status, again.text);
  assert.equal(again.text, first.text);
  assert.ok(!replayed(first) && replayed(again));
}

/** How many questions and replies a user has, and how many keys. */
async function stored({ id }, { query } = db) {
  const [row] = await query(
    `select count(*) filter (where sender = 'student')::int as questions,
       count(*) filter (where sender = 'tutor')::int as replies,
       (select count(*)::int from fynq.requests where user_id = $1::uuid) as keys
     from messages where user_id = $1::uuid`,
    [id],
  );
  return row;
}

const ONE = { questions: 1, replies: 1, keys: 1 };
const NONE = { questions: 0, replies: 0, keys: 0 };

/** A student and a question with a key; the stand-in says `steps` to it. */
async function question(steps = [{ tutor: true }], more = {}) {
  const student = await register();
  const script = newToken();
  await gemini.script(script, steps);
  const { token } = student;
  return { student, script, request: { token, key: newKey(), body: { content: script, ...more } } };
}

const HELD = [{ text: ["Let us "] }, { hold: true }, { text: ["begin."] }, { end: "finish" }];

describe("a question with a key", { concurrency: 8 }, () => {
  it("asked again: the first answer, and Gemini is not asked again", async () => {
    const { student, script, request } = await question();
    const first = await post(PATH, request);
    assert.equal(first.status, 201, first.text);
    assertReplay(await post(PATH, request), first);
    assertReplay(await post(PATH, request), first);
    assert.deepEqual(await stored(student), ONE);
    assert.equal((await gemini.calls(script)).length, 1);
    const usage = await read(request.token, "/users/me/usage");
    assert.equal(usage.day.messages.used, 1);
  });

  it("streamed again: its events", async () => {
    const { student, script, request } = await question(HELD.filter((step) => !step.hold));
    const first = await stream(PATH, request);
    const again = await stream(PATH, request);
    assert.ok(!replayed(first.answer) && replayed(again.answer));
    assert.equal(again.answer.headers.get("content-type"), "text/event-stream");
    const names = again.events.map(({ event }) => event);
    assert.deepEqual(names, ["start", "delta", "done"]);
    assert.deepEqual(again.start, first.start);
    assert.deepEqual(again.done, first.done);
    assert.equal(again.text, "Let us begin.");
    assert.deepEqual(again.events.at(-1).id, first.events.at(-1).id);
    assert.deepEqual(await stored(student), ONE);
    assert.equal((await gemini.calls(script)).length, 1);
    // The form of the answer is part of the request.
    assertProblem(await post(PATH, request), 409, "idempotency_key_reused");
  });

  it("with another body or path: refused", async () => {
    const { student, script, request } = await question();
    const first = await post(PATH, request);
    const { chat_id: chat, reply, message } = first.json;
    const rows = [
      [PATH, { content: `${script}!` }],
      [PATH, { content: script, chat_id: chat }],
      [PATH, { content: script, stream: true }],
      ["/chats", { title: script }],
      [`/chats/${chat}/messages/${message.id}/edit`, { content: script }],
      [`/chats/${chat}/messages/${reply.id}/regenerate`, {}],
    ];
    for (const [path, body] of rows) {
      assertProblem(await post(path, { ...request, body }), 409, "idempotency_key_reused");
    }
    assert.deepEqual(await stored(student), ONE);
    assertReplay(await post(PATH, request), first);
  });

  it("while the first one runs: to be asked again", async () => {
    const { student, script, request } = await question(HELD);
    const running = post(PATH, request);
    await gemini.waitForCalls(script);
    const early = await post(PATH, request);
    assertProblem(early, 409, "request_running");
    assertRetryAfter(early, 1, 10);
    assert.ok(!replayed(early));
    const other = { ...request, body: { content: `${script}!` } };
    assertProblem(await post(PATH, other), 409, "idempotency_key_reused");
    await gemini.release(script);
    const first = await running;
    assert.equal(first.json.reply.content, "Let us begin.");
    assertReplay(await post(PATH, request), first);
    assert.deepEqual(await stored(student), ONE);
    assert.equal((await gemini.calls(script)).length, 1);
  });

  it("twenty at once: one is executed", async () => {
    const { student, script, request } = await question(HELD);
    const asking = Array.from({ length: 20 }, () => post(PATH, request));
    await gemini.waitForCalls(script);
    await gemini.release(script);
    const answers = await Promise.all(asking);
    const first = answers.filter((answer) => answer.status === 201 && !replayed(answer));
    assert.equal(first.length, 1);
    for (const answer of answers) {
      if (replayed(answer)) assertReplay(answer, first[0]);
      else if (answer !== first[0]) assertProblem(answer, 409, "request_running");
    }
    assert.deepEqual(await stored(student), ONE);
    assert.equal((await gemini.calls(script)).length, 1);
  });

  it("keys are each user's own", async () => {
    const { student, request } = await question();
    const other = await register();
    const first = await post(PATH, request);
    const second = await post(PATH, { ...request, token: other.token });
    assert.deepEqual([first.status, second.status], [201, 201]);
    assert.ok(!replayed(second));
    assert.notEqual(first.json.chat_id, second.json.chat_id);
    for (const user of [student, other]) assert.deepEqual(await stored(user), ONE);
  });

  it("what the client did not wait for is told later", async () => {
    const { student, script, request } = await question(HELD);
    const gone = new AbortController();
    const running = api("POST", PATH, {
      token: request.token,
      body: request.body,
      headers: { "idempotency-key": request.key },
      signal: gone.signal,
    });
    await gemini.waitForCalls(script);
    gone.abort();
    await assert.rejects(running);
    await gemini.waitForCalls(script, { ended: "aborted" });
    const again = await waitUntil(async () => {
      const answer = await post(PATH, request);
      return answer.status !== 409 && answer;
    });
    assert.equal(again.status, 201, again.text);
    assert.ok(replayed(again));
    assert.equal(again.json.reply.status, "stopped");
    assert.deepEqual(await stored(student), ONE);
  });

  it("of a chat that was deleted: not found", async () => {
    const { student, request } = await question();
    const { json } = await post(PATH, request);
    const { token } = student;
    assert.equal((await api("DELETE", `/chats/${json.chat_id}`, { token })).status, 204);
    assertProblem(await post(PATH, request), 404, "not_found");
    assert.deepEqual(await stored(student), { ...NONE, keys: 1 });
  });

  it("edit and regenerate take one, too", async () => {
    const { token } = await register();
    const { chat_id: chat, message, reply } = await asked(token, { content: "One?" });
    const rows = [
      [`/chats/${chat}/messages/${message.id}/edit`, { content: "Two?" }],
      [`/chats/${chat}/messages/${reply.id}/regenerate`, {}],
      [`/chats/${chat}/messages/${reply.id}/regenerate`, undefined],
    ];
    for (const [path, body] of rows) {
      const request = { token, key: newKey(), body };
      const before = (await read(token, `/chats/${chat}/messages`)).items.length;
      const first = await post(path, request);
      assert.equal(first.status, 201, first.text);
      const { items } = await read(token, `/chats/${chat}/messages`);
      assert.ok(items.length > before);
      assertReplay(await post(path, request), first);
      assert.deepEqual((await read(token, `/chats/${chat}/messages`)).items, items);
      const events = await stream(path, { ...request, key: newKey(), body: body ?? {} });
      assert.equal(events.done.reply.status, "complete");
    }
  });

  it("a picture, whatever the form's boundary; it is stored once", async () => {
    const { token, id } = await register();
    const key = newKey();
    const { stdout } = await run("convert", ["-size", "64x48", "xc:red", "png:-"], {
      encoding: "buffer",
    });
    const ask = async () => {
      const form = new FormData();
      form.append("content", "What is it?");
      form.append("image", new Blob([stdout], { type: "image/png" }), "red.png");
      const sent = new Response(form); // It makes up a boundary.
      const headers = {
        "content-type": sent.headers.get("content-type"),
        "idempotency-key": key,
      };
      const body = Buffer.from(await sent.arrayBuffer());
      return api("POST", "/chat/image", { token, body, headers });
    };
    const first = await ask();
    assert.equal(first.status, 201, first.text);
    assertReplay(await ask(), first);
    const [{ count }] = await db.query("select count(*)::int from files where user_id = $1", [id]);
    assert.equal(count, 1);
  });
});

describe("a failure", { concurrency: 4 }, () => {
  const rows = [
    ["quota_minute", 429, "tutor_quota"],
    ["quota_day", 429, "tutor_day_quota"],
    ["overloaded", 503, "tutor_overloaded"],
    ["internal", 502, "tutor_failed"],
    ["invalid", 502, "tutor_refused"],
    ["deadline", 504, "tutor_timeout"],
    ["no_parts", 502, "tutor_empty"],
    [[{ block: "PROHIBITED_CONTENT" }], 422, "tutor_blocked"],
    [[{ text: ["Let "] }, { end: "close" }], 502, "tutor_cut"],
  ];
  for (const [steps, status, code] of rows) {
    it(`${code} is told again`, async () => {
      const script = Array.isArray(steps) ? steps : [{ named: steps }];
      const { student, script: name, request } = await question(script);
      const first = await post(PATH, request);
      assertProblem(first, status, code);
      const again = await post(PATH, request);
      assertProblem(again, status, code);
      assert.ok(!replayed(first) && replayed(again));
      assert.deepEqual([again.json.title, again.json.detail], [first.json.title,
        first.json.detail]);
      assert.deepEqual(await stored(student), ONE);
      assert.equal((await gemini.calls(name)).length, 1);
    });
  }

  it("in the middle of a stream, with the text before it", async () => {
    const { request } = await question([{ text: ["Let us "] }, { end: "close" }]);
    const first = await stream(PATH, request);
    const again = await stream(PATH, request);
    assert.ok(replayed(again.answer));
    for (const { events, text, error } of [first, again]) {
      assert.equal(text, "Let us ");
      assert.equal(error.problem.code, "tutor_cut");
      assert.equal(events.at(-1).event, "error");
    }
    assert.deepEqual(again.start, first.start);
  });
});

describe("a key is not used up", { concurrency: 4 }, () => {
  it("by what is refused before it is stored", async () => {
    const { student, request } = await question();
    const { token } = student;
    const { id: chat } = await opened(token);
    const pending = await put({
      chat, user: student.id, sender: "tutor", status: "pending", runner: await liveRunner(),
    });
    await db.run("update chats set leaf_id = $2 where id = $1", [chat, pending]);
    const rows = [
      [PATH, { content: "" }, 422, "invalid"],
      [PATH, "{", 400, "bad_json"],
      [PATH, { content: "x", chat_id: randomUUID() }, 404, "not_found"],
      [PATH, { content: "x", chat_id: chat }, 409, "chat_busy"],
      ["/chat/image", { content: "x", file_id: randomUUID() }, 422, "invalid"],
      [`/chats/${chat}/messages/${randomUUID()}/edit`, { content: "x" }, 409, "chat_busy"],
      ["/chats", { title: "" }, 422, "invalid"],
    ];
    for (const [path, body, status, code] of rows) {
      const headers = { "idempotency-key": request.key, "content-type": "application/json" };
      assertProblem(await api("POST", path, { token, body, headers }), status, code);
    }
    await db.run("insert into user_limits (user_id, messages_day) values ($1, 1)", [student.id]);
    await asked(token, { content: "The only one today." });
    const limited = await post(PATH, request);
    assertProblem(limited, 429, "rate_limited");
    assert.equal((await stored(student)).keys, 0);
    await db.run("delete from user_limits where user_id = $1", [student.id]);

    const first = await post(PATH, request);
    assert.equal(first.status, 201, first.text);
    assertReplay(await post(PATH, request), first);
    // A limit that is reached does not keep what is there from being told.
    await db.run("insert into user_limits (user_id, messages_day) values ($1, 1)", [student.id]);
    assertReplay(await post(PATH, request), first);
  });

  it("nor by one that is none", async () => {
    const { student, request } = await question();
    for (const key of ["", "x".repeat(256), "caf\u00e9", "a\tb"]) {
      for (const [path, body] of [[PATH, request.body], ["/chats", {}]]) {
        const answer = await post(path, { ...request, body, key });
        assertProblem(answer, 400, "bad_request");
        assert.match(answer.json.detail, /Idempotency-Key/);
      }
    }
    assert.deepEqual(await stored(student), NONE);
    for (const key of ["x", "~".repeat(255), "a b"]) {
      assert.equal((await post(PATH, { ...request, key })).status, 201);
    }
  });
});

describe("a chat that is opened with a key", { concurrency: 4 }, () => {
  it("once, however often it is asked for", async () => {
    const { token } = await register();
    const request = { token, key: newKey(), body: { title: "Fractions" } };
    const first = await post("/chats", request);
    assert.equal(first.status, 201, first.text);
    const again = await post("/chats", request);
    assertReplay(again, first);
    for (const name of ["location", "etag"]) {
      assert.ok(first.headers.get(name));
      assert.equal(again.headers.get(name), first.headers.get(name));
    }
    const other = { ...request, body: { title: "Decimals" } };
    assertProblem(await post("/chats", other), 409, "idempotency_key_reused");
    const content = { ...request, body: { content: "Why?" } };
    assertProblem(await post(PATH, content), 409, "idempotency_key_reused");
    assert.equal((await read(token, "/chats")).items.length, 1);
    const second = await register();
    const theirs = await post("/chats", { ...request, token: second.token });
    assert.ok(!replayed(theirs));
    assert.notEqual(theirs.json.id, first.json.id);
    for (let i = 0; i < 2; i++) await opened(token, request.body);
    assert.equal((await read(token, "/chats")).items.length, 3, "without a key each is new");
  });

  it("twenty at once: one chat", async () => {
    const { token } = await register();
    const request = { token, key: newKey(), body: { title: "Fractions" } };
    const answers = await Promise.all(Array.from({ length: 20 }, () => post("/chats", request)));
    const made = answers.filter((answer) => !replayed(answer));
    assert.equal(made.length, 1);
    for (const answer of answers) {
      assert.deepEqual([answer.status, answer.text], [201, made[0].text]);
    }
    assert.equal((await read(token, "/chats")).items.length, 1);
  });

  it("that was deleted: not found, and no other is opened", async () => {
    const { token } = await register();
    const request = { token, key: newKey(), body: {} };
    const { json } = await post("/chats", request);
    assert.equal((await api("DELETE", `/chats/${json.id}`, { token })).status, 204);
    const again = await post("/chats", request);
    assertProblem(again, 404, "not_found");
    assert.equal(again.headers.get("location"), null);
    assert.equal((await read(token, "/chats")).items.length, 0);
  });
});

describe("on a stack of its own", () => {
  let own;
  const chats = {};
  before(async () => {
    own = await starting;
    const { token, id } = await own.register();
    for (const hours of [2, 4]) {
      const request = { token, key: newKey(), body: {}, on: own };
      chats[hours] = { id, request, first: await post("/chats", request) };
      await own.db.run(
        `update fynq.requests set created_at = now() - make_interval(hours => $3::int)
         where user_id = $1 and key = $2`,
        [id, request.key, hours],
      );
    }
  });

  it("a process that is killed leaves a failure, and Gemini is asked once", async () => {
    const student = await own.register();
    const script = newToken();
    await own.gemini.script(script, HELD);
    const request = { token: student.token, key: newKey(), body: { content: script }, on: own };
    const running = post(PATH, request);
    await own.gemini.waitForCalls(script);
    const [{ runner, pid }] = await own.db.query(
      `select m.runner, r.pid from messages m join fynq.runners r on r.id = m.runner
       where m.user_id = $1 and m.status = 'pending'`,
      [student.id],
    );
    process.kill(pid, "SIGKILL");
    assert.ok((await running).status >= 500);
    assertProblem(await post(PATH, request), 409, "request_running");
    // As if it had been silent for longer, and as any process does every few seconds.
    await own.db.run(
      "update fynq.runners set seen_at = seen_at - interval '1 hour' where id = $1", [runner]);
    await own.db.query("select fynq.beat(gen_random_uuid(), 'test', 1, interval '35 seconds')");
    const again = await post(PATH, request);
    assertProblem(again, 502, "interrupted");
    assert.ok(replayed(again));
    await own.gemini.release(script);
    assert.equal((await own.gemini.calls(script)).length, 1);
    assert.deepEqual(await stored(student, own.db), ONE);

    // The minute's second question; there is no third.
    const body = { content: "Why?" };
    assert.equal((await post(PATH, { ...request, key: newKey(), body })).status, 201);
    assertProblem(await post(PATH, { ...request, key: newKey(), body }), 429, "tutor_quota");
    const two = { questions: 2, replies: 2, keys: 2 };
    assert.deepEqual(await stored(student, own.db), two, "the third's key is not used up");
  });

  it("a key is forgotten after FYNQ_IDEMPOTENCY_HOURS", async () => {
    const { 2: young, 4: old } = chats;
    await waitUntil(async () => (await stored(old, own.db)).keys === 1, {
      timeoutMs: 20000, what: "the old key to be forgotten",
    });
    assertReplay(await post("/chats", young.request), young.first);
    const another = await post("/chats", { ...old.request, body: { title: "Another one" } });
    assert.equal(another.status, 201, another.text);
    assert.ok(!replayed(another));
    assert.notEqual(another.json.id, old.first.json.id);
  });
});
