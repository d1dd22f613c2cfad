// Answers that serve once more: a chat's first question that was answered before, for a student of
// whom the tutor is told the same.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";

import { newToken } from "./lib/chats.mjs";
import { api, gemini, register, startStack, waitUntil } from "./lib/fynq.mjs";
import { sameDay } from "./lib/wait.mjs";

let own;
before(async () => {
  own = await startStack({ settings: { FYNQ_CACHE_HOURS: 1 } });
  await sameDay(120); // What is asked is counted by the day.
});
after(() => own?.stop());

async function ask(token, body, on = own) {
  const { status, json, text, headers } = await on.api("POST", "/chat/message", { token, body });
  assert.equal(status, 201, text);
  return { ...json, request: headers.get("x-request-id") };
}

/** A question that the stand-in has `steps` for; as it was answered to a first student. */
async function known(steps = [{ tutor: true }]) {
  const content = newToken();
  await own.gemini.script(content, steps);
  const { token } = await own.register();
  return { content, token, first: await ask(token, { content }) };
}

const calls = async (content) => (await own.gemini.calls(content)).length;

async function saved(token) {
  const { json } = await own.api("GET", "/users/me/usage", { token });
  return json.saved_tokens;
}

/** Another student's reply to it is from the cache, or Gemini's, as `hit` says. */
async function assertAsked(content, hit, body = {}) {
  const { token } = await own.register();
  const before = await calls(content);
  const { reply } = await ask(token, { content, ...body });
  assert.equal(reply.cached, hit);
  assert.equal(await calls(content), before + (hit ? 0 : 1));
  return { token, reply };
}

