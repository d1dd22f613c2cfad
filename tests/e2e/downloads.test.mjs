// The bytes of a file, whole and in part, by whoever sends them: Nginx, the responder behind Nginx,
// the responder as a CGI program, the responder from Supabase Storage.

import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { truncate } from "node:fs/promises";
import { after, before, describe, it } from "node:test";

import { cgi, db, register, stack, startStack } from "./lib/fynq.mjs";
import { filePart, form } from "./lib/form.mjs";
import { startNginx } from "./lib/nginx.mjs";
import { assertProblem } from "./lib/problem.mjs";
import { objectOf, read, storeFile } from "./lib/stored.mjs";

const SIZE = 3000;
const ORIGIN = "https://app.example";
let plain; // An Nginx that sends no files itself.
let user;
const remote = {}; // A stack whose files are in Supabase Storage, and its user.

before(async () => {
  plain = await startNginx(stack);
  user = await register();
  remote.stack = await startStack({
    storage: "supabase", settings: { FYNQ_CORS_ORIGINS: ORIGIN },
  });
  remote.user = await remote.stack.register();
  // The first upload makes the bucket.
  const upload = form({ file: filePart(Buffer.from("A text."), "a.txt", "text/plain") });
  const { token } = remote.user;
  const { status } = await remote.stack.api("POST", "/files/upload", { token, ...upload });
  assert.equal(status, 201);
});
after(async () => {
  await plain?.stop();
  await remote.stack?.stop();
});

const bearer = () => ({ authorization: `Bearer ${user.token}` });
const contentOf = (id) => `/api/v1/files/${id}/content`;

const by = (base) => (id, options = {}) =>
  read(base() + contentOf(id), { ...options, headers: { ...bearer(), ...options.headers } });

/** As the others, of a program whose output is text. */
async function byCgi(id, { method = "GET", headers = {} } = {}) {
  const answer = await cgi("files", method, contentOf(id), { headers: { ...bearer(), ...headers } });
  assert.equal(answer.code, 0, answer.stderr);
  return { ...answer, bytes: Buffer.from(answer.text) };
}

const here = () => ({ stack, user });
const ways = {
  "by Nginx": [here, by(() => stack.url)],
  "by the responder behind Nginx": [here, by(() => plain.url)],
  "by the responder as a CGI program": [here, byCgi],
  "by the responder, from Supabase Storage": [() => remote, (id, { headers, ...options } = {}) =>
    read(remote.stack.url + contentOf(id), {
      ...options, headers: { authorization: `Bearer ${remote.user.token}`, ...headers },
    })],
};

/** Bytes that are text, no two places alike. */
const text = () => Buffer.from(randomBytes(SIZE / 2).toString("hex"));

/** What a Range asks for, of SIZE bytes: [from, to], or null for all of them. */
const ranges = [
  ["bytes=0-499", [0, 500]],
  ["bytes=2500-2999", [2500, 3000]],
  ["bytes=2999-", [2999, 3000]],
  ["bytes=0-", [0, 3000]],
  ["bytes=-1", [2999, 3000]],
  ["bytes=-5000", [0, 3000]],
  ["bytes=2000-5000", [2000, 3000]],
  ["bytes=0-0", [0, 1]],
  ["bytes=0-1,5-6", null],
  ["bytes=1-2,", null],
  ["bytes=5-2", null],
  ["bytes=a-b", null],
  ["bytes=", null],
  ["lines=0-1", null],
];

