-- migrate:up

-- The tokens of mails' links, laid out as Supabase Auth lays them out; see 20260101000002_auth.sql.
-- Where the accounts are Supabase's, so are the tokens.
do $$
begin
  if to_regclass('auth.one_time_tokens') is not null
    or obj_description(to_regclass('auth.users'), 'pg_class') is distinct from 'Made by fynq.' then
    return;
  end if;

  create table auth.one_time_tokens (
    id uuid primary key,
    user_id uuid not null references auth.users (id) on delete cascade,
    token_type text not null check (token_type in ('confirmation_token', 'recovery_token')),
    token_hash text not null check (token_hash ~ '^[0-9a-f]{64}$'),
    relates_to text not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
  );
  comment on table auth.one_time_tokens is 'Made by fynq.';
  comment on column auth.one_time_tokens.token_hash is
    'SHA-256 of the token in hex, never the token.';
  comment on column auth.one_time_tokens.relates_to is 'The address that the token was sent to.';
  -- Of a kind a user has one: the newest, so that no mail but the last one opens anything.
  create unique index one_time_tokens_user_id_token_type_key
    on auth.one_time_tokens (user_id, token_type);
  create index one_time_tokens_token_hash_hash_idx
    on auth.one_time_tokens using hash (token_hash);

  alter table auth.one_time_tokens enable row level security;
  revoke all on table auth.one_time_tokens from public, anon, authenticated;
  grant select, insert, update, delete on table auth.one_time_tokens to service_role;
end
$$;

-- Mails to be sent, one row for a kind and an address. A row that was sent stays for its minute, as
-- only that tells that the next one would be too soon.
create table fynq.mails (
  id uuid primary key default gen_random_uuid(),
  kind text not null check (char_length(kind) between 1 and 32),
  email text not null check (email = lower(email) and octet_length(email) between 3 and 254),
  created_at timestamptz not null default now(),
  due_at timestamptz default now(),
  tried_at timestamptz,
  tries int not null default 0 check (tries >= 0),
  unique (kind, email)
);
comment on table fynq.mails is 'Mails to be sent; no token stands here.';
comment on column fynq.mails.created_at is 'When it was asked for; a day later it is given up.';
comment on column fynq.mails.due_at is
  'When it is to be tried next; ahead while one who claimed it is at it, null once it was sent.';
comment on column fynq.mails.tried_at is 'When it was last claimed.';
create index mails_due_at_idx on fynq.mails (due_at);
create index mails_created_at_idx on fynq.mails (created_at);

revoke all on table fynq.mails from public, anon, authenticated;
grant select, insert, update, delete on table fynq.mails to service_role;

-- Has a mail sent, unless one of that kind went to the address, or was tried, within a minute:
-- nobody can fill a mailbox. One that waits longer than that for its next try is tried now. What is
-- more than 100,000 rows is dropped, too: so many are no people's.
--
-- Whether there is such an account does not matter here, and so takes no time.
create function fynq.add_mail(kind text, email text) returns void
language sql set search_path = '' as $$
  insert into fynq.mails as m (kind, email)
  select add_mail.kind, lower(add_mail.email)
  where not exists (select from fynq.mails offset 99999)
  on conflict on constraint mails_kind_email_key do update
    set id = excluded.id, created_at = now(), due_at = now(), tries = 0
    where greatest(m.created_at, m.tried_at) <= now() - interval '1 minute'
      and coalesce(m.due_at > now(), true)
$$;
comment on function fynq.add_mail(text, text) is 'Stores a mail to be sent.';

-- Makes an account that is to be confirmed by mail, of fynq's own accounts. Where the address has one,
-- it takes the time of making one: an account with an address that nobody has is made, and undone.
create function fynq.add_unconfirmed(id uuid, email text, password_hash text, said jsonb)
returns void
language plpgsql set search_path = '' as $$
declare
  taken boolean := exists (
    select from auth.users u
    where lower(u.email) = lower(add_unconfirmed.email) and u.deleted_at is null
  );
