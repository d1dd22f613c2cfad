// Chats as tests use them: each call fails where its answer is not the good one.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

import { api } from "./fynq.mjs";

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

/** A chat's newest messages, the newest first. */
export const messages = async (token, chat) => (await read(token, `/chats/${chat}/messages`)).items;

export const ids = (items) => items.map(({ id }) => id);
