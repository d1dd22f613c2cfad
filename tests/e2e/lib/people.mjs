// Teachers and admins, as an operator makes them.

/** Registers someone with that role, who then signs in with it: as register() gives a student. */
export async function registerAs(stack, role) {
  const person = await stack.register();
  await stack.db.run(
    `update auth.users set raw_app_meta_data = raw_app_meta_data || jsonb_build_object('role', $1)
     where id = $2`,
    [role, person.id],
  );
  const { email, password } = person;
  const { status, text, json } = await stack.api("POST", "/auth/login", {
    body: { email, password },
  });
  if (status !== 200) throw new Error(`login: ${status} ${text}`);
  return { ...person, token: json.access_token, refreshToken: json.refresh_token, session: json };
}
