-- migrate:up

-- What a question may bring beside itself: a key that makes asking again harmless, an answer that
-- another question got before, and a summary of what was said long ago.

alter table public.messages add column cached boolean not null default false;
comment on column public.messages.cached is 'The reply is one that the same question got before.';

-- Requests that carried an Idempotency-Key. A row is made in the transaction that stores what the
-- request asked for, and no other: where it stands, that stands, and where not, not.
create table fynq.requests (
  user_id uuid not null references auth.users (id) on delete cascade,
  key text not null check (char_length(key) between 1 and 255),
  fingerprint text not null check (char_length(fingerprint) = 64),
  chat_id uuid,
  reply_id uuid,
  created_at timestamptz not null default now(),
  primary key (user_id, key)
);
comment on table fynq.requests is 'What requests with an Idempotency-Key have made.';
comment on column fynq.requests.fingerprint is 'The SHA-256 of the request, in hexadecimal.';
comment on column fynq.requests.reply_id is 'The reply; its row may be gone with its chat.';
create index requests_created_at_idx on fynq.requests (created_at);
revoke all on table fynq.requests from public, anon, authenticated;
grant select, insert, update, delete on table fynq.requests to service_role;

-- Takes a key for the first request that brings it; a second one at the same time waits here for the
-- first one's commit. Says in fynq.go, for the transaction's other statements, whether to go on.
create function fynq.claim(owner uuid, key text, fingerprint text, chat uuid, reply uuid)
returns table (mine boolean, same boolean, chat_id uuid, reply_id uuid)
language plpgsql set search_path = '' as $$
begin
  insert into fynq.requests as r (user_id, key, fingerprint, chat_id, reply_id)
  values (claim.owner, claim.key, claim.fingerprint, claim.chat, claim.reply)
  on conflict do nothing;
  mine := found;
  perform set_config('fynq.go', case when mine then 't' else 'f' end, true);
  return query
    select claim.mine, r.fingerprint = claim.fingerprint, r.chat_id, r.reply_id
    from fynq.requests r
    where r.user_id = claim.owner and r.key = claim.key;
end
$$;
comment on function fynq.claim(uuid, text, text, uuid, uuid) is
  'Takes an Idempotency-Key, or says what was made with it.';
revoke all on function fynq.claim(uuid, text, text, uuid, uuid) from public;
grant execute on function fynq.claim(uuid, text, text, uuid, uuid) to service_role;

-- Answers to first questions, by a hash of all that the model was asked with.
create table fynq.answers (
  hash text primary key check (char_length(hash) = 64),
  content text not null check (char_length(content) between 1 and 1000000),
  parts jsonb not null check (jsonb_typeof(parts) = 'array'),
  model text check (char_length(model) <= 200),
  finish_reason text check (char_length(finish_reason) <= 100),
  total_tokens int not null check (total_tokens >= 0),
  hits int not null default 0,
  created_at timestamptz not null default now()
);
comment on column fynq.answers.total_tokens is 'What asking again would take: what a hit saves.';
create index answers_created_at_idx on fynq.answers (created_at);
revoke all on table fynq.answers from public, anon, authenticated;
grant select, insert, update, delete on table fynq.answers to service_role;

-- What was said on a branch up to a message, that message included, in a few words. It stands for
-- those turns when the next question goes to the model.
create table public.summaries (
  message_id uuid primary key,
  chat_id uuid not null,
  user_id uuid not null references auth.users (id) on delete cascade,
  content text not null check (char_length(content) between 1 and 100000),
  model text check (char_length(model) <= 200),
  created_at timestamptz not null default now(),
  foreign key (message_id, chat_id) references public.messages (id, chat_id) on delete cascade,
  foreign key (chat_id, user_id) references public.chats (id, user_id) on delete cascade
);
comment on column public.summaries.message_id is 'The last message that is summed up.';
create index summaries_message_id_chat_id_idx on public.summaries (message_id, chat_id);
create index summaries_chat_id_user_id_idx on public.summaries (chat_id, user_id);
create index summaries_user_id_idx on public.summaries (user_id);

alter table public.summaries enable row level security;
alter table public.summaries force row level security;
revoke all on table public.summaries from public, anon, authenticated;
grant select on table public.summaries to authenticated;
grant select, insert, update, delete on table public.summaries to service_role;
create policy summaries_select on public.summaries for select to authenticated
  using (coalesce(user_id = (select auth.uid()), false) or (select fynq.app_role()) = 'admin');

-- Forgets keys and answers that are older than that; some at a time, so that a beat stays short.
create function fynq.forget(keys interval, answers interval) returns void
language sql set search_path = '' as $$
  delete from fynq.requests r
  where (r.user_id, r.key) in (
    select o.user_id, o.key from fynq.requests o where o.created_at < now() - forget.keys
    order by o.created_at limit 1000
  );
  delete from fynq.answers a
  where a.hash in (
    select o.hash from fynq.answers o where o.created_at < now() - forget.answers
    order by o.created_at limit 1000
  );
$$;
comment on function fynq.forget(interval, interval) is 'Deletes old keys and answers.';
revoke all on function fynq.forget(interval, interval) from public;
grant execute on function fynq.forget(interval, interval) to service_role;

-- A question that fynq stores gives its chat a new leaf, which makes it the newest already: then the
-- trigger has nothing to do. It and fynq.touch() run with the session's search_path from now on, and
-- name every schema themselves. PostgreSQL plans a foreign key's check anew wherever it meets
-- another search_path than the last time, and that had cost more than the inserts.
drop trigger messages_bump_chats on public.messages;
create trigger messages_bump_chats after insert on public.messages
  referencing new table as added
  for each statement
  when (coalesce(current_setting('fynq.go', true), '') <> 't')
  execute function fynq.bump_chats();
alter function fynq.bump_chats() reset search_path;
alter function fynq.touch() reset search_path;

-- migrate:down

alter function fynq.touch() set search_path = '';
alter function fynq.bump_chats() set search_path = '';
drop trigger messages_bump_chats on public.messages;
create trigger messages_bump_chats after insert on public.messages
  referencing new table as added
  for each statement execute function fynq.bump_chats();
drop function fynq.forget(interval, interval);
drop table public.summaries;
drop table fynq.answers;
drop function fynq.claim(uuid, text, text, uuid, uuid);
drop table fynq.requests;
alter table public.messages drop column cached;
