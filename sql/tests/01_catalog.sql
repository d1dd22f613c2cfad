-- Rules that hold for every table, policy and function, also for those still to be written.
begin;
\ir common.psql
select plan(15);

select is_empty($$
  select t.name from pg_temp.own_tables t join pg_class c using (oid)
  where not (c.relrowsecurity and c.relforcerowsecurity)
$$, 'every table in public has row security, forced');

select is_empty($$
  select t.name, p.polname from pg_temp.own_tables t join pg_policy p on p.polrelid = t.oid
  where (p.polroles && array[0::oid, 'anon'::regrole::oid])
    or not p.polpermissive
$$, 'no policy admits public or anon');

select is_empty($$
  select t.name, p.policyname
  from pg_temp.own_tables t join pg_policies p on p.tablename = t.name and p.schemaname = 'public'
  where regexp_replace(
    coalesce(p.qual, '') || coalesce(p.with_check, ''),
    '\( SELECT (auth|fynq)\.[a-z_]+\(\) AS [a-z_]+\)', '', 'g') ~ '(auth|fynq)\.'
$$, 'policies evaluate who asks once, in a subselect');

-- The columns of type uuid that a policy compares, by the catalog of dependencies.
select is_empty($$
  select t.name, a.attname
  from pg_temp.own_tables t
  join pg_policy p on p.polrelid = t.oid and p.polqual is not null
  join pg_depend d on d.classid = 'pg_policy'::regclass and d.objid = p.oid
    and d.refclassid = 'pg_class'::regclass and d.refobjid = t.oid and d.refobjsubid > 0
  join pg_attribute a on a.attrelid = t.oid and a.attnum = d.refobjsubid
    and a.atttypid = 'uuid'::regtype
  where not exists (
    select from pg_index i
    where i.indrelid = t.oid and i.indisvalid and i.indpred is null and i.indkey[0] = a.attnum
  )
$$, 'every column that a policy filters by leads an index');

-- A key that carries more than the other table's primary key is served by an index on that part.
select is_empty($$
  select k.conrelid::regclass, k.conname
  from pg_constraint k
  left join pg_constraint pk on pk.conrelid = k.confrelid and pk.contype = 'p'
  cross join lateral (
    select array_agg(c.here) as columns
    from unnest(k.conkey, k.confkey) as c (here, there)
    where c.there = any (pk.conkey) or not k.confkey @> pk.conkey
  ) as needed
  where k.contype = 'f'
    and (k.connamespace in ('public'::regnamespace, 'fynq'::regnamespace)
      or (k.connamespace = 'auth'::regnamespace and pg_temp.auth_is_ours()))
    and not exists (
      select from pg_index i
      where i.indrelid = k.conrelid and i.indisvalid and i.indpred is null
        and (i.indkey::int2[])[0:cardinality(needed.columns) - 1] @> needed.columns
    )
$$, 'every foreign key has an index');

select is_empty($$
  select t.name from pg_temp.own_tables t
  where not exists (select from pg_constraint k where k.conrelid = t.oid and k.contype = 'p')
$$, 'every table in public has a primary key');

select is_empty($$
  select c.oid::regclass, r.rolname
  from pg_class c, pg_roles r
  where c.relnamespace = 'public'::regnamespace
    and c.relkind in ('r', 'p', 'v', 'm', 'f')
    and not exists (
      select from pg_depend d
      where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
    )
    and r.rolname in ('anon', 'fynq')
    and (has_any_column_privilege(r.oid, c.oid, 'select, insert, update, references')
      or has_table_privilege(r.oid, c.oid, 'delete, truncate, trigger'))
$$, 'neither anon nor the login role has any right in public');

select is_empty($$
  select c.oid::regclass
  from pg_class c
  where c.relkind in ('r', 'p')
    and (c.oid in (select oid from pg_temp.own_tables)
      or c.oid = to_regclass('public.schema_migrations'))
    and has_table_privilege('authenticated', c.oid, 'update, truncate, references, trigger')
$$, 'authenticated updates by column, and neither truncates nor refers nor attaches triggers');

select is_empty($$
  select c.oid::regclass, r.rolname
  from pg_class c, pg_roles r
  where c.relnamespace in ('auth'::regnamespace, 'fynq'::regnamespace)
    and c.relkind in ('r', 'p', 'v', 'm')
    and r.rolname in ('anon', 'authenticated', 'fynq')
    and (has_any_column_privilege(r.oid, c.oid, 'select, insert, update, references')
      or has_table_privilege(r.oid, c.oid, 'delete, truncate, trigger'))
$$, 'no client role has a right on a table of auth or fynq');

select is_empty($$
  select n.nspname, r.rolname
  from pg_namespace n, pg_roles r
  where n.nspname in ('auth', 'fynq') and r.rolname in ('anon', 'authenticated', 'fynq')
    and (has_schema_privilege(r.oid, n.oid, 'create')
      or (r.rolname = 'fynq' and has_schema_privilege(r.oid, n.oid, 'usage')))
$$, 'no client role creates in auth or fynq, and the login role does not even enter');

select is_empty($$
  select r.rolname from pg_roles r
  where r.rolname in ('anon', 'authenticated', 'service_role', 'fynq')
    and has_schema_privilege(r.oid, 'public', 'create')
$$, 'nobody but its owner creates in public');

select is_empty($$
  select p.oid::regprocedure
  from pg_proc p
  where p.pronamespace = 'fynq'::regnamespace
    and exists (
      select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
      where a.grantee = 0
    )
$$, 'no function of fynq is open to public');

select set_eq($$
  select p.proname::text from pg_proc p
  where p.pronamespace = 'fynq'::regnamespace
    and has_function_privilege('authenticated', p.oid, 'execute')
$$, array['app_role', 'etag'], 'authenticated calls the two functions that its statements need');

select is_empty($$
  select p.oid::regprocedure
  from pg_proc p
  where p.pronamespace in ('fynq'::regnamespace, 'public'::regnamespace)
    and p.prosecdef
    and not coalesce(p.proconfig @> array['search_path=""'], false)
    and not exists (
      select from pg_depend d
      where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e'
    )
$$, 'functions that run as their owner pin search_path');

select is_empty($$
  select t.name from pg_temp.own_tables t
  join pg_attribute a on a.attrelid = t.oid and a.attname = 'updated_at' and not a.attisdropped
  where not exists (
    select from pg_trigger g
    where g.tgrelid = t.oid and g.tgfoid = 'fynq.touch'::regproc
      and g.tgtype & 19 = 19 -- Row, before, update.
  )
$$, 'every updated_at is kept by fynq.touch()');

select * from finish();
rollback;
