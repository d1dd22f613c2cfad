// Files in Supabase Storage: each call of the store and each of its failures, through
// tests/tools/store, which does what a responder does; and what becomes of the failures in answers.

import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { mkdtemp, open, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import http from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

import { filePart, form } from "./lib/form.mjs";
import { startStack, waitUntil } from "./lib/fynq.mjs";
import { Pictures } from "./lib/pictures.mjs";
import { assertProblem } from "./lib/problem.mjs";
import { execute } from "./lib/stack.mjs";
import { download } from "./lib/takeout.mjs";
import { unzip } from "./lib/zip.mjs";

const TOP = fileURLToPath(new URL("../../", import.meta.url));
const SETTINGS = { FYNQ_SUPABASE_TIMEOUT_MS: 4000, FYNQ_STORAGE_IDLE_MS: 2000 };
const HASTY = { FYNQ_SUPABASE_TIMEOUT_MS: 600, FYNQ_STORAGE_IDLE_MS: 500 };
const MB = 1 << 20;

let own, fake, folder, pictures, picture;

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "fynq-store-"));
  pictures = await Pictures.make();
  picture = await readFile(await pictures.marked("store.png", { width: 32, height: 24 }));
  own = await startStack({ storage: "supabase", settings: SETTINGS });
  fake = own.storage;
});

after(async () => {
  await own?.stop();
  await pictures.remove();
  await rm(folder, { recursive: true });
});

const newKey = (user = randomUUID()) => `${user}/${randomUUID()}`;
const userOf = (key) => key.split("/")[0];
const file = (name = randomUUID()) => path.join(folder, name);

