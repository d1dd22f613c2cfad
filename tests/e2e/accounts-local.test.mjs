// Accounts that the service keeps itself.

import { local } from "./lib/account-modes.mjs";
import { accountSuite } from "./lib/account-suite.mjs";
import { startStack } from "./lib/fynq.mjs";

accountSuite((settings) => startStack({ settings: { FYNQ_BCRYPT_COST: 4, ...settings } }), local);
