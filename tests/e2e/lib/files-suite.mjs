// What the routes of files must do, wherever the bytes lie: described once, run for each store.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";

import { filePart } from "./form.mjs";
import { limit, note, send, sendAll, sendOne, sha256, stored } from "./files.mjs";
import { describeTypes } from "./files-types.mjs";
import { registerAs } from "./people.mjs";
import { assertProblem, assertRetryAfter } from "./problem.mjs";

/**
 * Describes all of it. `start()` resolves with a stack of the suite's own. `mode` is what differs:
 *
 *   name                      of the store
 *   objects(stack, userId)    the ids of a user's objects, as the store has them, sorted
 */
export function filesSuite(start, mode) {
  const suite = { mode, stack: null };

  describe(`files, ${mode.name}`, () => {
    before(async () => {
      suite.stack = await start();
    });
    after(() => suite.stack?.stop());

    describeUploads(suite);
    describeTypes(suite);
    describeRoom(suite);
    describeKeys(suite);
    describeKeeping(suite);
  });
}

/** These files are the user's, as rows and as objects, and nothing else is or is on its way. */
export async function assertKept({ stack, mode }, { id }, files) {
  const rows = await stack.db.query("select id from files where user_id = $1", [id]);
  assert.deepEqual(rows.map((row) => row.id).sort(), [...files].sort());
  assert.deepEqual(await mode.objects(stack, id), [...files].sort());
  assert.deepEqual(await stack.db.query("select * from fynq.uploads where user_id = $1", [id]), []);
}

