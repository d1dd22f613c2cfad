// What a student sees, and what is stored, when Gemini fails or surprises: every row of the
// stand-in's tables, whole and streamed, and the failures that no script can play.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import net from "node:net";
import { after, before, describe, it, test } from "node:test";

import { failures, forms } from "../fakes/gemini/scripts.mjs";
import { api, cgi, gemini, register, sse } from "./lib/fynq.mjs";
import { assertProblem, assertRetryAfter } from "./lib/problem.mjs";

const ASK = "/api/v1/chat/message";

const STATUSES = {
  tutor_blocked: 422,
  tutor_quota: 429,
  tutor_day_quota: 429,
  tutor_failed: 502,
  tutor_refused: 502,
  tutor_cut: 502,
  tutor_empty: 502,
  tutor_overloaded: 503,
  tutor_timeout: 504,
};

const COMPLETE = [null];
const BLOCKED = ["tutor_blocked"];
const REFUSED = ["tutor_refused"];
const FAILED = ["tutor_failed"];
const CUT = ["tutor_cut"];
const EMPTY = ["tutor_empty"];
const OVERLOADED = ["tutor_overloaded", 1, 60];
const MIDNIGHT = ["tutor_day_quota", 1, 25 * 3600];

// The problem's code, null for a good reply, and the bounds of Retry-After in seconds.
const outcomes = {
  quota_minute: ["tutor_quota", 35, 35],
  quota_minute_reordered: ["tutor_quota", 35, 35],
  quota_tokens_minute: ["tutor_quota", 8, 8],
  quota_day: MIDNIGHT,
  quota_minute_and_day: MIDNIGHT,
  quota_bare: ["tutor_quota", 1, 120],
  overloaded: OVERLOADED,
  internal: ["tutor_failed", 1, 60],
  deadline: ["tutor_timeout", 1, 60],
  cancelled: FAILED,
  request_timeout: ["tutor_timeout", 1, 60],
  bad_gateway: ["tutor_failed", 1, 60],
  invalid: REFUSED,
  precondition: REFUSED,
  permission: REFUSED,
  not_found: REFUSED,
  array_error: OVERLOADED,

  empty_max_tokens: EMPTY,
  max_tokens: COMPLETE,
  no_parts: EMPTY,
  thought_parts: COMPLETE,
  blocked_prompt: BLOCKED,
  safety: BLOCKED,
  recitation: BLOCKED,
  language: FAILED,
  other: FAILED,
  blocklist: BLOCKED,
  prohibited_content: BLOCKED,
  spii: BLOCKED,
  malformed_function_call: FAILED,
  unknown_finish: COMPLETE,

  cut: CUT,
  cut_at_once: CUT,
  cut_mid_event: CUT,
  reset_at_once: FAILED,
  reset_midway: CUT,
  html_200: FAILED,
  bad_json_event: FAILED,
  mid_error: OVERLOADED,
  mid_error_at_once: OVERLOADED,
  mid_error_array: OVERLOADED,
  mid_error_event: OVERLOADED,

  ...Object.fromEntries(Object.keys(forms).map((name) => [name, COMPLETE])),
};

// Thoughts and signatures go back as they came; the student's text is what is left.
const thoughts = {
  thought_parts: ["The student may mean é.", "Hm.", "Done."],
};

async function newChat() {
  const student = await register();
  const { status, json } = await api("POST", "/chats", { token: student.token, body: {} });
  assert.equal(status, 201);
  return { student, token: student.token, chat: json.id };
}

async function turnsOf({ token, chat }) {
  const { status, json } = await api("GET", `/chats/${chat}/messages`, { token });
  assert.equal(status, 200);
  return json.items;
}

const spoken = (parts) => parts.filter((part) => !part.thought).map(({ text }) => text).join("");

/** The newest reply as it is stored: `code` is the problem's, null for a good one. */
async function assertStored(where, { code, text, finish }) {
  const [reply] = await turnsOf(where);
  assert.equal(reply.sender, "tutor");
  assert.equal(reply.content, text);
  assert.equal(reply.finish_reason, finish);
  assert.equal(reply.status, code === null ? "complete" : "failed");
  assert.equal(reply.error, code);
  if (finish === null) assert.notEqual(reply.status, "complete");
  return reply;
}

