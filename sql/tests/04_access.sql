-- What the matrix of 16_matrix.sql does not say: what is seen without a filter, and what is done to
-- one's own rows in particular.
begin;
\ir common.psql
select plan(36);

-- The student, the other and the teacher each have a chat with a turn of both sides.
insert into public.chats (id, user_id, title)
values (pg_temp.id(100), pg_temp.uid('student'), 'Student''s'),
  (pg_temp.id(200), pg_temp.uid('other'), 'Other''s'),
  (pg_temp.id(300), pg_temp.uid('teacher'), 'Teacher''s'),
  (pg_temp.id(400), pg_temp.uid('admin'), 'Admin''s');
insert into public.messages (id, chat_id, user_id, sender, content)
select pg_temp.id(n + 1), pg_temp.id(n), pg_temp.uid(who), 'student', 'Why?'
from (values (100, 'student'), (200, 'other'), (300, 'teacher'), (400, 'admin')) as c (n, who);
insert into public.messages (id, chat_id, user_id, parent_id, sender, content)
select pg_temp.id(n + 2), pg_temp.id(n), pg_temp.uid(who), pg_temp.id(n + 1), 'tutor', 'Well?'
from (values (100, 'student'), (200, 'other'), (300, 'teacher'), (400, 'admin')) as c (n, who);

-- Without a filter everyone sees their own rows and nobody else's; the admin sees all of them, but
-- changes none.
select is(
  pg_temp.value(a.who, format('select count(distinct %I)::text from public.%I', t.owner, t.name)),
  '1', format('%s sees the %s of one person', a.who, t.name))
from (values ('student'), ('other'), ('teacher')) as a (who)
cross join (values ('profiles', 'id'), ('chats', 'user_id'), ('messages', 'user_id'))
  as t (name, owner);

select is(
  pg_temp.value('admin', format('select count(distinct %I) > 3 from public.%I', t.owner, t.name)),
  'true', format('the admin sees everyone''s %s', t.name))
from (values ('profiles', 'id'), ('chats', 'user_id'), ('messages', 'user_id')) as t (name, owner);

select is(pg_temp.attempt('admin', v.statement), '1',
  format('an unfiltered %s by the admin reaches the admin''s own row alone', v.verb))
from (values
  ('update of profiles', 'update public.profiles set display_name = ''X'''),
  ('update of chats', 'update public.chats set title = ''X'''),
  ('delete of chats', 'delete from public.chats')
) as v (verb, statement);

-- What is allowed on one's own.
select is(pg_temp.attempt(a.who, v.statement), '1', format('%s: %s', a.who, v.what))
from (values
  ('student', pg_temp.id(100)), ('teacher', pg_temp.id(300)), ('admin', pg_temp.id(400))
) as a (who, chat)
cross join lateral (values
  ('changes the whole profile', 'update public.profiles set display_name = ''A'', locale = ''de'',
    birth_date = ''2000-01-01'', grade_level = ''10'', preferences = ''{"a": 1}'''
    || format(' where id = %L', pg_temp.uid(a.who))),
  ('opens a chat', format('insert into public.chats (id, user_id, title, archived)
    values (pg_temp.id(900), %L, ''New'', true)', pg_temp.uid(a.who))),
  ('renames, archives, turns to another branch', format('update public.chats set title = null,
    archived = true, leaf_id = (select m.id from public.messages m where m.chat_id = %L
    and sender = ''student'') where id = %1$L', a.chat)),
  ('asks with an image', format('insert into public.messages (id, chat_id, user_id, sender, type,
    content, image_url, status) values (pg_temp.id(900), %L, %L, ''student'', ''image'', '''',
    ''https://example.test/a.png'', ''complete'')', a.chat, pg_temp.uid(a.who))),
  ('holds a chat', format('select from public.chats where id = %L for update', a.chat)),
  ('deletes a chat with its turns', format('delete from public.chats where id = %L', a.chat))
) as v (what, statement);

select is(
  pg_temp.value('student', format($$
    with gone as (delete from public.chats where id = %L returning 1)
    select count(*)::text from gone
  $$, pg_temp.id(100))), '1', 'a chat can be deleted with its answer in view');
select is(
  pg_temp.value('service', format($$ select num_nulls(max(model), max(runner::text))::text
    from public.messages where chat_id = %L $$, pg_temp.id(100))), '2',
  'service_role reads all columns');

select is(pg_temp.attempt('service', format($$
  insert into fynq.runners (id, endpoint, pid) values (%L, 'chat', 1);
  insert into public.messages (id, chat_id, user_id, parent_id, sender, status, runner)
  values (pg_temp.id(900), %L, %L, %L, 'tutor', 'pending', %1$L);
  update public.messages set status = 'complete', content = 'So.', parts = '[{"text": "So."}]',
    model = 'm', finish_reason = 'STOP', prompt_tokens = 1, reply_tokens = 1, thought_tokens = 0,
    total_tokens = 2 where id = pg_temp.id(900)
$$, pg_temp.id(2), pg_temp.id(100), pg_temp.uid('student'), pg_temp.id(101))), '1',
  'service_role writes the tutor''s turn');

select * from finish();
rollback;
