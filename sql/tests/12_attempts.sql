-- How often one may guess: free tries, delays, what is forgiven, and whom strangers keep out.
begin;
\ir common.psql
select no_plan();

create function pg_temp.at(seconds numeric) returns timestamptz language sql as $$
  select '2026-01-01T00:00:00Z'::timestamptz + make_interval(secs => seconds::float8)
$$;
create function pg_temp.key(name text) returns text language sql as $$
  select rpad(encode(sha256(convert_to(name, 'UTF8')), 'hex'), 64)
$$;
-- A try at an account from an address, at that second: "go", or the seconds to wait, and "news".
-- Five are free from one address at one account, ten at it, thirty from an address; the delays go
-- to 900 s, 60 s and 300 s; after as long as the longest one is forgiven.
create function pg_temp.try(address text, account text, seconds numeric) returns text
language sql as $$
  select case when wait = 0 then 'go' else wait || case when news then ' news' else '' end end
  from fynq.attempt(
    array[pg_temp.key(address), pg_temp.key(account), pg_temp.key(address || account)],
    '{30,10,5}', '{1,1,1}', '{300,60,900}', '{300,60,900}',
    pg_temp.key(address || account), pg_temp.key(account), pg_temp.at(seconds))
$$;
create function pg_temp.good(address text, account text, seconds numeric) returns void
language sql as $$
  select fynq.attempt_good(array[pg_temp.key(account), pg_temp.key(address || account)],
    array[pg_temp.key(address)], pg_temp.key(address || account), 30, pg_temp.at(seconds))
$$;
create function pg_temp.tries(name text) returns int language sql as $$
  select tries from fynq.attempts where key = pg_temp.key(name)
$$;
create function pg_temp.forget() returns void language sql as $$ delete from fynq.attempts $$;

-- The free ones, then delays that double, from the moment of the try that was counted.
select is(array(select pg_temp.try('here', 'ada', 0) from generate_series(1, 7)),
  '{go,go,go,go,go,"1 news",1}', 'five are free at once, then the sixth must wait');
select is(pg_temp.tries('hereada'), 5, 'what is refused is not counted');
select is(pg_temp.try('here', 'ada', 0.5), '1', 'rounded up: after it there is room');
select is(pg_temp.try('here', 'ada', 1), 'go', 'after the delay');
select is(pg_temp.try('here', 'ada', 1.5), '2 news', 'twice as long, and news again');
select is(array(select pg_temp.try('here', 'ada', s) from unnest('{3,7,15,31}'::int[]) as s),
  '{go,go,go,go}', 'each time it has passed');
select is(pg_temp.try('here', 'ada', 31), '32 news', 'each time it is longer');
select is(array(select pg_temp.try('here', 'ada', 32 + s) from generate_series(1, 20) as s),
  array(select (31 - s)::text from generate_series(1, 20) as s),
  'trying on while refused does not make it longer');

-- Up to the longest, and no further.
select pg_temp.forget() \g /dev/null
select pg_temp.try('here', 'ada', s * 0.001) from generate_series(1, 5) as s \g /dev/null
select is(array(
  select pg_temp.try('here', 'ada', 10000 * s) || ' ' || pg_temp.try('here', 'ada', 10000 * s)
  from generate_series(1, 2) as s), '{"go go","go go"}', 'long after, all is forgiven');
select pg_temp.forget() \g /dev/null
do $$
declare
  seconds numeric := 0;
  said text;
begin
  for i in 1..60 loop
    said := pg_temp.try('here', 'ada', seconds);
    if said <> 'go' then
      seconds := seconds + split_part(said, ' ', 1)::int;
    end if;
  end loop;
end
$$;
select is((select next_at - counted_at <= interval '30 minutes' and tries = 15
  from fynq.attempts where key = pg_temp.key('hereada')), true,
  'tries stop counting where the delay is the longest');

-- One is forgiven after a time; what has passed of the next one's time is kept.
select pg_temp.forget() \g /dev/null
select pg_temp.try('here', 'ada', 0) from generate_series(1, 5) \g /dev/null
select is(pg_temp.try('here', 'ada', 1700), 'go', 'one is forgiven after 900 s');
select is(pg_temp.tries('hereada'), 5, 'one was forgiven and one counted');
select is(pg_temp.try('here', 'ada', 1800), 'go', 'the next 100 s later');
select is(pg_temp.tries('hereada'), 5, 'for 1800 s have passed since the first');
select is(pg_temp.tries('here'), 2, 'others'' times are others');