/** One question, whole; the tutor's text as far as the client sees it. */
async function askWhole({ token, chat }, content, [code, ...retry]) {
  const answer = await api("POST", "/chat/message", { token, body: { chat_id: chat, content } });
  if (code === null) {
    assert.equal(answer.status, 201, answer.text);
    return answer.json.reply.content;
  }
  assertProblem(answer, STATUSES[code], code);
  assertRetryAfter(answer, ...retry);
  return null;
}

/** The same, streamed: a failure before the first words has a status, a later one is an event. */
async function askStreamed({ token, chat }, content, [code, ...retry], text) {
  const body = { chat_id: chat, content, stream: true };
  const stream = await sse("/chat/message", body, { token });
  if (code !== null && text === "") {
    const json = await stream.json();
    const answer = { status: stream.status, headers: stream.headers, json };
    assertProblem(answer, STATUSES[code], code);
    assertRetryAfter(answer, ...retry);
    return "";
  }
  assert.equal(stream.status, 200);
  const { events, text: shown, done, error } = await stream.all();
  const names = events.map(({ event }) => event);
  assert.equal(names[0], "start");
  assert.deepEqual(new Set(names.slice(1, -1)), new Set(["delta"]));
  assert.equal(names.at(-1), code === null ? "done" : "error");
  if (code === null) {
    assert.equal(done.reply.content, shown);
  } else {
    assert.equal(error.problem.code, code);
    assert.equal(error.problem.status, STATUSES[code]);
    assert.equal(error.problem.instance, stream.headers.get("x-request-id"));
    const [least, most] = retry;
    const after = error.problem.retry_after;
    if (least === undefined) assert.equal(after, undefined);
    else assert.ok(after >= least && after <= most, `retry_after is ${after}`);
  }
  return shown;
}

/** A second question works, and what goes to Gemini with it is right. */
async function assertNextQuestion(where, first, { code, text, name }) {
  const next = `${first} and then`; // Longer, so that it wins where both stand in one content.
  await gemini.script(next, [{ tutor: true }]);
  const { token, chat } = where;
  const body = { chat_id: chat, content: next };
  const { status, text: answer } = await api("POST", "/chat/message", { token, body });
  assert.equal(status, 201, answer);
  const [{ request, key_in: keyIn }] = await gemini.calls(next);
  assert.equal(keyIn, "header");
  const { contents } = request;
  const said = contents.map(({ role, parts }) => [role, spoken(parts)]);
  if (code !== null) {
    assert.deepEqual(said, [["user", first + next]]);
    return;
  }
  assert.deepEqual(said, [["user", first], ["model", text], ["user", next]]);
  const kept = contents[1].parts.filter((part) => part.thought).map((part) => part.text);
  assert.deepEqual(kept, thoughts[name] ?? []);
}

for (const mode of ["whole", "streamed"]) {
  describe(`each scripted answer, ${mode}`, { concurrency: 4 }, () => {
    for (const [name, { about, expect }] of Object.entries({ ...failures, ...forms })) {
      it(`${name}: ${about}`, async () => {
        const outcome = outcomes[name];
        assert.ok(outcome, "this row has no outcome here");
        const text = expect.text ?? "";
        // An event that is not JSON ends it all: what comes after it is not believed.
        const finish = expect.malformed ? null : (expect.finish ?? expect.block ?? null);
        const where = await newChat();
        const token = `failures ${mode} ${randomUUID()}`;
        await gemini.script(token, [{ named: name }]);

        const ask = mode === "whole" ? askWhole : askStreamed;
        const shown = await ask(where, token, outcome, text);
        if (shown !== null) assert.equal(shown, text);
        await assertStored(where, { code: outcome[0], text, finish });
        await assertNextQuestion(where, token, { code: outcome[0], text, name });
        await gemini.forget(token);
      });
    }
  });
}

