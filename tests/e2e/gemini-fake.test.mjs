// The stand-in for the Gemini API must be honest: Google's own SDK can talk with it, it refuses
// what the service refuses, and each scripted failure is what its name says.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import http2 from "node:http2";
import https from "node:https";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { startStandIn } from "../fakes/gemini/client.mjs";
import { errorOf, readStream } from "../fakes/gemini/probe.mjs";
import { refused, taken } from "../fakes/gemini/requests.mjs";
import { failures, forms } from "../fakes/gemini/scripts.mjs";
import { asking, KEY, LIMIT, startFake, STREAM, WHOLE } from "./lib/gemini-fake.mjs";

const SDK_SESSION = fileURLToPath(new URL("../fakes/gemini/sdk-session.mjs", import.meta.url));
const CLIENT = new URL("../fakes/gemini/client.mjs", import.meta.url).href;

let fake, standIn, probe, ca;

before(async () => {
  fake = await startFake();
  ({ standIn, probe, ca } = fake);
});
after(() => fake?.stop());

const askStream = (words) => probe.ask(STREAM, { body: asking(words) });

test("Google's SDK holds conversations with the stand-in", LIMIT, async () => {
  await standIn.script("sdk-quota", [{ named: "quota_minute" }]);
  await standIn.script("sdk-mid-error", [{ named: "mid_error_at_once" }]);
  const { stdout } = await promisify(execFile)(process.execPath, [SDK_SESSION, standIn.url], {
    env: {
      ...process.env,
      NODE_EXTRA_CA_CERTS: fake.certificate.cert,
      GEMINI_API_KEY: KEY,
      TOKEN_QUOTA: "sdk-quota",
      TOKEN_MID_ERROR: "sdk-mid-error",
    },
  });
  const session = JSON.parse(stdout);
  assert.ok(session.models.includes("models/gemini-2.5-flash"));
  for (const [chat, signed] of [[session.chat, false], [session.signedChat, true]]) {
    for (const [i, turn] of chat.turns.entries()) {
      assert.match(turn.text, /^\(Stand-in tutor, not Google Gemini\.\) /);
      assert.match(turn.text, new RegExp(`question ${i + 1}`));
      assert.equal(turn.text.split("?").length, 2, "one question a turn");
      assert.ok(turn.chunks >= 8 && turn.chunks <= 16, `${turn.chunks} chunks`);
      assert.equal(turn.finishReason, "STOP");
      assert.equal(turn.signed, signed);
      assert.ok(turn.usage.totalTokenCount > turn.usage.promptTokenCount);
    }
    const turns = chat.history.filter((role, i) => role !== chat.history[i - 1]);
    assert.deepEqual(turns, ["user", "model", "user", "model", "user", "model"]);
  }
  assert.equal(session.forgetfulChat.status, 400);
  assert.match(session.forgetfulChat.message, /missing a thought_signature/);
  assert.match(session.picture.text, /image\/png, 70 bytes/);
  assert.deepEqual(Object.keys(session.structured), ["title", "level"]);
  assert.equal(session.structured.level, 3);
  assert.equal(session.countTokens.totalTokens, 4);
  for (const quota of [session.quota, session.streamedQuota]) {
    assert.equal(quota.name, "ApiError");
    assert.equal(quota.status, 429);
    assert.match(quota.message, /34\.4s/);
  }
  assert.equal(session.midError.name, "ApiError");
  assert.equal(session.midError.status, 503);
});

