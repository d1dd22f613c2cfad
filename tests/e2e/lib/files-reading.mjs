// How stored files are read, wherever their bytes lie: whole, in part, and by whom has a link.

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";

import { note, sha256, stored } from "./files.mjs";
import { registerAs } from "./people.mjs";
import { assertProblem } from "./problem.mjs";
import { read } from "./stored.mjs";

const SIZE = 100_000;

export function describeReading(suite) {
  const on = () => suite.stack;
  const bytes = note(SIZE);
  let user, file;

  const get = (headers = {}, { method, token = user.token, id = file.id } = {}) =>
    read(`${on().url}/api/v1/files/${id}/content`,
      { method, headers: { authorization: `Bearer ${token}`, ...headers } });

  const assertPart = (answer, from, to) => {
    assert.equal(answer.status, 206, answer.text);
    assert.equal(answer.headers.get("content-range"), `bytes ${from}-${to - 1}/${SIZE}`);
    assert.equal(answer.headers.get("content-length"), String(to - from));
    assert.ok(answer.bytes.equals(bytes.subarray(from, to)));
  };
  const assertWhole = (answer) => {
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.headers.get("content-range"), null);
    assert.ok(answer.bytes.equals(bytes));
  };
  const assertHarmless = ({ headers }) => {
    assert.equal(headers.get("x-content-type-options"), "nosniff");
    assert.equal(headers.get("content-security-policy"), "default-src 'none'; sandbox");
    assert.match(headers.get("content-disposition"), /^attachment;/);
    assert.match(headers.get("cache-control"), /^private/);
  };

  describe("a file's bytes", { concurrency: 4 }, () => {
    before(async () => {
      user = await on().register();
      file = await stored(on(), user.token, bytes, { name: "Größe.txt" });
    });

    it("come whole, with what keeps them from being a page", async () => {
      const answer = await get();
      assertWhole(answer);
      assertHarmless(answer);
      assert.equal(answer.headers.get("etag"), `"${sha256(bytes)}"`);
      assert.equal(answer.headers.get("accept-ranges"), "bytes");
      assert.match(answer.headers.get("content-disposition"), /filename\*=UTF-8''Gr%C3%B6%C3%9Fe\.txt/);
      assert.equal(answer.headers.get("content-type").split(";")[0], "text/plain");
    });

    it("come in part, where one range is asked for", async () => {
      for (const [range, from, to] of [
        ["bytes=0-0", 0, 1], ["bytes=10-19", 10, 20], ["bytes=99999-", SIZE - 1, SIZE],
        ["bytes=-7", SIZE - 7, SIZE], ["bytes=-200000", 0, SIZE], ["bytes=65530-65545", 65530, 65546],
        ["bytes=5-999999", 5, SIZE],
      ]) {
        const answer = await get({ range });
        assertPart(answer, from, to);
        assertHarmless(answer);
      }
      for (const range of ["bytes=5-1", "bytes=a-b", "lines=1-2", "bytes="]) {
        const answer = await get({ range });
        if (answer.status !== 416) assertWhole(answer);
      }
      const none = await get({ range: "bytes=100000-" });
      assertProblem(none, 416, "range_not_satisfiable");
      assert.equal(none.headers.get("content-range"), `bytes */${SIZE}`);
    });

    it("come in part only of what they were (If-Range), and not again (If-None-Match)", async () => {
      const range = "bytes=10-19";
      const tag = `"${file.sha256}"`;
      assertPart(await get({ range, "if-range": tag }), 10, 20);
      assertWhole(await get({ range, "if-range": `"${"0".repeat(64)}"` }));
      assertWhole(await get({ range, "if-range": `W/${tag}` }));
      for (const match of [tag, `W/${tag}`, "*", `"x", ${tag}`]) {
        const answer = await get({ "if-none-match": match });
        assert.equal(answer.status, 304, match);
        assert.equal(answer.bytes.length, 0);
      }
      assertWhole(await get({ "if-none-match": '"x"' }));
      const date = (year) => new Date(Date.UTC(year)).toUTCString();
      for (const year of [1999, 2999]) { // There is no Last-Modified to hold them against.
        assertWhole(await get({ "if-modified-since": date(year) }));
        assertWhole(await get({ "if-unmodified-since": date(year) }));
        assertPart(await get({ range, "if-unmodified-since": date(year) }), 10, 20);
        assertWhole(await get({ range, "if-range": date(year) }));
      }
    });

    it("have a head, without them", async () => {
      const answer = await get({}, { method: "HEAD" });
      assert.equal(answer.status, 200);
      assert.equal(answer.headers.get("content-length"), String(SIZE));
      assert.equal(answer.headers.get("etag"), `"${file.sha256}"`);
      assert.equal(answer.bytes.length, 0);
      assertHarmless(answer);
    });

    it("are nobody else's, and of nothing are none", async () => {
      for (const { token } of [await on().register(), await registerAs(on(), "admin")]) {
        assertProblem(await get({ range: "bytes=0-1" }, { token }), 404, "not_found");
      }
      assertProblem(await get({}, { id: "no-id" }), 422, "invalid", ["id"]);
      assertProblem(await read(`${on().url}/api/v1/files/${file.id}/content`), 401, "unauthorized");
    });

    it("are read by who has a link, and by nobody without the owner's word", async () => {
      const sign = (token, body, id = file.id) => on().api("POST", `/files/${id}/sign`, { token, body });
      const { status, text, json } = await sign(user.token, { expires_in: 600 });
      assert.equal(status, 200, text);
      const url = new URL(json.url, on().url).href;
      const left = (Date.parse(json.expires_at) - Date.now()) / 1000;
      assert.ok(left > 500 && left <= 610, json.expires_at);
      const answer = await suite.mode.follow(on(), url);
      assert.equal(answer.status, 200);
      assert.ok(answer.bytes.equals(bytes));
      const other = await stored(on(), user.token, note(9));
      assert.ok(url.includes(file.id));
      const forged = await suite.mode.follow(on(), url.replace(file.id, other.id));
      assert.ok(forged.status >= 400 && forged.status < 500, String(forged.status));
      assertProblem(await sign((await on().register()).token), 404, "not_found");
      assertProblem(await sign(undefined), 401, "unauthorized");
      assertProblem(await sign(user.token, { expires_in: 1 }), 422, "invalid", ["expires_in"]);
    });
  });
}
