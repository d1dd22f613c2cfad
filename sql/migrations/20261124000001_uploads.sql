-- migrate:up

-- Files that users send for a purpose: a picture of a chat, a document of their own, a part of the
-- library. What a user may send is bounded, and what is on its way is known.

alter table public.files
  drop constraint files_purpose_check,
  add constraint files_purpose_check check (purpose in ('chat', 'document', 'content'));

-- What a user's files take. Triggers keep it in the transaction of each row, so it is exact whatever
-- dies. A day is one in UTC.
create table fynq.file_usage (
  user_id uuid primary key references auth.users (id) on delete cascade,
  bytes bigint not null default 0 check (bytes >= 0),
  files int not null default 0 check (files >= 0),
  day date not null default (now() at time zone 'UTC')::date,
  day_files int not null default 0 check (day_files >= 0)
) with (fillfactor = 50);
comment on table fynq.file_usage is 'What the files of each user take, all together.';
comment on column fynq.file_usage.day is 'In UTC: the day of the last file.';
comment on column fynq.file_usage.day_files is 'Files sent on that day, deleted ones too.';

-- Of the files that are there. Whoever runs this may be an owner whom forced row security binds, and
-- would see none.
alter table public.files no force row level security;
insert into fynq.file_usage (user_id, bytes, files)
select f.user_id, sum(f.bytes), count(*) from public.files f group by f.user_id;
alter table public.files force row level security;

-- Runs as its owner: rows of files also go with an account, which on Supabase a role without rights
-- here deletes. Then there may be no row to update any more.
create function fynq.on_file_change() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  today date := (now() at time zone 'UTC')::date;
begin
  if tg_op = 'INSERT' then
    insert into fynq.file_usage as u (user_id, bytes, files, day, day_files)
    values (new.user_id, new.bytes, 1, today, 1)
    on conflict (user_id) do update set
      bytes = u.bytes + excluded.bytes,
      files = u.files + 1,
      day = greatest(u.day, excluded.day),
      day_files = case when u.day < excluded.day then 1 else u.day_files + 1 end;
  else
    update fynq.file_usage u set bytes = u.bytes - old.bytes, files = u.files - 1
    where u.user_id = old.user_id;
    if tg_op = 'UPDATE' then
      insert into fynq.file_usage as u (user_id, bytes, files) values (new.user_id, new.bytes, 1)
      on conflict (user_id) do update set bytes = u.bytes + excluded.bytes, files = u.files + 1;
    end if;
  end if;
  return null;
end
$$;
comment on function fynq.on_file_change() is 'Keeps fynq.file_usage.';
revoke all on function fynq.on_file_change() from public;

create trigger files_usage after insert or delete or update of bytes, user_id on public.files
  for each row execute function fynq.on_file_change();

alter table public.user_limits
  add column file_bytes bigint check (file_bytes >= 0),
  add column storage_bytes bigint check (storage_bytes >= 0),
  add column storage_files int check (storage_files >= 0),
  add column uploads_day int check (uploads_day >= 0);

-- Objects that are being put. A row is there before its object is, and goes in the transaction that
-- adds the object's row to files. Whoever clears up removes this row first: then that transaction
-- fails, and an object is never removed from under its row.
create table fynq.uploads (
  id uuid primary key,
  user_id uuid not null references auth.users (id) on delete cascade,
  began_at timestamptz not null default now()
);
comment on table fynq.uploads is 'Objects on their way into the store, by their ids.';
create index uploads_user_id_idx on fynq.uploads (user_id);
create index uploads_began_at_idx on fynq.uploads (began_at);

-- What a request with an Idempotency-Key has stored.
alter table fynq.requests add column file_ids uuid[];
comment on column fynq.requests.file_ids is 'The files; their rows may be gone.';

revoke all on table fynq.file_usage, fynq.uploads from public, anon, authenticated;
grant select, insert, update, delete on table fynq.file_usage, fynq.uploads to service_role;

