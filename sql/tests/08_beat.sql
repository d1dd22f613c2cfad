-- fynq.beat(): who lives, whose replies are ended, whose rows go.
begin;
\ir common.psql
select plan(19);

-- Whatever a running service owns is out of sight here.
delete from fynq.runners;
delete from public.messages where status = 'pending';

create function pg_temp.beat(n int, stale interval) returns int language plpgsql as $$
declare
  swept int;
begin
  perform set_config('role', 'service_role', true);
  swept := fynq.beat(pg_temp.id(n), 'chat', 4000 + n, stale);
  perform set_config('role', 'none', true);
  return swept;
end
$$;

select is(pg_temp.beat(1, '30 s'), 0, 'nothing to end');
select results_eq($$ select id, endpoint, pid, seen_at from fynq.runners $$,
  $$ values (pg_temp.id(1), 'chat', 4001, now()) $$, 'the process is known');

update fynq.runners set started_at = '2020-01-01', seen_at = '2020-01-01';
select is(pg_temp.beat(1, '30 s'), 0, 'a late beat ends nothing');
select results_eq($$ select id, started_at, seen_at from fynq.runners $$,
  $$ values (pg_temp.id(1), timestamptz '2020-01-01', now()) $$,
  'a beat again moves seen_at alone');
update fynq.runners set seen_at = now() + interval '1 s';
select is(pg_temp.beat(1, '30 s'), 0, 'a beat whose transaction began before the last one');
select is((select seen_at from fynq.runners), now() + interval '1 s', 'never moves seen_at back');

-- Runner 1 lives, 2 has been silent for a minute, 3 for two hours, 4 is unknown.
insert into fynq.runners (id, endpoint, pid, seen_at)
values (pg_temp.id(2), 'chat', 2, now() - interval '1 minute'),
  (pg_temp.id(3), 'chat', 3, now() - interval '2 hours'),
  (pg_temp.id(5), 'chat', 5, now() - interval '2 hours'),
  (pg_temp.id(6), 'chat', 6, now() - interval '59 minutes');
insert into public.chats (id, user_id) values (pg_temp.id(100), pg_temp.uid('student'));
insert into public.messages (id, chat_id, user_id, sender, status, runner, content)
select pg_temp.id(100 + n), pg_temp.id(100), pg_temp.uid('student'), 'tutor', 'pending',
  pg_temp.id(n), 'Half a'
from generate_series(1, 4) n;
insert into public.messages (id, chat_id, user_id, sender, status, runner)
select pg_temp.id(n), pg_temp.id(100), pg_temp.uid('student'), 'tutor', state, pg_temp.id(4)
from (values (110, 'complete'), (111, 'stopped')) as m (n, state);
-- Its own beat is late, too, when the next comes.
update fynq.runners set seen_at = now() - interval '1 day' where id = pg_temp.id(1);

create function pg_temp.states() returns table (n int, status text, error text) language sql as $$
  select right(m.id::text, 3)::int - 100, m.status, m.error
  from public.messages m where m.chat_id = pg_temp.id(100) order by m.id
$$;

select is(pg_temp.beat(1, '3 hours'), 1, 'with three hours'' patience only the unknown is ended');
select results_eq($$ select * from pg_temp.states() $$, $$ values
  (1, 'pending', null), (2, 'pending', null), (3, 'pending', null), (4, 'failed', 'interrupted'),
  (10, 'complete', null), (11, 'stopped', null)
$$, 'and what is not pending stays as it is');
select is((select count(*) from fynq.runners), 5::bigint, 'with that patience no row goes');

select is(pg_temp.beat(1, '30 s'), 2, 'with half a minute''s patience the silent two are ended');
select results_eq($$ select * from pg_temp.states() $$, $$ values
  (1, 'pending', null), (2, 'failed', 'interrupted'), (3, 'failed', 'interrupted'),
  (4, 'failed', 'interrupted'), (10, 'complete', null), (11, 'stopped', null)
$$, 'and the one who beats keeps its own');
select is((select count(*) from public.messages where status = 'failed' and content = 'Half a'),
  3::bigint, 'what was written of a reply is kept');
select set_eq($$ select id from fynq.runners $$,
  array[pg_temp.id(1), pg_temp.id(2), pg_temp.id(6)], 'rows silent for over an hour go');
select is(pg_temp.beat(1, '30 s'), 0, 'a second sweep finds nothing');

select is(pg_temp.attempt('service', format('select fynq.beat(%L, ''chat'', 1, %s)', pg_temp.id(1),
  v.stale)), '22023', format('a stale of %s is refused', v.stale))
from (values ('null'), ('''0 s'''), ('''-1 minute''')) as v (stale);
select is(pg_temp.attempt('service', format('select fynq.beat(%L, ''chat'', 0, ''30 s'')',
  pg_temp.id(9))), '23514 runners_pid_check', 'a process id of 0 is refused');
select is(pg_temp.attempt('student', format('select fynq.beat(%L, ''chat'', 1, ''30 s'')',
  pg_temp.id(9))), '42501', 'a student cannot beat');

select * from finish();
rollback;
