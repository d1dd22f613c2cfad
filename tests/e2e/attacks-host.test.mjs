// Accounts that the service keeps itself; attacks-supabase.test.mjs has those of Supabase Auth.

import assert from "node:assert/strict";

import { attackLinks } from "./lib/attacks-host.mjs";
import { stack } from "./lib/fynq.mjs";
import { linkOf, Mailboxes } from "./lib/mail.mjs";

const mailboxes = new Mailboxes(`${stack.state}/mail`);

attackLinks(() => stack, async (email) => {
  const mail = await mailboxes.newest(email);
  const { link, token } = linkOf(mail);
  assert.ok(token, link);
  return { mail, place: link.split("#")[0] };
});
