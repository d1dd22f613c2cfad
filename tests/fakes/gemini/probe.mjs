// For the stand-in's own test: a client that shows an HTTP/2 answer as it came, and a reader of
// streams that owes nothing to the code that writes them.

import { once } from "node:events";
import http2 from "node:http2";

export class Probe {
  /** A client of the stand-in at `url`, by the certificate `ca`, with `key`. */
  constructor(url, ca, key) {
    this.key = key;
    this.session = http2.connect(url, { ca });
  }

  close() {
    this.session.destroy();
  }

  /** Sends a request and answers its stream; an object as body goes as JSON. */
  open(target, { method = "POST", headers = {}, body } = {}) {
    const stream = this.session.request({
      ":method": method,
      ":path": target,
      "x-goog-api-key": this.key,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    });
    stream.on("error", () => {});
    const asItIs = typeof body === "string" || Buffer.isBuffer(body) || body === undefined;
    stream.end(asItIs ? body : JSON.stringify(body));
    return stream;
  }

  /** The whole answer; `status` is null where none comes, `broken` tells of RST_STREAM. */
  async ask(target, options) {
    const stream = this.open(target, options);
    const answer = { status: null, headers: {}, body: "", broken: false };
    const chunks = [];
    stream.on("response", (headers) => {
      answer.status = headers[":status"];
      answer.headers = headers;
    });
    stream.on("data", (chunk) => chunks.push(chunk));
    await once(stream, "close").catch(() => {}); // An "error" comes first; "close" may follow.
    answer.body = Buffer.concat(chunks).toString();
    answer.broken = stream.rstCode !== http2.constants.NGHTTP2_NO_ERROR;
    return answer;
  }
}

/** The error in an answer, in an array or not. */
export function errorOf(answer) {
  return [JSON.parse(answer.body)].flat()[0].error;
}

/** What a stream in SSE says, by the rules of the standard; errors in bare JSON are read too. */
export function readStream(body) {
  const said = { text: "", finish: null, block: undefined, error: undefined, malformed: false };
  const blocks = body.replace(/\r\n/g, "\n").split("\n\n");
  const rest = blocks.pop(); // What no blank line ends is no event.
  if (/^[[{]/.test(rest)) note(said, [JSON.parse(rest)].flat()[0]);
  for (const block of blocks) {
    const data = block.split("\n").filter((line) => line.startsWith("data:"));
    if (data.length === 0) continue;
    try {
      note(said, JSON.parse(data.map((line) => line.slice(5)).join("\n")));
    } catch {
      said.malformed = true;
    }
  }
  return said;
}

function note(said, event) {
  const candidate = event.candidates?.[0];
  for (const part of candidate?.content?.parts ?? []) {
    if (!part.thought) said.text += part.text ?? "";
  }
  said.finish = candidate?.finishReason ?? said.finish;
  said.block = event.promptFeedback?.blockReason ?? said.block;
  said.error = event.error?.status ?? said.error;
  said.usage = event.usageMetadata ?? said.usage;
}
