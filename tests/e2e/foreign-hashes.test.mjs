// Accounts whose password was hashed elsewhere, as after an import: bcrypt of others signs in, and
// nothing else does.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { before, describe, it, test } from "node:test";
import { promisify } from "node:util";

import { api, cgi, db, stack } from "./lib/fynq.mjs";
import { Database } from "./lib/database.mjs";
import { assertProblem } from "./lib/problem.mjs";

const run = promisify(execFile);

const passwords = {
  "of ASCII": "correct horse battery",
  "of other letters": "pässwörd 日本語 🙂",
  "of 72 bytes": "0123456789ab".repeat(6),
};

// Another database of the cluster, so that the service's own stays as the migrations made it.
const postgres = new Database(stack.databaseUrl.replace("/fynq?", "/postgres?"));

const htpasswd = async (form, password) => {
  const { stdout } = await run("htpasswd", ["-nb", ...form, "user", password]);
  return stdout.trim().replace(/^user:/, "");
};
const crypt = async (setting, password) => {
  const script = "print crypt($ARGV[0], $ARGV[1])";
  const { stdout } = await run("perl", ["-e", script, password, setting]);
  return stdout;
};
const SALT = "abcdefghijklmnopqrstuu";

const bcrypt = {
  "$2y$ by htpasswd": (password) => htpasswd(["-B", "-C", "5"], password),
  "$2a$ by pgcrypto": async (password) => {
    const sql = "select crypt($1, gen_salt('bf', 5)) as hash";
    const [{ hash }] = await postgres.query(sql, [password]);
    return hash;
  },
  "$2b$ by crypt(3)": (password) => crypt(`$2b$05$${SALT}`, password),
};

const others = {
  "$apr1$ by htpasswd": (password) => htpasswd(["-m"], password),
  "{SHA} by htpasswd": (password) => htpasswd(["-s"], password),
  "$6$ by crypt(3)": (password) => crypt("$6$abcdefgh$", password),
  "the password itself": (password) => password,
  "nothing": () => "",
  "no hash": () => null,
  "a hash cut short": async (password) => (await crypt(`$2b$05$${SALT}`, password)).slice(0, 59),
};

before(() => postgres.run("create extension if not exists pgcrypto"));

/** Makes an account with that hash, as an operator may; resolves with its address. */
async function imported(hash) {
  const email = `${randomUUID()}@example.com`;
  await db.run(
    `insert into auth.users (id, email, encrypted_password, email_confirmed_at)
     values ($1, $2, $3, now())`,
    [randomUUID(), email, hash],
  );
  return email;
}

const login = (email, password) => api("POST", "/auth/login", { body: { email, password } });

describe("bcrypt of others", { concurrency: 4 }, () => {
  for (const [kind, hash] of Object.entries(bcrypt)) {
    for (const [name, password] of Object.entries(passwords)) {
      it(`${kind}, a password ${name}`, async () => {
        const stored = await hash(password);
        assert.equal(stored.slice(0, 4), kind.slice(0, 4));
        const email = await imported(stored);
        const { status, json } = await login(email, password);
        assert.equal(status, 200);
        assert.equal(json.user.email, email);
        assertProblem(await login(email, `${password.slice(0, -2)}x`), 401, "bad_credentials");
      });
    }
  }
});

describe("what is not bcrypt signs nobody in", { concurrency: 4 }, () => {
  for (const [kind, hash] of Object.entries(others)) {
    it(kind, async () => {
      const password = "correct horse battery";
      const stored = await hash(password);
      const email = await imported(stored);
      assertProblem(await login(email, password), 401, "bad_credentials");
      if (stored) assertProblem(await login(email, stored.slice(0, 72)), 401, "bad_credentials");
    });
  }
});

test("a new hash is bcrypt of the cost that the settings say, 10 by default", async () => {
  const email = `${randomUUID()}@example.com`;
  const { status, text } = await cgi("auth", "POST", "/api/v1/auth/register", {
    body: { email, password: passwords["of ASCII"], birth_date: "2000-01-31" },
    environment: { FYNQ_BCRYPT_COST: "10" },
  });
  assert.equal(status, 201, text);
  const [{ hash }] = await db.query(
    "select encrypted_password as hash from auth.users where email = $1",
    [email],
  );
  assert.match(hash, /^\$2[aby]\$10\$[./A-Za-z0-9]{53}$/);
  const settings = await readFile(new URL("../../docs/config.md", import.meta.url), "utf8");
  assert.match(settings, /\| `FYNQ_BCRYPT_COST` \|[^\n]*`10`/);
});
