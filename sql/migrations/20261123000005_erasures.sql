-- migrate:up

-- A user's rights over their data: to have all of it in one file, and to have it erased.
--
-- What touches the auth schema goes through functions that run as their owner, for on Supabase
-- service_role has no right there; they use only what both layouts of that schema have.

-- Who asked to be erased and is not, yet. There is no foreign key: the row outlives the account,
-- until its files are gone as well.
create table fynq.erasures (
  user_id uuid primary key,
  asked_at timestamptz not null default now(),
  tries int not null default 0 check (tries >= 0),
  due_at timestamptz not null default now() + interval '1 minute'
);
comment on table fynq.erasures is 'Erasures that were asked for and are not complete.';
comment on column fynq.erasures.due_at is
  'When the upkeep tries; until then somebody may be at work on it.';
create index erasures_due_at_idx on fynq.erasures (due_at);
revoke all on table fynq.erasures from public, anon, authenticated;
grant select, insert, update, delete on table fynq.erasures to service_role;

-- Records that an account is to be erased, and puts it out: once this has committed nobody signs in
-- to it, and no session of it goes on. Not 'infinity', which Supabase Auth cannot read. Sessions go
-- before what is left of refresh tokens, in the order in which a refresh locks them.
create function fynq.erase_begin(account uuid) returns void
language plpgsql security definer set search_path = '' as $$
begin
  insert into fynq.erasures (user_id) values (account) on conflict (user_id) do nothing;
  update auth.users u set banned_until = timestamptz '9999-12-31 00:00:00+00' where u.id = account;
  delete from auth.sessions s where s.user_id = account;
  delete from auth.refresh_tokens t where t.user_id::text = account::text;
end
$$;
comment on function fynq.erase_begin(uuid) is 'Records an erasure and disables the account.';

-- Deletes what is about a user and does not go with auth.users by a foreign key. May be called
-- again, also when the account is gone; it must be called while the account is there once, for
-- what is kept by address.
create function fynq.erase_rows(account uuid) returns void
language plpgsql security definer set search_path = '' as $$
declare
  address text;
begin
  select lower(u.email) into address from auth.users u where u.id = account;
  if to_regclass('fynq.mails') is not null then
    delete from fynq.mails m where m.email = address;
  end if;
  if to_regprocedure('fynq.audit_forget_user(uuid)') is not null then
    perform fynq.audit_forget_user(account);
  end if;
end
$$;
comment on function fynq.erase_rows(uuid) is 'Deletes what no foreign key deletes with an account.';

-- An answer is made of what somebody asked, and may repeat it: it goes when they go. Those that
-- were kept before are nobody's, so nobody could have them erased.
delete from fynq.answers;
alter table fynq.answers
  add column asked_by uuid not null references auth.users (id) on delete cascade;
comment on column fynq.answers.asked_by is 'Whose question it answered first.';
create index answers_asked_by_idx on fynq.answers (asked_by);

-- When a user had all of their data made into a file, within the last hour.
create table fynq.exports (
  user_id uuid primary key references auth.users (id) on delete cascade,
  began_at timestamptz[] not null default '{}',
  busy_until timestamptz
);
comment on table fynq.exports is 'A row for each user who has asked for their data.';
comment on column fynq.exports.busy_until is
  'One is being made; whoever makes it has died if that is past.';
revoke all on table fynq.exports from public, anon, authenticated;
grant select, insert, update, delete on table fynq.exports to service_role;

-- May that user have an export made now? 0, and it is counted, or the seconds to wait. The lock on
-- the row makes two requests at once one after the other.
create function fynq.export_begin(asker uuid, most int, lease interval,
  moment timestamptz default clock_timestamp()) returns int
language plpgsql set search_path = '' as $$
declare
  mine fynq.exports;
begin
  insert into fynq.exports (user_id) values (asker) on conflict (user_id) do nothing;
  select * into strict mine from fynq.exports e where e.user_id = asker for update;
  mine.began_at := array(
    select t from unnest(mine.began_at) t where t > moment - interval '1 hour' order by t
  );

  if mine.busy_until > moment then
    return least(10, ceil(extract(epoch from mine.busy_until - moment)))::int;
  end if;
  if cardinality(mine.began_at) >= most then
    return ceil(extract(epoch from
      mine.began_at[cardinality(mine.began_at) - most + 1] + interval '1 hour' - moment))::int;
  end if;

  update fynq.exports e
  set began_at = mine.began_at || moment, busy_until = moment + lease
  where e.user_id = asker;
  return 0;
