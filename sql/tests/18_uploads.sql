-- Uploads: what files take is counted exactly, the limits hold, and an upload adds all or nothing.
begin;
\ir common.psql
select plan(63);

-- The tables.
select set_eq($$ select name, type, required from pg_temp.columns('fynq.file_usage') $$, $$ values
  ('user_id', 'uuid', true), ('bytes', 'bigint', true), ('files', 'integer', true),
  ('day', 'date', true), ('day_files', 'integer', true)
$$, 'columns of file_usage');
select set_eq($$ select name, type, required from pg_temp.columns('fynq.uploads') $$, $$ values
  ('id', 'uuid', true), ('user_id', 'uuid', true), ('began_at', 'timestamp with time zone', true)
$$, 'columns of uploads');

-- Who may do what.
create temporary table attempts (statement text) on commit drop;
insert into attempts values
  ('select * from fynq.file_limits(pg_temp.uid(''student''), 0, 0, 0, 0)'),
  ('select * from fynq.file_refusal(pg_temp.uid(''student''), ''{1}'', 0, 0, 0, 0)'),
  ('select * from fynq.upload_begin(pg_temp.uid(''student''), ''{}'', ''{}'', 0, 0, 0, 0)'),
  ('select * from fynq.upload_end(pg_temp.uid(''student''), ''[]'', 0, 0, 0, 0)');
grant select on pg_temp.actors to public;
select is(
  (select string_agg(pg_temp.attempt(a.name, t.statement), ' ' order by a.name) from actors a
   where a.name in ('admin', 'anon', 'student')),
  '42501 42501 42501', format('none but the service: %s', t.statement))
from attempts t;
select matches(pg_temp.attempt('service', t.statement), '^\d$', format('the service: %s', t.statement))
from attempts t;

-- What counts, whoever writes the rows.
create function pg_temp.used(who text) returns text language sql as $$
  select format('%s bytes, %s files, %s today', u.bytes, u.files,
    case when u.day = (now() at time zone 'UTC')::date then u.day_files else 0 end)
  from fynq.file_usage u where u.user_id = pg_temp.uid(who)
$$;
create function pg_temp.add(n int, who text, size bigint, purpose text default 'document')
returns void language sql as $$
  insert into public.files (id, user_id, purpose, media_type, bytes, sha256)
  values (pg_temp.id(n), pg_temp.uid(who), purpose, 'text/plain', size, repeat('0', 64))
$$;
select is(pg_temp.used('student'), null, 'nothing yet');
select pg_temp.add(1, 'student', 100), pg_temp.add(2, 'student', 5, 'chat'),
  pg_temp.add(3, 'student', 7, 'content'), pg_temp.add(4, 'other', 1) \g /dev/null
select is(pg_temp.used('student'), '112 bytes, 3 files, 3 today', 'files of every purpose count');
select is(pg_temp.used('other'), '1 bytes, 1 files, 1 today', 'each user''s own');
delete from public.files where id in (pg_temp.id(1), pg_temp.id(2));
select is(pg_temp.used('student'), '7 bytes, 1 files, 3 today', 'room comes back, the day does not');
update public.files set bytes = 9 where id = pg_temp.id(3);
select is(pg_temp.used('student'), '9 bytes, 1 files, 3 today', 'a size that changes');
update public.files set user_id = pg_temp.uid('other') where id = pg_temp.id(3);
select is(pg_temp.used('student'), '0 bytes, 0 files, 3 today', 'a file that changes hands is not here');
select is(pg_temp.used('other'), '10 bytes, 2 files, 1 today', 'but there');
select throws_ok('select pg_temp.add(5, ''other'', -1)', '23514', null, 'no size below 0');
update fynq.file_usage set day = day - 1 where user_id = pg_temp.uid('student');
select is(pg_temp.used('student'), '0 bytes, 0 files, 0 today', 'yesterday''s files are not today''s');
select pg_temp.add(6, 'student', 10) \g /dev/null
select is(pg_temp.used('student'), '10 bytes, 1 files, 1 today', 'a new day begins at one');
update fynq.file_usage set day = day + 1 where user_id = pg_temp.uid('student');
select pg_temp.add(7, 'student', 10) \g /dev/null
select is((select day_files from fynq.file_usage where user_id = pg_temp.uid('student')), 2,
  'a clock that was set back begins no day');
