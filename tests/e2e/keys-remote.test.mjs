// Access tokens whose keys another issuer publishes, as Supabase Auth does. Each request is a process
// of its own, so whatever they know of one another stands in FYNQ_RUN_DIR.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";

import { cgi, register, stack, waitUntil } from "./lib/fynq.mjs";
import { makeKey, makeSecret, Publisher } from "./lib/jwks.mjs";
import { assertProblem } from "./lib/problem.mjs";
import { claimsOf, jwtSecret, sign } from "./lib/tokens.mjs";

const one = makeKey("ES256", "one");
const two = makeKey("EdDSA", "two");
const rsa = makeKey("RS256", "three / \"of\" them");
const secret = makeSecret("hmac");
const cleanups = [];

let claims;

before(async () => {
  claims = claimsOf((await register()).token);
});

after(async () => {
  for (const clean of cleanups) await clean();
});

/** A host: its folder, its issuer, and what a request with a token is answered there. */
async function host(...keys) {
  const publisher = await Publisher.start(...keys);
  const folder = await mkdtemp(path.join(tmpdir(), "fynq-keys-"));
  cleanups.push(() => publisher.stop(), () => rm(folder, { recursive: true }));
  const file = path.join(folder, "jwks.json");
  const settings = {
    FYNQ_AUTH: "supabase",
    FYNQ_SUPABASE_URL: publisher.url,
    FYNQ_SUPABASE_KEY: "sb_publishable_of_a_test",
    FYNQ_SUPABASE_SECRET_KEY: "sb_secret_of_a_test",
    FYNQ_RUN_DIR: folder,
    FYNQ_JWT_ISSUER: `${publisher.url}/auth/v1`,
  };
  const mine = { ...claims, iss: settings.FYNQ_JWT_ISSUER };
  const call = async (program, target, token, environment = {}) => {
    const answer = await cgi(program, "GET", target, {
      token,
      environment: { ...settings, ...environment },
    });
    assert.equal(answer.code, 0, answer.stderr);
    return answer;
  };
  return {
    publisher,
    file,
    claims: mine,
    get: (key, environment) =>
      call("users", "/api/v1/users/me", typeof key === "string" ? key : key.token(mine), environment),
    jwks: () => call("auth", "/api/v1/auth/.well-known/jwks.json"),
    stored: async () => JSON.parse(await readFile(file, "utf8")),
    /** What was fetched, and tried, was so many seconds earlier. */
    age: async (seconds) => {
      const stored = JSON.parse(await readFile(file, "utf8"));
      stored.fetched_at -= seconds;
      stored.tried_at -= seconds;
      await writeFile(file, JSON.stringify(stored));
    },
  };
}

describe("keys that are published", { concurrency: 2 }, () => {
  it("every algorithm by its key, and never by a symmetric one", async () => {
    const { publisher, get, jwks, claims: mine } = await host(one, secret, rsa, two);
    for (const key of [one, two, rsa]) assert.equal((await get(key)).status, 200, key.alg);
    assertProblem(await get(secret), 401, "unauthorized");
    assertProblem(await get(one.token(mine, { kid: "two" })), 401, "unauthorized");
    assertProblem(await get(one.token(mine, { kid: undefined })), 401, "unauthorized");
    assertProblem(await get(one.token({ ...mine, iss: "fynq" })), 401, "unauthorized");
    assert.equal(publisher.hits, 1);

    const { status, headers, json } = await jwks();
    assert.equal(status, 200);
    assert.equal(headers.get("cache-control"), "public, max-age=600");
    const sort = (keys) => keys.map((key) => JSON.stringify(Object.entries(key).sort())).sort();
    assert.deepEqual(sort(json.keys), sort([one, two, rsa].map(({ jwk }) => jwk)));
    assert.equal(publisher.hits, 1);
  });

  it("a secret of the settings is good beside them, and needs none of them", async () => {
    const { publisher, get, claims: mine } = await host(one);
    const token = sign({ alg: "HS256", typ: "JWT" }, mine, jwtSecret(stack));
    assert.equal((await get(token)).status, 200);
    assert.equal(publisher.hits, 0);
    const named = (kid) => sign({ alg: "HS256", kid }, mine, jwtSecret(stack));
    assert.equal((await get(named("old"))).status, 200);
    assertProblem(await get(named("one")), 401, "unauthorized");
  });

  it("they are kept for max-age, and one that is withdrawn then goes", async () => {
    const { publisher, get, age, stored } = await host(one, two);
    publisher.headers = { "cache-control": "max-age=3000" };
    await get(one);
    await age(2990);
    assert.equal((await get(two)).status, 200);
    assert.equal(publisher.hits, 1);
    publisher.keys = [two];
    await age(20);
    assert.equal((await get(one)).status, 200); // Nobody waits for the fetch ...
    assert.equal(publisher.hits, 2); // ... which comes after the answer.
    assertProblem(await get(one), 401, "unauthorized");
    assert.equal((await get(two)).status, 200);
    assert.equal(publisher.hits, 2);
    for (const [said, kept] of [["max-age=1", 60], ["max-age=9999999", 86400], ["no-store", 600]]) {
      publisher.headers = { "cache-control": said };
      await age(100_000);
      await get(two);
      assert.equal((await stored()).max_age, kept, said);
    }
  });

  it("an unknown key has them fetched, once a minute on a host", async () => {
    const { publisher, get, age } = await host(one);
    await get(one);
    publisher.keys = [one, two];
    assertProblem(await get(two), 401, "unauthorized");
    assert.equal(publisher.hits, 1);
    await age(61);
    const answers = await Promise.all(Array.from({ length: 6 }, () => get(two)));
    assert.deepEqual(answers.map(({ status }) => status), Array(6).fill(200));
    assert.equal(publisher.hits, 2);
    await age(61);
    const unknown = Array.from({ length: 6 }, () => makeKey("EdDSA", randomUUID()));
    for (const answer of await Promise.all(unknown.map((key) => get(key)))) {
      assertProblem(answer, 401, "unauthorized");
    }
    assert.equal(publisher.hits, 3);
  });

  it("six processes at once have them fetched once", async () => {
    const { publisher, get } = await host(one);
    publisher.holding = true;
    const answers = Array.from({ length: 6 }, () => get(one));
    await waitUntil(() => publisher.hits > 0);
    publisher.release();
    for (const { status } of await Promise.all(answers)) assert.equal(status, 200);
    assert.equal(publisher.hits, 1);
  });
});

