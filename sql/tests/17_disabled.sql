-- The password of a disabled account, and of no other.
begin;
\ir common.psql
select plan(5);

insert into auth.users (id, email, encrypted_password, banned_until) values
  (pg_temp.id(1), 'good@test.invalid', 'hash 1', null),
  (pg_temp.id(2), 'disabled@test.invalid', 'hash 2', now() + interval '1 day'),
  (pg_temp.id(3), 'again@test.invalid', 'hash 3', now() - interval '1 day');

select is(pg_temp.value('service', format('select fynq.disabled_password(%L)', v.address)), v.hash,
  v.address)
from (values ('Disabled@test.invalid', 'hash 2'), ('good@test.invalid', null),
  ('again@test.invalid', null), ('unknown@test.invalid', null)) as v (address, hash);

select is(pg_temp.attempt('student', $$ select fynq.disabled_password('disabled@test.invalid') $$),
  '42501', 'not to users');

select * from finish();
rollback;