describe("an answer that is there already", { concurrency: 4 }, () => {
  it("is another student's, and Gemini is not asked", async () => {
    const { content, first } = await known();
    assert.equal(first.reply.cached, false);
    const { token } = await own.register();
    const second = await ask(token, { content });
    assert.notEqual(second.chat_id, first.chat_id);
    assert.equal(second.message.content, content);
    for (const member of ["content", "model", "finish_reason", "status", "error"]) {
      assert.equal(second.reply[member], first.reply[member], member);
    }
    assert.deepEqual([second.reply.cached, second.reply.usage], [true, null]);
    assert.equal(await calls(content), 1);
    const stored = await own.api("GET", `/chats/${second.chat_id}/messages`, { token });
    const { siblings, ...reply } = stored.json.items[0];
    assert.deepEqual(reply, second.reply);

    const total = first.reply.usage.total_tokens;
    assert.equal(await saved(token), total);
    await ask(token, { content });
    assert.equal(await saved(token), 2 * total);
    const { json } = await own.api("GET", "/users/me/usage", { token });
    assert.deepEqual([json.day.messages.used, json.day.tokens.used], [2, 0]);

    const lines = await waitUntil(async () => {
      const found = await own.log((line) =>
        line.event === "gemini" && line.request_id === second.request);
      return found.length > 0 && found;
    });
    assert.deepEqual(lines.map((line) => [line.for, line.cache]), [["answer", true]]);
    const asked = await own.log((line) =>
      line.event === "gemini" && line.request_id === first.request);
    assert.deepEqual(asked.map((line) => line.cache ?? false), [false]);

    // The chat goes on as any other, and Gemini is told all of it.
    const next = `${newToken()} then`;
    await own.gemini.script(next, [{ tutor: true }]);
    const third = await ask(token, { content: next, chat_id: second.chat_id });
    assert.equal(third.reply.cached, false);
    const [{ request }] = await own.gemini.calls(next);
    assert.deepEqual(request.contents.map(({ role, parts }) => [role, parts[0].text]),
      [["user", content], ["model", first.reply.content], ["user", next]]);
  });

  it("streamed", async () => {
    const text = ["Grüße ", "«π» ", "🙂"];
    const { content, first } = await known([{ text }, { end: "finish" }]);
    const { token } = await own.register();
    const stream = await own.sse("/chat/message", { content, stream: true }, { token });
    const told = await stream.all();
    assert.equal(stream.status, 200);
    assert.deepEqual([told.events[0].event, told.events.at(-1).event], ["start", "done"]);
    assert.equal(told.text, text.join(""));
    const { reply } = told.done;
    assert.deepEqual([reply.content, reply.cached, reply.usage], [first.reply.content, true, null]);
    assert.equal(told.done.usage.total_tokens, 0);
    assert.equal(reply.id, told.start.reply_id);
    assert.equal(await calls(content), 1);
    assert.equal(await saved(token), first.reply.usage.total_tokens);
  });

  it("also in a chat that was opened before, as long as it is empty", async () => {
    const { content } = await known();
    const { token } = await own.register();
    const { json } = await own.api("POST", "/chats", { token, body: {} });
    const { reply } = await ask(token, { content, chat_id: json.id });
    assert.equal(reply.cached, true);
    // Now it has turns.
    const again = await ask(token, { content, chat_id: json.id });
    assert.equal(again.reply.cached, false);
    assert.equal(await calls(content), 2);
  });

  it("not for whom the tutor is told something else", async () => {
    const { content } = await known();
    const profiles = [
      { grade_level: "7" },
      { locale: "de" },
      { preferences: { pace: "slow" } },
    ];
    for (const body of profiles) {
      for (const hit of [false, true]) {
        const { token } = await own.register();
        const patched = await own.api("PATCH", "/users/me", { token, body });
        assert.equal(patched.status, 200, patched.text);
        const { reply } = await ask(token, { content });
        assert.equal(reply.cached, hit, JSON.stringify(body));
      }
    }
    assert.equal(await calls(content), 1 + profiles.length);
    await assertAsked(content, true);
  });

  it("not for other words, another reply, or an edited question", async () => {
    const { content, token, first } = await known();
    for (const other of [`${content} `, `${content}?`, content.toUpperCase()]) {
      assert.equal((await ask(token, { content: other })).reply.cached, false, other);
    }
    const before = await calls(content);
    const target = `/chats/${first.chat_id}/messages/${first.message.id}`;
    const again = await own.api("POST", `${target}/regenerate`, { token });
    const edited = await own.api("POST", `${target}/edit`, { token, body: { content } });
    for (const { json } of [again, edited]) assert.equal(json.reply.cached, false);
    assert.equal(await calls(content), before + 2);
  });

  it("not for pictures", async () => {
    const { content } = await known();
    const { token } = await own.register();
    const { stdout } = await promisify(execFile)("convert",
      ["-size", "64x48", "xc:red", "png:-"], { encoding: "buffer" });
    const form = new FormData();
    form.append("content", content);
    form.append("image", new Blob([stdout], { type: "image/png" }), "red.png");
    const sent = new Response(form);
    const { status, json, text } = await own.api("POST", "/chat/image", {
      token,
      body: Buffer.from(await sent.arrayBuffer()),
      headers: { "content-type": sent.headers.get("content-type") },
    });
    assert.equal(status, 201, text);
    assert.equal(json.reply.cached, false);
    const body = { file_id: json.message.image_url.split("/").at(-2), content };
    const again = await own.api("POST", "/chat/image", { token, body });
    assert.equal(again.json.reply.cached, false, again.text);
    assert.equal(await calls(content), 3);
    const { reply } = await assertAsked(content, true);
    assert.notEqual(reply.content, "");
  });

  const REPLY = { content: { role: "model", parts: [{ text: "So." }] }, finishReason: "STOP" };
  const unfit = {
    "that failed": [{ named: "overloaded" }],
    "that broke off": [{ text: ["Let us "] }, { end: "close" }],
    "that grew too long": [{ text: ["Let us "] }, { finish: "MAX_TOKENS" }],
    "that does not say what it took": [{ events: [{ candidates: [REPLY] }] }, { end: "close" }],
  };
  for (const [name, steps] of Object.entries(unfit)) {
    it(`not one ${name}`, async () => {
      const content = newToken();
      await own.gemini.script(content, steps, 1);
      await own.gemini.script(content, [{ tutor: true }]);
      const { token } = await own.register();
      await own.api("POST", "/chat/message", { token, body: { content } });
      assert.equal(await calls(content), 1);
      await assertAsked(content, false);
      await assertAsked(content, true);
    });
  }

  it("not one whose student went away", async () => {
    const content = newToken();
    await own.gemini.script(content, [{ text: ["Let us "] }, { hold: true }, { tutor: true }], 1);
    await own.gemini.script(content, [{ tutor: true }]);
    const { token, id } = await own.register();
    const stream = await own.sse("/chat/message", { content, stream: true }, { token });
    await own.gemini.waitForCalls(content);
    for await (const { event } of stream) if (event === "delta") break;
    stream.close();
    await waitUntil(async () => (await own.db.query(
      "select from messages where user_id = $1 and status = 'stopped'", [id])).length > 0);
    await own.gemini.release(content);
    await assertAsked(content, false);
    await assertAsked(content, true);
  });

  it("not for longer than FYNQ_CACHE_HOURS, however often it served", async () => {
    const text = newToken(); // The tutor says the same to many questions.
    const { content } = await known([{ text: [text] }, { end: "finish" }]);
    const age = (minutes) => own.db.run(
      `update fynq.answers set created_at = created_at - make_interval(mins => $2::int)
       where content = $1`,
      [text, minutes],
    );
    await age(59);
    await assertAsked(content, true);
    await age(2);
    await assertAsked(content, false);
    await assertAsked(content, true);
  });

  it("not by default", async () => {
    const content = newToken();
    await gemini.script(content, [{ tutor: true }]);
    for (const count of [1, 2]) {
      const { token } = await register();
      const { status, json } = await api("POST", "/chat/message", { token, body: { content } });
      assert.deepEqual([status, json.reply.cached], [201, false]);
      assert.equal((await gemini.calls(content)).length, count);
    }
  });
});