-- The account as a whole, from many addresses: at most a minute.
select pg_temp.forget() \g /dev/null
select is(array(select pg_temp.try('net' || s, 'ada', 0) from generate_series(1, 11) as s),
  '{go,go,go,go,go,go,go,go,go,go,"1 news"}', 'ten from all the world together');
select is((select count(*) from fynq.attempts), 21::bigint, 'what is refused at once makes no row');
do $$
begin
  for i in 1..40 loop
    perform pg_temp.try('far' || i, 'ada', i * 40);
  end loop;
end
$$;
select is((select max(next_at - pg_temp.at(1600)) <= interval '60 s' from fynq.attempts
  where key = pg_temp.key('ada')), true, 'a minute is the longest');
select is(pg_temp.try('far77', 'bob', 1600), 'go', 'another account is free');

-- Who has signed in from there is not kept out by others, but is by itself.
select pg_temp.forget() \g /dev/null
select pg_temp.try('home', 'ada', 0) \g /dev/null
select pg_temp.good('home', 'ada', 0) \g /dev/null
select is((select count(*) from fynq.attempts where key = pg_temp.key('ada')), 0::bigint,
  'what is good clears the account');
select is(pg_temp.tries('homeada'), 0, 'and the pair');
select is(pg_temp.tries('home'), 0, 'and takes the try off the address');
select pg_temp.try('net' || s, 'ada', 1) from generate_series(1, 10) as s \g /dev/null
select is(pg_temp.try('net11', 'ada', 1), '1 news', 'strangers have used up the account');
select is(array(select pg_temp.try('home', 'ada', 1) from generate_series(1, 6)),
  '{go,go,go,go,go,"1 news"}', 'its owner at home has five of their own');
select is(pg_temp.tries('ada'), 10, 'which do not count against the account');
select is(pg_temp.try('home', 'bob', 1), 'go', 'another account at that address is not known there');
select is(pg_temp.try('home', 'ada', 31 * 86400), 'go', 'after a month');
select is(pg_temp.tries('ada'), 1, 'the address is like any other');

-- An address across many accounts.
select pg_temp.forget() \g /dev/null
select is((select count(*) from generate_series(1, 40) as s
  where pg_temp.try('spray', 'user' || s, 0) = 'go'), 30::bigint, 'thirty accounts from one address');
select is(pg_temp.try('spray', 'user1', 0), '1', 'then none');
select is(pg_temp.try('other', 'user1', 0), 'go', 'from another address');
select pg_temp.good('spray', 'user30', 0) \g /dev/null
select is(pg_temp.try('spray', 'user31', 0), 'go', 'a good one leaves room for one');
select is(pg_temp.try('spray', 'user32', 0), '1 news', 'and for one alone');

-- Without a pair, as where the try names no account.
select pg_temp.forget() \g /dev/null
select is(array(select a.wait from generate_series(1, 4) as s
  cross join lateral fynq.attempt(array[pg_temp.key('token')], '{3}', '{7}', '{20}', '{20}',
    moment => pg_temp.at(s * 0)) as a), '{0,0,0,7}', 'a single key');

-- What is old goes; what is in force or known stays.
select pg_temp.forget() \g /dev/null
select pg_temp.try('here', 'ada', 0) \g /dev/null
select pg_temp.try('home', 'bob', 0) \g /dev/null
select pg_temp.good('home', 'bob', 0) \g /dev/null
select is(fynq.forget_attempts(pg_temp.at(60)), 0::bigint, 'nothing is old yet');
select is(fynq.forget_attempts(pg_temp.at(86400)), 4::bigint, 'what nobody has to wait for is');
select results_eq('select key from fynq.attempts', $$ values (pg_temp.key('homebob')) $$,
  'where an account is at home is not');
select is(fynq.forget_attempts(pg_temp.at(31 * 86400)), 1::bigint, 'for a month');

-- Who may.
create temporary table tried as select * from (values
  ('select from fynq.attempts', '42501', '0'),
  ($q$select fynq.attempt_good('{}', '{}', null, 1)$q$, '42501', '1'),
  ($q$select fynq.attempt('{}', '{}', '{}', '{}', '{}')$q$, '42501', '1'),
  ('select fynq.forget_attempts()', '42501', '1')
) as v (statement, users, service);
select is(pg_temp.attempt(a.name, t.statement),
  case when a.name = 'service' then t.service else t.users end, a.name || ': ' || t.statement)
from actors a cross join tried t;
select is((select relpersistence::text from pg_class where oid = 'fynq.attempts'::regclass), 'u',
  'a try costs no flush');

select * from finish();
rollback;
