// Processes of a stack, as the kernel tells of them.

import { readFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";

/** A process that only waits for its parent to notice its end does not live. */
export function lives(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return !"ZX".includes(stat.slice(stat.lastIndexOf(")") + 2)[0]);
  } catch {
    return false;
  }
}

/** The ids of the processes of a stack's pool, that of multiwatch not among them. */
export async function pidsOf(stack, name) {
  const found = [];
  for (const pid of (await readdir("/proc")).filter((it) => /^\d+$/.test(it))) {
    const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    if (!command.startsWith("/") || !command.split("\0")[0].endsWith(`/${name}.fcgi`)) continue;
    const environment = await readFile(`/proc/${pid}/environ`, "latin1").catch(() => "");
    if (environment.includes(stack.state)) found.push(Number(pid));
  }
  return found;
}
