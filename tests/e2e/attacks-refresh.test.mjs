// Races for a session: one refresh token, or several of one family, in many hands at once, across
// processes, whoever keeps the accounts. What one waits ten seconds for is written into the database.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { local, supabase } from "./lib/account-modes.mjs";
import { startStack } from "./lib/fynq.mjs";
import { assertProblem } from "./lib/problem.mjs";
import { claimsOf } from "./lib/tokens.mjs";

const AT_ONCE = 50;
const GRACE_MS = 10000;

const times = (n, token) => Array.from({ length: n }, () => token);
const given = (answers) =>
  answers.filter(({ status }) => status === 200).map(({ json }) => json);

for (const [auth, mode] of Object.entries({ local, supabase })) {
  describe(`accounts ${mode.name}`, () => races(auth, mode));
}

function races(auth, mode) {
  let own; // Of two processes, each of four threads.

  before(async () => {
    const settings = { ...mode.settings, FYNQ_PROCESSES: 2, FYNQ_BCRYPT_COST: 4 };
    own = await startStack({ auth, settings });
    await mode.prepare(own);
  });
  after(() => own?.stop());

  const refresh = (token) => own.api("POST", "/auth/refresh", { body: { refresh_token: token } });
  const all = (tokens) => Promise.all(tokens.map(refresh));

  async function next(token) {
    const { status, text, json } = await refresh(token);
    assert.equal(status, 200, text);
    return json.refresh_token;
  }

  /** A student, and the answers to fifty who have one token; a busy machine has several tries. */
  async function withinGrace() {
    for (let tries = 5; ; tries -= 1) {
      const student = await own.register();
      const began = performance.now();
      const answers = await all(times(AT_ONCE, student.refreshToken));
      if (performance.now() - began < GRACE_MS || tries === 1) return { student, answers };
    }
  }

  /** A token that was used, as its two successors were after it, longer ago than the grace. */
  async function used({ refreshToken }) {
    const second = await next(refreshToken);
    const newest = await next(second);
    for (const token of [refreshToken, second]) await mode.age(own, token, 11);
    return { old: refreshToken, newest };
  }

  /** A person's families, and how many tokens of each are good: [{session, live}]. */
  const families = ({ id }) =>
    own.db.query(
      `select s.id as session, count(t.id) filter (where not t.revoked) as live
       from auth.sessions s left join auth.refresh_tokens t on t.session_id = s.id
       where s.user_id = $1 group by s.id order by s.id`,
      [id],
    );

  // Supabase Auth takes what it has just revoked for a lost answer, for ten seconds more.
  async function assertDead(person, tokens) {
    await own.db.run(
      `update auth.refresh_tokens set updated_at = now() - interval '11 seconds'
       where user_id::text = $1`,
      [person.id],
    );
    for (const token of tokens) assertProblem(await refresh(token), 401, "bad_refresh_token");
    for (const { live } of await families(person)) assert.equal(live, 0);
  }

  /** Every answer is a session of that family, or a refusal; none is anything else. */
  function assertOneFamily(answers, session) {
    for (const answer of answers) {
      if (answer.status === 200) {
        assert.equal(claimsOf(answer.json.access_token).session_id, session);
      } else {
        assertProblem(answer, 401, "bad_refresh_token");
      }
    }
  }

  it("a new installation has no account", async () => {
    assert.deepEqual(await own.db.query("select id from auth.users"), []);
  });

  it("fifty at once with one token: all are of one family, which ends as a whole", async () => {
    const { student, answers } = await withinGrace();
    const session = claimsOf(student.token).session_id;
    assertOneFamily(answers, session);
    const tokens = given(answers).map(({ refresh_token }) => refresh_token);
    assert.equal(tokens.length, AT_ONCE);
    // The service's own are one for each answer; Supabase gives the one successor to all.
    assert.equal(new Set(tokens).size, auth === "local" ? AT_ONCE : 1);
    const [family, ...others] = await families(student);
    assert.deepEqual(others, []);
    assert.equal(family.session, session);
    assert.ok(family.live >= 1 && family.live <= new Set(tokens).size, String(family.live));
    const ids = answers.map(({ headers }) => headers.get("x-request-id"));
    const lines = await own.log(({ event, request_id }) =>
      event === "request" && ids.includes(request_id));
    assert.ok(new Set(lines.map(({ pid }) => pid)).size >= 2, "one process answered them all");

    const newest = await next(tokens[0]);
    for (const token of [student.refreshToken, tokens[0]]) await mode.age(own, token, 11);
    assertProblem(await refresh(student.refreshToken), 401, "bad_refresh_token");
    await assertDead(student, [...tokens, newest]);
  });

  it("fifty at once after the grace: nobody wins, and the family is dead", async () => {
    const student = await own.register();
    const { old, newest } = await used(student);
    assert.deepEqual(given(await all(times(AT_ONCE, old))), []);
    await assertDead(student, [newest, old]);
  });

  it("other sessions of the same account live on", async () => {
    const student = await own.register();
    const { email, password } = student;
    const other = await own.api("POST", "/auth/login", { body: { email, password } });
    const { old } = await used(student);
    await all(times(AT_ONCE, old));
    const living = (await families(student)).filter(({ live }) => live > 0);
    assert.deepEqual(living.map(({ session }) => session), [
      claimsOf(other.json.access_token).session_id,
    ]);
    await next(other.json.refresh_token);
  });

  it("an old token and the newest at once: the old one buys nothing, the family ends", async () => {
    for (let round = 0; round < 10; round += 1) {
      const student = await own.register();
      const session = claimsOf(student.token).session_id;
      const { old, newest } = await used(student);
      const mixed = times(20, old).flatMap((token, i) =>
        (i % 2 === 0 ? [token, newest] : [newest, token]));
      const answers = await all(mixed);
      assertOneFamily(answers, session);
      const thief = answers.filter((_, i) => mixed[i] === old);
      assert.deepEqual(given(thief), [], "a token that was used long ago bought a session");
      // So there the newest may come to life again, in this one family.
      if (auth === "supabase") assert.equal((await families(student)).length, 1);
      else await assertDead(student, given(answers).map(({ refresh_token }) => refresh_token));
    }
  });

  it("chains that run at once from one token stay one family", async () => {
    const student = await own.register();
    const session = claimsOf(student.token).session_id;
    const chains = await Promise.all(Array.from({ length: 8 }, async () => {
      const answers = [];
      let token = student.refreshToken;
      for (let step = 0; step < 4 && token; step += 1) {
        const answer = await refresh(token);
        answers.push(answer);
        token = answer.json.refresh_token;
      }
      return answers;
    }));
    assertOneFamily(chains.flat(), session);
    assert.equal((await families(student)).length, 1);
  });

  it("signing in makes another family; failing to harms none", async () => {
    const student = await own.register();
    const { email, password } = student;
    await own.api("POST", "/auth/login", { body: { email, password: `not ${password}` } });
    await own.api("POST", "/auth/login", { body: { email, password } });
    assert.equal((await families(student)).length, 2);
    await next(student.refreshToken);
  });
}
