-- migrate:up

-- Questions about contents of the library: which ones a question names, and what of them a reply has
-- used. Titles are kept as they were, and ids as they are: a content that is deleted leaves both.
alter table public.messages
  add column content_ids uuid[] not null default '{}'
    constraint messages_content_ids_check
    check (cardinality(content_ids) <= 10 and (sender = 'student' or content_ids = '{}')),
  add column citations jsonb not null default '[]'
    constraint messages_citations_check check (jsonb_typeof(citations) = 'array'
      and (sender = 'tutor' or citations = '[]'));
comment on column public.messages.content_ids is
  'Contents that a question is about; not all of them need to be there any more.';
comment on column public.messages.citations is
  'What a reply cites: [{"n", "content_id", "title", "page"}], page null where there is none.';

-- Neither column is granted; the policy checks both, should a grant ever slip.
alter policy messages_insert on public.messages
  with check (
    user_id = (select auth.uid())
    and sender = 'student'
    and status = 'complete'
    and content_ids = '{}'
    and citations = '[]'
    and num_nonnulls(parts, model, finish_reason, error, prompt_tokens, reply_tokens,
      thought_tokens, total_tokens, runner, file_id) = 0
  );

-- A text as a query for any of its words: what is asked seldom stands in one passage word by word.
-- Null where it has no word that a search knows. No search_path: it is to be inlined.
create function fynq.any_word(config regconfig, words text) returns tsquery
language sql stable parallel safe as $$
  select string_agg('''' || replace(replace(w.lexeme, '\', '\\'), '''', '''''') || '''',
    ' | ')::tsquery
  from (
    select u.lexeme from unnest(to_tsvector(config, left(words, 8000))) u
    order by u.positions[1] limit 64
  ) w
$$;
comment on function fynq.any_word(regconfig, text) is 'A search for any of a text''s first 64 words.';

-- Passages of a content that waits, from the number first on: an array of {"page": n|null, "body"}.
-- Those that stand at and behind it go. lease is the content's due_at as its reader has set it, and no
-- other reader's nor any change's is the same to the microsecond. false where the content was taken by
-- another reader since, has another text or language by now, is read already or gone: then nothing was
-- done.
create function fynq.put_passages(content uuid, lease timestamptz, first int, passages jsonb)
returns boolean
language plpgsql set search_path = '' as $$
declare
  c public.contents;
begin
  select * into c from public.contents o
  where o.id = content and o.extraction = 'waiting' and o.due_at = lease for update;
  if c.id is null then
    return false;
  end if;
  delete from public.content_passages p where p.content_id = content and p.n >= first;
  insert into public.content_passages (content_id, n, page, body, search)
  select content, first + p.n::int - 1, (p.passage ->> 'page')::int, p.passage ->> 'body',
    to_tsvector(c.config::regconfig, p.passage ->> 'body')
  from jsonb_array_elements(passages) with ordinality as p (passage, n);
  return true;
end
$$;
comment on function fynq.put_passages(uuid, timestamptz, int, jsonb) is
  'Some passages of a content that is being read.';

-- All of them are there: so many, of a pdf of so many pages. false as above.
create function fynq.end_passages(content uuid, lease timestamptz, passages int, pages int)
returns boolean
language plpgsql set search_path = '' as $$
begin
  perform from public.contents o
  where o.id = content and o.extraction = 'waiting' and o.due_at = lease for update;
  if not found then
    return false;
  end if;
  delete from public.content_passages p
  where p.content_id = content and p.n > end_passages.passages;
  update public.contents o
  set extraction = 'done', extraction_error = null, pages = end_passages.pages
  where o.id = content;
  return true;
end
$$;
comment on function fynq.end_passages(uuid, timestamptz, int, int) is 'A content is read.';

revoke all on function fynq.any_word(regconfig, text),
  fynq.put_passages(uuid, timestamptz, int, jsonb), fynq.end_passages(uuid, timestamptz, int, int)
  from public;
grant execute on function fynq.any_word(regconfig, text),
  fynq.put_passages(uuid, timestamptz, int, jsonb), fynq.end_passages(uuid, timestamptz, int, int)
  to service_role;

-- migrate:down

drop function fynq.end_passages(uuid, timestamptz, int, int);
drop function fynq.put_passages(uuid, timestamptz, int, jsonb);
drop function fynq.any_word(regconfig, text);
alter policy messages_insert on public.messages
  with check (
    user_id = (select auth.uid())
    and sender = 'student'
    and status = 'complete'
    and num_nonnulls(parts, model, finish_reason, error, prompt_tokens, reply_tokens,
      thought_tokens, total_tokens, runner, file_id) = 0
  );
alter table public.messages drop column citations, drop column content_ids;
