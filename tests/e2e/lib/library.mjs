// The library as tests fill it: contents straight into database and store, read by `fynqctl upkeep`.

import { createHash, randomUUID } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";

import { waitUntil } from "./wait.mjs";

/** An object of a user's in the stack's store, and its row. Resolves with the file's id. */
export async function putFile(stack, user, bytes, { purpose = "content", type, name } = {}) {
  const id = randomUUID();
  const folder = path.join(stack.state, "files/objects", user.slice(-2), user);
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, id), bytes);
  await stack.db.run(
    `insert into files (id, user_id, purpose, media_type, name, bytes, sha256)
     values ($1, $2, $3, $4, $5, $6, $7)`,
    [id, user, purpose, type ?? "application/pdf", name ?? "script.pdf", bytes.length,
      createHash("sha256").update(bytes).digest("hex")],
  );
  return id;
}

/**
 * A content of an author, published unless it says otherwise: of a `pdf` (bytes), a `body`, or
 * neither, a video. One for `later` is read by `fynqctl upkeep` alone: no process of the pool, each of
 * which looks for what waits once a minute, is there first. Resolves with its id.
 */
export async function putContent(stack, author, content) {
  const { pdf, body = null, title = "A script", description = null, language = "en",
    published = true, later = false } = content;
  const id = randomUUID();
  const file = pdf === undefined ? null : await putFile(stack, author, pdf);
  const type = pdf !== undefined ? "pdf" : body !== null ? "text" : "video";
  await stack.db.run(
    `begin;
     insert into contents (id, author_id, type, title, description, body, file_id, url, language,
       published)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);
     update contents set due_at = now() + interval '1 hour' where id = $1 and $11;
     commit`,
    [id, author, type, title, description, body, file,
      type === "video" ? "https://www.youtube.com/watch?v=1" : null, language, published,
      later],
  );
  return id;
}

/** What became of a content's text: {extraction, extraction_error, pages}. */
export async function stateOf(stack, id) {
  const [row] = await stack.db.query(
    "select extraction, extraction_error, pages from contents where id = $1", [id]);
  return row;
}

/** The same, once it waits no more: whoever reads it. */
export async function whenRead(stack, id, { timeoutMs = 120000 } = {}) {
  return waitUntil(async () => {
    const state = await stateOf(stack, id);
    if (state.extraction !== "waiting") return state;
    await stack.fynqctl(["upkeep"]); // Once more where others had the processors.
    return null;
  }, { timeoutMs, what: `content ${id} is read` });
}

/** A content that can be asked about. Resolves with its id. */
export async function readContent(stack, author, content) {
  const id = await putContent(stack, author, content);
  const state = await whenRead(stack, id);
  if (state.extraction === "failed") throw new Error(`not read: ${state.extraction_error}`);
  return id;
}
