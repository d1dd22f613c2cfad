// Signing in through another service: who may be sent where, and whose browser may come back. The
// service that keeps the accounts is away: none of this needs it.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { after, before, describe, it, test } from "node:test";

import { api, startStack } from "./lib/fynq.mjs";
import { assertNotLogged } from "./lib/logs.mjs";
import { assertProblem } from "./lib/problem.mjs";

const PAGE = "https://app.example/signed-in";
const SUPABASE = "http://127.0.0.1:9"; // Nobody listens there.
const COOKIE = "__Host-fynq-flow";

const verifier = () => randomBytes(32).toString("base64url");
const challengeOf = (text) => createHash("sha256").update(text).digest("base64url");

/** The parameters of a good beginning, with changes. */
const begin = (changes = {}) => ({
  redirect_to: PAGE, code_challenge: challengeOf(verifier()), code_challenge_method: "S256",
  state: randomBytes(12).toString("hex"), ...changes,
});

const path = (base, parameters) => `${base}?${new URLSearchParams(parameters)}`;

/** A browser's GET, which follows nothing. */
const get = (who, target, headers = {}) =>
  who("GET", target, { headers, signal: AbortSignal.timeout(20000) });

test("where accounts are the service's own, no other service signs in", async () => {
  assertProblem(await get(api, path("/auth/oauth/google", begin())), 404, "not_found");
  assertProblem(await get(api, "/auth/callback?flow=x&code=y"), 404, "not_found");
  const body = { code: "abc", code_verifier: verifier() };
  assertProblem(await api("POST", "/auth/exchange", { body }), 404, "not_found");
});

