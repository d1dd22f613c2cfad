// What tests of accounts that Supabase Auth keeps start with, and call.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

import { startStack } from "./fynq.mjs";

export const PAGE = "https://app.example/signed-in";
export const SITE = "http://127.0.0.1:3000/auth";
export const TIMEOUT_MS = 5000;

export const email = () => `${randomUUID()}@example.com`;
export const password = () => `pass ${randomUUID()}`;

/** A stack of the test's own whose accounts the stand-in keeps, which sends a mail at any time. */
export async function startSupabase() {
  const own = await startStack({ auth: "supabase", settings: {
    FYNQ_PUBLIC_URL: "http://localhost:8443", FYNQ_REDIRECTS: PAGE, FYNQ_SITE_URL: SITE,
    FYNQ_SUPABASE_TIMEOUT_MS: TIMEOUT_MS,
  } });
  await own.supabase.set({
    mail_interval_seconds: 0, redirects: ["http://localhost:8443/api/v1/auth/callback?flow=*"],
  });
  return own;
}

/** Calls on the stack that `stackOf` gives once there is one. */
export function callsOf(stackOf) {
  const post = (path, body, token) => stackOf().api("POST", `/auth/${path}`, { body, token });
  return {
    post,
    me: (token) => stackOf().api("GET", "/users/me", { token }),
    login: ({ email: address, password: word }) => post("login", { email: address, password: word }),
    refresh: (token) => post("refresh", { refresh_token: token }),
  };
}

/** What a request that went well was answered. */
export async function good(answer, status = 200) {
  const { status: got, text, json } = await answer;
  assert.equal(got, status, text);
  return json;
}
