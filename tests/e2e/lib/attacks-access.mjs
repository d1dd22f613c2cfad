// Reaching for what is not one's own, on every route of the OpenAPI documents: without a token,
// with one elsewhere than in its header, with too low a role, with the ids of another, with members
// that would give rights, and from a page of another origin.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { before, describe, it } from "node:test";

import { waitUntil } from "./fynq.mjs";
import { nameOf, operations, requestFor } from "./openapi.mjs";
import { registerAs } from "./people.mjs";
import { assertProblem } from "./problem.mjs";

const guarded = operations.filter(({ who }) => who !== "anyone");
const forAdmins = operations.filter(({ who }) => who === "admin");
const JSON_TYPE = { "content-type": "application/json" };

/** `stackProvider` resolves with the stack to reach into; whoever keeps its accounts. */
export function attackAccess(stackProvider) {
  let api, cgi, db, register, stack;
  let alice; // Whose things the others reach for.
  let mallory;
  let teacher;
  let things; // Alice's ids, by the names of path parameters.

  before(async () => {
    stack = await stackProvider();
    ({ api, cgi, db, register } = stack);
    alice = await register();
    mallory = await register();
    teacher = await registerAs(stack, "teacher");
    const asked = await api("POST", "/chat/message", {
      token: alice.token,
      body: { content: `Why? ${randomUUID()}` },
    });
    assert.equal(asked.status, 201, asked.text);
    const [{ session }] = await db.query(
      "select id as session from auth.sessions where user_id = $1",
      [alice.id],
    );
    const { chat_id: chat, reply } = asked.json;
    things = { chat, message: reply.id, session, file: randomUUID(), content: randomUUID() };
    await db.run(
      `insert into public.files (id, user_id, purpose, media_type, bytes, sha256)
       values ($1, $2, 'chat', 'image/png', 1, repeat('a', 64))`,
      [things.file, alice.id],
    );
    await db.run(
      "insert into public.contents (id, author_id, type, title, body) values ($1, $2, 'text', 'T', 'B')",
      [things.content, alice.id],
    );
  });

  /** Which of Alice's things a path parameter names. */
  function thingOf(path, name) {
    if (name === "user_id" || path.startsWith("/users/")) return alice.id;
    if (name === "mid" || path.startsWith("/chat/messages/")) return things.message;
    if (path.startsWith("/auth/sessions/")) return things.session;
    if (path.startsWith("/files/")) return things.file;
    if (path.startsWith("/contents/")) return things.content;
    if (path.startsWith("/chats/")) return things.chat;
    throw new Error(`whose is {${name}} of ${path}?`);
  }

  /** Everything that is stored of Alice, as one text. */
  async function stateOfAlice() {
    const rows = await db.query(
      `select (select to_jsonb(u) from auth.users u where id = $1) as u,
         (select to_jsonb(p) from public.profiles p where id = $1) as p,
         (select jsonb_agg(to_jsonb(s)) from auth.sessions s where user_id = $1) as s,
         (select jsonb_agg(to_jsonb(f)) from public.files f where user_id = $1) as f,
         (select jsonb_agg(to_jsonb(o)) from public.contents o where author_id = $1) as o,
         (select jsonb_agg(to_jsonb(c)) from public.chats c where user_id = $1) as c,
         (select jsonb_agg(to_jsonb(m) order by id)
          from public.messages m where user_id = $1) as m`,
      [alice.id],
    );
    return JSON.stringify(rows);
  }

  const send = (operation, { token, given, headers } = {}) => {
    const { path, body } = requestFor(operation, given);
    return api(operation.method, path, { token, body, headers });
  };

  it("there are routes of each kind to try", () => {
    assert.ok(guarded.length >= 20, String(guarded.length));
  });

  describe("without a token: 401, and how to bring one", { concurrency: 4 }, () => {
    for (const operation of guarded) {
      it(nameOf(operation), async () => {
        const answer = await send(operation);
        assertProblem(answer, 401, "unauthorized");
        assert.equal(answer.headers.get("www-authenticate"), "Bearer");
      });
    }
  });

  describe("a token is taken from its header alone", { concurrency: 4 }, () => {
    for (const operation of guarded) {
      it(nameOf(operation), async () => {
        const { token } = mallory;
        const cookie = ["access_token", "token", "jwt", "session", "sb-access-token",
          "Authorization", "fynq"].map((name) => `${name}=${token}`).join("; ");
        const headers = { cookie, "x-access-token": token, "x-auth-token": token, apikey: token };
        assertProblem(await send(operation, { headers }), 401, "unauthorized");
        const { path, body } = requestFor(operation);
        const query = `${path.includes("?") ? "&" : "?"}access_token=${token}&token=${token}`;
        assertProblem(await api(operation.method, path + query, { body }), 401, "unauthorized");
      });
    }
  });

  describe("what is for admins: 403 for everyone else", { concurrency: 4 }, () => {
    for (const operation of forAdmins) {
      it(nameOf(operation), async () => {
        const was = await stateOfAlice();
        for (const { token } of [mallory, teacher]) {
          const answer = await send(operation, { token, given: { id: alice.id } });
          assertProblem(answer, 403, "forbidden");
        }
        assert.equal(await stateOfAlice(), was);
      });
    }
  });

  describe("another's ids: 404, and nothing has changed", () => {
    const named = guarded.filter(({ who, path }) => who !== "admin" && path.includes("{"));
    for (const operation of named) {
      it(nameOf(operation), async () => {
        const given = Object.fromEntries(operation.fields
          .filter(({ where }) => where === "path")
          .map(({ name }) => [name, thingOf(operation.path, name)]));
        const was = await stateOfAlice();
        for (const { token } of operation.who === "teacher" ? [teacher] : [mallory, teacher]) {
          assertProblem(await send(operation, { token, given }), 404, "not_found");
        }
        assert.equal(await stateOfAlice(), was);
        // The ids are right: to Alice, what only reads says something else.
        if (operation.method !== "GET") return;
        const own = await send(operation, { token: alice.token, given });
        if (!operation.path.startsWith("/files/")) assert.equal(own.status, 200, own.text);
      });
    }

    it("there were routes to try", () => assert.ok(named.length >= 10, String(named.length)));

    it("ids of another in a body: as if they were not there", async () => {
      const { token } = mallory;
      const ask = (body) => api("POST", "/chat/message", { token, body });
      const chat = await ask({ content: "Why?", chat_id: things.chat });
      assertProblem(chat, 404, "not_found");
      const opened = await api("POST", "/chats", { token, body: {} });
      const leaf = await api("PATCH", `/chats/${opened.json.id}`, {
        token,
        body: { leaf_id: things.message },
      });
      assertProblem(leaf, 422, "invalid", ["leaf_id"]);
      const picture = await api("POST", "/chat/image", { token, body: { file_id: things.file } });
      assert.ok([404, 415, 422].includes(picture.status), picture.text);
    });
  });

  describe("where the database cannot say who stands, nobody gets in", { concurrency: 4 }, () => {
    const environment = { FYNQ_DATABASE_URL: "postgresql://fynq@/fynq?host=/nonexistent" };
    for (const operation of guarded) {
      it(nameOf(operation), async () => {
        const { path, body } = requestFor(operation);
        const answer = await cgi(operation.program, operation.method, `/api/v1${path}`, {
          token: mallory.token,
          body,
          environment,
        });
        assertProblem(answer, 503, "database_unavailable");
      });
    }

    it("POST /auth/login, with the right password", async () => {
      const { email, password } = mallory;
      const body = { email, password };
      const answer = await cgi("auth", "POST", "/api/v1/auth/login", { body, environment });
      assertProblem(answer, 503, "database_unavailable");
    });
  });

  it("a refusal is a line of the log: whom, what, why", async () => {
    const { token, id } = mallory;
    const rows = [
      [await api("GET", `/chats/${things.chat}`, { token }), 404, "not_found", id],
      [await api("GET", "/users/me", { token: `${token}x` }), 401, "unauthorized", undefined],
      [await api("PATCH", "/users/me", { token, body: { role: "admin" } }), 422, "invalid", id],
      ...await Promise.all(forAdmins.map(async (operation) =>
        [await send(operation, { token }), 403, "forbidden", id])),
    ];
    for (const [{ headers }, status, error, user] of rows) {
      const line = await waitUntil(async () => {
        const [found] = await stack.log(({ event, request_id }) =>
          event === "request" && request_id === headers.get("x-request-id"));
        return found;
      });
      assert.deepEqual([line.status, line.error, line.user], [status, error, user]);
      assert.ok(line.time && line.route && line.method);
    }
  });

  it("the log and the sockets are closed to other users of the host", async () => {
    const sockets = (await readdir(path.join(stack.state, "run")))
      .filter((name) => name.endsWith(".sock"));
    assert.ok(sockets.length > 0);
    const files = ["log/fynq.log", ...sockets.map((name) => `run/${name}`)];
    for (const file of files) {
      const { mode } = await stat(path.join(stack.state, file));
      assert.equal(mode & 0o007, 0, `${file}: ${mode.toString(8)}`);
    }
  });

  const rights = {
    role: "admin",
    roles: ["admin"],
    is_admin: true,
    is_super_admin: true,
    app_metadata: { role: "admin" },
    raw_app_meta_data: { role: "admin" },
    user_metadata: { role: "admin" },
    data: { role: "admin" },
    id: randomUUID(),
    sub: randomUUID(),
    user_id: randomUUID(),
    aud: "authenticated",
    disabled: false,
    banned_until: null,
    ban_duration: "none",
    email_confirmed: true,
    email_confirm: true,
    email_confirmed_at: "2026-01-01T00:00:00Z",
    confirmed_at: "2026-01-01T00:00:00Z",
    created_at: "2026-01-01T00:00:00Z",
    encrypted_password: "x",
    limits: { messages_day: 0 },
  };

  describe("members that would give rights: 422 that names them", { concurrency: 4 }, () => {
    const taking = operations.filter(({ type, who, program }) =>
      type === "application/json" && who !== "admin" && ["auth", "users"].includes(program));
    for (const operation of taking) {
      it(nameOf(operation), async () => {
        const people = operation.who === "anyone" ? [{}] : [mallory, teacher];
        const own = operation.fields.map(({ name }) => name);
        for (const { token } of people) {
          for (const [name, value] of Object.entries(rights)) {
            if (own.includes(name)) continue;
            const answer = await send(operation, { token, given: { [name]: value } });
            assertProblem(answer, 422, "invalid", [name]);
          }
        }
      });
    }

    it("none has got in", async () => {
      const rows = await db.query(
        `select raw_app_meta_data ->> 'role' as role, raw_user_meta_data ? 'role' as said
         from auth.users where id = any (array[$1, $2]::uuid[]) order by role nulls first`,
        [mallory.id, teacher.id],
      );
      assert.deepEqual(rows, [{ role: null, said: false }, { role: "teacher", said: false }]);
    });
  });
}

