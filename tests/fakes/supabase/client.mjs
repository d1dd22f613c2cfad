// For tests: talks to the stand-in's control interface, and plays the browser.

import https from "node:https";
import { once } from "node:events";

export class StandIn {
  #about;

  /** `about`: {url, control, keys: the line that main.mjs prints, ca: its certificate}. */
  constructor(about) {
    const { keys } = about;
    this.#about = about;
    this.url = about.url;
    this.control = about.control;
    this.ca = about.ca;
    this.keys = {
      publishable: keys.publishable_key, secret: keys.secret_key,
      anon: keys.anon_key, serviceRole: keys.service_role_key,
    };
  }

  /**
   * Orders a failure of failures.mjs for requests in whose path, query, body or token's claims
   * `match` stands: the next one, or `times` (null: all), of a `route` as "POST /token".
   */
  async fail(match, named, { times, route, delayMs } = {}) {
    await this.#ask("POST", "/failures", { match, named, times, route, delay_ms: delayMs });
  }

  async heal(match) {
    await this.#ask("DELETE", `/failures?${new URLSearchParams({ match })}`);
  }

  /** The mails to an address, the oldest first: [{to, kind, token, token_hash, redirect_to, at}]. */
  async mails(to, kind) {
    return this.#ask("GET", `/mails?${this.#query({ to, kind })}`);
  }

  /** Waits for `count` mails to an address and answers them. */
  async waitForMails(to, { kind, count = 1, timeoutMs = 30000 } = {}) {
    const query = this.#query({ to, kind, count, timeout_ms: timeoutMs });
    return this.#ask("GET", `/mails/wait?${query}`);
  }

  /** The calls in which `match` stood. */
  async calls(match) {
    return this.#ask("GET", `/calls?${this.#query({ match })}`);
  }

  async options() {
    return this.#ask("GET", "/options");
  }

  /** Changes options, for all: {autoconfirm: false}. Answers all of them. */
  async set(options) {
    return this.#ask("PUT", "/options", options);
  }

  /** Signs with a new key from now on; answers its kid. */
  async rotate() {
    return (await this.#ask("POST", "/keys/rotate")).kid;
  }

  /** Takes the old keys out of the key set. */
  async dropOldKeys() {
    return (await this.#ask("POST", "/keys/drop")).kids;
  }

  /** Someone who can sign in at Google and the others: {email, name, sub, verified, refuses}. */
  async person(person) {
    await this.#ask("PUT", "/people", person);
  }

  /**
   * Follows a browser from a URL of /authorize, as the person with that address, to where it leaves
   * the stand-in; answers that URL.
   */
  async browse(url, email) {
    let at = new URL(url);
    if (email) at.searchParams.set("login_hint", email);
    while (String(at).startsWith(`${this.url}/`)) {
      const { status, headers } = await this.#get(at);
      if (![302, 303].includes(status)) throw new Error(`${at.pathname}: ${status}`);
      at = new URL(headers.location, at);
    }
    return at;
  }

  async #get(url) {
    const request = https.request(url, { ca: this.#about.ca, agent: false });
    request.end();
    const [response] = await once(request, "response");
    response.resume();
    return { status: response.statusCode, headers: response.headers };
  }

  #query(members) {
    const given = Object.entries(members).filter(([, value]) => value !== undefined);
    return new URLSearchParams(given);
  }

  async #ask(method, target, body) {
    const response = await fetch(this.control + target, {
      method,
      body: body && JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${target}: ${response.status} ${text}`);
    return JSON.parse(text);
  }
}
