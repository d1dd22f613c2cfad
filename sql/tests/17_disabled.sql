-- The password of a disabled account, and of no other.
begin;
\ir common.psql
select plan(5);

insert into auth.users (id, email, encrypted_password, banned_until) values
  (pg_temp.id(1), 'good@test.invalid', 'hash 1', null),
  (pg_temp.id(2), 'disabled@test.invalid', 'hash 2', now() + interval '1 day'),
  (pg_temp.id(3), 'again@test.invalid', 'hash 3', now() - interval '1 day');

set local role service_role;
select is(fynq.disabled_password('Disabled@test.invalid'), 'hash 2', 'of a disabled account');
select is(fynq.disabled_password(v.address), null, v.address)
from (values ('good@test.invalid'), ('again@test.invalid'), ('unknown@test.invalid')) v (address);

set local role authenticated;
select throws_ok($$ select fynq.disabled_password('disabled@test.invalid') $$, '42501', null,
  'not to users');

select * from finish();
rollback;