for (const [way, [where, get]] of Object.entries(ways)) {
  describe(way, () => {
    let file;
    const store = (options) => storeFile(where().stack, where().user, options);
    const assertPart = ({ status, headers, bytes }, [from, to], about) => {
      assert.equal(status, 206, about);
      assert.equal(headers.get("content-range"), `bytes ${from}-${to - 1}/${SIZE}`, about);
      assert.equal(headers.get("content-length"), String(to - from), about);
      assert.deepEqual(bytes, file.bytes.subarray(from, to), about);
    };
    const assertWhole = ({ status, headers, bytes }, about) => {
      assert.equal(status, 200, about);
      assert.equal(headers.get("content-range"), null, about);
      assert.equal(headers.get("accept-ranges"), "bytes", about);
      assert.equal(headers.get("content-length"), String(SIZE), about);
      assert.deepEqual(bytes, file.bytes, about);
    };
    before(async () => {
      file = await store({ name: "Größe.txt", bytes: text(), type: "text/plain" });
    });

    it("it comes whole, and as nothing that a browser would run", async () => {
      const answer = await get(file.id, { headers: { "x-request-id": "request-of-the-test" } });
      assertWhole(answer);
      const wanted = {
        "content-type": "text/plain",
        "accept-ranges": "bytes",
        etag: `"${file.sha256}"`,
        "last-modified": null,
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; sandbox",
        "cache-control": "private, max-age=31536000, immutable",
        "content-disposition": `attachment; filename="Gr__e.txt"; filename*=UTF-8''Gr%C3%B6%C3%9Fe.txt`,
        "x-request-id": "request-of-the-test",
        "x-accel-redirect": null,
      };
      for (const [name, value] of Object.entries(wanted)) {
        assert.equal(answer.headers.get(name), value, name);
      }
    });

    it("one range comes alone, several or none that makes sense as the whole", async () => {
      for (const [range, part] of ranges) {
        const answer = await get(file.id, { headers: { range } });
        if (part) assertPart(answer, part, range);
        else assertWhole(answer, range);
        assert.equal(answer.headers.get("etag"), `"${file.sha256}"`);
        assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
        assert.equal(answer.headers.get("content-security-policy"), "default-src 'none'; sandbox");
      }
    });

    it("a range that is not there is 416 with the size", async () => {
      for (const range of ["bytes=3000-", "bytes=9999999999999999999-", "bytes=3000-3001", "bytes=-0"]) {
        const answer = await get(file.id, { headers: { range } });
        assertProblem(answer, 416, "range_not_satisfiable");
        assert.equal(answer.headers.get("content-range"), `bytes */${SIZE}`);
        assert.match(answer.headers.get("cache-control"), /^no-store$|^private, no-cache$/);
        assert.equal(answer.headers.get("content-disposition"), null);
      }
    });

    it("If-Range holds with the very tag alone", async () => {
      const range = "bytes=10-19";
      const tag = `"${file.sha256}"`;
      assertPart(await get(file.id, { headers: { range, "if-range": tag } }), [10, 20]);
      const date = new Date().toUTCString();
      for (const other of ['"other"', `W/${tag}`, date, "Sun, 06 Nov 1994 08:49:37 GMT"]) {
        assertWhole(await get(file.id, { headers: { range, "if-range": other } }), other);
      }
    });

    it("If-None-Match and If-Match are heeded, before any range", async () => {
      const range = "bytes=10-19";
      const tag = `"${file.sha256}"`;
      for (const headers of [{ "if-none-match": tag }, { "if-none-match": `W/${tag}`, range }]) {
        const answer = await get(file.id, { headers });
        assert.equal(answer.status, 304);
        assert.equal(answer.bytes.length, 0);
        assert.equal(answer.headers.get("etag"), tag);
      }
      assertWhole(await get(file.id, { headers: { "if-none-match": '"other"' } }));
      assertWhole(await get(file.id, { headers: { "if-match": tag } }));
      assertPart(await get(file.id, { headers: { "if-match": tag, range } }), [10, 20]);
      const other = await get(file.id, { headers: { "if-match": '"other"', range } });
      assertProblem(other, 412, "precondition_failed");
    });

    it("a date says nothing: what a file has is a tag", async () => {
      const since = new Date(Date.now() + 60000).toUTCString();
      assertWhole(await get(file.id, { headers: { "if-modified-since": since } }));
    });

    it("HEAD has the head alone", async () => {
      for (const more of [{}, { range: "bytes=0-9" }]) {
        const { status, headers, bytes } = await get(file.id, { method: "HEAD", headers: more });
        assert.equal(status, 200);
        assert.equal(headers.get("content-length"), String(SIZE));
        assert.equal(headers.get("accept-ranges"), "bytes");
        assert.equal(headers.get("etag"), `"${file.sha256}"`);
        assert.equal(bytes.length, 0);
      }
    });

    it("what the table should not have goes out as bytes to be saved", async () => {
      for (const type of ["text/html", "image/svg+xml", "text/javascript", "application/xhtml+xml"]) {
        const bad = await store({ name: "a.jpg", bytes: text(), type });
        const { status, headers } = await get(bad.id);
        assert.equal(status, 200);
        assert.equal(headers.get("content-type"), "application/octet-stream");
        assert.match(headers.get("content-disposition"), /^attachment;/);
      }
    });

    it("a row without its object is not there", async () => {
      const lost = await store({ lost: true });
      const answer = await get(lost.id);
      assertProblem(answer, 404, "not_found");
      assert.doesNotMatch(answer.headers.get("cache-control"), /max-age/);
    });
  });
}

