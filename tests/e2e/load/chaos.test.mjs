// The chaos run in small, and whether its checks can fail: each is fed a record that breaks it, and
// the database is spoilt under them. ./dev chaos is the run in full.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { run, shown, storedTurns } from "../long/chaos.mjs";
import { judge, sha256 } from "../long/judge.mjs";
import { Service, faults } from "../long/service.mjs";
import { HABITS, Student } from "../long/student.mjs";
import { plainStack, upTo } from "./load.mjs";

const SECONDS = 25;
const CLIENTS = 60;
const LIMIT = { timeout: 600000 };

const stack = await plainStack({
  durable: true,
  settings: {
    FYNQ_BCRYPT_COST: 4,
    FYNQ_DRAIN_SECONDS: 20,
    FYNQ_GEMINI_TRIES: 3,
    FYNQ_GEMINI_PATIENCE_MS: 20000,
  },
});
after(() => stack.stop());

/** A whole reply, a failure and an interrupted reply, each as it must be; the first asked again. */
function good() {
  const said = sha256("Let us begin.");
  const asked = (n) => sha256(`question ${n}`);
  const question = (n, answers, more = {}) => ({
    key: `key-${n}`,
    token: `chaos-0000000${n}`,
    asked: asked(n),
    other: null,
    tried: null,
    settled: true,
    unmarked: 0,
    answers,
    ...more,
  });
  const reply = () => ({
    chat: "chat-1",
    question: "question-1",
    reply: "reply-1",
    status: "complete",
    finish: "STOP",
    text: said,
  });
  const row = (n, about) => ({
    token: `chaos-0000000${n}`,
    id: `question-${n}`,
    chat: `chat-${n}`,
    text: asked(n),
    replies: [{ id: `reply-${n}`, ...about }],
  });
  const call = (text, about) => ({
    named: "tutor",
    streamed: true,
    text_bytes: text.length,
    text_sha256: sha256(text),
    finish: null,
    ...about,
  });
  const cut = { code: "tutor_cut", http: 502, text: sha256("Let us") };
  const another = { other: "chaos-00000009", tried: "idempotency_key_reused" };
  return {
    questions: [
      question(1, [reply(), reply()], another),
      question(2, [cut, { ...cut }]),
      question(3, [{ code: "interrupted", http: 502, text: null }]),
    ],
    stored: [
      row(1, { status: "complete", text: said, finish: "STOP" }),
      row(2, { status: "failed", text: sha256("Let us"), finish: null }),
      row(3, { status: "failed", text: sha256(""), finish: null }),
    ],
    calls: {
      "chaos-00000001": [
        call("", { named: "overloaded" }),
        call("Let us begin.", { finish: "STOP" }),
        call("Beginnings", { finish: "STOP", streamed: false }),
      ],
      "chaos-00000002": [call("Let us", { named: "cut" })],
      "chaos-00000003": [call("")],
    },
  };
}

const zeros = Object.fromEntries(Object.keys(judge(good()).counts).map((name) => [name, 0]));

test("the checks have nothing to say about what is right", () => {
  assert.deepEqual(judge(good()), { counts: zeros, examples: {} });
  assert.ok(Object.keys(zeros).length >= 10);
});

const cutReply = { status: "complete", text: sha256("Let us"), finish: "STOP" };

// What is broken, how, and the counts that must be 1.
const breaches = [
  ["a told reply is not stored", (it) => (it.stored[0].replies = []), "lost_turns"],
  ["a told question is not stored", (it) => it.stored.shift(), "lost_turns"],
  ["a told reply has another id", (it) => (it.stored[0].replies[0].id = "else"), "lost_turns"],
  ["a question lost a letter", (it) => (it.stored[0].text = sha256("question")), "lost_turns"],
  ["a question in another chat", (it) => (it.stored[0].chat = "chat-2"), "lost_turns"],
  ["told complete, stored as stopped", (it) => (it.stored[0].replies[0].status = "stopped"),
    "lost_turns"],
  ["the deltas said something else", (it) => {
    for (const answer of it.questions[0].answers) answer.text = `deltas ${answer.text}`;
  }, "lost_turns"],
  ["asked again after a whole reply", (it) => {
    it.calls["chaos-00000001"].push({ ...it.calls["chaos-00000001"][1] });
  }, "duplicate_calls"],
  ["asked again after half a reply, in vain", (it) => {
    it.calls["chaos-00000002"].push({ ...it.calls["chaos-00000003"][0] });
  }, "duplicate_calls"],
  ["a cut reply stored as complete", (it) => Object.assign(it.stored[1].replies[0], cutReply),
    "truncated_as_complete"],
  ["a complete reply without a reason to end", (it) => {
    Object.assign(it.stored[1].replies[0], { ...cutReply, finish: null });
  }, "truncated_as_complete"],
  ["a complete reply that Gemini never gave", (it) => delete it.calls["chaos-00000001"],
    "truncated_as_complete"],
  ["a whole reply stored in half, and told so", (it) => {
    it.stored[0].replies[0].text = sha256("Let");
    for (const answer of it.questions[0].answers) answer.text = sha256("Let");
  }, "truncated_as_complete"],
  ["a reply is still pending", (it) => (it.stored[2].replies[0].status = "pending"),
    "stuck_pending"],
  ["a question stored twice", (it) => it.stored.push({ ...it.stored[1], id: "question-4" }),
    "two_questions_for_one_key"],
  ["the other body stored, too", (it) => {
    it.stored.push({ ...it.stored[1], token: "chaos-00000009", id: "question-9" });
  }, "two_questions_for_one_key"],
  ["another reply the second time", (it) => (it.questions[0].answers[1].reply = "reply-9"),
    "answers_that_differ"],
  ["a reply after a failure", (it) => {
    it.questions[1].answers[1] = { code: "tutor_failed", http: 502, text: null };
  }, "answers_that_differ"],
  ["a replay that does not say so", (it) => (it.questions[0].unmarked = 1), "replays_not_marked"],
  ["another body was answered", (it) => (it.questions[0].tried = "answered"),
    "other_body_not_refused"],
  ["no final answer", (it) => Object.assign(it.questions[2], { answers: [], settled: false }),
    "unanswered"],
  ["a failure that no contract knows", (it) => (it.questions[2].answers[0].code = "internal"),
    "unexpected"],
];

