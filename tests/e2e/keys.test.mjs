// The keys of access tokens while the service runs: from a secret to keys, from one key to the next,
// a stolen one, and keys that another issuer publishes.

import assert from "node:assert/strict";
import { createPublicKey, randomUUID, verify } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";

import { startStack, waitUntil } from "./lib/fynq.mjs";
import { makeKey, Publisher } from "./lib/jwks.mjs";
import { assertProblem } from "./lib/problem.mjs";
import { claimsOf } from "./lib/tokens.mjs";

let own;
let folder;
let student;

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "fynq-keys-"));
  own = await startStack({ settings: { FYNQ_JWT_KEYS_DIR: folder, FYNQ_ACCOUNT_CHECK_SECONDS: 0 } });
  student = await own.register();
});

after(async () => {
  await own?.stop();
  await rm(folder, { recursive: true });
});

const headerOf = (token) => JSON.parse(Buffer.from(token.split(".")[0], "base64url"));
const get = (token) => own.api("GET", "/users/me", { token });
const jwks = () => own.api("GET", "/auth/.well-known/jwks.json");

async function login() {
  const { email, password } = student;
  const { status, json } = await own.api("POST", "/auth/login", { body: { email, password } });
  assert.equal(status, 200);
  return json.access_token;
}

/** The answers of several requests, so that every process of the pool is asked. */
const ask = (token) => Promise.all(Array.from({ length: 8 }, () => get(token)));
const assertGood = async (token) =>
  assert.deepEqual((await ask(token)).map(({ status }) => status), Array(8).fill(200));

/** Until all processes sign with the key; resolves with a token of it. */
const signsWith = (kid) =>
  waitUntil(async () => {
    const tokens = await Promise.all(Array.from({ length: 6 }, login));
    return tokens.every((token) => headerOf(token).kid === kid) && tokens[0];
  }, { what: `tokens by ${kid}` });

/** Until all processes publish so many keys. */
const publishes = (n) =>
  waitUntil(async () => {
    const sets = await Promise.all(Array.from({ length: 6 }, jwks));
    return sets.every(({ json }) => json.keys.length === n);
  }, { what: `${n} keys` });

async function fynqctl(...args) {
  const { code, stdout, stderr } = await own.fynqctl(["keys", ...args]);
  assert.equal(code, 0, stderr);
  return stdout;
}

/** What `fynqctl keys list` says of each key: {kid: state}. */
async function states() {
  const [, ...lines] = (await fynqctl("list")).trim().split("\n");
  return Object.fromEntries(lines.map((line) => {
    const [kid, , , state] = line.split(/\s+/);
    return [kid, state];
  }));
}

function assertSigned(token, keys) {
  const [header, claims, signature] = token.split(".");
  const jwk = keys.find(({ kid }) => kid === headerOf(token).kid);
  const key = createPublicKey({ key: jwk, format: "jwk" });
  const signed = Buffer.from(`${header}.${claims}`);
  const hash = jwk.alg === "EdDSA" ? null : "sha256";
  assert.ok(verify(hash, signed, { key, dsaEncoding: "ieee-p1363" },
    Buffer.from(signature, "base64url")));
}

describe("keys of one's own", () => {
  let bySecret;
  let byFirst;
  let first;
  let second;

  it("with a secret alone there is none to publish", async () => {
    bySecret = student.token;
    assert.deepEqual(headerOf(bySecret), { alg: "HS256", typ: "JWT" });
    const { status, json, headers } = await jwks();
    assert.equal(status, 200);
    assert.deepEqual(json, { keys: [] });
    assert.equal(headers.get("cache-control"), "public, max-age=600");
  });

  it("the first key signs, and what the secret signed stays good", async () => {
    first = (await fynqctl("new")).trim();
    assert.equal((await stat(path.join(folder, `${first}.pem`))).mode & 0o777, 0o600);
    byFirst = await signsWith(first);
    assert.deepEqual(headerOf(byFirst), { alg: "ES256", typ: "JWT", kid: first });
    await assertGood(byFirst);
    await assertGood(bySecret);
    assertSigned(byFirst, (await jwks()).json.keys);
    assert.deepEqual(await states(), { [first]: "signing" });
  });

  it("once the secret is unset only the key counts", async () => {
    const settings = (await readFile(own.config, "utf8"))
      .replace(/^FYNQ_JWT_SECRET.*$/m, "");
    const file = path.join(folder, "no-secret.conf");
    await writeFile(file, settings);
    const call = (token) => own.cgi("users", "GET", "/api/v1/users/me", {
      token,
      environment: { FYNQ_CONFIG: file },
    });
    assert.equal((await call(byFirst)).status, 200);
    assertProblem(await call(bySecret), 401, "unauthorized");
    await rm(file);
  });

  it("the next key is published before it signs", async () => {
    second = (await fynqctl("new", "--alg", "EdDSA")).trim();
    assert.deepEqual(await states(), { [first]: "signing", [second]: "next" });
    await publishes(2);
    assert.deepEqual((await jwks()).json.keys.map(({ alg }) => alg).sort(), ["ES256", "EdDSA"]);
    await signsWith(first);

    const before = Date.now() / 1000 - 601;
    await utimes(path.join(folder, `${second}.pem`), before, before);
    await utimes(path.join(folder, `${first}.pem`), before - 10, before - 10);
    const token = await signsWith(second);
    assertSigned(token, (await jwks()).json.keys);
    await assertGood(token);
    await assertGood(byFirst);
    assert.deepEqual(await states(), { [first]: "verifying", [second]: "signing" });
  });

  it("retired, a key verifies on; the last one cannot be", async () => {
    await fynqctl("retire", first);
    assert.deepEqual(await states(), { [first]: "retired", [second]: "signing" });
    await signsWith(second);
    await assertGood(byFirst);
    for (const kid of [second, first, "unknown", "../x", ""]) {
      const { code, stderr } = await own.fynqctl(["keys", "retire", kid]);
      assert.equal(code, 1, stderr);
      assert.match(stderr, /^fynqctl: keys: /);
    }
    await publishes(2);
  });

  it("a stolen key is taken away at once, and its tokens with it", async () => {
    await assertGood(byFirst); // Every process remembers it.
    await fynqctl("retire", first, "--now");
    await waitUntil(async () => (await ask(byFirst)).every(({ status }) => status === 401));
    assertProblem(await get(byFirst), 401, "unauthorized");
    await assertGood(await login());
    await publishes(1);
    assert.deepEqual(await readdir(folder), [`${second}.pem`]);
  });

  it("what is called wrongly does nothing", async () => {
    const wrong = [[], ["new", "--alg", "HS256"], ["new", "--alg", "none"], ["new", "--alg"],
      ["retire"], ["retire", second, "now"], ["list", "all"]];
    for (const args of wrong) {
      assert.equal((await own.fynqctl(["keys", ...args])).code, 64, args.join(" "));
    }
    const unset = { FYNQ_JWT_KEYS_DIR: "" };
    assert.equal((await own.fynqctl(["keys", "list"], unset)).code, 78);
    assert.deepEqual(await states(), { [second]: "signing" });
  });

  it("a file that is no key keeps a process from starting, not one that runs", async () => {
    const file = path.join(folder, "broken.pem");
    await writeFile(file, "-----BEGIN", { mode: 0o600 });
    await assertGood(await login());
    const { code, stderr } = await own.fynqctl(["config", "check"]);
    assert.equal(code, 78);
    assert.match(stderr, /broken\.pem/);
    await rm(file);
    assert.equal((await own.fynqctl(["config", "check"])).code, 0);
  });
});