/** One call of the store, with some settings of its own: {problem, memory, ...}. */
async function storeWith(settings, call, ...args) {
  const tool = path.join(TOP, own.build, "tests/tools/store");
  const environment = own.environment({ FYNQ_SUPABASE_TIMEOUT_MS: 30000, ...settings });
  environment.ASAN_OPTIONS += ":quarantine_size_mb=1"; // What was freed counts as memory else.
  const { code, stdout, stderr } = await execute(tool, [call, ...args.map(String)], environment);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

const store = (...args) => storeWith({}, ...args);

/** The same, where it must succeed; or fail with a problem. */
async function done(...args) {
  const answer = await store(...args);
  assert.equal(answer.problem, undefined, JSON.stringify(answer.problem));
  return answer;
}

async function fails(status, code, ...args) {
  const { problem } = await store(...args);
  assert.deepEqual([problem?.status, problem?.code], [status, code], args.join(" "));
}
const away = (...args) => fails(503, "storage_unavailable", ...args);

/** The same while a failure is ordered: what never comes is not waited for long. */
async function awayFor(named, ...args) {
  const { problem } = await storeWith(/silence|stall/.test(named) ? HASTY : {}, ...args);
  assert.deepEqual([problem?.status, problem?.code], [503, "storage_unavailable"],
    `${named}: ${args[0]}`);
}
const missing = (...args) => fails(404, "not_found", ...args);

/** An object that is there: {key, bytes, source}. */
async function stored(size = 5000, user) {
  const key = newKey(user);
  const bytes = randomBytes(size);
  const source = file();
  await writeFile(source, bytes);
  await done("put", key, source, "image/png");
  return { key, bytes, source };
}

async function opened(key) {
  const result = file();
  await done("open", key, result);
  return readFile(result);
}

async function fetched(key, from, n) {
  const result = file();
  await done("fetch", key, from, n, result);
  return readFile(result);
}

async function putAll(names, text) {
  const left = [...names];
  await Promise.all(Array.from({ length: 8 }, async () => {
    while (left.length > 0) await fake.put(left.pop(), Buffer.from(text));
  }));
}

describe("the store", { concurrency: 2 }, () => {
  it("keeps an object, gives it, whole and in parts, and removes it", async () => {
    const { key, bytes, source } = await stored(300000);
    const [object] = await fake.objects(userOf(key));
    assert.deepEqual([object.bucket, object.name, object.size, object.mimetype,
      object.cacheControl], ["fynq", key, 300000, "image/png", "private, no-store"]);
    assert.equal((await fake.ask("GET", "/bucket/fynq")).json.public, false);
    assert.deepEqual(await opened(key), bytes);
    assert.equal((await done("size", key)).bytes, 300000);
    for (const [from, n] of [[0, 300000], [0, 1], [299999, 1], [65535, 70001], [7, 0]]) {
      assert.deepEqual(await fetched(key, from, n), bytes.subarray(from, from + n));
    }
    await done("put", key, source, "image/png");
    await done("remove", key);
    await done("remove", key);
    for (const args of [["open", key, file()], ["size", key], ["link", key, "x", 60],
      ["fetch", key, 0, 1, file()], ["fetch", key, 0, 0, file()]]) await missing(...args);
  });

  it("keeps an object of no bytes", async () => {
    const { key } = await stored(0);
    assert.equal((await done("size", key)).bytes, 0);
    assert.equal((await opened(key)).length, 0);
  });

  it("takes no other key than two UUIDs", async () => {
    const { key, source } = await stored();
    const others = ["", "x", userOf(key), `${userOf(key)}/`, `${userOf(key)}/../x`, `/${key}`,
      `${key}/x`, `${key}?x`, `../fynq/${key}`];
    for (const other of others) {
      await away("put", other, source, "image/png");
      await away("open", other, file());
      await away("remove", other);
      await away("link", other, "x", 60);
    }
    await away("remove-user", `${userOf(key)}/`);
    await away("remove-user", "");
    assert.deepEqual((await fake.objects(userOf(key))).map(({ name }) => name), [key]);
  });

  it("removes all that a user has, and nothing of others, whatever there is", async () => {
    const user = randomUUID();
    const other = await stored();
    // More than a page, and one that fynq has not put there.
    const names = [...Array.from({ length: 250 }, () => newKey(user)), `${user}/a/b`];
    await putAll(names, "x");
    await done("remove-user", user);
    assert.deepEqual(await fake.objects(user), []);
    assert.equal((await fake.objects(userOf(other.key))).length, 1);
    await done("remove-user", user);
  });

  it("lists all objects, with their sizes and times, over many pages", async () => {
    const user = randomUUID();
    const names = Array.from({ length: 450 }, () => newKey(user)).sort();
    await putAll(names, "four");
    await fake.put(`${user}/not-ours`, Buffer.from("x"));
    await fake.put("nobody.txt", Buffer.from("x"));
    const { objects } = await done("list");
    assert.deepEqual(objects.map(([name]) => name).filter((name) => name.startsWith(user)), names);
    assert.ok(!objects.some(([name]) => name === "nobody.txt"));
    const now = Date.now() / 1000;
    for (const [name, bytes, at] of objects) {
      if (!name.startsWith(user)) continue;
      assert.equal(bytes, 4);
      assert.ok(at > now - 600 && at <= now + 1, `${at}`);
    }
  });

  it("signs links for anyone, which end, and save under a name", async () => {
    const { key, bytes } = await stored();
    const name = 'Größe "x"; a&b=c?.png';
    const { url } = await done("link", key, name, 60);
    assert.ok(url.startsWith(`${fake.url}/object/sign/fynq/${key}?token=`), url);
    const answer = await fake.get(url);
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.bytes, bytes);
    const encoded = encodeURIComponent(name);
    assert.equal(answer.headers["content-disposition"],
      `attachment; filename=${encoded}; filename*=UTF-8''${encoded}`);
    const short = (await done("link", key, "", 1)).url;
    await waitUntil(async () => (await fake.get(short)).status === 400);
  });
});

describe("alone in the store", () => {
  it("makes its bucket where there is none", async () => {
    const { key, source } = await stored();
    await fake.ask("POST", "/bucket/fynq/empty", { body: {} });
    await fake.ask("DELETE", "/bucket/fynq", { body: {} });
    for (const args of [["open", key, file()], ["size", key]]) await missing(...args);
    await done("remove", key);
    await done("remove-user", userOf(key));
    assert.deepEqual((await done("list")).objects, []);
    // Both find none, and one of them is the first to make it.
    await Promise.all([key, newKey()].map((one) => done("put", one, source, "image/png")));
    assert.equal((await fake.ask("GET", "/bucket/fynq")).json.public, false);
  });

  it("stores nothing in a bucket that is public", async () => {
    const { key, source } = await stored();
    const other = newKey();
    const open = (isPublic) => fake.ask("PUT", "/bucket/fynq", { body: { public: isPublic } });
    await open(true);
    await away("put", other, source, "image/png");
    assert.deepEqual(await fake.objects(userOf(other)), []);
    const { code, stderr } = await own.fynqctl(["storage", "verify", "--quick"]);
    await open(false);
    assert.notEqual(code, 0);
    assert.match(stderr, /FYNQ_STORAGE_BUCKET is public/);
    await done("put", other, source, "image/png");
    await done("remove", key);
  });

  it("holds no file in memory", async () => {
    const [small, large] = [file(), file()];
    await writeFile(small, "x");
    await (await open(large, "w")).close();
    await truncate(large, 64 * MB);
    const key = newKey();
    const before = (await done("put", newKey(), small, "text/plain")).memory;
    const put = (await done("put", key, large, "video/mp4")).memory;
    const got = (await done("fetch", key, 0, 64 * MB, file())).memory;
    const spooled = (await done("open", key, file())).memory;
    for (const memory of [put, got, spooled]) {
      assert.ok(memory - before < 8192, `${memory - before} kB more`);
    }
    await done("remove", key);
  });
});

