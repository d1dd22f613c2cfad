// What contents that are files must do, wherever the bytes lie: from the upload to the citation.

import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { before, describe, it } from "node:test";

import { assertKept, limit, sendOne, stored } from "./files.mjs";
import { pdf } from "./pdf.mjs";
import { registerAs } from "./people.mjs";
import { assertProblem } from "./problem.mjs";
import { read } from "./stored.mjs";
import { waitUntil } from "./wait.mjs";

/** A word that no other document has. */
const word = () => `q${randomBytes(6).toString("hex")}`;

const MP4 = Buffer.concat([Buffer.from("\0\0\0\x18ftypisom\0\0\0\0isommp42", "latin1"), Buffer.alloc(5000)]);

export function describeContents(suite) {
  const on = () => suite.stack;
  let admin;
  let student;

  const call = (who, method, path, body, headers) =>
    on().api(method, path, { token: who.token, body, headers });
  async function good(who, method, path, body) {
    const { status, text, json } = await call(who, method, path, body);
    assert.ok(status >= 200 && status < 300, `${method} ${path}: ${status} ${text}`);
    return json;
  }
  const notFound = async (who, ...paths) => {
    for (const path of paths) assertProblem(await call(who, "GET", path), 404, "not_found");
  };

  const upload = ({ token }, bytes, name = "script.pdf") =>
    stored(on(), token, bytes, { name, purpose: "content" });
  const bytesOf = (who, file, headers = {}) =>
    read(`${on().url}/api/v1/files/${file}/content`,
      { headers: { authorization: `Bearer ${who.token}`, ...headers } });

  /** A content, once its text was read. */
  const settled = (who, id) =>
    waitUntil(async () => {
      const content = await good(who, "GET", `/contents/${id}`);
      return content.extraction !== "waiting" && content;
    }, { timeoutMs: 60000, what: `content ${id} is read` });

  /** A pdf whose pages have these words, uploaded, in the library and read: {content, file, bytes}. */
  async function published(who, pages, members = {}) {
    const bytes = pdf(pages);
    const file = await upload(who, bytes);
    const body = { type: "pdf", title: "A script", language: "en", published: true, file_id: file.id, ...members };
    const { id } = await good(who, "POST", "/contents", body);
    return { content: await settled(who, id), file, bytes };
  }

  const found = async (who, q) => {
    const { items } = await good(who, "GET", `/contents?${new URLSearchParams({ q })}`);
    return items.map(({ id }) => id);
  };

  /** A question about a content, whose answer cites passages 1 and 2, and what is none. */
  async function ask(who, content, words) {
    const token = `script ${randomUUID()}`;
    await on().gemini.script(token,
      [{ text: ["So [1][1] [2], [0] [3] [64] [999999999999]."] }, { end: "finish" }]);
    await on().gemini.script(`Student: ${token}`, [{ tutor: true }]);
    return call(who, "POST", "/chat/message", { content: `${token} ${words}`, content_ids: [content] });
  }

  describe("a content that is a file", { concurrency: 3 }, () => {
    before(async () => {
      [admin, student] = await Promise.all([registerAs(on(), "admin"), on().register()]);
    });

    it("is uploaded, read, found, told and cited by its page", async () => {
      const teacher = await registerAs(on(), "teacher");
      const [first, second] = [word(), word()];
      const { content, file, bytes } = await published(teacher,
        [`The ${first} is here.`, `The ${second} <b>is</b> there.`], { published: false });
      assert.deepEqual([content.extraction, content.pages, content.file_id, content.url],
        ["done", 2, file.id, `/api/v1/files/${file.id}/content`]);

      await notFound(student, `/contents/${content.id}`, `/files/${file.id}`, `/files/${file.id}/content`);
      assert.deepEqual(await found(student, second), []);
      assertProblem(await ask(student, content.id, second), 422, "invalid", ["content_ids.0"]);

      await good(teacher, "PATCH", `/contents/${content.id}`, { published: true });
      assert.equal((await good(student, "GET", `/contents/${content.id}`)).title, "A script");
      assert.equal((await good(student, "GET", `/files/${file.id}`)).sha256, file.sha256);
      const whole = await bytesOf(student, file.id);
      assert.ok(whole.status === 200 && whole.bytes.equals(bytes), whole.text);
      assert.match(whole.headers.get("content-disposition"), /^attachment/);
      const part = await bytesOf(student, file.id, { range: "bytes=5-14" });
      assert.ok(part.status === 206 && part.bytes.equals(bytes.subarray(5, 15)));
      const link = await good(student, "POST", `/files/${file.id}/sign`, {});
      const followed = await suite.mode.follow(on(), new URL(link.url, on().url).href);
      assert.ok(followed.bytes.equals(bytes));

      const { items: [hit] } = await good(student, "GET", `/contents?q=${second}`);
      assert.equal(hit.id, content.id);
      assert.match(hit.snippet, new RegExp(`<mark>${second}</mark> &lt;b&gt;`));
      const { status, text, json } = await ask(student, content.id, second);
      assert.equal(status, 201, text);
      assert.deepEqual(json.reply.citations, [1, 2].map((n) =>
        ({ n, content_id: content.id, title: "A script", page: n })));
    });

    it("has another text with another file, and its file then is free", async () => {
      const teacher = await registerAs(on(), "teacher");
      const [old, young] = [word(), word()];
      const { content, file } = await published(teacher, [`Old ${old}.`, "More."]);
      const next = await upload(teacher, pdf([`Young ${young}.`]));
      const changed = await good(teacher, "PATCH", `/contents/${content.id}`, { file_id: next.id });
      assert.ok(["waiting", "done"].includes(changed.extraction));
      const { pages, extraction } = await settled(teacher, content.id);
      assert.deepEqual([extraction, pages], ["done", 1]);
      assert.deepEqual(await found(student, old), []);
      assert.deepEqual(await found(student, young), [content.id]);
      await notFound(student, `/files/${file.id}`, `/files/${file.id}/content`);
      await good(student, "GET", `/files/${next.id}`);
      await good(teacher, "DELETE", `/files/${file.id}`);
      await assertKept(suite, teacher, [next.id]);
    });

    it("goes before its file", async () => {
      const teacher = await registerAs(on(), "teacher");
      const { content, file } = await published(teacher, ["One."]);
      assertProblem(await call(teacher, "DELETE", `/files/${file.id}`), 409, "conflict");
      for (const who of [student, admin]) {
        assertProblem(await call(who, "DELETE", `/files/${file.id}`), 404, "not_found");
      }
      await assertKept(suite, teacher, [file.id]);
      assert.equal((await bytesOf(student, file.id)).status, 200);
      await good(teacher, "DELETE", `/contents/${content.id}`);
      await notFound(student, `/contents/${content.id}`, `/files/${file.id}`);
      await good(teacher, "DELETE", `/files/${file.id}`);
      await assertKept(suite, teacher, []);
    });

    it("that is a draft again takes its file along", async () => {
      const teacher = await registerAs(on(), "teacher");
      const { content, file } = await published(teacher, [`Withdrawn ${word()}.`]);
      await good(student, "GET", `/files/${file.id}`);
      await good(teacher, "PATCH", `/contents/${content.id}`, { published: false });
      await notFound(student, `/contents/${content.id}`, `/files/${file.id}`, `/files/${file.id}/content`);
      assertProblem(await call(student, "POST", `/files/${file.id}/sign`, {}), 404, "not_found");
      for (const who of [teacher, admin]) {
        assert.equal((await bytesOf(who, file.id)).status, 200);
        await good(who, "GET", `/contents/${content.id}`);
      }
    });

    it("may be a video, which is played piece by piece", async () => {
      const teacher = await registerAs(on(), "teacher");
      const file = await upload(teacher, MP4, "film.mp4");
      const body = { type: "video", title: "A film", file_id: file.id, published: true };
      const film = await good(teacher, "POST", "/contents", body);
      assert.deepEqual([film.extraction, film.url], ["none", `/api/v1/files/${file.id}/content`]);
      assertProblem(await call(teacher, "POST", "/contents", { ...body, type: "pdf" }), 422, "invalid", ["file_id"]);
      const part = await bytesOf(student, file.id, { range: "bytes=4-7" });
      assert.deepEqual([part.status, part.bytes.toString()], [206, "ftyp"]);
      assert.equal(part.headers.get("content-type"), "video/mp4");
    });

    it("is of a teacher's own file, within the teacher's space", async () => {
      const [teacher, other] = await Promise.all([registerAs(on(), "teacher"), registerAs(on(), "teacher")]);
      const bytes = pdf(["Mine."]);
      const file = await upload(teacher, bytes);
      for (const who of [other, admin]) {
        assertProblem(await call(who, "POST", "/contents",
          { type: "pdf", title: "Stolen", file_id: file.id }), 422, "invalid", ["file_id"]);
      }
      assertProblem(await call(student, "POST", "/contents",
        { type: "pdf", title: "Stolen", file_id: file.id }), 403, "forbidden");
      await limit(on(), teacher, { storage_bytes: bytes.length + 1 });
      assertProblem(await sendOne(on(), teacher.token, bytes, { purpose: "content" }), 403, "storage_quota");
      const broken = await upload(other, Buffer.from("%PDF-1.4\nno document"));
      const { id } = await good(other, "POST", "/contents",
        { type: "pdf", title: "Broken", file_id: broken.id });
      const { extraction, extraction_error: why } = await settled(other, id);
      assert.deepEqual([extraction, why], ["failed", "damaged"]);
    });

    it("outlives its author's rights, and not the author's account", async () => {
      const teacher = await registerAs(on(), "teacher");
      const special = word();
      const { content, file } = await published(teacher, [`Legacy ${special}.`]);
      const { json: { chat_id: chat, reply } } = await ask(student, content.id, special);
      assert.equal(reply.citations.length, 1);

      await good(admin, "PATCH", `/users/${teacher.id}`, { role: "student" });
      const { email, password } = teacher;
      const { json: session } = await on().api("POST", "/auth/login", { body: { email, password } });
      const former = { token: session.access_token };
      assert.equal((await good(former, "GET", `/contents/${content.id}`)).id, content.id);
      for (const method of ["PATCH", "DELETE"]) {
        assertProblem(await call(former, method, `/contents/${content.id}`,
          method === "PATCH" ? { title: "Mine" } : undefined), 403, "forbidden");
      }
      assertProblem(await sendOne(on(), former.token, pdf(["x"]), { purpose: "content" }), 403, "forbidden");

      await good(admin, "PATCH", `/users/${teacher.id}`, { disabled: true });
      assert.ok([401, 403].includes((await call(former, "GET", `/contents/${content.id}`)).status));
      assert.deepEqual(await found(student, special), [content.id]);
      assert.equal((await bytesOf(student, file.id)).status, 200);

      await good(admin, "PATCH", `/users/${teacher.id}`, { disabled: false });
      const { json: last } = await on().api("POST", "/auth/login", { body: { email, password } });
      await good({ token: last.access_token }, "DELETE", "/users/me");
      await notFound(student, `/contents/${content.id}`, `/files/${file.id}`, `/files/${file.id}/content`);
      assert.deepEqual(await found(student, special), []);
      await assertKept(suite, teacher, []);
      assert.deepEqual(await on().db.query(
        "select 1 from content_passages where content_id = $1", [content.id]), []);
      // What a student was told stays told, and asks for nothing that is not there.
      const { items } = await good(student, "GET", `/chats/${chat}/messages`);
      assert.deepEqual(items.find(({ id }) => id === reply.id).citations, reply.citations);
      await good(student, "POST", `/chats/${chat}/messages/${reply.id}/regenerate`);
    });
  });
}
