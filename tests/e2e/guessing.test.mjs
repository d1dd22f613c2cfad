// How often one may guess: a stack whose FYNQ_ATTEMPTS is on, as it is by default.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";

import { startStack, waitUntil } from "./lib/fynq.mjs";
import { assertProblem, assertRetryAfter } from "./lib/problem.mjs";

const FREE = 5; // At one account from one address; 10 at it from all, 50 from an address at all.
const WRONG = "incorrect horse battery";

let stack;
let addresses = 1;

before(async () => {
  stack = await startStack({
    settings: { FYNQ_ATTEMPTS: "on", FYNQ_PROCESSES: 2, FYNQ_BCRYPT_COST: 4 },
  });
});
after(() => stack?.stop());

const post = (path, body, from, more = {}) =>
  stack.api("POST", path, { body, from, ...more });
const login = ({ email, password }, from, more) =>
  post("/auth/login", { email, password }, from, more);
const guess = ({ email }, from, more) => login({ email, password: WRONG }, from, more);

/** An address that no other test has. */
const elsewhere = () => `127.0.${(addresses += 1) >> 8}.${addresses & 255}`;

/** A student who has never signed in from where the test guesses. */
async function student() {
  const body = { email: `${randomUUID()}@example.com`, password: "correct horse battery",
    birth_date: "2000-01-31" };
  const answer = await post("/auth/register", body, elsewhere());
  assert.equal(answer.status, 201, answer.text);
  return { ...body, id: answer.json.user.id };
}

const statuses = (answers) => answers.map(({ status }) => status);
const many = (n, ask) => Promise.all(Array.from({ length: n }, (_, i) => ask(i)));
const count = (answers, status) => answers.filter((answer) => answer.status === status).length;

/** Time passes for whoever has tried: seconds that nobody waits for. */
const pass = (seconds) =>
  stack.db.run(
    `update fynq.attempts set counted_at = counted_at - make_interval(secs => $1),
       next_at = next_at - make_interval(secs => $1),
       known_until = known_until - make_interval(secs => $1),
       forget_at = forget_at - make_interval(secs => $1)`,
    [seconds],
  );

/**
 * Guesses until the next one must wait 64 s, which is longer than a test takes. Gives the number of
 * guesses.
 */
async function untilItWaits(victim, from, ask = () => guess(victim, from)) {
  let n = 0;
  for (let wait = 0; wait < 64; wait = wait * 2 || 1) {
    for (let i = 0; i < (wait === 0 ? FREE : 1); i++) {
      await pass(wait);
      assert.equal((await ask()).status, 401, `after ${n}`);
      n += 1;
    }
  }
  return n;
}

