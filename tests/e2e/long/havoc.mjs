// What goes wrong in a chaos run, one thing after the other.

import { randomInt } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";

import { killPostgres, killResponder, shuffled } from "../load/load.mjs";

const responder = (name) => (stack) => killResponder(stack, name);

const acts = {
  kill_chat: responder("chat"),
  kill_auth: responder("auth"),
  kill_users: responder("users"),
  restart_postgres: (stack) => killPostgres(stack, "SIGQUIT"),
  restart_chat: async (stack) => {
    const { code, stderr } = await stack.fynqctl(["restart", "chat"]);
    if (code !== 0) throw new Error(`fynqctl restart chat: ${stderr}`);
  },
};

const ROUND = [...Object.keys(acts), "kill_chat"];

/**
 * Every act, the rounds in an order by chance, with a pause of `between` ([least, most] ms) before
 * each, until over() is true. Counts them in `counts`.
 */
export async function havoc(stack, { between: [least, most], over, counts }) {
  for (;;) {
    for (const name of shuffled(ROUND)) {
      await pause(randomInt(least, most + 1));
      if (over()) return;
      await acts[name](stack);
      counts[name] = (counts[name] ?? 0) + 1;
    }
  }
}
