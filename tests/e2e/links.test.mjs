// Links that read a file without a token.

import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { before, describe, it } from "node:test";

import { api, cgi, register, stack, waitUntil } from "./lib/fynq.mjs";
import { signLink } from "./lib/links.mjs";
import { startNginx } from "./lib/nginx.mjs";
import { assertProblem } from "./lib/problem.mjs";
import { read, storeFile } from "./lib/stored.mjs";

const DAY = 86400;
const now = () => Math.floor(Date.now() / 1000);

let user;
let file;
let secret; // What links are signed with where nothing is set for them.

before(async () => {
  user = await register();
  const bytes = Buffer.from(randomBytes(1000).toString("hex"));
  file = await storeFile(stack, user, { name: "Größe.txt", bytes, type: "text/plain" });
  secret = (await readFile(path.join(stack.state, "secret/jwt"), "utf8")).trim();
});

const sign = (body, id = file.id) => api("POST", `/files/${id}/sign`, { token: user.token, body });
const get = (url, options) => read(stack.url + url, options);

/** The link's URL with its query changed. */
function changed(url, change) {
  const [base, query] = url.split("?");
  const parameters = new URLSearchParams(query);
  change(parameters);
  return `${base}?${parameters}`;
}

describe("a link", () => {
  it("reads the file without a token, whole, in part and its head", async () => {
    const { status, headers, json } = await sign({ expires_in: 600 });
    assert.equal(status, 200);
    assert.deepEqual(Object.keys(json).sort(), ["expires_at", "url"]);
    assert.match(json.url, new RegExp(`^/api/v1/files/${file.id}/link\\?`));
    assert.ok(Math.abs(Date.parse(json.expires_at) / 1000 - now() - 600) < 30);
    assert.equal(headers.get("cache-control"), "no-store");

    const whole = await get(json.url);
    assert.equal(whole.status, 200);
    assert.deepEqual(whole.bytes, file.bytes);
    assert.equal(whole.headers.get("referrer-policy"), "no-referrer");
    assert.equal(whole.headers.get("content-security-policy"), "default-src 'none'; sandbox");
    assert.equal(whole.headers.get("x-content-type-options"), "nosniff");
    assert.match(whole.headers.get("content-disposition"), /^attachment;/);
    const [, seconds] = /^private, max-age=(\d+)$/.exec(whole.headers.get("cache-control"));
    assert.ok(Number(seconds) <= 600 && Number(seconds) > 500);

    const part = await get(json.url, { headers: { range: "bytes=5-9" } });
    assert.equal(part.status, 206);
    assert.deepEqual(part.bytes, file.bytes.subarray(5, 10));
    const head = await get(json.url, { method: "HEAD" });
    assert.equal(head.status, 200);
    assert.equal(head.headers.get("content-length"), String(file.bytes.length));
    const again = await get(json.url, { headers: { "if-none-match": `"${file.sha256}"` } });
    assert.equal(again.status, 304);
  });

  it("is worth nothing for another method", async () => {
    const { json } = await sign();
    for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
      const answer = await api(method, json.url.replace("/api/v1", ""), { token: user.token });
      assertProblem(answer, 405, "method_not_allowed");
    }
    assertProblem(await get(signLink(secret, file.id, now() + 60, { method: "PUT" })), 403, "bad_link");
  });

  it("lives an hour, or as long as was asked for, within bounds", async () => {
    const { json } = await sign();
    assert.ok(Math.abs(Date.parse(json.expires_at) / 1000 - now() - 3600) < 30);
    for (const expires_in of [60, 7 * DAY]) assert.equal((await sign({ expires_in })).status, 200);
    for (const expires_in of [59, 0, -60, 7 * DAY + 1, 1e12, 60.5, "60", null]) {
      assertProblem(await sign({ expires_in }), 422, "invalid", ["expires_in"]);
    }
  });

  it("is made for the owner of the file alone", async () => {
    const other = await register();
    const route = `/files/${file.id}/sign`;
    assertProblem(await api("POST", route, { token: other.token }), 404, "not_found");
    assertProblem(await api("POST", route), 401, "unauthorized");
    assertProblem(await sign({}, randomUUID()), 404, "not_found");
  });

  it("ends with its file", async () => {
    const gone = await storeFile(stack, user);
    const { json } = await sign({}, gone.id);
    assert.equal((await get(json.url)).status, 200);
    const { status } = await api("DELETE", `/files/${gone.id}`, { token: user.token });
    assert.equal(status, 204);
    assertProblem(await get(json.url), 404, "not_found");
  });

  it("ends with its time", async () => {
    assert.equal((await get(signLink(secret, file.id, now() + 60))).status, 200);
    for (const expires of [now() - 1, 0]) {
      assertProblem(await get(signLink(secret, file.id, expires)), 403, "bad_link");
    }
  });
});