-- A user's limits of files, what they use of each, and how much of it. The arguments are the limits
-- of the role, which user_limits goes before; null and 0 are none.
create function fynq.file_limits(owner uuid, file_bytes bigint, storage_bytes bigint,
  storage_files bigint, uploads_day bigint)
returns table (counted text, most bigint, used bigint)
language sql stable as $$
  select w.counted, nullif(w.most, 0), w.used
  from (values (owner)) as me (id)
  left join fynq.file_usage u on u.user_id = me.id
  left join public.user_limits l on l.user_id = me.id
  cross join lateral (values
    ('file_bytes', coalesce(l.file_bytes, file_limits.file_bytes), 0::bigint),
    ('storage_bytes', coalesce(l.storage_bytes, file_limits.storage_bytes), coalesce(u.bytes, 0)),
    ('storage_files', coalesce(l.storage_files, file_limits.storage_files),
      coalesce(u.files, 0)::bigint),
    ('uploads_day', coalesce(l.uploads_day, file_limits.uploads_day),
      case when u.day = (now() at time zone 'UTC')::date then u.day_files else 0 end::bigint)
  ) as w (counted, most, used)
$$;
comment on function fynq.file_limits(uuid, bigint, bigint, bigint, bigint) is
  'What a user''s files take of their limits.';

-- The first limit that has no room for files of these sizes; null where all have.
create function fynq.file_refusal(owner uuid, sizes bigint[], file_bytes bigint,
  storage_bytes bigint, storage_files bigint, uploads_day bigint)
returns table (limit_name text, limit_value bigint)
language sql stable as $$
  select l.counted, l.most
  from fynq.file_limits(owner, file_bytes, storage_bytes, storage_files, uploads_day)
    with ordinality as l (counted, most, used, n)
  where l.used + case l.counted
      when 'file_bytes' then (select coalesce(max(s), 0) from unnest(sizes) s)
      when 'storage_bytes' then (select coalesce(sum(s), 0)::bigint from unnest(sizes) s)
      else cardinality(sizes)
    end > l.most
  order by l.n
  limit 1
$$;
comment on function fynq.file_refusal(uuid, bigint[], bigint, bigint, bigint, bigint) is
  'Which limit refuses files of these sizes.';

-- Begins the upload of objects with these ids, where the limits have room for them. A row says which
-- limit refuses; none where none does.
create function fynq.upload_begin(owner uuid, ids uuid[], sizes bigint[], file_bytes bigint,
  storage_bytes bigint, storage_files bigint, uploads_day bigint)
returns table (limit_name text, limit_value bigint)
language plpgsql set search_path = '' as $$
begin
  return query select r.limit_name, r.limit_value from fynq.file_refusal(owner, sizes, file_bytes,
    storage_bytes, storage_files, uploads_day) r;
  if not found then
    insert into fynq.uploads (id, user_id) select u, owner from unnest(ids) u
    on conflict (id) do nothing;
  end if;
end
$$;
comment on function fynq.upload_begin(uuid, uuid[], bigint[], bigint, bigint, bigint, bigint) is
  'Begins an upload, or says which limit refuses it.';

-- Ends it: adds the rows of the objects, all or none, and with them the request's Idempotency-Key,
-- where it has one. files is an array of rows of public.files, as JSON. The lock on the user's usage
-- makes their uploads one after the other, so that two at once do not both find the last room. May be
-- run again. A row says why there are none: the limit that refuses; 'upload', where the upload was
-- given up meanwhile; 'earlier', where a request with the key was first, with the files that it
-- stored; 'key', where that was another request. The upload is over in any case, and its objects are
-- the caller's to remove.
create function fynq.upload_end(owner uuid, files jsonb, file_bytes bigint, storage_bytes bigint,
  storage_files bigint, uploads_day bigint, key text default null, fingerprint text default null)
