-- Questions about contents: what a message keeps of them, passages while a content is read, and the
-- search for any of a question's words.
begin;
\ir common.psql
select plan(34);

insert into public.chats (id, user_id) values (pg_temp.id(100), pg_temp.uid('student'));
insert into public.contents (id, author_id, type, title, body, language)
values (pg_temp.id(1), pg_temp.uid('teacher'), 'text', 'Houses', 'Die H' || chr(228) || 'user.', 'de');

-- Messages.

create function pg_temp.message(columns text, fields text) returns text language sql as $$
  select format('insert into messages (id, chat_id, user_id, content, %s) values (%L, %L, %L, '''', %s)',
    columns, pg_temp.id(101), pg_temp.id(100), pg_temp.uid('student'), fields)
$$;

select is(pg_temp.attempt('service', pg_temp.message(v.columns, v.fields)), v.outcome, v.why)
from (values
  ('sender', '''student''', '1', 'a question without contents'),
  ('sender, content_ids', '''student'', array(select gen_random_uuid() from generate_series(1, 10))',
    '1', 'ten contents'),
  ('sender, content_ids', '''student'', array(select gen_random_uuid() from generate_series(1, 11))',
    '23514 messages_content_ids_check', 'eleven'),
  ('sender, content_ids', '''tutor'', array[gen_random_uuid()]',
    '23514 messages_content_ids_check', 'a reply is about none'),
  ('sender, citations', '''tutor'', ''[{"n": 1}]''', '1', 'a reply that cites'),
  ('sender, citations', '''tutor'', ''{}''', '23514 messages_citations_check', 'no array'),
  ('sender, citations', '''student'', ''[{"n": 1}]''', '23514 messages_citations_check',
    'a question cites nothing')
) as v (columns, fields, outcome, why);

select is(pg_temp.attempt('student', pg_temp.message('sender, content_ids', '''student'', ''{}''')),
  '42501', 'users write no content_ids');
select is(pg_temp.attempt('student', pg_temp.message('sender, citations', '''student'', ''[]''')),
  '42501', 'nor citations');
grant insert (content_ids, citations) on public.messages to authenticated;
select is(pg_temp.attempt('student', pg_temp.message('sender, content_ids',
  '''student'', array[gen_random_uuid()]')), '42501', 'not even where a grant slipped');
select is(pg_temp.attempt('student', pg_temp.message('sender', '''student''')), '1',
  'a question of a user''s own hand');

-- Any word.

select is(fynq.any_word(v.config::regconfig, v.words)::text, v.query, v.words)
from (values
  ('english', 'What are the cells?', '''cell'''),
  ('english', 'Red cells, white cells', '''red'' | ''cell'' | ''white'''),
  ('german', 'Wie baut man ein Haus?', '''baut'' | ''haus'''),
  ('english', 'the of and', null),
  ('english', '', null)
) as v (config, words, query);
select lives_ok($$ select fynq.any_word('simple', v)
  from unnest(array[E'a\\b''c http://x.test/\\''y', '''', '\', '! | & ( ) :* <->', repeat('x', 5000),
    (select string_agg('w' || i, ' ') from generate_series(1, 5000) i)]) v $$,
  'whatever a question has is quoted');
select is(array_length(string_to_array(fynq.any_word('simple',
  (select string_agg('w' || i, ' ') from generate_series(1, 100) i))::text, ' | '), 1), 64,
  'of the first 64 words');

-- Passages come piece by piece.

create function pg_temp.put(first int, passages text, lease text default '2100-01-01')
returns boolean language sql as $$
  select fynq.put_passages(pg_temp.id(1), lease::timestamptz, first, passages::jsonb)
$$;
create function pg_temp.passages() returns text language sql as $$
  select coalesce(string_agg(n || ':' || coalesce(page::text, '-') || ':' || body, ',' order by n), '')
  from public.content_passages where content_id = pg_temp.id(1)
$$;
create function pg_temp.take(lease text) returns void language sql as $$
  update public.contents set tries = tries + 1, reading = true, due_at = lease::timestamptz
  where id = pg_temp.id(1)
$$;

select pg_temp.take('2100-01-01');
select is(pg_temp.put(1, '[{"page": null, "body": "a"}, {"page": 2, "body": "b"}]'), true,
  'the first piece');
select is(pg_temp.put(3, '[{"page": 3, "body": "c"}]'), true, 'the next');
select is(pg_temp.passages(), '1:-:a,2:2:b,3:3:c', 'both stand, in their order');
select is(pg_temp.put(2, '[{"page": 2, "body": "B"}]'), true, 'a piece once more');
select is(pg_temp.passages(), '1:-:a,2:2:B', 'what was there and behind it is gone');

-- In another language the same text is read again, while the first reader still has it.
update public.contents set language = 'en' where id = pg_temp.id(1);
select is(pg_temp.put(3, '[{"page": null, "body": "x"}]'), false, 'of a text that was changed');
update public.contents set language = 'de' where id = pg_temp.id(1);
select pg_temp.take('2100-01-02');
select is(pg_temp.put(3, '[{"page": null, "body": "x"}]'), false, 'by a reader whom another followed');
select is(pg_temp.passages(), '1:-:a,2:2:B', 'then nothing is done');
select is(fynq.end_passages(pg_temp.id(1), '2100-01-01', 2, null), false, 'nor can that one end it');
select is(fynq.end_passages(pg_temp.id(1), '2100-01-02', 1, null), true, 'the end, after one');
select is(pg_temp.passages(), '1:-:a', 'what is behind it is gone');
select is((select extraction from public.contents where id = pg_temp.id(1)), 'done', 'it is read');
select is(pg_temp.put(1, '[{"page": null, "body": "x"}]', '2100-01-02'), false,
  'who comes late does nothing');
select is(fynq.end_passages(pg_temp.id(2), '2100-01-01', 1, null), false,
  'nor for what is not there');
select is((select count(*)::int from public.content_passages
  where search @@ fynq.any_word('german', 'A')), 1, 'passages are searched in the content''s language');

select is(pg_temp.attempt(v.who, v.call), '42501', v.who || ': ' || v.call)
from (values ('student', $$ select fynq.put_passages(gen_random_uuid(), now(), 1, '[]') $$)) as v (who, call);

select * from finish();
rollback;
