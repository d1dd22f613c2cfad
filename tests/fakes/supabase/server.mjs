// The listener: HTTP/2 and HTTP/1.1 over TLS by ALPN, or plain HTTP/1.1. It reads each request
// whole, records it, and plays the failure that was ordered for it, or else answers it.

import http from "node:http";
import http2 from "node:http2";

import { isStreamed, STORAGE } from "./storage.mjs";
import { respond } from "./storage-answers.mjs";

const MAX_BODY = 1 << 20; // The service's own limit.
const MAX_CALLS = 20000;
const KEEP_ALIVE_MS = 240000;
const { NGHTTP2_INTERNAL_ERROR: INTERNAL_ERROR } = http2.constants;

/** The calls that came, for tests: the last ones. */
export class Calls {
  #calls = [];
  #next = 1;

  open(call) {
    const opened = { id: this.#next++, ...call, status: null, failure: null, odd: [] };
    this.#calls.push(opened);
    if (this.#calls.length > MAX_CALLS) this.#calls.shift();
    return opened;
  }

  /** Those in which `match` stood; all without. What stood there is not shown: it holds secrets. */
  list(match = null) {
    return this.#calls
      .filter(({ words }) => match === null || words.includes(match))
      .map(({ words, ...shown }) => shown);
  }
}

/** A server, not yet listening; serve(exchange) and store(exchange) resolve with the answer. */
export function createServer({ tls, calls, orders, serve, store }) {
  const server = tls
    ? http2.createSecureServer({ allowHTTP1: true, ...tls })
    : http.createServer();
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.on("request", (req, res) => {
    const handled = req.url.startsWith(`${STORAGE}/`)
      ? handleStorage(req, res, { calls, orders, store })
      : handle(req, res, { calls, orders, serve });
    handled.catch((error) => {
      console.error(error);
      res.destroy?.();
    });
  });
  return server;
}

async function handle(req, res, { calls, orders, serve }) {
  const body = await readWhole(req);
  const exchange = new Exchange(req, res, body, calls);
  if (body === null) {
    exchange.answer({ status: 413, body: {
      code: 413, error_code: "request_entity_too_large",
      msg: `Request body too large (max ${MAX_BODY} bytes)`,
    }, headers: { "x-sb-error-code": "request_entity_too_large" } });
    return;
  }
  const failure = orders.take(exchange);
  if (!failure) {
    exchange.answer(await serve(exchange));
    return;
  }
  exchange.call.failure = failure.named;
  await failure.play(exchange, () => serve(exchange), failure.more);
}

/** Objects are not read before: they go to the disk as they come. */
async function handleStorage(req, res, { calls, orders, store }) {
  const streamed = isStreamed(req.method, req.url.split("?", 1)[0]);
  const exchange = new Exchange(req, res, streamed ? null : await readWhole(req), calls);
  const failure = orders.take(exchange);
  if (failure) {
    exchange.call.failure = failure.named;
    await failure.play(exchange, () => store(exchange), failure.more);
  } else {
    await respond(exchange, await store(exchange));
  }
  if (streamed) req.resume(); // What was refused is dropped, so that the client gets to its answer.
}

/** The body, or null where it is too large. A client that goes while it sends has said nothing. */
async function readWhole(req) {
  const chunks = [];
  let size = 0;
  try {
    for await (const chunk of req) {
      size += chunk.length;
      if (size <= MAX_BODY) chunks.push(chunk);
    }
  } catch {
    return Buffer.alloc(0);
  }
  return size <= MAX_BODY ? Buffer.concat(chunks) : null;
}

/** One request and its answer, whichever HTTP it came by. */
export class Exchange {
  constructor(req, res, body, calls) {
    const [path, query = ""] = req.url.split("?", 2);
    this.req = req;
    this.res = res;
    this.method = req.method;
    this.path = path;
    this.query = new URLSearchParams(query);
    this.headers = req.headers;
    this.body = body ?? Buffer.alloc(0);
    this.ip = forwarded(req);
    this.begun = false;
    this.gone = false;
    this.words = wordsOf(this);
    const protocol = req.httpVersionMajor === 2 ? "h2" : "http/1.1";
    const { apikey, authorization, traceparent = null } = req.headers;
    this.call = calls.open({
      method: this.method, path, protocol, traceparent, words: this.words, ip: this.ip,
      key: kindOf(apikey ?? this.query.get("apikey")), bearer: kindOf(bearerOf(authorization)),
      range: req.headers.range ?? null,
      at: new Date().toISOString(),
    });
    res.on("close", () => (this.gone = true));
    res.on("error", () => {});
  }

  begin(status, headers = {}) {
    if (this.begun || this.gone) return;
    this.begun = true;
    this.call.status = status;
    this.res.writeHead(status, { server: "stand-in", ...headers });
  }

  /** Writes bytes; false when the connection wants a pause. */
  write(bytes, written) {
    return this.gone || this.res.write(bytes, written);
  }

  end() {
    if (!this.gone) this.res.end();
  }

  /** A whole answer: `body` as JSON, or `text` as it is, or `location`, or nothing. */
  answer({ status, headers = {}, body, text, location }) {
    const plain = text ?? (body === undefined ? "" : JSON.stringify(body));
    const bytes = Buffer.from(plain);
    const type = text === undefined ? "application/json" : "text/plain; charset=utf-8";
    this.begin(status, {
      ...(bytes.length > 0 ? { "content-type": type } : {}),
      ...(status === 204 ? {} : { "content-length": bytes.length }),
      ...(location ? { location } : {}),
      ...headers,
    });
    if (bytes.length > 0) this.write(bytes);
    this.end();
  }

  onClose(tell) {
    this.res.once("close", tell);
  }

  onDrain(wake) {
    this.res.once("drain", wake);
    this.res.once("close", wake);
  }

  /** Breaks the answer off: RST_STREAM, or the connection. */
  reset() {
    if (this.gone) return;
    this.gone = true;
    const { stream } = this.res;
    if (stream) stream.close(INTERNAL_ERROR);
    else this.req.socket.destroy();
  }
}

function forwarded(req) {
  const [first = ""] = (req.headers["x-forwarded-for"] ?? "").split(",");
  return first.trim() || req.socket.remoteAddress;
}

const bearerOf = (header = "") => /^Bearer (\S+)$/i.exec(header)?.[1];

/** What a key or token is, without telling it. */
function kindOf(key) {
  if (!key) return null;
  const [, prefix] = /^(sb_publishable|sb_secret)_/.exec(key) ?? [];
  return prefix ?? (claimsOf(key)?.role ?? "other");
}

function claimsOf(token = "") {
  try {
    return JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
  } catch {
    return null;
  }
}

/** All that a test may know a request by: path, query, body, the claims of its token. */
function wordsOf({ path, query, body, headers }) {
  const claims = claimsOf(bearerOf(headers.authorization));
  return [path, String(query), body.toString(), claims ? JSON.stringify(claims) : ""].join("\n");
}