function describeUploads(suite) {
  const on = () => suite.stack;

  describe("an upload", { concurrency: 4 }, () => {
    it("of one file is answered with what is known of it", async () => {
      const user = await on().register();
      const bytes = note(100_000);
      const file = await stored(on(), user.token, bytes, { name: "Blatt 1.txt" });
      assert.match(file.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
      assert.deepEqual(file, {
        id: file.id, purpose: "document", name: "Blatt 1.txt", media_type: "text/plain",
        bytes: bytes.length, sha256: sha256(bytes), width: null, height: null,
        created_at: file.created_at, url: `/api/v1/files/${file.id}/content`,
      });
      const { json } = await on().api("GET", `/files/${file.id}`, { token: user.token });
      assert.deepEqual(json, file);
      const content = await fetch(`${on().url}${file.url}`,
        { headers: { authorization: `Bearer ${user.token}` } });
      assert.equal(content.status, 200);
      assert.equal(content.headers.get("x-content-type-options"), "nosniff");
      assert.equal(sha256(Buffer.from(await content.arrayBuffer())), file.sha256);
      await assertKept(suite, user, [file.id]);
    });

    it("of several is answered with all of them, in their order", async () => {
      const user = await on().register();
      const notes = Array.from({ length: 20 }, (_, i) => note(100 + i));
      const { status, text, json } = await sendAll(on(), user.token, notes);
      assert.equal(status, 201, text);
      assert.deepEqual(Object.keys(json), ["items"]);
      assert.deepEqual(json.items.map((file) => [file.name, file.bytes, file.sha256]),
        notes.map((bytes, i) => [`${i}.txt`, bytes.length, sha256(bytes)]));
      await assertKept(suite, user, json.items.map((file) => file.id));
      assertProblem(await sendAll(on(), user.token, [...notes, note(9)]), 422, "invalid", ["files"]);
    });

    it("of one as several is answered as several", async () => {
      const user = await on().register();
      const { json } = await sendAll(on(), user.token, [note(10)]);
      assert.equal(json.items.length, 1);
    });

    it("keeps of a name what is a name", async () => {
      const { token } = await on().register();
      for (const [name, kept] of [
        ["../../etc/passwd", "passwd"], ["C:\\\\docs\\\\a.txt", "a.txt"], ["Größe.txt", "Größe.txt"],
        ["..", ".."], [".htaccess", ".htaccess"],
      ]) {
        assert.equal((await stored(on(), token, note(10), { name })).name, kept);
      }
    });

    it("without a file, with both kinds, or with an empty one is refused", async () => {
      const user = await on().register();
      const file = filePart(note(10), "a.txt");
      for (const [parts, fields] of [
        [{ purpose: "document" }, ["file"]],
        [[["file", file], ["files", file]], ["file"]],
        [[["file", file], ["file", file]], ["file"]],
        [{ file: filePart(Buffer.alloc(0), "a.txt") }, ["file"]],
        [[["files", file], ["files", filePart(Buffer.alloc(0), "a.txt")]], ["files.1"]],
        [{ file, purpose: "avatar" }, ["purpose"]],
        [{ file, other: "x" }, ["other"]],
        [{ file: "not a file" }, ["file"]],
      ]) {
        assertProblem(await send(on(), user.token, parts), 422, "invalid", fields);
      }
      assertProblem(await on().api("POST", "/files/upload",
        { token: user.token, body: "x", headers: { "content-type": "text/plain" } }),
      415, "unsupported_media_type");
      await assertKept(suite, user, []);
    });

    it("for the library is a teacher's or an admin's", async () => {
      const student = await on().register();
      const options = { purpose: "content" };
      assertProblem(await sendOne(on(), student.token, note(10), options), 403, "forbidden");
      await assertKept(suite, student, []);
      for (const role of ["teacher", "admin"]) {
        const { token } = await registerAs(on(), role);
        assert.equal((await stored(on(), token, note(10), options)).purpose, "content");
      }
    });

    it("needs a token", async () => {
      assertProblem(await sendOne(on(), undefined, note(10)), 401, "unauthorized");
    });

    it("of several is stored whole or not at all", async () => {
      const user = await on().register();
      const page = filePart(Buffer.from("<!DOCTYPE html><html><body>x"), "a.txt", "text/plain");
      assertProblem(await sendAll(on(), user.token, [note(10), note(10), page]), 415,
        "unsupported_media_type", ["files.2"]);
      await assertKept(suite, user, []);
      await limit(on(), user, { storage_bytes: 25 });
      assertProblem(await sendAll(on(), user.token, [note(10), note(10), note(10)]), 403,
        "storage_quota");
      await assertKept(suite, user, []);
    });

    // The account goes between the beginning of an upload and its end: a trigger sees to that.
    it("of a user who is erased meanwhile leaves nothing", async () => {
      const user = await on().register();
      const name = `erase_${user.id.replaceAll("-", "_")}`;
      await on().db.run(`
        create function fynq.${name}() returns trigger language plpgsql security definer as $f$
        begin
          delete from auth.users where id = new.user_id;
          return null;
        end
        $f$;
        create trigger ${name} after insert on fynq.uploads for each row
          when (new.user_id = '${user.id}') execute function fynq.${name}();`);
      assertProblem(await sendAll(on(), user.token, [note(10), note(10)]), 404, "not_found");
      await assertKept(suite, user, []);
      await on().db.run(`drop function fynq.${name} cascade`);
    });
  });
}

function describeRoom(suite) {
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

    it("is shown with what is used of it", async () => {
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

function describeKeys(suite) {
  const on = () => suite.stack;

  describe("an Idempotency-Key", { concurrency: 4 }, () => {
    it("gives the first answer again, and stores nothing", async () => {
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

function describeKeeping(suite) {
  const on = () => suite.stack;

  describe("what is stored", { concurrency: 4 }, () => {
    it("is listed page by page, the newest first", async () => {
      const { token } = await on().register();
      await stored(on(), (await on().register()).token, note(9)); // somebody else's
      const ids = [];
      for (let i = 0; i < 5; i += 1) ids.unshift((await stored(on(), token, note(9))).id);
      const seen = [];
      let path = "/files?limit=2";
      for (let pages = 0; path; pages += 1) {
        assert.ok(pages < 3);
        const { status, text, json } = await on().api("GET", path, { token });
        assert.equal(status, 200, text);
        seen.push(...json.items.map((file) => file.id));
        path = json.next_cursor && `/files?limit=2&cursor=${json.next_cursor}`;
      }
      assert.deepEqual(seen, ids);
      const { json } = await on().api("GET", `/files`, { token });
      assert.deepEqual(json.items[0],
        (await on().api("GET", `/files/${ids[0]}`, { token })).json);
    });

    it("is listed by its purpose", async () => {
      const { token } = await registerAs(on(), "teacher");
      const [a, b] = [await stored(on(), token, note(9)),
        await stored(on(), token, note(9), { purpose: "content" })];
      const of = async (purpose) => {
        const { json } = await on().api("GET", `/files?purpose=${purpose}`, { token });
        return json.items.map((file) => file.id);
      };
      assert.deepEqual(await of("document"), [a.id]);
      assert.deepEqual(await of("content"), [b.id]);
      assert.deepEqual(await of("chat"), []);
      assertProblem(await on().api("GET", "/files?purpose=x", { token }), 422, "invalid",
        ["purpose"]);
      assertProblem(await on().api("GET", "/files?cursor=x", { token }), 422, "invalid", ["cursor"]);
    });

    it("is deleted, row and object", async () => {
      const user = await on().register();
      const [a, b] = [await stored(on(), user.token, note(9)), await stored(on(), user.token, note(9))];
      const deleted = await on().api("DELETE", `/files/${a.id}`, { token: user.token });
      assert.equal(deleted.status, 204, deleted.text);
      await assertKept(suite, user, [b.id]);
      for (const [method, path] of [["GET", ""], ["GET", "/content"], ["DELETE", ""]]) {
        assertProblem(await on().api(method, `/files/${a.id}${path}`, { token: user.token }), 404,
          "not_found");
      }
    });

    it("is nobody else's, an admin's neither", async () => {
      const user = await on().register();
      const { id } = await stored(on(), user.token, note(9));
      for (const { token } of [await on().register(), await registerAs(on(), "admin")]) {
        for (const [method, path] of [["GET", ""], ["GET", "/content"], ["DELETE", ""]]) {
          assertProblem(await on().api(method, `/files/${id}${path}`, { token }), 404, "not_found");
        }
        assert.deepEqual((await on().api("GET", "/files", { token })).json.items, []);
      }
      await assertKept(suite, user, [id]);
    });

    it("goes with its user", async () => {
      const user = await on().register();
      await stored(on(), user.token, note(9));
      const { status } = await on().api("DELETE", "/users/me", { token: user.token });
      assert.equal(status, 204);
      await assertKept(suite, user, []);
    });
  });
}
