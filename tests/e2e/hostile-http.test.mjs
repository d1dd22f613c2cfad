// Requests whose method, path, lengths or headers are wrong, or meant to harm: each gets its 4xx.

import assert from "node:assert/strict";
import net from "node:net";
import { before, describe, it } from "node:test";

import { api, cgi, raw, register, stack } from "./lib/fynq.mjs";
import { assertProblem } from "./lib/problem.mjs";

const JSON_TYPE = { "content-type": "application/json" };

let student;
let chat;

before(async () => {
  student = await register();
  const opened = await api("POST", "/chats", { token: student.token, body: {} });
  chat = opened.json.id;
});

const post = (path, body) =>
  api("POST", path, { token: student.token, body, headers: JSON_TYPE });

describe("methods and paths", { concurrency: 4 }, () => {
  const methods = {
    "/chat/message": ["GET", "PUT", "PATCH", "DELETE"],
    "/chats": ["PUT", "PATCH", "DELETE"],
    "/users/me": ["POST", "PUT"],
    "/auth/login": ["GET", "PUT"],
    "//healthz": ["POST", "DELETE"],
  };
  const allowed = {
    "/chat/message": ["OPTIONS", "POST"],
    "/chats": ["GET", "HEAD", "OPTIONS", "POST"],
    "/users/me": ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH"],
    "/auth/login": ["OPTIONS", "POST"],
    "//healthz": ["GET", "HEAD", "OPTIONS"],
  };
  for (const [path, wrong] of Object.entries(methods)) {
    for (const method of wrong) {
      it(`${method} ${path}: 405`, async () => {
        const answer = await api(method, path, { token: student.token });
        assertProblem(answer, 405, "method_not_allowed");
        assert.deepEqual(answer.headers.get("allow").split(", ").sort(), allowed[path]);
      });
    }
  }

  for (const method of ["BREW", "TRACE", "CONNECT", "get", "PROPFIND"]) {
    it(`${method}: 4xx`, async () => {
      const answer = await raw(
        `${method} /api/v1/chats HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
      );
      assert.match(answer, /^HTTP\/1\.1 40[05] /);
      assert.match(answer, /\r\nContent-Type: application\/problem\+json\r\n/);
    });
  }

  const long = "a".repeat(1000);
  const unknown = ["//", "//favicon.ico", "//api/v1", "/", "/chat", "/chats/", "/chat/message/",
    "/Chats", "/chats/a/b", `/${long}`, "/chats%2fx", "//.git/config",
    "//api//v1/chats", "//api/v1/chats;x", "/chat/history", "/user"];
  for (const path of unknown) {
    it(`${path.slice(0, 40)}: 404`, async () => {
      assertProblem(await api("GET", path, { token: student.token }), 404, "not_found");
    });
  }

  const ids = ["1", "null", "%00", "%ff", "..%2f..", "%", "%zz", "'--", "a".repeat(1900)];
  for (const id of ids) {
    it(`/chats/${id.slice(0, 20)}: 4xx`, async () => {
      const { token } = student;
      const answer = await raw(`GET /api/v1/chats/${id} HTTP/1.1\r\nHost: x\r\n` +
        `Authorization: Bearer ${token}\r\nConnection: close\r\n\r\n`);
      assert.match(answer, /^HTTP\/1\.1 4(00|04|22) /);
      assert.match(answer, /\r\nContent-Type: application\/problem\+json\r\n/);
    });
  }

  const targets = ["/../../etc/passwd", "/api/v1/../../../etc/passwd", "/api/v1/chats/..\\..",
    "/%2e%2e/%2e%2e/etc/passwd", "/api/v1/chats/%2e%2e/nothing",
    "http://elsewhere.example/etc/passwd", "*", "/api/v1/\x01"];
  for (const target of targets) {
    it(`${JSON.stringify(target)}: 4xx`, async () => {
      const answer = await raw(`GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      assert.match(answer, /^HTTP\/1\.1 4\d\d /);
      assert.doesNotMatch(answer, /root:/);
    });
  }

  it("a path of 3 KB, a query of 9 KB", async () => {
    const { token } = student;
    assertProblem(await api("GET", `/chats/${"a".repeat(3000)}`, { token }), 400, "bad_request");
    const { status } = await api("GET", `/chats?q=${"a".repeat(9000)}`, { token });
    assert.equal(status, 414);
    const answer = await cgi("chat", "GET", `/api/v1/chats?q=${"a".repeat(9000)}`, { token });
    assertProblem(answer, 400, "bad_request");
  });
});

const head = (path, ...lines) =>
  [`POST /api/v1${path} HTTP/1.1`, "Host: x", `Authorization: Bearer ${student.token}`,
    "Content-Type: application/json", "Connection: close", ...lines, "", ""].join("\r\n");
const chunked = (body) => `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;

describe("lengths", { concurrency: 4 }, () => {
  it("a body past the limit, declared: 413", async () => {
    const content = "a".repeat(300000);
    assertProblem(await post("/chat/message", JSON.stringify({ content })), 413, "too_large");
    const display_name = "a".repeat(20000);
    assertProblem(await post("/auth/register", JSON.stringify({ display_name })), 413, "too_large");
  });

  it("a body past the limit, chunked: 413", async () => {
    const body = JSON.stringify({ content: "a".repeat(300000) });
    const answer = await raw(head("/chat/message", "Transfer-Encoding: chunked") + chunked(body));
    assert.match(answer, /^HTTP\/1\.1 413 /);
    assert.match(answer, /"code":"too_large"/);
  });

  it("a chunked body within the limit is read", async () => {
    const answer = await raw(head("/chats", "Transfer-Encoding: chunked") + chunked("{}"));
    assert.match(answer, /^HTTP\/1\.1 201 /);
  });

  it("the limit holds for a responder without Nginx", async () => {
    const { token } = student;
    const body = JSON.stringify({ content: "a".repeat(300000) });
    const answer = await cgi("chat", "POST", "/api/v1/chat/message", { token, body });
    assertProblem(answer, 413, "too_large");
  });

  const wrong = {
    "negative": ["Content-Length: -1"],
    "no number": ["Content-Length: two"],
    "hexadecimal": ["Content-Length: 0x2"],
    "past 64 bits": ["Content-Length: 99999999999999999999999"],
    "two that differ": ["Content-Length: 2", "Content-Length: 3"],
    "beside chunked": ["Content-Length: 2", "Transfer-Encoding: chunked"],
    "an unknown transfer coding": ["Transfer-Encoding: cow"],
    "chunks of no length": ["Transfer-Encoding: chunked"],
  };
  for (const [name, lines] of Object.entries(wrong)) {
    it(`Content-Length ${name}: 4xx`, async () => {
      const answer = await raw(`${head("/chats", ...lines)}{}`);
      assert.match(answer, /^HTTP\/1\.1 4\d\d /);
    });
  }

  it("a length of more than is sent: nothing is stored", async () => {
    const own = await register();
    const lines = ["POST /api/v1/chats HTTP/1.1", "Host: x", "Content-Type: application/json",
      `Authorization: Bearer ${own.token}`, "Content-Length: 50", "", "{}"];
    const answer = await halfClosed(lines.join("\r\n"));
    assert.doesNotMatch(answer, /^HTTP\/1\.1 [25]/);
    const { json } = await api("GET", "/chats", { token: own.token });
    assert.deepEqual(json.items, []);
  });

  it("a length of less than is sent: what follows is no part of it", async () => {
    const answer = await raw(`${head("/chats", "Content-Length: 2")}{}GET /x HTTP/1.1\r\n\r\n`);
    assert.match(answer, /^HTTP\/1\.1 201 /);
    assert.equal(answer.match(/HTTP\/1\.1/g).length, 1);
    const cut = await raw(`${head("/chats", "Content-Length: 1")}{}`);
    assert.match(cut, /^HTTP\/1\.1 400 /);
    assert.match(cut, /"code":"bad_json"/);
  });

  it("no body at all", async () => {
    const { token } = student;
    const answer = await api("POST", "/chat/message", { token, headers: JSON_TYPE });
    assertProblem(answer, 422, "invalid", ["content"]);
  });
});

/** Sends bytes and no more, reads to the end. */
async function halfClosed(bytes) {
  const { hostname, port } = new URL(stack.url);
  const socket = net.connect({ host: hostname, port: Number(port), allowHalfOpen: true });
  let text = "";
  socket.setEncoding("utf8");
  socket.on("data", (chunk) => (text += chunk));
  socket.on("error", () => {});
  socket.on("end", () => socket.destroy());
  socket.end(bytes);
  await new Promise((resolve) => socket.on("close", resolve));
  return text;
}

describe("headers", { concurrency: 4 }, () => {
  const INJECTION = "abcdefgh\r\nX-Evil: yes";

  it("a request id that is none is replaced", async () => {
    const bad = ["short", "a".repeat(65), "white space", 'quo"tes-and-more', "semi;colon;here",
      "a/b/c/d/e/f", "%0d%0aX-Evil:yes"];
    for (const id of bad) {
      const { status, headers } = await api("GET", "//healthz", {
        headers: { "x-request-id": id },
      });
      assert.equal(status, 200);
      assert.match(headers.get("x-request-id"), /^[0-9a-f-]{32,36}$/);
      assert.notEqual(headers.get("x-request-id"), id);
    }
  });

  for (const name of ["X_REQUEST_ID", "ORIGIN", "IF_MATCH", "IF_NONE_MATCH", "TRACEPARENT",
    "USER_AGENT"]) {
    it(`${name} with a line end, to a responder without Nginx`, async () => {
      const answer = await cgi("users", "GET", "/api/v1/users/me", {
        token: student.token,
        environment: { [`HTTP_${name}`]: INJECTION, FYNQ_CORS_ORIGINS: "https://a.example" },
      });
      assert.equal(answer.status, 200);
      assert.equal(answer.headers.get("x-evil"), null);
      assert.equal(answer.json.id, student.id);
    });
  }

  it("If-Match that no tag is like: 412", async () => {
    const { token } = student;
    for (const tag of ["x", '"', '""', '"x"', "W/*", `"${"a".repeat(2000)}"`, "ÿ".repeat(4)]) {
      const headers = { "if-match": tag };
      const patched = await api("PATCH", `/chats/${chat}`, {
        token,
        headers,
        body: { title: "x" },
      });
      assertProblem(patched, 412, "precondition_failed");
      const profile = await api("PATCH", "/users/me", { token, headers, body: { locale: "de" } });
      assertProblem(profile, 412, "precondition_failed");
    }
  });

  it("a header past the limit: 431", async () => {
    const long = "a".repeat(9000);
    const answer = await raw(`GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ${long}\r\n\r\n`);
    assert.match(answer, /^HTTP\/1\.1 431 /);
  });
});