test("no row of the tables is unknown, and none here is of no table", () => {
  const names = Object.keys({ ...failures, ...forms });
  assert.deepEqual(Object.keys(outcomes).sort(), names.sort());
});

describe("an answer with nothing but a status", { concurrency: 4 }, () => {
  const rows = {
    429: ["tutor_quota", 1, 120],
    500: ["tutor_failed", 1, 60],
    503: OVERLOADED,
    504: ["tutor_timeout", 1, 60],
    403: REFUSED,
  };
  for (const [status, outcome] of Object.entries(rows)) {
    it(status, async () => {
      const where = await newChat();
      const token = `failures bare ${randomUUID()}`;
      await gemini.script(token, [{ status: Number(status), body: "" }]);
      await askWhole(where, token, outcome);
      await assertStored(where, { code: outcome[0], text: "", finish: null });
    });
  }
});

// chat.fcgi with settings of its own, as CGI.

async function askCgi({ token, chat }, content, environment, stream = false) {
  const began = performance.now();
  const answer = await cgi("chat", "POST", ASK, {
    token,
    body: { chat_id: chat, content, stream },
    environment,
  });
  assert.equal(answer.code, 0, answer.stderr);
  return { ...answer, ms: performance.now() - began };
}

test("the parts of a Gemini 3 model go back verbatim, its signature included", async () => {
  const where = await newChat();
  const model = { FYNQ_GEMINI_MODEL: "gemini-3-pro-preview" };
  const token = `failures signed ${randomUUID()}`;
  await gemini.script(token, [{ tutor: true }]);
  for (const content of [`one ${token}`, `two ${token}`, `three ${token}`]) {
    const { status, text } = await askCgi(where, content, model);
    assert.equal(status, 201, text);
  }
  const calls = await gemini.calls(token);
  assert.deepEqual(calls.map((call) => [call.model, call.status]), Array(3).fill([
    "gemini-3-pro-preview",
    200,
  ]));
  const { contents } = calls[2].request;
  assert.deepEqual(contents.map(({ role }) => role), ["user", "model", "user", "model", "user"]);
  const signatures = contents
    .filter(({ role }) => role === "model")
    .map(({ parts }) => parts.filter((part) => part.thoughtSignature).length);
  assert.deepEqual(signatures, [1, 1]);
  const replies = (await turnsOf(where)).filter(({ sender }) => sender === "tutor").reverse();
  assert.deepEqual(
    contents.filter(({ role }) => role === "model").map(({ parts }) => spoken(parts)),
    replies.slice(0, 2).map(({ content }) => content),
  );
});

for (const stream of [false, true]) {
  test(`a reply past FYNQ_REPLY_MAX, ${stream ? "streamed" : "whole"}: what was shown is kept`,
    async () => {
      const where = await newChat();
      const token = `failures large ${randomUUID()}`;
      await gemini.script(token, [
        { repeat: { text: "🙂".repeat(100), count: 50, every_ms: 0 } },
        { end: "finish" },
      ]);
      const answer = await askCgi(where, token, { FYNQ_REPLY_MAX: "4096" }, stream);
      const [reply] = await turnsOf(where);
      assert.deepEqual([reply.status, reply.finish_reason], ["failed", null]);
      assert.ok(reply.content.length > 0 && Buffer.byteLength(reply.content) <= 4096);
      if (stream) assert.equal(deltas(answer.text), reply.content);
      else assertProblem(answer, 502, "tutor_failed");
    });
}

