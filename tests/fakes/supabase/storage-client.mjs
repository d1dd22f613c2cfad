// For tests: the stand-in's Supabase Storage, its control interface and the real one.

import { once } from "node:events";
import http from "node:http";
import https from "node:https";

export class StorageStandIn {
  #about;

  /** `about`: {url, control, keys: the line that main.mjs prints, ca: its certificate}. */
  constructor(about) {
    this.#about = about;
    this.url = `${about.url}/storage/v1`;
    this.ca = about.ca;
    this.secret = about.keys.secret_key;
  }

  /**
   * Orders a failure of storage-failures.mjs for requests in whose path or JSON `match` stands: the
   * next one, or `times` (null: all), of a `route` as "POST /object"; {bytes, status, delay_ms,
   * retry_after} are the failure's own.
   */
  async fail(match, named, { times, route, ...more } = {}) {
    await this.#control("POST", "/failures",
      { match, named, times, route, service: "storage", ...more });
  }

  async heal(match) {
    await this.#control("DELETE", `/failures?${new URLSearchParams({ match })}`);
  }

  /** Changes options of the project, for all: {file_size_limit: 1000}. */
  async set(options) {
    return this.#control("PUT", "/options", options);
  }

  /** The calls in whose path or JSON `match` stands. */
  async calls(match) {
    const calls = await this.#control("GET", `/calls?${new URLSearchParams({ match })}`);
    return calls.filter(({ path }) => path.startsWith("/storage/v1/"));
  }

  /** A user's objects, or all: [{bucket, name, size, mimetype, cacheControl, ...}]. */
  async objects(user) {
    const prefix = user === undefined ? "" : `${user}/`;
    return this.#control("GET", `/objects?${new URLSearchParams({ prefix })}`);
  }

  /** An object's bytes, through the real interface. */
  async read(name, bucket = "fynq") {
    const { status, bytes } = await this.ask("GET", `/object/authenticated/${bucket}/${name}`);
    if (status !== 200) throw new Error(`${name}: ${status}`);
    return bytes;
  }

  /** Puts an object there behind fynq's back. */
  async put(name, bytes, { bucket = "fynq", type = "application/octet-stream" } = {}) {
    const { status } = await this.ask("POST", `/object/${bucket}/${name}`, { body: bytes, headers: {
      "content-type": type, "cache-control": "no-store", "x-upsert": "true",
    } });
    if (status !== 200) throw new Error(`${name}: ${status}`);
  }

  async remove(name, bucket = "fynq") {
    await this.ask("DELETE", `/object/${bucket}/${name}`);
  }

  /** Makes an object look as if it had been put so many hours ago. */
  async age(name, hours, bucket = "fynq") {
    await this.#control("POST", "/objects/age", { bucket, name, hours });
  }

  /** A raw request with the secret key: {status, headers, bytes, json}. */
  async ask(method, path, { body, headers = {} } = {}) {
    const plain = body === undefined || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    return this.get(this.url + path, { method, body: plain, headers: { apikey: this.secret,
      ...(plain === undefined ? {} : {
        "content-type": "application/json", "content-length": Buffer.byteLength(plain) }),
      ...headers } });
  }

  /** A request as a browser makes it, such as of a link: {status, headers, bytes, json}. */
  async get(url, { method = "GET", body, headers = {} } = {}) {
    const { request: ask } = String(url).startsWith("https:") ? https : http;
    const request = ask(url, { method, headers, ca: this.ca, agent: false });
    request.end(body);
    const [response] = await once(request, "response");
    const bytes = Buffer.concat(await response.toArray());
    const isJson = /^application\/json/.test(response.headers["content-type"] ?? "");
    return { status: response.statusCode, headers: response.headers, bytes,
      json: isJson ? JSON.parse(bytes.toString()) : undefined };
  }

  async #control(method, target, body) {
    const response = await fetch(this.#about.control + target, {
      method,
      body: body && JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${target}: ${response.status} ${text}`);
    return JSON.parse(text);
  }
}
