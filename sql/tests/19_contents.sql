-- The library: what a row must be, how its tags and what it is found by are kept, what goes with what.
begin;
\ir common.psql
select plan(40);

-- The configurations of languages.
select is(fynq.text_config(l.tag), l.config::regconfig, format('%s is %s', l.tag, l.config))
from (values ('en', 'english'), ('en-GB', 'english'), ('EN', 'english'), ('de-AT', 'german'),
  ('nb', 'norwegian'), ('tr', 'turkish'), ('ja', 'simple'), ('und', 'simple'), ('', 'simple'))
  as l (tag, config);

insert into public.files (id, user_id, purpose, media_type, bytes, sha256)
values (pg_temp.id(10), pg_temp.uid('teacher'), 'content', 'application/pdf', 1, repeat('0', 64)),
  (pg_temp.id(11), pg_temp.uid('other'), 'content', 'application/pdf', 1, repeat('0', 64));

-- A text is its body, a pdf a file, a video a file or a link; and a file is the author's own.
select is(pg_temp.attempt('teacher', format(
    'insert into public.contents (id, author_id, type, title, body, file_id, url)
     values (%L, %L, %L, ''Light'', %s, %s, %s)', pg_temp.id(900), pg_temp.uid('teacher'),
    v.type, v.body, v.file, v.url)), v.outcome, v.what)
from (values
  ('text', '''x''', 'null', 'null', '1', 'a text with a body'),
  ('text', 'null', 'null', 'null', '23514 contents_of_type', 'a text without'),
  ('text', '''x''', 'null', '''https://youtu.be/x''', '23514 contents_of_type', 'a text with a link'),
  ('pdf', 'null', 'pg_temp.id(10)', 'null', '1', 'a pdf with a file'),
  ('pdf', '''x''', 'pg_temp.id(10)', 'null', '23514 contents_of_type', 'a pdf with a body'),
  ('pdf', 'null', 'pg_temp.id(999)', 'null', '23503 contents_file_fkey', 'a pdf without its file'),
  ('pdf', 'null', 'pg_temp.id(11)', 'null', '23503 contents_file_fkey', 'a pdf of somebody else'),
  ('video', 'null', 'null', '''https://youtu.be/x''', '1', 'a video that is a link'),
  ('video', 'null', 'pg_temp.id(10)', '''https://youtu.be/x''', '23514 contents_of_type',
    'a video that is both'),
  ('video', 'null', 'null', '''javascript:alert(1)''', '23514 contents_url_check',
    'a video that is a script')
) as v (type, body, file, url, outcome, what);

-- What a teacher may add a day; who comes by another way than fynq's is bound, too.
select is(pg_temp.attempt(b.who, format(
    'insert into public.contents (id, author_id, type, title, body)
     select gen_random_uuid(), %L, ''text'', ''Light'', ''x'' from generate_series(1, %s)
     where set_config(''fynq.contents_day'', %L, true) is not null',
    pg_temp.uid(b.who), b.n, b.most)), b.outcome, b.what)
from (values
  ('teacher', 2, '2', '2', 'as many as are left'),
  ('teacher', 3, '2', 'PT429', 'one too many'),
  ('teacher', 201, '', 'PT429', 'one too many where nobody says how many'),
  ('admin', 3, '2', '3', 'an admin may add more')
) as b (who, n, most, outcome, what);

insert into public.contents (id, author_id, type, title, body, file_id, language, tags, published)
values (pg_temp.id(20), pg_temp.uid('teacher'), 'text', 'Plants', 'They are growing.', null, 'en',
    '{" Biology ",biology,"",O''Neil\\x}', true),
  (pg_temp.id(21), pg_temp.uid('teacher'), 'pdf', 'Licht', null, pg_temp.id(10), 'de', '{}', false);