/** What the log says since `began`, as one text. */
async function said(began) {
  const lines = await own.log(({ time, event }) => event === "storage" && time >= began);
  return lines.map(({ message }) => message).join("\n");
}

describe("failures of the store", () => {
  const anything = ["status", "too_many", "database_timeout", "locked", "denied", "wrong_key",
    "no_route", "bad_gateway", "unavailable", "html_404", "elsewhere", "silence"];
  const json = ["truncated", "rubbish", "empty", "null_body", "html_ok", "huge"];
  const parts = [["cut_download", 1000], ["ends_early", 1000], ["stall_download", 1000]];
  const after = ["gateway_timeout", "status_done", "silence_done"];

  it("put: nothing is there that is not whole", async () => {
    const source = file();
    await writeFile(source, randomBytes(MB));
    const undone = [...anything, "no_key"].map((named) => [named]);
    for (const [named, more] of [...undone, ["stall_upload", { bytes: 1000 }],
      ["cut_upload", { bytes: 1000, times: 2 }], ["cut_before", { times: 2 }]]) {
      const key = newKey();
      await fake.fail(key, named, { route: "POST /object", ...more });
      await awayFor(named, "put", key, source, "image/png");
      assert.deepEqual(await fake.objects(userOf(key)), [], named);
      await done("put", key, source, "image/png");
    }
    for (const named of ["too_large", "restricted"]) {
      const key = newKey();
      await fake.fail(key, named);
      await fails(507, "insufficient_storage", "put", key, source, "image/png");
    }
  });

  it("put: what may have been done is not taken for done", async () => {
    const source = file();
    await writeFile(source, randomBytes(1000));
    for (const named of [...after, ...json, "bare", "array"]) {
      const key = newKey();
      await fake.fail(key, named, { route: "POST /object" });
      await awayFor(named, "put", key, source, "image/png");
      await done("put", key, source, "image/png");
    }
  });

  it("put: a file that is shorter than was said is not stored", async () => {
    const key = newKey();
    const source = file();
    await writeFile(source, randomBytes(8 * MB));
    await fake.fail(key, "slow");
    await fake.set({ file_size_limit: 8 * MB - 1 });
    try {
      await fails(507, "insufficient_storage", "put", key, source, "image/png");
    } finally {
      await fake.set({ file_size_limit: 5e10 });
    }
    assert.deepEqual(await fake.objects(userOf(key)), []);
  });

  it("a connection that breaks is made once more, an answer that was lost is asked for again",
    async () => {
      for (const [named, more] of [["cut_before"], ["cut_upload", { bytes: 1000 }], ["cut_after"]]) {
        const { key, bytes, source } = await stored(MB);
        await fake.fail(key, named, more);
        await done("put", key, source, "image/png");
        assert.deepEqual(await fake.read(key), bytes, named);
      }
      const { key, bytes } = await stored();
      const calls = [["size", key], ["link", key, "x", 60], ["open", key, file()],
        ["fetch", key, 0, 10, file()]];
      for (const call of calls) {
        await fake.fail(key, "cut_before");
        await done(...call);
      }
      await fake.fail(key, "cut_download", { bytes: 0 });
      assert.deepEqual(await opened(key), bytes);
      await fake.fail(key, "cut_after");
      await done("remove", key);
      assert.deepEqual(await fake.objects(userOf(key)), []);
    });

  it("size, link: no answer but the true one", async () => {
    const { key } = await stored();
    for (const call of [["size", key], ["link", key, "x", 60]]) {
      for (const named of [...anything, ...json, "bare", "array"]) {
        await fake.fail(key, named);
        await awayFor(named, ...call);
      }
      await done(...call);
    }
    await fake.fail(key, "no_key");
    await missing("size", key);
  });

  it("remove: what fails is told, and may be repeated", async () => {
    const { key } = await stored();
    for (const named of [...anything, ...json, "bare", ...after]) {
      await fake.fail(key, named, { route: "DELETE /object" });
      await awayFor(named, "remove", key);
      await fake.put(key, Buffer.from("x"));
    }
    await done("remove", key);
  });

  it("open, fetch: what comes is whole and is what was asked for, or it is a failure", async () => {
    const { key, bytes } = await stored(300000);
    const calls = [["open", key, file()], ["fetch", key, 1000, 200000, file()]];
    for (const call of calls) {
      for (const named of anything) {
        await fake.fail(key, named);
        await awayFor(named, ...call);
      }
      for (const [named, n] of parts) {
        await fake.fail(key, named, { bytes: n, times: 2 });
        await awayFor(named, ...call);
        await fake.heal(key);
      }
    }
    for (const named of ["short_range", "other_range", "empty", "html_ok"]) {
      await fake.fail(key, named);
      await awayFor(named, "fetch", key, 1000, 200000, file());
    }
    await fake.fail(key, "ignore_range");
    assert.deepEqual(await fetched(key, 1000, 200000), bytes.subarray(1000, 201000));
    await fake.fail(key, "slow", { bytes: 100000, delay_ms: 10 });
    assert.deepEqual(await opened(key), bytes);
    await away("fetch", key, 299999, 2, file());
  });

  it("list, remove-user: no page is left out, and none for ever", async () => {
    const { key } = await stored();
    const user = userOf(key);
    for (const named of [...anything, ...json, "bare", "array"]) {
      for (const call of [["list"], ["remove-user", user]]) {
        await fake.fail("list-v2", named);
        await awayFor(named, ...call);
        assert.equal((await fake.objects(user)).length, 1, named);
      }
    }
    await fake.fail(user, "status", { route: "DELETE /object" });
    await away("remove-user", user);
    await done("remove-user", user);
  });

  it("the log names the setting, and tells no secret", async () => {
    const { key, source } = await stored();
    for (const [named, words] of [["denied", "FYNQ_SUPABASE_SECRET_KEY"],
      ["wrong_key", "FYNQ_SUPABASE_SECRET_KEY"], ["no_route", "FYNQ_SUPABASE_URL"],
      ["too_large", "limits of the bucket"], ["restricted", "quota"]]) {
      const began = new Date().toISOString();
      await fake.fail(key, named);
      await store("put", key, source, "image/png");
      assert.ok((await said(began)).includes(words), `${named}: ${await said(began)}`);
    }
    const { url } = await done("link", key, "x", 60);
    const logs = await readFile(path.join(own.state, "log/fynq.log"), "utf8");
    for (const secret of [fake.secret, fake.secret.slice(10, 40), url.split("token=")[1],
      "Bearer"]) {
      assert.ok(!logs.includes(secret), secret.slice(0, 10));
    }
  });
});