describe("keys that are published elsewhere", () => {
  const one = makeKey("ES256", "one");
  const two = makeKey("RS256", "two");
  let publisher;
  let claims;

  before(async () => {
    publisher = await Publisher.start(one);
    claims = { ...claimsOf(student.token), iss: `${publisher.url}/auth/v1` };
    const settings = {
      FYNQ_AUTH: "supabase",
      FYNQ_SUPABASE_URL: publisher.url,
      FYNQ_SUPABASE_KEY: "sb_publishable_of_a_test",
      FYNQ_SUPABASE_SECRET_KEY: "sb_secret_of_a_test",
      FYNQ_JWT_ISSUER: claims.iss,
    };
    const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
    await writeFile(own.config, lines.join("") + (await readFile(own.config, "utf8")));
    const { code, stderr } = await own.fynqctl(["restart"]);
    assert.equal(code, 0, stderr);
  });

  after(() => publisher?.stop());

  it("who needs them first has them fetched, once for all", async () => {
    publisher.holding = true;
    const answers = ask(one.token(claims));
    await waitUntil(() => publisher.hits > 0);
    publisher.release();
    assert.deepEqual((await answers).map(({ status }) => status), Array(8).fill(200));
    assert.equal(publisher.hits, 1);
    assert.deepEqual((await jwks()).json.keys.map(({ kid }) => kid), ["one"]);
    assert.equal(publisher.hits, 1);
  });

  it("keys that nobody knows are no way to have them fetched all the time", async () => {
    publisher.keys = [one, two];
    const unknown = Array.from({ length: 20 }, () => makeKey("EdDSA", randomUUID()).token(claims));
    for (const answer of await Promise.all([two.token(claims), ...unknown].map(get))) {
      assertProblem(answer, 401, "unauthorized");
    }
    assert.equal(publisher.hits, 1);
  });

  it("a minute later a new one is found by every process", async () => {
    const file = path.join(own.state, "run/jwks.json");
    const stored = JSON.parse(await readFile(file, "utf8"));
    stored.tried_at -= 61;
    stored.fetched_at -= 61;
    await writeFile(file, JSON.stringify(stored));
    // The processes remember the minute, too; those that start now know of it from the file alone.
    assert.equal((await own.fynqctl(["restart", "users"])).code, 0);
    publisher.holding = true;
    const answers = ask(two.token(claims));
    await waitUntil(() => publisher.hits > 1);
    assert.equal((await get(one.token(claims))).status, 200); // The others go on meanwhile.
    publisher.release();
    // Not all threads may wait for a key: the rest says so, and never that the token is bad.
    const statuses = new Set((await answers).map(({ status }) => status));
    assert.ok(statuses.delete(200));
    statuses.delete(503);
    assert.deepEqual([...statuses], []);
    await assertGood(two.token(claims));
    assert.equal(publisher.hits, 2);
  });

  it("and while nobody answers the service goes on", async () => {
    await publisher.stop();
    await assertGood(two.token({ ...claims, nonce: randomUUID() }));
    assert.equal((await own.fynqctl(["restart", "users"])).code, 0);
    await assertGood(one.token({ ...claims, nonce: randomUUID() }));
  });
});
