// A reply's stream is taken up again, by whichever process the client comes to.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import http from "node:http";
import { after, describe, it } from "node:test";

import { newToken } from "./lib/chats.mjs";
import { startStack } from "./lib/fynq.mjs";
import { assertProblem, assertRetryAfter } from "./lib/problem.mjs";
import { begin, Follower, resume, target } from "./lib/resume.mjs";

const own = await startStack({
  settings: { FYNQ_RESUME_SECONDS: 20, FYNQ_PROCESSES: 3, FYNQ_BCRYPT_COST: 4 },
});
after(() => own.stop());

const FIRST = "Grüße, π ";
const SECOND = "🙂 und 日本";
const FIRST_BYTES = Buffer.byteLength(FIRST);
const BYTES = Buffer.byteLength(FIRST + SECOND);
const HALVES = [{ text: [FIRST] }, { hold: true }, { text: [SECOND] }, { end: "finish" }];
const student = await own.register();
const { token } = student;

/** A reply that has its first half, and whose client went away; release() gives the other one. */
async function left(steps = HALVES) {
  const mark = newToken();
  await own.gemini.script(mark, steps);
  const client = new Follower();
  await client.read(await begin(own, token, mark), 2);
  return { mark, client, reply: client.reply, release: () => own.gemini.release(mark) };
}

/** A reply that is complete. */
async function complete() {
  const { client, reply, release } = await left();
  await release();
  await client.read(await resume(own, token, reply, client.id));
  return client;
}

const stored = async (reply) =>
  (await own.db.query("select status, error, content from messages where id = $1", [reply]))[0];

describe("while it is written", { concurrency: 4 }, () => {
  it("the events after Last-Event-ID, also where Gemini is silent in between", async () => {
    const { client, reply, release } = await left();
    assert.equal(client.text, FIRST);
    assert.equal(client.id, FIRST_BYTES);
    for (let i = 0; i < 5; i++) (await resume(own, token, reply, client.id)).close();
    const stream = await resume(own, token, reply, client.id);
    assert.equal(stream.status, 200);
    assert.equal(stream.headers.get("content-type"), "text/event-stream");
    await release();
    await client.read(stream);
    assert.deepEqual(client.seen, ["start", "delta", "delta", "done"]);
    assert.equal(client.text, FIRST + SECOND);
    assert.equal(client.id, BYTES + 1);
    assert.equal(client.done.reply.status, "complete");
    assert.equal((await stored(reply)).content, client.text);
  });

  it("everything, without Last-Event-ID", async () => {
    const { client, reply, release } = await left();
    const again = new Follower();
    const stream = await resume(own, token, reply);
    await release();
    await again.read(stream);
    assert.deepEqual(again.start, client.start);
    assert.equal(again.text, FIRST + SECOND);
    assert.equal(again.seen[0], "start");
  });

  it("from the middle of a delta", async () => {
    const { reply, release } = await left();
    const client = new Follower({ id: 2, text: "Gr" });
    const stream = await resume(own, token, reply, client.id);
    await release();
    await client.read(stream);
    assert.equal(client.text, FIRST + SECOND);
  });

  it("a second client takes the place of the first one, whose events end", async () => {
    const { client, reply, release } = await left();
    const first = new Follower(client);
    const reading = first.read(await resume(own, token, reply, client.id));
    const second = await resume(own, token, reply, client.id);
    await reading;
    assert.deepEqual(first.seen, client.seen);
    await release();
    await client.read(second);
    assert.equal(client.text, FIRST + SECOND);
  });

  it("HEAD takes no place", async () => {
    const { client, reply, release } = await left();
    const stream = await resume(own, token, reply, client.id);
    const { status, text, headers } = await own.api("HEAD", target(reply), { token });
    assert.deepEqual([status, text], [200, ""]);
    assert.equal(headers.get("content-type"), "text/event-stream");
    await release();
    await client.read(stream);
    assert.equal(client.text, FIRST + SECOND);
  });

  it("a reply that was asked for whole: its client left, or is told of the other one", async () => {
    for (const leaves of [true, false]) {
      const mark = newToken();
      await own.gemini.script(mark, HALVES);
      const controller = new AbortController();
      const { signal } = controller;
      const whole = own.api("POST", "/chat/message", { token, body: { content: mark }, signal });
      const ended = whole.catch(() => null);
      await own.gemini.waitForCalls(mark);
      if (leaves) controller.abort();
      const [{ reply }] = await own.db.query(
        `select r.id as reply from messages q join messages r on r.parent_id = q.id
         where q.content = $1`, [mark]);
      const stream = await resume(own, token, reply);
      const answer = await ended;
      if (!leaves) assertProblem(answer, 409, "chat_busy");
      await own.gemini.release(mark);
      const client = new Follower();
      await client.read(stream);
      assert.equal(client.start.reply_id, reply);
      assert.equal(client.text, FIRST + SECOND);
      assert.equal(client.done.reply.status, "complete");
    }
  });

  it("as plain CGI: 409, as there is no connection to pass on", async () => {
    const { reply, release } = await left();
    const answer = await own.cgi("chat", "GET", `/api/v1${target(reply)}`, { token });
    assertProblem(answer, 409, "chat_busy");
    assertRetryAfter(answer, 1, 1);
    await release();
  });

  it("several requests on one connection of a client, before and after", async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const ports = new Set();
    const get = (path, headers = {}, begun = () => {}) =>
      new Promise((resolve, reject) => {
        const request = http.get(`${own.url}/api/v1${path}`, {
          agent,
          headers: { authorization: `Bearer ${token}`, ...headers },
        });
        request.on("error", reject);
        request.on("response", async (response) => {
          ports.add(response.socket.localPort);
          begun();
          let text = "";
          for await (const chunk of response.setEncoding("utf8")) text += chunk;
          resolve({ status: response.statusCode, text });
        });
      });
    for (let i = 0; i < 5; i++) {
      const { reply, release } = await left();
      const { status, text } = await get(
        target(reply), { "last-event-id": FIRST_BYTES }, release);
      assert.equal(status, 200);
      assert.match(text, /^: .*\n\nid: \d+\nevent: delta\n[^]*\nevent: done\n[^]*\n\n$/);
      for (const path of ["/users/me", "/chats?limit=1", target(reply)])
        assert.equal((await get(path)).status, 200);
    }
    agent.destroy();
    assert.equal(ports.size, 1);
  });
});

