-- What questions bring beside themselves: keys, answers that serve again, summaries.
begin;
\ir common.psql
select plan(103);

select set_eq($$ select name, type, required from pg_temp.columns('public.summaries') $$, $$ values
  ('message_id', 'uuid', true), ('chat_id', 'uuid', true), ('user_id', 'uuid', true),
  ('content', 'text', true), ('model', 'text', false),
  ('created_at', 'timestamp with time zone', true)
$$, 'columns of summaries');
select set_eq($$ select name, type, required from pg_temp.columns('fynq.requests') $$, $$ values
  ('user_id', 'uuid', true), ('key', 'text', true), ('fingerprint', 'text', true),
  ('chat_id', 'uuid', false), ('reply_id', 'uuid', false),
  ('created_at', 'timestamp with time zone', true), ('file_ids', 'uuid[]', false)
$$, 'columns of requests');
select set_eq($$ select name, type, required from pg_temp.columns('fynq.answers') $$, $$ values
  ('hash', 'text', true), ('content', 'text', true), ('parts', 'jsonb', true),
  ('model', 'text', false), ('finish_reason', 'text', false), ('total_tokens', 'integer', true),
  ('hits', 'integer', true), ('created_at', 'timestamp with time zone', true),
  ('asked_by', 'uuid', true)
$$, 'columns of answers');
select set_eq($$
  select conrelid::regclass::text, confrelid::regclass::text, confdeltype::text
  from pg_constraint where contype = 'f'
    and conrelid in ('summaries'::regclass, 'fynq.requests'::regclass, 'fynq.answers'::regclass)
$$, $$ values
  ('summaries', 'auth.users', 'c'), ('summaries', 'messages', 'c'), ('summaries', 'chats', 'c'),
  ('fynq.requests', 'auth.users', 'c'), ('fynq.answers', 'auth.users', 'c')
$$, 'all goes with its account, a summary also with its chat and its message');

-- Two chats of the student, one of the other; each with a question and a reply.
insert into public.chats (id, user_id)
values (pg_temp.id(100), pg_temp.uid('student')), (pg_temp.id(110), pg_temp.uid('student')),
  (pg_temp.id(200), pg_temp.uid('other'));
insert into public.messages (id, chat_id, user_id, parent_id, sender, content)
select pg_temp.id(c.n + m.n), pg_temp.id(c.n), pg_temp.uid(c.who),
  case when m.n = 2 then pg_temp.id(c.n + 1) end, m.sender, 'Words'
from (values (100, 'student'), (110, 'student'), (200, 'other')) as c (n, who)
cross join (values (1, 'student'), (2, 'tutor')) as m (n, sender);
insert into public.summaries (message_id, chat_id, user_id, content)
values (pg_temp.id(102), pg_temp.id(100), pg_temp.uid('student'), 'In short'),
  (pg_temp.id(202), pg_temp.id(200), pg_temp.uid('other'), 'In short');

-- Who may do what.
create temporary table matrix (
  what text, statement text, anon text, student text, other text, teacher text, admin text,
  service text
) on commit drop;
insert into matrix
select 'summaries: ' || v.verb, format(v.statement, pg_temp.uid('student')),
  v.anon, v.student, v.other, v.teacher, v.admin, v.service
from (values
  ('select', 'select from summaries where user_id = %L', '42501', '1', '0', '0', '1', '1'),
  ('insert', 'insert into summaries select * from summaries where user_id = %L'
    ' on conflict do nothing', '42501', '42501', '42501', '42501', '42501', '0'),
  ('update', 'update summaries set content = ''Mine'' where user_id = %L',
    '42501', '42501', '42501', '42501', '42501', '1'),
  ('delete', 'delete from summaries where user_id = %L',
    '42501', '42501', '42501', '42501', '42501', '1')
) as v (verb, statement, anon, student, other, teacher, admin, service);
insert into matrix
select format('%s: %s', t.name, v.verb), format(v.statement, t.name),
  '42501', '42501', '42501', '42501', '42501', '0'
from (values ('fynq.requests'), ('fynq.answers')) as t (name)
cross join (values
  ('select', 'select from %s'),
  ('insert', 'insert into %s select * from %1$s'),
  ('update', 'update %s set created_at = now()'),
  ('delete', 'delete from %s')
) as v (verb, statement);
select is(pg_temp.attempt(a.who, m.statement), a.expected, format('%s: %s', a.who, m.what))
from matrix m
cross join lateral (values ('anon', m.anon), ('student', m.student), ('other', m.other),
  ('teacher', m.teacher), ('admin', m.admin), ('service', m.service)) as a (who, expected)
order by m.what, a.who;
select is(pg_temp.attempt('student', v.call), '42501', 'no student calls ' || v.call)
from (values
  ('select fynq.claim(auth.uid(), ''k'', repeat(''0'', 64), null, null)'),
  ('select fynq.forget(''0'', ''0'')')
) as v (call);

-- What the checks refuse, from the service too.
create function pg_temp.summary(message int, chat int, who text, content text) returns text
language sql as $$
  select format('insert into summaries (message_id, chat_id, user_id, content)'
    ' values (%L, %L, %L, %L)', pg_temp.id(message), pg_temp.id(chat), pg_temp.uid(who), content)
