// Accounts that Supabase Auth keeps: what admins do to them, and those that were made there alone.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { AuthClient } from "@supabase/auth-js";

import { assertProblem } from "./lib/problem.mjs";
import { callsOf, email, good, password, startSupabase } from "./lib/supabase.mjs";
import { fetchTrusting } from "./lib/tlsfetch.mjs";
import { claimsOf } from "./lib/tokens.mjs";

let own, supabase;

before(async () => {
  own = await startSupabase();
  supabase = own.supabase;
});
after(() => own?.stop());

const { post, me, login, refresh } = callsOf(() => own);

// With Supabase's own client, past every check of ours.
describe("who registered there, not here", { concurrency: 4 }, () => {
  /** Signs up with what its user says; resolves with the access token. */
  async function signUp(said) {
    const client = new AuthClient({
      url: `${supabase.url}/auth/v1`, headers: { apikey: supabase.keys.publishable },
      fetch: fetchTrusting(supabase.ca), autoRefreshToken: false, persistSession: false,
    });
    const { data, error } =
      await client.signUp({ email: email(), password: password(), options: { data: said } });
    assert.equal(error, null);
    return data.session.access_token;
  }

  const ask = (token) => own.api("POST", "/chat/message", { token, body: { content: "Why?" } });
  const set = (token, born) => own.api("PATCH", "/users/me", { token, body: { birth_date: born } });
  const yearsAgo = (n) => `${new Date().getUTCFullYear() - n}-01-01`;

  async function refused(token) {
    const answer = await ask(token);
    assertProblem(answer, 403, "under_age");
    return answer.json.detail;
  }

  it("a child has a profile and no tutor, and does not grow older", async () => {
    const token = await signUp({ birth_date: yearsAgo(9), role: "admin" });
    assert.doesNotMatch(await refused(token), /birth_date/);
    const profile = await good(me(token));
    assert.deepEqual([profile.birth_date, profile.role], [yearsAgo(9), "student"]);
    assertProblem(await set(token, yearsAgo(30)), 409, "conflict");
    await refused(token);
  });

  for (const said of [{}, { birth_date: "" }, { birth_date: 19900505 }, { birth_date: "1990-02-30" }]) {
    it(`no birth date, as ${JSON.stringify(said)}: it is set once`, async () => {
      const token = await signUp(said);
      assert.match(await refused(token), /birth_date/);
      assert.equal((await good(me(token))).birth_date, null);
      assert.equal((await good(set(token, "1990-05-05"))).birth_date, "1990-05-05");
      assertProblem(await set(token, "1991-05-05"), 409, "conflict");
      await good(ask(token), 201);
    });
  }

  it("a child who says so later stays one", async () => {
    const token = await signUp({});
    await good(set(token, yearsAgo(9)));
    await refused(token);
    assertProblem(await set(token, yearsAgo(30)), 409, "conflict");
    await refused(token);
  });

  it("an adult is welcome", async () => {
    await good(ask(await signUp({ birth_date: "1990-05-05" })), 201);
  });
});