returns table (limit_name text, limit_value bigint, earlier uuid[])
language plpgsql set search_path = '' as $$
declare
  fresh public.files[];
  sizes bigint[];
  begun int;
begin
  insert into fynq.file_usage (user_id) values (owner) on conflict (user_id) do nothing;
  perform from fynq.file_usage u where u.user_id = owner for update;

  select array_agg(f), array_agg(f.bytes) into fresh, sizes
  from jsonb_populate_recordset(null::public.files, files) f
  where not exists (select from public.files o where o.id = f.id and o.user_id = owner);
  if fresh is null then
    return; -- They are there: this is the second time.
  end if;

  delete from fynq.uploads u using unnest(fresh) f where u.id = f.id and u.user_id = owner;
  get diagnostics begun = row_count;
  if begun < cardinality(fresh) then
    return query select 'upload', null::bigint, null::uuid[];
    return;
  end if;

  if upload_end.key is not null
    and not (select c.mine from fynq.claim(owner, upload_end.key, upload_end.fingerprint, null, null) c)
  then
    return query
      select case when r.fingerprint = upload_end.fingerprint then 'earlier' else 'key' end,
        null::bigint, r.file_ids
      from fynq.requests r where r.user_id = owner and r.key = upload_end.key;
    return;
  end if;

  return query select r.limit_name, r.limit_value, null::uuid[]
    from fynq.file_refusal(owner, sizes, file_bytes, storage_bytes, storage_files, uploads_day) r;
  if found then
    delete from fynq.requests r where r.user_id = owner and r.key = upload_end.key;
    return;
  end if;

  insert into public.files
    (id, user_id, purpose, name, media_type, bytes, sha256, width, height)
  select f.id, owner, f.purpose, f.name, f.media_type, f.bytes, f.sha256, f.width, f.height
  from unnest(fresh) f;
  update fynq.requests r set file_ids = (select array_agg(f.id) from unnest(fresh) f)
  where r.user_id = owner and r.key = upload_end.key;
end
$$;
comment on function fynq.upload_end(uuid, jsonb, bigint, bigint, bigint, bigint, text, text) is
  'Adds the rows of objects that were put.';

revoke all on function fynq.file_limits(uuid, bigint, bigint, bigint, bigint),
  fynq.file_refusal(uuid, bigint[], bigint, bigint, bigint, bigint),
  fynq.upload_begin(uuid, uuid[], bigint[], bigint, bigint, bigint, bigint),
  fynq.upload_end(uuid, jsonb, bigint, bigint, bigint, bigint, text, text) from public;
grant execute on function fynq.file_limits(uuid, bigint, bigint, bigint, bigint),
  fynq.file_refusal(uuid, bigint[], bigint, bigint, bigint, bigint),
  fynq.upload_begin(uuid, uuid[], bigint[], bigint, bigint, bigint, bigint),
  fynq.upload_end(uuid, jsonb, bigint, bigint, bigint, bigint, text, text) to service_role;

-- migrate:down

drop function fynq.upload_end(uuid, jsonb, bigint, bigint, bigint, bigint, text, text);
drop function fynq.upload_begin(uuid, uuid[], bigint[], bigint, bigint, bigint, bigint);
drop function fynq.file_refusal(uuid, bigint[], bigint, bigint, bigint, bigint);
drop function fynq.file_limits(uuid, bigint, bigint, bigint, bigint);
drop table fynq.uploads;
alter table fynq.requests drop column file_ids;
alter table public.user_limits
  drop column file_bytes,
  drop column storage_bytes,
  drop column storage_files,
  drop column uploads_day;
drop trigger files_usage on public.files;
drop function fynq.on_file_change();
drop table fynq.file_usage;
alter table public.files no force row level security;
delete from public.files where purpose <> 'chat';
alter table public.files force row level security;
alter table public.files
  drop constraint files_purpose_check,
  add constraint files_purpose_check check (purpose in ('chat'));
