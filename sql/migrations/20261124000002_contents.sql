-- migrate:up

-- The library: what teachers write, upload or link to, and how it is found.

-- Typing errors are found by trigrams. pg_trgm is trusted: a database's owner may make it. Where
-- Supabase has its extensions it goes there; where somebody made it before, it stays where it is.
do $$
begin
  if not exists (select from pg_catalog.pg_extension where extname = 'pg_trgm') then
    execute format('create extension pg_trgm with schema %I',
      case when to_regnamespace('extensions') is null then 'public' else 'extensions' end);
    comment on extension pg_trgm is 'Made by fynq.';
  end if;
end
$$;

-- Inlined into the statements that call it, so that the index on titles serves it; and it knows the
-- extension's schema, which they do not.
do $$
begin
  execute format($make$
    create function fynq.resembles(title text, words text) returns boolean
    language sql stable parallel safe as 'select title operator(%1$I.%%>) words';
    create function fynq.resemblance(title text, words text) returns real
    language sql immutable parallel safe as 'select %1$I.word_similarity(words, title)';
  $make$, (select n.nspname from pg_catalog.pg_extension e
    join pg_catalog.pg_namespace n on n.oid = e.extnamespace where e.extname = 'pg_trgm'));
end
$$;
comment on function fynq.resembles(text, text) is
  'Whether a title has something like these words, by pg_trgm.word_similarity_threshold.';
comment on function fynq.resemblance(text, text) is 'How much, from 0 to 1.';

-- By the first part of the tag, in lower case as BCP 47 allows any. Those that PostgreSQL 13 has;
-- every other language is cut into words and no further. No search_path: it is to be inlined.
create function fynq.text_config(language text) returns regconfig
language sql immutable parallel safe as $$
  select case lower(split_part(translate(language, '_', '-'), '-', 1))
    when 'en' then 'pg_catalog.english'::regconfig
    when 'de' then 'pg_catalog.german'::regconfig
    when 'fr' then 'pg_catalog.french'::regconfig
    when 'es' then 'pg_catalog.spanish'::regconfig
    when 'it' then 'pg_catalog.italian'::regconfig
    when 'pt' then 'pg_catalog.portuguese'::regconfig
    when 'nl' then 'pg_catalog.dutch'::regconfig
    when 'sv' then 'pg_catalog.swedish'::regconfig
    when 'da' then 'pg_catalog.danish'::regconfig
    when 'no' then 'pg_catalog.norwegian'::regconfig
    when 'nb' then 'pg_catalog.norwegian'::regconfig
    when 'nn' then 'pg_catalog.norwegian'::regconfig
    when 'fi' then 'pg_catalog.finnish'::regconfig
    when 'hu' then 'pg_catalog.hungarian'::regconfig
    when 'ro' then 'pg_catalog.romanian'::regconfig
    when 'ru' then 'pg_catalog.russian'::regconfig
    when 'tr' then 'pg_catalog.turkish'::regconfig
    when 'ar' then 'pg_catalog.arabic'::regconfig
    when 'el' then 'pg_catalog.greek'::regconfig
    when 'ga' then 'pg_catalog.irish'::regconfig
    when 'id' then 'pg_catalog.indonesian'::regconfig
    when 'lt' then 'pg_catalog.lithuanian'::regconfig
    when 'ne' then 'pg_catalog.nepali'::regconfig
    when 'ta' then 'pg_catalog.tamil'::regconfig
    else 'pg_catalog.simple'::regconfig
  end
$$;
comment on function fynq.text_config(text) is
  'The text search configuration for a language, by its BCP 47 tag.';

-- A file of one's own may be referred to, and of nobody else: its readers become the content's.
alter table public.files add constraint files_id_user_id_key unique (id, user_id);

