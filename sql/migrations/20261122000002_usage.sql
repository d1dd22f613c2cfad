-- migrate:up

-- What each user has used, and how much they may. Two windows are counted, both exactly:
--
--   minute  60 s from the first use after the last minute was over. The next may begin as one ends,
--           so 60 s across that edge can see up to twice the limit of messages less one.
--   day     the day in UTC.
--
-- Messages are counted when they are taken, tokens when they are spent, in the windows of that
-- moment. What a reply costs is known only after it, so a question is refused once a window's
-- tokens have reached the limit: the last reply may go beyond it, and so may those being written.

create table public.usage (
  user_id uuid not null references auth.users (id) on delete cascade,
  day date not null,
  messages int not null default 0 check (messages >= 0),
  prompt_tokens bigint not null default 0 check (prompt_tokens >= 0),
  reply_tokens bigint not null default 0 check (reply_tokens >= 0),
  saved_tokens bigint not null default 0 check (saved_tokens >= 0),
  calls int not null default 0 check (calls >= 0),
  primary key (user_id, day)
) with (fillfactor = 70);
comment on table public.usage is 'What was used, by user and day; kept for good.';
comment on column public.usage.day is 'In UTC.';
comment on column public.usage.messages is 'Questions that were stored.';
comment on column public.usage.reply_tokens is 'Of the replies and the thinking before them.';
comment on column public.usage.saved_tokens is 'Of replies that Gemini was not asked for.';
comment on column public.usage.calls is 'Calls to Gemini that it counted tokens for.';

create table public.user_limits (
  user_id uuid primary key references auth.users (id) on delete cascade,
  messages_minute int check (messages_minute >= 0),
  messages_day int check (messages_day >= 0),
  tokens_minute bigint check (tokens_minute >= 0),
  tokens_day bigint check (tokens_day >= 0)
);
comment on table public.user_limits is
  'One user''s own limits: null is what the settings say for the role, 0 is no limit.';

-- Two versions a question of one short row, of which only the key is indexed: updates stay in the
-- page (HOT), whose other half is theirs.
create table fynq.rates (
  user_id uuid primary key references auth.users (id) on delete cascade,
  started_at timestamptz not null,
  messages int not null default 0,
  tokens bigint not null default 0
) with (fillfactor = 50);
comment on table fynq.rates is 'The newest minute of each user; what is older counts for nothing.';

alter table public.usage enable row level security;
alter table public.usage force row level security;
alter table public.user_limits enable row level security;
alter table public.user_limits force row level security;

revoke all on table public.usage, public.user_limits, fynq.rates from public, anon, authenticated;
grant select on table public.usage, public.user_limits to authenticated;
grant select, insert, update, delete on table public.usage, public.user_limits, fynq.rates
  to service_role;

create policy usage_select on public.usage for select to authenticated
  using (coalesce(user_id = (select auth.uid()), false) or (select fynq.app_role()) = 'admin');
create policy user_limits_select on public.user_limits for select to authenticated
  using (coalesce(user_id = (select auth.uid()), false) or (select fynq.app_role()) = 'admin');

-- Does the moment lie in the minute that began then? A minute may begin a little after the moment,
-- where that waited for a lock; one that lies further ahead is of a clock that was set back.
create function fynq.in_minute(started_at timestamptz, moment timestamptz) returns boolean
language sql immutable as $$
  select abs(extract(epoch from moment - started_at)) < 60
$$;
comment on function fynq.in_minute(timestamptz, timestamptz) is 'Is that minute still on?';

-- The user's four windows: what is counted, per what, the limit (null for none), what is used, and
-- in how many whole seconds the window is over. The arguments are the limits of the role, which
-- user_limits goes before; null and 0 are none.
create function fynq.windows(asker uuid, messages_minute int, messages_day int,
  tokens_minute bigint, tokens_day bigint, moment timestamptz default clock_timestamp())