/** POST /chat/image as a form. */
function show(token, texts = {}) {
  const sent = form({ ...texts, image: filePart(picture, "sheet.png", "image/png") });
  return own.api("POST", "/chat/image", { token, body: sent.body, headers: sent.headers });
}

async function shown(student, texts) {
  const { status, json, text } = await show(student.token, texts);
  assert.equal(status, 201, text);
  const id = /files\/([0-9a-f-]{36})\//.exec(json.message.image_url)[1];
  return { ...json, id, key: `${student.id}/${id}` };
}

/** An answer's body as it comes: {status, bytes, json, broken}. */
async function get(target, token, headers = {}) {
  const request = http.get(`${own.url}/api/v1${target}`, {
    headers: { authorization: `Bearer ${token}`, ...headers }, agent: false,
  });
  const response = await new Promise((resolve, reject) => {
    request.on("response", resolve).on("error", reject);
  });
  const chunks = [];
  let broken = false;
  try {
    for await (const chunk of response) chunks.push(chunk);
  } catch {
    broken = true;
  }
  const bytes = Buffer.concat(chunks);
  const isProblem = response.headers["content-type"] === "application/problem+json";
  return { status: response.statusCode, headers: response.headers, bytes, broken,
    json: isProblem ? JSON.parse(bytes) : undefined };
}