end
$$;
comment on function fynq.export_begin(uuid, int, interval, timestamptz) is
  'Counts an export, or says in how many seconds it may be asked for.';

-- The account as its user may have it: neither hash nor tokens. Through another service it has
-- identities; only Supabase keeps those, and telephone numbers, so that column need not be there.
create function fynq.export_account(account uuid) returns json
language plpgsql stable security definer set search_path = '' as $$
declare
  identities json;
  mails json;
begin
  if to_regclass('fynq.mails') is not null then
    select json_agg(to_jsonb(m) - 'email' order by m.created_at) into mails
    from fynq.mails m
    where m.email = (select lower(u.email) from auth.users u where u.id = account);
  end if;
  if to_regclass('auth.identities') is not null then
    execute 'select json_agg(json_build_object(''provider'', i.provider,
        ''identity_data'', i.identity_data, ''created_at'', i.created_at,
        ''last_sign_in_at'', i.last_sign_in_at) order by i.created_at)
      from auth.identities i where i.user_id = $1' into identities using account;
  end if;
  return (
    select json_build_object(
      'id', u.id,
      'email', u.email,
      'phone', nullif(to_jsonb(u) ->> 'phone', ''),
      'role', case u.raw_app_meta_data ->> 'role'
        when 'admin' then 'admin' when 'teacher' then 'teacher' else 'student' end,
      'created_at', u.created_at,
      'last_sign_in_at', u.last_sign_in_at,
      'email_confirmed_at', u.email_confirmed_at,
      'user_metadata', u.raw_user_meta_data,
      'app_metadata', u.raw_app_meta_data,
      'identities', coalesce(identities, '[]'),
      'mails', coalesce(mails, '[]'))
    from auth.users u
    where u.id = account
  );
end
$$;
comment on function fynq.export_account(uuid) is 'An account, without hash and tokens.';

create function fynq.export_sessions(account uuid) returns json
language sql stable security definer set search_path = '' as $$
  select coalesce(json_agg(json_build_object('id', s.id, 'created_at', s.created_at,
    'refreshed_at', s.refreshed_at, 'not_after', s.not_after, 'user_agent', s.user_agent,
    'ip', host(s.ip)) order by s.created_at), '[]')
  from auth.sessions s
  where s.user_id = account
$$;
comment on function fynq.export_sessions(uuid) is 'Where an account is signed in.';

-- What was recorded about an account, a page of rows behind an id, in its order. Of what an admin
-- did to others the others' ids are not the admin's to have.
create function fynq.export_audit(account uuid, behind text) returns table (key text, item json)
language plpgsql stable security definer set search_path = '' as $$
begin
  if to_regclass('fynq.audit') is null then
    return;
  end if;
  return query
    select a.id::text, json_build_object('at', a.at, 'event', a.event,
      'by_you', a.actor is not distinct from account,
      'about_you', a.subject is not distinct from account,
      'address', case when a.actor is not distinct from account then a.address end,
      'detail', a.detail, 'request_id', a.request_id)
    from fynq.audit a
    where (a.subject = account or a.actor = account)
      and (behind is null or a.id > behind::uuid)
    order by a.id
    limit 500;
end
$$;
comment on function fynq.export_audit(uuid, text) is 'A page of the record about an account.';

revoke all on function fynq.erase_begin(uuid), fynq.erase_rows(uuid),
  fynq.export_begin(uuid, int, interval, timestamptz), fynq.export_account(uuid),
  fynq.export_sessions(uuid), fynq.export_audit(uuid, text) from public;
grant execute on function fynq.erase_begin(uuid), fynq.erase_rows(uuid),
  fynq.export_begin(uuid, int, interval, timestamptz), fynq.export_account(uuid),
  fynq.export_sessions(uuid), fynq.export_audit(uuid, text) to service_role;

-- migrate:down

drop function fynq.export_audit(uuid, text);
drop function fynq.export_sessions(uuid);
drop function fynq.export_account(uuid);
drop function fynq.export_begin(uuid, int, interval, timestamptz);
drop table fynq.exports;
alter table fynq.answers drop column asked_by;
drop function fynq.erase_rows(uuid);
drop function fynq.erase_begin(uuid);
drop table fynq.erasures;
