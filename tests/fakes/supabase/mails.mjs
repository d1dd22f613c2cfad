// Mails that would have been sent, kept for tests.

import { AuthError } from "./errors.mjs";
import { redirectOf } from "./redirects.mjs";
import { sixDigits, tokenHash } from "./store.mjs";
import { withPrefix } from "./users.mjs";

const MAX_KEPT = 20000;

export class Mails {
  #kept = [];
  #waiting = new Set();

  add(mail) {
    this.#kept.push({ ...mail, at: new Date().toISOString() });
    if (this.#kept.length > MAX_KEPT) this.#kept.shift();
    for (const look of this.#waiting) look();
  }

  /** Those to an address (all without), of a kind (any without), the oldest first. */
  list({ to = null, kind = null } = {}) {
    return this.#kept.filter((mail) =>
      (to === null || mail.to === to.toLowerCase()) && (kind === null || mail.kind === kind));
  }

  /** Calls done(list) once there are `count` such mails or the time is over; answers a canceller. */
  wait(which, count, timeoutMs, done) {
    const look = () => {
      const list = this.list(which);
      if (list.length >= count) finish(list);
    };
    const finish = (list) => {
      cancel();
      done(list, list.length >= count);
    };
    const timer = setTimeout(() => finish(this.list(which)), timeoutMs);
    const cancel = () => {
      clearTimeout(timer);
      this.#waiting.delete(look);
    };
    this.#waiting.add(look);
    look();
    return cancel;
  }
}

const KINDS = {
  signup: { column: "confirmation_token", sentAt: "confirmation_sent_at" },
  recovery: { column: "recovery_token", sentAt: "recovery_sent_at" },
  magiclink: { column: "recovery_token", sentAt: "recovery_sent_at" },
  email_change: { column: "email_change_token_new", sentAt: "email_change_sent_at" },
};

/** Sends the mail of that kind: stores its token, and keeps it. Not too often to one account. */
export async function sendMail(ask, store, user, kind, { challenge = "", to = user.email } = {}) {
  const { column, sentAt } = KINDS[kind];
  const { mailIntervalSeconds } = ask.settings;
  const wait = user[sentAt] === null
    ? 0
    : mailIntervalSeconds - (Date.now() - Date.parse(user[sentAt])) / 1000;
  if (wait > 0) {
    throw new AuthError(429, "over_email_send_rate_limit",
      `For security purposes, you can only request this after ${Math.floor(wait)} seconds.`);
  }
  const token = sixDigits();
  const hash = withPrefix(tokenHash(to, token), challenge);
  await store.keepToken(user, column, hash, to);
  await store.update(user, { [sentAt]: new Date().toISOString() });
  ask.afterCommit(() =>
    ask.mails.add({ to, kind, token, token_hash: hash, redirect_to: redirectOf(ask) }));
}

export const isLate = (sentAt, { mailSeconds }) =>
  sentAt === null || Date.now() - Date.parse(sentAt) > mailSeconds * 1000;
