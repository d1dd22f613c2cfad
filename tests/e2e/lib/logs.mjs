// What must not be in a log.

import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";

import { waitUntil } from "./fynq.mjs";

/**
 * No log of the stack holds one of `secrets` (texts), and no request failed with 500. `last` is
 * the answer to the newest request of the test: the logs are read once they have its line.
 */
export async function assertNotLogged(stack, last, secrets) {
  const id = last.headers.get("x-request-id");
  await waitUntil(async () => (await stack.log(({ request_id: it }) => it === id)).length > 0, {
    what: `the log has request ${id}`,
  });
  const folder = path.join(stack.state, "log");
  for (const name of await readdir(folder)) {
    const text = await readFile(path.join(folder, name), "utf8");
    for (const secret of secrets) {
      assert.ok(secret.length >= 8, "too short to be looked for");
      assert.ok(!text.includes(secret), `${name} holds ${secret}`);
    }
  }
  const failed = await stack.log(({ event, status }) => event === "request" && status === 500);
  assert.deepEqual(failed, []);
}
