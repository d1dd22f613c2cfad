// The attacks on accounts that Supabase Auth keeps: its stand-in, whose keys are published, beside
// the shared secret that older projects sign with. attacks-tokens.test.mjs has keys of every kind.

import { randomBytes } from "node:crypto";
import { after, before, describe } from "node:test";

import { supabase } from "./lib/account-modes.mjs";
import { attackAccess } from "./lib/attacks-access.mjs";
import { attackFields } from "./lib/attacks-fields.mjs";
import { attackLinks, attackSignIns } from "./lib/attacks-host.mjs";
import { startStack } from "./lib/fynq.mjs";
import { hostileTokens } from "./lib/hostile-tokens.mjs";

const SITE = "https://app.example/account";

const secret = randomBytes(30).toString("base64url");
let own;

describe(`attacks on accounts ${supabase.name}`, () => {
  before(async () => {
    own = await startStack({
      auth: "supabase",
      settings: { ...supabase.settings, FYNQ_JWT_SECRET: secret, FYNQ_SITE_URL: SITE },
    });
    await supabase.prepare(own);
    // Supabase sends nobody to a page that is not on its list.
    const { redirects } = await own.supabase.options();
    await own.supabase.set({ redirects: [...redirects, SITE] });
  });
  after(() => own?.stop());

  describe("access", () => attackAccess(() => own));
  // What users' routes take is kept by the service in any case.
  describe("fields", () => attackFields(() => own, ["auth"]));
  describe("hosts", () => {
    attackLinks(() => own, async (email) => {
      const [mail] = await own.supabase.waitForMails(email, { kind: "recovery" });
      return { mail, place: mail.redirect_to };
    });
    attackSignIns(() => own);
  });
  describe("tokens", () => hostileTokens(() => ({ stack: own, secret })));
});
