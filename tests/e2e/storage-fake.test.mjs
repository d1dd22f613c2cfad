// The stand-in for Supabase Storage, driven by Supabase's own client, which must find in it what it
// finds in the service; what it refuses; and its failures.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import http from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

import { StorageClient } from "@supabase/storage-js";

import { StorageStandIn } from "../fakes/supabase/storage-client.mjs";
import { storageFailures } from "../fakes/supabase/storage-failures.mjs";
import { sign } from "./lib/tokens.mjs";
import { waitUntil } from "./lib/wait.mjs";

const MAIN = fileURLToPath(new URL("../fakes/supabase/main.mjs", import.meta.url));

let folder, child, keys, fake;

async function start() {
  child = spawn(process.execPath, [MAIN, "--objects", folder, "--until-stdin-ends",
    ...(keys ? ["--port", new URL(keys.url).port] : [])], { stdio: ["pipe", "pipe", "inherit"] });
  const [line] = await once(child.stdout, "data");
  const about = JSON.parse(line);
  fake = new StorageStandIn({ url: about.url, control: about.control, keys: about });
  keys = about;
}

async function stop() {
  child.stdin.end();
  await once(child, "exit");
}

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "fynq-objects-"));
  await start();
  good(await client().createBucket("tests"));
});

after(async () => {
  await stop();
  await rm(folder, { recursive: true });
});

const client = (key = keys.secret_key) =>
  new StorageClient(fake.url, { apikey: key, ...(key.startsWith("sb_") ? {}
    : { authorization: `Bearer ${key}` }) });
const bucket = (key) => client(key).from("tests");
const name = () => `${randomUUID()}/${randomUUID()}`;

/** What a call of the client gave, without an error. */
function good({ data, error }) {
  assert.equal(error, null, error?.message);
  return data;
}

function bad({ error }, status, code, http = 400) {
  assert.equal(error?.statusCode, String(status), error?.message);
  assert.equal(error.status, http, code);
}

async function stored(bytes = randomBytes(1000), options = {}) {
  const key = name();
  good(await bucket().upload(key, bytes, { contentType: "image/png", ...options }));
  return { key, bytes };
}

