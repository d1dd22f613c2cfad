-- Every table, every role, every verb: tried for real, on one's own row and on another's, and
-- compared with matrix.psql.
begin;
\ir common.psql
\ir matrix.psql

update relations set relation = btrim(relation), owner = nullif(btrim(owner), ''),
  changed = btrim(changed), made = btrim(made);
update matrix set relation = btrim(relation), verb = btrim(verb), anon = btrim(anon),
  student = btrim(student), teacher = btrim(teacher), admin = btrim(admin),
  service = btrim(service);

-- Supabase's own tables have their own rights, and its roles rights on what dbmate made.
create temporary table judged on commit drop as
select r.* from relations r
where pg_temp.auth_is_ours()
  or (r.relation not like 'auth.%' and r.relation <> 'public.schema_migrations');
-- dbmate keeps one record of migrations, fynqctl two.
delete from judged
where to_regclass(relation) is null
  and relation in ('public.schema_migrations', 'fynq.migration_checksums');

select plan((select 3 + 7 * count(*)::int from matrix join judged using (relation)));

-- The catalog and the matrix name the same tables, views too.
select set_eq($$
  select c.oid::regclass::text
  from pg_class c
  where c.relnamespace in ('public'::regnamespace, 'fynq'::regnamespace, 'auth'::regnamespace)
    and c.relkind in ('r', 'p', 'v', 'm', 'f')
    and (pg_temp.auth_is_ours() or (c.relnamespace <> 'auth'::regnamespace
      and c.oid is distinct from to_regclass('public.schema_migrations')))
    and not exists (
      select from pg_depend d
      where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
    )
$$, $$ select to_regclass(relation)::text from judged $$,
  'the matrix has every table, and no other');
select is_empty($$
  select r.relation, v.verb
  from relations r cross join (values ('select'), ('insert'), ('update'), ('delete')) as v (verb)
  full join matrix m on m.relation = r.relation and m.verb = v.verb
  where m.relation is null or r.relation is null
$$, 'the matrix has every verb of every table');
select is_empty($$
  select m.relation, m.verb, c.word
  from matrix m
  cross join lateral (values (m.anon), (m.student), (m.teacher), (m.admin), (m.service)) as c (word)
  where c.word not in ('all', 'own', 'none', 'denied')
$$, 'the matrix has no other words');

-- The id of an actor's row in a table.
create function pg_temp.row_of(relation text, who text) returns text language sql as $$
  select quote_literal(md5(relation || ' ' || who)) || '::uuid'
$$;

-- The statement that makes an actor's row.
create function pg_temp.making(r judged, who text) returns text language sql as $$
  select replace(replace(replace(replace(replace(replace(replace(
    format('insert into %s %s', r.relation, r.made),
    '$user', quote_literal(pg_temp.uid(who)) || '::uuid'),
    '$id', pg_temp.row_of(r.relation, who)),
    '$chat', pg_temp.row_of('public.chats', who)),
    '$message', pg_temp.row_of('public.messages', who)),
    '$file', pg_temp.row_of('public.files', who)),
    '$content', pg_temp.row_of('public.contents', who)),
    '$session', pg_temp.row_of('auth.sessions', who))
$$;

-- Which rows are an actor's.
create function pg_temp.whose(r judged, who text) returns text language sql as $$
  select case when r.owner is null then ''
    else format(' where %I = %L', r.owner, pg_temp.uid(who)) end
$$;

-- What becomes of a verb when an actor tries it on the row of another, or on their own: the number
-- of rows, or the SQLSTATE. Before an insert the row that is there gives way. All of it is undone.
create function pg_temp.try(r judged, verb text, who text, whose text) returns text
language plpgsql as $$
declare
  statement text := case verb
    when 'select' then format('select * from %s', r.relation) || pg_temp.whose(r, whose)
    when 'insert' then pg_temp.making(r, whose)
    when 'update' then format('update %s set %I = %2$I', r.relation, r.changed)
      || pg_temp.whose(r, whose)
    when 'delete' then format('delete from %s', r.relation) || pg_temp.whose(r, whose)
  end;
  rows bigint;
begin
  if verb = 'insert' then
    begin
      execute 'delete from ' || r.relation || pg_temp.whose(r, whose);
    exception when insufficient_privilege then
      null; -- A table whose rows stay, whoever asks, as fynq.audit's.
    end;
  end if;
  perform pg_temp.become(who);
  execute statement;
  get diagnostics rows = row_count;
  raise sqlstate 'UNDO1' using detail = rows;
exception
  when sqlstate 'UNDO1' then
    return rows;
  when others then
    return sqlstate;
end
$$;

-- A row of each person in each table, and one of nobody where there are no owners.
do $$
declare
  r judged;
  who text;
  there bigint;
begin
  for r in select * from judged order by array_position(array['auth.users', 'auth.sessions',
    'auth.refresh_tokens', 'public.profiles', 'public.chats', 'public.messages', 'public.contents'],
    relation) loop
    foreach who in array case when r.owner is null then array['student']
        else array['student', 'other', 'teacher', 'admin'] end loop
      execute format('select count(*) from %s', r.relation)
        || case when r.owner is null then ' where false' else pg_temp.whose(r, who) end into there;
      if there = 0 then
        execute pg_temp.making(r, who);
      end if;
    end loop;
  end loop;
end
$$;

-- What a word means: on one's own row, and on another's.
create function pg_temp.meaning(word text, verb text) returns text language sql as $$
  select case word
    when 'all' then 'own 1, other''s 1'
    when 'own' then 'own 1, other''s ' || case verb when 'insert' then '42501' else '0' end
    when 'none' then 'own 0, other''s 0'
    else 'own 42501, other''s 42501'
  end
$$;

-- Where nobody owns a row, or the actor is no person, there is but one row to try: the student's,
-- which counts for both.
select is(
  format('own %s, other''s %s',
    pg_temp.try(j, m.verb, a.who, case when a.person then a.who else 'student' end),
    pg_temp.try(j, m.verb, a.who, case when a.who = 'student' then 'other' else 'student' end)),
  pg_temp.meaning(a.word, m.verb),
  format('%s: %s of %s: %s', a.who, m.verb, m.relation, a.word))
from matrix m
join judged j using (relation)
cross join lateral (values
  ('login', 'denied', false), ('anon', m.anon, false), ('student', m.student, true),
  ('other', m.student, true), ('teacher', m.teacher, true), ('admin', m.admin, true),
  ('service', m.service, false)
) as a (who, word, person);

select * from finish();
rollback;
