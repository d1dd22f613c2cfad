// How much room a user's files may take, and what an Idempotency-Key does for an upload.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";

import { assertKept, limit, note, sendAll, sendOne, stored } from "./files.mjs";
import { filePart, form } from "./form.mjs";
import { registerAs } from "./people.mjs";
import { assertProblem, assertRetryAfter } from "./problem.mjs";
import { sameDay } from "./wait.mjs";

export function describeRoom(suite) {
  const on = () => suite.stack;

  describe("room", { concurrency: 4 }, () => {
    it("of one file", async () => {
      const user = await on().register();
      await limit(on(), user, { file_bytes: 1000 });
      await stored(on(), user.token, note(1000));
      const one = await sendOne(on(), user.token, note(1001));
      assertProblem(one, 413, "too_large");
      assert.equal(one.json.detail, "file may have at most 1000 bytes.");
      const several = await sendAll(on(), user.token, [note(1000), note(1001)]);
      assertProblem(several, 413, "too_large");
      assert.equal(several.json.detail, "files.1 may have at most 1000 bytes.");
    });

    it("of all files", async () => {
      const user = await on().register();
      await limit(on(), user, { storage_bytes: 1000 });
      const { id } = await stored(on(), user.token, note(600));
      const refused = await sendOne(on(), user.token, note(401));
      assertProblem(refused, 403, "storage_quota");
      assert.equal(refused.json.detail, "All your files may take 1000 bytes together.");
      await stored(on(), user.token, note(400));
      assertProblem(await sendOne(on(), user.token, note(1)), 403, "storage_quota");
      await on().api("DELETE", `/files/${id}`, { token: user.token });
      await stored(on(), user.token, note(600));
    });

    it("by how many", async () => {
      const user = await on().register();
      await limit(on(), user, { storage_files: 2 });
      const three = await sendAll(on(), user.token, [note(9), note(9), note(9)]);
      assertProblem(three, 403, "storage_quota");
      assert.equal(three.json.detail, "You may have 2 files.");
      assert.equal((await sendAll(on(), user.token, [note(9), note(9)])).status, 201);
      assertProblem(await sendOne(on(), user.token, note(9)), 403, "storage_quota");
    });

    it("by how many a day, deleted ones too", async () => {
      await sameDay();
      const user = await on().register();
      await limit(on(), user, { uploads_day: 2 });
      const { id } = await stored(on(), user.token, note(9));
      await on().api("DELETE", `/files/${id}`, { token: user.token });
      assertProblem(await sendAll(on(), user.token, [note(9), note(9)]), 429, "rate_limited");
      await stored(on(), user.token, note(9));
      const refused = await sendOne(on(), user.token, note(9));
      assertProblem(refused, 429, "rate_limited");
      assertRetryAfter(refused, 1, 86400);
      assert.equal(refused.json.detail, "There is a limit of 2 files a day (UTC).");
    });

    it("that cannot be enough is said before the body travels", async () => {
      const user = await on().register();
      const announce = (bytes, headers) => on().cgi("files", "POST", "/api/v1/files/upload", {
        token: user.token,
        headers,
        environment: {
          CONTENT_LENGTH: String(bytes), CONTENT_TYPE: "multipart/form-data; boundary=x",
        },
      });
      assertProblem(await announce(2 ** 32), 413, "too_large");
      assertProblem(await announce(1000), 400, "bad_request"); // it is looked at, and ends early
      await limit(on(), user, { storage_bytes: 1000, file_bytes: 0 });
      assertProblem(await announce(2 ** 20), 403, "storage_quota");
      await stored(on(), user.token, note(1000), { headers: { "idempotency-key": "last" } });
      assertProblem(await announce(20), 403, "storage_quota");
      assertProblem(await announce(20, { "idempotency-key": "last" }), 400, "bad_request");
    });

    it("for one of two at once is one's alone", async () => {
      const user = await on().register();
      await limit(on(), user, { storage_bytes: 1000 });
      const answers = await Promise.all(
        Array.from({ length: 6 }, () => sendOne(on(), user.token, note(600))),
      );
      const won = answers.filter(({ status }) => status === 201);
      assert.equal(won.length, 1);
      for (const answer of answers) {
        if (answer !== won[0]) assertProblem(answer, 403, "storage_quota");
      }
      await assertKept(suite, user, [won[0].json.id]);
    });

    it("is taken by pictures of chats, too", async () => {
      const user = await on().register();
      const { body, headers } = form({ image: filePart(suite.picture, "a.png"), content: "What?" });
      const ask = () => on().api("POST", "/chat/image", { token: user.token, body, headers });
      await limit(on(), user, { storage_files: 1 });
      assert.equal((await ask()).status, 201);
      assertProblem(await ask(), 403, "storage_quota");
      assertProblem(await sendOne(on(), user.token, note(9)), 403, "storage_quota");
      assert.equal((await on().api("GET", "/chats", { token: user.token })).json.items.length, 1);
    });

    it("is shown with what is used of it", async () => {
      await sameDay();
      const user = await on().register();
      await limit(on(), user, { storage_bytes: 1000, storage_files: 0, uploads_day: 9 });
      const { id } = await stored(on(), user.token, note(600));
      await stored(on(), user.token, note(300));
      await on().api("DELETE", `/files/${id}`, { token: user.token });
      const { json } = await on().api("GET", "/users/me/usage", { token: user.token });
      assert.deepEqual(json.bytes, { used: 300, limit: 1000, remaining: 700 });
      assert.deepEqual(json.files, { used: 1, limit: null, remaining: null });
      const { reset_seconds: reset, ...uploads } = json.uploads;
      assert.deepEqual(uploads, { used: 2, limit: 9, remaining: 7 });
      assert.ok(reset >= 1 && reset <= 86400);
    });

    it("is an admin's to give", async () => {
      const [user, { token }] = [await on().register(), await registerAs(on(), "admin")];
      const patched = await on().api("PATCH", `/users/${user.id}`,
        { token, body: { limits: { file_bytes: 5 } } });
      assert.equal(patched.json.limits.file_bytes, 5);
      assertProblem(await sendOne(on(), user.token, note(6)), 413, "too_large");
      await on().api("PATCH", `/users/${user.id}`, { token, body: { limits: { file_bytes: null } } });
      await stored(on(), user.token, note(6));
    });
  });
}

