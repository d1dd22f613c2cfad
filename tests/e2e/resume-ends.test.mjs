// Clients that come back too late, or to a process that restarts or was killed.

import assert from "node:assert/strict";
import { readdir, utimes } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";

import { newToken } from "./lib/chats.mjs";
import { stack, startStack, waitUntil } from "./lib/fynq.mjs";
import { assertProblem, assertRetryAfter } from "./lib/problem.mjs";
import { begin, Follower, resume, target } from "./lib/resume.mjs";

const own = await startStack({
  settings: { FYNQ_RESUME_SECONDS: 1, FYNQ_PROCESSES: 2, FYNQ_BCRYPT_COST: 4 },
});
after(() => own.stop());

const FIRST = "Grüße, π ";
const SECOND = "🙂 und 日本";

/** A reply of which a client has the first half and reads on; `reading` ends with it. */
async function held(on) {
  const { token } = await on.register();
  const mark = newToken();
  await on.gemini.script(mark, [{ text: [FIRST] }, { hold: true }, { text: [SECOND] },
    { end: "finish" }]);
  const client = new Follower();
  const stream = await begin(on, token, mark);
  const reading = client.read(stream);
  await waitUntil(() => client.text === FIRST, { what: "the first half" });
  return { token, mark, client, stream, reading, reply: client.reply };
}

const sockets = async () =>
  (await readdir(path.join(own.state, "run"))).filter((name) => name.startsWith("r-"));

async function restart() {
  const { code, stderr } = await own.fynqctl(["restart", "chat"]);
  assert.equal(code, 0, stderr);
}

/** The client goes away; what is then stored, and told to who comes back. */
async function endsAsStopped(on) {
  const { token, mark, client, stream, reading, reply } = await held(on);
  stream.close();
  await reading.catch(() => {}); // It was cut by ourselves.
  await on.gemini.waitForCalls(mark, { ended: "aborted" });
  const late = await waitUntil(async () => {
    const again = await resume(on, token, reply, client.id);
    if (again.status === 200) return again;
    assert.equal(again.status, 409);
    return null;
  });
  await client.read(late);
  assert.deepEqual(client.seen, ["start", "delta", "done"]);
  assert.equal(client.done.reply.status, "stopped");
  assert.equal(client.done.reply.content, FIRST);
  assert.equal(client.done.finish_reason, null);
  const whole = new Follower();
  await whole.read(await resume(on, token, reply));
  assert.equal(whole.text, FIRST);
  assert.deepEqual(whole.done, client.done);
}

describe("a client that does not come back", { concurrency: 2 }, () => {
  it("ends Gemini's call after the time of grace", () => endsAsStopped(own));

  it("ends it at once where there is none", () => endsAsStopped(stack));

  it("without a time of grace nothing can be taken up but what is complete", async () => {
    const { token, mark, client, reading, reply } = await held(stack);
    const headers = { "last-event-id": client.id };
    const answer = await stack.api("GET", target(reply), { token, headers });
    assertProblem(answer, 409, "chat_busy");
    assertRetryAfter(answer, 1, 1);
    await stack.gemini.release(mark);
    await reading;
    const again = new Follower({ id: 2, text: "Gr" });
    await again.read(await resume(stack, token, reply, 2));
    assert.equal(again.text, FIRST + SECOND);
    assert.deepEqual(again.done, client.done);
  });
});

describe("a process that ends", () => {
  before(async () => assert.equal((await sockets()).length, 2));

  it("takes clients for what it writes while it drains, and leaves no socket", async () => {
    const all = await Promise.all(Array.from({ length: 8 }, () => held(own)));
    const old = await sockets();
    await restart();
    for (const { token, mark, client, reading, reply } of all) {
      const stream = await resume(own, token, reply, client.id);
      assert.equal(stream.status, 200);
      await reading;
      await own.gemini.release(mark);
      await client.read(stream);
      assert.equal(client.text, FIRST + SECOND);
      assert.equal(client.done.reply.status, "complete");
    }
    await waitUntil(async () => {
      const now = await sockets();
      return now.length === 2 && !now.some((name) => old.includes(name));
    }, { what: "the sockets of the new processes alone" });
  });

  it("killed: 409 until the reply is swept, then the error; its socket is swept, too", async () => {
    const { token, client, reading, reply } = await held(own);
    const [{ runner, pid }] = await own.db.query(
      `select r.id as runner, r.pid from messages m join fynq.runners r on r.id = m.runner
       where m.id = $1`, [reply]);
    process.kill(pid, "SIGKILL");
    await reading;
    assert.deepEqual(client.seen, ["start", "delta"]);
    const headers = { "last-event-id": client.id };
    const busy = await own.api("GET", target(reply), { token, headers });
    assertProblem(busy, 409, "chat_busy");
    assertRetryAfter(busy, 1, 1);

    await own.db.run("update fynq.runners set seen_at = now() - interval '1 hour' where id = $1",
      [runner]);
    await own.db.run("select fynq.beat(gen_random_uuid(), 'test', 1, interval '35 seconds')");
    const last = client.id;
    await client.read(await resume(own, token, reply, last));
    assert.equal(client.error.problem.code, "interrupted");
    assert.ok(client.id > last);
    await client.read(await resume(own, token, reply, client.id));
    assert.deepEqual(client.seen, ["start", "delta", "error", "error"]);

    const socket = `r${runner.slice(18)}`;
    assert.ok((await sockets()).includes(socket));
    const longAgo = new Date(Date.now() - 3600e3);
    await utimes(path.join(own.state, "run", socket), longAgo, longAgo);
    await restart();
    assert.ok(!(await sockets()).includes(socket));
  });
});
