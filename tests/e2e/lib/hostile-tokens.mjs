// Access tokens that must not be believed: each is answered with 401, none with more, and none of
// them reaches a log.

import assert from "node:assert/strict";
import { generateKeyPairSync, randomBytes, randomUUID, sign as signWith } from "node:crypto";
import { before, describe, it } from "node:test";

import { waitUntil } from "./fynq.mjs";
import { assertNotLogged } from "./logs.mjs";
import { assertProblem } from "./problem.mjs";
import { claimsOf, sign } from "./tokens.mjs";

const HS256 = { alg: "HS256", typ: "JWT" };
const now = () => Math.floor(Date.now() / 1000);

/** A test for each of these tokens, made when its turn comes: {name: make()}. `get` asks with one. */
export function eachIsRefused(tokens, get) {
  for (const [name, make] of Object.entries(tokens)) {
    it(name, async () => {
      const answer = await get(make());
      assertProblem(answer, 401, "unauthorized");
      assert.equal(answer.headers.get("www-authenticate"), 'Bearer error="invalid_token"');
    });
  }
}

/**
 * `stackProvider` resolves with the stack to try them on, whoever keeps its accounts, and the
 * secret that its tokens may be signed with: {stack, secret}.
 */
export function hostileTokens(stackProvider) {
  const tried = [];

  let api, cgi, db, raw, register, secret, stack;
  let student;
  let claims;

  before(async () => {
    ({ stack, secret } = await stackProvider());
    ({ api, cgi, db, raw, register } = stack);
    student = await register();
    claims = claimsOf(student.token);
  });

  const get = (token) => {
    tried.push(token);
    return api("GET", "/users/me", { token });
  };

  const forge = (change, header = HS256) => sign(header, { ...claims, ...change }, secret);
  const without = (...names) =>
    sign(HS256, Object.fromEntries(Object.entries(claims).filter(([key]) => !names.includes(key))),
      secret);

  it("a token signed here as the service signs is believed", async () => {
    const { status, json } = await get(forge({}));
    assert.equal(status, 200);
    assert.equal(json.id, student.id);
  });

  it("aud may be a list, and clocks may differ a little", async () => {
    for (const make of [
      () => ({ aud: ["elsewhere", "authenticated"] }),
      () => ({ iat: now() + 5 }),
      () => ({ nbf: now() + 5 }),
      () => ({ exp: now() - 1 }), // Nine seconds are left to ask in.
    ]) {
      const change = make();
      assert.equal((await get(forge(change))).status, 200, JSON.stringify(change));
    }
  });

  const asymmetric = (alg, type, options, padding) => () => {
    const { privateKey } = generateKeyPairSync(type, options);
    const signed = sign({ alg, typ: "JWT" }, claims, secret).split(".").slice(0, 2).join(".");
    const signature = signWith("sha256", Buffer.from(signed), { key: privateKey, ...padding });
    return `${signed}.${signature.toString("base64url")}`;
  };

  const unsigned = (header) => () =>
    `${sign(header, claims, secret).split(".").slice(0, 2).join(".")}.`;

  /** One base64url character of a part changed, so that other bits come out. */
  function bend(part, at) {
    return () => {
      const parts = student.token.split(".");
      const letter = parts[part].at(at) === "A" ? "B" : "A";
      const characters = [...parts[part]];
      characters[at < 0 ? characters.length + at : at] = letter;
      parts[part] = characters.join("");
      return parts.join(".");
    };
  }

  // Every row is a function, as the claims are known only when the tests run.
  const refused = {
    "alg none, unsigned": unsigned({ alg: "none", typ: "JWT" }),
    "alg None": unsigned({ alg: "None", typ: "JWT" }),
    "alg none, signed": () => forge({}, { alg: "none" }),
    "alg empty": () => forge({}, { alg: "" }),
    "no alg": () => forge({}, { typ: "JWT" }),
    "alg hs256, in lower case": () => forge({}, { alg: "hs256" }),
    "alg HS384 over HS256": () => forge({}, { alg: "HS384" }),
    "alg as a list": () => forge({}, { alg: ["HS256"] }),
    "alg twice": () => forge({}, '{"alg":"none","alg":"HS256"}'),
    "HS256 without a signature": unsigned(HS256),
    "signed with another secret": () => sign(HS256, claims, randomBytes(32)),
    "signed with an empty secret": () => sign(HS256, claims, ""),
    "RS256 with the shared secret": () => forge({}, { alg: "RS256", typ: "JWT" }),
    "ES256 with the shared secret": () => forge({}, { alg: "ES256", typ: "JWT" }),
    "RS256 with a key of its own": asymmetric("RS256", "rsa", { modulusLength: 2048 }),
    "ES256 with a key of its own": asymmetric("ES256", "ec", { namedCurve: "P-256" }, {
      dsaEncoding: "ieee-p1363",
    }),
    "a key in the header": () => forge({}, { ...HS256, jwk: { kty: "oct", k: "AAAA" } })
      .replace(/[^.]*$/, (signature) => signature.split("").reverse().join("")),
    "a critical extension": () => forge({}, { ...HS256, crit: ["exp"], exp: 1 }),

    "aud of another": () => forge({ aud: "another" }),
    "aud a list of others": () => forge({ aud: ["a", "b"] }),
    "aud empty": () => forge({ aud: [] }),
    "aud a number": () => forge({ aud: 1 }),
    "no aud": () => without("aud"),
    "iss of another": () => forge({ iss: "another" }),
    "no iss": () => without("iss"),
    "iat in the future": () => forge({ iat: now() + 3600 }),
    "iat a string": () => forge({ iat: String(now()) }),
    "no iat": () => without("iat"),
    "nbf in the future": () => forge({ nbf: now() + 3600 }),
    "nbf a string": () => forge({ nbf: "0" }),
    "no exp": () => without("exp"),
    "exp a string": () => forge({ exp: String(now() + 60) }),
    "exp null": () => forge({ exp: null }),
    "exp a fraction": () => sign(HS256, JSON.stringify(claims).replace(
      /"exp":\d+/, `"exp":${now() + 60}.5`), secret),
    "exp with an exponent": () => sign(HS256, JSON.stringify(claims).replace(
      /"exp":\d+/, '"exp":1e300'), secret),
    "no sub": () => without("sub"),
    "sub no uuid": () => forge({ sub: "' or 1=1 --" }),
    "sub a list": () => forge({ sub: [student.id] }),
    "session_id no uuid": () => forge({ session_id: "1" }),
    "app_metadata a string": () => forge({ app_metadata: "admin" }),
    "claims twice": () => sign(HS256, JSON.stringify(claims).replace(
      "{", `{"sub":"${randomUUID()}",`), secret),
    "claims a list": () => sign(HS256, `[${JSON.stringify(claims)}]`, secret),
    "claims not JSON": () => sign(HS256, "sub=me", secret),
    "claims with a NUL": () => forge({ note: "a\0b" }),
    "claims not UTF-8": () => sign(HS256, Buffer.from(
      `${JSON.stringify(claims).slice(0, -1)},"x":"\xff"}`, "latin1"), secret),
    "claims a thousand levels deep": () => sign(HS256, `${
      JSON.stringify(claims).slice(0, -1)},"x":${"[".repeat(1000)}${"]".repeat(1000)}}`, secret),

    "cut at the end": () => student.token.slice(0, -1),
    "cut in the middle": () => student.token.slice(0, student.token.length >> 1),
    "without its signature": () => student.token.split(".").slice(0, 2).join("."),
    "a part too many": () => `${student.token}.x`,
    "two dots alone": () => "..",
    "one dot alone": () => ".",
    "garbage": () => randomBytes(90).toString("base64url"),
    "garbage in three parts": () => [1, 2, 3].map(() => randomBytes(40).toString("base64url"))
      .join("."),
    "another header": bend(0, 4),
    "other claims": bend(1, 40),
    "another signature": bend(2, 3),
    "padding": () => `${student.token}=`,
    "the secret itself": () => secret,
    "the refresh token": () => student.refreshToken,
    "seven kilobytes": () => `${"A".repeat(3500)}.${"B".repeat(3500)}.C`,
  };

  describe("refused with 401", { concurrency: 4 }, () => eachIsRefused(refused, get));

  it("an expired token is told so", async () => {
    for (const exp of [now() - 3600, now() - 11, 0, -1]) {
      const answer = await get(forge({ exp }));
      assertProblem(answer, 401, "token_expired");
      assert.match(answer.headers.get("www-authenticate"), /^Bearer error="invalid_token", /);
    }
  });

  it("a token that was believed is not when it has expired", async () => {
    // The leeway is 10 s: this one lives two seconds more, long enough to be remembered; where the
    // machine is busy for so long, the next one four.
    let token, first;
    let seconds = 1;
    do {
      seconds *= 2;
      const over = now() + seconds;
      token = forge({ exp: over - 10 });
      first = await get(token);
      if (Date.now() / 1000 < over) assert.equal(first.status, 200);
    } while (first.status !== 200);
    const refusal = async () => {
      const answer = await get(token);
      return answer.status === 200 ? null : answer;
    };
    const answer = await waitUntil(refusal, { everyMs: 200, timeoutMs: seconds * 1000 + 10000 });
    assertProblem(answer, 401, "token_expired");
  });

  it("a huge exp is no harm", async () => {
    const withExp = (exp) =>
      get(sign(HS256, JSON.stringify(claims).replace(/"exp":\d+/, `"exp":${exp}`), secret));
    assert.equal((await withExp("253402300799")).status, 200);
    assertProblem(await withExp("253402300800"), 401, "unauthorized");
    assertProblem(await withExp("9223372036854775807"), 401, "unauthorized");
    assertProblem(await withExp("-9223372036854775808"), 401, "unauthorized");
    assertProblem(await withExp("99999999999999999999999"), 401, "unauthorized");
  });

  it("rights come from app_metadata alone, and only from a signed one", async () => {
    const other = await register();
    const history = `/chat/history/${other.id}`;
    const user = { token: forge({ user_metadata: { role: "admin" }, role: "service_role" }) };
    assertProblem(await api("GET", history, user), 404, "not_found");
    const forged = sign(HS256, { ...claims, app_metadata: { role: "admin" } }, "x".repeat(48));
    assertProblem(await api("GET", history, { token: forged }), 401, "unauthorized");
  });

  it("a role counts while the account has it, too", async () => {
    const other = await register();
    const made = await register();
    const admin = sign(HS256, { ...claimsOf(made.token), app_metadata: { role: "admin" } }, secret);
    tried.push(admin);
    const history = `/chat/history/${other.id}`;
    assertProblem(await api("GET", history, { token: admin }), 401, "unauthorized");
    await db.run(`update auth.users set raw_app_meta_data = '{"role": "admin"}' where id = $1`,
      [made.id]);
    assert.equal((await api("GET", history, { token: admin })).status, 200);
  });

  it("a token of somebody who is not there is nobody's", async () => {
    for (const change of [
      { sub: randomUUID() },
      { sub: randomUUID(), session_id: undefined },
      { session_id: randomUUID() },
      { session_id: claimsOf((await register()).token).session_id },
    ]) {
      const token = forge(change);
      assertProblem(await get(token), 401, "unauthorized");
      const asked = await api("POST", "/chat/message", { token, body: { content: "Who am I?" } });
      assertProblem(asked, 401, "unauthorized");
    }
  });

  it("a token that names no session is one of the account's", async () => {
    assert.equal((await get(forge({ session_id: undefined }))).status, 200);
  });

  describe("no token, or not as Bearer", () => {
    for (const [name, authorization] of Object.entries({
      "nothing": undefined,
      "nothing but a scheme": "Bearer",
      "Basic": `Basic ${Buffer.from("a:b").toString("base64")}`,
      "a token without a scheme": "eyJhbGciOiJIUzI1NiJ9.e30.x",
      "two schemes": "Bearer Bearer x",
    })) {
      it(name, async () => {
        const headers = authorization === undefined ? {} : { authorization };
        const answer = await api("GET", "/users/me", { headers });
        assertProblem(answer, 401, "unauthorized");
        assert.match(answer.headers.get("www-authenticate"), /^Bearer/);
      });
    }
  });

  describe("tokens of megabytes", () => {
    for (const bytes of [9000, 100_000, 10_000_000]) {
      it(`${bytes} bytes: Nginx refuses them`, async () => {
        const answer = await raw(
          `GET /api/v1/users/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${
            "A".repeat(bytes)}\r\nConnection: close\r\n\r\n`,
        );
        assert.match(answer, /^HTTP\/1\.1 431 /);
        assert.match(answer, /"code":"headers_too_large"/);
      });
    }

    it("100 KB to a responder without Nginx", async () => {
      const token = `${"A".repeat(50000)}.${"B".repeat(50000)}.C`;
      const answer = await cgi("users", "GET", "/api/v1/users/me", { token });
      assertProblem(answer, 401, "unauthorized");
      assert.equal(answer.code, 0, answer.stderr);
    });
  });

  it("no token reaches a log, and nothing failed inside", async () => {
    const last = await api("GET", "/users/me", { token: student.token });
    // The signature is enough to know a token by, and short enough to be cut nowhere.
    const secrets = tried.filter((token) => token.length > 60).map((token) => token.slice(-40));
    await assertNotLogged(stack, last, [secret, student.refreshToken, ...secrets]);
  });
}
