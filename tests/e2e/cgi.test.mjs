// The endpoints as plain CGI programs: environment and standard input, a process for each request.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";

import { newToken } from "./lib/chats.mjs";
import { api, cgi, gemini, register, waitUntil } from "./lib/fynq.mjs";
import { assertProblem } from "./lib/problem.mjs";

const ASK = "/api/v1/chat/message";

async function turnsOf({ token, id }) {
  const { json } = await api("GET", `/chat/history/${id}`, { token });
  return json.items;
}

describe("whole answers", { concurrency: 2 }, () => {
  it("the account's way: register, login, profile, logout", async () => {
    const body = {
      email: `${randomUUID()}@example.com`,
      password: "correct horse battery",
      birth_date: "2000-01-31",
    };
    const made = await cgi("auth", "POST", "/api/v1/auth/register", { body });
    assert.equal(made.code, 0, made.stderr);
    assert.equal(made.status, 201, made.text);
    const { email, password } = body;
    const session = await cgi("auth", "POST", "/api/v1/auth/login", { body: { email, password } });
    assert.equal(session.status, 200, session.text);
    const token = session.json.access_token;
    const me = await cgi("users", "GET", "/api/v1/users/me", { token });
    assert.equal(me.status, 200);
    assert.equal(me.json.email, email);
    assert.equal(me.headers.get("content-length"), String(Buffer.byteLength(me.text)));
    const tag = me.headers.get("etag");
    const same = await cgi("users", "GET", "/api/v1/users/me", {
      token,
      headers: { "if-none-match": tag },
    });
    assert.equal(same.status, 304);
    assert.equal(same.text, "");
    const out = await cgi("auth", "POST", "/api/v1/auth/logout", { token });
    assert.equal(out.status, 204);
    assert.equal(out.text, "");
  });

  it("health and readiness", async () => {
    for (const path of ["/healthz", "/readyz"]) {
      const { status, json, code } = await cgi("system", "GET", path);
      assert.deepEqual([status, json.status, code], [200, "ok", 0]);
    }
  });

  it("a question, and the page of turns", async () => {
    const student = await register();
    const { token } = student;
    const content = "Warum ist π ≈ 3,14? 🙂";
    const asked = await cgi("chat", "POST", ASK, { token, body: { content } });
    assert.equal(asked.code, 0, asked.stderr);
    assert.equal(asked.status, 201, asked.text);
    assert.equal(asked.headers.get("content-length"), String(Buffer.byteLength(asked.text)));
    assert.equal(asked.json.message.content, content);
    assert.equal(asked.json.reply.status, "complete");
    const page = await cgi("chat", "GET",
      `/api/v1/chats/${asked.json.chat_id}/messages?limit=1`, { token });
    const siblings = { index: 1, count: 1 };
    assert.deepEqual(page.json.items, [{ ...asked.json.reply, siblings }]);
    assert.match(page.headers.get("link"), /^<\/api\/v1\/chats\/.*\?limit=1&cursor=.*>; rel=/);
    assert.deepEqual(await turnsOf(student), [asked.json.reply, asked.json.message]);
  });

  it("the path as SCRIPT_NAME and PATH_INFO, where REQUEST_URI is not set", async () => {
    const { token } = await register();
    const answer = await cgi("chat", "GET", "/api/v1/chats", {
      token,
      environment: {
        REQUEST_URI: "",
        SCRIPT_NAME: "/api/v1",
        PATH_INFO: "/chats",
        QUERY_STRING: "limit=0",
      },
    });
    assertProblem(answer, 422, "invalid", ["limit"]);
  });

  it("HEAD: the head of GET and no body", async () => {
    const { token } = await register();
    const target = "/api/v1/users/me";
    const whole = await cgi("users", "GET", target, { token });
    const head = await cgi("users", "HEAD", target, { token });
    assert.equal(head.status, 200);
    assert.equal(head.text, "");
    for (const name of ["content-type", "content-length", "etag"]) {
      assert.equal(head.headers.get(name), whole.headers.get(name));
    }
  });

  it("problems have their status", async () => {
    const { token } = await register();
    const none = await cgi("chat", "GET", "/api/v1/chats");
    assertProblem(none, 401, "unauthorized");
    const wrong = await cgi("chat", "PUT", "/api/v1/chats", { token });
    assertProblem(wrong, 405, "method_not_allowed");
    const lost = await cgi("chat", "GET", "/api/v1/nothing", { token });
    assertProblem(lost, 404, "not_found");
    assert.deepEqual([none, wrong, lost].map(({ code }) => code), [0, 0, 0]);
  });
});

