// What the routes of files must do, wherever the bytes lie: described once, run for each store.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";

import { describeContents } from "./contents-suite.mjs";
import { assertKept, limit, note, send, sendAll, sendOne, sha256, stored } from "./files.mjs";
import { describeReading } from "./files-reading.mjs";
import { describeKeys, describeRoom } from "./files-room.mjs";
import { describeTypes, PDF } from "./files-types.mjs";
import { filePart } from "./form.mjs";
import { registerAs } from "./people.mjs";
import { Pictures } from "./pictures.mjs";
import { assertProblem } from "./problem.mjs";
import { read } from "./stored.mjs";

/**
 * Describes all of it. `start()` resolves with a stack of the suite's own. `mode` is what differs:
 *
 *   name                      of the store
 *   objects(stack, userId)    the ids of a user's objects, as the store has them, sorted
 *   follow(stack, url)        what a link is answered with: {status, bytes}
 */
export function filesSuite(start, mode) {
  const suite = { mode, stack: null, pictures: null, picture: null };

  describe(`files, ${mode.name}`, () => {
    before(async () => {
      suite.stack = await start();
      suite.pictures = await Pictures.make();
      suite.picture = await readFile(
        await suite.pictures.marked("a.png", { width: 32, height: 24 }));
    });
    after(async () => {
      await suite.pictures?.remove();
      await suite.stack?.stop();
    });

    describeUploads(suite);
    describeTypes(suite);
    describeRoom(suite);
    describeKeys(suite);
    describeKeeping(suite);
    describeReading(suite);
    describeContents(suite);
  });
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

    // Past 4 MB a thread takes the SHA-256, for one file after the other.
    it("of any size is what was sent, small and large ones in one body", async () => {
      const { token } = await registerAs(on(), "teacher");
      const sizes = [31, 4_194_305, 33, 9_437_187, 5_000_011];
      const words = (size) =>
        `Some words: ${randomBytes(size).toString("hex")}`.slice(0, size);
      const files = sizes.map((size) => Buffer.from(words(size)));
      const { status, text, json } = await sendAll(on(), token, files);
      assert.equal(status, 201, text);
      assert.deepEqual(json.items.map((file) => [file.bytes, file.sha256]),
        files.map((bytes) => [bytes.length, sha256(bytes)]));
      for (const [i, file] of json.items.entries()) {
        const { bytes } = await read(on().url + file.url,
          { headers: { authorization: `Bearer ${token}` } });
        assert.equal(sha256(bytes), sha256(files[i]));
      }
      const alone = Buffer.from(words(19_753_087));
      assert.equal((await stored(on(), token, alone)).sha256, sha256(alone));
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
      for (const [type, body] of [["text/plain", "x"], ["application/json", '{"purpose":"chat"}']]) {
        const { token } = user;
        const headers = { "content-type": type };
        assertProblem(await on().api("POST", "/files/upload", { token, body, headers }), 415,
          "unsupported_media_type");
      }
      assertProblem(await on().api("POST", "/files/upload", { token: user.token }), 422, "invalid",
        ["file"]);
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

    // The erasure begins between the beginning of an upload and its end, and does not come far.
    it("of a user whose erasure has begun is stored no more", async () => {
      const user = await on().register();
      const name = `begin_${user.id.replaceAll("-", "_")}`;
      await on().db.run(`
        create function fynq.${name}() returns trigger language plpgsql security definer as $f$
        begin
          insert into fynq.erasures (user_id, due_at)
          values (new.user_id, now() + interval '1 day') on conflict do nothing;
          return null;
        end
        $f$;
        create trigger ${name} after insert on fynq.uploads for each row
          when (new.user_id = '${user.id}') execute function fynq.${name}();`);
      assertProblem(await sendAll(on(), user.token, [note(10), note(10)]), 404, "not_found");
      await assertKept(suite, user, []);
      await on().db.run(`drop function fynq.${name} cascade`);
      await on().db.run("delete from fynq.erasures where user_id = $1", [user.id]);
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

    it("stays while something in the library is made of it", async () => {
      const { token, id: author } = await registerAs(on(), "teacher");
      const file = await stored(on(), token, PDF, { purpose: "content" });
      const [{ id }] = await on().db.query(
        `insert into public.contents (id, author_id, type, title, file_id)
         values (gen_random_uuid(), $1, 'pdf', 'A sheet', $2) returning id`, [author, file.id]);
      const remove = () => on().api("DELETE", `/files/${file.id}`, { token });
      assertProblem(await remove(), 409, "conflict");
      await assertKept(suite, { id: author }, [file.id]);
      await on().db.run("delete from public.contents where id = $1", [id]);
      assert.equal((await remove()).status, 204);
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
