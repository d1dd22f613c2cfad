// Of every mode: the caller's own profile and rights, and what admins see and do.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { callsOf } from "./account-sessions.mjs";
import { asRole } from "./accounts.mjs";
import { assertProblem } from "./problem.mjs";
import { admitted, EXPORT } from "./takeout.mjs";
import { claimsOf } from "./tokens.mjs";

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;

export function describeProfiles(suite) {
  const { register, login, refused } = callsOf(suite);
  const api = (...args) => suite.stack.api(...args);
  const get = (token, headers) => api("GET", "/users/me", { token, headers });
  const patch = (token, body, headers) => api("PATCH", "/users/me", { token, body, headers });

  describe("users/me", { concurrency: 4 }, () => {
    it("shows the whole profile", async () => {
      const student = await register();
      const { status, json } = await get(student.token);
      assert.equal(status, 200);
      const { created_at: made, updated_at: changed, ...rest } = json;
      assert.deepEqual(rest, {
        id: student.id, email: student.email, role: "student", display_name: null, locale: null,
        birth_date: "2000-01-31", grade_level: null, preferences: {},
      });
      assert.match(made, TIME);
      assert.match(changed, TIME);
      assertProblem(await get(), 401, "unauthorized");
    });

    it("PATCH sets what is named, null clears, the rest stays", async () => {
      const { token } = await register({ display_name: "Ada", locale: "en" });
      const preferences = { theme: "dark", sizes: [1, 2.5], nested: { é: null } };
      const set = await patch(token, { grade_level: "10 b", preferences });
      assert.equal(set.status, 200, set.text);
      assert.equal(set.json.display_name, "Ada");
      assert.equal(set.json.grade_level, "10 b");
      assert.deepEqual(set.json.preferences, preferences);
      assert.deepEqual((await get(token)).json, set.json);

      const cleared = await patch(token, { display_name: null, locale: null, grade_level: null });
      assert.equal(cleared.status, 200);
      assert.equal(cleared.json.display_name, null);
      assert.equal(cleared.json.locale, null);
      assert.equal(cleared.json.grade_level, null);
      assert.deepEqual(cleared.json.preferences, preferences);
      assert.deepEqual((await patch(token, { preferences: {} })).json.preferences, {});
    });

    it("the birth date is set once, and may be repeated", async () => {
      const { token, id } = await register();
      const again = await patch(token, { birth_date: "2000-01-31", locale: "fr" });
      assert.equal(again.status, 200);
      assert.equal(again.json.locale, "fr");
      assertProblem(await patch(token, { birth_date: "1990-01-31" }), 409, "conflict");
      assert.equal((await get(token)).json.birth_date, "2000-01-31");

      await suite.stack.db.run(
        "set role service_role; update profiles set birth_date = null where id = $1", [id]);
      const set = await patch(token, { birth_date: "1990-01-31" });
      assert.equal(set.json.birth_date, "1990-01-31");
      assertProblem(await patch(token, { birth_date: "1991-01-31" }), 409, "conflict");
    });

    it("an entity tag for each state: 304, 412", async () => {
      const { token } = await register();
      const first = await get(token);
      const tag = first.headers.get("etag");
      assert.match(tag, /^"[0-9a-f]+"$/);
      for (const list of [tag, `W/${tag}`, `"x", ${tag}`, "*"]) {
        const answer = await get(token, { "if-none-match": list });
        assert.equal(answer.status, 304, list);
        assert.equal(answer.text, "");
        assert.equal(answer.headers.get("etag"), tag);
      }
      assert.equal((await get(token, { "if-none-match": '"x"' })).status, 200);

      const changed = await patch(token, { locale: "de" }, { "if-match": tag });
      assert.equal(changed.status, 200);
      const next = changed.headers.get("etag");
      assert.notEqual(next, tag);
      assert.equal((await get(token)).headers.get("etag"), next);
      const stale = await patch(token, { locale: "it" }, { "if-match": tag });
      assertProblem(stale, 412, "precondition_failed");
      assert.equal((await get(token)).json.locale, "de");
      assert.equal((await patch(token, { locale: "it" }, { "if-match": "*" })).status, 200);
      assert.equal((await get(token, { "if-none-match": next })).status, 200);
    });

    it("of two changes of one state at once, one is made", async () => {
      const { token } = await register();
      const tag = (await get(token)).headers.get("etag");
      const answers = await Promise.all(
        ["de", "fr", "it", "es"].map((locale) => patch(token, { locale }, { "if-match": tag })));
      assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 412, 412, 412]);
    });

    it("shows what was used, and gives all that is held as one file", async () => {
      const { token } = await register();
      const usage = await api("GET", "/users/me/usage", { token });
      assert.equal(usage.status, 200);
      assert.deepEqual(Object.keys(usage.json).sort(), [
        "bytes", "day", "file_bytes", "files", "minute", "saved_tokens", "uploads",
      ]);
      const file = await admitted(() => api("POST", EXPORT, { token }));
      assert.equal(file.status, 200, file.text);
      assert.equal(file.headers.get("content-type"), "application/zip");
      assert.ok(file.text.startsWith("PK"));
      for (const [method, path] of [["GET", "usage"], ["POST", "export"]]) {
        assertProblem(await api(method, `/users/me/${path}`), 401, "unauthorized");
      }
    });

    it("who leaves is gone: account, sessions, tokens, the address is free", async () => {
      const student = await register();
      const { status, text } = await api("DELETE", "/users/me", { token: student.token });
      assert.equal(status, 204, text);
      const body = { email: student.email, password: student.password };
      assertProblem(await login(body), 401, "bad_credentials");
      await refused(student.refreshToken);
      // A process may go on believing in the account for a while, but there is nothing to see.
      assert.ok([401, 404].includes((await get(student.token)).status));
      for (const table of ["auth.users", "public.profiles"]) {
        const rows = await suite.stack.db.query(`select id from ${table} where id = $1`,
          [student.id]);
        assert.deepEqual(rows, [], table);
      }
      const again = await register({ email: student.email });
      assert.notEqual(again.id, student.id);
    });
  });
}