describe("what was changed", () => {
  it("is no link", async () => {
    const { json } = await sign();
    const other = await storeFile(stack, user);
    const flip = (text) => (text[0] === "1" ? "2" : "1") + text.slice(1);
    const bad = {
      "another file": json.url.replace(file.id, other.id),
      "another expiry": changed(json.url, (q) => q.set("expires", String(Number(q.get("expires")) + 1))),
      "another key": changed(json.url, (q) => q.set("key", flip(q.get("key")))),
      "another signature": changed(json.url, (q) => q.set("signature", flip(q.get("signature")))),
      "a signature that is cut": changed(json.url, (q) => q.set("signature", q.get("signature").slice(1))),
      "no signature's length": changed(json.url, (q) => q.set("signature", "A")),
      "the signature in other characters": changed(json.url, (q) => q.set("signature", "é".repeat(43))),
      "a zero before": changed(json.url, (q) => q.set("expires", `0${q.get("expires")}`)),
      "a plus before": changed(json.url, (q) => q.set("expires", `+${q.get("expires")}`)),
      "a space behind": changed(json.url, (q) => q.set("expires", `${q.get("expires")} `)),
      "no number": signLink(secret, file.id, "soon"),
      "a number past all": signLink(secret, file.id, "99999999999999999999"),
      "the key in capitals": changed(json.url, (q) => q.set("key", "ABCDEFAB")),
    };
    for (const [what, url] of Object.entries(bad)) {
      const answer = await get(url);
      assert.equal(answer.status, 403, `${what}: ${answer.text}`);
      assertProblem(answer, 403, "bad_link");
    }
  });

  it("or is there twice, or not at all, is told by name", async () => {
    const { json } = await sign();
    for (const name of ["expires", "key", "signature"]) {
      const twice = changed(json.url, (q) => q.append(name, q.get(name)));
      assertProblem(await get(twice), 422, "invalid", [name]);
      assertProblem(await get(changed(json.url, (q) => q.delete(name))), 422, "invalid", [name]);
    }
    assertProblem(await get(`${json.url}&more=1`), 422, "invalid", ["more"]);
  });
});

describe("the secret", () => {
  const target = (url) => (environment) => cgi("files", "GET", url, { environment });
  const [first, second, third] = ["1", "2", "3"].map((n) => n.repeat(40));
  const read = (by, environment) => target(signLink(by, file.id, now() + 60))(environment);

  it("may be changed: links of the one before work on, those of older ones do not", async () => {
    const both = { FYNQ_LINK_SECRET: second, FYNQ_LINK_SECRET_OLD: first };
    assert.equal((await read(second, both)).status, 200);
    assert.equal((await read(first, both)).status, 200);
    for (const other of [third, secret]) assertProblem(await read(other, both), 403, "bad_link");
    assertProblem(await read(first, { FYNQ_LINK_SECRET: second }), 403, "bad_link");
    const settled = { FYNQ_LINK_SECRET: second, FYNQ_LINK_SECRET_OLD: secret };
    assert.equal((await read(secret, settled)).status, 200);
  });

  it("signs nothing as it is, and is not what access tokens are signed with", async () => {
    const forged = signLink(secret, file.id, now() + 60);
    const { token } = user;
    const [header, payload] = token.split(".");
    const url = changed(forged, (q) => q.set("signature", token.split(".")[2].slice(0, 43)));
    assert.ok(header && payload);
    assertProblem(await get(url), 403, "bad_link");
  });

  it("makes absolute links where the service knows its address", async () => {
    const environment = { FYNQ_PUBLIC_URL: "https://api.example/", FYNQ_LINK_SECRET: first };
    const options = { token: user.token, environment };
    const { status, json, text } = await cgi("files", "POST", `/api/v1/files/${file.id}/sign`, options);
    assert.equal(status, 200, text);
    assert.ok(json.url.startsWith(`https://api.example/api/v1/files/${file.id}/link?`), json.url);
    const answer = await target(json.url.replace("https://api.example", ""))({ FYNQ_LINK_SECRET: first });
    assert.equal(answer.status, 200);
  });
});

describe("logs", () => {
  it("have no signature: those of the service, and Nginx's, also when something is wrong", async () => {
    const good = (await sign()).json.url;
    const bad = changed(good, (q) => q.set("expires", "1"));
    const id = randomUUID();
    for (const url of [good, bad]) await get(url, { headers: { "x-request-id": id } });
    await waitUntil(async () => (await stack.log((line) => line.request_id === id)).length >= 2);
    const signature = new URLSearchParams(good.split("?")[1]).get("signature");
    for (const name of ["fynq.log", "nginx-access.log", "nginx-error.log"]) {
      const text = await readFile(path.join(stack.state, "log", name), "utf8");
      assert.equal(text.includes(signature), false, name);
    }

    // Before endpoints that are down: Nginx quotes what it could not pass on.
    const nowhere = await mkdtemp(path.join(os.tmpdir(), "fynq-nowhere-"));
    const nginx = await startNginx(stack, { run: nowhere });
    try {
      const contentUrl = `${nginx.url}/api/v1/files/${file.id}/content?quoted=1`;
      for (const url of [nginx.url + good, contentUrl]) {
        assertProblem(await read(url), 502, "unavailable");
      }
      const log = await nginx.log();
      assert.ok(log.includes("quoted=1"));
      assert.equal(log.includes(signature), false);
      assert.equal(log.includes("signature="), false);
    } finally {
      await nginx.stop();
      await rm(nowhere, { recursive: true });
    }
  });
});
