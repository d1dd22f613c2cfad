// A client that takes a reply's events up where it lost them.

import assert from "node:assert/strict";

export const target = (reply) => `/chat/messages/${reply}/stream`;

/** Asks for a streamed reply in a new chat; resolves with the Stream. */
export const begin = (stack, token, content) =>
  stack.sse("/chat/message", { content, stream: true }, { token });

/** The events of a reply after that of `id`, or all without one; resolves with the Stream. */
export const resume = (stack, token, reply, id) =>
  stack.sse(target(reply), undefined, {
    token,
    method: "GET",
    headers: id === undefined ? {} : { "last-event-id": id },
  });

/** What a client has of a reply; `read` adds to it. Ids must grow by the bytes of the text. */
export class Follower {
  constructor({ id, text = "", seen = [] } = {}) {
    this.id = id;
    this.text = text;
    this.seen = [...seen]; // Names of events.
  }

  get reply() {
    return this.start?.reply_id;
  }

  /** Reads to the stream's end, or so many events and then breaks off. */
  async read(stream, events = Infinity) {
    for await (const { event, id, data } of stream) {
      const bytes = event === "delta" ? Buffer.byteLength(data.text) : event === "start" ? 0 : 1;
      if (event === "delta" || event === "start")
        assert.equal(Number(id), (this.id ?? 0) + bytes, `the id of ${event}`);
      this.id = Number(id);
      this.seen.push(event);
      if (event === "delta") this.text += data.text;
      else this[event] = data;
      if (--events === 0) break;
    }
    stream.close();
  }
}
