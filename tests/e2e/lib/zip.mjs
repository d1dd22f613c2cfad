// ZIPs as whoever gets one sees them: unpacked by unzip, which checks every sum.

import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A ZIP's files: {path: Buffer}. Fails where unzip finds anything wrong with it. */
export async function unzip(bytes) {
  const folder = await mkdtemp(path.join(os.tmpdir(), "fynq-zip-"));
  try {
    const file = path.join(folder, "it.zip");
    const to = path.join(folder, "to");
    await writeFile(file, bytes);
    await run("unzip", ["-tq", file]);
    await run("unzip", ["-q", file, "-d", to]);
    const entries = await readdir(to, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile());
    return Object.fromEntries(await Promise.all(files.map(async (entry) => {
      const name = path.join(entry.parentPath ?? entry.path, entry.name);
      return [path.relative(to, name), await readFile(name)];
    })));
  } finally {
    await rm(folder, { recursive: true });
  }
}