$$;
select is(pg_temp.attempt('service', v.statement), v.expected, v.what)
from (values
  (pg_temp.summary(112, 110, 'student', 's'), '1', 'a summary'),
  (pg_temp.summary(112, 110, 'student', ''), '23514 summaries_content_check',
    'a summary without words'),
  (pg_temp.summary(112, 100, 'student', 's'), '23503 summaries_message_id_chat_id_fkey',
    'a summary of another chat''s message'),
  (pg_temp.summary(112, 110, 'other', 's'), '23503 summaries_chat_id_user_id_fkey',
    'a summary in another user''s name'),
  (pg_temp.summary(102, 100, 'student', 's'), '23505 summaries_pkey',
    'a second summary up to one message'),
  (format('insert into fynq.requests values (%L, '''', repeat(''0'', 64))',
    pg_temp.uid('student')), '23514 requests_key_check', 'an empty key'),
  (format('insert into fynq.requests values (%L, repeat(''k'', 256), repeat(''0'', 64))',
    pg_temp.uid('student')), '23514 requests_key_check', 'a key of 256 characters'),
  (format('insert into fynq.requests values (%L, ''k'', ''0'')', pg_temp.uid('student')),
    '23514 requests_fingerprint_check', 'a fingerprint that is none'),
  ('insert into fynq.answers (hash, asked_by, content, parts, total_tokens)'
    ' values (''0'', ''01900000-0000-7000-8000-00000000000a'', ''c'', ''[]'', 1)',
    '23514 answers_hash_check', 'a hash that is none'),
  ('insert into fynq.answers (hash, asked_by, content, parts, total_tokens)'
    ' values (repeat(''0'', 64), ''01900000-0000-7000-8000-00000000000a'', '''', ''[]'', 1)', '23514 answers_content_check',
    'an answer without words'),
  ('insert into fynq.answers (hash, asked_by, content, parts, total_tokens)'
    ' values (repeat(''0'', 64), ''01900000-0000-7000-8000-00000000000a'', ''c'', ''{}'', 1)', '23514 answers_parts_check',
    'parts that are no array'),
  ('insert into fynq.answers (hash, asked_by, content, parts, total_tokens)'
    ' values (repeat(''0'', 64), ''01900000-0000-7000-8000-00000000000a'', ''c'', ''[]'', -1)', '23514 answers_total_tokens_check',
    'an answer of less than no tokens')
) as v (statement, expected, what);

-- fynq.claim(): the first has the key, and the other statements of its transaction go on; whoever
-- comes after is told of what the first made.
create function pg_temp.claim(who text, key text, print text, reply int) returns text
language plpgsql as $$
declare
  me constant uuid := pg_temp.uid(who);
  row record;
begin
  perform set_config('fynq.go', '', true);
  perform set_config('role', 'service_role', true);
  select * into strict row
  from fynq.claim(me, key, repeat(print, 64), pg_temp.id(100), pg_temp.id(reply));
  perform set_config('role', 'none', true);
  return concat_ws(' ', case when row.mine then 'mine' else 'taken' end,
    case when row.same then 'same' else 'other' end, right(row.reply_id::text, 3),
    'go ' || current_setting('fynq.go'));
end
$$;
select is(pg_temp.claim(v.who, v.key, v.print, v.reply), v.said, v.what)
from (values
  ('student', 'k1', 'a', 301, 'mine same 301 go t', 'the first has the key'),
  ('student', 'k1', 'a', 302, 'taken same 301 go f', 'the same request again'),
  ('student', 'k1', 'b', 303, 'taken other 301 go f', 'another request with the key'),
  ('student', 'K1', 'a', 304, 'mine same 304 go t', 'another key'),
  ('other', 'k1', 'b', 305, 'mine same 305 go t', 'another user''s key of the same name')
) as v (who, key, print, reply, said, what);
savepoint before;
select pg_temp.claim('student', 'k2', 'a', 306) \g /dev/null
rollback to before;
select is(pg_temp.claim('student', 'k2', 'a', 307), 'mine same 307 go t',
  'a key whose transaction failed is free');

-- fynq.forget(): what is older than that, the oldest first, a thousand at a time.
insert into fynq.answers (hash, asked_by, content, parts, total_tokens, created_at)
select lpad(n::text, 64, '0'), pg_temp.uid('student'), 'c', '[]', 1, now() - make_interval(hours => n)
from generate_series(1, 3) n;
update fynq.requests set created_at = now() - interval '2 hours' where key = 'k1';
create function pg_temp.forget(keys interval, answers interval) returns text
language plpgsql as $$
begin
  perform set_config('role', 'service_role', true);
  perform fynq.forget(keys, answers);
  perform set_config('role', 'none', true);
  return (select string_agg(key, ' ' order by key collate "C") from fynq.requests) || ', '
    || (select count(*) from fynq.answers);
end
$$;
select is(pg_temp.forget(v.keys, v.answers), v.rest, format('%s and %s', v.keys, v.answers))
from (values
  (interval '2 hours', interval '3 hours', 'K1 k1 k1 k2, 3'),
  (interval '2 hours', interval '150 minutes', 'K1 k1 k1 k2, 2'),
  (interval '1 hour', interval '150 minutes', 'K1 k2, 2')
) as v (keys, answers, rest);
insert into fynq.requests (user_id, key, fingerprint, created_at)
select pg_temp.uid('student'), n, repeat('0', 64), now() - make_interval(days => n)
from generate_series(1, 1002) n;
select pg_temp.forget('1 hour', '1 hour') \g /dev/null
select set_eq($$ select key from fynq.requests $$, array['1', '2', 'K1', 'k2'],
  'a thousand at a time, the oldest first');

-- What goes with what.
update public.chats set leaf_id = pg_temp.id(102) where id = pg_temp.id(100);
delete from public.messages where id = pg_temp.id(101);
select is_empty($$ select from public.summaries where chat_id = pg_temp.id(100) $$,
  'a summary goes with its message');
delete from public.chats where id = pg_temp.id(200);
select is_empty('select from public.summaries', 'and with its chat');
delete from auth.users where id = pg_temp.uid('student');
select is_empty('select from fynq.requests', 'keys go with their account');

select * from finish();
rollback;