export function describeAdmins(suite) {
  const { register, login, refused, refresh, post } = callsOf(suite);
  const api = (...args) => suite.stack.api(...args);
  const boss = (() => {
    let made; // One will do for all.
    return () => (made ??= asRole("admin", suite.stack));
  })();
  const get = async (path) => api("GET", path, { token: (await boss()).token });
  const patch = async (id, body) =>
    api("PATCH", `/users/${id}`, { token: (await boss()).token, body });

  describe("admins", { concurrency: 3 }, () => {
    it("list, find and read accounts", async () => {
      const student = await register({ display_name: "Ada", locale: "de-CH" });
      const query = new URLSearchParams({ q: student.email, role: "student" });
      const list = await get(`/users?${query}`);
      assert.equal(list.status, 200, list.text);
      assert.deepEqual(list.json.items.map(({ id }) => id), [student.id]);
      assert.equal(list.json.next_cursor, null);
      const one = await get(`/users/${student.id}`);
      assert.equal(one.status, 200);
      assert.deepEqual(list.json.items[0], one.json);
      assert.equal(one.json.email, student.email);
      assert.equal(one.json.role, "student");
      assert.equal(one.json.disabled, false);
      assert.equal(one.json.email_confirmed, true);
      assert.match(one.json.last_sign_in_at, TIME);
    });

    it("give a role: its sessions end, and the next one has it", async () => {
      const student = await register();
      const answer = await patch(student.id, { role: "teacher" });
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.json.role, "teacher");
      await refused(student.refreshToken);
      const { json } = await login({ email: student.email, password: student.password });
      assert.equal(json.user.role, "teacher");
      assert.equal(claimsOf(json.access_token).app_metadata.role, "teacher");
    });

    it("disable an account, and enable it again", async () => {
      const student = await register();
      const credentials = { email: student.email, password: student.password };
      assert.equal((await patch(student.id, { disabled: true })).json.disabled, true);
      assertProblem(await login(credentials), 403, "account_disabled");
      const refreshed = await refresh(student.refreshToken);
      assert.ok([401, 403].includes(refreshed.status), refreshed.text);
      assert.equal((await patch(student.id, { disabled: false })).json.disabled, false);
      assert.equal((await login(credentials)).status, 200);
    });

    it("set limits, and correct a birth date", async () => {
      const { id, token } = await register();
      const body = { limits: { messages_day: 3 }, birth_date: "1999-12-31" };
      const { status, text } = await patch(id, body);
      assert.equal(status, 200, text);
      const usage = await api("GET", "/users/me/usage", { token });
      assert.equal(usage.json.day.messages.limit, 3);
      assert.equal((await api("GET", "/users/me", { token })).json.birth_date, "1999-12-31");
    });

    it("read what happened to an account", async () => {
      const student = await register();
      const { email: address, password } = student;
      await login({ email: address, password: "incorrect" });
      const session = await login({ email: address, password });
      await post("logout", { scope: "others" }, { token: session.json.access_token });
      const { status, json } = await get(`/audit?user_id=${student.id}`);
      assert.equal(status, 200);
      assert.deepEqual(json.items.map(({ event }) => event),
        ["signed_out", "signed_in", "sign_in_failed", "registered"]);
      assert.equal(JSON.stringify(json).includes(address), false);
    });

    it("nobody else does", async () => {
      const student = await register();
      const teacher = await asRole("teacher", suite.stack);
      for (const path of ["/users", `/users/${student.id}`, "/audit"]) {
        for (const { token } of [student, teacher]) {
          assertProblem(await api("GET", path, { token }), 403, "forbidden");
        }
        assertProblem(await api("GET", path), 401, "unauthorized");
      }
      const body = { role: "admin" };
      const own = await api("PATCH", `/users/${student.id}`, { token: student.token, body });
      assertProblem(own, 403, "forbidden");
    });
  });
}
