// Uploads that Nginx does not keep back until they are whole.

import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import path from "node:path";
import { after, before, it } from "node:test";

import { limit } from "./lib/files.mjs";
import { db, register, stack, waitUntil } from "./lib/fynq.mjs";
import { startNginx } from "./lib/nginx.mjs";
import { registerAs } from "./lib/people.mjs";
import { assertProblem, assertRetryAfter } from "./lib/problem.mjs";
import { read } from "./lib/stored.mjs";

const LARGE = 100_000_000;
const BOUNDARY = "boundary-of-the-test";
const ROUTE = "/api/v1/files/upload";

let nginx;
let teacher;

before(async () => {
  nginx = await startNginx(stack, { files: path.join(stack.state, "files") });
  teacher = await register();
  await db.run(
    `update auth.users set raw_app_meta_data = raw_app_meta_data || '{"role": "teacher"}' where id = $1`,
    [teacher.id],
  );
  const { email, password } = teacher;
  const login = await stack.api("POST", "/auth/login", { body: { email, password } });
  teacher.token = login.json.access_token;
});
after(() => nginx.stop());

/** The head of a form with one file, to which so many bytes and a tail belong. */
const HEAD = Buffer.from(
  `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n%PDF-1.4\n`,
);
const TAIL = Buffer.from(`\r\n--${BOUNDARY}--\r\n`);

/** Begins a POST: {request, answer (a promise of {status, headers, text, json})}. */
function begin({ token, length, type = "multipart/form-data", id = randomUUID() } = {}) {
  const headers = { "content-type": `${type}; boundary=${BOUNDARY}`, "x-request-id": id };
  if (token) headers.authorization = `Bearer ${token}`;
  if (length) headers["content-length"] = length;
  const request = http.request(nginx.url + ROUTE, { method: "POST", headers, agent: false });
  request.on("error", () => {}); // It may be closed before all has been sent.
  const answer = once(request, "response").then(async ([response]) => {
    let text = "";
    for await (const chunk of response) text += chunk;
    const { statusCode: status } = response;
    return { status, headers: new Headers(response.headers), text, json: JSON.parse(text) };
  });
  answer.catch(() => {});
  return { request, answer, id };
}

/** Resolves when the bytes have left this process, or cannot any more. */
const send = (request, bytes) => new Promise((resolve) => request.write(bytes, resolve));

/** The whole of a form of `length` bytes; resolves with the file's SHA-256. */
async function sendAll(request, length) {
  const piece = Buffer.alloc(1 << 20, "a piece of the file\n");
  const sum = createHash("sha256").update(HEAD.subarray(HEAD.indexOf("%PDF")));
  let left = length - HEAD.length - TAIL.length;
  await send(request, HEAD);
  while (left > 0) {
    const bytes = piece.subarray(0, Math.min(left, piece.length));
    sum.update(bytes);
    await send(request, bytes);
    left -= bytes.length;
  }
  request.end(TAIL);
  return sum.digest("hex");
}

it("a large one comes through, and is what was sent", async () => {
  const { request, answer } = begin({ token: teacher.token, length: LARGE });
  const sha256 = await sendAll(request, LARGE);
  const { status, json, text } = await answer;
  assert.equal(status, 201, text);
  assert.equal(json.sha256, sha256);
  const headers = { authorization: `Bearer ${teacher.token}` };
  const { bytes } = await read(nginx.url + json.url, { headers });
  assert.equal(createHash("sha256").update(bytes).digest("hex"), sha256);
});

it("it is answered before it has come, where it is refused", { timeout: 60000 }, async () => {
  const { request, answer } = begin({ length: LARGE });
  await send(request, HEAD);
  assertProblem(await answer, 401, "unauthorized");
  request.destroy();
});

// Whoever sends on is not broken off before the answer was read: Nginx would make it a 502.
it("it is answered at once, and by us, though it is sent on", { timeout: 120000 }, async () => {
  const bounded = await registerAs(stack, "teacher");
  await limit(stack, bounded, { file_bytes: 10_000_000 });
  const piece = Buffer.alloc(1 << 20, "a piece of the file\n");
  for (const [options, ...problem] of [
    [{}, 401, "unauthorized"],
    [{ token: teacher.token, type: "text/plain" }, 415, "unsupported_media_type"],
    [{ token: bounded.token }, 413, "too_large"],
  ]) {
    for (let times = 0; times < 4; times += 1) {
      const { request, answer } = begin({ length: LARGE, ...options });
      let answered = false;
      const done = answer.finally(() => { answered = true; });
      done.catch(() => {});
      await send(request, HEAD);
      let sent = HEAD.length;
      for (; !answered && sent < LARGE - piece.length; sent += piece.length) {
        await send(request, piece);
      }
      assertProblem(await done, ...problem);
      assert.ok(sent < LARGE / 2, `${sent} bytes were sent`);
      request.destroy();
    }
  }
});

it("a smaller one, or one of unknown length, does not reach a worker before it is whole", async () => {
  for (const length of [LARGE - 1, undefined]) {
    const { request, id } = begin({ length });
    await send(request, HEAD);
    request.destroy();
    await waitUntil(async () => (await nginx.log()).includes(id));
    assert.deepEqual(await stack.log((line) => line.request_id === id), []);
  }
});

it("a chunked one is kept until it is whole, and taken", async () => {
  const { request, answer } = begin({ token: teacher.token });
  const sha256 = await sendAll(request, 300000);
  const { status, json, text } = await answer;
  assert.equal(status, 201, text);
  assert.equal(json.sha256, sha256);
});

// Nginx keeps it on the disk before anybody has asked whose it is.
it("a chunked one that is large is refused", { timeout: 60000 }, async () => {
  const { request, answer } = begin();
  let refused = false;
  const done = answer.finally(() => { refused = true; });
  done.catch(() => {});
  const piece = Buffer.alloc(1 << 20, "a piece of the file\n");
  await send(request, HEAD);
  for (let i = 0; i < 200 && !refused; i += 1) {
    await Promise.race([send(request, piece), answer.catch(() => {})]);
  }
  assertProblem(await answer, 413, "too_large");
  request.destroy();
});

it("five at once are one too many; the fifth is told to come back, and may", { timeout: 60000 }, async () => {
  const four = Array.from({ length: 4 }, () => begin({ token: teacher.token, length: LARGE }));
  for (const { request } of four) await send(request, HEAD);
  const refused = async () => {
    const { request, answer } = begin({ token: teacher.token, length: LARGE });
    await send(request, HEAD);
    const got = await answer;
    request.destroy();
    return got;
  };
  const fifth = await refused();
  assertProblem(fifth, 503, "busy");
  assertRetryAfter(fifth, 1, 1);

  const small = begin({ token: teacher.token, length: 1000 });
  await sendAll(small.request, 1000);
  assert.equal((await small.answer).status, 201);

  for (const { request } of four) request.destroy();
  const next = await waitUntil(async () => {
    const { request, answer } = begin({ length: LARGE });
    await send(request, HEAD);
    const { status } = await answer;
    request.destroy();
    return status === 401;
  });
  assert.ok(next);
});

it("one that is too large is refused at once, whichever way", async () => {
  const { request, answer } = begin({ token: teacher.token, length: 2 ** 40 });
  await send(request, HEAD);
  assertProblem(await answer, 413, "too_large");
  request.destroy();
});
