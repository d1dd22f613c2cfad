// The random mode of the stand-in for the Gemini API: its share of failures is that of its seed, and
// it tells what each question was answered.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import http2 from "node:http2";
import { after, before, test } from "node:test";

import { startStandIn } from "../fakes/gemini/client.mjs";
import { Probe, readStream } from "../fakes/gemini/probe.mjs";
import { failures, forms } from "../fakes/gemini/scripts.mjs";
import { asking, KEY, LIMIT, startFake, STREAM, WHOLE } from "./lib/gemini-fake.mjs";

let fake, standIn, probe, ca;

before(async () => {
  fake = await startFake();
  ({ standIn, probe, ca } = fake);
});
after(() => fake?.stop());

const askStream = (words) => probe.ask(STREAM, { body: asking(words) });

/** The random mode on a stand-in of its own; asks `n` questions one after the other. */
async function inChaos(mode, n, body) {
  const { cert, key } = fake.certificate;
  const own = await startStandIn(["--cert", cert, "--key", key]);
  const client = new Probe(own.url, ca, KEY);
  try {
    await own.startChaos({ seed: 7, share: 0.5, token: "chaos-[0-9]{4}", delay_ms: 0, ...mode });
    const answers = [];
    for (let i = 0; i < n; i++) answers.push(await client.ask(STREAM, { body: body(i) }));
    return { answers, tokens: await settled(own), counts: await own.chaosCounts() };
  } finally {
    client.close();
    await own.stop();
  }
}

/** The tokens, once all calls have ended. */
async function settled(own) {
  for (;;) {
    const tokens = await own.tokens();
    if (Object.values(tokens).flat().every(({ ended }) => ended !== null)) return tokens;
  }
}

const chaosToken = (i) => `chaos-${1000 + i}`;

test("the random mode: what each token was answered", LIMIT, async () => {
  const n = 150;
  const { answers, tokens, counts } = await inChaos({}, n, (i) => asking(`Why ${chaosToken(i)}?`));
  assert.deepEqual(Object.keys(tokens), Array.from({ length: n }, (_, i) => chaosToken(i)));
  const rows = { ...failures, ...forms };
  for (const [i, answer] of answers.entries()) {
    const [call, ...more] = tokens[chaosToken(i)];
    assert.deepEqual(more, []);
    assert.equal(call.status, answer.status);
    assert.equal(call.ended, "complete");
    assert.equal(call.streamed, true);
    const said = readStream(answer.status === 200 ? answer.body : "");
    const { expect } = rows[call.named] ?? { expect: said };
    const text = expect.text ?? "";
    assert.equal(call.text_bytes, Buffer.byteLength(text), call.named);
    assert.equal(call.text_sha256, createHash("sha256").update(text).digest("hex"));
    assert.equal(call.finish, expect.malformed ? null : (expect.finish ?? null), call.named);
    if (call.named === "tutor") assert.match(said.text, /Stand-in tutor/);
  }
  const names = Object.values(tokens).map(([call]) => call.named);
  assert.ok(names.filter((name) => name in failures).length > 30);
  assert.ok(names.some((name) => name in forms));
  assert.ok(Math.abs(counts.by_name.tutor - n / 2) < n / 4);
  assert.equal(counts.calls, n);
  assert.equal(counts.forgotten, 0);

  const namesOf = ({ tokens: them }) => Object.values(them).map(([call]) => call.named);
  const again = await inChaos({}, n, (i) => asking(`Why ${chaosToken(i)}?`));
  assert.deepEqual(namesOf(again), names);
  const other = await inChaos({ seed: 8 }, n, (i) => asking(`Why ${chaosToken(i)}?`));
  assert.notDeepEqual(namesOf(other), names);
});

test("the random mode: whose call it is", LIMIT, async () => {
  const { contents } = asking("chaos-0001 chaos-0002");
  const chat = [...contents, { role: "model", parts: [{ text: "chaos-0003" }] }];
  const bodies = [
    { contents },
    { contents: [...chat, { role: "user", parts: [{ text: "a title" }] }] },
    { contents, colour: "red" },
    { contents },
  ];
  const mode = { share: 1, kinds: ["overloaded", "cut"] };
  const { answers, tokens, counts } = await inChaos(mode, bodies.length, (i) => bodies[i]);
  assert.deepEqual(Object.keys(tokens), ["chaos-0002"]);
  const calls = tokens["chaos-0002"];
  const all = answers.map(({ status }) => status);
  assert.deepEqual(calls.map(({ status }) => status), [all[0], all[2], all[3]]);
  assert.deepEqual([all[1], all[2]], [200, 400]);
  assert.match(readStream(answers[1].body).text, /Stand-in tutor/);
  assert.equal(calls[1].named, null);
  for (const { named } of [calls[0], calls[2]]) assert.ok(mode.kinds.includes(named), named);
  assert.equal(counts.without_token, 1);
  assert.deepEqual(counts.strays.map(({ text }) => text), ["a title"]);
  assert.equal(counts.calls, 2);
});

test("the random mode: scripts, whole answers, and a client that goes", LIMIT, async () => {
  const [scripted, whole, left] = ["scripted", "whole", "left"].map((it) => `random-${it}-0001`);
  await standIn.script(scripted, [{ text: ["Mine"] }, { end: "finish" }]);
  const mode = { seed: 1, share: 1, token: "random-[a-z]+-[0-9]{4}", kinds: ["cut"] };
  await standIn.startChaos(mode);
  try {
    assert.equal(readStream((await askStream(scripted)).body).text, "Mine");
    const answer = await probe.ask(WHOLE, { body: asking(whole) });
    assert.match(answer.body, /Stand-in tutor/);
    await standIn.startChaos({ ...mode, share: 0, delay_ms: 2000 });
    const leaving = probe.open(STREAM, { body: asking(left) });
    await once(leaving, "data");
    leaving.close(http2.constants.NGHTTP2_CANCEL);
    const tokens = await settled(standIn);
    assert.deepEqual(Object.keys(tokens), [left]);
    const [call] = tokens[left];
    assert.equal(call.ended, "aborted");
    assert.equal(call.finish, null);
    assert.ok(call.text_bytes > 0);
  } finally {
    await standIn.stopChaos();
  }
  assert.match((await askStream(left)).body, /Stand-in tutor/);
  assert.equal((await standIn.tokens())[left].length, 1);
});

test("the random mode refuses what cannot be meant", LIMIT, async () => {
  const good = { seed: 1, share: 0.5, token: "chaos-[0-9]{4}" };
  for (const bad of [
    { seed: -1 }, { seed: 2 ** 32 }, { share: 1.5 }, { share: null }, { token: "(" },
    { token: "x*" }, { token: "x".repeat(101) }, { token: undefined }, { kinds: ["toString"] },
    { kinds: "forms" }, { delay_ms: 2001 }, { pace: 1 },
  ]) {
    await assert.rejects(standIn.startChaos({ ...good, ...bad }), /: 400 /, JSON.stringify(bad));
  }
});
