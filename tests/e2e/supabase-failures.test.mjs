// Accounts that Supabase Auth keeps: what becomes of its failures, and which settings are refused.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { waitUntil } from "./lib/fynq.mjs";
import { assertProblem, assertRetryAfter } from "./lib/problem.mjs";
import { callsOf, email, good, password, startSupabase, TIMEOUT_MS } from "./lib/supabase.mjs";
import { sign } from "./lib/tokens.mjs";

// What a busy machine may take beyond a time that is set.
const SLACK_MS = 20000;

let own, supabase;

before(async () => {
  own = await startSupabase();
  supabase = own.supabase;
});
after(() => own?.stop());

const { post, login, refresh } = callsOf(() => own);

describe("failures", { concurrency: 4 }, () => {
  const away = ["unexpected", "conflict", "timeout", "unknown_code", "bad_gateway", "unavailable",
    "gateway_timeout", "origin_down", "wrong_key", "silence", "truncated", "rubbish", "html_ok",
    "empty", "null_body", "array", "bare", "wrong_types", "elsewhere", "huge"];

  for (const named of away) {
    it(`${named}: accounts are away, and come back`, async () => {
      const student = await own.register();
      await supabase.fail(student.email, named, { route: "POST /token" });
      const answer = await login(student);
      assertProblem(answer, 503, "accounts_unavailable");
      assert.ok(answer.ms < TIMEOUT_MS + SLACK_MS, `${answer.ms} ms`);
      assertRetryAfter(answer, 1, 60);
      await good(login(student));
    });
  }

  for (const named of ["wrong_type", "huge_header"]) {
    it(`${named}: is no failure`, async () => {
      const student = await own.register();
      await supabase.fail(student.email, named, { route: "POST /token" });
      await good(login(student));
    });
  }

  for (const [named, seconds] of [["request_limit", undefined], ["request_limit_wait", 7]]) {
    it(`${named}: too often, and when to come back`, async () => {
      const student = await own.register();
      await supabase.fail(student.email, named, { route: "POST /token" });
      const answer = await login(student);
      assertProblem(answer, 429, "rate_limited");
      assertRetryAfter(answer, seconds ?? 1, seconds ?? 60);
    });
  }

  it("what may have been done is not done again", async () => {
    for (const named of ["cut_before", "cut_after", "cut_within"]) {
      const address = email();
      await supabase.fail(address, named, { route: "POST /signup" });
      const body = { email: address, password: password(), birth_date: "2000-01-01" };
      assertProblem(await post("register", body), 503, "accounts_unavailable");
      const { length } = await supabase.calls(address);
      assert.equal(length, 1, named);
    }
  });

  for (const named of ["cut_before", "cut_after", "cut_within"]) {
    it(`a refresh whose answer was lost is tried once more: ${named}`, async () => {
      const { refreshToken } = await own.register();
      await supabase.fail(refreshToken, named);
      const { refresh_token: next } = await good(refresh(refreshToken));
      await good(refresh(next));
    });
  }

  it("a mail that cannot be sent now waits", async () => {
    const { email: address } = await own.register();
    await supabase.fail(address, "mail_limit", { route: "POST /recover" });
    await good(post("recover", { email: address }), 202);
    // A try counts from when it is begun; for two minutes after that nobody else makes one.
    await waitUntil(async () => {
      const mails = await own.db.query(
        `select tries from fynq.mails
         where email = $1 and due_at between now() and now() + interval '1 minute'`, [address]);
      return mails.length === 1 && mails[0].tries === 1;
    }, { what: "the mail was tried once" });
    await supabase.heal(address);
    assert.deepEqual(await supabase.mails(address), []);
  });
});

describe("settings", { concurrency: 4 }, () => {
  const check = async (settings) =>
    (await own.fynqctl(["config", "check"], { FYNQ_AUTH: "supabase", ...settings }));

  /** A key of the older kind: a token of the project. */
  const legacy = (role) => sign({ alg: "HS256", typ: "JWT" }, { iss: "supabase", role }, "secret");

  const rows = [
    ["FYNQ_SUPABASE_URL", ""], ["FYNQ_SUPABASE_URL", "project.supabase.co"],
    ["FYNQ_SUPABASE_URL", "https://project.supabase.co/auth/v1"],
    ["FYNQ_SUPABASE_URL", "https://user@project.supabase.co"],
    ["FYNQ_SUPABASE_KEY", ""], ["FYNQ_SUPABASE_SECRET_KEY", ""],
    ["FYNQ_SUPABASE_KEY", "sb_secret_x"], ["FYNQ_SUPABASE_SECRET_KEY", "sb_publishable_x"],
    ["FYNQ_SUPABASE_KEY", legacy("service_role")], ["FYNQ_SUPABASE_SECRET_KEY", legacy("anon")],
    ["FYNQ_SUPABASE_CA_FILE", "/nowhere"], ["FYNQ_SITE_URL", "app.example"],
    ["FYNQ_PUBLIC_URL", "api.example"], ["FYNQ_REDIRECTS", "https://app.example/*,app.example"],
    ["FYNQ_REDIRECTS", "http://app.example/signed-in"],
  ];
  for (const [name, value] of rows) {
    it(`${name}="${value}" is named, and refused`, async () => {
      const { code, stdout, stderr } = await check({ [name]: value });
      assert.notEqual(code, 0);
      assert.match(stdout + stderr, new RegExp(`${name}: `));
    });
  }

  it("a slash at the end of the project's URL is the same", async () => {
    const { code, stderr } = await check({ FYNQ_SUPABASE_URL: `${supabase.url}/` });
    assert.equal(code, 0, stderr);
  });
});
