-- The tables as they must stand: columns, types, defaults, keys and indexes.
begin;
\ir common.psql
select plan(21);

-- Whether the three inherit does not matter, and differs on Supabase: they are granted nothing.
select set_eq($$
  select r.rolname::text, r.rolcanlogin, r.rolinherit and r.rolname = 'fynq' as inherits,
    r.rolbypassrls, r.rolsuper or r.rolcreaterole or r.rolcreatedb or r.rolreplication as powerful
  from pg_roles r where r.rolname in ('anon', 'authenticated', 'fynq', 'service_role')
$$, $$ values
  ('anon', false, false, false, false), ('authenticated', false, false, false, false),
  ('fynq', true, false, false, false), ('service_role', false, false, true, false)
$$, 'the roles have their attributes and no others');

select set_eq($$
  select m.roleid::regrole::text from pg_auth_members m where m.member = 'fynq'::regrole
$$, array['anon', 'authenticated', 'service_role'], 'the login role can become the three');

select set_eq($$ select name, type, required from pg_temp.columns('public.profiles') $$, $$ values
  ('id', 'uuid', true), ('display_name', 'text', false), ('locale', 'text', false),
  ('birth_date', 'date', false), ('grade_level', 'text', false), ('preferences', 'jsonb', true),
  ('created_at', 'timestamp with time zone', true), ('updated_at', 'timestamp with time zone', true)
$$, 'columns of profiles');

select set_eq($$ select name, type, required from pg_temp.columns('public.chats') $$, $$ values
  ('id', 'uuid', true), ('user_id', 'uuid', true), ('title', 'text', false),
  ('archived', 'boolean', true), ('leaf_id', 'uuid', false),
  ('created_at', 'timestamp with time zone', true), ('updated_at', 'timestamp with time zone', true)
$$, 'columns of chats');

select set_eq($$ select name, type, required from pg_temp.columns('public.messages') $$, $$ values
  ('id', 'uuid', true), ('chat_id', 'uuid', true), ('user_id', 'uuid', true),
  ('parent_id', 'uuid', false), ('sender', 'text', true), ('type', 'text', true),
  ('content', 'text', true), ('image_url', 'text', false), ('parts', 'jsonb', false),
  ('status', 'text', true), ('model', 'text', false), ('finish_reason', 'text', false),
  ('error', 'text', false), ('prompt_tokens', 'integer', false), ('reply_tokens', 'integer', false),
  ('thought_tokens', 'integer', false), ('total_tokens', 'integer', false),
  ('runner', 'uuid', false), ('file_id', 'uuid', false), ('cached', 'boolean', true),
  ('content_ids', 'uuid[]', true), ('citations', 'jsonb', true),
  ('created_at', 'timestamp with time zone', true), ('updated_at', 'timestamp with time zone', true)
$$, 'columns of messages');

select set_eq($$ select name, type, required from pg_temp.columns('public.files') $$, $$ values
  ('id', 'uuid', true), ('user_id', 'uuid', true), ('purpose', 'text', true),
  ('name', 'text', false), ('media_type', 'text', true), ('bytes', 'bigint', true),
  ('sha256', 'text', true), ('width', 'integer', false), ('height', 'integer', false),
  ('created_at', 'timestamp with time zone', true)
$$, 'columns of files');

select set_eq($$ select name, type, required from pg_temp.columns('fynq.runners') $$, $$ values
  ('id', 'uuid', true), ('endpoint', 'text', true), ('pid', 'integer', true),
  ('started_at', 'timestamp with time zone', true), ('seen_at', 'timestamp with time zone', true)
$$, 'columns of runners');

-- Of auth.users only what fynq reads or writes in both houses.
select is_empty($$
  select wanted from unnest(array['id', 'aud', 'role', 'email', 'encrypted_password',
    'email_confirmed_at', 'last_sign_in_at', 'raw_app_meta_data', 'raw_user_meta_data',
    'banned_until', 'created_at', 'updated_at', 'deleted_at', 'is_anonymous']) as wanted
  except select name from pg_temp.columns('auth.users')
$$, 'auth.users has the columns that fynq needs');
select is_empty($$
  select wanted from unnest(array['id', 'user_id', 'created_at', 'updated_at', 'not_after',
    'refreshed_at', 'user_agent', 'ip']) as wanted
  except select name from pg_temp.columns('auth.sessions')
$$, 'auth.sessions has the columns that fynq needs');
select is_empty($$
  select wanted from unnest(array['id', 'token', 'user_id', 'session_id', 'parent', 'revoked',
    'created_at', 'updated_at']) as wanted
  except select name from pg_temp.columns('auth.refresh_tokens')
$$, 'auth.refresh_tokens has the columns that fynq needs');

