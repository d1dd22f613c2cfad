-- Who asks: auth.*(), fynq.app_role(), the login role, and the layout of fynq's own auth schema.
begin;
\ir common.psql
select plan(33);

-- No claims: nobody.
select set_config('request.jwt.claims', '', true) \g /dev/null
select is(auth.uid(), null, 'uid() without claims');
select is(auth.role(), null, 'role() without claims');
select is(auth.email(), null, 'email() without claims');
select is(auth.jwt(), null, 'jwt() without claims');
select is(fynq.app_role(), 'student', 'app_role() without claims');

-- One setting with all claims.
select set_config('request.jwt.claims', '{"sub": "01900000-0000-7000-8000-00000000000a",
  "role": "authenticated", "email": "a@test.invalid", "app_metadata": {"role": "teacher"}}', true)
  \g /dev/null
select is(auth.uid(), '01900000-0000-7000-8000-00000000000a'::uuid, 'uid() from claims');
select is(auth.role(), 'authenticated', 'role() from claims');
select is(auth.email(), 'a@test.invalid', 'email() from claims');
select is(auth.jwt() ->> 'sub', '01900000-0000-7000-8000-00000000000a', 'jwt() from claims');
select is(fynq.app_role(), 'teacher', 'app_role() from claims');

-- One setting for each claim, as older PostgREST set them.
select set_config('request.jwt.claims', '', true) \g /dev/null
select set_config('request.jwt.claim.sub', '01900000-0000-7000-8000-00000000000b', true)
  \g /dev/null
select set_config('request.jwt.claim.role', 'anon', true) \g /dev/null
select set_config('request.jwt.claim.email', 'b@test.invalid', true) \g /dev/null
select is(auth.uid(), '01900000-0000-7000-8000-00000000000b'::uuid, 'uid() from the older setting');
select is(auth.role(), 'anon', 'role() from the older setting');
select is(auth.email(), 'b@test.invalid', 'email() from the older setting');
select set_config('request.jwt.claim.sub', '', true) \g /dev/null
select set_config('request.jwt.claim.role', '', true) \g /dev/null
select set_config('request.jwt.claim.email', '', true) \g /dev/null

-- The application's role comes from app_metadata alone, and only the known ones count.
create function pg_temp.role_of(claims text) returns text language plpgsql as $$
begin
  perform set_config('request.jwt.claims', claims, true);
  return fynq.app_role();
end
$$;
select is(pg_temp.role_of('{"app_metadata": {"role": "admin"}}'), 'admin', 'an admin');
select is(pg_temp.role_of('{"app_metadata": {"role": "root"}}'), 'student', 'an unknown role');
select is(pg_temp.role_of('{"app_metadata": {"role": ["admin"]}}'), 'student',
  'a role of wrong type');
select is(pg_temp.role_of('{"app_metadata": "admin"}'), 'student', 'app_metadata of wrong type');
select is(pg_temp.role_of('{"user_metadata": {"role": "admin"}}'), 'student', 'user_metadata');
select is(pg_temp.role_of('{"role": "admin"}'), 'student', 'the database role');

-- The login role alone, and what it can become.
select is(pg_temp.attempt('login', 'select from public.profiles'), '42501', 'login role: profiles');
select is(pg_temp.attempt('login', 'select from public.chats'), '42501', 'login role: chats');
select is(pg_temp.attempt('login', 'select from public.messages'), '42501', 'login role: messages');
select is(pg_temp.attempt('login', 'select from auth.users'), '42501', 'login role: auth.users');
select is(pg_temp.attempt('login', 'select from fynq.runners'), '42501', 'login role: runners');
select is(pg_temp.attempt('login', 'create table public.mine ()'), '42501', 'login role: create');
select is(pg_temp.value('student', 'select auth.uid()::text'), pg_temp.uid('student')::text,
  'the login role becomes the user of the claims');

-- Accounts are out of every client's reach.
select is(pg_temp.attempt('anon', 'select from auth.users'), '42501', 'anon: auth.users');
select is(pg_temp.attempt('student', 'select from auth.users'), '42501', 'student: auth.users');
select is(pg_temp.attempt('admin', 'select from auth.sessions'), '42501', 'admin: auth.sessions');
select is(pg_temp.attempt('admin', 'select from auth.refresh_tokens'), '42501',
  'admin: auth.refresh_tokens');

-- fynq's own accounts; where Supabase keeps them they are its business.
select case when pg_temp.auth_is_ours() then collect_tap(
  is(pg_temp.attempt('service', format($$
    with s as (insert into auth.sessions (id, user_id, ip) values (%L, %L, '2001:db8::1')
      returning id, user_id)
    insert into auth.refresh_tokens (token, user_id, session_id)
    select repeat('0', 64), s.user_id, s.id from s;
    update auth.refresh_tokens set revoked = true where session_id = %1$L;
    update auth.users set last_sign_in_at = now() where id = %2$L;
    delete from auth.users where id = %2$L
  $$, pg_temp.id(1), pg_temp.uid('student'))), '1', 'service_role keeps accounts and sessions'),
  is(pg_temp.attempt('service', format($$
    insert into auth.sessions (id, user_id) values (%L, %L);
    insert into auth.refresh_tokens (token, user_id, session_id) values ('secret', %2$L, %1$L)
  $$, pg_temp.id(1), pg_temp.uid('student'))), '23514 refresh_tokens_token_check',
    'a refresh token that is no SHA-256 is refused'),
  is(pg_temp.attempt('service', format($$
    insert into auth.users (id, email) values (%L, 'STUDENT@test.invalid')
  $$, pg_temp.id(1))), '23505 users_email_partial_key', 'an address has one account')
) else skip('Supabase keeps the accounts', 3) end;

select * from finish();
rollback;
