// Prints the text of a streamed reply, from server-sent events on standard input, as it comes, and
// what it cites.

import { createInterface } from "node:readline";

let event = "";
let done;

for await (const line of createInterface({ input: process.stdin })) {
  if (line.startsWith("event:")) event = line.slice(6).trim();
  if (!line.startsWith("data:")) continue;
  const data = JSON.parse(line.slice(5));
  if (event === "delta") process.stdout.write(data.text);
  if (event === "done") done = data;
  if (event === "error") console.error(`\n${line.slice(5).trim()}`);
}
process.stdout.write("\n");
for (const { n, title, page } of done?.reply.citations ?? []) {
  console.log(`[${n}] ${title}${page ? `, page ${page}` : ""}`);
}
process.exitCode = done ? 0 : 1;
