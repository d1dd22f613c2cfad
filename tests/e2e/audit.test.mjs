// The record of what happened to accounts, as admins read it.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { before, describe, it } from "node:test";

import { api, db, register, stack } from "./lib/fynq.mjs";
import { admin } from "./lib/chats.mjs";
import { assertProblem } from "./lib/problem.mjs";
import { waitUntil } from "./lib/wait.mjs";

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;
const post = (path, body, more) => api("POST", path, { body, ...more });

let token;
before(async () => {
  token = await admin();
});

const read = (query = {}, as = token) =>
  api("GET", `/audit?${new URLSearchParams(query)}`, { token: as });

async function events(user_id, more = {}) {
  const { status, text, json } = await read({ user_id, limit: 100, ...more });
  assert.equal(status, 200, text);
  return json.items;
}

describe("audit", { concurrency: 4 }, () => {
  it("an account's life, the newest first", async () => {
    const student = await register();
    const { email, password } = student;
    await post("/auth/login", { email: email.toUpperCase(), password: "incorrect" });
    const requestId = `audit-${randomUUID()}`;
    const session = await post("/auth/login", { email, password },
      { headers: { "x-request-id": requestId } });
    await post("/auth/logout", { scope: "others" }, { token: session.json.access_token });
    await post("/auth/recover", { email });

    const items = await events(student.id);
    assert.deepEqual(items.map(({ event, detail }) => [event, detail]), [
      ["recovery_asked", null],
      ["signed_out", "others"],
      ["signed_in", "password"],
      ["sign_in_failed", "bad_credentials"],
      ["registered", null],
    ]);
    for (const item of items) {
      assert.deepEqual(Object.keys(item).sort(), ["actor_id", "address", "at", "detail", "event",
        "id", "request_id", "user_id"]);
      assert.match(item.at, TIME);
      assert.equal(item.user_id, student.id);
      assert.equal(item.address, "127.0.0.1");
      assert.equal(item.actor_id, item.event === "signed_out" ? student.id : null);
    }
    assert.equal(items[2].request_id, requestId);
    const text = JSON.stringify(items);
    for (const secret of [email, password, "incorrect"]) assert.ok(!text.includes(secret), secret);
  });

  it("a token that is used again after its time", async () => {
    const student = await register();
    const refresh = () => post("/auth/refresh", { refresh_token: student.refreshToken });
    assert.equal((await refresh()).status, 200);
    await db.run(
      `update auth.refresh_tokens set updated_at = now() - interval '11 s' where user_id = $1`,
      [student.id],
    );
    assert.equal((await refresh()).status, 401);
    const [newest] = await events(student.id);
    assert.equal(newest.event, "token_reused");
  });

  it("a sign-in to an account that there is not: of nobody", async () => {
    const requestId = `audit-${randomUUID()}`;
    await post("/auth/login", { email: `${randomUUID()}@example.com`, password: "incorrect" },
      { headers: { "x-request-id": requestId } });
    const rows = await db.query(
      "select event, subject, actor from fynq.audit where request_id = $1", [requestId]);
    assert.deepEqual(rows, [{ event: "sign_in_failed", subject: null, actor: null }]);
  });

  it("the log has the same", async () => {
    const { id } = await register();
    const [line] = await waitUntil(async () => {
      const lines = await stack.log(({ event, subject }) => event === "audit" && subject === id);
      return lines.length > 0 && lines;
    });
    const [item] = await events(id);
    assert.equal(line.level, "info");
    assert.equal(line.what, "registered");
    assert.equal(line.address, "127.0.0.1");
    assert.equal(line.request_id, item.request_id);
    assert.equal(line.stored, undefined);
  });

  it("filters, alone and together", async () => {
    const { id, email, password } = await register();
    for (let i = 0; i < 3; i++) await post("/auth/login", { email, password });
    const all = await events(id);
    assert.deepEqual(all.map(({ event }) => event),
      ["signed_in", "signed_in", "signed_in", "registered"]);
    assert.equal((await events(id, { event: "signed_in" })).length, 3);
    assert.equal((await events(id, { event: "disabled" })).length, 0);
    assert.deepEqual(await events(id, { from: all[1].at }), all.slice(0, 2));
    assert.deepEqual(await events(id, { to: all[1].at }), all.slice(2));
    assert.deepEqual(await events(id, { from: all[2].at, to: all[0].at, event: "signed_in" }),
      all.slice(1, 3));
    const { json } = await read({ event: "registered", limit: 5 });
    assert.deepEqual(new Set(json.items.map(({ event }) => event)), new Set(["registered"]));
  });

  it("pages, without gaps or repeats, while the record grows", async () => {
    const { id, email, password } = await register();
    for (let i = 0; i < 6; i++) await post("/auth/login", { email, password });
    const all = await events(id);
    const paged = [];
    let cursor;
    do {
      const { status, json, text } = await read({ user_id: id, limit: 3, ...(cursor && { cursor }) });
      assert.equal(status, 200, text);
      paged.push(...json.items);
      cursor = json.next_cursor;
      await post("/auth/login", { email, password });
    } while (cursor);
    assert.deepEqual(paged, all);
    assertProblem(await read({ cursor: "bm90aGluZw" }), 422, "invalid", ["cursor"]);
  });

  it("what an admin did is found by the admin's id, too", async () => {
    const { id } = await register();
    const adminId = randomUUID();
    await db.run(
      `insert into fynq.audit (id, event, actor, subject, detail)
       values (gen_random_uuid(), 'role_changed', $1, $2, 'teacher')`,
      [adminId, id],
    );
    const [item] = await events(adminId);
    assert.equal(item.user_id, id);
    assert.equal(item.detail, "teacher");
    assert.ok((await events(id)).some(({ actor_id }) => actor_id === adminId));
  });

  it("nobody but admins", async () => {
    const student = await register();
    assertProblem(await read({}, student.token), 403, "forbidden");
    assertProblem(await read({}, null), 401, "unauthorized");
    assertProblem(await read({ user_id: student.id }, student.token), 403, "forbidden");
  });

  it("what is asked wrongly", async () => {
    assertProblem(await read({ event: "danced", user_id: "x", from: "then" }), 422, "invalid",
      ["event", "from", "user_id"]);
  });

  it("the account may go, the record stays, without where it was", async () => {
    const { id } = await register();
    await db.run("delete from auth.users where id = $1", [id]);
    await db.run("select fynq.audit_forget_user($1)", [id]);
    const [item] = await events(id);
    assert.equal(item.event, "registered");
    assert.equal(item.address, null);
  });
});
