// Every way in which the service, or what stands before it, fails. A row's `play` gets the exchange
// and `act`, which does what was asked and resolves with the answer; what it does not call is not done.

import { setTimeout as pause } from "node:timers/promises";

import { AuthError, errorAnswer, huge, page } from "./errors.mjs";
import { storageFailures } from "./storage-failures.mjs";

const html = (status, title, headers = {}) => (exchange) =>
  exchange.answer({ status, text: page(status, title),
    headers: { "content-type": "text/html; charset=UTF-8", ...headers } });

const error = (status, code, message, headers = {}) => (exchange) => {
  const answer = errorAnswer(new AuthError(status, code, message), exchange.headers);
  exchange.answer({ ...answer, headers: { ...answer.headers, ...headers } });
};

/** The true answer, in other bytes. */
const changed = (change) => async (exchange, act) => {
  const answer = await act();
  exchange.answer(change(answer, JSON.stringify(answer.body ?? {})));
};

/** The same failure once what was asked has been done. */
const after = (play) => async (exchange, act) => {
  await act();
  return play(exchange, act);
};

const cut = (exchange) => exchange.reset();

/** name: {play, about, done}; `done`: whether what was asked has been done. */
export const failures = {
  request_limit: {
    about: "429 over_request_rate_limit", done: false,
    play: error(429, "over_request_rate_limit", "Request rate limit reached"),
  },
  request_limit_wait: {
    about: "the same, with a Retry-After of 7 seconds", done: false,
    play: error(429, "over_request_rate_limit", "Request rate limit reached",
      { "retry-after": "7" }),
  },
  mail_limit: {
    about: "429 over_email_send_rate_limit", done: false,
    play: error(429, "over_email_send_rate_limit", "email rate limit exceeded"),
  },
  unexpected: {
    about: "500 unexpected_failure", done: false,
    play: error(500, "unexpected_failure", "Database error querying schema"),
  },
  unexpected_done: {
    about: "the same, after it was done", done: true,
    play: after(error(500, "unexpected_failure", "Error sending confirmation email")),
  },
  conflict: {
    about: "409 conflict, of refreshes that wait for each other", done: false,
    play: error(409, "conflict",
      "Too many concurrent token refresh requests on the same session or refresh token"),
  },
  timeout: {
    about: "504 request_timeout, in JSON", done: false,
    play: error(504, "request_timeout", "Processing this request timed out, please retry " +
      "after a moment."),
  },
  unknown_code: {
    about: "400 with an error code that nobody has heard of", done: false,
    play: error(400, "of_the_future", "Something new"),
  },
  bad_gateway: { about: "502 from the gateway, HTML", done: false, play: html(502, "Bad Gateway") },
  unavailable: {
    about: "503 from the gateway, HTML", done: false,
    play: html(503, "Service Temporarily Unavailable", { "retry-after": "5" }),
  },
  gateway_timeout: {
    about: "504 from the gateway, HTML, after it was done", done: true,
    play: after(html(504, "Gateway Time-out")),
  },
  origin_down: {
    about: "521 from the gateway, HTML", done: false, play: html(521, "Web server is down"),
  },
  wrong_key: {
    about: "401 of the gateway: the key was withdrawn", done: false,
    play: (exchange) => exchange.answer({ status: 401, body: {
      message: "Invalid API key",
      hint: "Double check your Supabase `anon` or `service_role` API key.",
    } }),
  },
  cut_before: { about: "the connection breaks before it is done", done: false, play: cut },
  cut_after: { about: "the connection breaks after it was done", done: true, play: after(cut) },
  cut_within: {
    about: "the connection breaks in the middle of the body", done: true,
    play: async (exchange, act) => {
      const { status, headers, body } = await act();
      const text = JSON.stringify(body ?? {});
      exchange.begin(status, { ...headers, "content-type": "application/json",
        "content-length": Buffer.byteLength(text) });
      exchange.write(text.slice(0, text.length / 2), () => exchange.reset());
    },
  },
  silence: {
    about: "no answer until the client goes", done: false,
    play: (exchange) => new Promise((resolve) => exchange.onClose(resolve)),
  },
  silence_done: {
    about: "the same, after it was done", done: true,
    play: after((exchange) => new Promise((resolve) => exchange.onClose(resolve))),
  },
  late: {
    about: "the true answer, after delay_ms", done: true,
    play: async (exchange, act, { delay_ms: delayMs = 1000 }) => {
      await pause(delayMs);
      exchange.answer(await act());
    },
  },
  drip: {
    about: "the true answer, a byte every delay_ms", done: true,
    play: async (exchange, act, { delay_ms: delayMs = 50 }) => {
      const { status, headers, body } = await act();
      const bytes = Buffer.from(JSON.stringify(body ?? {}));
      exchange.begin(status, { ...headers, "content-type": "application/json",
        "content-length": bytes.length });
      for (const byte of bytes) {
        if (exchange.gone) return;
        exchange.write(Buffer.of(byte));
        await pause(delayMs);
      }
      exchange.end();
    },
  },
  truncated: {
    about: "half of the JSON, as if it were all", done: true,
    play: changed((answer, text) => ({ ...answer, text: text.slice(0, text.length / 2),
      headers: { ...answer.headers, "content-type": "application/json" } })),
  },
  rubbish: {
    about: "bytes that are no JSON", done: true,
    play: changed((answer) => ({ ...answer, text: "\u0000\u0001{]\ufffd\"", headers: {
      ...answer.headers, "content-type": "application/json" } })),
  },
  wrong_type: {
    about: "the true body as text/plain", done: true,
    play: changed((answer, text) => ({ ...answer, text,
      headers: { ...answer.headers, "content-type": "text/plain" } })),
  },
  html_ok: {
    about: "200 with a page, as of a network that wants a sign-in", done: false,
    play: html(200, "Welcome"),
  },
  empty: { about: "200 without a body", done: true, play: changed(() => ({ status: 200, text: "" })) },
  null_body: {
    about: "200 with null", done: true,
    play: changed(() => ({ status: 200, text: "null",
      headers: { "content-type": "application/json" } })),
  },
  array: { about: "200 with []", done: true, play: changed(() => ({ status: 200, body: [] })) },
  bare: { about: "200 with {}", done: true, play: changed(() => ({ status: 200, body: {} })) },
  wrong_types: {
    about: "every member a number", done: true,
    play: changed((answer) => ({ ...answer, body: Object.fromEntries(
      Object.keys(answer.body ?? {}).map((name) => [name, 7])) })),
  },
  elsewhere: {
    about: "307 to another host", done: false,
    play: (exchange) => exchange.answer({ status: 307, location: "https://elsewhere.invalid/" }),
  },
  huge,
  huge_header: {
    about: "a header of 15 kB", done: true,
    play: changed((answer) => ({ ...answer,
      headers: { ...answer.headers, "x-long": "x".repeat(15 << 10) } })),
  },
};

