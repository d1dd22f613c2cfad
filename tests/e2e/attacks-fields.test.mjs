// Accounts that the service keeps itself; attacks-supabase.test.mjs has those of Supabase Auth.

import { attackFields } from "./lib/attacks-fields.mjs";
import { stack } from "./lib/fynq.mjs";

attackFields(() => stack);