describe("the service", { concurrency: 2 }, () => {
  it("keeps pictures of chats there, shows them again, and removes them", async () => {
    const student = await own.register();
    const word = `word ${randomUUID()}`;
    const { chat_id: chat, id, key } = await shown(student, { content: word });
    assert.deepEqual((await fake.objects(student.id)).map(({ name }) => name), [key]);
    assert.deepEqual(await readdir(path.join(own.state, "files", "objects")).catch(() => []), []);
    const { bytes, status } = await get(`/files/${id}/content`, student.token);
    assert.equal(status, 200);
    assert.deepEqual(bytes, await fake.read(key));
    const part = await get(`/files/${id}/content`, student.token, { range: "bytes=10-19" });
    assert.equal(part.status, 206);
    assert.deepEqual(part.bytes, bytes.subarray(10, 20));

    // Another process has it from the store.
    const again = `again ${randomUUID()}`;
    await own.gemini.script(again, [{ text: ["I see it."] }, { end: "finish" }]);
    const { status: asked } = await own.cgi("chat", "POST", "/api/v1/chat/message", {
      token: student.token, body: { chat_id: chat, content: again } });
    assert.equal(asked, 201);
    const sent = JSON.stringify((await own.gemini.calls(again)).at(-1).request);
    assert.ok(sent.includes(bytes.toString("base64")), "the picture is shown");

    const gone = await own.api("DELETE", `/chats/${chat}`, { token: student.token });
    assert.equal(gone.status, 204, gone.text);
    assert.deepEqual(await fake.objects(student.id), []);
  });

  it("puts files into an export, and erases them with their user", async () => {
    const student = await own.register();
    const other = await own.register();
    const { key } = await shown(student);
    await shown(other);
    await fake.put(newKey(student.id), Buffer.from("of no row"));
    const wanted = await fake.read(key);
    const files = await unzip((await download(student.token, own)).body);
    assert.ok(Object.values(files).some((bytes) => bytes.equals(wanted)), "the file is there");
    const erased = await own.api("DELETE", "/users/me", { token: student.token });
    assert.ok(erased.status < 300, erased.text);
    await waitUntil(async () => (await fake.objects(student.id)).length === 0);
    assert.equal((await fake.objects(other.id)).length, 1);
  });

  it("a put that fails: a clear problem, no row, no object", async () => {
    for (const [named, more, status, code] of [
      ["status", {}, 503, "storage_unavailable"], ["denied", {}, 503, "storage_unavailable"],
      ["silence", {}, 503, "storage_unavailable"], ["html_ok", {}, 503, "storage_unavailable"],
      ["cut_upload", { bytes: 10, times: null }, 503, "storage_unavailable"],
      ["restricted", {}, 507, "insufficient_storage"],
    ]) {
      const student = await own.register();
      await fake.fail(student.id, named, { route: "POST /object", ...more });
      const answer = await show(student.token);
      assertProblem(answer, status, code);
      assert.ok(!/supabase|bucket|sb_/i.test(answer.text), answer.text);
      assert.deepEqual(await fake.objects(student.id), [], named);
      assert.deepEqual(await own.db.query("select id from files where user_id = $1",
        [student.id]), [], named);
      await fake.heal(student.id);
      await shown(student);
    }
  });

  it("a put whose answer never comes: no row; what is there is for gc", async () => {
    const student = await own.register();
    await fake.fail(student.id, "silence_done", { route: "POST /object" });
    assertProblem(await show(student.token), 503, "storage_unavailable");
    assert.deepEqual(await own.db.query("select id from files where user_id = $1",
      [student.id]), []);
    await shown(student);
  });

  it("a download that fails: a problem before its first byte, a broken connection after",
    async () => {
      const student = await own.register();
      const { id, key } = await shown(student);
      const bytes = randomBytes(4 * MB);
      await fake.put(key, bytes);
      await own.db.run("update files set bytes = $1 where id = $2", [bytes.length, id]);
      const target = `/files/${id}/content`;
      assert.deepEqual((await get(target, student.token)).bytes, bytes);
      for (const named of ["status", "denied", "silence", "other_range", "html_404"]) {
        await fake.fail(key, named, { route: "GET /object" });
        const { status, json, headers } = await get(target, student.token);
        assert.equal(status, 503, named);
        assert.equal(json.code, "storage_unavailable");
        assert.equal(headers.etag, undefined);
        assert.equal(headers["content-disposition"], undefined);
      }
      for (const named of ["cut_download", "ends_early", "stall_download"]) {
        await fake.fail(key, named, { bytes: 3 * MB, route: "GET /object" });
        const { status, broken, bytes: some } = await get(target, student.token);
        assert.equal(status, 200);
        assert.ok(broken, named);
        assert.ok(some.length < bytes.length && bytes.subarray(0, some.length).equals(some));
      }
      await fake.remove(key);
      const { status, json } = await get(target, student.token);
      assert.deepEqual([status, json.code], [404, "not_found"]);
    });

  it("an erasure that fails is finished later", async () => {
    const student = await own.register();
    await shown(student);
    await fake.fail(student.id, "status", { route: "DELETE /object" });
    await own.api("DELETE", "/users/me", { token: student.token });
    const upkeep = async () => {
      await own.fynqctl(["upkeep"]);
      return (await fake.objects(student.id)).length === 0;
    };
    await waitUntil(upkeep);
  });
});
