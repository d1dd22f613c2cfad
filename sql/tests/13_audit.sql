-- The record of what happened to accounts: added to, and nothing else.
begin;
\ir common.psql
select no_plan();

create function pg_temp.add(n int, event text, actor text, subject text, email text default null)
returns uuid language sql as $$
  select fynq.audit_add(pg_temp.id(n), event, pg_temp.uid(actor), pg_temp.uid(subject), email,
    '192.0.2.7', 'word', 'request-1')
$$;

select is(pg_temp.add(1, 'signed_in', null, 'student'), pg_temp.uid('student'), 'it says whose');
select is(pg_temp.add(2, 'sign_in_failed', null, null, 'STUDENT@test.invalid'),
  pg_temp.uid('student'), 'an address is looked up, in any case');
select is(pg_temp.add(3, 'sign_in_failed', null, null, 'nobody@test.invalid'), null,
  'and may have no account');
select is(pg_temp.add(4, 'role_changed', 'admin', 'student'), pg_temp.uid('student'), 'by an admin');
select is(pg_temp.add(4, 'deleted', 'admin', 'student'), pg_temp.uid('student'), 'again');
select results_eq($$
  select id, event, actor, subject, host(address), detail, request_id, at = now()
  from fynq.audit order by id
$$, $$ values
  (pg_temp.id(1), 'signed_in', null::uuid, pg_temp.uid('student'), '192.0.2.7', 'word',
    'request-1', true),
  (pg_temp.id(2), 'sign_in_failed', null, pg_temp.uid('student'), '192.0.2.7', 'word',
    'request-1', true),
  (pg_temp.id(3), 'sign_in_failed', null, null, '192.0.2.7', 'word', 'request-1', true),
  (pg_temp.id(4), 'role_changed', pg_temp.uid('admin'), pg_temp.uid('student'), '192.0.2.7',
    'word', 'request-1', true)
$$, 'the rows; an id is taken once');
select throws_ok($$ select pg_temp.add(9, 'danced', null, 'student') $$, '23514', null,
  'an event that there is not');
select lives_ok($$
  select fynq.audit_add(pg_temp.id(5), 'exported', null, null, null, null, repeat('é', 99),
    repeat('x', 99))
$$, 'what is too long is cut');
update auth.users set deleted_at = now() where id = pg_temp.uid('teacher');
select is(pg_temp.add(6, 'locked', null, null, 'teacher@test.invalid'), null,
  'an account that is gone is none');

-- Nobody changes a row, not even who owns the table.
create temporary table changes as select * from (values
  ('update fynq.audit set event = ''deleted'''),
  ('update fynq.audit set address = null'),
  ('delete from fynq.audit'),
  ('truncate fynq.audit'),
  ('insert into fynq.audit (id, event) values (gen_random_uuid(), ''deleted'')'),
  ('alter table fynq.audit disable trigger all'),
  ('alter function fynq.audit_forget(int) owner to service_role')
) as v (statement);
select is(left(pg_temp.attempt(a.name, c.statement), 5), '42501', a.name || ': ' || c.statement)
from actors a cross join changes c;
select throws_ok(c.statement, '42501', null, 'the owner: ' || c.statement)
from changes c where c.statement ~ '^(update|delete|truncate)';
select is(pg_temp.attempt(a.name, v.statement),
  case when a.name = 'service' then v.service else '42501' end, a.name || ': ' || v.statement)
from actors a cross join (values
  ('select from fynq.audit', '6'),
  ('select fynq.audit_forget(1)', '1'),
  ('select fynq.audit_forget_user(gen_random_uuid())', '1'),
  ('select fynq.account_by_email(''student@test.invalid'')', '1'),
  ('select fynq.audit_add(gen_random_uuid(), ''created'', null, null, null, null, null, null)', '1')
) as v (statement, service);

-- Saying so oneself does not make it right.
select is(pg_temp.attempt('service', $$
  with s as (select set_config('fynq.audit', 'forget', true))
  delete from fynq.audit using s
$$), '42501', 'the service has no right to delete');
select set_config('fynq.audit', 'forget', true) \g /dev/null
select throws_ok('delete from fynq.audit', '42501', null, 'the owner deletes nothing that is new');
select set_config('fynq.audit', 'forget_user', true) \g /dev/null
select throws_ok('update fynq.audit set actor = null, address = null', '42501', null,
  'the owner changes no actor');
select set_config('fynq.audit', '', true) \g /dev/null

-- Retention. A row is made old as only the owner can, by taking the triggers off.
alter table fynq.audit disable trigger audit_keep;
update fynq.audit set at = now() - make_interval(days => 31) where id = pg_temp.id(1);
update fynq.audit set at = now() - make_interval(days => 29) where id = pg_temp.id(2);
alter table fynq.audit enable trigger audit_keep;
select is(pg_temp.value('service', 'select fynq.audit_forget(30)'), '1', 'what is old enough goes');
select is(fynq.audit_forget(30), 1::bigint, 'it goes');
select is(fynq.audit_forget(30), 0::bigint, 'once');
select is((select count(*) from fynq.audit), 5::bigint, 'the rest stays');
select is(fynq.audit_forget(-9), 1::bigint, 'a day is the least');
select is((select count(*) from fynq.audit), 4::bigint, 'so what is new stays');
select is(current_setting('fynq.audit', true), '', 'and the door is shut again');
select throws_ok('delete from fynq.audit', '42501', null, 'indeed');

-- The erasure of a user.
select pg_temp.add(10, 'signed_in', null, 'other') \g /dev/null
select pg_temp.add(11, 'role_changed', 'admin', 'other') \g /dev/null
select is(fynq.audit_forget_user(pg_temp.uid('admin')), 2::bigint, 'what an admin did');
select is(fynq.audit_forget_user(pg_temp.uid('other')), 1::bigint, 'and what was done to a user');
select results_eq($$
  select id, actor, subject, address, detail from fynq.audit
  where id in (pg_temp.id(10), pg_temp.id(11)) order by id
$$, $$ values
  (pg_temp.id(10), null::uuid, pg_temp.uid('other'), null::inet, 'word'),
  (pg_temp.id(11), pg_temp.uid('admin'), pg_temp.uid('other'), null, 'word')
$$, 'ids stay, addresses go');
select isnt((select address from fynq.audit where id = pg_temp.id(3)), null, 'those of others stay');
delete from auth.users where id = pg_temp.uid('other');
select is((select count(*) from fynq.audit where subject = pg_temp.uid('other')), 2::bigint,
  'the record outlives the account');
select pg_temp.add(12, 'exported', 'other', 'other') \g /dev/null
select pg_temp.add(13, 'role_changed', 'admin', 'other') \g /dev/null
select results_eq($$
  select host(address), detail from fynq.audit where id in (pg_temp.id(12), pg_temp.id(13))
$$, $$ values (null, 'word'), (null, 'word') $$, 'what ends after the erasure says not where');

-- How it is found.
select matches(pg_temp.plan('service', v.query), v.index, v.index)
from (values
  ('select * from fynq.audit where event = ''deleted'' order by id desc limit 2',
    'audit_event_id_idx|audit_pkey'),
  ('select * from fynq.audit order by id desc limit 2', 'audit_pkey')
) as v (query, index);

select * from finish();
rollback;
