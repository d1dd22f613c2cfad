// fynqctl user: accounts by the hand of who runs the service.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";

import { api, db, register, stack } from "./lib/fynq.mjs";
import { assertProblem } from "./lib/problem.mjs";

const FYNQCTL = JSON.parse(process.env.FYNQ_TEST_STACK).fynqctl;
const PASSWORD = "a horse on the moon";

/** fynqctl user ARGS, with a line on standard input. */
async function user(args, input = "") {
  const child = spawn(FYNQCTL, ["user", ...args], { env: stack.environment() });
  const out = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"]) {
    child[name].setEncoding("utf8");
    child[name].on("data", (text) => (out[name] += text));
  }
  child.stdin.on("error", () => {}); // It may end without reading.
  child.stdin.end(input);
  const [code] = await once(child, "close");
  return { code, ...out };
}

async function ok(args, input) {
  const { code, stdout, stderr } = await user(args, input);
  assert.equal(code, 0, stderr);
  assert.equal(stderr, "");
  return stdout;
}

const login = (email, password) => api("POST", "/auth/login", { body: { email, password } });
const address = () => `${randomUUID()}@example.com`;
const role = async (email, password) => (await login(email, password)).json?.user?.role;

describe("fynqctl user", { concurrency: 3 }, () => {
  it("create: a password from standard input, or one that is made and shown once", async () => {
    const [typed, made] = [address(), address()];
    const id = (await ok(["create", typed, "--password-stdin"], `${PASSWORD}\n`)).trim();
    const session = await login(typed.toUpperCase(), PASSWORD);
    assert.equal(session.status, 200, session.text);
    assert.deepEqual([session.json.user.id, session.json.user.role], [id, "student"]);

    const [, password] = (await ok(["create", made, "--role", "admin"])).trim().split("\n");
    assert.match(password, /^[\w-]{43}$/);
    const { json } = await login(made, password);
    const list = await api("GET", `/users/${id}`, { token: json.access_token });
    assert.equal(list.status, 200, list.text);
    assert.equal(list.json.email_confirmed, true);
    assert.equal(list.json.birth_date, null);
  });

  it("create: refused, and no account is made", async () => {
    const taken = (await register()).email;
    const fresh = address();
    for (const [args, input] of [
      [["create", taken, "--password-stdin"], PASSWORD],
      [["create", "nobody", "--password-stdin"], PASSWORD],
      [["create", fresh, "--password-stdin"], "x".repeat(73)],
      [["create", fresh, "--password-stdin"], ""],
      [["create", fresh, "--password-stdin"], Buffer.from(Array(16).fill(0xff))],
    ]) {
      const { code, stdout, stderr } = await user(args, input);
      assert.equal(code, 1, `${args}: ${stderr}`);
      assert.equal(stdout, "");
      assert.match(stderr, /^fynqctl: user: /m);
      assert.ok(!stderr.includes(PASSWORD));
    }
    assert.deepEqual(await db.query("select id from auth.users where email = $1", [fresh]), []);
  });

  it("role: by address or id; sessions end, unless it had it", async () => {
    const student = await register();
    assert.equal(await ok(["role", student.email.toUpperCase(), "teacher"]), "");
    const body = { refresh_token: student.refreshToken };
    assertProblem(await api("POST", "/auth/refresh", { body }), 401, "bad_refresh_token");
    const session = await login(student.email, student.password);
    assert.equal(session.json.user.role, "teacher");
    await ok(["role", student.id, "teacher"]);
    const again = { refresh_token: session.json.refresh_token };
    assert.equal((await api("POST", "/auth/refresh", { body: again })).status, 200);
    await ok(["role", student.id, "student"]);
    assert.equal(await role(student.email, student.password), "student");
  });

  it("disable, list --disabled, enable", async () => {
    const student = await register();
    await ok(["disable", student.email]);
    assertProblem(await login(student.email, student.password), 403, "account_disabled");
    assert.match(await ok(["list", "--disabled"]),
      new RegExp(`^${student.id}  student   disabled  \\S+Z  ${student.email}$`, "m"));
    await ok(["enable", student.id]);
    assert.equal(await role(student.email, student.password), "student");
    assert.ok(!(await ok(["list", "--disabled"])).includes(student.id));
  });

  it("list: all of them, over many pages, and those of a role", async () => {
    const student = await register();
    const mark = randomUUID();
    await db.run(
      `insert into auth.users (id, email)
       select gen_random_uuid(), i || '.${mark}@example.com' from generate_series(1, 250) i`);
    const lines = (await ok(["list"])).split("\n");
    assert.equal(lines.filter((line) => line.includes(mark)).length, 250);
    assert.equal(new Set(lines).size, lines.length);
    assert.ok(lines.some((line) => line.includes(student.id)));
    assert.ok(!(await ok(["list", "--role", "teacher"])).includes(student.id));
    await db.run("delete from auth.users where email like $1", [`%${mark}%`]);
  });

  it("reset: the old password and the sessions are over", async () => {
    const student = await register();
    const password = (await ok(["reset", student.email])).trim();
    assertProblem(await login(student.email, student.password), 401, "bad_credentials");
    const body = { refresh_token: student.refreshToken };
    assertProblem(await api("POST", "/auth/refresh", { body }), 401, "bad_refresh_token");
    assert.equal((await login(student.email, password)).status, 200);
    assert.equal(await ok(["reset", student.id, "--password-stdin"], PASSWORD), "");
    assert.equal((await login(student.email, PASSWORD)).status, 200);
    assert.ok(!readFileSync(`${stack.state}/log/fynq.log`, "utf8").includes(password));
  });

  it("delete: the account is gone, and its address free", async () => {
    const student = await register();
    assert.equal(await ok(["delete", student.email]), "");
    assertProblem(await login(student.email, student.password), 401, "bad_credentials");
    assert.notEqual((await register({ email: student.email })).id, student.id);
  });

  it("what was done is on record, by nobody who is signed in", async () => {
    const { id } = await register();
    for (const args of [["role", id, "teacher"], ["disable", id], ["enable", id], ["reset", id]]) {
      await ok(args);
    }
    const rows = await db.query(
      `select event, detail, actor from fynq.audit
       where subject = $1 and event <> 'registered' order by id`, [id]);
    assert.deepEqual(rows, [
      { event: "role_changed", detail: "teacher", actor: null },
      { event: "disabled", detail: null, actor: null },
      { event: "enabled", detail: null, actor: null },
      { event: "password_reset", detail: "fynqctl", actor: null },
    ]);
  });

  it("an account that is not there", async () => {
    for (const who of [address(), randomUUID(), "%", "' or true --", ""]) {
      for (const args of [["role", who, "admin"], ["disable", who], ["enable", who],
        ["reset", who], ["delete", who]]) {
        const { code, stderr } = await user(args);
        assert.equal(code, 1, `${args}`);
        assert.equal(stderr, "fynqctl: user: There is no such account.\n");
      }
    }
  });

  it("a wrong call", async () => {
    for (const args of [[], ["create"], ["create", "--role", "root"], ["role", "a@b"],
      ["role", "a@b", "root"], ["list", "a@b"], ["disable", "a@b", "c@d"], ["remove", "a@b"],
      ["create", "a@b", "--password", "x"], ["disable", "--role", "admin"]]) {
      const { code, stderr } = await user(args);
      assert.equal(code, 64, `${args}`);
      assert.match(stderr, /^fynqctl: usage: fynqctl user /);
    }
  });

  it("the database is away", async () => {
    const environment = { FYNQ_DATABASE_URL: "postgresql://nobody@127.0.0.1:1/none" };
    const { code, stderr } = await stack.fynqctl(["user", "list"], environment);
    assert.equal(code, 1);
    assert.match(stderr, /database/);
  });
});