create table public.contents (
  id uuid primary key,
  author_id uuid not null references auth.users (id) on delete cascade,
  type text not null check (type in ('text', 'pdf', 'video')),
  title text not null check (char_length(title) between 1 and 200),
  description text check (char_length(description) <= 2000),
  body text check (char_length(body) between 1 and 200000),
  file_id uuid,
  url text check (char_length(url) <= 2048 and url ~ '^https://'),
  language text not null default 'und' check (char_length(language) between 1 and 35),
  tags text[] not null default '{}',
  published boolean not null default false,
  extraction text not null default 'none'
    check (extraction in ('none', 'waiting', 'done', 'failed')),
  extraction_error text check (char_length(extraction_error) <= 100),
  tries int not null default 0 check (tries >= 0),
  due_at timestamptz not null default now(),
  reading boolean not null default false,
  pages int check (pages >= 0),
  config text not null default 'simple',
  search tsvector not null default '',
  ranked tsvector not null default '',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),

  -- A text is its body, a pdf a file, a video a file or a link.
  constraint contents_of_type check (case type
    when 'text' then body is not null and num_nonnulls(file_id, url) = 0
    when 'pdf' then file_id is not null and num_nonnulls(body, url) = 0
    else body is null and num_nonnulls(file_id, url) = 1
  end),

  -- Without action, so a file in use is not deleted; and an account goes with both in one statement,
  -- since the key is looked at when that has done all its work.
  constraint contents_file_fkey foreign key (file_id, author_id)
    references public.files (id, user_id)
);
comment on column public.contents.language is 'A BCP 47 tag; und where nobody said.';
-- What a search reads of many rows lies close together, and what it does not elsewhere.
alter table public.contents set (toast_tuple_target = 1024);
alter table public.contents alter column ranked set storage main;
comment on column public.contents.tags is 'In lower case, without white space around them.';
comment on column public.contents.extraction is
  'What became of the words inside: whether content_passages has them.';
comment on column public.contents.due_at is 'While extraction waits: when it is to be tried.';
comment on column public.contents.reading is
  'While extraction waits: a process reads it, which has died where it still does at due_at.';
comment on column public.contents.pages is 'Of a pdf, once its text was extracted.';
comment on column public.contents.config is 'The text search configuration of the language.';
comment on column public.contents.search is
  'Title A, tags B, description C, text D, and #name=value for what one filters by.';
comment on column public.contents.ranked is
  'The same, but of the text only the words that it has most often: small, to rank by.';

-- Texts of contents in pieces, for who looks for the piece that answers a question.
create table public.content_passages (
  content_id uuid not null references public.contents (id) on delete cascade,
  n int not null check (n >= 1),
  page int check (page >= 1),
  body text not null,
  search tsvector not null,
  primary key (content_id, n)
);
comment on column public.content_passages.page is 'Of a pdf; null for other texts.';

-- Word by word what is in a text, as far as a tsvector holds it (1 MB): of one with too many words
-- the first half, and so on.
create function fynq.text_vector(config regconfig, words text) returns tsvector
language plpgsql immutable parallel safe set search_path = '' as $$
declare
  most int := 500000;
begin
  loop
    begin
      return to_tsvector(config, left(coalesce(words, ''), most));
    exception when program_limit_exceeded then
      most := most / 2;
    end;
  end loop;
end
$$;
comment on function fynq.text_vector(regconfig, text) is 'to_tsvector() that never fails by size.';

