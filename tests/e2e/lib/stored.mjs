// Files as if fynq had stored them, whatever they are; and reading them, byte by byte.

import { createHash, randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import http from "node:http";
import path from "node:path";

/**
 * A file of this user, object first, then row; `lost`: without the object. Resolves with {id, sha256,
 * bytes}.
 */
export async function storeFile(
  stack,
  user,
  { name = null, bytes = randomBytes(3000), type = "image/jpeg", purpose = "chat", lost } = {},
) {
  const id = randomUUID();
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  if (!lost) await putObject(stack, user, id, bytes, type);
  await stack.db.run(
    `insert into public.files (id, user_id, purpose, name, media_type, bytes, sha256, width, height)
     values ($1, $2, $3, $4, $5, $6, $7, 640, 480)`,
    [id, user.id, purpose, name, type, bytes.length, sha256],
  );
  return { id, sha256, bytes };
}

async function putObject(stack, user, id, bytes, type) {
  if (stack.storage) {
    await stack.storage.put(`${user.id}/${id}`, bytes, { type });
    return;
  }
  const object = objectOf(stack, user, id);
  await mkdir(path.dirname(object), { recursive: true });
  await writeFile(object, bytes);
}

/** Where the object is, of a stack that keeps them in a folder. */
export const objectOf = (stack, user, id) =>
  path.join(stack.state, "files/objects", user.id.slice(-2), user.id, id);

/**
 * One request with all that can go wrong with its body: {status, headers (a Headers), bytes, whole}.
 * `stopAfter` goes away when so many bytes have come.
 */
export async function read(url, { method = "GET", headers = {}, stopAfter = Infinity } = {}) {
  const request = http.request(url, { method, headers, agent: false });
  request.end();
  const [response] = await once(request, "response");
  const chunks = [];
  let n = 0;
  try {
    for await (const chunk of response) {
      chunks.push(chunk);
      n += chunk.length;
      if (n >= stopAfter) break; // Which destroys the response.
    }
  } catch (error) {
    if (error.code !== "ECONNRESET") throw error;
  }
  const bytes = Buffer.concat(chunks);
  const text = bytes.length < 65536 ? bytes.toString() : "";
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    // Not every answer is JSON.
  }
  return {
    status: response.statusCode,
    headers: new Headers(Object.entries(response.headers).map(([k, v]) => [k, String(v)])),
    bytes, text, json, whole: response.complete,
  };
}
