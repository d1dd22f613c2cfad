-- Accounts as the service asks about them: what holds of one now, its sessions, the list of admins.
begin;
\ir common.psql
select plan(57);

-- What the service is told about an account and a session: "there disabled stands role".
create function pg_temp.state(account uuid, session uuid) returns text language sql as $$
  select pg_temp.value('service', format($q$
    select concat_ws(' ', s.present, s.disabled, s.stands, s.role)
    from fynq.account_state(%L, %L) s
  $q$, account, session))
$$;

insert into auth.sessions (id, user_id, created_at, user_agent, ip, not_after) values
  (pg_temp.id(1), pg_temp.uid('student'), '2026-01-01 00:00:00+00', 'one', '192.0.2.1', null),
  (pg_temp.id(2), pg_temp.uid('student'), '2026-01-02 00:00:00+00', 'two', '2001:db8::1', null),
  (pg_temp.id(3), pg_temp.uid('student'), '2026-01-03 00:00:00+00', 'old', null,
    now() - interval '1 second'),
  (pg_temp.id(4), pg_temp.uid('other'), '2026-01-04 00:00:00+00', null, null,
    now() + interval '1 hour');
update auth.sessions set refreshed_at = '2026-01-02 12:30:00+00' where id = pg_temp.id(2);
insert into auth.refresh_tokens (token, user_id, session_id)
values (repeat('a', 64), pg_temp.uid('student'), pg_temp.id(1));

-- The state.
select is(pg_temp.state(pg_temp.uid('student'), pg_temp.id(1)), 't f t student', 'a session stands');
select is(pg_temp.state(pg_temp.uid('student'), null), 't f t student', 'no session cannot end');
select is(pg_temp.state(pg_temp.uid('student'), pg_temp.id(9)), 't f f student',
  'a session that is gone');
select is(pg_temp.state(pg_temp.uid('student'), pg_temp.id(4)), 't f f student',
  'a session of another account');
select is(pg_temp.state(pg_temp.uid('student'), pg_temp.id(3)), 't f f student',
  'a session that is over');
select is(pg_temp.state(pg_temp.uid('other'), pg_temp.id(4)), 't f t student',
  'a session that will be over');
select is(pg_temp.state(pg_temp.id(9), null), 'f f f student', 'no such account');
select is(pg_temp.state(pg_temp.id(9), pg_temp.id(1)), 'f f f student',
  'no such account, with the session of one');

update auth.users set banned_until = now() + interval '1 hour' where id = pg_temp.uid('student');
select is(pg_temp.state(pg_temp.uid('student'), pg_temp.id(1)), 't t t student', 'a disabled one');
update auth.users set banned_until = 'infinity' where id = pg_temp.uid('student');
select is(pg_temp.state(pg_temp.uid('student'), null), 't t t student', 'disabled for good');
update auth.users set banned_until = now() - interval '1 second' where id = pg_temp.uid('student');
select is(pg_temp.state(pg_temp.uid('student'), null), 't f t student', 'disabled until just now');
update auth.users set deleted_at = now() where id = pg_temp.uid('other');
select is(pg_temp.state(pg_temp.uid('other'), pg_temp.id(4)), 'f f f student',
  'an account that was deleted softly');
update auth.users set deleted_at = null where id = pg_temp.uid('other');

select is(fynq.role_of(v.said::jsonb), v.expected, format('the role of %s', v.said))
from (values
  (null, 'student'),
  ('{}', 'student'),
  ('[]', 'student'),
  ('"admin"', 'student'),
  ('{"role": "admin"}', 'admin'),
  ('{"role": "teacher"}', 'teacher'),
  ('{"role": "student"}', 'student'),
  ('{"role": "Admin"}', 'student'),
  ('{"role": ["admin"]}', 'student'),
  ('{"role": null}', 'student'),
  ('{"role": 1}', 'student')
) as v (said, expected);

-- Sessions.
select is(pg_temp.value('service', format(
    'select string_agg(concat_ws(''|'', s.user_agent, s.ip,
      to_char(s.refreshed_at at time zone ''UTC'', ''HH24:MI'')), '' '') from fynq.sessions(%L) s',
    pg_temp.uid('student'))), 'two|2001:db8::1|12:30 one|192.0.2.1',
  'the sessions of an account that stand, the newest first');
select is(pg_temp.value('service', format('select fynq.end_session(%L, %L)',
    pg_temp.uid('student'), pg_temp.id(4))), 'false', 'another''s session is not ended');
