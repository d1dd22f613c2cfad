-- A user's rights over their data: what is counted, what is recorded, and that with an account
-- everything of it goes.
begin;
\ir common.psql
select plan(48);

-- Who may do what.
create temporary table attempts (statement text, service text) on commit drop;
insert into attempts values
  ('select fynq.erase_begin(pg_temp.uid(''other''))', '1'),
  ('select fynq.erase_rows(pg_temp.uid(''other''))', '1'),
  ('select fynq.export_begin(pg_temp.uid(''other''), 5, ''1 min'')', '1'),
  ('select fynq.export_account(pg_temp.uid(''other''))', '1'),
  ('select fynq.export_sessions(pg_temp.uid(''other''))', '1'),
  ('select * from fynq.export_audit(pg_temp.uid(''other''), null)', '0'),
  ('select from fynq.erasures', '0'),
  ('select from fynq.exports', '0');
grant select on pg_temp.actors to public;
select is(
  (select string_agg(pg_temp.attempt(a.name, t.statement), ' ' order by a.name) from actors a
   where a.name in ('admin', 'anon', 'student')),
  '42501 42501 42501', format('none but the service: %s', t.statement))
from attempts t;
select is(pg_temp.attempt('service', t.statement), t.service, format('the service: %s', t.statement))
from attempts t;

-- An erasure begins.
update auth.users set banned_until = null where id = pg_temp.uid('student');
insert into auth.sessions (id, user_id, user_agent) values
  (pg_temp.id(1), pg_temp.uid('student'), 'Mine'), (pg_temp.id(2), pg_temp.uid('other'), 'Not mine');
insert into auth.refresh_tokens (token, user_id, session_id) values
  (repeat('a', 64), pg_temp.uid('student'), pg_temp.id(1)),
  (repeat('b', 64), pg_temp.uid('other'), pg_temp.id(2));
select is(json_array_length(fynq.export_sessions(pg_temp.uid('student'))), 1, 'its own sessions');
select is(fynq.export_sessions(pg_temp.uid('student')) -> 0 ->> 'user_agent', 'Mine', 'with the agent');
select is(fynq.export_account(pg_temp.uid('student')) ->> 'email', 'student@test.invalid', 'an account');
select ok(fynq.export_account(pg_temp.uid('student'))::text !~ 'password|token|hash', 'no secret in it');
select is(fynq.export_account(pg_temp.id(999))::text, null, 'of nobody nothing');

select lives_ok('select fynq.erase_begin(pg_temp.uid(''student''))', 'it begins');
select lives_ok('select fynq.erase_begin(pg_temp.uid(''student''))', 'and may begin again');
select set_eq('select user_id, tries from fynq.erasures',
  format('values (%L::uuid, 0)', pg_temp.uid('student')), 'it is recorded once');
select ok((select banned_until > now() + interval '100 years' and isfinite(banned_until)
  from auth.users where id = pg_temp.uid('student')), 'the account is disabled, for a time that ends');
select set_eq('select id from auth.sessions', format('values (%L::uuid)', pg_temp.id(2)),
  'its sessions are gone, and no other');
select set_eq('select session_id from auth.refresh_tokens', format('values (%L::uuid)', pg_temp.id(2)),
  'so are its tokens');

-- What is kept by the address, and by the id.
insert into fynq.mails (kind, email) values
  ('recovery', 'student@test.invalid'), ('recovery', 'other@test.invalid');
select is(json_array_length(fynq.export_account(pg_temp.uid('student')) -> 'mails'), 1, 'mails to it');
select fynq.audit_add(pg_temp.id(50), 'exported', pg_temp.uid('student'), pg_temp.uid('student'),
  null, '192.0.2.1', null, 'r') \g /dev/null
select fynq.audit_add(pg_temp.id(51), 'disabled', pg_temp.uid('student'), pg_temp.uid('other'),
  null, '192.0.2.1', null, 'r') \g /dev/null
select fynq.audit_add(pg_temp.id(52), 'enabled', pg_temp.uid('admin'), pg_temp.uid('student'),
  null, '192.0.2.9', null, 'r') \g /dev/null
