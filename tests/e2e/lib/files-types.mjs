// What files may be, by their content: each kind as it is taken, and as it is refused.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { before, describe, it } from "node:test";

import { sendOne, sha256, stored } from "./files.mjs";
import { registerAs } from "./people.mjs";
import { isUpright, lookAt, metadataOf, SECRET } from "./pictures.mjs";
import { assertProblem } from "./problem.mjs";

export const PDF = Buffer.from("%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n%%EOF\n");
const GIF = Buffer.concat([
  Buffer.from("GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00!", "latin1"),
  Buffer.from("\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00\x3b", "latin1"),
]);
const mp4 = (brand) => Buffer.from(`\0\0\0\x18ftyp${brand}\0\0\0\0isommp42${"\0".repeat(64)}`, "latin1");
const WEBM = Buffer.from(
  `\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x84webm${"\0".repeat(64)}`,
  "latin1",
);
const ZIP = Buffer.from(`PK\x03\x04\x14\0\0\0\0\0${"x".repeat(60)}`, "latin1");
const text = (words) => Buffer.from(words);

export function describeTypes(suite) {
  const on = () => suite.stack;
  let jpeg, webp, teacher;

  describe("the type of a file", { concurrency: 2 }, () => {
    before(async () => {
      const size = { width: 32, height: 24 };
      jpeg = await readFile(await suite.pictures.marked("a.jpg", size));
      webp = await readFile(await suite.pictures.marked("a.webp", size));
      teacher = await registerAs(on(), "teacher");
    });
    it("is what its content says, whatever its name", async () => {
      for (const [bytes, type] of [
        [PDF, "application/pdf"], [jpeg, "image/jpeg"], [suite.picture, "image/png"], [webp, "image/webp"],
        [GIF, "image/gif"], [text("# A title\n\n- one\n"), "text/plain"],
        [text("größer als früher"), "text/plain"],
        [text("#include <stdio.h>\nint main(void) { return 0; }\n"), "text/plain"],
      ]) {
        const name = "a.html";
        const file = await stored(on(), teacher.token, bytes, { name });
        assert.deepEqual([file.media_type, file.sha256], [type, sha256(bytes)]);
        const content = await stored(on(), teacher.token, bytes, { name, purpose: "content" });
        assert.equal(content.media_type, type);
      }
    });

    it("of a video is taken for the library alone", async () => {
      for (const [bytes, type] of [
        [mp4("isom"), "video/mp4"], [mp4("M4V "), "video/mp4"], [WEBM, "video/webm"],
      ]) {
        const file = await stored(on(), teacher.token, bytes, { purpose: "content" });
        assert.equal(file.media_type, type);
        assertProblem(await sendOne(on(), teacher.token, bytes), 415, "unsupported_media_type",
          ["file"]);
      }
    });

    it("that a browser runs, or that holds others, is refused", async () => {
      const user = await on().register();
      for (const bytes of [
        text("<!DOCTYPE html><html><script>alert(1)</script></html>"),
        text("<html><body>x</body></html>"),
        text('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'),
        text('<?xml version="1.0"?><a/>'), text("#!/bin/sh\nrm -rf /\n"), text("<?php phpinfo();"),
        ZIP, Buffer.from("\x7fELF\x02\x01\x01" + "\0".repeat(64), "latin1"),
        Buffer.from("MZ" + "\0".repeat(200), "latin1"), Buffer.from([0, 1, 2, 3, 4, 5]),
        Buffer.concat([text("junk\n"), PDF]), mp4("qt  "), text("%!PS-Adobe-3.0\nshowpage\n"),
      ]) {
        assertProblem(await sendOne(on(), user.token, bytes, { name: "a.txt" }), 415,
          "unsupported_media_type", ["file"]);
      }
    });

    it("of text is UTF-8 from its beginning to its end", async () => {
      const user = await on().register();
      for (const bytes of [
        Buffer.from("h\xe9llo w\xf6rld", "latin1"), Buffer.from("\xe9", "latin1"),
        Buffer.from("\ufeffhello", "utf16le"), Buffer.from("\ufeffhello", "utf16le").swap16(),
        Buffer.concat([Buffer.alloc(9000, "a"), Buffer.from([0])]),
        Buffer.concat([Buffer.alloc(9000, "a"), Buffer.from([0xc3])]),
      ]) {
        const refused = await sendOne(on(), user.token, bytes);
        assertProblem(refused, 415, "unsupported_media_type", ["file"]);
        assert.equal(refused.json.detail, "A text must be saved as UTF-8.");
      }
      await stored(on(), user.token, text("x"));
      // Where the looking ends, a character may be cut.
      for (let i = 0; i < 4; i += 1) {
        await stored(on(), user.token, text("a".repeat(i) + "€𝄞ü".repeat(3000)));
      }
    });

    it("of what is two things at once is what its first bytes say", async () => {
      const { token } = await on().register();
      const page = text("<html><script>alert(1)</script></html>");
      for (const [bytes, type] of [
        [Buffer.concat([GIF, ZIP]), "image/gif"], [Buffer.concat([jpeg, page]), "image/jpeg"],
        [Buffer.concat([PDF, page]), "application/pdf"],
        [Buffer.concat([text("a ".repeat(4000)), Buffer.alloc(100), text(" a".repeat(4000))]),
          "text/plain"],
      ]) {
        const file = await stored(on(), token, bytes, { name: "a.html" });
        assert.equal(file.media_type, type);
        const { headers } = await on().api("GET", `/files/${file.id}/content`, { token });
        assert.equal(headers.get("content-type").split(";")[0], type);
        assert.equal(headers.get("x-content-type-options"), "nosniff");
        assert.match(headers.get("content-security-policy"), /default-src 'none'; sandbox/);
      }
    });

    it("may be said by its sender, in any of its names, and not be another", async () => {
      const user = await on().register();
      for (const [bytes, type] of [
        [jpeg, "image/jpg"], [jpeg, "IMAGE/JPEG"], [PDF, "application/x-pdf"], [PDF, "text/pdf"],
        [text("a,b\n1,2\n"), "text/csv"], [text("# x\n"), "text/markdown; charset=utf-8"],
        [text("# x\n"), "application/octet-stream"],
      ]) {
        await stored(on(), user.token, bytes, { type });
      }
      for (const [bytes, type] of [
        [jpeg, "image/png"], [text("plain"), "text/html"], [PDF, "text/plain"],
        [jpeg, "image/svg+xml"], [GIF, "application/zip"],
      ]) {
        assertProblem(await sendOne(on(), user.token, bytes, { type }), 415,
          "unsupported_media_type", ["file"]);
      }
    });

    it("of text is said as a browser's system knows it by its name", async () => {
      const { token } = await on().register();
      for (const [name, type, words] of [
        ["a.csv", "application/vnd.ms-excel", "a,b\n1,2\n"],
        ["a.tsv", "text/tab-separated-values", "a\tb\n"], ["a.rst", "text/x-rst", "A\n=\n"],
        ["a.vtt", "text/vtt", "WEBVTT\n\n00:01.000 --> 00:04.000\nHi\n"],
        ["a.srt", "application/x-subrip", "1\n00:00:01,000 --> 00:00:04,000\nHi\n"],
        ["a.bib", "text/x-bibtex", "@book{a, title = {B}}\n"], ["a.log", "text/x-log", "It began.\n"],
        ["a.patch", "text/x-patch", "--- a\n+++ b\n@@ -1 +1 @@\n-a\n+b\n"],
        ["a.h", "text/x-chdr", "#define A 1\n"], ["a.hpp", "text/x-c++hdr", "class A { };\n"],
      ]) {
        const file = await stored(on(), token, text(words), { name, type });
        assert.equal(file.media_type, "text/plain");
        const { headers } = await on().api("GET", `/files/${file.id}/content`, { token });
        assert.ok(headers.get("content-disposition").includes(`filename="${name}"`));
      }
    });

    it("of a chat is a picture, which is made anew", async () => {
      const { token } = await on().register();
      const bytes = await readFile(await suite.pictures.tagged());
      const file = await stored(on(), token, bytes, { purpose: "chat", name: "sheet.jpg" });
      assert.deepEqual([file.media_type, file.width, file.height], ["image/jpeg", 640, 480]);
      assert.notEqual(file.sha256, sha256(bytes));
      const content = await fetch(`${on().url}${file.url}`,
        { headers: { authorization: `Bearer ${token}` } });
      const kept = Buffer.from(await content.arrayBuffer());
      assert.equal(sha256(kept), file.sha256);
      assert.ok(!kept.includes(SECRET));
      const saved = await suite.pictures.write("kept.jpg", kept);
      assert.deepEqual(await metadataOf(saved), {});
      assert.ok(isUpright((await lookAt(saved)).corners));
      for (const other of [PDF, GIF, text("words")]) {
        assertProblem(await sendOne(on(), token, other, { purpose: "chat" }), 415,
          "unsupported_media_type", ["file"]);
      }
      assertProblem(await sendOne(on(), token, bytes.subarray(0, 3000), { purpose: "chat" }), 422,
        "invalid", ["file"]);
    });
  });
}
