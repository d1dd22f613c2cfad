-- migrate:up

-- Files of users. A row's bytes are an object of the store, under the key USER_ID/ID, put there
-- before the row was inserted. What a file is for decides what else holds for it.
create table public.files (
  id uuid primary key,
  user_id uuid not null references auth.users (id) on delete cascade,
  purpose text not null check (purpose in ('chat')),
  name text check (char_length(name) between 1 and 255),
  media_type text not null check (char_length(media_type) <= 127),
  bytes bigint not null check (bytes >= 0),
  sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
  width int check (width > 0),
  height int check (height > 0),
  created_at timestamptz not null default now(),
  constraint files_width_and_height check ((width is null) = (height is null))
);
comment on column public.files.name is 'What its sender calls it; not a path.';
comment on column public.files.width is 'Of a picture, in pixels, as its height.';

create index files_user_id_id_idx on public.files (user_id, id desc);

alter table public.files enable row level security;
alter table public.files force row level security;

-- Written by service_role alone: a row says what fynq has found out of the bytes that it stored.
-- Read by the owner alone: an admin reads what was said, and does not leaf through pictures.
revoke all on table public.files from public, anon, authenticated;
grant select on table public.files to authenticated;
grant select, insert, update, delete on table public.files to service_role;

create policy files_select on public.files for select to authenticated
  using (user_id = (select auth.uid()));

-- The picture of a student's turn. The columns that authenticated may insert stay as they are, and
-- the policy checks this one as well, should a grant ever slip.
alter table public.messages
  add column file_id uuid references public.files (id) on delete set null,
  add constraint messages_text_without_file check (type = 'image' or file_id is null);
comment on column public.messages.file_id is 'The picture; null also once that is deleted.';

create index messages_file_id_idx on public.messages (file_id);

alter policy messages_insert on public.messages
  with check (
    user_id = (select auth.uid())
    and sender = 'student'
    and status = 'complete'
    and num_nonnulls(parts, model, finish_reason, error, prompt_tokens, reply_tokens,
      thought_tokens, total_tokens, runner, file_id) = 0
  );

-- migrate:down

alter policy messages_insert on public.messages
  with check (
    user_id = (select auth.uid())
    and sender = 'student'
    and status = 'complete'
    and num_nonnulls(parts, model, finish_reason, error, prompt_tokens, reply_tokens,
      thought_tokens, total_tokens, runner) = 0
  );
alter table public.messages drop column file_id;
drop table public.files;
