// Accounts that the service keeps itself; attacks-supabase.test.mjs has those of Supabase Auth.

import { attackAccess, attackFromPages } from "./lib/attacks-access.mjs";
import { stack } from "./lib/fynq.mjs";

attackAccess(() => stack);
attackFromPages(stack);