export function describeKeys(suite) {
  const on = () => suite.stack;

  describe("an Idempotency-Key", { concurrency: 4 }, () => {
    it("gives the first answer again, and stores nothing", async () => {
      await sameDay();
      const user = await on().register();
      const [headers, bytes] = [{ "idempotency-key": randomUUID() }, note(500)];
      await limit(on(), user, { uploads_day: 1 });
      const first = await sendOne(on(), user.token, bytes, { headers });
      assert.equal(first.status, 201, first.text);
      assert.equal(first.headers.get("idempotent-replayed"), null);
      const second = await sendOne(on(), user.token, bytes, { headers });
      assert.equal(second.status, 201, second.text);
      assert.equal(second.headers.get("idempotent-replayed"), "true");
      assert.deepEqual(second.json, first.json);
      await assertKept(suite, user, [first.json.id]);
      assertProblem(await sendOne(on(), user.token, note(500), { headers }), 409,
        "idempotency_key_reused");
      await on().api("DELETE", `/files/${first.json.id}`, { token: user.token });
      assertProblem(await sendOne(on(), user.token, bytes, { headers }), 404, "not_found");
    });

    it("of several files, sent at once by several requests, stores them once", async () => {
      const user = await on().register();
      const options = { headers: { "idempotency-key": randomUUID() } };
      const files = [note(500), note(600)];
      const answers = await Promise.all(
        Array.from({ length: 5 }, () => sendAll(on(), user.token, files, options)),
      );
      for (const { status, text, json } of answers) {
        assert.equal(status, 201, text);
        assert.deepEqual(json, answers[0].json);
      }
      await assertKept(suite, user, answers[0].json.items.map((file) => file.id));
    });

    it("of what was refused is free", async () => {
      const user = await on().register();
      const headers = { "idempotency-key": randomUUID() };
      await limit(on(), user, { storage_bytes: 10 });
      assertProblem(await sendOne(on(), user.token, note(11), { headers }), 403, "storage_quota");
      await stored(on(), user.token, note(10), { headers });
    });
  });
}
