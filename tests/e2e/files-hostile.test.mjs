// Files that are meant to do harm: by their names, by what they are, by what they say they are. Each
// is refused, or it is stored and goes out as something that nothing runs.

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { deflateRawSync, deflateSync } from "node:zlib";

import { api, raw, register, stack } from "./lib/fynq.mjs";
import { send, sendOne, sha256, stored } from "./lib/files.mjs";
import { filePart } from "./lib/form.mjs";
import { assertProblem } from "./lib/problem.mjs";
import { read } from "./lib/stored.mjs";

const SCRIPT = "<script>alert(document.domain)</script>";
const PAGE = `<!DOCTYPE html><html><head>${SCRIPT}</head><body>x</body></html>`;
const SVG = `<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)">${SCRIPT}</svg>`;
const PNG = Buffer.concat([
  Buffer.from("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489", "hex"),
  Buffer.alloc(64),
]);
const GIF = Buffer.concat([Buffer.from("GIF89a/*\x01\x00\x80\x00\x00", "latin1"), Buffer.alloc(30)]);
const PDF = Buffer.from("%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n%%EOF\n");
const MB = 1 << 20;

let user;
before(async () => {
  user = await register();
});

const upload = (bytes, options) => sendOne(stack, user.token, bytes, options);
const refused = async (bytes, options, about) => {
  const answer = await upload(bytes, options);
  assert.equal(answer.status, 415, `${about}: ${answer.text}`);
  assertProblem(answer, 415, "unsupported_media_type", ["file"]);
};

/** What comes back is these bytes, of this type, saved and not shown, and nothing in it runs. */
async function assertHarmless(file, bytes, type) {
  assert.equal(file.media_type, type);
  const answer = await read(stack.url + file.url, { headers: { authorization: `Bearer ${user.token}` } });
  assert.equal(answer.status, 200);
  assert.equal(sha256(answer.bytes), sha256(bytes));
  const of = (name) => answer.headers.get(name);
  assert.equal(of("content-type").split(";")[0], type);
  assert.equal(of("x-content-type-options"), "nosniff");
  assert.equal(of("content-security-policy"), "default-src 'none'; sandbox");
  assert.match(of("content-disposition"), type.startsWith("image/") ? /^(inline|attachment)/ : /^attachment;/);
  return of("content-disposition");
}

/** A ZIP of one entry of so many zeros, which are a thousandth of that when packed. */
function zipBomb(name, size) {
  const packed = deflateRawSync(Buffer.alloc(size));
  const head = (signature, middle, end) => {
    const fixed = Buffer.alloc(26);
    fixed.writeUInt16LE(20, 0);
    fixed.writeUInt16LE(8, 4); // deflate
    fixed.writeUInt32LE(packed.length, 14);
    fixed.writeUInt32LE(size, 18);
    fixed.writeUInt16LE(name.length, 22);
    return Buffer.concat([Buffer.from(signature, "latin1"), middle, fixed, end, Buffer.from(name)]);
  };
  const local = Buffer.concat([head("PK\x03\x04", Buffer.alloc(0), Buffer.alloc(0)), packed]);
  const central = head("PK\x01\x02", Buffer.from([20, 0]), Buffer.alloc(14));
  const end = Buffer.alloc(18);
  end.writeUInt16LE(1, 4);
  end.writeUInt16LE(1, 6);
  end.writeUInt32LE(central.length, 8);
  end.writeUInt32LE(local.length, 12);
  return Buffer.concat([local, central, Buffer.from("PK\x05\x06", "latin1"), end]);
}