returns table (counted text, per text, most bigint, used bigint, reset_seconds int)
language sql stable as $$
  select w.counted, w.per, nullif(w.most, 0), coalesce(w.used, 0),
    greatest(1, ceil(extract(epoch from w.ends_at - moment)))::int
  from (values (asker)) as me (id)
  left join fynq.rates r on r.user_id = me.id and fynq.in_minute(r.started_at, moment)
  left join public.usage u on u.user_id = me.id and u.day = (moment at time zone 'UTC')::date
  left join public.user_limits l on l.user_id = me.id
  cross join lateral (values (
    coalesce(r.started_at, moment) + interval '1 minute',
    (date_trunc('day', moment at time zone 'UTC') + interval '1 day') at time zone 'UTC'
  )) as e (minute_ends_at, day_ends_at)
  cross join lateral (values
    ('messages', 'minute', coalesce(l.messages_minute, windows.messages_minute)::bigint,
      r.messages::bigint, e.minute_ends_at),
    ('messages', 'day', coalesce(l.messages_day, windows.messages_day)::bigint,
      u.messages::bigint, e.day_ends_at),
    ('tokens', 'minute', coalesce(l.tokens_minute, windows.tokens_minute),
      r.tokens, e.minute_ends_at),
    ('tokens', 'day', coalesce(l.tokens_day, windows.tokens_day),
      u.prompt_tokens + u.reply_tokens, e.day_ends_at)
  ) as w (counted, per, most, used, ends_at)
$$;
comment on function fynq.windows(uuid, int, int, bigint, bigint, timestamptz) is
  'What a user has used of their limits.';

