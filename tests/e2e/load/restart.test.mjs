// Endpoints are restarted while more than a hundred streams run and requests of all kinds come in:
// none fails, none is cut. A restart that cannot succeed changes nothing.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, test } from "node:test";

import { waitUntil } from "../lib/fynq.mjs";
import { lives } from "../lib/processes.mjs";
import { each, plainStack, pools, upTo } from "./load.mjs";

const LONG_STREAMS = 120; // In flight at every moment.
const USERS = 12;
const VISITORS = 12; // Each goes through all kinds of requests, again and again.
const LENGTHS = [30, 40, 50]; // Events of a long stream.

const stack = await plainStack({ settings: { FYNQ_BCRYPT_COST: 4, FYNQ_DRAIN_SECONDS: 60 } });
after(() => stack.stop());

for (const count of LENGTHS) {
  const repeat = { text: `of ${count} `, count, every_ms: 100 };
  await stack.gemini.script(`long ${count}`, [{ repeat }, { end: "finish" }]);
}

/** Reads a stream; it must come to its end, and be what is stored. */
async function ask(token, content, chat) {
  const body = { content, stream: true, ...(chat ? { chat_id: chat } : {}) };
  const stream = await stack.sse("/chat/message", body, { token });
  if (stream.status !== 200) {
    throw new Error(`${stream.status} ${JSON.stringify(await stream.json())}`);
  }
  const { events, text, start, done, error } = await stream.all();
  assert.equal(error, undefined);
  assert.ok(done, `cut after ${events.length} events`);
  assert.equal(done.reply.content, text);
  assert.equal(done.reply.status, "complete");
  return { text, start };
}

/** Counts what comes of requests until it is told to stop. */
class Crowd {
  answered = 0;
  failures = [];
  #going = true;
  #loops = [];