test("each check fails where its rule is broken", async (t) => {
  for (const [about, spoil, rule] of breaches) {
    await t.test(`${rule}: ${about}`, () => {
      const records = good();
      spoil(records);
      const { counts, examples } = judge(records);
      assert.deepEqual(counts, { ...zeros, [rule]: 1 });
      assert.deepEqual(Object.keys(examples), [rule]);
    });
  }
  const broken = new Set(breaches.map(([, , rule]) => rule));
  assert.deepEqual([...broken].sort(), Object.keys(zeros).sort());
});

/** What judge() finds where students ask a service in memory. */
async function inMemory(fault) {
  const service = new Service(fault);
  const tally = { totals: {}, final: {}, refused: {}, asked: [] };
  const habits = { ...HABITS, asksAgain: 60, triesOtherBody: 50 };
  const students = upTo(100).map(() => new Student(service, tally, habits));
  await Promise.all(students.map((student) => student.ask()));
  return { ...judge({ ...service, questions: tally.asked }), ...tally };
}

test("students of a service that keeps the contract see no fault", LIMIT, async () => {
  const { counts, examples, totals, refused } = await inMemory(null);
  assert.deepEqual(counts, zeros, JSON.stringify(examples, null, 2));
  assert.ok(totals.retries > 0 && totals.replays > 0 && totals.asked_again > 0);
  assert.ok(refused.busy > 0 && refused.tutor_cut > 0);
});

test("students of a service that breaks it see each fault", LIMIT, async (t) => {
  await Promise.all(Object.entries(faults).map(([fault, rules]) => t.test(fault, async () => {
    const { counts } = await inMemory(fault);
    for (const rule of rules) assert.ok(counts[rule] > 0, rule);
  })));
});

let records;

test(`${CLIENTS} students for ${SECONDS} s`, { timeout: 600000 }, async (t) => {
  const options = { seconds: SECONDS, clients: CLIENTS, between: [500, 1500], seed: 20 };
  const done = await run(stack, { ...options, say: (line) => t.diagnostic(line) });
  records = done.records;
  for (const line of shown(done.figures)) t.diagnostic(`figure: ${line}`);
  const { totals, havoc, gemini } = done.figures;
  assert.ok(totals.answered > CLIENTS, "hardly anything was answered");
  assert.ok(totals.retries > 0 && totals.left > 0);
  assert.ok(Object.keys(havoc).length >= 4, "hardly anything was killed");
  assert.ok(Object.keys(gemini.by_name).length > 20, "hardly anything failed at Gemini");
  const { counts, examples } = judge(records);
  assert.deepEqual(counts, zeros, JSON.stringify(examples, null, 2));
});

// A reply that was told whole, and the statement that spoils it.
const spoils = [
  ["lost_turns", "delete from messages where id = $1::uuid"],
  ["truncated_as_complete", "update messages set content = left(content, -1) where id = $1::uuid"],
  ["stuck_pending", "update messages set status = 'pending' where id = $1::uuid"],
];

test("the checks see what is spoilt in the database", { timeout: 600000 }, async (t) => {
  assert.ok(records, "there was no run");
  const before = judge(records).counts;
  const whole = records.questions
    .flatMap(({ answers }) => answers.slice(0, 1))
    .filter(({ status, text }) => status === "complete" && !text.startsWith("deltas"))
    .slice(-spoils.length);
  for (const [i, [rule, statement]] of spoils.entries()) {
    await t.test(rule, async () => {
      await stack.db.run(statement, [whole[i].reply]);
      const { counts } = judge({ ...records, stored: await storedTurns(stack) });
      assert.ok(counts[rule] > before[rule], rule);
    });
  }
});
