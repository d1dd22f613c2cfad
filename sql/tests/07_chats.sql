-- Chats and messages: what the keys and checks refuse, what the triggers do, what goes with what.
begin;
\ir common.psql
select plan(33);

insert into public.chats (id, user_id, updated_at)
values (pg_temp.id(100), pg_temp.uid('student'), '2020-01-01'),
  (pg_temp.id(110), pg_temp.uid('student'), '2020-01-01'),
  (pg_temp.id(200), pg_temp.uid('other'), '2020-01-01');
select is((select count(*) from public.chats where updated_at = '2020-01-01'), 3::bigint,
  'a chat keeps the time that it is inserted with');

insert into public.messages (id, chat_id, user_id, sender, content)
values (pg_temp.id(101), pg_temp.id(100), pg_temp.uid('student'), 'student', 'Why?'),
  (pg_temp.id(111), pg_temp.id(110), pg_temp.uid('student'), 'student', 'Who?');
select results_eq($$
  select id from public.chats where updated_at > now() - interval '1 minute' order by id
$$, $$ values (pg_temp.id(100)), (pg_temp.id(110)) $$,
  'a message makes its chat the newest, and no other chat');

-- The same when a student asks, whose statement the trigger runs in.
create temporary table before_asking on commit drop as
  select updated_at from public.chats where id = pg_temp.id(100);
grant select on pg_temp.before_asking to authenticated;
select is(pg_temp.attempt('student', format($$
  insert into public.messages (id, chat_id, user_id, sender) values (%L, %L, %L, 'student');
  select from public.chats c, pg_temp.before_asking b
  where c.id = %2$L and c.updated_at > b.updated_at
$$, pg_temp.id(900), pg_temp.id(100), pg_temp.uid('student'))), '1',
  'a student''s own turn makes their chat the newest');

insert into public.messages (id, chat_id, user_id, parent_id, sender, content)
values (pg_temp.id(102), pg_temp.id(100), pg_temp.uid('student'), pg_temp.id(101), 'tutor', 'So?'),
  (pg_temp.id(103), pg_temp.id(100), pg_temp.uid('student'), pg_temp.id(101), 'tutor', 'Try.');

-- As the service, which no policy binds: keys and checks must hold by themselves.
create function pg_temp.reply(cols text, vals text) returns text language sql as $$
  select format('insert into public.messages (id, chat_id, user_id, %s) values (%L, %L, %L, %s)',
    cols, pg_temp.id(900), pg_temp.id(100), pg_temp.uid('student'), vals)
