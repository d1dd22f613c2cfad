-- migrate:up

-- One profile for each account, made with it.
create table public.profiles (
  id uuid primary key references auth.users (id) on delete cascade,
  display_name text check (char_length(display_name) <= 100),
  locale text check (char_length(locale) <= 35),
  birth_date date check (birth_date between date '1900-01-01' and date '2100-01-01'),
  grade_level text check (char_length(grade_level) <= 50),
  preferences jsonb not null default '{}'
    check (jsonb_typeof(preferences) = 'object' and octet_length(preferences::text) <= 8192),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on column public.profiles.locale is 'A BCP 47 language tag.';
comment on column public.profiles.birth_date is 'Set once; after that only by the service.';

create trigger profiles_touch before update on public.profiles
  for each row execute function fynq.touch();

-- The age check rests on the birth date, so nobody may grow older by editing it.
create function fynq.keep_birth_date() returns trigger language plpgsql set search_path = '' as $$
begin
  if current_user <> 'service_role' and fynq.app_role() <> 'admin' then
    raise exception 'birth_date is set already' using
      errcode = 'check_violation',
      schema = 'public', table = 'profiles', column = 'birth_date',
      constraint = 'profiles_birth_date_once';
  end if;
  return new;
end
$$;
comment on function fynq.keep_birth_date() is 'Refuses a second birth date.';
revoke all on function fynq.keep_birth_date() from public;

create trigger profiles_keep_birth_date before update on public.profiles
  for each row
  when (old.birth_date is not null and new.birth_date is distinct from old.birth_date)
  execute function fynq.keep_birth_date();

alter table public.profiles enable row level security;
alter table public.profiles force row level security;

-- Supabase grants everything on new tables of public to its client roles.
revoke all on table public.profiles from public, anon, authenticated;
grant select on table public.profiles to authenticated;
grant update (display_name, locale, birth_date, grade_level, preferences)
  on table public.profiles to authenticated;
grant select, insert, update, delete on table public.profiles to service_role;

-- In every policy for reading, here and later: the subselects are evaluated once a statement, the
-- second only where a row is not the caller's own; and coalesce keeps the planner from counting the
-- owner twice. A statement that asks for one owner's rows says so itself, and from both conditions
-- the planner would expect so few that it read and sorted all of them for a page.
create policy profiles_select on public.profiles for select to authenticated
  using (coalesce(id = (select auth.uid()), false) or (select fynq.app_role()) = 'admin');
create policy profiles_update on public.profiles for update to authenticated
  using (id = (select auth.uid())) with check (id = (select auth.uid()));
-- The trigger below inserts as the table's owner, whom forced row security binds, too.
create policy profiles_owner_insert on public.profiles for insert to current_user with check (true);

-- Makes the profile of an account from what its user said of themselves at sign-up. Those are any
-- JSON: what does not fit is left out, for a bad value must never make the sign-up fail.
create function fynq.add_profile(user_id uuid, said jsonb) returns void
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
comment on function fynq.add_profile(uuid, jsonb) is 'Makes the profile of a new account.';

-- Runs as its owner: on Supabase accounts are inserted by a role without rights on public.
create function fynq.on_user_insert() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform fynq.add_profile(new.id, new.raw_user_meta_data);
  return null;
end
$$;
comment on function fynq.on_user_insert() is 'After insert on auth.users: adds the profile.';
revoke all on function fynq.add_profile(uuid, jsonb), fynq.on_user_insert() from public;

create trigger fynq_profile after insert on auth.users
  for each row execute function fynq.on_user_insert();

-- Accounts that were there before fynq.
do $$
begin
  perform fynq.add_profile(u.id, u.raw_user_meta_data) from auth.users u;
end
$$;

-- migrate:down

-- With cascade the trigger on auth.users goes too, which on Supabase is not ours to drop by name.
drop function fynq.on_user_insert() cascade;
drop function fynq.add_profile(uuid, jsonb);
drop table public.profiles;
drop function fynq.keep_birth_date();