update fynq.file_usage set day = day - 1 where user_id = pg_temp.uid('student');

-- The limits: student has 20 bytes, 2 files, 2 of today.
create function pg_temp.refuses(sizes bigint[], a bigint, b bigint, c bigint, d bigint)
returns text language sql as $$
  select coalesce((select format('%s %s', limit_name, limit_value)
    from fynq.file_refusal(pg_temp.uid('student'), sizes, a, b, c, d)), 'none')
$$;
select is(pg_temp.refuses(v.sizes, v.a, v.b, v.c, v.d), v.expected, v.what)
from (values
  ('{1000000000000}'::bigint[], 0, 0, 0, 0, 'none', '0 is no limit'),
  ('{1}', null, null, null, null, 'none', 'nor is null'),
  ('{5}', 5, 0, 0, 0, 'none', 'a file as large as may be'),
  ('{6}', 5, 0, 0, 0, 'file_bytes 5', 'a file too large'),
  ('{1,6,1}', 5, 0, 0, 0, 'file_bytes 5', 'one of several too large'),
  ('{5}', 0, 25, 0, 0, 'none', 'the last byte'),
  ('{6}', 0, 25, 0, 0, 'storage_bytes 25', 'a byte too many'),
  ('{3,3}', 0, 25, 0, 0, 'storage_bytes 25', 'together too many'),
  ('{1}', 0, 0, 3, 0, 'none', 'the last file'),
  ('{1,1}', 0, 0, 3, 0, 'storage_files 3', 'a file too many'),
  ('{1}', 0, 0, 0, 3, 'none', 'the day''s last'),
  ('{1}', 0, 0, 0, 2, 'uploads_day 2', 'a file too many of a day'),
  ('{9}', 5, 25, 2, 2, 'file_bytes 5', 'the first that refuses is named'),
  ('{1}', 0, 3000000000, 3000000000, 3000000000, 'none', 'limits past 2^31')
) as v (sizes, a, b, c, d, expected, what);
insert into public.user_limits (user_id, storage_bytes, storage_files) values
  (pg_temp.uid('student'), 21, 0);
select is(pg_temp.refuses('{2}', 0, 1000, 0, 0), 'storage_bytes 21', 'a user''s own limit goes before');
select is(pg_temp.refuses('{1}', 0, 1000, 1, 0), 'none', 'also where it is none');
select set_eq($$ select * from fynq.file_limits(pg_temp.uid('student'), 1, 2, 3, 4) $$, $$ values
  ('file_bytes', 1::bigint, 0::bigint), ('storage_bytes', 21, 20), ('storage_files', null, 2),
  ('uploads_day', 4, 2) $$, 'all four at once');
select throws_ok('update public.user_limits set uploads_day = -1', '23514', null, 'no limit below 0');
delete from public.user_limits;

-- An upload: begun, and ended with its rows.
create function pg_temp.began(ids int[], sizes bigint[], room bigint default 0) returns text
language sql as $$
  select coalesce(max(limit_name), 'begun') from fynq.upload_begin(pg_temp.uid('teacher'),
    (select array_agg(pg_temp.id(i)) from unnest(ids) i), sizes, 0, room, 0, 0)
$$;
create function pg_temp.ended(ids int[], size bigint, room bigint default 0, key text default null,
  fingerprint text default null) returns text language sql as $$
  select coalesce(max(concat_ws(' ', limit_name, limit_value, earlier)), 'stored')
  from fynq.upload_end(pg_temp.uid('teacher'),
    (select jsonb_agg(jsonb_build_object('id', pg_temp.id(i), 'purpose', 'document', 'name', 'a"b',
      'media_type', 'text/plain', 'bytes', size, 'sha256', repeat('a', 64))) from unnest(ids) i),
    0, room, 0, 0, key, fingerprint)
