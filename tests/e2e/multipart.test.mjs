// Forms that are put together badly, oddly or with intent, byte for byte, through Nginx and as CGI:
// each is stored as it was meant, or refused with what is wrong with it.

import assert from "node:assert/strict";
import { once } from "node:events";
import { setImmediate } from "node:timers/promises";
import { before, describe, it } from "node:test";

import { sha256 } from "./lib/files.mjs";
import { cgi, raw, register } from "./lib/fynq.mjs";

const UPLOAD = "/api/v1/files/upload";
const NAMED = 'Content-Disposition: form-data; name="file"; filename="a.txt"';
const ENDLESS = /ends before its last boundary/;

const bytes = (text) => Buffer.from(text, "latin1");
const upTo = (boundary, head = NAMED) => `--${boundary}\r\n${head}\r\n\r\n`;
const whole = (data, { boundary = "b", head } = {}) =>
  bytes(`${upTo(boundary, head)}${data}\r\n--${boundary}--\r\n`);
const headed = (head) => ({ body: whole("a text", { head }) });
const named = (params) => headed(`Content-Disposition: form-data; ${params}`);
const text = (name, value) =>
  `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
const filed = (name) =>
  `--b\r\nContent-Disposition: form-data; name="${name}"; filename="a.txt"\r\n\r\na\r\n`;

// Data that looks much like a boundary, or a nested form.
const NEAR = "1\r\n-b\r\n--\r\n-\r\r\n--c\n--b\r--b\r\n --b\r\n--B\r\n\r\n--c--\r\n--";
const NESTED = `${upTo("c")}inner\r\n--c--\r\n`;

const stored = {
  "what is nearly a boundary": { data: NEAR },
  "a form inside a file": { data: NESTED },
  "one whose boundary is the beginning of the outer's": {
    data: `${upTo("outer")}inner\r\n--outer--\r\n`, boundary: "outer-and-more",
  },
  "a boundary of 70 bytes": { data: "a text", boundary: "x".repeat(70) },
  "a boundary of all the marks": { data: "a text", boundary: "'()+_,-./:=? z", quoted: true },
  "text before the first boundary and behind the last": {
    data: "a text", before: "This is a form.\r\n", behind: "And this was it.\r\n--b\r\n",
  },
  "a name with quotes": {
    data: "a text", head: NAMED.replace("a.txt", 'a\\"b%22.txt'), name: 'a"b".txt',
  },
  "a name in UTF-8": {
    data: "a text", name: "ñ🙂.txt",
    head: NAMED.replace("a.txt", Buffer.from("ñ🙂.txt").toString("latin1")),
  },
  "a name with folders": {
    data: "a text", head: NAMED.replace("a.txt", "../..\\x/b.txt"), name: "b.txt",
  },
  "an encoding that is none": {
    data: "a text", head: `${NAMED}\r\nContent-Transfer-Encoding: binary`,
  },
};

const many = (n, part) => ({ body: bytes(part.repeat(n) + "--b--\r\n") });

const refused = {
  "no last boundary": { body: bytes(`${upTo("b")}a text`), why: ENDLESS },
  "a last boundary without its dashes": {
    body: bytes(`${upTo("b")}a text\r\n--b`), why: ENDLESS,
  },
  "headers without an end": { body: bytes(`--b\r\n${NAMED}\r\n`), why: ENDLESS },
  "no form at all": { body: bytes("a text"), why: ENDLESS },
  "a boundary that goes on": {
    body: whole(`${upTo("b-inner")}inner`), why: /goes on behind the boundary/,
  },
  "line feeds alone": {
    body: bytes(`${upTo("b")}a text\n--b--\n`.replaceAll("\r", "")), why: /CR and LF/,
  },
  "much before the first boundary": {
    body: bytes("x".repeat(5000) + whole("a text")), why: /4096 bytes before the first/,
  },
  "much behind the last boundary": {
    body: bytes(whole("a text") + "x".repeat(5000)), why: /4096 bytes behind the last/,
  },
  "a part that is itself multipart": {
    ...headed(`${NAMED}\r\nContent-Type: multipart/mixed; boundary=c`), why: /itself multipart/,
  },
  "an encoding": {
    ...headed(`${NAMED}\r\nContent-Transfer-Encoding: base64`), why: /Transfer-Encoding/,
  },
  "nine headers": { ...headed(`${NAMED}\r\n${"X: y\r\n".repeat(8)}Z: z`), why: /8 headers/ },
  "a header of 5000 bytes": {
    ...headed(`${NAMED}\r\nX: ${"y".repeat(5000)}`), why: /longer than 4096 bytes/,
  },
  "no header": { ...headed("X: y"), why: /no Content-Disposition/ },
  "filename*": {
    ...named("name=file; filename*=utf-8''a.txt"), why: /no filename\* \(RFC 7578/,
  },
  "a name that is not UTF-8": { ...named('name="file"; filename="\xff.txt"'), why: /not UTF-8/ },
  "an overlong slash": { ...named('name=file; filename="a\xc0\xafb"'), why: /not UTF-8/ },
  "a NUL in a name": { ...named('name=file; filename="a\0b"'), why: /control character/ },
  "a line end in a name": { ...named('name=file; filename="a%0d%0ab"'), why: /line end/ },
  "a name of 256 bytes": {
    ...named(`name=file; filename="${"x".repeat(256)}"`), why: /255 bytes/,
  },
  "two names": { ...named("name=file; name=files; filename=a"), why: /name twice/ },
  "10,000 parts": { ...many(10000, text("x", "1")), why: /more than 64 parts/ },
  "10,000 files": { ...many(10000, filed("file")), why: /more than 64 parts/ },
  "no boundary": { body: whole("a text"), type: "multipart/form-data", why: /no boundary/ },
  "a boundary of 71 bytes": {
    body: whole("a text"), type: `multipart/form-data; boundary=${"x".repeat(71)}`,
    why: /no boundary, or a bad one/,
  },
  "two boundaries": {
    body: whole("a text"), type: "multipart/form-data; boundary=b; boundary=b",
    why: /no boundary, or a bad one/,
  },
  "another multipart": {
    body: whole("a text"), type: "multipart/mixed; boundary=b", status: 415, why: /form-data/,
  },
  "21 files": { ...many(21, filed("files")), fault: ["files", "too_long"] },
  "a file twice": { ...many(2, filed("file")), fault: ["file", "not_unique"] },
  "a text for a file": { ...many(1, text("file", "a")), fault: ["file", "type"] },
  "a text among the files": {
    ...many(1, filed("files") + text("files", "a")), fault: ["files.1", "type"],
  },
  "a file without bytes": {
    body: bytes(`${filed("files")}${filed("files").replace("\r\n\r\na", "\r\n\r\n")}--b--\r\n`),
    fault: ["files.1", "too_small"],
  },
};

let token;

before(async () => {
  ({ token } = await register());
});

/** An answer off the wire. */
function parse(answer) {
  const [head, body] = [answer.slice(0, answer.indexOf("\r\n\r\n")), answer.split("\r\n\r\n")[1]];
  return { status: Number(head.split(" ")[1]), json: JSON.parse(body), text: answer };
}

const headOf = (type, framing, route = UPLOAD) =>
  `POST ${route} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer ${token}\r\n` +
  `Content-Type: ${type}\r\n${framing}\r\n\r\n`;

const ways = {
  "through Nginx": async (type, body, route) =>
    parse(await raw(Buffer.concat([
      bytes(headOf(type, `Content-Length: ${body.length}`, route)), body,
    ]))),
  "as CGI": (type, body, route = UPLOAD) => {
    const responder = route === UPLOAD ? "files" : "chat";
    return cgi(responder, "POST", route, { token, body, headers: { "content-type": type } });
  },
};

const FORM = "multipart/form-data; boundary=b";

function assertRefused({ status, json, text: all }, { why, fault, status: wanted = 400 }) {
  if (!fault) {
    assert.equal(status, wanted, all);
    assert.match(json.detail, why);
    return;
  }
  assert.equal(status, 422, all);
  assert.deepEqual(json.errors.map(({ field, code }) => [field, code]), [fault]);
}

for (const [way, send] of Object.entries(ways)) {
  describe(`forms ${way}`, { concurrency: 2 }, () => {
    for (const [what, one] of Object.entries(stored)) {
      it(`stored: ${what}`, async () => {
        const { data, boundary = "b", quoted, before: above = "", behind = "", name } = one;
        const mark = quoted ? `"${boundary}"` : boundary;
        const body = bytes(`${above}${whole(data, one).toString("latin1")}${behind}`);
        const answer = await send(`multipart/form-data; boundary=${mark}`, body);
        assert.equal(answer.status, 201, answer.text);
        assert.equal(answer.json.name, name ?? "a.txt");
        assert.equal(answer.json.bytes, data.length);
        assert.equal(answer.json.sha256, sha256(bytes(data)));
      });
    }

    for (const [what, one] of Object.entries(refused)) {
      it(`refused: ${what}`, async () => {
        assertRefused(await send(one.type ?? FORM, one.body), one);
      });
    }

    it("a picture's form is read the same way", async () => {
      const route = "/api/v1/chat/image";
      assertRefused(await send(FORM, bytes(`${upTo("b")}a`), route), { why: ENDLESS });
      const { body } = many(1, filed("image") + filed("image"));
      const answer = await send(FORM, body, route);
      assert.equal(answer.status, 422, answer.text);
      assert.deepEqual(answer.json.errors[0].field, "image");
    });
  });
}

describe("byte by byte", () => {
  it("in chunks of one byte through Nginx", async () => {
    const chunks = [...whole(NEAR)].map((byte) => [bytes("1\r\n"), Buffer.of(byte), bytes("\r\n")]);
    const answer = parse(await raw(Buffer.concat([
      bytes(headOf(FORM, "Transfer-Encoding: chunked")), ...chunks.flat(), bytes("0\r\n\r\n"),
    ])));
    assert.equal(answer.status, 201, answer.text);
    assert.equal(answer.json.sha256, sha256(bytes(NEAR)));
  });

  it("in writes of one byte to CGI", async () => {
    const send = async (stdin, body) => {
      for (const byte of body) {
        if (!stdin.write(Buffer.of(byte))) await once(stdin, "drain");
        await setImmediate();
      }
      stdin.end();
    };
    const headers = { "content-type": FORM };
    const { status, json, text: all } = await cgi("files", "POST", UPLOAD, {
      token, body: whole(NEAR), headers, send,
    });
    assert.equal(status, 201, all);
    assert.equal(json.sha256, sha256(bytes(NEAR)));
  });
});
