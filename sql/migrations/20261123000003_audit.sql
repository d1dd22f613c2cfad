-- migrate:up

-- What happened to accounts. Rows are added, by fynq.audit_add() alone, and stay as they are until
-- they are old: no role but the owner has the right to change or delete them, and triggers keep the
-- owner's statements off, too. What an owner has to do on purpose, as dropping the triggers, is
-- not kept off by anything here.
--
-- Neither id refers to auth.users: the record outlives the account.
create table fynq.audit (
  id uuid primary key,
  at timestamptz not null default now(),
  event text not null check (event in ('registered', 'signed_in', 'sign_in_failed', 'locked',
    'signed_out', 'token_reused', 'session_ended', 'recovery_asked', 'confirmed',
    'password_changed', 'password_reset', 'created', 'role_changed', 'limits_changed', 'disabled',
    'enabled', 'exported', 'deletion_asked', 'deleted')),
  actor uuid,
  subject uuid,
  address inet,
  detail text check (char_length(detail) <= 64),
  request_id text check (char_length(request_id) <= 64)
);
comment on table fynq.audit is 'What happened to accounts; rows are only added.';
comment on column fynq.audit.id is 'A UUID of version 7: they sort by time.';
comment on column fynq.audit.actor is 'Who did it; null where nobody was signed in.';
comment on column fynq.audit.subject is 'Whose account; null where there is none.';
comment on column fynq.audit.address is 'Where it came from; null once the user is erased.';
create index audit_at_idx on fynq.audit (at);
create index audit_event_id_idx on fynq.audit (event, id);
create index audit_subject_id_idx on fynq.audit (subject, id);
create index audit_actor_id_idx on fynq.audit (actor, id);
revoke all on table fynq.audit from public, anon, authenticated, service_role;
grant select on table fynq.audit to service_role;

-- The functions below say by fynq.audit, for the time of their statement, what they are about to do.
-- Even then only addresses go, and only rows that are older than a day.
create function fynq.keep_audit() returns trigger
language plpgsql set search_path = '' as $$
declare
  doing text := coalesce(current_setting('fynq.audit', true), '');
begin
  if tg_op = 'DELETE' and doing = 'forget' and old.at < now() - interval '1 day' then
    return old;
  elsif tg_op = 'UPDATE' and doing = 'forget_user' and new.address is null
    and (new.id, new.at, new.event, new.actor, new.subject, new.detail, new.request_id)
      is not distinct from
      (old.id, old.at, old.event, old.actor, old.subject, old.detail, old.request_id)
  then
    return new;
  end if;
  raise exception 'fynq.audit is only added to' using errcode = 'insufficient_privilege';
end
$$;
comment on function fynq.keep_audit() is 'Keeps rows of the record as they are.';
create trigger audit_keep before update or delete on fynq.audit
  for each row execute function fynq.keep_audit();
create trigger audit_keep_all before truncate on fynq.audit
  for each statement execute function fynq.keep_audit();

-- Where the layout is Supabase's, only addresses of accounts that do not come from a company's own
-- sign-in are unique, and indexed as they are: in lower case. fynq writes them so, too.
do $$
declare
  own_sign_in boolean := exists (
    select from pg_catalog.pg_attribute a
    where a.attrelid = 'auth.users'::regclass and a.attname = 'is_sso_user' and not a.attisdropped
  );
begin
  execute format($f$
    create function fynq.account_by_email(address text) returns uuid
    language plpgsql stable security definer set search_path = '' as $body$
    begin
      return (
        select u.id from auth.users u where %s and u.deleted_at is null
        order by u.created_at limit 1
      );
    end
    $body$
  $f$, case when own_sign_in then 'u.email = lower(address) and not u.is_sso_user'
    else 'lower(u.email) = lower(address)' end);
end
$$;
comment on function fynq.account_by_email(text) is 'The account of an address, in whatever case.';

-- Adds a row, and gives whose account it is about. Where that is not known but the address of a mail
-- is, it is looked up here: so what is done is the same whether or not there is such an account.
--
-- A request that ends after its user was erased does not say any more where they were. One that
-- ends before keeps the account until its row stands, for audit_forget_user() to find.
create function fynq.audit_add(id uuid, event text, actor uuid, subject uuid, email text,
  address inet, detail text, request_id text) returns uuid
language plpgsql security definer set search_path = '' as $$
declare
  there int;
begin
  if email is not null then
    subject := fynq.account_by_email(email);
  end if;
  perform from auth.users u where u.id in (actor, subject) order by u.id for key share;
  get diagnostics there = row_count;
  if there < (select count(distinct w.id) from unnest(array[actor, subject]) as w (id)) then
    address := null;
  end if;
  insert into fynq.audit (id, event, actor, subject, address, detail, request_id)
  values (audit_add.id, audit_add.event, audit_add.actor, audit_add.subject, audit_add.address,
    left(audit_add.detail, 64), left(audit_add.request_id, 64))
  on conflict on constraint audit_pkey do nothing;
  return subject;
end
$$;
comment on function fynq.audit_add(uuid, text, uuid, uuid, text, inet, text, text) is
  'Adds to the record.';

-- Deletes what is older than that, some at a time. A record of less than a day cannot be asked for.
create function fynq.audit_forget(days int) returns bigint
language plpgsql security definer set search_path = '' as $$
declare
  n bigint;
begin
  perform set_config('fynq.audit', 'forget', true);
  delete from fynq.audit a where a.id in (
    select o.id from fynq.audit o where o.at < now() - make_interval(days => greatest(days, 1))
    order by o.at limit 10000 for update skip locked
  );
  get diagnostics n = row_count;
  perform set_config('fynq.audit', '', true);
  return n;
end
$$;
comment on function fynq.audit_forget(int) is 'Deletes rows of the record that are that old.';

-- Takes where a user was from what the user did and what was done to the account. The ids stay: they
-- name nobody once the account is gone.
create function fynq.audit_forget_user(who uuid) returns bigint
language plpgsql security definer set search_path = '' as $$
declare
  n bigint;
begin
  perform set_config('fynq.audit', 'forget_user', true);
  update fynq.audit a set address = null
  where (a.subject = who or a.actor = who) and a.address is not null;
  get diagnostics n = row_count;
  perform set_config('fynq.audit', '', true);
  return n;
end
$$;
comment on function fynq.audit_forget_user(uuid) is 'Takes addresses from a user''s rows.';

revoke all on function fynq.keep_audit(), fynq.account_by_email(text),
  fynq.audit_add(uuid, text, uuid, uuid, text, inet, text, text), fynq.audit_forget(int),
  fynq.audit_forget_user(uuid) from public;
grant execute on function fynq.account_by_email(text),
  fynq.audit_add(uuid, text, uuid, uuid, text, inet, text, text),
  fynq.audit_forget(int), fynq.audit_forget_user(uuid) to service_role;

-- migrate:down

drop table fynq.audit;
drop function fynq.keep_audit();
drop function fynq.audit_forget_user(uuid);
drop function fynq.audit_forget(int);
drop function fynq.audit_add(uuid, text, uuid, uuid, text, inet, text, text);
drop function fynq.account_by_email(text);