describe("a name", { concurrency: 4 }, () => {
  const bytes = Buffer.from("some words of no harm\n");

  // The name is told again and never a path: objects are called by ids that fynq made.
  it("that climbs out of a folder is what stands behind the last one", async () => {
    for (const [name, kept] of [
      ["../../../../etc/passwd", "passwd"], ["/etc/shadow", "shadow"],
      ["..\\\\..\\\\windows\\\\win.ini", "win.ini"], ["a/../../b.txt", "b.txt"],
      ["..%2f..%2fetc%2fpasswd", "..%2f..%2fetc%2fpasswd"],
      ["..%252f..%252fa", "..%252f..%252fa"], ["%2e%2e%2fa", "%2e%2e%2fa"],
      ["a%00.txt", "a%00.txt"],
    ]) {
      const file = await stored(stack, user.token, bytes, { name });
      assert.equal(file.name, kept);
      const disposition = await assertHarmless(file, bytes, "text/plain");
      // No decoding of ours: a percent sign stays one, and no folder is left in what is saved.
      assert.doesNotMatch(disposition.replace(/filename\*=UTF-8''/, ""), /[/\\]/);
    }
  });

  it("that is no text of one line is refused", async () => {
    for (const name of [
      "a\0.txt", "a\r\nContent-Type: text/html", "a\x1b[2J", "a\x7f", "a%0d%0aX: y", "a%0A",
    ]) {
      assertProblem(await upload(bytes, { name }), 400, "bad_request");
    }
    for (const overlong of ["\xc0\xae\xc0\xae\xc0\xafa", "\xe0\x80\xafa", "\xed\xa0\x80", "\xff\xfe"]) {
      const part = `--b\r\nContent-Disposition: form-data; name="file"; filename="${overlong}"\r\n\r\nx`;
      const answer = await api("POST", "/files/upload", {
        token: user.token, body: Buffer.from(`${part}\r\n--b--\r\n`, "latin1"),
        headers: { "content-type": "multipart/form-data; boundary=b" },
      });
      assertProblem(answer, 400, "bad_request");
    }
  });

  it("of more than 255 bytes is refused, one of 255 is kept", async () => {
    for (const name of ["a".repeat(300), "ü".repeat(128), `${"a".repeat(252)}.txt`]) {
      assertProblem(await upload(bytes, { name }), 400, "bad_request");
    }
    const name = `${"a".repeat(251)}.txt`;
    assert.equal((await stored(stack, user.token, bytes, { name })).name, name);
  });

  it("that means something to a system, or looks like another, is one for saving alone", async () => {
    for (const name of [
      "CON", "nul.txt", "COM1", "aux.h", ".htaccess", "desktop.ini", "a.txt.exe", "a.php", "a.html",
      "a.svg", "sheet.pdf.js", "photo\u202egpj.exe", "a\u200b.txt", "a;b.txt", "a'b.txt", "-rf", "~", "..",
      "=cmd()", "<script>.txt", "a ",
    ]) {
      const answer = await upload(bytes, { name });
      assert.equal(answer.status, 201, `${JSON.stringify(name)}: ${answer.text}`);
      const disposition = await assertHarmless(answer.json, bytes, "text/plain");
      assert.match(disposition, /^attachment; filename="[ !#-[\]-~]*"(; filename\*=UTF-8''[\w!#$&+.^`|~%-]+)?$/);
      // It is saved by the browser, which asks or warns as with any download, and never opened here.
      assert.doesNotMatch(disposition, /%E2%80%AE|\u202e/);
      // A system opens it by its extension, which is one of text.
      assert.match(disposition, /\.(txt|h)"/);
      assert.match(disposition, /\.(txt|h)$/);
      if (name === "CON") assert.match(disposition, /filename="CON\.txt"/);
      if (name === "a.html") assert.match(disposition, /filename="a\.html\.txt"/);
    }
  });
});

describe("an id that is none", () => {
  it("is refused, whatever it would be elsewhere", async () => {
    for (const id of [
      "..%2f..%2fetc%2fpasswd", "%2e%2e", "..%5c..%5ca", "a%00b", "%c0%ae%c0%ae", "%ff", "x".repeat(300),
      "00000000-0000-0000-0000-00000000000%30", "1%20or%201=1", "%27", "{}",
    ]) {
      for (const [method, end] of [["GET", ""], ["GET", "/content"], ["DELETE", ""], ["POST", "/sign"]]) {
        const { status, json } = await api(method, `/files/${id}${end}`, { token: user.token });
        assert.ok([400, 404, 405, 422].includes(status), `${method} ${id}${end}: ${status}`);
        if (json) assert.equal(json.status, status);
      }
    }
    for (const target of [
      "/api/v1/files/../../../etc/passwd", "/fynq_files/", "/fynq_files/00/x", "/fynq_large/api/v1/files/upload",
      "/api/v1/files/%2e%2e/%2e%2e/fynq_files/00/x", "//fynq_files/00/x",
    ]) {
      const answer = await raw(`GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n` +
        `Authorization: Bearer ${user.token}\r\n\r\n`);
      assert.match(answer, /^HTTP\/1\.1 (400|404|405|422) /, target);
      assert.doesNotMatch(answer, /root:/);
    }
  });
});

describe("content", { concurrency: 2 }, () => {
  it("that runs in a browser is refused, however it is called and begun", async () => {
    for (const [about, text] of Object.entries({
      "a page": PAGE, "a page behind white space": `\n\n   ${PAGE}`, "a page behind a mark": `\ufeff${PAGE}`,
      "capitals": PAGE.toUpperCase(), "a comment first": `<!-- x -->${PAGE}`,
      "an SVG": SVG, "an SVG as XML": `<?xml version="1.0"?>\n${SVG}`,
      "an SVG behind a comment": `<!-- x -->\n${SVG}`,
      "XHTML": `<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml">${SCRIPT}</html>`,
      "an XSLT": '<?xml-stylesheet type="text/xsl" href="data:,x"?><a/>',
    })) {
      const answer = await upload(Buffer.from(text), { name: "a.txt", type: "text/plain" });
      if (answer.status === 201) {
        // To libmagic it is text: as text alone it goes out.
        await assertHarmless(answer.json, Buffer.from(text), "text/plain");
        assert.ok(!/^(a page|an SVG|XHTML|an SVG as XML)$/.test(about), about);
      } else {
        assertProblem(answer, 415, "unsupported_media_type", ["file"]);
      }
      for (const type of ["text/html", "image/svg+xml", "application/xhtml+xml", "image/png"]) {
        await refused(Buffer.from(text), { name: "a.png", type }, `${about} as ${type}`);
      }
    }
  });

  it("that is two things is what it begins as, for all who read it", async () => {
    for (const [bytes, type, extension] of [
      [Buffer.concat([PDF, Buffer.from(PAGE)]), "application/pdf", "pdf"],
      [Buffer.concat([PDF, zipBomb("a", 1000)]), "application/pdf", "pdf"],
      [Buffer.concat([PNG, Buffer.from(PAGE)]), "image/png", "png"],
      [Buffer.concat([GIF, Buffer.from(`*/=1;alert(1)//${PAGE}`)]), "image/gif", "gif"],
    ]) {
      const answer = await upload(bytes, { name: "a.html" });
      assert.equal(answer.status, 201, `${type}: ${answer.text}`);
      // Saved as a page it would be one, on the disk of who opens it.
      const disposition = await assertHarmless(answer.json, bytes, type);
      assert.ok(disposition.endsWith(
        `; filename="a.html.${extension}"; filename*=UTF-8''a.html.${extension}`), disposition);
    }
  });

  it("that grows without bounds when it is opened is not opened", async () => {
    const bomb = zipBomb("word/document.xml", 64 * MB);
    for (const name of ["a.pdf", "a.docx", "a.txt", "a.png"]) await refused(bomb, { name }, name);
    // A stream of a PDF may be one: it is stored as it is, and not unpacked on the way.
    const stream = deflateSync(Buffer.alloc(64 * MB));
    const bytes = Buffer.concat([
      Buffer.from(`%PDF-1.4\n1 0 obj\n<< /Length ${stream.length} /Filter /FlateDecode >>\nstream\n`),
      stream, Buffer.from("\nendstream\nendobj\ntrailer\n%%EOF\n"),
    ]);
    const file = await stored(stack, user.token, bytes, { name: "a.pdf" });
    await assertHarmless(file, bytes, "application/pdf");
    // As XML that names itself: XML is no kind of file here.
    await refused(Buffer.from('<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "&c;&c;"><!ENTITY c "x">]><a>&b;</a>'),
      { name: "a.xml" }, "entities");
  });

  it("that is not what it is said to be is refused", async () => {
    for (const [bytes, type] of [
      [Buffer.from(PAGE), "image/png"], [Buffer.from("words\n"), "image/png"], [PNG, "text/html"],
      [PNG, "image/jpeg"], [PDF, "image/png"], [PDF, "text/html"], [Buffer.from("words\n"), "text/html"],
      [Buffer.from("words\n"), "application/pdf"], [Buffer.from("words\n"), "text/javascript"],
      [GIF, "image/svg+xml"],
    ]) {
      await refused(bytes, { type }, type);
    }
  });

  it("whose type is said in a strange way is refused, or taken as what it is", async () => {
    const bytes = Buffer.from("words of no harm\n");
    for (const type of [
      "text/plain, text/html", "text/plain; charset=utf-7", "text/plain;text/html", "text/html;text/plain",
      "text/plain\ttext/html", "TEXT/HTML", " text/html ", "text/", "/plain", "text", "*/*", "text/plain\x00",
      "multipart/mixed; boundary=x", "message/rfc822", `text/${"x".repeat(300)}`,
    ]) {
      const answer = await upload(bytes, { type });
      assert.ok([201, 400, 415].includes(answer.status), `${type}: ${answer.text}`);
      if (answer.status === 201) await assertHarmless(answer.json, bytes, "text/plain");
    }
    // Said twice, nobody would know which one counts.
    const twice = filePart(bytes, "a.txt", "text/plain\r\nContent-Type: text/html");
    assertProblem(await send(stack, user.token, { file: twice }), 400, "bad_request");
  });
});