  /** Runs turn(round) over and over; it calls `counted` around each request. */
  add(turn) {
    const loop = async () => {
      for (let round = 0; this.#going; round++) await turn(round);
    };
    this.#loops.push(loop());
  }

  counted = async (what, request) => {
    try {
      const result = await request();
      this.answered += 1;
      return result;
    } catch (error) {
      const reason = error.cause?.code ?? error.message;
      this.failures.push(`${new Date().toISOString()} ${what}: ${reason}`);
      return undefined;
    }
  };

  async stop() {
    this.#going = false;
    await Promise.all(this.#loops);
  }
}

/** A visitor asks for one thing of each kind, in an order of its own. */
function visitor(crowd, number, student) {
  let { token, refreshToken } = student;
  const { email, password, id } = student;
  const expect = (status, method, path, body) =>
    crowd.counted(`${method} ${path}`, async () => {
      const answer = await stack.api(method, path, { token, body });
      assert.equal(answer.status, status, `${answer.status} ${answer.text}`);
      return answer.json;
    });
  const kinds = [
    () => expect(200, "GET", "/users/me"),
    (round) => expect(200, "PATCH", "/users/me", { display_name: `Round ${round}` }),
    () => expect(200, "GET", "/chats"),
    () => expect(200, "GET", `/chat/history/${id}?limit=5`),
    () => expect(200, "POST", "/auth/login", { email, password }),
    async () => {
      const session = await expect(200, "POST", "/auth/refresh", { refresh_token: refreshToken });
      ({ access_token: token, refresh_token: refreshToken } = session ?? student.session);
    },
    () => expect(201, "POST", "/auth/register", {
      email: `${randomUUID()}@example.com`,
      password,
      birth_date: "2000-01-31",
    }),
    async (round) => {
      const chat = await expect(201, "POST", "/chats", { title: `Round ${round}` });
      const path = `/chats/${chat?.id}`;
      await expect(200, "PATCH", path, { archived: true });
      await expect(200, "GET", path);
      await expect(200, "GET", `${path}/messages`);
      await expect(204, "DELETE", path);
    },
    () => expect(201, "POST", "/chat/message", { content: "What is π?" }),
    () => crowd.counted("stream", () => ask(token, "Why is the sky blue?")),
    () => expect(200, "GET", "//healthz"),
    () => expect(200, "GET", "//readyz"),
  ];
  return (round) => kinds[(round * 5 + number) % kinds.length](round);
}

function longStream(crowd, number, { token }) {
  return async (round) => {
    const count = LENGTHS[(number + round) % LENGTHS.length];
    await crowd.counted("long stream", async () => {
      const { text } = await ask(token, `Long ${number}.${round}: long ${count}`);
      assert.equal(text, `of ${count} `.repeat(count));
    });
  };
}

/** Something is restarted only while a hundred streams run. */
const streaming = () =>
  waitUntil(async () => (await stack.gemini.stats()).in_flight >= 100, { what: "100 streams" });

test("restarts under load: none fails, none is cut", { timeout: 600000 }, async (t) => {
  const users = await each(USERS, 6, () => stack.register());
  const visitors = await each(VISITORS, 6, () => stack.register());
  const crowd = new Crowd();
  for (const i of upTo(LONG_STREAMS)) crowd.add(longStream(crowd, i, users[i % USERS]));
  for (const i of upTo(VISITORS)) crowd.add(visitor(crowd, i, visitors[i]));

  const old = [];
  const plan = [["chat"], ["users", "auth"], ["chat"], ["auth"], ["chat"], ["users"], ["chat"], []];
  let restarts = 0;
  let drained = 0;
  for (const names of plan) {
    await streaming();
    const answeredBefore = crowd.answered;
    const before = await pools(stack);
    const { code, stderr } = await stack.fynqctl(["restart", ...names]);
    assert.equal(code, 0, stderr);
    const now = await pools(stack);
    for (const name of names.length > 0 ? names : Object.keys(before)) {
      assert.ok(!now[name].pids.some((pid) => before[name].pids.includes(pid)), name);
      assert.equal(now[name].pids.length, 2, name);
      old.push(...before[name].pids);
      restarts += 1;
    }
    // The processes that were writing replies go on with them.
    drained += now.chat.draining.length;
    await waitUntil(() => crowd.answered > answeredBefore + 100, { what: "100 more answers" });
  }

  const inAll = crowd.answered;
  await crowd.stop();
  await waitUntil(() => !old.some(lives), { what: "the old processes to end with their streams" });
  const end = await pools(stack);
  t.diagnostic(`figure: restarts=${restarts} processes_replaced=${old.length} drained=${drained}`);
  t.diagnostic(`figure: requests=${inAll} failed_or_cut=${crowd.failures.length}`);
  assert.deepEqual(crowd.failures.slice(0, 20), []);
  assert.ok(drained > 0);
  assert.ok(Object.values(end).every(({ draining }) => draining.length === 0));
  const rows = await stack.db.query(
    "select status, count(*)::int from messages where status <> 'complete' group by status",
  );
  assert.deepEqual(rows, []);
});

test("a restart that cannot succeed disturbs nothing", { timeout: 600000 }, async () => {
  const users = await each(USERS, 6, () => stack.register());
  const crowd = new Crowd();
  for (const i of upTo(LONG_STREAMS)) crowd.add(longStream(crowd, i, users[i % USERS]));
  crowd.add(visitor(crowd, 0, users[0]));
  const before = await pools(stack);

  // The first is seen as it is read, the second by the check, the third by the new process alone.
  const broken = {
    FYNQ_THREADS: "none",
    FYNQ_DATABASE_URL_FILE: "/nonexistent/url",
    FYNQ_TUTOR_FILE: "/nonexistent/tutor.md",
  };
  for (const [name, value] of Object.entries(broken)) {
    await streaming();
    const { code, stderr } = await stack.fynqctl(["restart", "chat"], { [name]: value });
    assert.notEqual(code, 0, name);
    if (name !== "FYNQ_TUTOR_FILE") assert.match(stderr, new RegExp(name));
    assert.deepEqual(await pools(stack), before, name);
  }
  await crowd.stop();
  assert.deepEqual(crowd.failures, []);
  assert.deepEqual(await pools(stack), before);
});
