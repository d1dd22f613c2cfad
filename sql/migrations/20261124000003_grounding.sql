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
  select string_agg('''' || replace(replace(w.lexeme, '\', '\\'), '''', '''''') || '''', ' | ')::tsquery
  from (
    select u.lexeme from unnest(to_tsvector(config, left(words, 8000))) u
    order by u.positions[1] limit 64
  ) w
$$;
comment on function fynq.any_word(regconfig, text) is 'A search for any of a text''s first 64 words.';
revoke all on function fynq.any_word(regconfig, text) from public;
grant execute on function fynq.any_word(regconfig, text) to service_role;

-- migrate:down

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
