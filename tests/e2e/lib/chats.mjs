// Chats as tests use them: each call fails where its answer is not the good one.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

import { api, db, register } from "./fynq.mjs";

export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
export const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;

/** A token for a script of the stand-in, to be part of a question. */
export const newToken = () => `script ${randomUUID()}`;

/** A question; resolves with whatever the answer is. */
export const ask = (token, body) => api("POST", "/chat/message", { token, body });

/** A question that is answered whole: {chat_id, message, reply}. */
export async function asked(token, body) {
  const { status, json, text } = await ask(token, body);
  assert.equal(status, 201, text);
  return json;
}

/** A new chat. */
export async function opened(token, body = {}) {
  const { status, json, text } = await api("POST", "/chats", { token, body });
  assert.equal(status, 201, text);
  return json;
}

export async function read(token, path) {
  const { status, json, text } = await api("GET", path, { token });
  assert.equal(status, 200, text);
  return json;
}

/** A chat's newest messages, the newest first, as other answers have them: without siblings. */
export const messages = async (token, chat) =>
  (await read(token, `/chats/${chat}/messages`)).items.map(({ siblings, ...rest }) => rest);

export const ids = (items) => items.map(({ id }) => id);

let made = 0;

/** An id that is newer than all that were made before. */
function newId() {
  const time = Date.now().toString(16).padStart(12, "0");
  const count = (made++ & 0xfff).toString(16).padStart(3, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}-7${count}-8000-${randomUUID().slice(24)}`;
}

/**
 * A message straight into the database: `columns` beside those of the chat and the sender, who is
 * the student. Resolves with its id. The chat's leaf stays where it is.
 */
export async function put({ chat, user, sender = "student", ...columns }) {
  const row = { id: newId(), chat_id: chat, user_id: user, sender, ...columns };
  const names = Object.keys(row);
  await db.run(
    `insert into messages (${names}) values (${names.map((_, i) => `$${i + 1}`)})`,
    Object.values(row),
  );
  return row.id;
}

/** A process that writes nothing and is taken for alive: of replies that are to stay pending. */
export async function liveRunner() {
  const id = randomUUID();
  await db.run(
    `insert into fynq.runners (id, endpoint, pid, seen_at)
     values ($1, 'test', 1, now() + interval '1 hour')`,
    [id],
  );
  return id;
}

export const chooseLeaf = (chat, leaf) =>
  db.run("update chats set leaf_id = $2 where id = $1", [chat, leaf]);

/** A new student with role admin. */
export async function admin() {
  const { email, password, id } = await register();
  await db.run(
    `update auth.users set raw_app_meta_data = raw_app_meta_data || '{"role":"admin"}'
     where id = $1`,
    [id],
  );
  const { json } = await api("POST", "/auth/login", { body: { email, password } });
  return json.access_token;
}
