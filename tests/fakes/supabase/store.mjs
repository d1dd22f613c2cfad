// What is kept where Supabase Auth keeps it: in PostgreSQL, in its auth schema, as its own role.

import { createHash, randomBytes, randomInt, randomUUID } from "node:crypto";

import pg from "pg";

import { internal } from "./errors.mjs";

const INSTANCE = "00000000-0000-0000-0000-000000000000";
const TIMESTAMPTZ = 1184;

// Microseconds matter to those who compare, and a Date has none.
const types = new pg.TypeOverrides();
types.setTypeParser(TIMESTAMPTZ, (text) => text.replace(" ", "T").replace(/\+00$/, "Z"));

/** A pool of connections; `url` names the role supabase_auth_admin. */
export function createPool(url) {
  const pool = new pg.Pool({
    connectionString: url, max: 10, types, options: "-c TimeZone=UTC", connectionTimeoutMillis: 5000,
  });
  pool.on("error", () => {}); // The server went while a connection was idle.
  return pool;
}

/** Runs work(store) in a transaction. An AuthError with `commit` keeps what was done. */
export async function transaction(pool, settings, work) {
  const client = await pool.connect().catch(() => {
    throw internal("Database error querying schema");
  });
  let broken = false;
  client.on("error", () => (broken = true));
  try {
    await client.query("begin");
    const result = await work(new Store(client, settings));
    await client.query("commit");
    return result;
  } catch (error) {
    await client.query(error.commit ? "commit" : "rollback").catch(() => (broken = true));
    throw error;
  } finally {
    client.removeAllListeners("error");
    client.release(broken);
  }
}

const sha224 = (text) => createHash("sha224").update(text).digest("hex");

/** The hash that a mail's link carries, of an address and the six digits of the same mail. */
export const tokenHash = (email, digits) => sha224(email + digits);

// Twelve characters of base32, in small letters.
const LETTERS = "abcdefghijklmnopqrstuvwxyz234567";
const refreshToken = () => Array.from(randomBytes(12), (byte) => LETTERS[byte % 32]).join("");

export const sixDigits = () => String(randomInt(1000000)).padStart(6, "0");

// A string that is null in a row cannot be read by the service.
const NEVER_NULL = ["aud", "role", "confirmation_token", "recovery_token", "email_change_token_new",
  "email_change", "email_change_token_current", "phone_change", "phone_change_token",
  "reauthentication_token", "created_at", "updated_at"];

// A password change takes back every token that was under way.
const NO_TOKENS = {
  confirmation_token: "", confirmation_sent_at: null, recovery_token: "", recovery_sent_at: null,
  email_change_token_current: "", email_change_token_new: "", email_change_sent_at: null,
  phone_change_token: "", phone_change_sent_at: null, reauthentication_token: "",
  reauthentication_sent_at: null,
};

const TOKEN_COLUMNS = ["confirmation_token", "recovery_token", "email_change_token_new",
  "email_change_token_current"];

export class Store {
  #client;
  #cost;

  constructor(client, { bcryptCost }) {
    this.#client = client;
    this.#cost = bcryptCost;
  }

  async rows(sql, params = []) {
    return (await this.#client.query(sql, params)).rows;
  }

  async one(sql, params) {
    return (await this.rows(sql, params))[0] ?? null;
  }

  // --- accounts

  async #user(where, params, why = "Database error querying schema") {
    const user = await this.one(`select * from auth.users where ${where} limit 1`, params);
    if (user && NEVER_NULL.some((name) => user[name] === null)) throw internal(why);
    if (user) {
      user.identities = await this.rows(
        "select * from auth.identities where user_id = $1 order by created_at, id", [user.id]);
    }
    return user;
  }

  userById(id) {
    return this.#user("instance_id = $1 and id = $2", [INSTANCE, id]);
  }