for (const [way, base] of [["Nginx", () => stack.url], ["the responder", () => plain.url]]) {
  it(`a download from ${way} that broke off goes on where it ended`, async () => {
    const get = by(base);
    const file = await storeFile(stack, user, { bytes: randomBytes(3 << 20) });
    const pieces = [];
    let at = 0;
    while (at < file.bytes.length) {
      const headers = { range: `bytes=${at}-`, "if-range": `"${file.sha256}"` };
      const answer = await get(file.id, { headers, stopAfter: 700000 });
      assert.equal(answer.status, 206);
      assert.match(answer.headers.get("content-range"), new RegExp(`^bytes ${at}-`));
      pieces.push(answer.bytes);
      at += answer.bytes.length;
    }
    assert.ok(pieces.length > 2);
    assert.ok(Buffer.concat(pieces).equals(file.bytes));
  });
}

it("a body that fails midway is broken off, not ended", async () => {
  const get = by(() => plain.url);
  const file = await storeFile(stack, user, { bytes: randomBytes(1 << 20) });
  await truncate(objectOf(stack, user, file.id), 700000);
  const answer = await get(file.id);
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("content-length"), String(1 << 20));
  assert.equal(answer.whole, false);
  assert.ok(answer.bytes.length <= 700000);
});

it("a client that goes away leaves its worker free", async () => {
  const get = by(() => plain.url);
  const file = await storeFile(stack, user, { bytes: randomBytes(32 << 20) });
  const left = await Promise.all(
    Array.from({ length: 12 }, () => get(file.id, { stopAfter: 1 })),
  );
  assert.ok(left.every(({ status }) => status === 200));
  const small = await storeFile(stack, user);
  assert.deepEqual((await get(small.id)).bytes, small.bytes);
});

describe("the folder of objects", () => {
  it("is not to be reached from outside, nor out of it", async () => {
    const file = await storeFile(stack, user);
    const name = `${user.id.slice(-2)}/${user.id}/${file.id}`;
    const paths = [
      `/fynq_files/part/${name}`, `/fynq_files/whole/${name}`, `/fynq_files//part/${name}`,
      `/fynq_files/../fynq_files/part/${name}`, `/%66ynq_files/part/${name}`, "/fynq_files/part/",
      "/fynq_files/", "/fynq_files", "/fynq_files/part../fynq.conf",
      "/fynq_files/part/..%2f..%2ffynq.conf", "/fynq_files/part/%2e%2e/%2e%2e/fynq.conf",
      `/api/v1/files/${file.id}/../../../../fynq_files/part/${name}`,
      "/fynq_large/api/v1/files/upload",
    ];
    for (const path of paths) {
      const answer = await stack.raw(
        `GET ${path} HTTP/1.1\r\nHost: a\r\n${Object.entries(bearer())[0].join(": ")}\r\nConnection: close\r\n\r\n`,
      );
      assert.match(answer, /^HTTP\/1.1 40[04] /, path);
      assert.match(answer, /"code":"(not_found|bad_request)"/, path);
    }
  });

  it("is not to be named by a client's header", async () => {
    const file = await storeFile(stack, user);
    const names = { fynq_accel: "/etc/", "fynq-accel": "/etc/", "x-accel-redirect": "/etc/passwd" };
    const answer = await by(() => plain.url)(file.id, { headers: names });
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.bytes, file.bytes);
  });
});