select set_eq(
  'select item ->> ''event'' as a, item ->> ''by_you'' as b, item ->> ''about_you'' as c,
     item ->> ''address'' as d from fynq.export_audit(pg_temp.uid(''student''), null)',
  $$ values ('exported', 'true', 'true', '192.0.2.1'), ('disabled', 'true', 'false', '192.0.2.1'),
    ('enabled', 'false', 'true', null) $$,
  'what it did and what was done to it, without where others were');
select ok((select not string_agg(item::text, '') ~ (pg_temp.uid('other')::text || '|'
    || pg_temp.uid('admin')::text) from fynq.export_audit(pg_temp.uid('student'), null)),
  'nobody else is named');
select is((select string_agg(key, ' ') from fynq.export_audit(pg_temp.uid('student'),
  pg_temp.id(51)::text)), pg_temp.id(52)::text, 'a page goes on behind a key');

select lives_ok('select fynq.erase_rows(pg_temp.uid(''student''))', 'rows go');
select set_eq('select email from fynq.mails', $$ values ('other@test.invalid') $$, 'mails to it are gone');
select is((select count(*) from fynq.audit where subject = pg_temp.uid('student')
  and address is not null), 0::bigint, 'addresses are gone from the record');

-- Every column that names a user goes with auth.users, by a foreign key that cascades. What does
-- not is known, and erase_rows() or the erasure itself sees to it.
select set_eq($$
  select c.relname::text || '.' || a.attname
  from pg_class c
  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where c.relkind in ('r', 'p') and c.relnamespace in ('public'::regnamespace, 'fynq'::regnamespace)
    and (a.attname ~ '^(user|owner|account|author)(_id)?$' or a.attname ~ '(_by|email|actor|subject)$'
      or a.attname in ('address', 'ip'))
    and not exists (
      select from pg_constraint k
      where k.contype = 'f' and k.conrelid = c.oid and a.attnum = any (k.conkey)
        and k.confrelid = 'auth.users'::regclass and k.confdeltype = 'c')
$$, $$ values ('erasures.user_id'), ('mails.email'), ('audit.actor'), ('audit.subject'),
  ('audit.address') $$, 'what names a user and does not go with the account is known');
select is_empty($$
  select conrelid::regclass, conname from pg_constraint
  where contype = 'f' and confrelid = 'auth.users'::regclass and confdeltype <> 'c'
    and connamespace in ('public'::regnamespace, 'fynq'::regnamespace)
$$, 'no row keeps an account from going');

insert into fynq.answers (hash, asked_by, content, parts, total_tokens) values
  (repeat('1', 64), pg_temp.uid('student'), 'To the student', '[]', 1),
  (repeat('2', 64), pg_temp.uid('other'), 'To the other', '[]', 1);
delete from auth.users where id = pg_temp.uid('student');
select set_eq('select content from fynq.answers', $$ values ('To the other') $$,
  'an answer goes with who asked');
select is((select count(*) from fynq.erasures), 1::bigint, 'what is left to be done is known still');
select lives_ok('select fynq.erase_begin(pg_temp.uid(''student'')), fynq.erase_rows(pg_temp.uid(''student''))',
  'all of it may be done to who is gone');

-- Exports are counted.
create function pg_temp.export(at int) returns int language sql as $$
  select fynq.export_begin(pg_temp.uid('other'), 2, interval '60 s',
    timestamptz '2026-03-14 12:00:00+00' + make_interval(secs => at))
$$;
create function pg_temp.done() returns void language sql as $$
  update fynq.exports set busy_until = null where user_id = pg_temp.uid('other')
$$;
select is(pg_temp.export(0), 0, 'the first');
select is(pg_temp.export(1), 10, 'not while it is made');
select is(pg_temp.export(57), 3, 'or soon after, should it have died');
select is(pg_temp.export(61), 0, 'then another');
select pg_temp.done() \g /dev/null
select is(pg_temp.export(600), 3000, 'no third within the hour');
select is(pg_temp.export(3600), 0, 'but when the first is an hour old');
select pg_temp.done() \g /dev/null
select is(pg_temp.export(3601), 60, 'and not a fourth');
select is(cardinality(began_at), 2, 'what is older is forgotten')
from fynq.exports where user_id = pg_temp.uid('other');
select throws_ok('select fynq.export_begin(pg_temp.uid(''student''), 2, ''60 s'')', '23503', null,
  'nobody exports who is gone');

select * from finish();
rollback;