/** What has nothing to do with who keeps the accounts. */
export function attackFromPages(stack) {
  const { api, cgi } = stack;
  const somebody = {}; // One of each role.

  before(async () => {
    somebody.user = await stack.register();
    somebody.teacher = await registerAs(stack, "teacher");
    somebody.admin = await registerAs(stack, "admin");
  });

  describe("a page of another origin", { concurrency: 4 }, () => {
    const changing = operations.filter(({ method }) => method !== "GET");
    for (const operation of changing) {
      it(`${nameOf(operation)}: no leave to read the answer, no cookie is set`, async () => {
        const { path } = requestFor(operation);
        for (const origin of ["https://evil.example", "null"]) {
          const target = path.startsWith("//") ? path.slice(1) : `/api/v1${path}`;
          const { headers, status } = await cgi(operation.program, operation.method, target, {
            headers: { origin, ...JSON_TYPE },
            body: "[]",
            environment: { FYNQ_CORS_ORIGINS: "https://app.example" },
          });
          assert.ok(status >= 400 && status < 500, String(status));
          assert.equal(headers.get("access-control-allow-origin"), null);
          assert.equal(headers.get("access-control-allow-credentials"), null);
          assert.equal(headers.get("set-cookie"), null);
        }
      });
    }

    // What a form of HTML can send without being asked for a preflight.
    const takingJson = operations.filter(({ type }) => type === "application/json");
    for (const operation of takingJson) {
      it(`${nameOf(operation)}: a form's media type is refused`, async () => {
        const { token } = somebody[operation.who] ?? somebody.user;
        const { path, body } = requestFor(operation);
        for (const type of ["text/plain", "application/x-www-form-urlencoded"]) {
          const answer = await api(operation.method, path, {
            token,
            body: JSON.stringify(body),
            headers: { "content-type": type },
          });
          assertProblem(answer, 415, "unsupported_media_type");
        }
      });
    }
  });
}
