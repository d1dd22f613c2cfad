// Who keeps the accounts: what tests of accounts must do differently in each mode.

import { createHash } from "node:crypto";

import { startStack } from "./fynq.mjs";
import { linkOf, Mailboxes } from "./mail.mjs";
import { waitUntil } from "./wait.mjs";

export const PAGE = "https://app.example/signed-in";

const ageOf = (stack, stored, seconds) =>
  stack.db.run(
    `update auth.refresh_tokens set updated_at = now() - $1::int * interval '1 second'
     where token = $2`,
    [seconds, stored],
  );

function kindOf(mail) {
  try {
    return linkOf(mail).type;
  } catch {
    return null; // It has no link.
  }
}

export const local = {
  name: "kept by the service itself",
  settings: {},
  otherServices: false,
  prepare: async () => {},
  age: (stack, token, seconds) =>
    ageOf(stack, createHash("sha256").update(token).digest("hex"), seconds),
  async mail(stack, address, kind, n = 1) {
    const mailboxes = new Mailboxes(`${stack.state}/mail`);
    const mails = await waitUntil(
      async () => {
        const all = (await mailboxes.all(address)).filter((mail) => kindOf(mail) === kind);
        return all.length >= n && all;
      },
      { what: `${n} mails of kind ${kind} to ${address}` },
    );
    return linkOf(mails.at(-1)).token;
  },
  async confirming(stack, work) {
    const other = await startStack({ settings: { FYNQ_CONFIRM_EMAIL: "on", FYNQ_BCRYPT_COST: 4 } });
    try {
      await work(other);
    } finally {
      await other.stop();
    }
  },
};

export const supabase = {
  name: "kept by Supabase Auth",
  settings: { FYNQ_PUBLIC_URL: "http://localhost:8443", FYNQ_REDIRECTS: PAGE },
  otherServices: true,
  prepare: (stack) =>
    stack.supabase.set({
      mail_interval_seconds: 0,
      redirects: ["http://localhost:8443/api/v1/auth/callback?flow=*"],
    }),
  age: ageOf,
  async mail(stack, address, kind, n = 1) {
    return (await stack.supabase.waitForMails(address, { kind, count: n })).at(-1).token_hash;
  },
  async confirming(stack, work) {
    await stack.supabase.set({ autoconfirm: false });
    try {
      await work(stack);
    } finally {
      await stack.supabase.set({ autoconfirm: true });
    }
  },
};
