// Files as users send them.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";

import { filePart, form } from "./form.mjs";

export const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** A text of so many bytes that no other has. */
export const note = (size, word = "") =>
  Buffer.from(`${word} ${Math.random()} `.padEnd(size, "a note ").slice(0, size));

/** POST /files/upload with these parts; resolves with whatever the answer is. */
export function send(stack, token, parts, headers = {}) {
  const sent = form(parts);
  const all = { ...sent.headers, ...headers };
  return stack.api("POST", "/files/upload", { token, body: sent.body, headers: all });
}

/** One file, sent as what it is to be; resolves with whatever the answer is. */
export const sendOne = (stack, token, bytes, { name = "a.txt", type, headers, ...texts } = {}) =>
  send(stack, token, { file: filePart(bytes, name, type), ...texts }, headers);

/** Several files, each its bytes or a part; resolves with whatever the answer is. */
export const sendAll = (stack, token, files, { headers, ...texts } = {}) =>
  send(stack, token, [
    ...files.map((file, i) =>
      ["files", Buffer.isBuffer(file) ? filePart(file, `${i}.txt`) : file]),
    ...Object.entries(texts),
  ], headers);

/** One file that is stored: its metadata. */
export async function stored(stack, token, bytes, options) {
  const { status, text, json } = await sendOne(stack, token, bytes, options);
  assert.equal(status, 201, text);
  return json;
}

/** The limits of one user, and no others. */
export const limit = (stack, user, limits) => {
  const names = Object.keys(limits);
  return stack.db.run(
    `insert into public.user_limits (user_id, ${names.join(", ")})
     values ($1, ${names.map((name) => Number(limits[name])).join(", ")})`,
    [user.id],
  );
};

/** These files are the user's, as rows and as objects, and nothing else is or is on its way. */
export async function assertKept({ stack, mode }, { id }, files) {
  const rows = await stack.db.query("select id from files where user_id = $1", [id]);
  assert.deepEqual(rows.map((row) => row.id).sort(), [...files].sort());
  assert.deepEqual(await mode.objects(stack, id), [...files].sort());
  assert.deepEqual(await stack.db.query("select * from fynq.uploads where user_id = $1", [id]), []);
}
