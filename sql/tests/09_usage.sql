-- What users have used, and what they may: tables, rights, windows and their edges.
begin;
\ir common.psql
select plan(105);

-- The tables.
select set_eq($$ select name, type, required from pg_temp.columns('public.usage') $$, $$ values
  ('user_id', 'uuid', true), ('day', 'date', true), ('messages', 'integer', true),
  ('prompt_tokens', 'bigint', true), ('reply_tokens', 'bigint', true),
  ('saved_tokens', 'bigint', true), ('calls', 'integer', true)
$$, 'columns of usage');
select set_eq($$
  select name, type, required from pg_temp.columns('public.user_limits')
$$, $$ values
  ('user_id', 'uuid', true), ('messages_minute', 'integer', false),
  ('messages_day', 'integer', false), ('tokens_minute', 'bigint', false),
  ('tokens_day', 'bigint', false), ('file_bytes', 'bigint', false),
  ('storage_bytes', 'bigint', false), ('storage_files', 'integer', false),
  ('uploads_day', 'integer', false)
$$, 'columns of user_limits');
select set_eq($$ select name, type, required from pg_temp.columns('fynq.rates') $$, $$ values
  ('user_id', 'uuid', true), ('started_at', 'timestamp with time zone', true),
  ('messages', 'integer', true), ('tokens', 'bigint', true)
$$, 'columns of rates');
select is_empty($$
  select i.indexrelid::regclass from pg_index i
  where i.indrelid in ('usage'::regclass, 'user_limits'::regclass, 'fynq.rates'::regclass)
    and not i.indisprimary
$$, 'only the keys are indexed, so that updates are HOT');

-- Who may do what.
insert into public.usage (user_id, day, messages)
select id, '2026-03-14', 1 from actors where name in ('student', 'other');
insert into public.user_limits (user_id, messages_day)
select id, 7 from actors where name in ('student', 'other');

create temporary table matrix (
  what text, statement text, anon text, student text, other text, teacher text, admin text,
  service text
) on commit drop;
insert into matrix
select t.name || ': ' || v.verb, format(v.statement, t.name, pg_temp.uid('student')),
  v.anon, v.student, v.other, v.teacher, v.admin, v.service
from (values ('public.usage'), ('public.user_limits')) as t (name)
cross join (values
  ('select', 'select from %s where user_id = %L', '42501', '1', '0', '0', '1', '1'),
  ('insert', 'insert into %s select * from %1$s where user_id = %2$L on conflict do nothing',
    '42501', '42501', '42501', '42501', '42501', '0'),
  ('update', 'update %s set user_id = user_id where user_id = %L',
    '42501', '42501', '42501', '42501', '42501', '1'),
  ('delete', 'delete from %s where user_id = %L',
    '42501', '42501', '42501', '42501', '42501', '1')
) as v (verb, statement, anon, student, other, teacher, admin, service);
select is(pg_temp.attempt(a.who, m.statement), a.expected, format('%s: %s', a.who, m.what))
from matrix m
cross join lateral (values ('anon', m.anon), ('student', m.student), ('other', m.other),
  ('teacher', m.teacher), ('admin', m.admin), ('service', m.service)) as a (who, expected)
order by m.what, a.who;

select is(pg_temp.attempt('student', v.call), '42501', 'no student calls ' || v.call)
from (values
  ('select fynq.take_message(auth.uid(), 1, 1, 1, 1)'),
  ('select fynq.spend_tokens(auth.uid(), 1, 1, 1)'),
  ('select fynq.windows(auth.uid(), 1, 1, 1, 1)')
) as v (call);
select is(pg_temp.attempt('service', format('update public.user_limits set %s = -1', v.col)),
  format('23514 user_limits_%s_check', v.col), v.col || ' below 0')
from (values ('messages_minute'), ('messages_day'), ('tokens_minute'), ('tokens_day')) as v (col);

delete from public.user_limits;

-- Times of one day, and what is done at them, as the service does it. What take gives is one word:
-- the limit that is nearest or refuses, what remains of it, and in how many seconds it is over.
create function pg_temp.at(clock text) returns timestamptz language sql as $$
  select ('2026-03-14 ' || clock || '+00')::timestamptz