describe("Gemini cannot be reached", () => {
  it("a closed port", async () => {
    const where = await newChat();
    // One of those that no other test is given for a server of its own.
    const environment = { FYNQ_GEMINI_URL: "http://127.0.0.1:9/v1beta" };
    for (const stream of [false, true]) {
      const answer = await askCgi(where, "Is anybody there?", environment, stream);
      assertProblem(answer, 502, "tutor_failed");
      await assertStored(where, { code: "tutor_failed", text: "", finish: null });
    }
  });

  it("an unknown host", async () => {
    const where = await newChat();
    const environment = {
      FYNQ_GEMINI_URL: "http://gemini.invalid/v1beta",
      FYNQ_GEMINI_CONNECT_MS: "2000",
    };
    const answer = await askCgi(where, "Is anybody there?", environment);
    // A resolver that says nothing at all is met by the deadline.
    const { code } = answer.json;
    assert.ok(["tutor_failed", "tutor_timeout"].includes(code), answer.text);
    assertProblem(answer, STATUSES[code], code);
    await assertStored(where, { code, text: "", finish: null });
  });

  it("a certificate that nobody vouches for", async () => {
    const where = await newChat();
    const token = `failures untrusted ${randomUUID()}`;
    await gemini.script(token, [{ tutor: true }]);
    const environment = { FYNQ_GEMINI_CA_FILE: "/etc/ssl/certs/ca-certificates.crt" };
    const answer = await askCgi(where, token, environment);
    assertProblem(answer, 502, "tutor_failed");
    assert.deepEqual(await gemini.calls(token), []);
    await assertStored(where, { code: "tutor_failed", text: "", finish: null });
  });
});

describe("deadlines", { concurrency: 4 }, () => {
  let mute;
  const sockets = new Set();

  before(async () => {
    mute = net.createServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => {});
    });
    mute.listen(0, "127.0.0.1");
    await once(mute, "listening");
  });

  after(() => {
    for (const socket of sockets) socket.destroy();
    mute.close();
  });

  it("connecting: a server that accepts and never shakes hands", async () => {
    const where = await newChat();
    const answer = await askCgi(where, "Is anybody there?", {
      FYNQ_GEMINI_URL: `https://127.0.0.1:${mute.address().port}/v1beta`,
      FYNQ_GEMINI_CONNECT_MS: "300",
    });
    assertProblem(answer, 504, "tutor_timeout");
    assert.ok(answer.ms >= 300 && answer.ms < 10000, `${answer.ms} ms`);
    await assertStored(where, { code: "tutor_timeout", text: "", finish: null });
  });

  const SAID = [{ text: ["Let us "] }];
  const rows = [
    {
      about: "first words",
      steps: [{ hold: true }, { end: "finish" }],
      settings: { FYNQ_GEMINI_FIRST_MS: "2000" }, // Connecting takes its part of it.
      least: 2000,
      text: "",
    },
    {
      about: "between words",
      steps: [...SAID, { hold: true }, { end: "finish" }],
      settings: { FYNQ_GEMINI_BETWEEN_MS: "300" },
      least: 300,
      text: "Let us ",
    },
    {
      about: "the whole reply",
      steps: [{ repeat: { text: "on ", count: 600, every_ms: 100 } }, { end: "finish" }],
      settings: { FYNQ_GEMINI_TOTAL_MS: "3000" }, // As above.
      least: 3000,
      text: /^(on ){5,}$/,
    },
  ];
  for (const { about, steps, settings, least, text } of rows) {
    for (const stream of [false, true]) {
      it(`${about}, ${stream ? "streamed" : "whole"}`, async () => {
        const where = await newChat();
        const token = `failures deadline ${randomUUID()}`;
        await gemini.script(token, steps);
        const answer = await askCgi(where, token, settings, stream);
        assert.ok(answer.ms >= least && answer.ms < least + 10000, `${answer.ms} ms`);
        if (!stream || text === "") {
          assertProblem(answer, 504, "tutor_timeout");
        } else {
          assert.equal(answer.status, 200);
          assert.match(answer.text, /\nevent: error\ndata: \{"problem":.*"tutor_timeout"/);
        }
        await gemini.waitForCalls(token, { ended: "aborted" });
        const [reply] = await turnsOf(where);
        assert.deepEqual([reply.status, reply.error], ["failed", "tutor_timeout"]);
        assert.match(reply.content, text instanceof RegExp ? text : new RegExp(`^${text}$`));
        if (stream) assert.equal(deltas(answer.text), reply.content);
      });
    }
  }
});

/** The deltas of a body of server-sent events, joined. */
function deltas(body) {
  const found = body.matchAll(/\nevent: delta\ndata: (.*)\n/g);
  return [...found].map(([, data]) => JSON.parse(data).text).join("");
}