export class FailureFault extends Error {}

/** The failures of each service, and where its routes lie. */
const SERVICES = {
  auth: { base: "/auth/v1", table: failures },
  storage: { base: "/storage/v1", table: storageFailures },
};
const MORE = ["delay_ms", "bytes", "status", "retry_after"];

/** Failures that were ordered: each is for requests in which `match` stands. */
export class Orders {
  #orders = [];

  /**
   * {match, named, times, service, route, delay_ms, bytes, status, retry_after}; `times` null is for
   * ever, `service` is "auth" or "storage", `route` as "POST /token".
   */
  add({ match, named, times = 1, service = "auth", route = null, ...more }) {
    if (typeof match !== "string" || match === "") throw new FailureFault('"match" is missing');
    if (!Object.hasOwn(SERVICES, service)) throw new FailureFault(`no service ${service}`);
    if (!Object.hasOwn(SERVICES[service].table, named)) {
      throw new FailureFault(`no failure is named ${named}`);
    }
    if (times !== null && !(Number.isInteger(times) && times > 0)) {
      throw new FailureFault('"times" is not a positive number or null');
    }
    if (route !== null && !/^(GET|HEAD|POST|PUT|DELETE) \//.test(route)) {
      throw new FailureFault('"route" is not as "POST /token"');
    }
    for (const [name, value] of Object.entries(more)) {
      if (!MORE.includes(name) || !(Number.isInteger(value) && value >= 0)) {
        throw new FailureFault(`"${name}" cannot be that`);
      }
    }
    this.#orders.push({ match, named, left: times ?? Infinity, service, route, more });
  }

  /** Forgets those of `match`, all without; answers how many. */
  remove(match) {
    const before = this.#orders.length;
    this.#orders = match === null ? [] : this.#orders.filter((order) => order.match !== match);
    return before - this.#orders.length;
  }

  /** The failure for this request, which is used up by it: {named, play, more}, or null. */
  take({ method, path, words }) {
    const order = this.#orders.find(({ match, service, route, left }) => {
      const { base } = SERVICES[service];
      const asked = `${method} ${path.slice(base.length)}`;
      return left > 0 && path.startsWith(`${base}/`) && words.includes(match) &&
        (route === null || asked.startsWith(route));
    });
    if (!order) return null;
    order.left -= 1;
    if (order.left === 0) this.#orders.splice(this.#orders.indexOf(order), 1);
    const { named, service, more } = order;
    return { named, play: SERVICES[service].table[named].play, more };
  }
}
