-- Profiles: made at sign-up whatever the user said, the birth date once, the bounds, the tag.
begin;
\ir common.psql
select plan(60);

-- The profile that an account gets, from what its user said.
create function pg_temp.signed_up(said jsonb) returns text language plpgsql as $$
declare
  found_text text;
begin
  insert into auth.users (id, email, raw_user_meta_data)
  values (pg_temp.id(1), 'new@test.invalid', said);
  select concat_ws('|', coalesce(p.display_name, '-'), coalesce(p.locale, '-'),
    coalesce(p.birth_date::text, '-')) into found_text
  from public.profiles p where p.id = pg_temp.id(1);
  delete from auth.users where id = pg_temp.id(1);
  return found_text;
end
$$;

select is(pg_temp.signed_up(v.said::jsonb), v.expected, format('sign-up with %s', v.what))
from (values
  ('{"display_name": "Ada", "locale": "de-CH", "birth_date": "2000-02-29"}', 'Ada|de-CH|2000-02-29',
    'all that is asked'),
  (null, '-|-|-', 'nothing'),
  ('{}', '-|-|-', 'an empty object'),
  ('[]', '-|-|-', 'an array'),
  ('"birth_date"', '-|-|-', 'a string'),
  ('{"display_name": "  Ada  "}', 'Ada|-|-', 'a name in spaces'),
  ('{"display_name": "   "}', '-|-|-', 'a blank name'),
  ('{"display_name": {"a": 1}, "locale": 1, "birth_date": ["2000-01-01"]}', '-|-|-', 'wrong types'),
  ('{"birth_date": "2001-02-29"}', '-|-|-', 'a day that there is not'),
  ('{"birth_date": "0000-00-00"}', '-|-|-', 'a date of zeros'),
  ('{"birth_date": "infinity"}', '-|-|-', 'the end of time'),
  ('{"birth_date": "yesterday"}', '-|-|-', 'a word'),
  ('{"birth_date": "20000101"}', '-|-|-', 'a date without hyphens'),
  ('{"birth_date": 20000101}', '-|-|-', 'a number'),
  ('{"birth_date": "1899-12-31"}', '-|-|-', 'a date before 1900'),
  ('{"birth_date": "2099-01-01"}', '-|-|-', 'a date to come')
) as v (said, expected, what);

select is(
  pg_temp.signed_up(
    jsonb_build_object('display_name', repeat('é', 101), 'locale', repeat('x', 36))),
  repeat('é', 100) || '|-|-', 'sign-up with a name and a locale too long');
select is(pg_temp.signed_up(jsonb_build_object('display_name', v.said)), v.kept || '|-|-',
  format('sign-up with a name %s', v.what))
from (values
  (E'Ada\nLovelace', 'Ada Lovelace', 'of two lines'),
  (E'\u001b[31mAda\u007f', '[31mAda', 'that colours a terminal'),
  (E'Ada\u2028\u2029\u0085\tL', 'Ada L', 'with every other line end'),
  (E'\r\n\u00a0\u3000', '-', 'of white space alone'),
  ('<script>', '<script>', 'that is text all the same'),
  (repeat('x', 1000000), repeat('x', 100), 'of a megabyte'),
  (repeat(E'\n', 1000000) || 'x', '-', 'of a megabyte of line ends')
) as v (said, kept, what);
select is(pg_temp.signed_up(jsonb_build_object('locale', v.said)),
  format('-|%s|-', case when v.kept then v.said else '-' end), format('sign-up with locale %s', v.said))
from (values
  ('en', true), ('zh-cmn-Hans-CN', true), ('de-CH-1901', true), ('en-u-ca-gregory-x-a', true),
  ('x-whatever', true), ('i-klingon', true), ('SR-latn-rs', true),
  ('', false), ('en_GB', false), ('en-', false), ('en-u', false), ('en-x', false),
  (E'en\n', false), ('<b>', false), ('en-a-bb-' || repeat('c', 8) || '-' || repeat('d', 19), false)
) as v (said, kept);
select is(pg_temp.signed_up((repeat('[', 1000) || repeat(']', 1000))::jsonb), '-|-|-',
  'sign-up with a thousand levels');
select is(pg_temp.signed_up(jsonb_build_object('display_name', 'Ada', 'birth_date',
    (repeat('{"a":', 1000) || '1' || repeat('}', 1000))::jsonb, 'locale', array_fill(1, array[9999]))),
  'Ada|-|-', 'sign-up with a name among a thousand levels');