  userByEmail(email, aud = "authenticated") {
    return this.#user(
      "instance_id = $1 and lower(email) = $2 and aud = $3 and is_sso_user = false",
      [INSTANCE, email.toLowerCase(), aud]);
  }

  /** The account that a token of a mail is of; `kinds` are columns. */
  async userByToken(hash, kinds) {
    const row = await this.one(
      `select user_id from auth.one_time_tokens
       where (token_hash = $1 or token_hash = 'pkce_' || $1)
         and token_type = any ($2::auth.one_time_token_type[]) limit 1`, [hash, kinds]);
    return row && this.userById(row.user_id);
  }

  /** Who has the address, by an identity or by the account itself. */
  async userWithEmail(email, except = null) {
    const row = await this.one(
      `select u.id from auth.identities i join auth.users u on u.id = i.user_id
       where i.email = $1 and i.provider not like 'sso:%' and u.aud = 'authenticated'
         and u.id is distinct from $2 limit 1`, [email, except]);
    return row ? this.userById(row.id) : this.userByEmail(email);
  }

  async users({ page, perPage, filter }) {
    const where = "instance_id = $1 and aud = 'authenticated'" +
      " and ($2 = '' or email like '%' || $2 || '%' or raw_user_meta_data ->> 'full_name'" +
      " ilike '%' || $2 || '%')";
    const { total } = await this.one(
      `select count(*)::int as total from auth.users where ${where}`, [INSTANCE, filter]);
    const rows = await this.rows(
      `select id from auth.users where ${where} order by created_at desc limit $3 offset $4`,
      [INSTANCE, filter, perPage, (page - 1) * perPage]);
    const users = [];
    for (const { id } of rows) users.push(await this.userById(id));
    return { users, total };
  }

  /** A new row; `given`: {id, email, password, passwordHash, data, app, sso}. */
  async addUser({ id = randomUUID(), email, password, passwordHash, data, app }, why) {
    const hash = passwordHash ?? (password ? await this.#hash(password) : "");
    try {
      await this.rows(
        `insert into auth.users (instance_id, id, aud, role, email, encrypted_password,
           confirmation_token, recovery_token, email_change_token_new, email_change,
           raw_app_meta_data, raw_user_meta_data, is_super_admin, created_at, updated_at)
         values ($1, $2, 'authenticated', '', nullif($3, ''), $4, '', '', '', '', $5, $6, null,
           now(), now())`,
        [INSTANCE, id, email, hash, JSON.stringify(app), JSON.stringify(data ?? {})]);
    } catch (error) {
      if (error.code) throw internal(why); // Also where another sign-up was first.
      throw error;
    }
    return this.userById(id);
  }

  /** Changes columns, and the object; metadata are given whole. */
  async update(user, columns) {
    const names = Object.keys(columns);
    if (names.length === 0) return;
    const sets = names.map((name, i) => `${name} = $${i + 2}`);
    const values = names.map((name) =>
      name.startsWith("raw_") ? JSON.stringify(columns[name]) : columns[name]);
    const row = await this.one(
      `update auth.users set ${sets.join(", ")}, updated_at = now() where id = $1 returning *`,
      [user.id, ...values]);
    Object.assign(user, row);
  }

  /** Merges metadata; null takes a member away. `column`: raw_user_meta_data or raw_app_meta_data. */
  async merge(user, column, updates) {
    const merged = { ...user[column] };
    for (const [name, value] of Object.entries(updates)) {
      if (value === null) delete merged[name];
      else merged[name] = value;
    }
    await this.update(user, { [column]: merged });
  }

  async confirm(user) {
    await this.update(user, {
      confirmation_token: "", email_confirmed_at: new Date().toISOString(),
    });
    await this.merge(user, "raw_user_meta_data", { email_verified: true });
    await this.forgetTokens(user);
  }

  /** What an identity says is all that an unconfirmed account is known by. */
  async keepOnly(user, identity) {
    if (identity.provider !== "email") await this.update(user, { encrypted_password: null });
    await this.merge(user, "raw_user_meta_data", identity.identity_data);
    await this.rows("delete from auth.identities where user_id = $1 and id <> $2",
      [user.id, identity.id]);
    await this.nameProviders(user);
  }

  async nameProviders(user) {
    user.identities = await this.rows(
      "select * from auth.identities where user_id = $1 order by created_at, id", [user.id]);
    const providers = [...new Set(user.identities.map(({ provider }) => provider))];
    const first = providers.length > 0 ? { provider: providers[0] } : {};
    await this.merge(user, "raw_app_meta_data", { providers, ...first });
  }

  async addIdentity(user, provider, data) {
    return this.one(
      `insert into auth.identities (id, provider_id, user_id, identity_data, provider,
         last_sign_in_at, created_at, updated_at)
       values ($1, $2, $3, $4, $5, now(), now(), now()) returning *`,
      [randomUUID(), data.sub, user.id, JSON.stringify(data), provider]);
  }

  identity(provider, sub) {
    return this.one("select * from auth.identities where provider = $1 and provider_id = $2",
      [provider, sub]);
  }

  async mergeIdentity(identity, updates) {
    await this.rows(
      "update auth.identities set identity_data = identity_data || $2, updated_at = now() " +
      "where id = $1", [identity.id, JSON.stringify(updates)]);
  }

  deleteUser(user) {
    return this.rows("delete from auth.users where id = $1", [user.id]);
  }

  // --- passwords

  async #hash(password) {
    const { hash } = await this.one(
      "select extensions.crypt($1, extensions.gen_salt('bf', $2)) as hash",
      [password, this.#cost]);
    return hash;
  }

  // crypt() knows $2a$ alone; the other two are the same algorithm.
  async isPassword(user, password) {
    if (!user.encrypted_password) return false;
    const hash = user.encrypted_password.replace(/^\$2[by]\$/, "$2a$");
    if (!/^\$2a\$\d\d\$[./A-Za-z0-9]{53}$/.test(hash)) return false;
    const { same } = await this.one("select extensions.crypt($1, $2) = $2 as same",
      [password, hash]);
    return same;
  }

  /** A new password: other sessions end, all of them without `session`. */
  async setPassword(user, password, session = null) {
    const hash = password === "" ? null : await this.#hash(password);
    await this.update(user, { encrypted_password: hash, ...NO_TOKENS });
    await this.forgetTokens(user);
    await this.rows(
      "delete from auth.sessions where user_id = $1 and ($2::uuid is null or id <> $2)",
      [user.id, session?.id ?? null]);
  }

  // --- tokens of mails

  /** Stores a token under a column of users and beside them. */
  async keepToken(user, column, hash, relatesTo) {
    await this.rows("delete from auth.one_time_tokens where user_id = $1 and token_type = $2",
      [user.id, column]);
    await this.rows(
      `insert into auth.one_time_tokens (id, user_id, token_type, token_hash, relates_to)
       values ($1, $2, $3, $4, $5)`, [randomUUID(), user.id, column, hash, relatesTo]);
    await this.update(user, { [column]: hash });
  }

  async forgetTokens(user) {
    await this.rows("delete from auth.one_time_tokens where user_id = $1", [user.id]);
  }

  /** Takes back every token of an account that is deleted softly. */
  async blank(user, email) {
    const columns = Object.fromEntries(TOKEN_COLUMNS.map((name) => [name, ""]));
    await this.update(user, {
      ...columns, phone_change_token: "", email, encrypted_password: null,
      deleted_at: new Date().toISOString(), raw_user_meta_data: {}, raw_app_meta_data: {},
    });
    await this.forgetTokens(user);
    await this.rows("delete from auth.sessions where user_id = $1", [user.id]);
  }

  // --- sessions

  async openSession(user, { method, agent, ip }) {
    const session = await this.one(
      `insert into auth.sessions (id, user_id, created_at, updated_at, aal, user_agent, ip)
       values ($1, $2, now(), now(), 'aal1', $3, $4) returning *`,
      [randomUUID(), user.id, agent || null, ip || null]);
    await this.rows(
      `insert into auth.mfa_amr_claims (id, session_id, created_at, updated_at,
         authentication_method) values ($1, $2, now(), now(), $3)`,
      [randomUUID(), session.id, method]);
    await this.update(user, { last_sign_in_at: new Date().toISOString() });
    return session;
  }

  session(id) {
    return this.one("select * from auth.sessions where id = $1", [id]);
  }

  async methods(session) {
    return this.rows(
      `select authentication_method as method, extract(epoch from updated_at)::int as timestamp
       from auth.mfa_amr_claims where session_id = $1 order by updated_at desc`, [session.id]);
  }

  /** "global", "local" or "others" than `session`. */
  async endSessions(user, session, scope) {
    const which = {
      global: "true", local: "id = $2::uuid", others: "id is distinct from $2::uuid",
    }[session ? scope : "global"];
    await this.rows(`delete from auth.sessions where user_id = $1 and ($2::uuid is null or ${which})`,
      [user.id, session?.id ?? null]);
  }

  async addRefreshToken(user, session, parent = "") {
    const { token } = await this.one(
      `insert into auth.refresh_tokens (instance_id, token, user_id, revoked, created_at,
         updated_at, parent, session_id)
       values ($1, $2, $3, false, now(), now(), $4, $5) returning token`,
      [INSTANCE, refreshToken(), user.id, parent, session.id]);
    return token;
  }

  /** The row, with its session locked: a session is refreshed by one at a time. */
  async lockRefreshToken(token) {
    const found = await this.one("select session_id from auth.refresh_tokens where token = $1",
      [token]);
    if (!found) return null;
    await this.rows("select 1 from auth.sessions where id = $1 for update", [found.session_id]);
    return this.one("select * from auth.refresh_tokens where token = $1", [token]);
  }

  ageOf(row) {
    return (Date.now() - Date.parse(row.updated_at)) / 1000;
  }

  activeRefreshToken(session) {
    return this.one(
      `select * from auth.refresh_tokens where session_id = $1 and revoked = false
       order by id desc limit 1`, [session.id]);
  }

  revoke(row) {
    return this.rows(
      "update auth.refresh_tokens set revoked = true, updated_at = now() where id = $1", [row.id]);
  }

  revokeFamily(session) {
    return this.rows(
      `update auth.refresh_tokens set revoked = true, updated_at = now()
       where session_id = $1 and revoked = false`, [session.id]);
  }

  async markRefreshed(session, { agent, ip }) {
    await this.rows(
      `update auth.sessions set refreshed_at = now() at time zone 'UTC', user_agent = $2, ip = $3,
         updated_at = now() where id = $1`, [session.id, agent || null, ip || null]);
  }

  // --- sign-ins that are under way (PKCE)

  addFlow({ userId = null, challenge, method, provider, authentication, referrer = null }) {
    return this.one(
      `insert into auth.flow_state (id, user_id, auth_code, code_challenge_method, code_challenge,
         provider_type, created_at, updated_at, authentication_method, referrer)
       values ($1, $2, $3, $4, $5, $6, now(), now(), $7, $8) returning *`,
      [randomUUID(), userId, challenge ? randomUUID() : null, challenge ? method : null,
        challenge || null, provider, authentication, referrer]);
  }

  flow(id) {
    return this.one("select * from auth.flow_state where id = $1 for update", [id]);
  }

  flowByCode(code) {
    return this.one("select * from auth.flow_state where auth_code = $1", [code]);
  }

  flowOf(user, authentication) {
    return this.one(
      `select * from auth.flow_state where user_id = $1 and authentication_method = $2
       order by created_at desc limit 1`, [user.id, authentication]);
  }

  issueCode(flow, user) {
    return this.rows(
      `update auth.flow_state set user_id = $2, auth_code_issued_at = now(), updated_at = now()
       where id = $1`, [flow.id, user.id]);
  }

  async takeFlow(flow) {
    const gone = await this.rows("delete from auth.flow_state where id = $1 returning id", [flow.id]);
    return gone.length === 1;
  }
}
