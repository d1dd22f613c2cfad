// What every route of accounts must do, whoever keeps them: described once, run for each mode.

import { after, before, describe } from "node:test";

import { describeMails } from "./account-mails.mjs";
import { describeAdmins, describeProfiles } from "./account-profiles.mjs";
import { describeSessions } from "./account-sessions.mjs";

/**
 * Describes all of it. `stackProvider(settings)` resolves with a stack of the suite's own. `mode`,
 * one of account-modes.mjs, is what differs:
 *
 *   settings                           of the service, beside the stack's own
 *   otherServices                      can one sign in through them?
 *   prepare(stack)                     once the stack runs
 *   age(stack, token, seconds)         makes a refresh token look as if used so long ago
 *   mail(stack, address, kind, n)      the token of the newest mail of that kind, once there are n
 *   confirming(stack, work)            work(stack), on one where new addresses must be confirmed
 */
export function accountSuite(stackProvider, mode) {
  const suite = { mode, stack: null };

  describe(`accounts, ${mode.name}`, () => {
    before(async () => {
      suite.stack = await stackProvider(mode.settings);
      await mode.prepare(suite.stack);
    });
    after(() => suite.stack?.stop());

    describeSessions(suite);
    describeMails(suite);
    describeProfiles(suite);
    describeAdmins(suite);
  });
}
