// Objects of the local store, and rows of public.files, as one who looks behind the service has
// them: to damage, to age, to count.

import { createHash, randomBytes, randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, utimes, writeFile } from "node:fs/promises";
import path from "node:path";

export const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

const HOUR = 3600;

/** Where an object of this key, USERID/OBJECTID, lies. */
export function pathOf(stack, key) {
  return path.join(stack.state, "files/objects", key.slice(34, 36), key);
}

/** Make a file look as if it had been written so many hours ago. */
export async function ageFile(file, hours) {
  const then = Date.now() / 1000 - hours * HOUR;
  await utimes(file, then, then);
}

/** An object of a user that no row names; resolves with its key. */
export async function putObject(stack, { id: user }, { bytes = randomBytes(100), hours = 0 } = {}) {
  const key = `${user}/${randomUUID()}`;
  await mkdir(path.dirname(pathOf(stack, key)), { recursive: true });
  await writeFile(pathOf(stack, key), bytes);
  await ageFile(pathOf(stack, key), hours);
  return key;
}

/** The row that an object of these bytes would have, added so many hours ago. */
export async function putRow(stack, key, { bytes = randomBytes(100), hours = 0 } = {}) {
  const [user, id] = key.split("/");
  await stack.db.run(
    `insert into public.files (id, user_id, purpose, name, media_type, bytes, sha256, created_at)
     values ($1, $2, 'document', 'notes.txt', 'text/plain', $3, $4,
       now() - make_interval(hours => $5::int))`,
    [id, user, bytes.length, sha256(bytes), hours],
  );
}

/** A file as the service would have it: object and row; resolves with its key. */
export async function putFile(stack, user, { bytes = randomBytes(100), hours = 0 } = {}) {
  const key = await putObject(stack, user, { bytes, hours });
  await putRow(stack, key, { bytes, hours });
  return key;
}

/** The row that says that an object is on its way, since so many hours. */
export async function putUpload(stack, key, hours) {
  const [user, id] = key.split("/");
  await stack.db.run(
    `insert into fynq.uploads (id, user_id, began_at)
     values ($1, $2, now() - make_interval(hours => $3::int))`,
    [id, user, hours],
  );
}

/** The keys of all objects that lie in the folder. */
export async function objectsOf(stack) {
  const all = await readdir(path.join(stack.state, "files/objects"), { recursive: true })
    .catch(() => []);
  return all.filter((name) => name.split("/").length === 3).map((name) => name.slice(3));
}

/** The keys of all rows. */
export async function rowsOf(stack) {
  const rows = await stack.db.query("select user_id || '/' || id as key from public.files");
  return rows.map(({ key }) => key);
}

/** The keys of all objects that are on their way. */
export async function uploadsOf(stack) {
  const rows = await stack.db.query("select user_id || '/' || id as key from fynq.uploads");
  return rows.map(({ key }) => key);
}

/** The SHA-256 of an object, as it lies there. */
export const hashOf = async (stack, key) => sha256(await readFile(pathOf(stack, key)));
