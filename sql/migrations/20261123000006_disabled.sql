-- migrate:up

-- Supabase says of an account that it is disabled before it looks at the password. Whoever is to be
-- told must have given the right one, so the service compares it with this. Of other accounts the
-- hash is not handed out.
create function fynq.disabled_password(address text) returns text
language plpgsql stable security definer set search_path = '' as $$
begin
  return (
    select u.encrypted_password from auth.users u
    where u.id = fynq.account_by_email(address) and u.banned_until > now()
  );
end
$$;
comment on function fynq.disabled_password(text) is
  'The hash of the password of a disabled account; null where it is not disabled.';
revoke all on function fynq.disabled_password(text) from public;
grant execute on function fynq.disabled_password(text) to service_role;

-- migrate:down

drop function fynq.disabled_password(text);
