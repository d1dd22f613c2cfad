-- migrate:up

-- Roles, and the internal schema.
--
-- fynq logs in as a role without rights of its own and becomes, for each transaction, one of three:
-- anon (nobody), authenticated (the user named in request.jwt.claims) or service_role (fynq
-- itself). These are Supabase's names and attributes; fynq stands where authenticator stands there.
--
-- Roles belong to the cluster, not to the database: Supabase or another database may have made
-- them, or be making them at this moment. So each is made, and granted, only where that is missing.
do $$
declare
  wanted record;
begin
  for wanted in
    select w.name, w.attributes
    from (values
      ('anon', 'nologin noinherit'),
      ('authenticated', 'nologin noinherit'),
      ('service_role', 'nologin noinherit bypassrls'),
      ('fynq', 'login noinherit')
    ) as w (name, attributes)
    where not exists (select from pg_catalog.pg_roles r where r.rolname = w.name)
  loop
    begin
      execute format('create role %I %s', wanted.name, wanted.attributes);
    exception when duplicate_object or unique_violation then
      raise notice 'role % was made meanwhile', wanted.name;
    end;
  end loop;

  for wanted in
    select w.name
    from (values ('anon'), ('authenticated'), ('service_role')) as w (name)
    where not exists (
      select from pg_catalog.pg_auth_members m
      where m.roleid = w.name::regrole and m.member = 'fynq'::regrole
    )
  loop
    begin
      execute format('grant %I to fynq', wanted.name);
    exception when unique_violation then
      raise notice 'role % was granted meanwhile', wanted.name;
    end;
  end loop;
end
$$;

-- A record of migrations may have been put here before the first of them ran.
create schema if not exists fynq;
comment on schema fynq is 'Internal to fynq: nothing here is for clients.';
revoke all on schema fynq from public;
grant usage on schema fynq to authenticated, service_role;

-- Before PostgreSQL 15 every role may create objects in public.
revoke create on schema public from public;

-- dbmate keeps its record in public, which Supabase opens to every client.
do $$
begin
  if to_regclass('public.schema_migrations') is not null then
    revoke all on table public.schema_migrations from public, anon, authenticated;
  end if;
end
$$;

-- migrate:down

-- The roles stay: other databases of the cluster may use them, and so may objects that are not
-- fynq's. The right to create in public is not given back to every role: since PostgreSQL 15 nobody
-- expects it, and the record of migrations is no client's business with or without fynq.
revoke all on schema fynq from authenticated, service_role;

do $$
begin
  drop schema fynq;
exception when dependent_objects_still_exist then
  raise notice 'schema fynq stays: it holds what no migration made';
end
$$;
