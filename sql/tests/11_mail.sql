-- Mails to be sent: added once a minute, claimed by one at a time, delayed, forgotten.
begin;
\ir common.psql
select plan(36);

select set_eq($$ select a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull
  from pg_attribute a
  where a.attrelid = 'fynq.mails'::regclass and a.attnum > 0 and not a.attisdropped
$$, $$ values
  ('id', 'uuid', true), ('kind', 'text', true), ('email', 'text', true),
  ('created_at', 'timestamp with time zone', true), ('due_at', 'timestamp with time zone', false),
  ('tried_at', 'timestamp with time zone', false), ('tries', 'integer', true)
$$, 'columns of mails: no token, no text');
select is_empty($$
  select wanted from unnest(array['id', 'user_id', 'token_type', 'token_hash', 'relates_to',
    'created_at', 'updated_at']) as wanted
  except select a.attname::text from pg_attribute a
  where a.attrelid = 'auth.one_time_tokens'::regclass and a.attnum > 0
$$, 'one_time_tokens has the columns of Supabase Auth');

-- Only the service may.
select is(pg_temp.attempt(actor, statement), '42501', format('%s: %s', actor, statement))
from unnest(array['anon', 'student', 'admin']) actor,
  unnest(array['select fynq.add_mail(''signup'', ''a@b.invalid'')',
    'select fynq.claim_mail()', 'select email from fynq.mails',
    'select token_hash from auth.one_time_tokens']) statement;

select is(pg_temp.attempt('service', 'select from fynq.claim_mail(), fynq.forget_mails()'), '0',
  'the service may');

-- An account to be confirmed: one for an address, in whatever case, and none for another.
select is(pg_temp.attempt('service', $$
  select from fynq.add_unconfirmed(pg_temp.id(3), 'service@test.invalid', 'hash', '{}')
$$), '1', 'the service makes accounts that are to be confirmed');
do $$
begin
  perform fynq.add_unconfirmed(pg_temp.id(n), address, 'hash', '{"display_name": "Ada"}')
  from (values (1, 'ada@test.invalid'), (2, 'ADA@test.invalid')) as v (n, address);
end
$$;
select results_eq($$
  select u.id, u.email::text, u.encrypted_password::text, u.email_confirmed_at, p.display_name
  from auth.users u left join public.profiles p on p.id = u.id
  where u.id in (pg_temp.id(1), pg_temp.id(2)) or u.email like '%@fynq.invalid'
$$, $$ values (pg_temp.id(1), 'ada@test.invalid', 'hash', null::timestamptz, 'Ada') $$,
  'the second made nothing');

delete from fynq.mails;

-- Within one transaction now() stands still, so time passes by moving the rows.
create function pg_temp.pass(seconds int) returns void language sql as $$
  update fynq.mails set created_at = created_at - seconds * interval '1 s',
    due_at = due_at - seconds * interval '1 s', tried_at = tried_at - seconds * interval '1 s'
$$;
create function pg_temp.due_in() returns int language sql as $$
  select extract(epoch from due_at - now())::int from fynq.mails
$$;

select fynq.add_mail('recovery', 'Zoe@Test.invalid') \g /dev/null
select fynq.add_mail('recovery', 'zoe@test.invalid') \g /dev/null
select results_eq($$ select kind, email, tries, due_at <= now() from fynq.mails $$,
  $$ values ('recovery', 'zoe@test.invalid', 0, true) $$, 'a mail is added once, in lower case');

select results_eq($$ select kind, email, tries from fynq.claim_mail() $$,
  $$ values ('recovery', 'zoe@test.invalid', 1) $$, 'it is claimed');
select is(pg_temp.due_in(), 120, 'for two minutes');
select is_empty('select fynq.claim_mail()', 'by one');
select pg_temp.pass(121) \g /dev/null
select results_eq($$ select tries from fynq.claim_mail() $$, array[2],
  'who died with it loses it to the next');

select fynq.end_mail(id, 1) from fynq.mails \g /dev/null
select fynq.delay_mail(id, 1) from fynq.mails \g /dev/null
select is(pg_temp.due_in(), 120, 'and has no say in it any more');

select fynq.delay_mail(id, 2) from fynq.mails \g /dev/null
select is(pg_temp.due_in(), 60, 'what failed twice waits a minute');
update fynq.mails set tries = 12;
select fynq.delay_mail(id, 12) from fynq.mails \g /dev/null
select is(pg_temp.due_in(), 3600, 'and at most an hour');

select fynq.add_mail('recovery', 'zoe@test.invalid') \g /dev/null
select is(pg_temp.due_in(), 3600, 'asked for within the minute, nothing changes');
select pg_temp.pass(60) \g /dev/null
select fynq.add_mail('recovery', 'zoe@test.invalid') \g /dev/null
select results_eq($$ select tries, pg_temp.due_in() from fynq.mails $$, $$ values (0, 0) $$,
  'asked for after it, what waits is tried at once');

select fynq.end_mail(id, tries) from fynq.claim_mail() \g /dev/null
select is_empty('select fynq.claim_mail()', 'what was sent is not sent again');
select fynq.add_mail('recovery', 'zoe@test.invalid') \g /dev/null
select is_empty('select fynq.claim_mail()', 'nor is the next one within the minute');
select fynq.add_mail('signup', 'zoe@test.invalid') \g /dev/null
select results_eq('select kind from fynq.claim_mail()', array['signup'], 'but another kind is');

select is_empty('select fynq.forget_mails()', 'nothing is forgotten within its minute');
select pg_temp.pass(60) \g /dev/null
select is_empty('select fynq.forget_mails()', 'what was sent is forgotten silently');
select results_eq('select kind from fynq.mails', array['signup'], 'what waits is not');
select pg_temp.pass(86400) \g /dev/null
create temporary table gone as select fynq.forget_mails() as id;
select is((select count(*) from pg_temp.gone), 1::bigint,
  'what waits for a day is forgotten, and told');
select is_empty('select from fynq.mails', 'nothing is older');

-- A mail a minute for anyone, and no more than 100,000 rows for all.
insert into fynq.mails (kind, email) select 'signup', n || '@test.invalid'
from generate_series(1, 100000) n;
select fynq.add_mail('signup', 'one.more@test.invalid') \g /dev/null
select is((select count(*) from fynq.mails), 100000::bigint, 'there is an end to it');

select * from finish();
rollback;
