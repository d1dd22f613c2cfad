// What the stand-in for a mail server got, and how to make it misbehave.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { waitUntil } from "./wait.mjs";

const MAIN = fileURLToPath(new URL("../../fakes/smtp/main.py", import.meta.url));

export class Mailboxes {
  #folder;
  #read = new Map();

  // folder: of the mail server; that of a stack is new Mailboxes(`${stack.state}/mail`).
  constructor(folder) {
    this.#folder = folder;
  }

  /** All mails to the address by now, the oldest first. */
  async all(address) {
    for (const name of (await readdir(this.#folder)).sort()) {
      if (name.endsWith(".json") && !this.#read.has(name)) {
        this.#read.set(name, JSON.parse(await readFile(path.join(this.#folder, name), "utf8")));
      }
    }
    return [...this.#read.values()].filter(({ to }) => to.includes(address.toLowerCase()));
  }

  /** The address's mails, once there are n of them. */
  async wait(address, n = 1) {
    return waitUntil(
      async () => {
        const mails = await this.all(address);
        return mails.length >= n && mails;
      },
      { what: `${n} mails to ${address}` },
    );
  }

  /** The newest mail to the address, once there are n of them. */
  async newest(address, n = 1) {
    return (await this.wait(address, n)).at(-1);
  }

  /** From now on it misbehaves in that way; see the README of tests/fakes/smtp. */
  async mode(mode) {
    await rm(path.join(this.#folder, "notes"), { force: true });
    await writeFile(path.join(this.#folder, "mode"), mode);
  }

  /** Waits for a line of its notes. */
  async noted(what) {
    await waitUntil(
      async () => {
        const notes = await readFile(path.join(this.#folder, "notes"), "utf8").catch(() => "");
        return notes.split("\n").includes(what);
      },
      { what: `the mail server notes "${what}"` },
    );
  }
}

/** The type and the token of a mail's link. */
export function linkOf({ text }) {
  const [link] = text.match(/https?:\/\/\S+/);
  const { type, token } = Object.fromEntries(new URLSearchParams(new URL(link).hash.slice(1)));
  return { link, type, token };
}

/** A mail server of the test's own; its stop() must be called. `options` as main.py has them. */
export async function startMailServer(folder, { cert, key, options = [] }) {
  const args = [MAIN, "--folder", folder, "--cert", cert, "--key", key, ...options];
  const child = spawn("/usr/bin/python3", args, { stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout });
  const [line] = await once(lines, "line", { signal: AbortSignal.timeout(60000) });
  return {
    ...JSON.parse(line),
    mailboxes: new Mailboxes(folder),
    async stop() {
      child.kill();
      await once(child, "exit");
    },
  };
}
