// Accounts that Supabase Auth keeps: its stand-in, in the database of the stack.

import { supabase } from "./lib/account-modes.mjs";
import { accountSuite } from "./lib/account-suite.mjs";
import { startStack } from "./lib/fynq.mjs";

accountSuite((settings) => startStack({ auth: "supabase", settings }), supabase);