select has_index('public', 'messages', 'messages_user_id_id_idx', 'messages: history');
select has_index('public', 'messages', 'messages_chat_id_id_key', 'messages: turns of a chat');
select has_index('public', 'files', 'files_user_id_id_idx', 'files: the list');
select has_index('public', 'chats', 'chats_user_id_updated_at_id_idx', 'chats: the list');
select is(
  pg_get_indexdef('public.messages_pending_runner_idx'::regclass),
  'CREATE INDEX messages_pending_runner_idx ON public.messages USING btree (runner)'
    ' WHERE (status = ''pending''::text)',
  'messages: only the pending ones are indexed by runner');

select set_eq($$
  select conrelid::regclass::text, confrelid::regclass::text, confdeltype::text
  from pg_constraint where contype = 'f' and connamespace = 'public'::regnamespace
    and conrelid in ('profiles'::regclass, 'chats'::regclass, 'messages'::regclass,
      'files'::regclass)
$$, $$ values
  ('profiles', 'auth.users', 'c'), ('chats', 'auth.users', 'c'), ('messages', 'auth.users', 'c'),
  ('messages', 'chats', 'c'), ('messages', 'messages', 'c'),
  ('files', 'auth.users', 'c'), ('messages', 'files', 'n'),
  ('chats', 'messages', 'n'), ('chats', 'messages', 'a')
$$, 'foreign keys cascade, and a leaf or a file is cleared');

-- Policies choose rows; what may be written in them is granted column by column.
select set_eq($$
  select c.relname::text, a.attname::text, p.privilege_type
  from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0,
    aclexplode(a.attacl) p
  where c.oid in ('profiles'::regclass, 'chats'::regclass, 'messages'::regclass,
      'files'::regclass)
    and p.grantee = 'authenticated'::regrole
$$, $$
  select g.tab, col, g.privilege
  from (values
    ('profiles', 'UPDATE', array['display_name', 'locale', 'birth_date', 'grade_level',
      'preferences']),
    ('chats', 'INSERT', array['id', 'user_id', 'title', 'archived']),
    ('chats', 'UPDATE', array['title', 'archived', 'leaf_id', 'updated_at']),
    ('messages', 'INSERT', array['id', 'chat_id', 'user_id', 'parent_id', 'sender', 'type',
      'content', 'image_url', 'status'])
  ) as g (tab, privilege, cols), unnest(g.cols) as col
$$, 'authenticated writes these columns and no others');

-- With enough people and rows for the planner to choose: of 8,000 chats and 16,000 turns one in
-- forty is the student's, those turns all in one chat.
insert into auth.users (id, email)
select pg_temp.id(n), n || '@test.invalid' from generate_series(1, 200) n;
insert into public.chats (id, user_id, updated_at)
select pg_temp.id(10000 + n),
  case n % 40 when 0 then pg_temp.uid('student') else pg_temp.id(1 + n % 200) end,
  now() - n * interval '1 minute'
from generate_series(1, 8000) n;
insert into public.messages (id, chat_id, user_id, sender, content)
select pg_temp.id(20000 + n), c.id, c.user_id, 'tutor', repeat('x', 500)
from generate_series(1, 16000) n
join public.chats c on c.id = pg_temp.id(10000 + case n % 40 when 0 then 40 else n % 8000 end);
analyze public.chats, public.messages;

select matches(
  pg_temp.plan('student', format('select * from public.messages where user_id = %L and id < %L
    order by id desc limit 20', pg_temp.uid('student'), pg_temp.id(35000))),
  '^Limit((?!Sort).)*Index Scan using messages_user_id_id_idx on messages\n'
    ' *Index Cond: [^\n]*user_id = [^\n]* AND \(id < ',
  'the history is read in order from its index, from the cursor on');
select matches(
  pg_temp.plan('student', format('select * from public.chats where user_id = %L
    and (updated_at, id) < (now(), %L) order by updated_at desc, id desc limit 20',
    pg_temp.uid('student'), pg_temp.id(1))),
  '^Limit((?!Sort).)*Index Scan using chats_user_id_updated_at_id_idx on chats\n'
    ' *Index Cond: [^\n]*user_id = [^\n]* AND \(ROW\(updated_at, id\) < ',
  'the list of chats is read in order from its index, from the cursor on');
select matches(
  pg_temp.plan('student', format('select * from public.messages where chat_id = %L and id > %L
    order by id limit 20', pg_temp.id(10040), pg_temp.id(1))),
  '^Limit((?!Sort).)*Index Scan using messages_chat_id_id_key on messages\n'
    ' *Index Cond: [^\n]*chat_id = [^\n]* AND \(id > ',
  'the turns of a chat are read in order from their index, from the cursor on');
select matches(
  pg_temp.plan('service', $$select id from public.messages where status = 'pending'$$),
  'messages_pending_runner_idx', 'a sweep reads the pending replies alone');

select * from finish();
rollback;
