// Accounts that the service keeps itself; attacks-supabase.test.mjs has those of Supabase Auth.

import { stack } from "./lib/fynq.mjs";
import { hostileTokens } from "./lib/hostile-tokens.mjs";
import { jwtSecret } from "./lib/tokens.mjs";

hostileTokens(() => ({ stack, secret: jwtSecret(stack) }));
