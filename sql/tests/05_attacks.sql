-- What a student must not be able to do with a connection of their own, as PostgREST gives it.
begin;
\ir common.psql
select plan(57);

insert into public.chats (id, user_id)
values (pg_temp.id(100), pg_temp.uid('student')), (pg_temp.id(200), pg_temp.uid('other'));
insert into public.messages (id, chat_id, user_id, sender, content)
values (pg_temp.id(101), pg_temp.id(100), pg_temp.uid('student'), 'student', 'Why?'),
  (pg_temp.id(201), pg_temp.id(200), pg_temp.uid('other'), 'student', 'How?');
insert into public.messages (id, chat_id, user_id, parent_id, sender, content)
values (pg_temp.id(102), pg_temp.id(100), pg_temp.uid('student'), pg_temp.id(101), 'tutor', 'So?'),
  (pg_temp.id(202), pg_temp.id(200), pg_temp.uid('other'), pg_temp.id(201), 'tutor', 'Hm?');
update public.profiles set birth_date = '2010-01-01' where id = pg_temp.uid('student');

-- An insert of a student's turn, with one column more.
create function pg_temp.turn(col text, val text) returns text language sql as $$
  select format(
    'insert into public.messages (id, chat_id, user_id, content, sender, %I)
      values (%L, %L, %L, ''x'', ''student'', %s)',
    col, pg_temp.id(900), pg_temp.id(100), pg_temp.uid('student'), val)
$$;

select is(pg_temp.attempt('student', pg_temp.turn('type', '''text''')), '1',
  'the statement that the attacks vary is good');

select is(pg_temp.attempt('student', pg_temp.turn(v.col, v.val)), '42501',
  format('a turn is not inserted with %s', v.col))
from (values
  ('parts', '''[]'''), ('model', '''m'''), ('finish_reason', '''STOP'''), ('error', '''x'''),
  ('prompt_tokens', '0'), ('reply_tokens', '0'), ('thought_tokens', '0'), ('total_tokens', '0'),
  ('runner', quote_literal(pg_temp.id(1))), ('file_id', quote_literal(pg_temp.id(1))),
  ('created_at', 'now() + interval ''1 year'''), ('updated_at', 'now()')
) as v (col, val);

-- Should a grant slip, the policy still holds.
grant insert on table public.messages to authenticated;
select is(pg_temp.attempt('student', pg_temp.turn(v.col, v.val)), '42501',
  format('even with the grant a turn is not inserted with %s', v.col))
from (values
  ('parts', '''[]'''), ('model', '''m'''), ('finish_reason', '''STOP'''), ('prompt_tokens', '0'),
  ('reply_tokens', '0'), ('thought_tokens', '0'), ('total_tokens', '0'),
  ('runner', quote_literal(pg_temp.id(1))), ('file_id', quote_literal(pg_temp.id(1)))
) as v (col, val);
revoke insert on table public.messages from authenticated;
grant insert (id, chat_id, user_id, parent_id, sender, type, content, image_url, status)
  on table public.messages to authenticated;

select is(pg_temp.attempt('student', format(
    'insert into public.messages (id, chat_id, user_id, sender, status, content)
      values (%L, %L, %L, %L, %L, ''x'')',
    pg_temp.id(900), v.chat, v.owner, v.sender, v.status)), v.expected, v.what)
from (values
  (pg_temp.id(100), pg_temp.uid('student'), 'tutor', 'complete', '42501', 'no tutor turn'),
  (pg_temp.id(100), pg_temp.uid('student'), 'tutor', 'pending', '42501', 'no pending tutor turn'),
  (pg_temp.id(100), pg_temp.uid('student'), 'student', 'pending', '42501', 'no pending turn'),
  (pg_temp.id(100), pg_temp.uid('student'), 'student', 'stopped', '42501', 'no stopped turn'),
  (pg_temp.id(100), pg_temp.uid('student'), 'student', 'failed', '42501', 'no failed turn'),
  (pg_temp.id(200), pg_temp.uid('other'), 'student', 'complete', '42501', 'no turn for another'),
  (pg_temp.id(200), pg_temp.uid('student'), 'student', 'complete', '23503 messages_chat_fkey',
    'no own turn in another''s chat'),
  (pg_temp.id(100), pg_temp.uid('other'), 'student', 'complete', '42501',
    'no turn of another in one''s own chat')
) as v (chat, owner, sender, status, expected, what);