$$;
create function pg_temp.take(clock text, limits text, go text default 't') returns text
language plpgsql as $$
declare
  me constant uuid := pg_temp.uid('student');
  l constant bigint[] := string_to_array(limits, '/');
  row record;
  said text;
begin
  perform set_config('fynq.go', go, true);
  perform set_config('role', 'service_role', true);
  for row in
    select * from fynq.take_message(me, l[1]::int, l[2]::int, l[3], l[4], pg_temp.at(clock))
  loop
    said := concat_ws(' ', case when row.admitted then 'yes' else 'no' end, row.limit_name,
      row.remaining || ' of ' || row.limit_value, row.reset_seconds);
  end loop;
  perform set_config('role', 'none', true);
  return said;
end
$$;
create function pg_temp.spend(clock text, prompt bigint, reply bigint, saved bigint,
  go text default '') returns void
language plpgsql as $$
declare
  me constant uuid := pg_temp.uid('student');
begin
  perform set_config('fynq.go', go, true);
  perform set_config('role', 'service_role', true);
  perform fynq.spend_tokens(me, prompt, reply, saved, pg_temp.at(clock));
  perform set_config('role', 'none', true);
end
$$;
create function pg_temp.forget() returns void language sql as $$
  delete from fynq.rates;
  delete from public.usage;
$$;
select pg_temp.forget() \g /dev/null

-- The minute begins with its first message and is over after 60 s, to the microsecond.
select is(pg_temp.take(v.clock, '3/0/0/0'), v.said, 'at ' || v.clock)
from (values
  ('10:00:30', 'yes messages_minute 2 of 3 60'),
  ('10:00:30.000001', 'yes messages_minute 1 of 3 60'),
  ('10:00:59.5', 'yes messages_minute 0 of 3 31'),
  ('10:01:00', 'no messages_minute 0 of 3 30'),
  ('10:01:29.999999', 'no messages_minute 0 of 3 1'),
  ('10:01:30', 'yes messages_minute 2 of 3 60')
) as v (clock, said);
select is((select messages from public.usage), 4, 'what is refused is not counted in the day');
select is((select messages from fynq.rates), 1, 'nor in the minute');

-- A question that waited for the lock is a little older than the minute; a clock was set back.
select is(pg_temp.take('10:01:29', '3/0/0/0'), 'yes messages_minute 1 of 3 61',
  'a moment before the minute counts in it');
select is(pg_temp.take('09:00:00', '3/0/0/0'), 'yes messages_minute 2 of 3 60',
  'a minute far ahead is none');

-- The day ends at midnight in UTC, whatever the session's time zone.
select pg_temp.forget() \g /dev/null
set local timezone = 'Asia/Kolkata';
select is(pg_temp.take(v.clock, '0/2/0/0'), v.said, 'at ' || v.clock)
from (values
  ('23:00:00', 'yes messages_day 1 of 2 3600'),
  ('23:59:58.5', 'yes messages_day 0 of 2 2'),
  ('23:59:59.999999', 'no messages_day 0 of 2 1'),
  ('24:00:00', 'yes messages_day 1 of 2 86400')
) as v (clock, said);
reset timezone;

-- No limits; and which of several is told.
select pg_temp.forget() \g /dev/null
select is(pg_temp.take('10:00:00', '0/0/0/0'), 'yes', 'without limits nothing is told');
select is((select messages from public.usage), 1, 'but counted');
select is(pg_temp.take('10:00:00', '9/4/0/0'), 'yes messages_day 2 of 4 50400',
  'the least share that is left is told');
select is(pg_temp.take('10:00:01', '6/6/0/0'), 'yes messages_minute 3 of 6 59',
  'of two alike the one that is over first');
select is(pg_temp.take('10:00:02', '3/4/0/0'), 'no messages_minute 0 of 3 58',
  'the one that refuses');
select is(pg_temp.take('10:00:02', '3/3/0/0'), 'no messages_day 0 of 3 50398',
  'and of several the one that refuses longest');

-- fynq.go: whether to take, and what refusing does to it.
select is(pg_temp.take('10:00:02', '9/9/0/0', v.go), null, format('none is taken with go %L', v.go))
from (values ('f'), (''), ('true')) as v (go);
select is((select messages from public.usage), 3, 'nor counted');
select is(pg_temp.take('10:00:02', '3/0/0/0'), 'no messages_minute 0 of 3 58', 'refused');
select is(current_setting('fynq.go'), 'f', 'so nothing goes on');
select is(pg_temp.take('10:00:02', '4/0/0/0'), 'yes messages_minute 0 of 4 58', 'admitted');
select is(current_setting('fynq.go'), 't', 'so it goes on');

