// Every way in which Supabase Storage, or what stands before it, fails. As in failures.mjs a row's
// `play` gets the exchange, `act`, which does what was asked and resolves with the answer, and more:
// {bytes, status, delay_ms, retry_after} of the order. `done`: whether what was asked has been done.

import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";

import { gateway, huge, page } from "./errors.mjs";
import { respond } from "./storage-answers.mjs";
import { denied, noBucket, noKey, StorageError, storageErrorAnswer, tooLarge } from "./storage-errors.mjs";

const refusal = (error) => (exchange) => respond(exchange, storageErrorAnswer(error));

const html = (status, title) => (exchange) =>
  exchange.answer({ status, text: page(status, title),
    headers: { "content-type": "text/html; charset=UTF-8" } });

/** The same once what was asked has been done. */
const after = (play) => async (exchange, act, more) => {
  await act();
  return play(exchange, act, more);
};

/** The true answer, changed. */
const changed = (change) => async (exchange, act, more) =>
  respond(exchange, change(await act(), more, exchange));

/** The true answer's body as text, in other bytes; of a file nothing. */
const reworded = (word) => changed((answer) => ({ status: 200,
  headers: { "content-type": "application/json" }, text: word(JSON.stringify(answer.body ?? {})) }));

/** Takes so many bytes of what is sent and no more. */
async function takeSome({ req }, bytes) {
  let taken = 0;
  while (taken < bytes && !req.readableEnded) {
    const piece = req.read();
    if (piece === null) await Promise.race([once(req, "readable"), once(req, "close")]);
    else taken += piece.length;
    if (req.destroyed) return;
  }
}

const left = (exchange) => new Promise((resolve) => {
  if (exchange.gone) resolve();
  else exchange.onClose(resolve);
});

/** Begins the true answer, of which so many bytes come; then `then`. */
const cutOff = (then) => async (exchange, act, { bytes = 0 }) => {
  await respond(exchange, await act(), { bytes });
  return then(exchange);
};