describe("Supabase's client", { concurrency: 4 }, () => {
  it("puts, reads, describes, replaces and removes an object", async () => {
    const { key, bytes } = await stored();
    const blob = good(await bucket().download(key));
    assert.deepEqual(Buffer.from(await blob.arrayBuffer()), bytes);
    assert.equal(blob.type, "image/png");
    const info = good(await bucket().info(key));
    assert.equal(info.size, 1000);
    assert.equal(info.contentType, "image/png");
    assert.equal(info.cacheControl, "max-age=3600");
    assert.equal(good(await bucket().exists(key)), true);
    bad(await bucket().upload(key, bytes, { contentType: "image/png" }), 409);
    good(await bucket().upload(key, randomBytes(7), { contentType: "image/png", upsert: true }));
    assert.equal(good(await bucket().info(key)).size, 7);
    good(await bucket().update(key, randomBytes(8), { contentType: "image/png" }));
    assert.deepEqual(good(await bucket().remove([key, name()])).map((one) => one.name), [key]);
    bad(await bucket().info(key), 404);
    assert.equal((await bucket().download(key)).data, null);
    bad(await bucket().update(key, bytes, { contentType: "image/png" }), 404);
  });

  it("lists folders and objects, by offset and by cursor", async () => {
    const [one, two] = [randomUUID(), randomUUID()];
    const names = Array.from({ length: 5 }, (_, i) => `${one}/${i}`);
    for (const key of [...names, `${one}/z/deep`, `${two}/0`]) {
      good(await bucket().upload(key, Buffer.from("x"), { contentType: "text/plain" }));
    }
    const root = good(await bucket().list("", { limit: 1000 }));
    assert.equal(root.find((row) => row.name === one).id, null);
    const page = good(await bucket().list(one, { limit: 3, offset: 4 }));
    assert.deepEqual(page.map((row) => [row.name, row.id === null]), [["4", false], ["z", true]]);
    const last = good(await bucket().list(one, { sortBy: { column: "name", order: "desc" } }));
    assert.equal(last.at(-1).name, "0");
    assert.equal(good(await bucket().list(one, { search: "3" }))[0].metadata.size, 1);

    const seen = [];
    let cursor;
    do {
      const part = good(await bucket().listV2({ prefix: `${one}/`, limit: 2,
        ...(cursor ? { cursor } : {}) }));
      seen.push(...part.objects.map((row) => row.name));
      // What is removed between two pages does not move the second one.
      good(await bucket().remove([seen[0]]));
      cursor = part.nextCursor;
    } while (cursor);
    assert.deepEqual(seen, [...names, `${one}/z/deep`]);
    const grouped = good(await bucket().listV2({ prefix: `${one}/`, with_delimiter: true }));
    assert.deepEqual(grouped.folders.map((row) => row.name), [`${one}/z/`]);
  });

  it("signs links that end, for one object", async () => {
    const { key, bytes } = await stored();
    const { signedUrl } = good(await bucket().createSignedUrl(key, 60, { download: "Zoë 1.png" }));
    const answer = await fetch(signedUrl);
    assert.deepEqual(Buffer.from(await answer.arrayBuffer()), bytes);
    assert.equal(answer.headers.get("content-disposition"),
      "attachment; filename=Zo%C3%AB%201.png; filename*=UTF-8''Zo%C3%AB%201.png");
    const part = await fetch(signedUrl, { headers: { range: "bytes=990-" } });
    assert.equal(part.status, 206);
    assert.equal(part.headers.get("content-range"), "bytes 990-999/1000");

    const other = await stored();
    const moved = signedUrl.replace(key, other.key);
    assert.equal((await (await fetch(moved)).json()).code, "InvalidSignature");
    const short = good(await bucket().createSignedUrl(key, 1)).signedUrl;
    await waitUntil(async () => (await fetch(short)).status === 400);
    assert.equal((await (await fetch(short)).json()).code, "InvalidJWT");
    const forged = sign({ alg: "HS256" }, { url: `tests/${key}`, scope: "download", exp: 9e9 }, "x");
    assert.equal((await fetch(`${fake.url}/object/sign/tests/${key}?token=${forged}`)).status, 400);
    bad(await bucket().createSignedUrl(name(), 60), 404);
  });

  it("makes, limits and drops buckets", async () => {
    good(await client().createBucket("small", { public: false, fileSizeLimit: 100,
      allowedMimeTypes: ["image/*"] }));
    bad(await client().createBucket("small"), 409);
    assert.equal(good(await client().getBucket("small")).public, false);
    const small = client().from("small");
    bad(await small.upload("a", randomBytes(101), { contentType: "image/png" }), 413);
    bad(await small.upload("a", randomBytes(9), { contentType: "text/plain" }), 415);
    good(await small.upload("a", randomBytes(100), { contentType: "image/png" }));
    bad(await client().deleteBucket("small"), 409);
    good(await client().emptyBucket("small"));
    good(await client().deleteBucket("small"));
    bad(await client().getBucket("small"), 404);
    bad(await small.upload("a", randomBytes(9), { contentType: "image/png" }), 404);
    bad(await client().createBucket("no/slash"), 400);
  });

  it("is let nowhere without the service's role", async () => {
    const { key } = await stored();
    const key403 = sign({ alg: "HS256", typ: "JWT" }, { role: "service_role", exp: 9e9 }, "other");
    bad(await bucket(key403).info(key), 403);
    for (const anon of [keys.publishable_key, keys.anon_key]) {
      bad(await bucket(anon).info(key), 404);
      assert.deepEqual(good(await bucket(anon).list("")), []);
      assert.deepEqual(good(await bucket(anon).remove([key])), []);
      bad(await bucket(anon).upload(name(), randomBytes(3), { contentType: "image/png" }), 403);
      bad(await client(anon).createBucket("mine"), 403);
    }
    good(await bucket(keys.service_role_key).info(key));
    const none = await fetch(`${fake.url}/object/authenticated/tests/${key}`);
    assert.equal((await none.json()).statusCode, "403");
    const wrong = await fetch(`${fake.url}/bucket`, { headers: { apikey: "sb_secret_x" } });
    assert.equal(wrong.status, 401);
    const asBearer = await fetch(`${fake.url}/bucket`, { headers: { apikey: keys.secret_key,
      authorization: `Bearer ${keys.secret_key}` } });
    assert.equal(asBearer.status, 400);
  });
});

/** A raw upload over HTTP/1.1; resolves with the status, or the code of what broke it. */
async function upload(key, headers, parts) {
  const { hostname, port, pathname } = new URL(fake.url);
  const request = http.request({ hostname, port, path: `${pathname}/object/tests/${key}`,
    method: "POST", headers: {
      apikey: keys.secret_key, "x-upsert": "true", "cache-control": "no-store",
      "content-type": "image/png", ...headers,
    } });
  request.on("error", () => {});
  for (const part of parts) await new Promise((written) => request.write(part, written));
  if (headers["content-length"] > Buffer.concat(parts).length) request.destroy();
  else request.end();
  const answered = once(request, "response").then(([answer]) => answer.resume().statusCode);
  return answered.catch((error) => error.code ?? error.name);
}

