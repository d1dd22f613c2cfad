// What goes beside a request and its answer: origins, request ids, traces.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";

import { api, cgi, register, sse, stack, waitUntil } from "./lib/fynq.mjs";

describe("across origins", () => {
  const preflight = (origin, more = {}) =>
    cgi("chat", "OPTIONS", "/api/v1/chat/message", {
      headers: {
        origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
      },
      environment: { FYNQ_CORS_ORIGINS: "https://app.example, https://b.example", ...more },
    });

  it("a preflight of an allowed origin", async () => {
    for (const origin of ["https://app.example", "https://b.example"]) {
      const { status, headers, text } = await preflight(origin);
      assert.deepEqual([status, text], [204, ""]);
      assert.equal(headers.get("access-control-allow-origin"), origin);
      assert.equal(headers.get("access-control-allow-credentials"), "true");
      assert.match(headers.get("access-control-allow-methods"), /POST/);
      assert.match(headers.get("access-control-allow-headers"), /Authorization.*Content-Type/);
      assert.equal(headers.get("vary"), "Origin");
    }
  });

  it("a preflight of any other origin", async () => {
    const others = ["https://evil.example", "https://app.example.evil", "http://app.example",
      "https://app.example:8443", "https://APP.example", "null", "*", "https://app.example,",
      "https://app.example, https://b.example"];
    for (const origin of others) {
      const { status, headers } = await preflight(origin);
      assert.equal(status, 204);
      assert.equal(headers.get("access-control-allow-origin"), null, origin);
      assert.equal(headers.get("access-control-allow-credentials"), null, origin);
      assert.equal(headers.get("vary"), "Origin");
    }
  });

  it("answers and problems, too, carry the origin", async () => {
    const { token } = await register();
    const environment = { FYNQ_CORS_ORIGINS: "https://app.example" };
    const headers = { origin: "https://app.example" };
    const get = (path) => cgi("chat", "GET", `/api/v1${path}`, { token, headers, environment });
    for (const path of ["/chats", `/chats/${randomUUID()}`, "/chats?limit=0"]) {
      const answer = await get(path);
      assert.equal(answer.headers.get("access-control-allow-origin"), "https://app.example");
      assert.match(
        answer.headers.get("access-control-expose-headers"),
        /Content-Disposition, .*X-Request-Id/,
      );
    }
  });

  it("through Nginx: OPTIONS says what a path allows, and no more without origins", async () => {
    const headers = { origin: "https://evil.example", "access-control-request-method": "GET" };
    const answer = await api("OPTIONS", "/chats", { headers });
    assert.equal(answer.status, 204);
    assert.equal(answer.headers.get("allow"), "GET, HEAD, POST, OPTIONS");
    assert.equal(answer.headers.get("access-control-allow-origin"), null);
  });
});

describe("what a request is known by", () => {
  const line = (id) =>
    waitUntil(async () => (await stack.log(({ event, request_id: it }) =>
      event === "request" && it === id))[0], { what: `the log line of ${id}` });

  it("X-Request-Id is taken over, returned and logged", async () => {
    const { token, id } = await register();
    for (const [path, status] of [["/chats", 200], ["/chats?limit=0", 422]]) {
      const own = `own.ID_${randomUUID()}`;
      const answer = await api("GET", path, { token, headers: { "x-request-id": own } });
      assert.equal(answer.status, status);
      assert.equal(answer.headers.get("x-request-id"), own);
      if (status === 422) assert.equal(answer.json.instance, own);
      const { method, route, status: logged, user } = await line(own);
      assert.deepEqual([method, route, logged, user], ["GET", "/api/v1/chats", status, id]);
    }
  });

  it("without one it is made, and differs", async () => {
    const answers = await Promise.all([1, 2].map(() => api("GET", "//healthz")));
    const [one, two] = answers.map(({ headers }) => headers.get("x-request-id"));
    assert.match(one, /^[0-9A-Za-z._-]{8,64}$/);
    assert.notEqual(one, two);
  });

  it("a streamed answer has it, too", async () => {
    const { token } = await register();
    const own = `stream-${randomUUID()}`;
    const body = { content: "Why?", stream: true };
    const headers = { "x-request-id": own };
    const stream = await sse("/chat/message", body, { token, headers });
    assert.equal(stream.headers.get("x-request-id"), own);
    await stream.all();
    assert.equal((await line(own)).status, 200);
  });

  it("traceparent is returned and its trace-id logged, unless it is malformed", async () => {
    const trace = randomUUID().replaceAll("-", "");
    const rows = [
      [`00-${trace}-00f067aa0ba902b7-01`, trace],
      [`00-${"0".repeat(32)}-00f067aa0ba902b7-01`, undefined],
      [`00-${trace.toUpperCase()}X-00f067aa0ba902b7-01`, undefined],
      ["00-short-1-01", undefined],
    ];
    for (const [traceparent, wanted] of rows) {
      const own = `trace-${randomUUID()}`;
      const answer = await api("GET", "//healthz", {
        headers: { traceparent, "x-request-id": own },
      });
      assert.equal(answer.headers.get("traceparent"), wanted ? traceparent : null);
      assert.equal((await line(own)).trace_id, wanted);
    }
  });
});