select is(c.tags, array['biology', 'o''neil\x'], 'tags are kept in one form')
from public.contents c where c.id = pg_temp.id(20);
select is(pg_temp.attempt('service', format('update public.contents
    set tags = array(select n::text from generate_series(1, 21) n) where id = %L', pg_temp.id(20))),
  '23514 contents_tags_check', 'more than 20 tags are refused');
select is(pg_temp.attempt('service', format('update public.contents
    set tags = array[repeat(''x'', 51)] where id = %L', pg_temp.id(20))),
  '23514 contents_tags_check', 'a tag of 51 characters is refused');
select ok(c.search @@ '''#published'' & ''#tag=o''''neil\\x'' & ''#language=en'' & plant:A & grow:D'
    and c.extraction = 'waiting', 'filters and words are in the index')
from public.contents c where c.id = pg_temp.id(20);

-- Passages: they are the text of a pdf, follow the language, and go when there is another file.
select ok(fynq.put_passages(pg_temp.id(21), c.due_at, 1,
    '[{"page": 2, "body": "Die Häuser"}]')
  and fynq.end_passages(pg_temp.id(21), c.due_at, 1, 3),
  'passages of the file are taken')
from public.contents c where c.id = pg_temp.id(21);
select ok(c.search @@ 'haus:D' and c.extraction = 'done' and c.pages = 3, 'a pdf is found by them')
from public.contents c where c.id = pg_temp.id(21);
select is(pg_temp.attempt('teacher', format('update public.contents set title = ''Neu'' where id = %L',
  pg_temp.id(21))), '1', 'its author changes the title');
update public.contents set title = 'Neu' where id = pg_temp.id(21);
select ok(c.search @@ 'neu:A & haus:D', 'and the text stays found')
from public.contents c where c.id = pg_temp.id(21);
update public.contents set language = 'en' where id = pg_temp.id(21);
select ok(c.extraction = 'waiting' and c.pages = 3 and c.search @@ 'haus:D' and p.search @@ 'haus',
  'in another language it is read again, and found as before until then')
from public.contents c join public.content_passages p on p.content_id = c.id
where c.id = pg_temp.id(21);
select ok(fynq.put_passages(pg_temp.id(21), c.due_at, 1, '[{"page": 2, "body": "Die Häuser"}]')
  and fynq.end_passages(pg_temp.id(21), c.due_at, 1, 3), 'passages come once more')
from public.contents c where c.id = pg_temp.id(21);
select ok(c.search @@ 'häuser' and p.search @@ 'häuser' and not p.search @@ 'haus',
  'another language, other words')
from public.contents c join public.content_passages p on p.content_id = c.id
where c.id = pg_temp.id(21);
update public.contents c set type = 'text', file_id = null, body = 'x' where c.id = pg_temp.id(21);
select is_empty(format('select from public.content_passages p where p.content_id = %L',
  pg_temp.id(21)), 'another text, no passages of the old');
update public.contents c set reading = true, tries = 3 where c.id = pg_temp.id(21);
update public.contents c set type = 'pdf', file_id = pg_temp.id(10), body = null
where c.id = pg_temp.id(21);
select is((c.extraction, c.reading, c.tries, c.pages)::text, '(waiting,f,0,)',
  'it waits as one that nobody reads')
from public.contents c where c.id = pg_temp.id(21);

-- What refers to what.
select is(pg_temp.attempt('service', format('delete from public.files where id = %L',
  pg_temp.id(10))), '23503 contents_file_fkey', 'a file in use stays');
select is(pg_temp.attempt('service', format('delete from auth.users where id = %L',
  pg_temp.uid('teacher'))), case when pg_temp.auth_is_ours() then '1' else '42501' end,
  'an account goes with contents and files');
select is(pg_temp.value(a.who, 'select count(*)::text from public.contents'), a.seen,
  format('%s sees %s', a.who, a.seen))
from (values ('student', '1'), ('admin', '2')) as a (who, seen);

select * from finish();
rollback;
