// Prints the text of a streamed reply, from server-sent events on standard input, as it comes.

import { createInterface } from "node:readline";

let event = "";
let done = false;

for await (const line of createInterface({ input: process.stdin })) {
  if (line.startsWith("event:")) event = line.slice(6).trim();
  if (!line.startsWith("data:")) continue;
  const data = JSON.parse(line.slice(5));
  if (event === "delta") process.stdout.write(data.text);
  if (event === "done") done = true;
  if (event === "error") console.error(`\n${line.slice(5).trim()}`);
}
process.stdout.write("\n");
process.exitCode = done ? 0 : 1;
