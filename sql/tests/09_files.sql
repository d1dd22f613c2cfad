-- Files: who sees and writes them, what the checks refuse, what goes with what.
begin;
\ir common.psql
select plan(54);

insert into public.files (id, user_id, purpose, media_type, bytes, sha256)
values (pg_temp.id(10), pg_temp.uid('student'), 'chat', 'image/png', 1, repeat('0', 64)),
  (pg_temp.id(11), pg_temp.uid('student'), 'chat', 'image/png', 1, repeat('0', 64)),
  (pg_temp.id(20), pg_temp.uid('other'), 'chat', 'image/png', 1, repeat('0', 64));

select is(pg_temp.attempt(a.who, v.statement), case a.who when 'service' then v.service
    when 'student' then v.student when 'login' then '42501' when 'anon' then '42501'
    else v.others end, format('%s: %s', a.who, v.what))
from (values ('login'), ('anon'), ('student'), ('other'), ('teacher'), ('admin'), ('service'))
  as a (who)
cross join (values
  ('select of the student''s files', format('select from public.files where user_id = %L',
    pg_temp.uid('student')), '2', '0', '2'),
  ('insert of a file of the student', format('insert into public.files
    (id, user_id, purpose, media_type, bytes, sha256)
    values (pg_temp.id(900), %L, ''chat'', ''image/png'', 1, repeat(''0'', 64))',
    pg_temp.uid('student')), '42501', '42501', '1'),
  ('update of the student''s files', format('update public.files set name = ''x''
    where user_id = %L', pg_temp.uid('student')), '42501', '42501', '2'),
  ('delete of the student''s files', format('delete from public.files where user_id = %L',
    pg_temp.uid('student')), '42501', '42501', '2')
) as v (what, statement, student, others, service);

select is(pg_temp.value(a.who, 'select count(*)::text from public.files'), a.seen,
  format('%s sees their own files alone', a.who))
from (values ('student', '2'), ('other', '1'), ('teacher', '0'), ('admin', '0')) as a (who, seen);

-- As the service, which no policy binds: keys and checks must hold by themselves.
select is(pg_temp.attempt('service', format('update public.files set %s where id = %L',
  v.change, pg_temp.id(10))), v.expected, v.what)
from (values
  ('purpose = ''other''', '23514 files_purpose_check', 'an unknown purpose'),
  ('name = ''''', '23514 files_name_check', 'a name of nothing'),
  ('name = repeat(''é'', 256)', '23514 files_name_check', 'a name over 255'),
  ('name = repeat(''é'', 255)', '1', 'a name of 255'),
  ('media_type = repeat(''x'', 128)', '23514 files_media_type_check', 'a media type over 127'),
  ('bytes = -1', '23514 files_bytes_check', 'bytes below 0'),
  ('sha256 = repeat(''F'', 64)', '23514 files_sha256_check', 'a hash in capitals'),
  ('sha256 = repeat(''0'', 63)', '23514 files_sha256_check', 'a hash too short'),
  ('width = 0, height = 1', '23514 files_width_check', 'no width'),
  ('width = 1', '23514 files_width_and_height', 'a width without a height'),
  ('width = 1, height = 1', '1', 'a width with a height'),
  ('user_id = ' || quote_literal(pg_temp.id(1)), '23503 files_user_id_fkey', 'nobody''s file')
) as v (change, expected, what);

-- The picture of a turn.
insert into public.chats (id, user_id) values (pg_temp.id(100), pg_temp.uid('student'));
create function pg_temp.turn(kind text, file uuid) returns text language sql as $$
  select format('insert into public.messages (id, chat_id, user_id, sender, type, file_id)
    values (%L, %L, %L, ''student'', %L, %L)',
    pg_temp.id(900), pg_temp.id(100), pg_temp.uid('student'), kind, file)
$$;
select is(pg_temp.attempt('service', pg_temp.turn('image', pg_temp.id(10))), '1',
  'a turn with a picture');
select is(pg_temp.attempt('service', pg_temp.turn('image', null)), '1',
  'a turn whose picture is gone');
select is(pg_temp.attempt('service', pg_temp.turn('text', pg_temp.id(10))),
  '23514 messages_text_without_file', 'a text with a picture');
select is(pg_temp.attempt('service', pg_temp.turn('image', pg_temp.id(999))),
  '23503 messages_file_id_fkey', 'a picture that there is not');
select is(pg_temp.attempt('student', pg_temp.turn('image', pg_temp.id(10))), '42501',
  'a student does not attach a picture past fynq');
select is(pg_temp.attempt('student', pg_temp.turn('image', pg_temp.id(20))), '42501',
  'nor another''s');

-- What goes with what.
insert into public.messages (id, chat_id, user_id, sender, type, file_id)
values (pg_temp.id(101), pg_temp.id(100), pg_temp.uid('student'), 'student', 'image',
  pg_temp.id(10));
delete from public.files where id = pg_temp.id(10);
select results_eq('select id, file_id from public.messages', format('values (%L::uuid, null::uuid)',
  pg_temp.id(101)), 'a turn stays when its picture goes');
update public.messages set file_id = pg_temp.id(11);
delete from public.chats where id = pg_temp.id(100);
select ok(exists (select from public.files where id = pg_temp.id(11)),
  'a file stays when its chat goes');
delete from auth.users where id = pg_temp.uid('student');
select is((select count(*) from public.files), 1::bigint, 'files go with their account');

select matches(
  pg_temp.plan('other', format('select * from public.files where user_id = %L and id < %L
    order by id desc limit 20', pg_temp.uid('other'), pg_temp.id(999))),
  'files_user_id_id_idx', 'the list is read from its index');

select * from finish();
rollback;