-- What is rolled back was not counted.
savepoint before;
select pg_temp.take('10:00:03', '0/0/0/0') \g /dev/null
rollback to before;
select is((select r.messages + u.messages from fynq.rates r join public.usage u using (user_id)), 8,
  'a message whose transaction fails is not counted');

-- Tokens: known after the reply, so the last one goes beyond.
select pg_temp.forget() \g /dev/null
select is(pg_temp.take('12:00:00', '0/0/100/1000'), 'yes tokens_minute 100 of 100 60',
  'none is spent');
select pg_temp.spend('12:00:10', 60, 39, 5) \g /dev/null
select is(pg_temp.take('12:00:10', '0/0/100/1000'), 'yes tokens_minute 1 of 100 50', 'one is left');
select pg_temp.spend('12:00:20', 500, null, null) \g /dev/null
select is(pg_temp.take('12:00:20', '0/0/100/1000'), 'no tokens_minute 0 of 100 40', 'none is left');
select is(pg_temp.take('12:01:00', '0/0/100/1000'), 'yes tokens_day 401 of 1000 43140',
  'the next minute');
select pg_temp.spend('12:02:30', 400, 1, 0) \g /dev/null
select results_eq('select started_at, messages, tokens from fynq.rates',
  $$ values (pg_temp.at('12:02:30'), 0, 401::bigint) $$,
  'a reply that outlives its minute counts in a new one');
select is(pg_temp.take('12:02:31', '0/0/1000/1000'), 'no tokens_day 0 of 1000 43049', 'the day''s');
select pg_temp.spend('12:02:40', 0, 0, 70) \g /dev/null
select pg_temp.spend('12:02:40', -9, null, -9) \g /dev/null
select results_eq($$
  select messages, prompt_tokens, reply_tokens, saved_tokens, calls from public.usage
$$, $$ values (3, 960::bigint, 40::bigint, 75::bigint, 3) $$, 'the sums of the day');

-- Once: a statement before may say that this reply was counted.
select pg_temp.spend('12:02:50', 1, 1, 1, 'f') \g /dev/null
select is((select prompt_tokens from public.usage), 960::bigint, 'nothing is spent with go ''f''');

-- One user's own limits: more, less, none, and the role's where they say nothing.
select pg_temp.forget() \g /dev/null
insert into public.user_limits (user_id, messages_minute) values (pg_temp.uid('student'), 5);
select is(pg_temp.take('13:00:00', '1/9/0/0'), 'yes messages_minute 4 of 5 60',
  'more than the role');
select is(pg_temp.take('13:00:00', '1/2/0/0'), 'yes messages_day 0 of 2 39600',
  'the role''s where there is none of one''s own');
update public.user_limits set messages_minute = 0, messages_day = 2, tokens_day = 0;
select is(pg_temp.take('13:00:00', '1/0/0/1'), 'no messages_day 0 of 2 39600',
  'less than the role');
update public.user_limits set messages_day = null;
select is(pg_temp.take('13:00:00', '1/0/0/0'), 'yes', '0 is no limit');

-- What the route reads.
select results_eq($$
  select * from fynq.windows(pg_temp.uid('student'), 5, null, 100, 50, pg_temp.at('13:00:30'))
$$, $$ values
  ('messages', 'minute', null::bigint, 3::bigint, 30), ('messages', 'day', null, 3, 39570),
  ('tokens', 'minute', 100, 0, 30), ('tokens', 'day', null, 0, 39570)
$$, 'the four windows');

-- Nobody else's count, and the end of an account.
select is((select count(*) from public.usage where user_id <> pg_temp.uid('student')), 0::bigint,
  'nobody else was counted');
delete from auth.users where id = pg_temp.uid('student');
select is((select count(*) from public.usage) + (select count(*) from public.user_limits)
  + (select count(*) from fynq.rates), 0::bigint, 'all goes with the account');
select lives_ok($$ select pg_temp.spend('13:01:00', 1, 1, 0) $$, 'a reply may come after that');
select is_empty('select from fynq.rates', 'and counts for nothing');

select * from finish();
rollback;