describe("what it refuses", { concurrency: 4 }, () => {
  it("headers that are missing, keys that lead elsewhere, members nobody knows", async () => {
    const part = Buffer.from("x");
    const length = { "content-length": 1 };
    assert.equal(await upload(name(), length, [part]), 200);
    for (const headers of [{ "x-upsert": "yes" }, { "cache-control": "" }, { "content-type": "png" },
      { "content-type": "multipart/form-data; boundary=x" }, { expect: "100-now" }]) {
      const status = await upload(name(), { ...length, ...headers }, [part]);
      assert.ok(status === 400 || status === 417, JSON.stringify(headers));
    }
    assert.equal(await upload(name(), {}, [part]), 400, "without Content-Length");
    for (const key of ["a//b", "../b", "a/%2e%2e/b", "a/%00", "%ff", "a%22b"]) {
      assert.equal(await upload(key, length, [part]), 400, key);
    }
    for (const body of [{ prefix: "", more: 1 }, { limit: 1 }, { prefix: "", limit: 0 }, []]) {
      assert.equal((await fake.ask("POST", "/object/list/tests", { body })).status, 400);
    }
    const many = { prefixes: Array.from({ length: 1001 }, () => "a") };
    assert.equal((await fake.ask("DELETE", "/object/tests", { body: many })).status, 400);
    assert.equal((await fake.ask("POST", "/object/nowhere")).status, 404);
  });

  it("ranges that are none", async () => {
    const { key } = await stored();
    const at = `/object/authenticated/tests/${key}`;
    const ranged = (range) => fake.ask("GET", at, { headers: { range } });
    for (const range of ["bytes=1000-", "bytes=5-4", "bytes=-0", "bytes=0-1,3-4", "lines=1-2"]) {
      assert.equal((await ranged(range)).status, 416, range);
    }
    const last = await ranged("bytes=-10");
    assert.equal(last.headers["content-range"], "bytes 990-999/1000");
    assert.equal((await ranged("bytes=10-99999")).bytes.length, 990);
  });

  it("a body that is shorter than its Content-Length leaves nothing", async () => {
    const key = name();
    await upload(key, { "content-length": 2000 }, [randomBytes(1000)]);
    await waitUntil(async () => (await fake.calls(key)).length === 1);
    assert.equal((await fake.ask("GET", `/object/info/tests/${key}`)).status, 400);
    assert.deepEqual(await fake.objects(key.split("/")[0]), []);
  });
});

describe("what was kept", () => {
  it("is there after a restart, and nothing else", async () => {
    const { key, bytes } = await stored();
    await stop();
    await start();
    assert.deepEqual(await fake.read(key, "tests"), bytes);
    const [data, meta] = await Promise.all(
      ["data", "meta"].map((part) => readdir(path.join(folder, part))));
    assert.equal(data.length, meta.length);
    assert.equal(data.length, (await fake.objects()).length);
  });
});

describe("its failures", { concurrency: 4 }, () => {
  it("each says what it is", () => {
    for (const [named, { about, done, play }] of Object.entries(storageFailures)) {
      assert.ok(about && typeof play === "function", named);
      assert.equal(typeof done, "boolean", named);
    }
  });

  it("a status so many times, of one route, and then no more", async () => {
    const { key } = await stored();
    const info = () => fake.ask("GET", `/object/info/tests/${key}`);
    await fake.fail(key, "status", { status: 503, times: 2, route: "GET /object/info",
      retry_after: 3 });
    assert.equal((await fake.ask("GET", `/object/authenticated/tests/${key}`)).status, 200);
    const first = await info();
    assert.equal(first.status, 503);
    assert.equal(first.headers["retry-after"], "3");
    assert.deepEqual([(await info()).status, (await info()).status], [503, 200]);
  });

  it("an upload that is cut, and one whose answer is lost", async () => {
    const cut = name();
    await fake.fail(cut, "cut_upload", { bytes: 10000 });
    const bytes = randomBytes(1 << 20);
    const length = { "content-length": bytes.length };
    assert.equal(typeof await upload(cut, length, [bytes]), "string");
    assert.deepEqual(await fake.objects(cut.split("/")[0]), []);
    const lost = name();
    await fake.fail(lost, "cut_after");
    assert.equal(typeof await upload(lost, length, [bytes]), "string");
    assert.equal((await fake.objects(lost.split("/")[0]))[0].size, bytes.length);
  });

  it("a download that is cut, short, elsewhere or whole", async () => {
    const { key, bytes } = await stored(randomBytes(300000));
    const at = `/object/authenticated/tests/${key}`;
    const ask = () => fake.ask("GET", at, { headers: { range: "bytes=100-199999" } });
    for (const named of ["cut_download", "ends_early"]) {
      await fake.fail(key, named, { bytes: 100000 });
      await assert.rejects(ask(), named);
    }
    await fake.fail(key, "short_range");
    assert.equal((await ask()).bytes.length, 99950);
    await fake.fail(key, "other_range");
    assert.equal((await ask()).headers["content-range"], "bytes 101-200000/300000");
    await fake.fail(key, "ignore_range");
    const whole = await ask();
    assert.equal(whole.status, 200);
    assert.deepEqual(whole.bytes, bytes);
    await fake.fail(key, "slow", { bytes: 50000, delay_ms: 1 });
    assert.deepEqual((await ask()).bytes, bytes.subarray(100, 200000));
  });
});