$$;
select is(pg_temp.attempt('service', pg_temp.reply(v.cols, v.vals)), v.expected, v.what)
from (values
  ('sender', '''tutor''', '1', 'a tutor''s turn'),
  ('sender', '''system''', '23514 messages_sender_check', 'an unknown sender'),
  ('sender', 'null', '23502', 'no sender'),
  ('sender, type', '''tutor'', ''video''', '23514 messages_type_check', 'an unknown type'),
  ('sender, status', '''tutor'', ''lost''', '23514 messages_status_check', 'an unknown status'),
  ('sender, status', '''student'', ''stopped''', '23514 messages_student_complete',
    'a student''s turn that is not complete'),
  ('sender, status', '''tutor'', ''pending''', '23514 messages_pending_runner',
    'pending, by nobody'),
  ('sender, status, runner', '''tutor'', ''pending'', ' || quote_literal(pg_temp.id(1)), '1',
    'pending, by someone'),
  ('sender, status', '''tutor'', ''failed''', '23514 messages_failed_error',
    'failed without an error'),
  ('sender, error', '''tutor'', ''timeout''', '23514 messages_failed_error',
    'complete with an error'),
  ('sender, content', '''tutor'', repeat(''é'', 1000001)', '23514 messages_content_check',
    'content over 1,000,000'),
  ('sender, content', '''tutor'', repeat(''é'', 1000000)', '1', 'content of 1,000,000'),
  ('sender, image_url', '''student'', ''a.png''', '23514 messages_text_without_image',
    'a text with an image'),
  ('sender, parts', '''tutor'', ''{}''', '23514 messages_parts_check', 'parts that are no array'),
  ('sender, total_tokens', '''tutor'', -1', '23514 messages_total_tokens_check', 'tokens below 0'),
  ('sender, parent_id', '''tutor'', ' || quote_literal(pg_temp.id(111)),
    '23503 messages_parent_fkey', 'a parent in another chat of the same student'),
  ('sender, parent_id', '''tutor'', ' || quote_literal(pg_temp.id(999)),
    '23503 messages_parent_fkey', 'a parent that there is not')
) as v (cols, vals, expected, what);

select is(pg_temp.attempt('service', format('update public.messages set user_id = %L where id = %L',
  pg_temp.uid('other'), pg_temp.id(111))), '23503 messages_chat_fkey',
  'a message belongs to whom its chat belongs');
select is(pg_temp.attempt('service', format('update public.chats set user_id = %L where id = %L',
  pg_temp.uid('other'), pg_temp.id(100))), '23503 messages_chat_fkey',
  'a chat with messages keeps its owner');
select is(pg_temp.attempt('service', format('update public.chats set title = repeat(''x'', 201)
  where id = %L', pg_temp.id(100))), '23514 chats_title_check', 'a title over 200');
select is(pg_temp.attempt('service', format('update public.chats set leaf_id = %L where id = %L',
  pg_temp.id(111), pg_temp.id(100))), '23503 chats_leaf_same_chat_fkey',
  'a leaf in another chat of the same student is refused');
select is(pg_temp.attempt('service', format('
  set constraints all deferred;
  insert into public.chats (id, user_id, leaf_id) values (%L, %L, %L);
  insert into public.messages (id, chat_id, user_id, sender) values (%3$L, %1$L, %2$L, ''student'');
  set constraints all immediate;
  select', pg_temp.id(120), pg_temp.uid('student'), pg_temp.id(121))), '1',
  'a chat can be copied before its messages');

-- The tag of a message changes with it.
select is(pg_temp.attempt('service', format('
  update public.messages set content = ''So.'' where id = %L;
  select from public.messages m where m.id = %1$L and m.updated_at > now()', pg_temp.id(102))), '1',
  'updated_at of a message grows');

-- What goes with what.
update public.chats set leaf_id = pg_temp.id(103) where id = pg_temp.id(100);
delete from public.messages where id = pg_temp.id(103);
select is((select leaf_id from public.chats where id = pg_temp.id(100)), null,
  'the leaf is cleared when its message goes');
select is((select count(*) from public.messages where chat_id = pg_temp.id(100)), 2::bigint,
  'the other branch stays');
delete from public.messages where id = pg_temp.id(101);
select is((select count(*) from public.messages where chat_id = pg_temp.id(100)), 0::bigint,
  'a branch goes with the message that it starts from');

-- A chat as long as a school year.
insert into public.messages (id, chat_id, user_id, parent_id, sender)
select pg_temp.id(1000 + n), pg_temp.id(100), pg_temp.uid('student'),
  case when n > 0 then pg_temp.id(999 + n) end, 'tutor'
from generate_series(0, 4999) n;
update public.chats set leaf_id = pg_temp.id(5999) where id = pg_temp.id(100);
select lives_ok(format('delete from public.messages where id = %L', pg_temp.id(1000)),
  'five thousand turns go with the first');
select is((select count(*) from public.messages where chat_id = pg_temp.id(100)), 0::bigint,
  'and none is left');

insert into public.messages (id, chat_id, user_id, sender)
values (pg_temp.id(101), pg_temp.id(100), pg_temp.uid('student'), 'student');
update public.chats set leaf_id = pg_temp.id(101) where id = pg_temp.id(100);
delete from auth.users where id = pg_temp.uid('student');
select is((select count(*) from public.chats where user_id = pg_temp.uid('student')), 0::bigint,
  'chats go with their account');
select is((select count(*) from public.messages where user_id = pg_temp.uid('student')), 0::bigint,
  'messages go with their account');

select * from finish();
rollback;