select is(pg_temp.value('service', format('select fynq.end_session(%L, %L)::text
    || (select count(*) from fynq.sessions(%1$L))', pg_temp.uid('student'), pg_temp.id(1))),
  'true2', 'one''s own is');
select fynq.end_session(pg_temp.uid('student'), pg_temp.id(1)) \g /dev/null
select is((select count(*) from auth.refresh_tokens where user_id = pg_temp.uid('student')),
  0::bigint, 'and its refresh tokens go with it');
select ok(exists (select from auth.sessions where id = pg_temp.id(2)), 'and no other session');
select is(fynq.end_sessions(pg_temp.uid('student')), 2, 'all of an account''s are ended');
select ok(exists (select from auth.sessions where id = pg_temp.id(4)), 'and no other''s');

-- Sessions that nobody goes on with.
delete from auth.sessions;
insert into auth.sessions (id, user_id, created_at, refreshed_at, not_after) values
  (pg_temp.id(11), pg_temp.uid('student'), now() - interval '61 days', null, null),
  (pg_temp.id(12), pg_temp.uid('student'), now() - interval '61 days', now() - interval '59 days',
    null),
  (pg_temp.id(13), pg_temp.uid('student'), now(), now(), now() - interval '1 second'),
  (pg_temp.id(14), pg_temp.uid('student'), now() - interval '3 hours', null, null);
select is(pg_temp.value('service', 'select fynq.forget_sessions(60)'), '2',
  'sessions that are over, or were not used for so long');
select is(fynq.forget_sessions(60), 2::bigint, 'they go');
select is((select string_agg(s.id::text, ' ' order by s.id) from auth.sessions s
    where s.user_id = pg_temp.uid('student')),
  pg_temp.id(12) || ' ' || pg_temp.id(14), 'and no other');
select is(fynq.forget_sessions(-9), 1::bigint, 'a day is the least');

-- By its address.
select is(pg_temp.value('service', 'select fynq.account_by_email(''STUDENT@test.invalid'')'),
  pg_temp.uid('student')::text, 'an address has its account in whatever case');
select is(pg_temp.value('service', 'select fynq.account_by_email(''nobody@test.invalid'')'), null,
  'one that nobody has has none');

-- The list.
create function pg_temp.listed(arguments text) returns text language sql as $$
  select pg_temp.value('service', format(
    'select string_agg(split_part(a.email, ''@'', 1), '' '') from fynq.accounts(%s) a', arguments))
$$;
update auth.users u set created_at = timestamptz '2000-01-01 00:00:00+00'
  + array_position(array['student', 'other', 'teacher', 'admin'], a.name) * interval '1 day'
from actors a where a.id = u.id;
update auth.users set raw_app_meta_data = '{"role": "admin"}' where id = pg_temp.uid('admin');
update auth.users set banned_until = 'infinity' where id = pg_temp.uid('other');
update public.profiles set display_name = '100% Ünal_x' where id = pg_temp.uid('teacher');

select is(pg_temp.listed(format('null, null, null, ''test.invalid'', %s', v.rest)), v.expected,
  v.what)
from (values
  ('null, null, 10', 'admin teacher other student', 'all, the newest first'),
  ('null, null, 2', 'admin teacher', 'a page of them'),
  (format('%L, %L, 10', '2000-01-04 00:00:00+00', pg_temp.uid('teacher')), 'other student',
    'the next page'),
  (format('%L, %L, 10', '2000-01-04 00:00:00+00', 'ffffffff-ffff-ffff-ffff-ffffffffffff'),
    'teacher other student', 'a page that begins within a moment')
) as v (rest, expected, what);
select is(pg_temp.listed(v.arguments || ', null, null, 10'), v.expected, v.what)
from (values
  (format('%L, null, null, null', pg_temp.uid('other')), 'other', 'one by its id'),
  (format('%L, null, null, null', pg_temp.id(9)), null, 'none by an unknown id'),
  ('null, ''admin'', null, ''test.invalid''', 'admin', 'by role'),
  ('null, ''student'', false, ''test.invalid''', 'teacher student', 'by role, and not disabled'),
  ('null, null, true, ''test.invalid''', 'other', 'those disabled'),
  ('null, null, null, ''TEACHER@''', 'teacher', 'by a part of the address'),
  ('null, null, null, ''0% ün''', 'teacher', 'by a part of the name'),
  ('null, null, null, ''t%r''', null, 'where % is itself'),
  ('null, null, null, ''l_x''', 'teacher', 'and so is _')
) as v (arguments, expected, what);

-- Nobody but the service.
select is(pg_temp.attempt(a.name, format('select %s', f.call)), '42501',
  format('%s may not call %s', a.name, f.call))
from (values ('anon'), ('admin')) as a (name)
cross join (values ('fynq.account_state(null, null)'),
  ('fynq.end_sessions(null)'),
  ('fynq.forget_sessions(null)'),
  ('fynq.accounts(null, null, null, null, null, null, 1)')) as f (call);

select * from finish();
rollback;
