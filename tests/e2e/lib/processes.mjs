// Processes of a stack, as the kernel tells of them.

import { readdirSync, readFileSync } from "node:fs";

/** A process that only waits for its parent to notice its end does not live. */
export function lives(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return !"ZX".includes(stat.slice(stat.lastIndexOf(")") + 2)[0]);
  } catch {
    return false;
  }
}

/** What stands in a file of /proc; nothing where its process is gone. */
function told(file) {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return "";
  }
}

/**
 * The ids of the processes of a stack's pool, that of multiwatch not among them. They are read at
 * once: where a test has much else to do, a turn for each file of /proc takes many seconds.
 */
export async function pidsOf(stack, name) {
  const isOf = (pid) => {
    const [program] = told(`/proc/${pid}/cmdline`).split("\0");
    return program.startsWith("/") && program.endsWith(`/${name}.fcgi`)
      && told(`/proc/${pid}/environ`).includes(stack.state);
  };
  return readdirSync("/proc").filter((it) => /^\d+$/.test(it)).map(Number).filter(isOf);
}