-- An account may be inserted by who has no right on public, as on Supabase.
select is(pg_temp.attempt('anon', 'select from public.profiles'), '42501', 'anon sees no profile');
create role fynq_test_accounts nologin;
grant usage on schema auth to fynq_test_accounts;
grant insert on auth.users to fynq_test_accounts;
create policy fynq_test_accounts on auth.users for insert to fynq_test_accounts with check (true);
set local role fynq_test_accounts;
insert into auth.users (id, email)
values ('01900000-0000-7000-9000-000000000001', 'new@test.invalid');
reset role;
select ok(exists (select from public.profiles where id = pg_temp.id(1)),
  'the profile is made for who may not make it');

delete from auth.users where id = pg_temp.id(1);
select ok(not exists (select from public.profiles where id = pg_temp.id(1)),
  'the profile goes with its account');

-- The birth date.
select is(pg_temp.attempt('student', 'update public.profiles set birth_date = ''2000-01-01'''), '1',
  'a birth date is set once');
select is(pg_temp.attempt('student', 'update public.profiles set birth_date = ''2000-01-01'';
  update public.profiles set birth_date = ''1990-01-01'''), '23514 profiles_birth_date_once',
  'and not again');
select is(pg_temp.attempt('student', 'update public.profiles set birth_date = ''2000-01-01'';
  update public.profiles set birth_date = ''2000-01-01'', locale = ''en'''), '1',
  'the same again changes nothing');
select is(pg_temp.attempt('teacher', 'update public.profiles set birth_date = ''2000-01-01'';
  update public.profiles set birth_date = ''1990-01-01'''), '23514 profiles_birth_date_once',
  'nor by a teacher');
select is(pg_temp.attempt('service', format('update public.profiles set birth_date = ''2000-01-01''
  where id = %L; update public.profiles set birth_date = ''1990-01-01'' where id = %1$L',
  pg_temp.uid('student'))), '1', 'the service corrects it');
select is(pg_temp.attempt('admin', format('update public.profiles set birth_date = ''2000-01-01''
  where id = %L; update public.profiles set birth_date = ''1990-01-01'' where id = %1$L',
  pg_temp.uid('admin'))), '1', 'an admin corrects their own');

-- Bounds.
select is(pg_temp.attempt('student', 'update public.profiles set ' || v.change), v.expected, v.what)
from (values
  ('display_name = repeat(''é'', 101)', '23514 profiles_display_name_check', 'a name over 100'),
  ('locale = repeat(''x'', 36)', '23514 profiles_locale_check', 'a locale over 35'),
  ('grade_level = repeat(''x'', 51)', '23514 profiles_grade_level_check', 'a grade over 50'),
  ('birth_date = ''1899-12-31''', '23514 profiles_birth_date_check', 'a birth date before 1900'),
  ('birth_date = ''infinity''', '23514 profiles_birth_date_check', 'a birth date without end'),
  ('preferences = ''[]''', '23514 profiles_preferences_check', 'preferences that are no object'),
  ('preferences = jsonb_build_object(''a'', repeat(''x'', 8184))',
    '23514 profiles_preferences_check', 'preferences over 8 kB'),
  ('preferences = jsonb_build_object(''a'', repeat(''x'', 8183))', '1', 'preferences of 8 kB')
) as v (change, expected, what);

-- The tag: two changes in one transaction, at one now(), give two tags.
create temporary table tags (tag text) on commit drop;
create function pg_temp.note_tag() returns void language sql as $$
  insert into pg_temp.tags
  select fynq.etag(updated_at) from public.profiles where id = pg_temp.uid('student')
$$;
select pg_temp.note_tag() \g /dev/null
update public.profiles set locale = 'fr' where id = pg_temp.uid('student');
select pg_temp.note_tag() \g /dev/null
update public.profiles set locale = 'fr', updated_at = now() + interval '1 day' - interval '1 day'
where id = pg_temp.uid('student');
select pg_temp.note_tag() \g /dev/null
select is((select count(distinct tag) from tags), 3::bigint, 'every change has its own tag');
select is(fynq.etag('2000-01-01 00:00:00.000255+00'), 'ff', 'the tag is microseconds in base 16');

select * from finish();
rollback;