begin
  insert into auth.users (id, email, encrypted_password, raw_app_meta_data, raw_user_meta_data)
  values (
    add_unconfirmed.id,
    case when taken then add_unconfirmed.id || '@fynq.invalid' else lower(add_unconfirmed.email) end,
    password_hash,
    '{"provider": "email", "providers": ["email"]}',
    said
  )
  on conflict do nothing;
  if taken then
    raise exception using errcode = 'YF001';
  end if;
exception when sqlstate 'YF001' then
  null;
end
$$;
comment on function fynq.add_unconfirmed(uuid, text, text, jsonb) is
  'Makes an account that must be confirmed, or takes as long.';

-- Claims the mail that is due longest. Who claimed it has two minutes to say what became of it;
-- after that it is due again, for then nobody is at it any more.
create function fynq.claim_mail()
returns table (id uuid, kind text, email text, tries int)
language sql set search_path = '' as $$
  update fynq.mails m
  set tries = m.tries + 1, tried_at = now(), due_at = now() + interval '2 minutes'
  where m.id = (
    select w.id from fynq.mails w where w.due_at <= now()
    order by w.due_at limit 1 for update skip locked
  )
  returning m.id, m.kind, m.email, m.tries
$$;
comment on function fynq.claim_mail() is 'The next mail to be sent, if one is due.';

-- The mail that was claimed is sent, or given up.
create function fynq.end_mail(id uuid, tries int) returns void
language sql set search_path = '' as $$
  update fynq.mails m set due_at = null
  where m.id = end_mail.id and m.tries = end_mail.tries
$$;
comment on function fynq.end_mail(uuid, int) is 'Nothing is left to be done about the mail.';

-- It could not be sent: again after half a minute, a minute, two, ..., an hour.
create function fynq.delay_mail(id uuid, tries int) returns void
language sql set search_path = '' as $$
  update fynq.mails m
  set due_at = now() + least(interval '15 seconds' * 2 ^ least(m.tries, 10), interval '1 hour')
  where m.id = delay_mail.id and m.tries = delay_mail.tries
$$;
comment on function fynq.delay_mail(uuid, int) is 'The mail is to be tried again later.';

-- Deletes what was sent, once its minute is over, and what could not be sent for a day; gives the
-- ids of the latter.
create function fynq.forget_mails() returns setof uuid
language sql set search_path = '' as $$
  with sent as (
    delete from fynq.mails m where m.due_at is null
      and greatest(m.created_at, m.tried_at) <= now() - interval '1 minute'
  ), old as (
    delete from fynq.mails m
    where m.due_at is not null and m.created_at <= now() - interval '1 day'
    returning m.id
  )
  select id from old
$$;
comment on function fynq.forget_mails() is 'Deletes mails that are done with, or too old.';

revoke all on function fynq.add_unconfirmed(uuid, text, text, jsonb),
  fynq.add_mail(text, text), fynq.claim_mail(), fynq.end_mail(uuid, int),
  fynq.delay_mail(uuid, int), fynq.forget_mails() from public;
grant execute on function fynq.add_unconfirmed(uuid, text, text, jsonb),
  fynq.add_mail(text, text), fynq.claim_mail(), fynq.end_mail(uuid, int),
  fynq.delay_mail(uuid, int), fynq.forget_mails() to service_role;

-- migrate:down

drop function fynq.forget_mails();
drop function fynq.delay_mail(uuid, int);
drop function fynq.end_mail(uuid, int);
drop function fynq.claim_mail();
drop function fynq.add_mail(text, text);
drop function fynq.add_unconfirmed(uuid, text, text, jsonb);
drop table fynq.mails;

do $$
begin
  if obj_description(to_regclass('auth.one_time_tokens'), 'pg_class') = 'Made by fynq.' then
    drop table auth.one_time_tokens;
  end if;
end
$$;