-- What one filters by, as words of the index that no text has: the parser makes none with a #.
create function fynq.content_marks(c public.contents) returns tsvector
language sql stable parallel safe set search_path = '' as $$
  select string_agg('''' || replace(replace(m, '\', '\\'), '''', '''''') || ''':1A', ' ')::tsvector
  from unnest(array['#type=' || c.type, '#author=' || c.author_id,
      '#language=' || lower(c.language),
      '#language=' || lower(split_part(c.language, '-', 1)),
      case when c.published then '#published' end]
    || array(select '#tag=' || t from unnest(c.tags) t)) m
$$;
comment on function fynq.content_marks(public.contents) is 'Filters as words of the index.';

-- What one filters by as a part of a query; null where there is nothing to filter by. No search_path:
-- it is to be inlined.
create function fynq.content_filter(type text, tag text, author uuid, language text, published text)
returns text
language sql immutable parallel safe as $$
  select nullif(concat_ws(' & ',
    (select string_agg('''' || replace(replace(m, '\', '\\'), '''', '''''') || '''', ' & ')
     from unnest(array['#type=' || type, '#tag=' || lower(btrim(tag)), '#author=' || author,
       '#language=' || lower(language)]) m where m is not null),
    case published when 'true' then '''#published''' when 'false' then '!''#published''' end), '')
$$;
comment on function fynq.content_filter(text, text, uuid, text, text) is
  'Filters of a search, as text of a tsquery.';

-- Before a row is stored: its tags in one form, its state where the text or its language is another
-- one, and what it is found by. A long text takes longer to be stemmed than a request may, so in
-- another language it is read again, and found by its old words until that is done. Runs as its owner,
-- since who may write contents may call nothing of fynq.
create function fynq.on_content_change() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  fresh boolean := tg_op = 'INSERT';
  restemmed boolean := false;
  config regconfig := fynq.text_config(new.language);
  head tsvector;
  words tsvector;
begin
  new.tags := array(
    select lower(btrim(t)) from unnest(new.tags) with ordinality as tags (t, n)
    where btrim(t) <> '' group by 1 order by min(n));
  if cardinality(new.tags) > 20
      or exists (select from unnest(new.tags) t where char_length(t) > 50) then
    raise exception 'at most 20 tags of at most 50 characters' using
      errcode = 'check_violation',
      schema = 'public', table = 'contents', column = 'tags', constraint = 'contents_tags_check';
  end if;

  if not fresh then
    fresh := new.type <> old.type or new.body is distinct from old.body
      or new.file_id is distinct from old.file_id;
    restemmed := config::text <> old.config;
  end if;
  new.config := config::text;
  if fresh then
    new.pages := null;
  end if;
  if fresh or restemmed then
    new.extraction := case when new.type = 'video' then 'none' else 'waiting' end;
    new.extraction_error := null;
    new.tries := 0;
    new.due_at := now();
    new.reading := false;
  end if;

  if new.type = 'text' and (fresh or restemmed) then
    words := fynq.text_vector(config, new.body);
  elsif fresh then
    words := '';
  elsif new.type = 'pdf' and new.extraction = 'done' and old.extraction <> 'done' then
    words := fynq.text_vector(config, (select string_agg(p.body, ' ' order by p.n)
      from public.content_passages p where p.content_id = new.id and p.n <= 1000));
  else
    words := ts_filter(old.search, '{d}');
  end if;

  head := fynq.content_marks(new)
    || setweight(to_tsvector(config, new.title), 'A')
    || setweight(to_tsvector(config, array_to_string(new.tags, ' , ')), 'B')
    || setweight(to_tsvector(config, coalesce(new.description, '')), 'C');
  new.search := head || words;
  new.ranked := head || ts_delete(words, array(
    select w.lexeme from unnest(words) w
    order by cardinality(w.positions) desc, w.lexeme offset 32));
  return new;
end
$$;
comment on function fynq.on_content_change() is 'Before insert or update of a content.';

create trigger contents_change
  before insert or update of author_id, type, title, description, body, file_id, language, tags,
    published, extraction
  on public.contents for each row execute function fynq.on_content_change();

-- After the one above, by name. What only the worker writes is no other state for clients.
create trigger contents_touch
  before update of author_id, type, title, description, body, file_id, url, language, tags,
    published, extraction, extraction_error, pages
  on public.contents for each row execute function fynq.touch();

-- Passages of a text that is no more.
create function fynq.on_content_changed() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  delete from public.content_passages p where p.content_id = new.id;
  return null;
end
$$;
comment on function fynq.on_content_changed() is 'After another text: the old one''s passages go.';

-- How many of the contents that are there a teacher may have added today: fynq.contents_day, and who
-- does not come by the service, which sets it, as by PostgREST, is bound, too; 0 is no limit. After
-- the row's own work, so that the lock, which makes an author's contents one after the other, is not
-- held for that. PT429 is what PostgREST answers with 429.
create function fynq.on_content_added() returns trigger
language plpgsql set search_path = '' as $$
declare
  most int := coalesce(nullif(current_setting('fynq.contents_day', true), ''), '200')::int;
  today timestamptz := date_trunc('day', now() at time zone 'UTC') at time zone 'UTC';
begin
  if most > 0 and fynq.app_role() = 'teacher' then
    perform pg_advisory_xact_lock(hashtext('contents'), hashtext(new.author_id::text));
    if (select count(*) > most from public.contents c
        where c.author_id = new.author_id and c.created_at >= today) then
      raise exception 'at most % contents a day', most using errcode = 'PT429';
    end if;
  end if;
  return null;
end
$$;
comment on function fynq.on_content_added() is 'After insert of a content: not too many a day.';

create trigger contents_added after insert on public.contents
  for each row execute function fynq.on_content_added();

create trigger contents_changed
  after update of type, body, file_id on public.contents for each row
  when (new.type <> old.type or new.body is distinct from old.body
    or new.file_id is distinct from old.file_id)
  execute function fynq.on_content_changed();

revoke all on function fynq.resembles(text, text), fynq.resemblance(text, text),
  fynq.text_config(text), fynq.text_vector(regconfig, text), fynq.content_marks(public.contents),
  fynq.content_filter(text, text, uuid, text, text),
  fynq.on_content_change(), fynq.on_content_changed(), fynq.on_content_added() from public;
grant execute on function fynq.resembles(text, text), fynq.resemblance(text, text),
  fynq.text_config(text), fynq.content_filter(text, text, uuid, text, text)
  to service_role;

create index contents_author_id_id_idx on public.contents (author_id, id desc);
create index contents_file_id_idx on public.contents (file_id);
create index contents_config_idx on public.contents (config);
create index contents_waiting_idx on public.contents (due_at) where extraction = 'waiting';
create index contents_search_idx on public.contents using gin (search);
create index contents_head_idx on public.contents using gin (ts_filter(ranked, '{a,b,c}'));
do $$
begin
  execute format('create index contents_title_idx on public.contents
    using gin (title %I.gin_trgm_ops)',
    (select n.nspname from pg_catalog.pg_extension e
      join pg_catalog.pg_namespace n on n.oid = e.extnamespace where e.extname = 'pg_trgm'));
end
$$;
create index content_passages_search_idx on public.content_passages using gin (search);

alter table public.contents enable row level security;
alter table public.contents force row level security;
alter table public.content_passages enable row level security;
alter table public.content_passages force row level security;

-- Passages are for the service alone. Who searches is the service, too: @@ is not leakproof, so
-- beneath row security no index serves it. Its statements say themselves who may see what.
revoke all on table public.contents, public.content_passages from public, anon, authenticated;
grant select, delete on table public.contents to authenticated;
grant insert (id, author_id, type, title, description, body, file_id, url, language, tags, published)
  on table public.contents to authenticated;
grant update (title, description, body, file_id, url, language, tags, published)
  on table public.contents to authenticated;
grant select, insert, update, delete on table public.contents, public.content_passages
  to service_role;

create policy contents_select on public.contents for select to authenticated
  using (published or coalesce(author_id = (select auth.uid()), false)
    or (select fynq.app_role()) = 'admin');
create policy contents_insert on public.contents for insert to authenticated
  with check (author_id = (select auth.uid())
    and (select fynq.app_role()) in ('teacher', 'admin'));
create policy contents_update on public.contents for update to authenticated
  using ((author_id = (select auth.uid()) and (select fynq.app_role()) = 'teacher')
    or (select fynq.app_role()) = 'admin');
create policy contents_delete on public.contents for delete to authenticated
  using ((author_id = (select auth.uid()) and (select fynq.app_role()) = 'teacher')
    or (select fynq.app_role()) = 'admin');
-- The triggers above work on passages as the tables' owner, whom forced row security binds, too.
create policy content_passages_owner on public.content_passages to current_user
  using (true) with check (true);

-- migrate:down

drop table public.content_passages;
drop function fynq.content_marks(public.contents);
drop table public.contents;
alter table public.files drop constraint files_id_user_id_key;
drop function fynq.on_content_added();
drop function fynq.on_content_changed();
drop function fynq.on_content_change();
drop function fynq.content_filter(text, text, uuid, text, text);
drop function fynq.text_vector(regconfig, text);
drop function fynq.text_config(text);
drop function fynq.resemblance(text, text);
drop function fynq.resembles(text, text);

-- Only if it was made above, and nobody has come to depend on it.
do $$
begin
  if (select obj_description(e.oid, 'pg_extension') = 'Made by fynq.'
      from pg_catalog.pg_extension e where e.extname = 'pg_trgm') then
    drop extension pg_trgm;
  end if;
exception when dependent_objects_still_exist then
  raise notice 'extension pg_trgm stays: others use it';
end
$$;