-- Adds to the user's minute and day. Who has no profile has no account any more, and counts for
-- nothing: the end of a reply must not fail by that.
create function fynq.add_usage(asker uuid, messages int, prompt bigint, reply bigint, saved bigint,
  calls int, moment timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
  insert into fynq.rates as r (user_id, started_at, messages, tokens)
  select p.id, moment, add_usage.messages, prompt + reply
  from public.profiles p where p.id = asker
  on conflict (user_id) do update set
    started_at = case when fynq.in_minute(r.started_at, excluded.started_at)
      then r.started_at else excluded.started_at end,
    messages = case when fynq.in_minute(r.started_at, excluded.started_at)
      then r.messages else 0 end + excluded.messages,
    tokens = case when fynq.in_minute(r.started_at, excluded.started_at)
      then r.tokens else 0 end + excluded.tokens;

  insert into public.usage as u
    (user_id, day, messages, prompt_tokens, reply_tokens, saved_tokens, calls)
  select p.id, (moment at time zone 'UTC')::date, add_usage.messages, prompt, reply, saved,
    add_usage.calls
  from public.profiles p where p.id = asker
  on conflict (user_id, day) do update set
    messages = u.messages + excluded.messages,
    prompt_tokens = u.prompt_tokens + excluded.prompt_tokens,
    reply_tokens = u.reply_tokens + excluded.reply_tokens,
    saved_tokens = u.saved_tokens + excluded.saved_tokens,
    calls = u.calls + excluded.calls;
end
$$;
comment on function fynq.add_usage(uuid, int, bigint, bigint, bigint, int, timestamptz) is
  'Adds to what a user has used.';

-- Counts one message where every limit has room for it. Statements of a pipeline cannot hand each
-- other arguments, so they share the setting fynq.go of their transaction: where it is not 't', as
-- a statement before found nothing to store, this does nothing and gives no row; where a limit
-- refuses, this sets it to 'f' for those that follow.
--
-- The row tells of the limit that refused, and where several did of the one that does so longest;
-- else of the one with the least share left, this message taken off. All but admitted is null where
-- there is no limit.
--
-- The lock on the user's minute is held until the transaction ends: of one user's questions each
-- sees what those before it used, and nobody else waits. What is rolled back was not counted.
create function fynq.take_message(asker uuid, messages_minute int, messages_day int,
  tokens_minute bigint, tokens_day bigint, moment timestamptz default clock_timestamp())
returns table (admitted boolean, limit_name text, limit_value bigint, remaining bigint,
  reset_seconds int)
language plpgsql set search_path = '' as $$
declare
  tightest record;
begin
  if current_setting('fynq.go', true) is distinct from 't' then
    return;
  end if;

  perform from fynq.rates r where r.user_id = asker for no key update;
  if not found then
    insert into fynq.rates (user_id, started_at) values (asker, moment)
    on conflict (user_id) do nothing;
    perform from fynq.rates r where r.user_id = asker for no key update;
  end if;

  select w.counted || '_' || w.per as name, w.most, w.reset_seconds, w.used >= w.most as spent,
    greatest(w.most - w.used - c.cost, 0) as remaining
  into tightest
  from fynq.windows(asker, messages_minute, messages_day, tokens_minute, tokens_day, moment) w
  cross join lateral (values ((w.counted = 'messages')::int)) as c (cost)
  where w.most is not null
  order by w.used >= w.most desc, case when w.used >= w.most then w.reset_seconds end desc,
    (w.used + c.cost)::numeric / w.most desc, w.reset_seconds
  limit 1;

  if tightest.spent then
    perform set_config('fynq.go', 'f', true);
  else
    perform fynq.add_usage(asker, 1, 0, 0, 0, 0, moment);
  end if;
  return query select not coalesce(tightest.spent, false), tightest.name, tightest.most,
    tightest.remaining, tightest.reset_seconds;
end
$$;
comment on function fynq.take_message(uuid, int, int, bigint, bigint, timestamptz) is
  'Counts a message, or says which limit refuses it.';

-- Counts what a reply cost, once: where fynq.go is 'f', as a statement before found that this reply
-- was counted already, it does nothing. reply has the thinking in it; saved is what a reply that
-- Gemini was not asked for would have cost, and counts against no limit. Null is 0.
create function fynq.spend_tokens(asker uuid, prompt bigint, reply bigint, saved bigint,
  moment timestamptz default clock_timestamp()) returns void
language plpgsql set search_path = '' as $$
begin
  prompt := greatest(prompt, 0);
  reply := greatest(reply, 0);
  saved := greatest(saved, 0);
  if prompt + reply + saved > 0 and current_setting('fynq.go', true) is distinct from 'f' then
    perform fynq.add_usage(asker, 0, prompt, reply, saved, (prompt + reply > 0)::int, moment);
  end if;
end
$$;
comment on function fynq.spend_tokens(uuid, bigint, bigint, bigint, timestamptz) is
  'Counts the tokens of a reply.';

revoke all on function fynq.in_minute(timestamptz, timestamptz),
  fynq.windows(uuid, int, int, bigint, bigint, timestamptz),
  fynq.add_usage(uuid, int, bigint, bigint, bigint, int, timestamptz),
  fynq.take_message(uuid, int, int, bigint, bigint, timestamptz),
  fynq.spend_tokens(uuid, bigint, bigint, bigint, timestamptz) from public;
grant execute on function fynq.in_minute(timestamptz, timestamptz),
  fynq.windows(uuid, int, int, bigint, bigint, timestamptz),
  fynq.add_usage(uuid, int, bigint, bigint, bigint, int, timestamptz),
  fynq.take_message(uuid, int, int, bigint, bigint, timestamptz),
  fynq.spend_tokens(uuid, bigint, bigint, bigint, timestamptz) to service_role;

-- migrate:down

drop function fynq.spend_tokens(uuid, bigint, bigint, bigint, timestamptz);
drop function fynq.take_message(uuid, int, int, bigint, bigint, timestamptz);
drop function fynq.add_usage(uuid, int, bigint, bigint, bigint, int, timestamptz);
drop function fynq.windows(uuid, int, int, bigint, bigint, timestamptz);
drop function fynq.in_minute(timestamptz, timestamptz);
drop table fynq.rates;
drop table public.user_limits;
drop table public.usage;
