// The README's session works as it is pasted into bash, twice in one shell.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { stack } from "./lib/fynq.mjs";

const TOP = fileURLToPath(new URL("../../", import.meta.url));
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const MARK = "--- the step ends ---\n";

/** The paragraphs of the only ```sh block. */
async function readSession() {
  const readme = await readFile(path.join(TOP, "README.md"), "utf8");
  const blocks = readme.match(/^```sh\n[^]*?^```$/gm);
  assert.equal(blocks.length, 1);
  return blocks[0].replace(/^```(sh\n)?/gm, "").trim().split("\n\n");
}

/** What bash prints for each step, with a ./dev beside it that speaks of the stack under test. */
async function paste(steps) {
  const folder = await mkdtemp(path.join(os.tmpdir(), "fynq-readme-"));
  try {
    const dev = `#!/bin/sh\nexec '${TOP}dev' "$@" --state '${stack.state}'\n`;
    await writeFile(path.join(folder, "dev"), dev, { mode: 0o755 });
    const lines = steps.flatMap((step) => [step, `printf %s '${MARK}'`]);
    const child = spawn("bash", ["--norc"], { cwd: folder, stdio: ["pipe", "pipe", "pipe"] });
    const output = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"]) {
      child[name].setEncoding("utf8");
      child[name].on("data", (text) => (output[name] += text));
    }
    child.stdin.end(`${lines.join("\n")}\n`);
    await once(child, "close");
    assert.equal(output.stderr, "");
    return output.stdout.split(MARK).slice(0, -1);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The events of a whole event stream. */
function eventsOf(text) {
  return text.trim().split("\n\n").map((block) => {
    const [, event, data] = /^id: \d+\nevent: (\w+)\ndata: (.*)$/.exec(block) ?? [];
    return { event, data: JSON.parse(data) };
  });
}

/** Checks one pasting; the address and the chat's id, to compare it with another. */
function check([settings, registered, loggedIn, asked, streamed, listed]) {
  assert.equal(settings, "");

  const session = JSON.parse(registered);
  assert.match(session.user.id, UUID);
  assert.ok(session.access_token && session.refresh_token);

  assert.equal(loggedIn, `${session.user.id} is logged in\n`);

  const reply = asked.trim();
  assert.match(reply, /stand-in/i);

  const events = eventsOf(streamed);
  const { chat_id: chat, reply_id: id } = events[0].data;
  assert.equal(events[0].event, "start");
  assert.equal(events.at(-1).event, "done");
  const deltas = events.slice(1, -1);
  assert.ok(deltas.length > 1 && deltas.every(({ event }) => event === "delta"));
  const words = deltas.map(({ data }) => data.text).join("");

  const { items, next_cursor: next } = JSON.parse(listed);
  assert.deepEqual(
    items.map((item) => [item.chat_id, item.sender, item.status, item.content]),
    [
      [chat, "tutor", "complete", words],
      [chat, "student", "complete", "Is it the air?"],
      [chat, "tutor", "complete", reply],
      [chat, "student", "complete", "Why is the sky blue?"],
    ],
  );
  assert.equal(items[0].id, id);
  assert.equal(next, null);
  return { email: session.user.email, chat };
}

test("the README's session works as it is pasted, and again", async () => {
  const steps = await readSession();
  assert.equal(steps.length, 6);
  const outputs = await paste([...steps, ...steps]);
  assert.equal(outputs.length, 12);
  const first = check(outputs.slice(0, 6));
  const second = check(outputs.slice(6));
  assert.notEqual(first.email, second.email);
  assert.notEqual(first.chat, second.chat);
});
