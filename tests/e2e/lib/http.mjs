// The service over HTTP, as a client that checks nothing by itself.

import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { randomUUID } from "node:crypto";

export class Client {
  #base;

  constructor(base) {
    this.#base = base;
  }

  /**
   * One request. `path` is under /api/v1 unless it begins with "//" ("//healthz"). An object as
   * body goes as JSON, a string or Buffer as it is. Resolves with {status, headers (a Headers),
   * text, json (undefined where the body is none), ms}. `from` is the address that the client has,
   * such as 127.0.0.2.
   */
  api = async (method, path, { token, body, headers = {}, signal, from } = {}) => {
    const began = performance.now();
    const options = { method, headers: requestHeaders(token, body, headers), localAddress: from };
    const send = signal || from ? leave : stay;
    const answer = await send(this.#target(path), { ...options, signal }, encode(body));
    return { ...answer, json: parse(answer.text), ms: performance.now() - began };
  };

  /**
   * A new student: {email, password, id, token, refreshToken, session}. `overrides` are members of
   * the request's body.
   */
  register = async (overrides = {}) => {
    const body = {
      email: `${randomUUID()}@example.com`,
      password: "correct horse battery",
      birth_date: "2000-01-31",
      ...overrides,
    };
    const { status, text, json } = await this.api("POST", "/auth/register", { body });
    if (status !== 201) throw new Error(`register: ${status} ${text}`);
    return {
      email: body.email,
      password: body.password,
      id: json.user.id,
      token: json.access_token,
      refreshToken: json.refresh_token,
      session: json,
    };
  };

  /**
   * POST a body and read server-sent events as they come; resolves, once the head of the answer is
   * there, with a Stream. Its connection is its own.
   */
  sse = async (path, body, { token, headers = {}, method = "POST" } = {}) => {
    const request = http.request(this.#target(path), {
      method,
      headers: requestHeaders(token, body, { accept: "text/event-stream", ...headers }),
      agent: false,
    });
    request.end(encode(body));
    const [response] = await once(request, "response");
    return new Stream(request, response);
  };

  /** Bytes on a connection of their own; resolves with all that came back, as text. */
  raw = async (bytes, { timeoutMs = 30000 } = {}) => {
    const { hostname, port } = new URL(this.#base);
    const socket = net.connect({ host: hostname, port: Number(port) });
    const chunks = [];
    socket.on("data", (chunk) => chunks.push(chunk));
    socket.on("error", () => {}); // A server that refuses early may reset the rest.
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error("timeout")));
    socket.write(bytes);
    await new Promise((resolve) => socket.on("close", resolve));
    return Buffer.concat(chunks).toString();
  };

  #target(path) {
    return path.startsWith("//") ? `${this.#base}${path.slice(1)}` : `${this.#base}/api/v1${path}`;
  }
}

async function stay(url, options, body) {
  const response = await fetch(url, { ...options, body, redirect: "manual" });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** For a client that may leave: fetch() no longer listens to its signal once memory was collected. */
async function leave(url, options, body) {
  const request = http.request(url, { ...options, agent: false });
  request.end(body);
  const [response] = await once(request, "response");
  const chunks = [];
  for await (const chunk of response) chunks.push(chunk);
  const headers = new Headers();
  for (let i = 0; i < response.rawHeaders.length; i += 2) {
    headers.append(response.rawHeaders[i], response.rawHeaders[i + 1]);
  }
  return { status: response.statusCode, headers, text: Buffer.concat(chunks).toString() };
}

/**
 * An answer that streams. `for await` gives its events: {event, id, data (parsed), at (ms)}. What
 * is not read stays in the socket, so a Stream that nobody reads is a client that does not read.
 */
export class Stream {
  comments = 0;

  constructor(request, response) {
    this.request = request;
    this.response = response;
    this.status = response.statusCode;
    this.headers = new Headers(
      Object.entries(response.headers).map(([name, value]) => [name, String(value)]),
    );
  }

  async *[Symbol.asyncIterator]() {
    let rest = "";
    this.response.setEncoding("utf8");
    for await (const chunk of this.response) {
      const blocks = (rest + chunk).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const event = this.#parse(block);
        if (event) yield event;
      }
    }
    if (rest !== "") throw new Error(`the stream ended inside an event: ${rest}`);
  }

  #parse(block) {
    const event = { event: "message", id: null, at: performance.now() };
    const data = [];
    for (const line of block.split("\n")) {
      const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line);
      if (name === "event") event.event = value;
      else if (name === "id") event.id = value;
      else if (name === "data") data.push(value);
      else if (name === "") this.comments += 1;
      else throw new Error(`not a line of an event stream: ${line}`);
    }
    return data.length > 0 ? { ...event, data: JSON.parse(data.join("\n")) } : null;
  }

  /** Reads to the end: {events, text (the deltas joined), start, done, error}. */
  async all() {
    const events = [];
    for await (const event of this) events.push(event);
    const last = (name) => events.findLast((event) => event.event === name)?.data;
    const deltas = events.filter((event) => event.event === "delta");
    const text = deltas.map((event) => event.data.text).join("");
    return { events, text, start: last("start"), done: last("done"), error: last("error") };
  }

  /** The body of an answer that is no stream. */
  async json() {
    let text = "";
    this.response.setEncoding("utf8");
    for await (const chunk of this.response) text += chunk;
    return parse(text);
  }

  /** Go away, as a browser's tab that is closed. */
  close() {
    this.response.on("error", () => {});
    this.request.on("error", () => {});
    this.request.destroy();
  }
}

function requestHeaders(token, body, headers) {
  const isJson = body !== undefined && typeof body !== "string" && !Buffer.isBuffer(body);
  return {
    ...(token ? { authorization: `Bearer ${token}` } : {}),
    ...(isJson ? { "content-type": "application/json" } : {}),
    ...headers,
  };
}

function encode(body) {
  if (body === undefined || typeof body === "string" || Buffer.isBuffer(body)) return body;
  return JSON.stringify(body);
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
