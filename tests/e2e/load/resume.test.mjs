// Many replies that are taken up again at once, and one that is taken up very often.

import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { readdir } from "node:fs/promises";
import { after, test } from "node:test";

import { newToken } from "../lib/chats.mjs";
import { startStack, waitUntil } from "../lib/fynq.mjs";
import { begin, Follower, resume } from "../lib/resume.mjs";

const own = await startStack({
  settings: { FYNQ_RESUME_SECONDS: 20, FYNQ_PROCESSES: 3, FYNQ_BCRYPT_COST: 4 },
});
after(() => own.stop());

test("two hundred replies, each broken off up to three times: nothing lost or double", async () => {
  const pieces = Array.from({ length: 50 }, (_, i) => `${i} π🙂ü. `);
  const mark = newToken();
  await own.gemini.script(mark, [{ text: pieces, every_ms: 30 }, { end: "finish" }]);
  const students = await Promise.all(Array.from({ length: 10 }, () => own.register()));
  const one = async (as) => {
    const client = new Follower();
    let stream = await begin(own, as, mark);
    for (let breaks = randomInt(4); breaks > 0 && !client.done; breaks--) {
      await client.read(stream, randomInt(2, 15));
      stream = await resume(own, as, client.reply, client.id);
      assert.equal(stream.status, 200);
    }
    await client.read(stream);
    assert.equal(client.text, pieces.join(""));
    assert.equal(client.seen.filter((event) => event === "start").length, 1);
    assert.equal(client.done.reply.content, client.text);
  };
  await Promise.all(Array.from({ length: 200 }, (_, i) => one(students[i % 10].token)));
});

test("a thousand times: no descriptor is left behind", async () => {
  const { token } = await own.register();
  const mark = newToken();
  await own.gemini.script(mark, [{ text: ["Grüße, π "] }, { hold: true }, { text: ["🙂"] },
    { end: "finish" }]);
  const client = new Follower();
  await client.read(await begin(own, token, mark), 2);
  const { reply } = client;
  const rows = await own.db.query("select distinct pid from fynq.runners where endpoint = 'chat'");
  const count = async () => {
    const all = rows.map(({ pid }) => readdir(`/proc/${pid}/fd`));
    return (await Promise.all(all)).flat().length;
  };
  const often = async (times) => {
    for (let i = 0; i < times; i++) (await resume(own, token, reply, client.id)).close();
  };
  const crowd = (times) => Promise.all(Array.from({ length: 20 }, () => often(times)));
  await crowd(3); // Every worker has its connection to the database.
  const before = await count();
  await crowd(50);
  await waitUntil(async () => (await count()) <= before + 10, { what: "descriptors are closed" });
  await own.gemini.release(mark);
  const again = new Follower(client);
  await again.read(await resume(own, token, reply, client.id));
  assert.equal(again.text, "Grüße, π 🙂");
});