describe("a file of a content", () => {
  it("is for who sees the content", async () => {
    const teacher = await register();
    const file = await storeFile(stack, teacher, { type: "application/pdf", purpose: "content" });
    const id = randomUUID();
    const get = () => by(() => stack.url)(file.id);
    const meta = () => read(`${stack.url}/api/v1/files/${file.id}`, { headers: bearer() });
    await db.run(
      `insert into public.contents (id, author_id, type, title, file_id) values ($1, $2, 'pdf', 'A', $3)`,
      [id, teacher.id, file.id],
    );
    assertProblem(await get(), 404, "not_found");
    assertProblem(await meta(), 404, "not_found");
    await db.run("update public.contents set published = true where id = $1", [id]);
    assert.deepEqual((await get()).bytes, file.bytes);
    assert.equal((await meta()).json.id, file.id);
    const { json, text } = await stack.api("POST", `/files/${file.id}/sign`, { token: user.token });
    assert.ok(json.url, text);
    assert.deepEqual((await read(stack.url + json.url)).bytes, file.bytes);
    await db.run("update public.contents set published = false where id = $1", [id]);
    assertProblem(await get(), 404, "not_found");
  });
});

describe("from Supabase Storage", () => {
  const headers = () => ({ authorization: `Bearer ${remote.user.token}` });

  it("a large file comes whole, and goes on where it broke off", async () => {
    const bytes = randomBytes(5 << 20);
    const file = await storeFile(remote.stack, remote.user, { bytes });
    const url = remote.stack.url + contentOf(file.id);
    assert.ok((await read(url, { headers: headers() })).bytes.equals(bytes));
    const first = await read(url, { headers: headers(), stopAfter: 1 << 20 });
    const range = `bytes=${first.bytes.length}-`;
    const rest = await read(url, { headers: { ...headers(), range, "if-range": `"${file.sha256}"` } });
    assert.equal(rest.status, 206);
    assert.ok(Buffer.concat([first.bytes, rest.bytes]).equals(bytes));
  });

  it("a link is Supabase's own, and saves under the file's name", async () => {
    const file = await storeFile(remote.stack, remote.user, { name: "Größe \u202egpj.txt" });
    const { token } = remote.user;
    const { status, json, text } = await remote.stack.api("POST", `/files/${file.id}/sign`, {
      token, body: { expires_in: 120 },
    });
    assert.equal(status, 200, text);
    const url = new URL(json.url);
    assert.ok(json.url.startsWith(remote.stack.storage.url), json.url);
    assert.equal(url.searchParams.get("download"), "Größe _gpj.txt.jpg");
    const seconds = Date.parse(json.expires_at) / 1000 - Date.now() / 1000;
    assert.ok(seconds > 90 && seconds < 150);
  });
});

it("a page of an allowed origin sees what it needs, whoever sends the file", async () => {
  const own = await startStack({ settings: { FYNQ_CORS_ORIGINS: ORIGIN } });
  try {
    const someone = await own.register();
    const places = [[own, someone], [remote.stack, remote.user]];
    for (const [place, { id, token }] of places) {
      const file = await storeFile(place, { id });
      const headers = { authorization: `Bearer ${token}`, origin: ORIGIN, range: "bytes=0-9" };
      const answer = await read(place.url + contentOf(file.id), { headers });
      assert.equal(answer.status, 206);
      assert.equal(answer.headers.get("access-control-allow-origin"), ORIGIN);
      assert.equal(answer.headers.get("access-control-allow-credentials"), "true");
      assert.equal(answer.headers.get("vary"), "Origin");
      const seen = answer.headers.get("access-control-expose-headers").toLowerCase().split(", ");
      for (const name of ["accept-ranges", "content-range", "content-disposition", "etag"]) {
        assert.ok(seen.includes(name), name);
      }
    }
  } finally {
    await own.stop();
  }
});
