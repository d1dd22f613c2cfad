// Processes of a stack, as the kernel tells of them.

import { readFileSync } from "node:fs";

/** A process that only waits for its parent to notice its end does not live. */
export function lives(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return !"ZX".includes(stat.slice(stat.lastIndexOf(")") + 2)[0]);
  } catch {
    return false;
  }
}