const named = {
  status: {
    about: "`status` (500) in the service's form, with retry_after where it is given", done: false,
    play: (exchange, act, { status = 500, retry_after: seconds }) => exchange.answer({
      status, headers: seconds === undefined ? {} : { "retry-after": String(seconds) },
      body: { statusCode: String(status), code: "InternalError", error: "Internal",
        message: "Something failed" },
    }),
  },
  status_done: {
    about: "the same, after it was done", done: true,
    play: after((...args) => named.status.play(...args)),
  },
  too_many: {
    about: "429 of a database with too many connections", done: false,
    play: (exchange, act, { retry_after: seconds = 7 }) => exchange.answer({
      status: 429, headers: { "retry-after": String(seconds) },
      body: { statusCode: "429", error: "too_many_connections", code: "SlowDown",
        message: "Too many connections issued to the database" },
    }),
  },
  database_timeout: {
    about: "544 DatabaseTimeout", done: false,
    play: refusal(new StorageError(544, "DatabaseTimeout",
      "The connection to the database timed out", { http: 544 })),
  },
  locked: {
    about: "423 ResourceLocked, as 400", done: false,
    play: refusal(new StorageError(423, "ResourceLocked", "The resource is locked")),
  },
  denied: {
    about: "403 as 400: the token is not good", done: false,
    play: refusal(denied("Invalid Compact JWS")),
  },
  wrong_key: {
    about: "401 of the gateway: the key was withdrawn", done: false,
    play: (exchange) => exchange.answer(gateway.badKey),
  },
  restricted: {
    about: "402 of the gateway: the project's quota is used up", done: false,
    play: (exchange) => exchange.answer({ status: 402, body: {
      message: "Service for this project is restricted due to the following violations: " +
        "exceed_storage_size_quota.",
    } }),
  },
  too_large: { about: "413 EntityTooLarge, as 400", done: false, play: refusal(tooLarge()) },
  no_bucket: { about: "404 NoSuchBucket, as 400", done: false, play: refusal(noBucket()) },
  no_key: { about: "404 NoSuchKey, as 400", done: false, play: refusal(noKey()) },
  no_route: {
    about: "404 of the gateway, which is not the service's", done: false,
    play: (exchange) => exchange.answer(gateway.noRoute),
  },
  bad_gateway: { about: "502 from the gateway, HTML", done: false, play: html(502, "Bad Gateway") },
  unavailable: {
    about: "503 from the gateway, HTML", done: false, play: html(503, "Service Unavailable"),
  },
  gateway_timeout: {
    about: "504 from the gateway, HTML, after it was done", done: true,
    play: after(html(504, "Gateway Time-out")),
  },
  html_ok: { about: "200 with a page", done: false, play: html(200, "Welcome") },
  html_404: { about: "404 with a page", done: false, play: html(404, "Not Found") },
  elsewhere: {
    about: "307 to another host", done: false,
    play: (exchange) => exchange.answer({ status: 307, location: "https://elsewhere.invalid/" }),
  },
  cut_before: {
    about: "the connection breaks before anything is read", done: false,
    play: (exchange) => exchange.reset(),
  },
  cut_upload: {
    about: "the connection breaks once `bytes` of the body have come", done: false,
    play: async (exchange, act, { bytes = 0 }) => {
      await takeSome(exchange, bytes);
      exchange.reset();
    },
  },
  cut_after: {
    about: "the connection breaks after it was done: the answer is lost", done: true,
    play: after((exchange) => exchange.reset()),
  },
  cut_download: {
    about: "the connection breaks after `bytes` of the answer's body", done: true,
    play: cutOff((exchange) => exchange.reset()),
  },
  ends_early: {
    about: "the answer ends after `bytes`, as if that were all, but for its Content-Length",
    done: true,
    play: cutOff((exchange) => (exchange.res.stream ? exchange.reset() : exchange.req.socket.end())),
  },
  stall_upload: {
    about: "once `bytes` of the body have come nothing is read, until the client goes", done: false,
    play: async (exchange, act, { bytes = 0 }) => {
      await takeSome(exchange, bytes);
      exchange.req.pause();
      await left(exchange);
    },
  },
  stall_download: {
    about: "after `bytes` of the answer's body nothing comes, until the client goes", done: true,
    play: cutOff(left),
  },
  silence: { about: "no answer until the client goes", done: false, play: left },
  silence_done: { about: "the same, after it was done", done: true, play: after(left) },
  late: {
    about: "the true answer, after delay_ms (1000)", done: true,
    play: async (exchange, act, { delay_ms: delay = 1000 }) => {
      await pause(delay);
      await respond(exchange, await act());
    },
  },
  slow: {
    about: "the true answer, `bytes` (16384) of it every delay_ms (50)", done: true,
    play: async (exchange, act, { delay_ms: delay = 50, bytes = 16384 }) =>
      respond(exchange, await act(), { piece: bytes, delay }),
  },
  ignore_range: {
    about: "200 with all of it, though a part was asked for", done: true,
    play: changed(({ file, headers: { "content-range": range, ...headers }, ...answer }) => ({
      ...answer, status: 200, headers, file: { ...file, from: 0, n: file.size },
    })),
  },
  other_range: {
    about: "206 with a part that begins a byte later", done: true,
    play: changed(({ file, headers, ...answer }) => {
      const from = Math.min(file.from + 1, file.size - 1);
      const n = Math.min(file.n, file.size - from);
      return { ...answer, file: { ...file, from, n }, headers: { ...headers,
        "content-range": `bytes ${from}-${from + n - 1}/${file.size}` } };
    }),
  },
  short_range: {
    about: "the first half of what was asked for, and a Content-Length of that", done: true,
    play: changed(({ file, headers, ...answer }) => {
      const n = Math.floor(file.n / 2);
      return { ...answer, file: { ...file, n }, headers: headers["content-range"] ? { ...headers,
        "content-range": `bytes ${file.from}-${file.from + n - 1}/${file.size}` } : headers };
    }),
  },
  truncated: {
    about: "half of the JSON, as if it were all", done: true,
    play: reworded((text) => text.slice(0, text.length / 2)),
  },
  rubbish: {
    about: "bytes that are no JSON", done: true, play: reworded(() => "\u0000\u0001{]\ufffd\""),
  },
  empty: { about: "200 without a body", done: true, play: reworded(() => "") },
  null_body: { about: "200 with null", done: true, play: reworded(() => "null") },
  bare: { about: "200 with {}", done: true, play: reworded(() => "{}") },
  array: { about: "200 with []", done: true, play: reworded(() => "[]") },
  huge,
};

export const storageFailures = named;