const rubbish = {
  "status 500": { status: 500, body: "" },
  "status 204": { status: 204, body: "" },
  "a redirect": { status: 302, body: JSON.stringify({ keys: [] }) },
  "no JSON": { status: 200, body: "<html>" },
  "a list": { status: 200, body: "[]" },
  "no keys": { status: 200, body: "{}" },
  "keys that are none": { status: 200, body: '{"keys":"many"}' },
  "two members keys": { status: 200, body: '{"keys":[],"keys":[]}' },
  "33 keys": { status: 200, body: JSON.stringify({ keys: Array(33).fill(one.jwk) }) },
  "100 KB": { status: 200, body: JSON.stringify({ keys: [], x: "x".repeat(100_000) }) },
};

describe("when none come", { concurrency: 2 }, () => {
  for (const [name, answer] of Object.entries(rubbish)) {
    it(`${name}: the last ones hold, and without any it is 503`, async () => {
      const { publisher, get, age, stored, file } = await host(one);
      await get(one);
      publisher.answer = answer;
      await age(700);
      assert.equal((await get(one)).status, 200);
      assert.equal(publisher.hits, 2);
      assert.equal((await get(one)).status, 200);
      assertProblem(await get(two), 401, "unauthorized");
      assert.equal(publisher.hits, 2);
      assert.deepEqual((await stored()).keys.map(({ kid }) => kid), ["one"]);

      await rm(file);
      const refused = await get(one);
      assertProblem(refused, 503, "accounts_unavailable");
      assert.match(refused.headers.get("retry-after"), /^\d+$/);
      assert.equal(refused.headers.get("www-authenticate"), null);
      assertProblem(await get(one), 503, "accounts_unavailable");
      assert.equal(publisher.hits, 3); // Not again within five seconds.
      publisher.answer = null;
      await age(5);
      assert.equal((await get(one)).status, 200);
    });
  }

  it("nobody listens: the same", async () => {
    const { publisher, get, age, jwks, file } = await host(one);
    await get(one);
    await publisher.stop();
    await age(700);
    for (let i = 0; i < 2; i++) assert.equal((await get(one)).status, 200);
    assertProblem(await get(two), 401, "unauthorized");
    assert.equal((await jwks()).json.keys.length, 1);
    await rm(file);
    assertProblem(await get(one), 503, "accounts_unavailable");
    assertProblem(await jwks(), 503, "accounts_unavailable");
  });

  it("no keys at all are keys, too: there is nothing to wait for", async () => {
    const { publisher, get, jwks } = await host();
    assertProblem(await get(one), 401, "unauthorized");
    assert.deepEqual((await jwks()).json, { keys: [] });
    assert.equal(publisher.hits, 1);
  });
});

describe("the file that a host shares", () => {
  it("is of no use to another project, nor when others may write it", async () => {
    const { get, publisher, file } = await host(one);
    const other = await host(two);
    await get(one);
    await writeFile(other.file, await readFile(file));
    assertProblem(await other.get(one), 401, "unauthorized");
    assert.equal(other.publisher.hits, 1);
    await chmod(file, 0o666);
    assert.equal((await get(one)).status, 200);
    assert.equal(publisher.hits, 2);
    await writeFile(file, "{");
    assert.equal((await get(one)).status, 200);
    assert.equal(publisher.hits, 3);
  });

  it("without a folder to write it to, every process asks for itself", async () => {
    const { get, publisher } = await host(one);
    for (let i = 1; i <= 2; i++) {
      assert.equal((await get(one, { FYNQ_RUN_DIR: "/nonexistent" })).status, 200);
      assert.equal(publisher.hits, i);
    }
  });
});