select is(pg_temp.attempt('student', format(
    'insert into public.messages (id, chat_id, user_id, parent_id, sender)
      values (%L, %L, %L, %L, ''student'')',
    pg_temp.id(900), pg_temp.id(100), pg_temp.uid('student'), pg_temp.id(202))),
  '23503 messages_parent_fkey', 'no turn below another''s message');
select is(pg_temp.attempt('student', format(
    'insert into public.messages (id, chat_id, user_id, sender) values (%L, %L, %L, ''student'')
      on conflict (id) do update set content = excluded.content',
    pg_temp.id(101), pg_temp.id(100), pg_temp.uid('student'))), '42501', 'no upsert over a turn');

-- What was said stands: only a whole chat can go.
select is(pg_temp.attempt('student', v.statement), '42501', v.what)
from (values
  ('update public.messages set content = ''x'' where sender = ''student''', 'own turns stand'),
  ('update public.messages set content = ''x'' where sender = ''tutor''', 'tutor turns stand'),
  ('update public.messages set status = ''failed'', error = ''x''', 'the status stands'),
  ('update public.messages set user_id = user_id', 'the owner of a turn stands'),
  ('delete from public.messages', 'turns are not deleted singly'),
  ('truncate public.messages', 'no truncate of messages'),
  ('truncate public.chats cascade', 'no truncate of chats'),
  ('truncate public.profiles', 'no truncate of profiles'),
  (format('update public.chats set user_id = %L', pg_temp.uid('other')), 'a chat is kept'),
  ('update public.chats set id = id', 'the id of a chat stands'),
  ('update public.chats set created_at = now()', 'the age of a chat stands'),
  (format('insert into public.chats (id, user_id, leaf_id) values (%L, %L, %L)', pg_temp.id(900),
    pg_temp.uid('student'), pg_temp.id(202)), 'a chat is not opened on a leaf'),
  (format('update public.profiles set id = %L', pg_temp.uid('other')), 'a profile is kept'),
  ('update public.profiles set created_at = now()', 'the age of a profile stands'),
  ('update public.profiles set updated_at = now()', 'a profile''s tag is not forged'),
  (format('select fynq.beat(%L, ''chat'', 1, ''1 minute'')', pg_temp.id(1)), 'no beat()'),
  (format('select fynq.add_profile(%L, null)', pg_temp.id(1)), 'no add_profile()'),
  ('select from fynq.runners', 'no look at the runners'),
  ('alter table public.messages disable row level security', 'no way round row security'),
  ('create trigger t before update on public.messages execute function fynq.touch()', 'no triggers')
) as v (statement, what);

select is(pg_temp.attempt('student', 'set local row_security = off; select from public.chats'),
  '42501', 'row security cannot be switched off');
select is(pg_temp.attempt('student', format(
    'update public.chats set leaf_id = %L', pg_temp.id(202))),
  '23503 chats_leaf_same_chat_fkey', 'a leaf in another''s chat is refused');
select is(
  pg_temp.value('student', 'with u as (update public.chats
    set updated_at = now() + interval ''1 year'' returning updated_at)
    select updated_at < now() + interval ''1 day'' from u'), 'true',
  'a chat is not put before all others for ever');
select is(pg_temp.attempt('student', 'update public.profiles set birth_date = ''1990-01-01'''),
  '23514 profiles_birth_date_once', 'a birth date is not changed');
select is(pg_temp.attempt('student', 'update public.profiles set birth_date = null'),
  '23514 profiles_birth_date_once', 'a birth date is not cleared');

select * from finish();
rollback;
