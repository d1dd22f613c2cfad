// A file's metadata and bytes, for its owner and for nobody else.

import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { test } from "node:test";

import { api, db, register, stack } from "./lib/fynq.mjs";
import { assertProblem } from "./lib/problem.mjs";
import { storeFile } from "./lib/stored.mjs";

const store = (user, options) => storeFile(stack, user, options);

async function content(id, token, headers = {}) {
  const response = await fetch(`${stack.url}/api/v1/files/${id}/content`, {
    headers: { authorization: `Bearer ${token}`, ...headers },
  });
  return { response, bytes: Buffer.from(await response.arrayBuffer()) };
}

test("the owner reads what is known of a file, and again only when it has changed", async () => {
  const user = await register();
  const { id, sha256, bytes } = await store(user, { name: "Blatt 1.jpg" });
  const { status, headers, json } = await api("GET", `/files/${id}`, { token: user.token });
  assert.equal(status, 200);
  assert.match(json.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  delete json.created_at;
  assert.deepEqual(json, {
    id, purpose: "chat", name: "Blatt 1.jpg", media_type: "image/jpeg", bytes: bytes.length, sha256,
    width: 640, height: 480, url: `/api/v1/files/${id}/content`,
  });
  const again = await api("GET", `/files/${id}`, {
    token: user.token, headers: { "if-none-match": headers.get("etag") },
  });
  assert.equal(again.status, 304);
});

test("its bytes come as what they are, and as nothing that a browser would run", async () => {
  const user = await register();
  const file = await store(user, { name: 'Größe "x"; a=b.jpg' });
  const { response, bytes } = await content(file.id, user.token);
  assert.equal(response.status, 200);
  assert.deepEqual(bytes, file.bytes);
  const wanted = {
    "content-type": "image/jpeg",
    "content-length": String(file.bytes.length),
    etag: `"${file.sha256}"`,
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; sandbox",
    "cache-control": "private, max-age=31536000, immutable",
    "content-disposition": `inline; filename="Gr__e _x__ a=b.jpg"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%20_x__%20a%3Db.jpg`,
  };
  for (const [name, value] of Object.entries(wanted)) {
    assert.equal(response.headers.get(name), value);
  }

  const unchanged = await content(file.id, user.token, { "if-none-match": `"${file.sha256}"` });
  assert.equal(unchanged.response.status, 304);
  assert.equal(unchanged.bytes.length, 0);
  const changed = await content(file.id, user.token, { "if-none-match": '"another"' });
  assert.equal(changed.response.status, 200);

  const nameless = await store(user);
  const answer = await content(nameless.id, user.token);
  assert.equal(answer.response.headers.get("content-disposition"),
    `inline; filename="file.jpg"; filename*=UTF-8''file.jpg`);
});

test("a file of 8 MB comes whole", async () => {
  const user = await register();
  const file = await store(user, { bytes: randomBytes(8 << 20) });
  const { response, bytes } = await content(file.id, user.token);
  assert.equal(response.status, 200);
  assert.ok(bytes.equals(file.bytes));
});

test("to anyone else, an admin too, it is not there", async () => {
  const owner = await register();
  const { id } = await store(owner);
  const other = await register();
  const { email, password, id: adminId } = await register();
  await db.run(
    `update auth.users set raw_app_meta_data = raw_app_meta_data || '{"role": "admin"}'
     where id = $1`,
    [adminId],
  );
  const login = await api("POST", "/auth/login", { body: { email, password } });
  for (const token of [other.token, login.json.access_token]) {
    for (const route of [`/files/${id}`, `/files/${id}/content`]) {
      assertProblem(await api("GET", route, { token }), 404, "not_found");
    }
  }
  for (const route of [`/files/${id}`, `/files/${id}/content`]) {
    assertProblem(await api("GET", route), 401, "unauthorized");
  }
});

test("an id that names nothing, or is none", async () => {
  const { token } = await register();
  for (const rest of ["", "/content"]) {
    const unknown = await api("GET", `/files/${randomUUID()}${rest}`, { token });
    assertProblem(unknown, 404, "not_found");
    assertProblem(await api("GET", `/files/nonsense${rest}`, { token }), 422, "invalid", ["id"]);
  }
});
