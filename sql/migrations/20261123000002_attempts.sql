-- migrate:up

-- Tries that could be guesses, by whom they come from and whom they are at. A key is the SHA-256 of
-- the kind of try with an account, an address of the network, or both: neither stands here.
--
-- Each try counts one and each `forgive` seconds take one off. After the first few, the next must
-- wait, twice as long each time. Unlogged: a try costs no flush, and all is forgotten where
-- PostgreSQL crashes.
create unlogged table fynq.attempts (
  key text primary key check (char_length(key) = 64),
  tries int not null default 0 check (tries >= 0),
  counted_at timestamptz not null, -- As of when that many.
  next_at timestamptz not null,
  refused boolean not null default false,
  known_until timestamptz,
  forget_at timestamptz not null
);
comment on table fynq.attempts is 'Tries that could be guesses.';
comment on column fynq.attempts.next_at is 'None before that; -infinity while tries are free.';
comment on column fynq.attempts.refused is 'Has one been refused since the last that was counted?';
comment on column fynq.attempts.known_until is
  'Until then the account counts as at home at the address, as it has signed in there.';
create index attempts_forget_at_idx on fynq.attempts (forget_at);
revoke all on table fynq.attempts from public, anon, authenticated;
grant select, insert, update, delete on table fynq.attempts to service_role;

-- Counts a try against every key, or against none where one of them must wait: then `wait` is for how
-- many seconds, else 0. A try that is refused changes nothing but to say so: `news` is true for the
-- first one since one was counted.
--
-- pair is the key of account and address together, or null: where that pair is known, the key
-- named `account` neither counts nor refuses. So strangers who try one account from all over the
-- world do not keep its owner out.
--
-- Rows are locked in the order of their keys, each one made and locked before the next is looked at:
-- tries wait for each other and never in a circle, and a hundred at once are a hundred.
create function fynq.attempt(keys text[], free int[], first int[], longest int[], forgive int[],
  pair text default null, account text default null,
  moment timestamptz default null)
returns table (wait int, news boolean)
language plpgsql set search_path = '' as $$
declare
  counting text[] := keys;
  one text;
  ready_at timestamptz;
  at timestamptz := coalesce(moment, clock_timestamp());
begin
  if exists (select from fynq.attempts a where a.key = pair and a.known_until > at) then
    counting := array_remove(keys, account);
  end if;

  -- What must wait anyway makes no rows.
  select max(a.next_at) into ready_at from fynq.attempts a where a.key = any (counting);
  at := coalesce(moment, clock_timestamp());
  if ready_at is null or ready_at <= at then
    for one in select k from unnest(counting) as k order by k collate "C" loop
      loop
        perform from fynq.attempts a where a.key = one for update;
        exit when found;
        insert into fynq.attempts (key, counted_at, next_at, forget_at)
        values (one, at, '-infinity', at) on conflict (key) do nothing;
      end loop;
    end loop;
    select max(a.next_at) into ready_at from fynq.attempts a where a.key = any (counting);
    -- Those that the locks were waited for have counted later than this began.
    at := coalesce(moment, clock_timestamp());
  end if;

  if ready_at > at then
    with untold as (
      select a.key from fynq.attempts a
      where a.key = any (counting) and a.next_at > at and not a.refused
      order by a.key collate "C" for update
    )
    update fynq.attempts a set refused = true from untold where a.key = untold.key;
    return query select greatest(1, ceil(extract(epoch from ready_at - at)))::int, found;
    return;
  end if;

  with rules as (
    select * from unnest(attempt.keys, attempt.free, attempt.first, attempt.longest, attempt.forgive)
      as r (key, free, first, longest, forgive)
  ), counted as (
    select r.*, f.forgiven, greatest(a.tries - f.forgiven, 0) as before,
      -- No more than those after which the delay is the longest.
      least(greatest(a.tries - f.forgiven, 0) + 1,
        r.free + ceil(log(2, r.longest::numeric / r.first))::int) as tries
    from rules r join fynq.attempts a on a.key = r.key cross join lateral (
      select floor(extract(epoch from greatest(at - a.counted_at, interval '0'))
        / r.forgive)::int as forgiven
    ) as f
  )
  update fynq.attempts a set
    tries = c.tries,
    -- What has passed of the time after which one more is forgiven stays.
    counted_at = case when c.before = 0 then at
      else a.counted_at + c.forgiven * make_interval(secs => c.forgive) end,
    next_at = case when c.tries < c.free then '-infinity'
      else at + make_interval(secs => least(c.longest, c.first * 2 ^ (c.tries - c.free))) end,
    refused = false,
    forget_at = greatest(a.known_until,
      at + make_interval(secs => c.longest + c.tries * c.forgive))
  from counted c where a.key = c.key and c.key = any (counting);
  return query select 0, false;
end
$$;
comment on function fynq.attempt(text[], int[], int[], int[], int[], text, text, timestamptz) is
  'Counts a try, or says how long to wait.';

-- A try was good: `over` begin anew, each of `back` is as if the try had not been, and where `pair`
-- is given, its account is at home there for `days` days.
create function fynq.attempt_good(over text[], back text[], pair text, days int,
  moment timestamptz default clock_timestamp()) returns void
language plpgsql set search_path = '' as $$
begin
  perform from fynq.attempts a
  where a.key = any (over || back || pair) order by a.key collate "C" for update;

  update fynq.attempts a set tries = greatest(a.tries - 1, 0), next_at = '-infinity'
  where a.key = any (back);
  delete from fynq.attempts a where a.key = any (over) and a.key is distinct from pair;
  update fynq.attempts a set tries = 0, next_at = '-infinity', refused = false,
    known_until = moment + make_interval(days => attempt_good.days),
    forget_at = moment + make_interval(days => attempt_good.days)
  where a.key = pair;
end
$$;
comment on function fynq.attempt_good(text[], text[], text, int, timestamptz) is
  'Takes back what a try counted that was good.';

-- Deletes rows that say nothing any more, some at a time; those in use at this moment stay.
create function fynq.forget_attempts(moment timestamptz default clock_timestamp()) returns bigint
language sql set search_path = '' as $$
  with old as (
    select a.key from fynq.attempts a where a.forget_at < moment
    order by a.forget_at limit 10000 for update skip locked
  ), gone as (
    delete from fynq.attempts a using old where a.key = old.key returning 1
  )
  select count(*) from gone
$$;
comment on function fynq.forget_attempts(timestamptz) is 'Deletes old tries.';

revoke all on function
  fynq.attempt(text[], int[], int[], int[], int[], text, text, timestamptz),
  fynq.attempt_good(text[], text[], text, int, timestamptz),
  fynq.forget_attempts(timestamptz) from public;
grant execute on function
  fynq.attempt(text[], int[], int[], int[], int[], text, text, timestamptz),
  fynq.attempt_good(text[], text[], text, int, timestamptz),
  fynq.forget_attempts(timestamptz) to service_role;

-- migrate:down

drop function fynq.forget_attempts(timestamptz);
drop function fynq.attempt_good(text[], text[], text, int, timestamptz);
drop function fynq.attempt(text[], int[], int[], int[], int[], text, text, timestamptz);
drop table fynq.attempts;
