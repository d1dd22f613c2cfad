-- migrate:up

-- Chats and their turns. Ids are UUIDs of version 7 (RFC 9562), made by the application: ordering
-- by id is ordering by time, so a cursor is one id.
create table public.chats (
  id uuid primary key,
  user_id uuid not null references auth.users (id) on delete cascade,
  title text check (char_length(title) <= 200),
  archived boolean not null default false,
  leaf_id uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (id, user_id)
);
comment on column public.chats.leaf_id is 'The newest message of the chosen branch.';
comment on column public.chats.updated_at is 'Also grows when a message is added.';

create table public.messages (
  id uuid primary key,
  chat_id uuid not null,
  user_id uuid not null references auth.users (id) on delete cascade,
  parent_id uuid,
  sender text not null check (sender in ('student', 'tutor')),
  type text not null default 'text' check (type in ('text', 'image')),
  content text not null default '' check (char_length(content) <= 1000000),
  image_url text check (char_length(image_url) <= 2048),
  parts jsonb check (jsonb_typeof(parts) = 'array'),
  status text not null default 'complete'
    check (status in ('pending', 'complete', 'stopped', 'failed')),
  model text check (char_length(model) <= 200),
  finish_reason text check (char_length(finish_reason) <= 100),
  error text check (char_length(error) <= 100),
  prompt_tokens int check (prompt_tokens >= 0),
  reply_tokens int check (reply_tokens >= 0),
  thought_tokens int check (thought_tokens >= 0),
  total_tokens int check (total_tokens >= 0),
  runner uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),

  -- One index for the list of a chat's turns and as the target of the keys that keep to one chat.
  unique (chat_id, id),

  -- A message belongs to whom its chat belongs, and answers one of the same chat.
  constraint messages_chat_fkey foreign key (chat_id, user_id)
    references public.chats (id, user_id) on delete cascade,
  constraint messages_parent_fkey foreign key (parent_id, chat_id)
    references public.messages (id, chat_id) on delete cascade,

  constraint messages_student_complete check (sender = 'tutor' or status = 'complete'),
  constraint messages_pending_runner check (status <> 'pending' or runner is not null),
  constraint messages_failed_error check ((status = 'failed') = (error is not null)),
  constraint messages_text_without_image check (type = 'image' or image_url is null)
);
comment on column public.messages.parent_id is 'The message before: two with one parent branch.';
comment on column public.messages.image_url is
  'Whatever the client wrote, where it writes without fynq: never to be fetched unchecked.';
comment on column public.messages.parts is
  'The model''s parts verbatim, to be sent back with the next turn.';
comment on column public.messages.error is 'The problem''s code, where the reply failed.';
comment on column public.messages.runner is
  'The process that writes, or wrote, the reply: fynq.runners(id).';

-- The first key clears the leaf when its message goes; the second keeps it in its own chat.
-- Deferrable, since chats and messages refer to each other, for who copies rows from elsewhere.
alter table public.chats
  add constraint chats_leaf_fkey foreign key (leaf_id)
    references public.messages (id) on delete set null deferrable,
  add constraint chats_leaf_same_chat_fkey foreign key (leaf_id, id)
    references public.messages (id, chat_id) deferrable;

create index chats_user_id_updated_at_id_idx on public.chats (user_id, updated_at desc, id desc);
create index chats_leaf_id_idx on public.chats (leaf_id);
create index messages_user_id_id_idx on public.messages (user_id, id desc);
create index messages_parent_id_idx on public.messages (parent_id);
create index messages_pending_runner_idx on public.messages (runner) where status = 'pending';

create trigger chats_touch before update on public.chats
  for each row execute function fynq.touch();
create trigger messages_touch before update on public.messages
  for each row execute function fynq.touch();

-- Runs as the caller: a student reaches their own chat through the policies below, and no other.
-- That is what the grant on chats.updated_at is for; touch() overrules what is written there.
create function fynq.bump_chats() returns trigger language plpgsql set search_path = '' as $$
begin
  update public.chats c set updated_at = now()
  where c.id in (select a.chat_id from added a);
  return null;
end
$$;
comment on function fynq.bump_chats() is 'After insert on messages: their chats are the newest.';
revoke all on function fynq.bump_chats() from public;

create trigger messages_bump_chats after insert on public.messages
  referencing new table as added
  for each statement execute function fynq.bump_chats();

alter table public.chats enable row level security;
alter table public.chats force row level security;
alter table public.messages enable row level security;
alter table public.messages force row level security;

-- Supabase grants everything on new tables of public to its client roles, and its users can reach
-- the tables without fynq. So authenticated can write a student's turn and nothing of a tutor's: a
-- turn is not changed once it stands, and its replies are inserted and updated by service_role.
revoke all on table public.chats, public.messages from public, anon, authenticated;
grant select, delete on table public.chats to authenticated;
grant insert (id, user_id, title, archived) on table public.chats to authenticated;
grant update (title, archived, leaf_id, updated_at) on table public.chats to authenticated;
grant select on table public.messages to authenticated;
grant insert (id, chat_id, user_id, parent_id, sender, type, content, image_url, status)
  on table public.messages to authenticated;
grant select, insert, update, delete on table public.chats, public.messages to service_role;

create policy chats_select on public.chats for select to authenticated
  using (coalesce(user_id = (select auth.uid()), false) or (select fynq.app_role()) = 'admin');
create policy chats_insert on public.chats for insert to authenticated
  with check (user_id = (select auth.uid()));
create policy chats_update on public.chats for update to authenticated
  using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));
create policy chats_delete on public.chats for delete to authenticated
  using (user_id = (select auth.uid()));

create policy messages_select on public.messages for select to authenticated
  using (coalesce(user_id = (select auth.uid()), false) or (select fynq.app_role()) = 'admin');
-- The columns that are not granted are checked as well, should a grant ever slip.
create policy messages_insert on public.messages for insert to authenticated
  with check (
    user_id = (select auth.uid())
    and sender = 'student'
    and status = 'complete'
    and num_nonnulls(parts, model, finish_reason, error, prompt_tokens, reply_tokens,
      thought_tokens, total_tokens, runner) = 0
  );

-- migrate:down

alter table public.chats drop constraint chats_leaf_fkey, drop constraint chats_leaf_same_chat_fkey;
drop table public.messages;
drop table public.chats;
drop function fynq.bump_chats();
