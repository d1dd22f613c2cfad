// Files in a folder of the service's own.

import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import path from "node:path";

import { filesSuite } from "./lib/files-suite.mjs";
import { startStack } from "./lib/fynq.mjs";
import { read } from "./lib/stored.mjs";

filesSuite(() => startStack(), {
  name: "in a folder",
  async objects({ state }, user) {
    const folder = path.join(state, "files/objects", user.slice(-2), user);
    const names = await readdir(folder).catch((error) => {
      assert.equal(error.code, "ENOENT");
      return [];
    });
    return names.sort();
  },
  follow: (stack, url) => read(url),
});
