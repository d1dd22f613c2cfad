// Races for a session: one refresh token, or several of one family, in many hands at once, across
// processes. What one waits ten seconds for is written into the database.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, it, test } from "node:test";

import { startStack } from "./lib/fynq.mjs";
import { assertProblem } from "./lib/problem.mjs";
import { claimsOf } from "./lib/tokens.mjs";

const AT_ONCE = 50;

let own; // Of two processes, each of four threads.

before(async () => {
  own = await startStack({ settings: { FYNQ_PROCESSES: 2, FYNQ_BCRYPT_COST: 4 } });
});

after(() => own?.stop());

const refresh = (token) => own.api("POST", "/auth/refresh", { body: { refresh_token: token } });
const all = (tokens) => Promise.all(tokens.map(refresh));
const times = (n, token) => Array.from({ length: n }, () => token);
const given = (answers) =>
  answers.filter(({ status }) => status === 200).map(({ json }) => json);

/** The grace of a token that was used is over. */
const outlive = (token) =>
  own.db.run(
    "update auth.refresh_tokens set updated_at = now() - interval '11 seconds' where token = $1",
    [createHash("sha256").update(token).digest("hex")],
  );

/** A person's families, and the tokens in them that are good: [{session, live}]. */
const families = ({ id }) =>
  own.db.query(
    `select s.id as session, count(t.id) filter (where not t.revoked) as live
     from auth.sessions s left join auth.refresh_tokens t on t.session_id = s.id
     where s.user_id = $1 group by s.id order by s.id`,
    [id],
  );

async function assertDead(person, tokens) {
  for (const token of tokens) assertProblem(await refresh(token), 401, "bad_refresh_token");
  assert.deepEqual(await families(person), []);
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
  const tokens = given(answers).map(({ refresh_token }) => refresh_token);
  assert.equal(new Set(tokens).size, tokens.length, "a refresh token was given twice");
}

test("a new installation has no account", async () => {
  assert.deepEqual(await own.db.query("select id from auth.users"), []);
});

describe("fifty at once with one refresh token", () => {
  it("within the grace: all are of one family, which ends as a whole", async () => {
    const student = await own.register();
    const session = claimsOf(student.token).session_id;
    const answers = await all(times(AT_ONCE, student.refreshToken));
    assertOneFamily(answers, session);
    const tokens = given(answers).map(({ refresh_token }) => refresh_token);
    assert.equal(tokens.length, AT_ONCE);
    const [family, ...others] = await families(student);
    assert.deepEqual(others, []);
    assert.equal(family.session, session);
    assert.ok(family.live >= 1 && family.live <= AT_ONCE, String(family.live));
    const ids = answers.map(({ headers }) => headers.get("x-request-id"));
    const lines = await own.log(({ event, request_id }) =>
      event === "request" && ids.includes(request_id));
    assert.ok(new Set(lines.map(({ pid }) => pid)).size >= 2, "one process answered them all");

    await outlive(student.refreshToken);
    assertProblem(await refresh(student.refreshToken), 401, "bad_refresh_token");
    await assertDead(student, tokens);
  });

  it("after the grace: nobody wins, and the family is dead", async () => {
    const student = await own.register();
    const [next] = given([await refresh(student.refreshToken)]);
    await outlive(student.refreshToken);
    const answers = await all(times(AT_ONCE, student.refreshToken));
    assert.deepEqual(given(answers), []);
    await assertDead(student, [next.refresh_token, student.refreshToken]);
  });

  it("other sessions of the same account live on", async () => {
    const student = await own.register();
    const { email, password } = student;
    const other = await own.api("POST", "/auth/login", { body: { email, password } });
    await refresh(student.refreshToken);
    await outlive(student.refreshToken);
    await all(times(AT_ONCE, student.refreshToken));
    const rest = await families(student);
    assert.deepEqual(rest.map(({ session }) => session), [
      claimsOf(other.json.access_token).session_id,
    ]);
    assert.equal((await refresh(other.json.refresh_token)).status, 200);
  });
});

describe("a thief and the owner at once", () => {
  it("an old token and its successor: whoever came first, the family is dead", async () => {
    for (let round = 0; round < 10; round += 1) {
      const student = await own.register();
      const session = claimsOf(student.token).session_id;
      const [next] = given([await refresh(student.refreshToken)]);
      await outlive(student.refreshToken);
      const mixed = times(20, student.refreshToken)
        .flatMap((old, i) => (i % 2 === 0 ? [old, next.refresh_token] : [next.refresh_token, old]));
      const answers = await all(mixed);
      assertOneFamily(answers, session);
      const old = answers.filter((_, i) => mixed[i] === student.refreshToken);
      assert.deepEqual(given(old), [], "a token that was used long ago bought a session");
      await assertDead(student, given(answers).map(({ refresh_token }) => refresh_token));
    }
  });

  it("chains that run at once from one token stay one family", async () => {
    const student = await own.register();
    const session = claimsOf(student.token).session_id;
    const chains = await Promise.all(Array.from({ length: 8 }, async () => {
      const answers = [];
      let token = student.refreshToken;
      for (let step = 0; step < 4; step += 1) {
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
    assert.equal((await refresh(student.refreshToken)).status, 200);
  });
});
