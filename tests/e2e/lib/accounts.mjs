// Accounts with a role.

import { stack } from "./fynq.mjs";

/** A new user with that role, signed in: {email, password, id, token, refreshToken}. */
export async function asRole(role, on = stack) {
  const { email, password, id } = await on.register();
  await on.db.run(
    `update auth.users set raw_app_meta_data = raw_app_meta_data || jsonb_build_object('role', $2::text)
     where id = $1`,
    [id, role],
  );
  const { json } = await on.api("POST", "/auth/login", { body: { email, password } });
  return { email, password, id, token: json.access_token, refreshToken: json.refresh_token };
}

export const admin = (on) => asRole("admin", on);
