-- migrate:up

-- The processes that write replies. A reply is pending while its process lives; when that is
-- killed, another finds the reply by the silence of its owner and marks it failed.
create table fynq.runners (
  id uuid primary key,
  endpoint text not null check (char_length(endpoint) <= 64),
  pid int not null check (pid > 0),
  started_at timestamptz not null default now(),
  seen_at timestamptz not null default now()
) with (fillfactor = 50);
comment on table fynq.runners is 'One row for each process that owns pending replies.';

revoke all on table fynq.runners from public, anon, authenticated;
grant select, insert, update, delete on table fynq.runners to service_role;

-- Says that a process lives, and ends what the silent ones left: their pending replies become
-- failed ("interrupted"), and the rows of those silent for over an hour go. Returns the number of
-- replies ended.
--
-- A process must have beaten once, and committed, before it inserts a pending reply, and beat
-- several times within stale (at least a second). Any number may beat at once: none waits.
create function fynq.beat(runner uuid, endpoint text, pid int, stale interval) returns int
language plpgsql set search_path = '' as $$
declare
  swept int;
begin
  if stale is null or stale < interval '1 second' then
    raise exception 'stale must be at least one second' using errcode = 'invalid_parameter_value';
  end if;

  insert into fynq.runners as mine (id, endpoint, pid)
  values (beat.runner, beat.endpoint, beat.pid)
  on conflict (id) do update set seen_at = greatest(mine.seen_at, excluded.seen_at);

  with lost as (
    select m.id
    from public.messages m
    where m.status = 'pending'
      and not exists (
        select from fynq.runners r where r.id = m.runner and r.seen_at > now() - beat.stale
      )
    for no key update of m skip locked
  )
  update public.messages m
  set status = 'failed', error = 'interrupted'
  from lost
  where m.id = lost.id;
  get diagnostics swept = row_count;

  delete from fynq.runners d
  where d.id in (
    select r.id
    from fynq.runners r
    where r.seen_at < now() - greatest(beat.stale, interval '1 hour')
      and not exists (
        select from public.messages m where m.status = 'pending' and m.runner = r.id
      )
    for update of r skip locked
  );

  return swept;
end
$$;
comment on function fynq.beat(uuid, text, int, interval) is
  'Says that a process lives; ends the replies of those that do not.';
revoke all on function fynq.beat(uuid, text, int, interval) from public;
grant execute on function fynq.beat(uuid, text, int, interval) to service_role;

-- migrate:down

drop function fynq.beat(uuid, text, int, interval);
drop table fynq.runners;
