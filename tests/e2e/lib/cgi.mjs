// A responder as a plain CGI program (RFC 3875): a process for each request.

import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";

export class Cgi {
  #bin;
  #environment;

  constructor(bin, environment) {
    this.#bin = bin;
    this.#environment = environment;
  }

  /**
   * One request to NAME.fcgi. `target` is a whole path with its query. Resolves, when the program
   * has ended, with {status, headers (a Headers), text, json, chunks: [{at, text}], code, stderr}.
   * `started` is given the process, for a test that watches it or leaves it; `environment`
   * overrides the request's own variables, too; `send(stdin, bytes)` is who sends the body, for a
   * client that takes its time.
   */
  call = async (
    name,
    method,
    target,
    { token, body, headers = {}, environment = {}, started = () => {}, send = sendAtOnce } = {},
  ) => {
    const input = encode(body);
    const child = spawn(path.join(this.#bin, `${name}.fcgi`), [], {
      env: {
        ...this.#environment,
        ...variables(method, target, input, { token, headers }),
        ...environment,
      },
    });
    const chunks = [];
    let stderr = "";
    child.stdout.setEncoding("utf8");
    child.stdout.on("data", (text) => chunks.push({ at: performance.now(), text }));
    child.stderr.setEncoding("utf8");
    child.stderr.on("data", (text) => (stderr += text));
    child.stdin.on("error", () => {}); // It may end without reading all of the body.
    send(child.stdin, input);
    started(child);
    const [code] = await once(child, "close");
    return { ...parseAnswer(chunks.map((chunk) => chunk.text).join("")), chunks, code, stderr };
  };
}

const sendAtOnce = (stdin, bytes) => stdin.end(bytes);

const encode = (body = "") =>
  typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body);

function variables(method, target, input, { token, headers }) {
  const [script, query = ""] = target.split("?");
  const all = { ...(token ? { authorization: `Bearer ${token}` } : {}), ...headers };
  const named = Object.entries(all).map(([name, value]) => [
    `HTTP_${name.toUpperCase().replaceAll("-", "_")}`,
    value,
  ]);
  return {
    GATEWAY_INTERFACE: "CGI/1.1",
    SERVER_PROTOCOL: "HTTP/1.1",
    SERVER_NAME: "localhost",
    SERVER_PORT: "80",
    REMOTE_ADDR: "127.0.0.1",
    REQUEST_METHOD: method,
    REQUEST_URI: target,
    SCRIPT_NAME: script,
    QUERY_STRING: query,
    CONTENT_LENGTH: String(Buffer.byteLength(input)),
    ...(input.length === 0 ? {} : { CONTENT_TYPE: all["content-type"] ?? "application/json" }),
    ...Object.fromEntries(named),
  };
}

function parseAnswer(answer) {
  const [head, ...rest] = answer.split("\r\n\r\n");
  const text = rest.join("\r\n\r\n");
  const headers = new Headers(
    head.split("\r\n").filter(Boolean).map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    }),
  );
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    // Not every answer is JSON.
  }
  return { status: Number.parseInt(headers.get("status") ?? "200", 10), headers, text, json };
}
