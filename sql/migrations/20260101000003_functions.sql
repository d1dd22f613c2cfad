-- migrate:up

-- What the policies, the triggers and the responders' statements share. The two that queries call
-- per row or per statement pin no search_path, so that they can be inlined.

-- The caller's role, from app_metadata, which only the service can set: the unknown are students.
create function fynq.app_role() returns text language sql stable as $$
  select case auth.jwt() -> 'app_metadata' ->> 'role'
    when 'admin' then 'admin'
    when 'teacher' then 'teacher'
    else 'student'
  end
$$;
comment on function fynq.app_role() is 'student, teacher or admin.';

-- A row's entity tag, without the quotes: the microseconds of its updated_at, in base 16.
create function fynq.etag(changed timestamptz) returns text language sql immutable as $$
  select pg_catalog.to_hex(
    (extract(epoch from changed - timestamptz '2000-01-01 00:00:00+00') * 1000000)::bigint)
$$;
comment on function fynq.etag(timestamptz) is 'The entity tag of a row, from its updated_at.';

-- Sets updated_at, whatever the caller put there. It grows strictly, also when the clock stands or
-- two changes share a transaction: else two states of a row would share one entity tag.
create function fynq.touch() returns trigger language plpgsql set search_path = '' as $$
begin
  new.updated_at := greatest(clock_timestamp(), old.updated_at + interval '1 microsecond');
  return new;
end
$$;
comment on function fynq.touch() is 'Before update: updated_at grows.';

revoke all on function fynq.app_role(), fynq.etag(timestamptz), fynq.touch() from public;
grant execute on function fynq.app_role(), fynq.etag(timestamptz) to authenticated, service_role;

-- migrate:down

drop function fynq.touch();
drop function fynq.etag(timestamptz);
drop function fynq.app_role();