test("HTTP/2 and HTTP/1.1 over TLS, and plain HTTP/1.1", LIMIT, async () => {
  const body = JSON.stringify(asking("proto-token"));
  const tutor = [{ tutor: true }];
  await standIn.script("proto-token", tutor);
  assert.equal(probe.session.remoteSettings.maxConcurrentStreams, 100);
  assert.equal((await probe.ask(STREAM, { body })).status, 200);
  const request = https.request(standIn.url + STREAM, {
    ca,
    method: "POST",
    headers: { "content-type": "application/json", "x-goog-api-key": KEY },
  });
  request.end(body);
  const [response] = await once(request, "response");
  response.resume();
  await once(response, "end");
  const protocols = (await standIn.calls("proto-token")).map(({ protocol }) => protocol);
  assert.deepEqual(protocols, ["h2", "http/1.1"]);

  const plain = await startStandIn();
  try {
    await plain.script("proto-token", tutor);
    const headers = { "content-type": "application/json", "x-goog-api-key": "any" };
    const answer = await fetch(plain.url + STREAM, { method: "POST", headers, body });
    assert.equal(answer.headers.get("content-type"), "text/event-stream");
    assert.equal(readStream(await answer.text()).finish, "STOP");
    const [call] = await plain.calls("proto-token");
    assert.equal(call.protocol, "http/1.1");
  } finally {
    await plain.stop();
  }
});