describe("with Supabase", { concurrency: 4 }, () => {
  let own;

  before(async () => {
    own = await startStack({ settings: {
      FYNQ_AUTH: "supabase", FYNQ_SUPABASE_URL: SUPABASE, FYNQ_SUPABASE_KEY: "sb_publishable_x",
      FYNQ_SUPABASE_SECRET_KEY: "sb_secret_x", FYNQ_PUBLIC_URL: "https://api.example/",
      FYNQ_REDIRECTS: `${PAGE},http://localhost:3000/back?a=b`,
    } });
  });
  after(() => own?.stop());

  const start = (changes, service = "google") =>
    get(own.api, path(`/auth/oauth/${service}`, begin(changes)));

  /** Begins a sign-in: {flow, cookie, state}. */
  async function begun(changes = {}) {
    const given = begin(changes);
    const answer = await get(own.api, path("/auth/oauth/google", given));
    assert.equal(answer.status, 302, answer.text);
    const callback = new URL(new URL(answer.headers.get("location")).searchParams.get("redirect_to"));
    return {
      flow: callback.searchParams.get("flow"), state: given.state,
      cookie: answer.headers.get("set-cookie").split(";")[0],
    };
  }

  const comeBack = (parameters, cookie) =>
    get(own.api, path("/auth/callback", parameters), cookie ? { cookie } : {});

  function assertSent(answer, page) {
    assert.equal(answer.status, 302, answer.text);
    assert.equal(answer.headers.get("cache-control"), "no-store");
    assert.equal(answer.headers.get("referrer-policy"), "no-referrer");
    const location = answer.headers.get("location");
    assert.ok(location.startsWith(page), location);
    return new URL(location);
  }

  it("the browser is sent to Supabase, which sends it back to us", async () => {
    const given = begin();
    const answer = await get(own.api, path("/auth/oauth/google", given),
      { "x-forwarded-host": "evil.example", "forwarded": "host=evil.example" });
    const url = assertSent(answer, `${SUPABASE}/auth/v1/authorize?`);
    const { redirect_to: callback, ...rest } = Object.fromEntries(url.searchParams);
    assert.deepEqual(rest, {
      provider: "google", code_challenge: given.code_challenge, code_challenge_method: "s256",
    });
    assert.match(callback, /^https:\/\/api\.example\/api\/v1\/auth\/callback\?flow=[\w-]{43}$/);
    assert.match(answer.headers.get("set-cookie"),
      /^__Host-fynq-flow=[\w.-]+; Path=\/; Secure; Max-Age=600; HttpOnly; SameSite=Lax$/);
    assert.ok(!answer.headers.get("set-cookie").includes(given.state));
  });

  it("two that begin are two flows", async () => {
    const [a, b] = [await begun(), await begun()];
    assert.notEqual(a.flow, b.flow);
  });

  it("only a page that is listed, letter by letter", async () => {
    const others = ["https://evil.example/", "//evil.example", "/signed-in", `${PAGE}/`,
      `${PAGE}?x=y`, `${PAGE}#x`, "HTTPS://app.example/signed-in", "https://app.example:443/signed-in",
      "https://u@app.example/signed-in", "https://app.example.evil.example/signed-in",
      "https://app.example@evil.example/", "https:\\\\evil.example", "javascript:alert(1)",
      `${PAGE}\r\nSet-Cookie: a=b`, ` ${PAGE}`, `${PAGE},`, "http://localhost:3000/back"];
    for (const page of others) {
      const answer = await start({ redirect_to: page });
      assertProblem(answer, 422, "invalid", ["redirect_to"]);
      assert.equal(answer.headers.get("location"), null);
      assert.equal(answer.headers.get("set-cookie"), null);
    }
    assert.equal((await start({ redirect_to: "http://localhost:3000/back?a=b" })).status, 302);
  });

  it("PKCE and a state are needed, and of a form", async () => {
    for (const name of ["redirect_to", "code_challenge", "state"]) {
      const { [name]: _, ...rest } = begin();
      assertProblem(await get(own.api, path("/auth/oauth/google", rest)), 422, "invalid", [name]);
    }
    const faulty = [["code_challenge", "a".repeat(42)], ["code_challenge", `${"a".repeat(42)}!`],
      ["code_challenge_method", "plain"], ["state", "short"],
      ["state", "über-alles-x"]];
    for (const [name, value] of faulty) {
      assertProblem(await start({ [name]: value }), 422, "invalid", [name]);
    }
  });

  it("a service is a name", async () => {
    for (const service of ["Google", "a%26redirect_to=b", "%2e%2e%2fadmin", "a%0d%0ab"]) {
      const { status, headers } = await start({}, service);
      assert.ok([404, 422, 400].includes(status), `${service}: ${status}`);
      assert.equal(headers.get("location"), null);
    }
  });

  it("the code goes to the page that began, once, with its state", async () => {
    const { flow, cookie, state } = await begun();
    const answer = await comeBack({ flow, code: "3f0c.-_Z" }, cookie);
    const url = assertSent(answer, `${PAGE}?`);
    assert.deepEqual(Object.fromEntries(url.searchParams), { code: "3f0c.-_Z", state });
    assert.match(answer.headers.get("set-cookie"), /^__Host-fynq-flow=; .*Max-Age=0;/);
    await assertNotLogged(own, answer, ["3f0c.-_Z", state, flow]);
  });

  it("a page with a query of its own, and a state with everything in it", async () => {
    const state = `& code=evil#"'<>%0d%0a+;=`;
    const { flow, cookie } = await begun({ redirect_to: "http://localhost:3000/back?a=b", state });
    const url = assertSent(await comeBack({ flow, code: "good" }, cookie),
      "http://localhost:3000/back?a=b&");
    assert.deepEqual([...url.searchParams], [["a", "b"], ["code", "good"], ["state", state]]);
    assert.equal(url.hash, "");
  });

  it("a failure is told, and is no more than words", async () => {
    const told = { error: "access_denied", error_code: "x", error_description: "No\r\nX: <b>&code=1" };
    const { flow, cookie, state } = await begun();
    const url = assertSent(await comeBack({ flow, ...told }, cookie), `${PAGE}?`);
    assert.deepEqual(Object.fromEntries(url.searchParams),
      { error: "access_denied", error_description: "No  X: <b>&code=1", state });

    const strange = { error: "<script>", error_description: "y".repeat(3000) };
    const second = assertSent(await comeBack({ flow, ...strange }, cookie), `${PAGE}?`);
    assert.equal(second.searchParams.get("error"), "server_error");
    assert.equal(second.searchParams.get("error_description"), "y".repeat(200));
    const third = assertSent(await comeBack({ flow }, cookie), `${PAGE}?`);
    assert.equal(third.searchParams.get("error"), "server_error");
  });

  it("nobody else's browser ends a flow", async () => {
    const [mine, theirs] = [await begun(), await begun()];
    const [nonce, page, state] = mine.cookie.slice(COOKIE.length + 1).split(".");
    const evil = Buffer.from("https://evil.example/").toString("base64url");
    const cookies = [undefined, theirs.cookie, "other=1", `${COOKIE}=`, `${COOKIE}=${nonce}`,
      `${COOKIE}=${nonce}.${page}`, `${COOKIE}=${nonce}.${evil}.${state}`,
      `${COOKIE}=${nonce}.!.${state}`, `${COOKIE}=.${page}.${state}`, `x${mine.cookie}`,
      `${COOKIE}=${"a".repeat(6000)}`];
    for (const cookie of cookies) {
      const answer = await comeBack({ flow: mine.flow, code: "good" }, cookie);
      assertProblem(answer, 400, "bad_request");
      assert.equal(answer.headers.get("location"), null);
    }
    for (const flow of ["", "x", `${mine.flow}x`, mine.flow.slice(1), theirs.flow]) {
      const answer = await comeBack(flow === "" ? { code: "good" } : { flow, code: "good" }, mine.cookie);
      assertProblem(answer, 400, "bad_request");
    }
    assertSent(await comeBack({ flow: mine.flow, code: "good" }, `a=b; ${mine.cookie}; c=d`), PAGE);
  });

  it("what is no code goes nowhere", async () => {
    const { flow, cookie } = await begun();
    for (const code of ["a b", "a&b", "a\r\nb", "ü", "a/b", "<a>"]) {
      const answer = await comeBack({ flow, code }, cookie);
      assert.ok([400, 422].includes(answer.status), code);
      assert.equal(answer.headers.get("location"), null);
    }
  });

  it("while Supabase is away, a code buys nothing, and that is said", async () => {
    const body = { code: "abc", code_verifier: verifier() };
    const answer = await own.api("POST", "/auth/exchange", { body });
    assertProblem(answer, 503, "accounts_unavailable");
    await assertNotLogged(own, answer, [body.code_verifier]);
  });
});
