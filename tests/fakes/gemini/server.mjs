// The listener that stands for Google's front end: HTTP/2 and HTTP/1.1 over TLS by ALPN, or plain
// HTTP/1.1. It reads each request whole and hands it to the service as an Exchange.

import http from "node:http";
import http2 from "node:http2";

import { htmlPage, invalidArgument } from "./errors.mjs";

const MAX_BODY = 20 << 20; // The service's limit, which it explains.
const MAX_READ = 64 << 20; // The front end's, past which it reads no further.
const KEEP_ALIVE_MS = 240000;

const { NGHTTP2_INTERNAL_ERROR: INTERNAL_ERROR, NGHTTP2_NO_ERROR: NO_ERROR } = http2.constants;

const HTTP2_OPTIONS = {
  allowHTTP1: true,
  settings: { maxConcurrentStreams: 100, initialWindowSize: 1 << 20 },
  // Clients in tests overrun these more than a public server would bear. Where Node does not know
  // the last two (18 and 20), a connection on which a client cancels more than 1000 streams,
  // and 33 more a second, gets GOAWAY, and what it opens at that moment must be tried again.
  maxSessionInvalidFrames: 100000,
  maxSessionRejectedStreams: 100000,
  maxSessionMemory: 64,
  streamResetBurst: 1000000,
  streamResetRate: 1000000,
};

/**
 * A server, not yet listening. `tls` is {cert, key} or null; `calls` records; `serve(exchange,
 * body)` answers each request that has arrived whole.
 */
export function createServer({ tls, calls, serve }) {
  const server = tls ? http2.createSecureServer({ ...HTTP2_OPTIONS, ...tls }) : http.createServer();
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.on("request", (req, res) => readWhole(new Exchange(req, res, calls), serve));
  server.on(tls ? "secureConnection" : "connection", (socket) => socket.setNoDelay(true));
  server.on("session", (session) => session.setLocalWindowSize(1 << 20));
  return server;
}

function readWhole(exchange, serve) {
  const { req } = exchange;
  let chunks = [];
  let size = 0;
  req.on("data", (chunk) => {
    size += chunk.length;
    if (size <= MAX_BODY) chunks.push(chunk);
    else chunks = [];
    if (size > MAX_READ && !exchange.begun) {
      exchange.answer(413, htmlPage(413, "Request Entity Too Large"));
    }
  });
  req.on("end", () => {
    if (exchange.begun) return;
    if (size <= MAX_BODY) {
      serve(exchange, Buffer.concat(chunks));
    } else {
      const why = `Request payload size exceeds the limit: ${MAX_BODY} bytes.`;
      exchange.answer(400, invalidArgument(why).body());
    }
  });
  req.on("error", () => {}); // A client that goes while it sends; "close" of the answer tells.
}

/** One request and its answer, whichever HTTP it came by. */
export class Exchange {
  constructor(req, res, calls) {
    const [path, query = ""] = req.url.split("?", 2);
    this.req = req;
    this.res = res;
    this.calls = calls;
    this.method = req.method;
    this.path = path;
    this.query = new URLSearchParams(query);
    this.headers = req.headers;
    this.begun = false;
    this.gone = false; // Nothing more can be written: ended, reset, or the client went.
    this.tap = null; // Told of all bytes that are written.
    this.inList = false; // Errors stand in an array, as a stream without alt=sse has them.
    const protocol = req.httpVersionMajor === 2 ? "h2" : "http/1.1";
    this.call = calls.open({ path: this.path, protocol, traceparent: req.headers.traceparent });
    if (protocol === "http/1.1") res.on("finish", () => calls.close(this.call, "complete"));
    res.on("close", () => {
      const whole = protocol === "h2" && this.gone && res.stream.rstCode === NO_ERROR;
      this.gone = true;
      calls.close(this.call, whole ? "complete" : "aborted");
    });
    res.on("error", () => {});
  }

  /** Sends the head, the first time that it is called. */
  begin(status, headers = {}) {
    if (this.begun || this.gone) return;
    this.begun = true;
    this.call.status = status;
    this.res.writeHead(status, { server: "stand-in", ...headers });
  }

  /** Writes bytes of the body; false when the connection wants a pause. */
  write(bytes) {
    if (this.gone) return true;
    this.calls.firstByte(this.call);
    this.tap?.(bytes);
    return this.res.write(bytes);
  }

  end() {
    if (this.gone) return;
    this.gone = true;
    this.res.end();
  }

  /** A whole answer: an object as JSON, a string as it is (HTML, unless `headers` say), or none. */
  answer(status, body, headers = {}) {
    const isText = typeof body === "string";
    const contentType = isText ? "text/html; charset=UTF-8" : "application/json; charset=UTF-8";
    const json = this.inList && body?.error ? [body] : body;
    const text = isText ? body : JSON.stringify(json, null, 2);
    const bytes = Buffer.from(text ?? "");
    this.begin(status, {
      ...(bytes.length > 0 ? { "content-type": contentType } : {}),
      "content-length": bytes.length,
      ...headers,
    });
    if (bytes.length > 0) this.write(bytes);
    this.end();
  }

  onDrain(wake) {
    this.res.once("drain", wake);
  }

  onClose(tell) {
    this.res.once("close", tell);
  }

  /** Breaks the answer off: RST_STREAM, or the connection. */
  reset() {
    if (this.gone) return;
    this.gone = true;
    this.calls.close(this.call, "complete");
    const { stream } = this.res;
    if (stream) stream.close(INTERNAL_ERROR);
    else this.req.socket.destroy();
  }
}