test("the key", LIMIT, async () => {
  await standIn.script("key-token", [{ tutor: true }]);
  const body = asking("key-token");
  const missing = await probe.ask(STREAM, { body, headers: { "x-goog-api-key": "" } });
  assert.equal(missing.status, 403);
  assert.equal(errorOf(missing).status, "PERMISSION_DENIED");
  assert.match(errorOf(missing).message, /^Method doesn't allow unregistered callers/);
  const wrong = await probe.ask(WHOLE, { body, headers: { "x-goog-api-key": "wrong" } });
  assert.equal(wrong.status, 400);
  assert.equal(errorOf(wrong).details[0].reason, "API_KEY_INVALID");
  const inQuery = { body, headers: { "x-goog-api-key": "" } };
  assert.equal((await probe.ask(`${WHOLE}?key=${KEY}`, inQuery)).status, 200);
  assert.equal((await probe.ask(WHOLE, { body })).status, 200);
  const calls = await standIn.waitForCalls("key-token", { count: 4, ended: "complete" });
  assert.deepEqual(calls.map((call) => call.key_in), [null, "header", "query", "header"]);
  assert.deepEqual(calls.map((call) => call.status), [403, 400, 200, 200]);
  assert.ok(!JSON.stringify(calls).includes(KEY));
});

test("models, methods and paths", LIMIT, async () => {
  const body = asking("Hello");
  const first = JSON.parse((await probe.ask("/v1beta/models?pageSize=2", { method: "GET" })).body);
  assert.equal(first.models.length, 2);
  assert.ok(first.models[0].inputTokenLimit > 0);
  const next = `/v1beta/models?pageSize=2&pageToken=${first.nextPageToken}`;
  const second = JSON.parse((await probe.ask(next, { method: "GET" })).body);
  assert.notEqual(second.models[0].name, first.models[0].name);
  const one = await probe.ask("/v1beta/models/gemini-2.5-pro", { method: "GET" });
  assert.equal(JSON.parse(one.body).name, "models/gemini-2.5-pro");
  const unknown = await probe.ask("/v1beta/models/gemini-9:generateContent", { body });
  assert.equal(unknown.status, 404);
  assert.match(errorOf(unknown).message, /^models\/gemini-9 is not found .* generateContent/);
  for (const [method, target] of [
    ["GET", WHOLE], ["PUT", WHOLE], ["POST", "/v1beta/models"], ["POST", "/v1/models/x:y"],
    ["GET", "//"], ["POST", "/v1beta/models/gemini-2.5-flash:unknown"],
  ]) {
    const answer = await probe.ask(target, { method, body: method === "GET" ? undefined : body });
    assert.equal(answer.status, 404, `${method} ${target}`);
    assert.match(answer.headers["content-type"], /^text\/html/);
  }
  const query = await probe.ask(`${WHOLE}?colour=red`, { body });
  assert.match(errorOf(query).message, /Unknown name "colour": Cannot bind query parameter/);
  const form = { "content-type": "application/x-www-form-urlencoded" };
  assert.equal((await probe.ask(WHOLE, { body, headers: form })).status, 400);
});

test("what the service refuses is refused", LIMIT, async (t) => {
  for (const [wrong, request, message, model = "gemini-2.5-flash"] of refused) {
    await t.test(wrong, async () => {
      for (const verb of ["generateContent", "streamGenerateContent?alt=sse"]) {
        const answer = await probe.ask(`/v1beta/models/${model}:${verb}`, { body: request });
        assert.equal(answer.status, 400, answer.body);
        assert.ok(answer.body.startsWith("{"));
        const error = errorOf(answer);
        assert.equal(error.code, 400);
        assert.equal(error.status, "INVALID_ARGUMENT");
        assert.match(error.message, message);
      }
    });
  }
  await t.test("files and caches that do not exist", async () => {
    const fileData = { mimeType: "image/png", fileUri: "https://stand-in/v1beta/files/abc" };
    const file = { contents: [{ role: "user", parts: [{ fileData }] }] };
    for (const body of [file, { ...asking("Hello"), cachedContent: "cachedContents/abc" }]) {
      const answer = await probe.ask(WHOLE, { body });
      assert.equal(errorOf(answer).status, "PERMISSION_DENIED");
    }
  });
  await t.test("more than 20 MB", async () => {
    const body = JSON.stringify(asking("x".repeat((20 << 20) + 1)));
    const answer = await probe.ask(WHOLE, { body });
    assert.equal(answer.status, 400);
    assert.match(errorOf(answer).message, /payload size exceeds the limit: 20971520 bytes/);
  });
  await t.test("invalid UTF-8", async () => {
    const body = Buffer.from('{"contents":[{"parts":[{"text":"\xff"}]}]}', "latin1");
    const answer = await probe.ask(WHOLE, { body });
    assert.equal(answer.status, 400);
  });
  await t.test("all violations at once, each with its field", async () => {
    const answer = await probe.ask(WHOLE, { body: { a: 1, contents: [{ b: 2 }] } });
    const [{ fieldViolations }] = errorOf(answer).details;
    assert.deepEqual(fieldViolations.map(({ field }) => field), [undefined, "contents[0]"]);
  });
});

test("what the service takes is taken", LIMIT, async (t) => {
  for (const [unusual, body, model = "gemini-2.5-flash"] of taken) {
    await t.test(unusual, async () => {
      const answer = await probe.ask(`/v1beta/models/${model}:generateContent`, { body });
      assert.equal(answer.status, 200, answer.body);
      assert.equal(JSON.parse(answer.body).candidates[0].finishReason, "STOP");
    });
  }
});

test("each named failure is what it says", LIMIT, async (t) => {
  for (const [name, { about, expect }] of Object.entries(failures)) {
    await t.test(`${name}: ${about}`, async () => {
      const token = `failure-${name}.`;
      await standIn.script(token, [{ named: name }]);
      const answer = await askStream(token);
      assert.equal(answer.status, expect.status);
      assert.equal(answer.broken, expect.broken ?? false);
      if (expect.status === 200 || expect.broken) checkSaid(answer, expect);
      else checkError(answer, expect);
    });
  }
});

function checkSaid(answer, expect) {
  const said = readStream(answer.body);
  assert.equal(said.text, expect.text);
  assert.equal(said.finish, expect.finish);
  assert.equal(said.block, expect.block);
  assert.equal(said.error, expect.error);
  assert.equal(said.malformed, expect.malformed ?? false);
}

function checkError(answer, { status, error, quota, retry_delay }) {
  if (error === undefined) {
    assert.throws(() => JSON.parse(answer.body));
    return;
  }
  const body = errorOf(answer);
  assert.equal(body.code, status);
  assert.equal(body.status, error);
  const detail = (type) => (body.details ?? []).find((it) => it["@type"].endsWith(type));
  const ids = (detail("QuotaFailure")?.violations ?? []).map(({ quotaId }) => quotaId).join();
  assert.equal(/PerDay/.test(ids) ? "day" : /PerMinute/.test(ids) ? "minute" : undefined, quota);
  assert.equal(detail("RetryInfo")?.retryDelay, retry_delay);
}

test("a stop for a cause shows the cause", LIMIT, async () => {
  const { body: safety } = await askStream("failure-safety.");
  assert.match(safety, /"safetyRatings":\[.*"blocked":true/);
  const { body: recitation } = await askStream("failure-recitation.");
  assert.match(recitation, /"citationMetadata":\{"citationSources"/);
});

test("each form of a stream says the same", LIMIT, async (t) => {
  for (const [name, { about, expect }] of Object.entries(forms)) {
    await t.test(`${name}: ${about}`, async () => {
      const token = `form-${name}.`;
      await standIn.script(token, [{ named: name }]);
      const answer = await askStream(token);
      assert.equal(answer.status, expect.status);
      checkSaid(answer, expect);
    });
  }
  await t.test("bytes stay apart as they were written", async () => {
    const stream = probe.open(STREAM, { body: asking("form-split_character.") });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    assert.equal(chunks.length, 4);
    assert.ok(chunks.some((chunk) => chunk.toString().includes("\ufffd")));
  });
});

test("the array form of a stream, and the whole answer", LIMIT, async () => {
  const steps = [{ text: ["One, ", "two é"] }, { end: "finish" }];
  await standIn.script("array-token", steps);
  const target = STREAM.replace("?alt=sse", "");
  const array = JSON.parse((await probe.ask(target, { body: asking("array-token") })).body);
  assert.deepEqual(array.map(textOf), ["One, ", "two é", ""]);
  const whole = JSON.parse((await probe.ask(WHOLE, { body: asking("array-token") })).body);
  assert.deepEqual(whole.candidates[0].content.parts, [{ text: "One, two é" }]);
  assert.equal(whole.candidates[0].finishReason, "STOP");
  await standIn.script("array-broken", [{ named: "mid_error" }]);
  const broken = JSON.parse((await probe.ask(target, { body: asking("array-broken") })).body);
  assert.equal(broken[broken.length - 1].error.status, "UNAVAILABLE");
  const refusedList = JSON.parse((await probe.ask(target, { body: {} })).body);
  assert.equal(refusedList[0].error.code, 400);
});

function textOf(event) {
  return event.candidates[0].content.parts.map((part) => part.text).join("");
}

test("output tokens and thoughts", LIMIT, async () => {
  const generationConfig = { maxOutputTokens: 40, thinkingConfig: { includeThoughts: true } };
  const short = await probe.ask(STREAM, { body: { ...asking("Hello"), generationConfig } });
  const said = readStream(short.body);
  assert.equal(said.finish, "MAX_TOKENS");
  assert.ok(said.usage.candidatesTokenCount + said.usage.thoughtsTokenCount <= 40);
  assert.match(short.body, /"thought":true/);
  generationConfig.maxOutputTokens = 10;
  const none = await probe.ask(WHOLE, { body: { ...asking("Hello"), generationConfig } });
  const [candidate] = JSON.parse(none.body).candidates;
  assert.equal(candidate.finishReason, "MAX_TOKENS");
  assert.equal(candidate.content.parts, undefined);
  const count = await probe.ask(WHOLE.replace("generateContent", "countTokens"), {
    body: { generateContentRequest: { model: "models/gemini-2.5-flash", ...asking("12345678") } },
  });
  assert.equal(JSON.parse(count.body).totalTokens, 2);
});

test("scripts are used up in order, then the tutor speaks", LIMIT, async () => {
  await standIn.script("times-token", [{ named: "overloaded" }], 2);
  await standIn.script("times-token", [{ text: ["Now"] }, { end: "finish" }], 1);
  const answers = [];
  for (let i = 0; i < 4; i++) answers.push(await askStream("times-token"));
  assert.deepEqual(answers.map(({ status }) => status), [503, 503, 200, 200]);
  assert.equal(readStream(answers[2].body).text, "Now");
  assert.match(readStream(answers[3].body).text, /Stand-in tutor/);
});

test("hold, release, and a client that goes", LIMIT, async () => {
  const steps = [{ text: ["Wait"] }, { hold: true }, { end: "finish" }];
  await standIn.script("hold-token", steps);
  await standIn.script("hold-token-gone", steps);
  const held = askStream("hold-token");
  const leaving = probe.open(STREAM, { body: asking("hold-token-gone") });
  await once(leaving, "data");
  const clock = () => performance.timeOrigin + performance.now();
  const left = clock();
  leaving.close(http2.constants.NGHTTP2_CANCEL);
  const [gone] = await standIn.waitForCalls("hold-token-gone", { ended: "aborted" });
  assert.equal(gone.events_sent, 1);
  assert.ok(gone.received_at <= gone.first_byte_at && gone.first_byte_at <= gone.ended_at);
  // Two processes' clocks agree but for a little.
  assert.ok(gone.ended_at > left - 1000 && gone.ended_at < clock() + 1000);
  assert.equal(gone.request.contents[0].parts[0].text, "hold-token-gone");
  const early = standIn.waitForCalls("hold-token", { ended: "complete", timeoutMs: 50 });
  await assert.rejects(early, /408/);
  await standIn.release("hold-token");
  assert.equal(readStream((await held).body).text, "Wait");
  await standIn.waitForCalls("hold-token", { ended: "complete" });
});

test("many streams at once", LIMIT, async () => {
  const repeat = { text: "tick", count: 20, every_ms: 10 };
  await standIn.script("many-token", [{ hold: true }, { repeat }, { end: "finish" }]);
  const streams = Array.from({ length: 100 }, () => askStream("many-token"));
  await standIn.waitForCalls("many-token", { count: 100 }); // The first one has not ended by then.
  await standIn.release("many-token");
  for (const { body } of await Promise.all(streams)) {
    assert.equal(readStream(body).text, "tick".repeat(20));
    assert.equal(readStream(body).usage.candidatesTokenCount, 20);
  }
  const calls = await standIn.waitForCalls("many-token", { count: 100, ended: "complete" });
  for (const call of calls) {
    assert.equal(call.events_sent, 21);
    assert.ok(call.ended_at - call.first_byte_at > 180);
  }
  const stats = await standIn.stats();
  assert.ok(stats.max_in_flight >= 100 && stats.total >= 100);
});

test("the control interface refuses what cannot be meant", LIMIT, async () => {
  for (const steps of [
    [], [{ text: "no list" }], [{ text: ["a"] }], [{ txt: ["a"] }, { end: "finish" }],
    [{ text: ["a"], every: 5 }, { end: "finish" }], [{ end: "finish" }, { text: ["a"] }],
    [{ text: ["a"] }, { status: 500 }], [{ named: "toString" }], [{ end: "never" }],
    [{ status: 429, headers: { "Retry-After": "1" } }],
  ]) {
    await assert.rejects(standIn.script("bad-token", steps), /: 400 /, JSON.stringify(steps));
  }
  await assert.rejects(standIn.script("x", [{ end: "finish" }]), /: 400 /);
});

test("SIGTERM ends it at once, streams or not", LIMIT, async () => {
  const other = await startStandIn();
  await other.script("term-token", [{ text: ["a"] }, { hold: true }, { end: "finish" }]);
  const headers = { "content-type": "application/json", "x-goog-api-key": "any" };
  const body = JSON.stringify(asking("term-token"));
  const answer = await fetch(other.url + STREAM, { method: "POST", headers, body });
  await other.stop(); // The stream would hold for ever.
  await assert.rejects(answer.text());
});

test("it ends with the process that started it", LIMIT, async () => {
  const starter = `
    import { startStandIn } from ${JSON.stringify(CLIENT)};
    process.stdout.write((await startStandIn()).control);
    process.kill(process.pid, "SIGKILL");`;
  const run = promisify(execFile)(process.execPath, ["--input-type=module", "-e", starter]);
  const { stdout: control } = await run.catch((error) => error);
  const until = performance.now() + 10000;
  let gone = false;
  while (!gone && performance.now() < until) gone = await fetch(control).then(() => false, () => true);
  assert.ok(gone, "the stand-in still answers");
});
