-- migrate:up

-- What fynq asks about accounts, wherever they are kept. On Supabase the auth schema belongs to
-- another role, service_role has no right on its tables, and their columns are Supabase's business:
-- so each of these functions runs as its owner, reads only columns that either layout has, and no
-- view or foreign key holds on to them. All are for the service alone.

-- The functions that run as the owner of profiles read them, and forced row security binds the
-- owner, too.
create policy profiles_owner_select on public.profiles for select to current_user using (true);

-- The role that an account's app_metadata gives: fynq.app_role() without a token.
create function fynq.role_of(app_meta_data jsonb) returns text language sql immutable as $$
  select case app_meta_data ->> 'role'
    when 'admin' then 'admin'
    when 'teacher' then 'teacher'
    else 'student'
  end
$$;
comment on function fynq.role_of(jsonb) is 'student, teacher or admin, from raw_app_meta_data.';

-- Asked by each process, for each session that it serves, again and again: two look-ups by primary
-- key, in plpgsql, which keeps their plans. There is always a row. Where no session is named, none
-- can have ended.
create function fynq.account_state(account uuid, session uuid,
  out present boolean, out disabled boolean, out stands boolean, out role text)
language plpgsql stable security definer set search_path = '' as $$
begin
  select true, coalesce(u.banned_until > now(), false), fynq.role_of(u.raw_app_meta_data),
    session is null or exists (
      select from auth.sessions s
      where s.id = session and s.user_id = u.id and (s.not_after is null or s.not_after > now())
    )
  into present, disabled, role, stands
  from auth.users u
  where u.id = account and u.deleted_at is null;

  if not found then
    present := false;
    disabled := false;
    role := 'student';
    stands := false;
  end if;
end
$$;
comment on function fynq.account_state(uuid, uuid) is
  'Is the account there, is it disabled, does that session of it stand, and what is its role?';

-- Where an account is signed in, the newest first. Supabase's refreshed_at is without a time zone,
-- and is in UTC.
create function fynq.sessions(account uuid)
returns table (id uuid, user_agent text, ip text, created_at timestamptz, refreshed_at timestamptz)
language plpgsql stable security definer set search_path = '' set timezone = 'UTC' as $$
begin
  return query
    select s.id, s.user_agent::text, host(s.ip), s.created_at::timestamptz,
      s.refreshed_at::timestamptz
    from auth.sessions s
    where s.user_id = account and (s.not_after is null or s.not_after > now())
    order by s.created_at desc, s.id desc
    limit 100;
end
$$;
comment on function fynq.sessions(uuid) is 'The sessions of an account, the newest first; 100.';

-- The refresh tokens of a session go with it in either layout.
create function fynq.end_session(account uuid, session uuid) returns boolean
language plpgsql security definer set search_path = '' as $$
begin
  delete from auth.sessions s where s.id = session and s.user_id = account;
  return found;
end
$$;
comment on function fynq.end_session(uuid, uuid) is 'Ends it; false where the account has no such.';

create function fynq.end_sessions(account uuid) returns int
language plpgsql security definer set search_path = '' as $$
declare
  ended int;
begin
  delete from auth.sessions s where s.user_id = account;
  get diagnostics ended = row_count;
  return ended;
end
$$;
comment on function fynq.end_sessions(uuid) is 'Ends every session of an account; how many.';

-- Deletes sessions that no refresh continues any more, some at a time, and with them where somebody
-- was: those that are over, and those that were not used for that many days. A session that is in
-- use at this moment stays. On Supabase they are Supabase's to delete.
create function fynq.forget_sessions(days int) returns bigint
language plpgsql security definer set search_path = '' as $$
declare
  n bigint;
begin
  if obj_description('auth.sessions'::regclass, 'pg_class') is distinct from 'Made by fynq.' then
    return 0;
  end if;
  delete from auth.sessions s where s.id in (
    select o.id from auth.sessions o
    where o.not_after <= now()
      or coalesce(o.refreshed_at, o.created_at) <= now() - make_interval(days => greatest(days, 1))
    limit 10000 for update skip locked
  );
  get diagnostics n = row_count;
  return n;
end
$$;
comment on function fynq.forget_sessions(int) is 'Deletes sessions that nobody can go on with.';

-- An account as admins see it.
create type fynq.account as (
  id uuid,
  email text,
  role text,
  disabled boolean,
  email_confirmed boolean,
  display_name text,
  locale text,
  birth_date date,
  created_at timestamptz,
  last_sign_in_at timestamptz,
  updated_at timestamptz
);

-- The accounts for which every argument that is not null holds, the newest first: one by its id;
-- those of a role, disabled or not, with some words in their address or display name, in whatever
-- case; those older than (before_at, before_id). Planned anew for each call, as an argument that
-- is null asks for another plan than one that is given.
create function fynq.accounts(only_id uuid, only_role text, only_disabled boolean, words text,
  before_at timestamptz, before_id uuid, most int)
returns setof fynq.account
language plpgsql stable security definer
set search_path = '' set plan_cache_mode = 'force_custom_plan' as $$
begin
  return query
    select u.id, u.email::text, fynq.role_of(u.raw_app_meta_data),
      coalesce(u.banned_until > now(), false), u.email_confirmed_at is not null,
      p.display_name, p.locale, p.birth_date, u.created_at::timestamptz,
      u.last_sign_in_at::timestamptz, greatest(u.updated_at, p.updated_at)
    from auth.users u
    left join public.profiles p on p.id = u.id
    where u.deleted_at is null
      and (only_id is null or u.id = only_id)
      and (only_role is null or fynq.role_of(u.raw_app_meta_data) = only_role)
      and (only_disabled is null or coalesce(u.banned_until > now(), false) = only_disabled)
      and (words is null or strpos(lower(u.email), lower(words)) > 0
        or strpos(lower(p.display_name), lower(words)) > 0)
      and (before_at is null or (u.created_at, u.id) < (before_at, before_id))
    order by u.created_at desc, u.id desc
    limit most;