describe("admins", { concurrency: 4 }, () => {
  let boss;

  before(async () => {
    const { id, ...student } = await own.register();
    await own.db.run(`update auth.users set raw_app_meta_data =
      raw_app_meta_data || '{"role": "admin"}' where id = $1::uuid`, [id]);
    boss = await good(login(student));
    assert.equal(boss.user.role, "admin");
  });

  const change = (id, body) =>
    own.api("PATCH", `/users/${id}`, { token: boss.access_token, body });

  it("a new role ends the sessions, and is in the next", async () => {
    const student = await own.register();
    await good(change(student.id, { role: "teacher" }));
    assertProblem(await refresh(student.refreshToken), 401, "bad_refresh_token");
    const session = await good(login(student));
    assert.equal(session.user.role, "teacher");
    assert.equal(claimsOf(session.access_token).app_metadata.role, "teacher");
    assert.equal(claimsOf(session.access_token).app_metadata.provider, "email");
    const [call] = (await supabase.calls(student.id)).filter(({ method }) => method === "PUT");
    assert.deepEqual([call.key, call.bearer, call.odd], ["sb_secret", null, []]);
  });

  it("disabling ends the sessions; enabled again, the user signs in again", async () => {
    const student = await own.register();
    await good(change(student.id, { disabled: true }));
    assertProblem(await login(student), 403, "account_disabled");
    assertProblem(await login({ ...student, password: "wrong" }), 401, "bad_credentials");
    const { status } = await me(student.token);
    assert.ok([401, 403].includes(status), status);
    await good(post("recover", { email: student.email }), 202);
    await good(change(student.id, { disabled: false }));
    assertProblem(await refresh(student.refreshToken), 401, "bad_refresh_token");
    await good(login(student));
  });

  it("an account without address and app_metadata, such as one of a telephone", async () => {
    const { id, refreshToken } = await own.register();
    const phone = String(Math.trunc(Math.random() * 1e14) + 1e14);
    await own.db.run(`update auth.users
      set email = null, phone = $2, raw_app_meta_data = null where id = $1::uuid`, [id, phone]);
    const { access_token: token, refresh_token: next } = await good(refresh(refreshToken));
    assert.equal((await good(me(token))).role, "student");
    const account = await good(own.api("GET", `/users/${id}`, { token: boss.access_token }));
    assert.deepEqual([account.email, account.role], [null, "student"]);
    const list = await good(own.api("GET", "/users?limit=100", { token: boss.access_token }));
    assert.equal(list.items.find((item) => item.id === id).email, null);
    const [held] = await own.db.query(
      "select fynq.export_account($1::uuid) ->> 'phone' as phone", [id]);
    assert.equal(held.phone, phone);
    await good(own.api("POST", "/users/me/export", { token }));
    await good(change(id, { role: "teacher" }));
    assertProblem(await refresh(next), 401, "bad_refresh_token");
    const { code, stderr } = await own.fynqctl(["user", "disable", id]);
    assert.equal(code, 0, stderr);
    const changed = await good(own.api("GET", `/users/${id}`, { token: boss.access_token }));
    assert.deepEqual([changed.email, changed.role, changed.disabled], [null, "teacher", true]);
  });

  it("of two accounts of one address, the record is about the one with a password", async () => {
    const address = email();
    await own.db.run(`insert into auth.users (instance_id, id, email, is_sso_user)
      values ('00000000-0000-0000-0000-000000000000', gen_random_uuid(), $1, true)`, [address]);
    const student = await own.register({ email: address });
    await good(login(student));
    assertProblem(await login({ ...student, password: "wrong" }), 401, "bad_credentials");
    const { items } = await good(
      own.api("GET", `/audit?user_id=${student.id}`, { token: boss.access_token }));
    assert.deepEqual(items.map(({ event }) => event),
      ["sign_in_failed", "signed_in", "registered"]);
  });

  it("an account that Supabase has kept as deleted is none", async () => {
    const student = await own.register();
    await own.db.run("update auth.users set deleted_at = now() where id = $1::uuid", [student.id]);
    const token = boss.access_token;
    assertProblem(await own.api("GET", `/users/${student.id}`, { token }), 404, "not_found");
    assertProblem(await change(student.id, { role: "teacher" }), 404, "not_found");
    const found = await good(own.api("GET", `/users?q=${student.email}`, { token }));
    assert.deepEqual(found.items, []);
  });

  it("what Supabase does not do is not done", async () => {
    const student = await own.register();
    await supabase.fail(student.id, "unexpected", { route: "PUT /admin/users" });
    assertProblem(await change(student.id, { role: "teacher" }), 503, "accounts_unavailable");
    await good(refresh(student.refreshToken));
    assert.equal((await good(login(student))).user.role, "student");
  });

  it("what may be done twice is tried once more", async () => {
    const student = await own.register();
    await supabase.fail(student.id, "cut_after", { route: "PUT /admin/users" });
    await good(change(student.id, { role: "teacher" }));
    assert.equal((await good(login(student))).user.role, "teacher");
  });
});

describe("fynqctl user", { concurrency: 2 }, () => {
  async function user(...args) {
    const { code, stdout, stderr } = await own.fynqctl(["user", ...args]);
    assert.equal(code, 0, stderr);
    return stdout;
  }

  it("creates, lists, gives a role, disables, enables, resets", async () => {
    const address = email();
    const [id, word] = (await user("create", address, "--role", "teacher")).trim().split("\n");
    const account = { email: address, password: word };
    assert.equal((await good(login(account))).user.role, "teacher");
    assert.match(await user("list", "--role", "teacher"), new RegExp(`^${id} .* ${address}$`, "m"));

    const { refresh_token: first } = await good(login(account));
    await user("role", address.toUpperCase(), "student");
    assertProblem(await refresh(first), 401, "bad_refresh_token");
    assert.equal((await good(login(account))).user.role, "student");

    await user("disable", address);
    assertProblem(await login(account), 403, "account_disabled");
    assert.match(await user("list", "--disabled"), new RegExp(id));
    await user("enable", id);
    await good(login(account));

    const other = (await user("reset", address)).trim();
    assertProblem(await login(account), 401, "bad_credentials");
    await good(login({ email: address, password: other }));
  });

  it("creates no second account of an address", async () => {
    const { email: address } = await own.register();
    const { code, stdout, stderr } = await own.fynqctl(["user", "create", address]);
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, /registered already/);
  });

  it("deletes, and the address is free", async () => {
    const student = await own.register();
    await user("delete", student.email);
    assertProblem(await login(student), 401, "bad_credentials");
    assert.deepEqual(await own.db.query(
      "select id from auth.users where id = $1::uuid", [student.id]), []);
    assert.notEqual((await own.register({ email: student.email })).id, student.id);
  });
});