$$;
create function pg_temp.state() returns text language sql as $$
  select format('%s files, %s on their way, %s', (select count(*) from public.files
    where user_id = pg_temp.uid('teacher')), (select count(*) from fynq.uploads),
    pg_temp.used('teacher'))
$$;
select is(pg_temp.began('{30,31}', '{5,5}', 9), 'storage_bytes', 'no room: it does not begin');
select is(pg_temp.state(), '0 files, 0 on their way, ', 'and leaves nothing');
select is(pg_temp.began('{30,31}', '{5,5}', 10), 'begun', 'room: it begins');
select is(pg_temp.began('{30,31}', '{5,5}', 10), 'begun', 'and may begin again');
select is(pg_temp.ended('{30,31}', 5, 10), 'stored', 'it ends');
select is(pg_temp.state(), '2 files, 0 on their way, 10 bytes, 2 files, 2 today', 'with both rows');
select is(pg_temp.ended('{30,31}', 5, 10), 'stored', 'and may end again');
select is(pg_temp.state(), '2 files, 0 on their way, 10 bytes, 2 files, 2 today', 'without others');
select is((select name from public.files where id = pg_temp.id(30)), 'a"b', 'names are as they were');

select pg_temp.began('{32,33}', '{1,1}') \g /dev/null
select is(pg_temp.ended('{32,33}', 1, 11), 'storage_bytes 11', 'the room has gone meanwhile');
select is(pg_temp.state(), '2 files, 0 on their way, 10 bytes, 2 files, 2 today', 'none is stored');
select pg_temp.began('{34,35}', '{1,1}') \g /dev/null
delete from fynq.uploads where id = pg_temp.id(35);
select is(pg_temp.ended('{34,35}', 1), 'upload', 'one was given up meanwhile: none is stored');
select is(pg_temp.state(), '2 files, 0 on their way, 10 bytes, 2 files, 2 today', 'and none is left');

-- With an Idempotency-Key.
select pg_temp.began('{40,41}', '{1,1}') \g /dev/null
select is(pg_temp.ended('{40,41}', 1, 11, 'k', repeat('1', 64)), 'storage_bytes 11', 'no room');
select is_empty('select from fynq.requests', 'no key is kept of what was not stored');
select pg_temp.began('{42,43}', '{1,1}') \g /dev/null
select is(pg_temp.ended('{42,43}', 1, 0, 'k', repeat('1', 64)), 'stored', 'the first has the key');
select is((select file_ids from fynq.requests where key = 'k'), array[pg_temp.id(42), pg_temp.id(43)],
  'which knows its files');
select is(pg_temp.ended('{42,43}', 1, 0, 'k', repeat('1', 64)), 'stored', 'also when it ends again');
select pg_temp.began('{44}', '{1}') \g /dev/null
select is(pg_temp.ended('{44}', 1, 0, 'k', repeat('1', 64)),
  format('earlier {%s,%s}', pg_temp.id(42), pg_temp.id(43)), 'the second is told of these');
select pg_temp.began('{45}', '{1}') \g /dev/null
select is(pg_temp.ended('{45}', 1, 0, 'k', repeat('2', 64)),
  format('key {%s,%s}', pg_temp.id(42), pg_temp.id(43)), 'another request is not');
select is(pg_temp.state(), '4 files, 0 on their way, 12 bytes, 4 files, 4 today', 'nor stores anything');

-- With the account everything goes.
select pg_temp.began('{50}', '{1}') \g /dev/null
delete from auth.users where id = pg_temp.uid('teacher');
select is(pg_temp.state(), '0 files, 0 on their way, ', 'uploads, files and their count');
select throws_ok($$ select pg_temp.ended('{50}', 1) $$, '23503', null, 'nothing is stored for nobody');
select throws_ok($$ select pg_temp.began('{51}', '{1}') $$, '23503', null, 'and nothing begins');

select * from finish();
rollback;