end
$$;
comment on function fynq.accounts(uuid, text, boolean, text, timestamptz, uuid, int) is
  'Accounts, the newest first; arguments that are null do not count.';

revoke all on function fynq.role_of(jsonb), fynq.account_state(uuid, uuid), fynq.sessions(uuid),
  fynq.end_session(uuid, uuid), fynq.end_sessions(uuid), fynq.forget_sessions(int),
  fynq.accounts(uuid, text, boolean, text, timestamptz, uuid, int)
  from public;
grant execute on function fynq.role_of(jsonb), fynq.account_state(uuid, uuid), fynq.sessions(uuid),
  fynq.end_session(uuid, uuid), fynq.end_sessions(uuid), fynq.forget_sessions(int),
  fynq.accounts(uuid, text, boolean, text, timestamptz, uuid, int)
  to service_role;

-- On Supabase the tables are not ours to index; there users have such an index of their own.
do $$
begin
  if obj_description('auth.users'::regclass, 'pg_class') = 'Made by fynq.' then
    create index users_created_at_id_idx on auth.users (created_at, id);
    create index sessions_used_at_idx on auth.sessions (coalesce(refreshed_at, created_at));
  end if;
end
$$;

-- A language tag, well-formed by RFC 5646 section 2.2.9; http/text.c has the same.
create function fynq.is_locale(tag text) returns boolean
language sql immutable set search_path = '' as $$
  select coalesce(char_length(tag) <= 35 and (
    tag ~* ('^(([a-z]{2,3}(-[a-z]{3}){0,3}|[a-z]{4,8})'
      '(-[a-z]{4})?(-([a-z]{2}|[0-9]{3}))?(-([a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*'
      '(-[a-wyz0-9](-[a-z0-9]{2,8})+)*(-x(-[a-z0-9]{1,8})+)?|x(-[a-z0-9]{1,8})+)$')
    or lower(tag) in ('en-gb-oed', 'i-ami', 'i-bnn', 'i-default', 'i-enochian', 'i-hak',
      'i-klingon', 'i-lux', 'i-mingo', 'i-navajo', 'i-pwn', 'i-tao', 'i-tay', 'i-tsu',
      'sgn-be-fr', 'sgn-be-nl', 'sgn-ch-de')
  ), false)
$$;
comment on function fynq.is_locale(text) is 'Is it a well-formed language tag of up to 35?';
revoke all on function fynq.is_locale(text) from public;

-- As before, but a name is one line, and a locale a language tag: the same rules as over HTTP.
create or replace function fynq.add_profile(user_id uuid, said jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  -- Line ends, tabs and other control characters become spaces; what is white space alone is none.
  name text := case jsonb_typeof(said -> 'display_name') when 'string' then
    btrim(left(btrim(regexp_replace(left(said ->> 'display_name', 1000),
      '[\x01-\x1f\x7f-\x9f\u2028\u2029]+', ' ', 'g')), 100)) end;
  tongue text := case jsonb_typeof(said -> 'locale') when 'string' then said ->> 'locale' end;
  born date;
begin
  if name !~ '[^ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]' then
    name := null;
  end if;
  if said ->> 'birth_date' ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' then
    begin
      born := (said ->> 'birth_date')::date;
    exception when data_exception then
      born := null;
    end;
  end if;

  insert into public.profiles (id, display_name, locale, birth_date)
  values (
    user_id,
    name,
    case when fynq.is_locale(tongue) then tongue end,
    case when born between date '1900-01-01' and current_date then born end
  );
end
$$;

-- migrate:down

create or replace function fynq.add_profile(user_id uuid, said jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  name text := case jsonb_typeof(said -> 'display_name')
    when 'string' then left(nullif(btrim(said ->> 'display_name'), ''), 100) end;
  tongue text := case jsonb_typeof(said -> 'locale')
    when 'string' then nullif(said ->> 'locale', '') end;
  born date;
begin
  if said ->> 'birth_date' ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' then
    begin
      born := (said ->> 'birth_date')::date;
    exception when data_exception then
      born := null;
    end;
  end if;

  insert into public.profiles (id, display_name, locale, birth_date)
  values (
    user_id,
    name,
    case when char_length(tongue) <= 35 then tongue end,
    case when born between date '1900-01-01' and current_date then born end
  );
end
$$;
drop function fynq.is_locale(text);

do $$
begin
  if obj_description('auth.users'::regclass, 'pg_class') = 'Made by fynq.' then
    drop index auth.users_created_at_id_idx;
    drop index auth.sessions_used_at_idx;
  end if;
end
$$;

drop function fynq.accounts(uuid, text, boolean, text, timestamptz, uuid, int);
drop type fynq.account;
drop function fynq.forget_sessions(int);
drop function fynq.end_sessions(uuid);
drop function fynq.end_session(uuid, uuid);
drop function fynq.sessions(uuid);
drop function fynq.account_state(uuid, uuid);
drop function fynq.role_of(jsonb);
drop policy profiles_owner_select on public.profiles;