describe("after its end", { concurrency: 4 }, () => {
  it("a complete one: from any place, as often as one asks; as plain CGI, too", async () => {
    const { reply, start, done } = await complete();
    const cases = [
      [undefined, ["start", "delta", "done"], FIRST + SECOND],
      [0, ["delta", "done"], FIRST + SECOND],
      [FIRST_BYTES, ["delta", "done"], SECOND],
      [BYTES, ["done"], ""],
      [BYTES + 1, ["done"], ""],
    ];
    for (const [id, seen, text] of cases) {
      const client = new Follower({ id });
      await client.read(await resume(own, token, reply, id));
      assert.deepEqual(client.seen, seen, `after ${id}`);
      assert.equal(client.text, text);
      assert.equal(client.id, BYTES + 1);
      assert.deepEqual(client.done, done);
      if (id === undefined) assert.deepEqual(client.start, start);
      const headers = id === undefined ? {} : { "last-event-id": id };
      const cgi = await own.cgi("chat", "GET", `/api/v1${target(reply)}`, { token, headers });
      assert.equal(cgi.status, 200);
      assert.equal(cgi.text.match(/^event: .*$/gm).join(), seen.map((it) => `event: ${it}`).join());
    }
  });

  it("one that failed: its text, and the error", async () => {
    const { client, reply, release } = await left(
      [{ text: [FIRST] }, { hold: true }, { text: [SECOND] }, { end: "close" }]);
    const stream = await resume(own, token, reply, client.id);
    await release();
    await client.read(stream);
    assert.equal(client.text, FIRST + SECOND);
    assert.equal(client.seen.at(-1), "error");
    for (const id of [undefined, FIRST_BYTES, BYTES, BYTES + 1]) {
      const again = new Follower({ id });
      await again.read(await resume(own, token, reply, id));
      assert.equal(again.text, id === undefined ? FIRST + SECOND : id < BYTES ? SECOND : "");
      assert.equal(again.error.problem.code, client.error.problem.code);
      assert.equal(again.id, BYTES + 1);
    }
  });
});

describe("what is refused", { concurrency: 2 }, () => {
  const bad = ["x", "-1", "-0", "1.5", "1 2", "0x1", String(BYTES + 2), "99999999999999999999", "3"];

  it("a Last-Event-ID that is none: letters, negative, past the end, inside a character", async () => {
    const { client, reply, release } = await left();
    const refused = async (ids) => {
      for (const id of ids) {
        const headers = { "last-event-id": id };
        const answer = await own.api("GET", target(reply), { token, headers });
        assertProblem(answer, 400, "bad_request");
      }
    };
    await refused([...bad, String(FIRST_BYTES + 1)]);
    const stream = await resume(own, token, reply, client.id);
    await release();
    await client.read(stream);
    assert.equal(client.done.reply.status, "complete");
    await refused(bad);
  });

  it("what is not there, or another's, or a question", async () => {
    const { client, reply, release } = await left();
    const other = await own.register();
    const question = client.start.message_id;
    const look = async (id, as) => own.api("GET", target(id), { token: as });
    for (const held of [true, false]) {
      assertProblem(await look(reply, other.token), 404, "not_found");
      assertProblem(await look(reply), 401, "unauthorized");
      assertProblem(await look(question, token), 404, "not_found");
      assertProblem(await look(randomUUID(), token), 404, "not_found");
      const stream = await resume(own, token, reply, client.id);
      if (held) await release();
      await client.read(stream);
    }
    assert.equal(client.text, FIRST + SECOND);
  });
});