describe("guessing", { concurrency: false }, () => {
  it("a hundred guesses at once: five are looked at, the rest are told when", async () => {
    const victim = await student();
    const from = elsewhere();
    const began = performance.now();
    const answers = await many(100, () => guess(victim, from));
    // A second later one more may, and two seconds after that.
    const more = Math.floor(Math.log2((performance.now() - began) / 1000 + 1));
    const looked = count(answers, 401);
    assert.ok(looked >= FREE && looked <= FREE + more, `${looked} were looked at`);
    assert.equal(count(answers, 429), 100 - looked);
    for (const answer of answers) {
      if (answer.status === 401) {
        assertProblem(answer, 401, "bad_credentials");
        continue;
      }
      assertProblem(answer, 429, "rate_limited");
      assertRetryAfter(answer, 1, 2 ** more);
      assert.equal(answer.json.retry_after, Number(answer.headers.get("retry-after")));
    }
    const lines = await stack.log(({ event, route }) => event === "request" && /login/.test(route));
    assert.equal(new Set(lines.map(({ pid }) => pid)).size, 2, "both processes have answered");
  });

  it("when the time has come, one of a hundred at once is looked at", async () => {
    const victim = await student();
    const from = elsewhere();
    await untilItWaits(victim, from);
    await pass(64);
    const answers = await many(100, () => guess(victim, from));
    assert.equal(count(answers, 401), 1);
    assert.equal(count(answers, 429), 99);
    for (const answer of answers) {
      if (answer.status === 429) assertRetryAfter(answer, 100, 128);
    }
  });

  it("the wait doubles up to a quarter of an hour, and Retry-After is honest", async () => {
    const victim = await student();
    const from = elsewhere();
    await untilItWaits(victim, from);
    for (let wait = 64; wait <= 2048; wait *= 2) {
      const expected = Math.min(wait, 900);
      const refused = await guess(victim, from);
      assertProblem(refused, 429, "rate_limited");
      assertRetryAfter(refused, expected - 30, expected);
      await pass(expected - 40);
      assertProblem(await guess(victim, from), 429, "rate_limited");
      await pass(40);
      assertProblem(await guess(victim, from), 401, "bad_credentials");
    }
    // Trying on while refused makes it no longer.
    await many(20, () => guess(victim, from));
    assertRetryAfter(await guess(victim, from), 870, 900);
  });

  it("the right password must wait as well, and then clears the count", async () => {
    const victim = await student();
    const from = elsewhere();
    await untilItWaits(victim, from);
    assertProblem(await login(victim, from), 429, "rate_limited");
    await pass(64);
    assert.equal((await login(victim, from)).status, 200);
    await untilItWaits(victim, from);
    assert.equal((await guess(victim, from)).status, 429);
  });

  it("strangers keep the owner out for a minute at most, and not at all at home", async () => {
    const victim = await student();
    const home = elsewhere();
    assert.equal((await login(victim, home)).status, 200);
    const crowd = await many(40, () => guess(victim, elsewhere()));
    assert.ok(count(crowd, 401) >= 10 && count(crowd, 429) > 20);
    for (let i = 0; i < 8; i++) {
      await pass(60);
      assert.equal((await guess(victim, elsewhere())).status, 401);
    }
    const away = await login(victim, elsewhere());
    assertProblem(away, 429, "rate_limited");
    assertRetryAfter(away, 1, 60);
    assert.equal((await login(victim, home)).status, 200);
    // That cleared the account, so anywhere is fine again.
    assert.equal((await login(victim, elsewhere())).status, 200);
  });

  it("one address across many accounts", async () => {
    const from = elsewhere();
    const stranger = () => guess({ email: `${randomUUID()}@example.com` }, from);
    const answers = await many(50, stranger);
    assert.equal(count(answers, 401), 50);
    for (let wait = 1; wait < 64; wait *= 2) {
      await pass(wait);
      assert.equal((await stranger()).status, 401);
    }
    const victim = await student();
    const refused = await login(victim, from);
    assertProblem(refused, 429, "rate_limited");
    assertRetryAfter(refused, 30, 64);
    assert.equal((await login(victim, elsewhere())).status, 200);
  });

  it("good sign-ins do not use up an address", async () => {
    const from = elsewhere();
    const pupil = await student();
    for (let i = 0; i < 60; i++) assert.equal((await login(pupil, from)).status, 200);
  });

  it("an address that a client claims is not believed", async () => {
    const victim = await student();
    const from = elsewhere();
    await untilItWaits(victim, from);
    const answers = await many(5, (i) => guess(victim, from, {
      headers: { "x-forwarded-for": `192.0.2.${i}`, "x-real-ip": `192.0.2.${i}`,
        forwarded: `for=192.0.2.${i}` },
    }));
    assert.equal(count(answers, 429), 5);
  });

  it("an account in other letters is the same account", async () => {
    const victim = await student();
    const from = elsewhere();
    await untilItWaits(victim, from);
    assert.equal((await guess({ email: victim.email.toUpperCase() }, from)).status, 429);
  });

  it("an unknown account is limited like any other", async () => {
    const told = async (account) => {
      const from = elsewhere();
      await untilItWaits(account, from);
      const { status, json } = await guess(account, from);
      return { status, ...json, instance: "", detail: "", retry_after: 0 };
    };
    const known = await told(await student());
    assert.equal(known.status, 429);
    assert.deepEqual(await told({ email: `${randomUUID()}@example.com` }), known);
  });

  it("plain CGI programs count with the pools", async () => {
    const victim = await student();
    const from = elsewhere();
    const cgi = () => stack.cgi("auth", "POST", "/api/v1/auth/login",
      { body: { email: victim.email, password: WRONG }, environment: { REMOTE_ADDR: from } });
    await untilItWaits(victim, from);
    const refused = await cgi();
    assertProblem(refused, 429, "rate_limited");
    assertRetryAfter(refused, 30, 64);
    await pass(64);
    assertProblem(await cgi(), 401, "bad_credentials");
    const again = await guess(victim, from);
    assertProblem(again, 429, "rate_limited");
    assertRetryAfter(again, 90, 128);
  });

  it("an IPv6 subscriber is one address, and mapped IPv4 is IPv4", async () => {
    const victim = await student();
    const at = (address, password = WRONG) => stack.cgi("auth", "POST", "/api/v1/auth/login",
      { body: { email: victim.email, password }, environment: { REMOTE_ADDR: address } });
    // Where its owner is at home, what strangers try elsewhere does not count.
    for (const home of ["2001:db8:1:3::1", "::ffff:198.51.100.9"]) {
      assert.equal((await at(home, victim.password)).status, 200);
    }
    let host = 0;
    const next = () => at(`2001:db8:1:2:${(host += 1)}::1`);
    await untilItWaits(victim, null, next);
    // Then the account, too, waits for longer than a test takes: that begins at the tenth guess.
    for (let wait = 64; wait <= 512; wait *= 2) {
      await pass(wait);
      assert.equal((await next()).status, 401);
    }
    assert.equal((await at("2001:db8:1:2:ffff::1")).status, 429);
    assert.equal((await at("2001:db8:1:4::1")).status, 429);
    assert.equal((await at("2001:db8:1:3:ffff::7")).status, 401);
    assert.equal((await at("198.51.100.9")).status, 401);
  });

  it("the current password at a change is guessed no faster", async () => {
    const victim = await student();
    const from = elsewhere();
    const { json } = await login(victim, from);
    const change = () => stack.api("PUT", "/auth/password",
      { token: json.access_token, from,
        body: { current: WRONG, password: "another horse 7 hill" } });
    await untilItWaits(victim, from);
    assertProblem(await change(), 429, "rate_limited");
  });

  it("mails: three an hour for an address, known or not; 202 or 429 say nothing", async () => {
    const known = await student();
    const unknown = { email: `${randomUUID()}@example.com` };
    for (const { email } of [known, unknown]) {
      const from = elsewhere();
      const answers = await many(10, () => post("/auth/recover", { email }, from));
      assert.equal(count(answers, 202), 3, answers[0].text);
      const refused = await post("/auth/recover", { email }, elsewhere());
      assertProblem(refused, 429, "rate_limited");
      assertRetryAfter(refused, 540, 600);
      assert.equal((await post("/auth/resend", { email, type: "signup" }, from)).status, 429);
    }
    const from = elsewhere();
    const sprayed = await many(30, () =>
      post("/auth/recover", { email: `${randomUUID()}@example.com` }, from));
    assert.equal(count(sprayed, 202), 20);
    assert.equal(count(sprayed, 429), 10);
  });

  it("accounts from one address", async () => {
    const from = elsewhere();
    const answers = await many(80, () => post("/auth/register", {
      email: `${randomUUID()}@example.com`, password: "correct horse battery",
      birth_date: "2000-01-31",
    }, from));
    assert.ok(count(answers, 201) >= 50 && count(answers, 429) > 20, String(statuses(answers)));
  });

  it("nothing is stored by which an account or an address is known", async () => {
    const victim = await student();
    const from = elsewhere();
    await guess(victim, from);
    const rows = await stack.db.query("select * from fynq.attempts");
    assert.notEqual(rows.length, 0);
    const text = JSON.stringify(rows);
    for (const word of [victim.email, victim.id, from]) assert.ok(!text.includes(word), word);
    for (const { key } of rows) assert.match(key, /^[0-9a-f]{64}$/);
  });

  it("the record has each guess and, for all that were refused at once, one line", async () => {
    const victim = await student();
    const from = elsewhere();
    const n = await untilItWaits(victim, from);
    await many(30, () => guess(victim, from));
    const rows = await stack.db.query(
      `select event, detail, host(address) as address, count(*)::int as n from fynq.audit
       where subject = $1 and event in ('sign_in_failed', 'locked') group by 1, 2, 3 order by 1`,
      [victim.id],
    );
    assert.deepEqual(rows, [
      { event: "locked", detail: "password", address: from, n: 1 },
      { event: "sign_in_failed", detail: "bad_credentials", address: from, n },
    ]);
  });

  it("a hundred tries at many accounts at once from many addresses: no deadlock", async () => {
    const victims = await many(6, student);
    const places = Array.from({ length: 6 }, elsewhere);
    const answers = await many(150, (i) => guess(victims[i % 6], places[(i * 7 + (i >> 3)) % 6]));
    for (const { status, text } of answers) assert.ok([401, 429].includes(status), text);
    const failures = await stack.log(({ event }) => event === "database");
    assert.deepEqual(failures, []);
  });

  it("what is old is forgotten by the upkeep", async () => {
    await stack.db.run("update fynq.attempts set forget_at = now() - interval '1 s'");
    await stack.fynqctl(["restart", "auth"]); // A process does its upkeep as it begins.
    await waitUntil(async () => {
      const [{ n }] = await stack.db.query("select count(*)::int as n from fynq.attempts");
      return n === 0;
    }, { what: "no old rows" });
  });
});