describe("bodies", { concurrency: 2 }, () => {
  const withLength = async (length, body = '{"content": "Why?"}') => {
    const student = await register();
    const answer = await cgi("chat", "POST", ASK, {
      token: student.token,
      body,
      environment: { CONTENT_LENGTH: length },
    });
    assert.equal(answer.code, 0, answer.stderr);
    return { answer, student };
  };

  it("shorter than announced: 400, and nothing is stored", async () => {
    const { answer, student } = await withLength("50");
    assertProblem(answer, 400, "bad_request");
    assert.deepEqual(await turnsOf(student), []);
  });

  it("longer than announced: only what was announced is read", async () => {
    const { answer } = await withLength("18");
    assertProblem(answer, 400, "bad_json");
    const { answer: exact } = await withLength("19", '{"content": "Why?"}, and more');
    assert.equal(exact.status, 201, exact.text);
  });

  for (const length of ["-1", "two", "0x13", "1e1", "99999999999999999999999"]) {
    it(`CONTENT_LENGTH ${length}: 400`, async () => {
      const { answer } = await withLength(length);
      assertProblem(answer, 400, "bad_request");
    });
  }

  it("no CONTENT_LENGTH: no body", async () => {
    const { answer } = await withLength("");
    assertProblem(answer, 422, "invalid", ["content"]);
  });

  it("past the limit: 413, unread", async () => {
    const { answer } = await withLength("200001");
    assertProblem(answer, 413, "too_large");
  });
});

const events = (text) =>
  text.split("\n\n").filter((block) => /^id: /.test(block)).map((block) => {
    const [, id, event, data] = /^id: (\d+)\nevent: (\w+)\ndata: (.*)$/.exec(block);
    return { id: Number(id), event, data: JSON.parse(data) };
  });

describe("streamed answers", { concurrency: 2 }, () => {
  it("events leave as they come, not at the end", async () => {
    const student = await register();
    const token = newToken();
    await gemini.script(token, [{ text: ["Grüße, "] }, { hold: true }, { text: ["π 🙂"] },
      { end: "finish" }]);
    let seen = "";
    const answering = cgi("chat", "POST", ASK, {
      token: student.token,
      body: { content: token, stream: true },
      started: (child) => child.stdout.on("data", (text) => (seen += text)),
    });
    await waitUntil(() => seen.includes("Grüße, "), { what: "the first delta, while it holds" });
    assert.ok(!seen.includes("event: done"));
    await gemini.release(token);
    const answer = await answering;
    assert.equal(answer.code, 0, answer.stderr);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("content-type"), "text/event-stream");
    const all = events(answer.text);
    assert.deepEqual(all.map(({ id }) => id), [0, 9, 16, 17]); // Bytes of text.
    assert.deepEqual(all.map(({ event }) => event), ["start", "delta", "delta", "done"]);
    const text = all.filter(({ event }) => event === "delta").map(({ data }) => data.text).join("");
    assert.equal(text, "Grüße, π 🙂");
    const [reply] = await turnsOf(student);
    assert.deepEqual(all.at(-1).data.reply, reply);
    assert.equal(reply.content, text);
  });

  it("a client that goes away: what it saw is kept as stopped, Gemini's call ends", async () => {
    const student = await register();
    const token = newToken();
    const script = [{ repeat: { text: "and on ", count: 6000, every_ms: 20 } }, { end: "finish" }];
    await gemini.script(token, script);
    let child;
    let seen = "";
    const answering = cgi("chat", "POST", ASK, {
      token: student.token,
      body: { content: token, stream: true },
      started: (process) => {
        child = process;
        process.stdout.on("data", (text) => (seen += text));
      },
    });
    await waitUntil(() => seen.includes("event: delta"), { what: "the first delta" });
    child.stdout.destroy();
    const { code, stderr } = await answering;
    assert.equal(code, 0, stderr);
    await gemini.waitForCalls(token, { ended: "aborted" });
    const [reply] = await turnsOf(student);
    assert.equal(reply.status, "stopped");
    assert.equal(reply.finish_reason, null);
    const shown = events(seen).filter(({ event }) => event === "delta");
    assert.ok(reply.content.startsWith(shown.map(({ data }) => data.text).join("")));
  });

  it("a client that goes away while the whole reply is written: it is kept, too", async () => {
    const student = await register();
    const token = newToken();
    await gemini.script(token, [{ hold: true }, { tutor: true }]);
    let child;
    const answering = cgi("chat", "POST", ASK, {
      token: student.token,
      body: { content: token },
      started: (process) => (child = process),
    });
    await gemini.waitForCalls(token);
    child.stdout.destroy();
    await gemini.release(token);
    const { code, stderr } = await answering;
    assert.equal(code, 0, stderr);
    const [reply] = await turnsOf(student);
    assert.notEqual(reply.status, "pending");
    assert.notEqual(reply.status, "failed");
  });

  it("two keep-alive comments in a silence of more than two seconds", async () => {
    const student = await register();
    const token = newToken();
    await gemini.script(token, [{ hold: true }, { tutor: true }]);
    let seen = "";
    const answering = cgi("chat", "POST", ASK, {
      token: student.token,
      body: { content: token, stream: true },
      environment: { FYNQ_KEEPALIVE_SECONDS: "1" },
      started: (child) => child.stdout.on("data", (text) => (seen += text)),
    });
    await waitUntil(() => seen.split(": keep-alive\n\n").length > 2, { what: "two comments" });
    assert.match(seen, /\nevent: start\n/);
    assert.doesNotMatch(seen, /\nevent: delta\n/);
    await gemini.release(token);
    const answer = await answering;
    assert.equal(events(answer.text).at(-1).event, "done");
  });
});
