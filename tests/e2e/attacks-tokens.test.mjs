// Forged access tokens, where the service has keys of every kind: each is refused with 401, none
// makes the service fetch anything, and none reaches a log. hostile-tokens.test.mjs has the claims.

import assert from "node:assert/strict";
import {
  createHmac, generateKeyPairSync, randomBytes, randomUUID, sign as signWith,
} from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";

import { startStack } from "./lib/fynq.mjs";
import { eachIsRefused } from "./lib/hostile-tokens.mjs";
import { Publisher } from "./lib/jwks.mjs";
import { assertNotLogged } from "./lib/logs.mjs";
import { assertProblem } from "./lib/problem.mjs";
import { claimsOf, jwtSecret } from "./lib/tokens.mjs";

const base64url = (bytes) => Buffer.from(bytes).toString("base64url");
const part = (value) => base64url(typeof value === "string" ? value : JSON.stringify(value));

// The order of P-256, and that of Ed25519's group, which is stored with the lowest byte first.
const P256_N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const ED25519_L = 2n ** 252n + 27742317777372353535851937790883648493n;

// kid: algorithm and how OpenSSL signs for it.
const kinds = {
  es: { alg: "ES256", type: "ec", options: { namedCurve: "P-256" }, hash: "sha256",
    how: { dsaEncoding: "ieee-p1363" } },
  rs: { alg: "RS256", type: "rsa", options: { modulusLength: 2048 }, hash: "sha256", how: {} },
  ed: { alg: "EdDSA", type: "ed25519", options: {}, hash: null, how: {} },
};

const keys = Object.fromEntries(Object.entries(kinds).map(([kid, { type, options }]) =>
  [kid, generateKeyPairSync(type, options)]));
const theirs = Object.fromEntries(Object.entries(kinds).map(([kid, { type, options }]) =>
  [kid, generateKeyPairSync(type, options)]));

/** Whence the service has the keys: start() resolves with a stack, register() with a student. */
const places = {
  "keys in a folder": {
    folder: null,
    async start() {
      this.folder = await mkdtemp(path.join(os.tmpdir(), "fynq-keys-"));
      for (const [kid, { privateKey }] of Object.entries(keys)) {
        const pem = privateKey.export({ type: "pkcs8", format: "pem" });
        await writeFile(path.join(this.folder, `${kid}.pem`), pem, { mode: 0o600 });
      }
      return startStack({ settings: { FYNQ_JWT_KEYS_DIR: this.folder, FYNQ_BCRYPT_COST: 4 } });
    },
    register: (own) => own.register(),
    stop() {
      return rm(this.folder, { recursive: true });
    },
  },
  "keys that Supabase Auth publishes": {
    publisher: null,
    async start() {
      const published = Object.entries(keys).map(([kid, { publicKey }]) => {
        const jwk = publicKey.export({ format: "jwk" });
        return { jwk: { ...jwk, kid, alg: kinds[kid].alg, use: "sig" } };
      });
      this.publisher = await Publisher.start(...published);
      return startStack({ settings: {
        FYNQ_AUTH: "supabase", FYNQ_SUPABASE_URL: this.publisher.url,
        FYNQ_SUPABASE_KEY: "sb_publishable_x", FYNQ_SUPABASE_SECRET_KEY: "sb_secret_x",
        FYNQ_JWT_ISSUER: `${this.publisher.url}/auth/v1`,
      } });
    },
    /** There are no accounts where the keys are: the service makes one of its own. */
    async register(own) {
      const body = { email: `${randomUUID()}@example.com`, password: randomUUID(),
        birth_date: "2000-01-31" };
      const environment = { FYNQ_AUTH: "local", FYNQ_BCRYPT_COST: "4" };
      const answer = await own.cgi("auth", "POST", "/api/v1/auth/register", { body, environment });
      assert.equal(answer.status, 201, answer.text);
      return { id: answer.json.user.id, token: answer.json.access_token };
    },
    stop() {
      return this.publisher.stop();
    },
  },
};

for (const [name, place] of Object.entries(places)) describe(name, () => attackTokens(place));

function attackTokens(place) {
  const tried = [];
  const fetched = [];
  let own;
  let secret;
  let student;
  let claims;
  let lure; // A server that the service must not ask.
  let lureUrl;

  before(async () => {
    lure = http.createServer((request, response) => {
      fetched.push(request.url);
      const jwk = { ...theirs.es.publicKey.export({ format: "jwk" }), kid: "es", alg: "ES256" };
      response.end(JSON.stringify({ keys: [jwk] }));
    }).listen(0, "127.0.0.1");
    await once(lure, "listening");
    lureUrl = `http://127.0.0.1:${lure.address().port}`;
    own = await place.start();
    secret = jwtSecret(own);
    student = await place.register(own);
    claims = claimsOf(student.token);
  });

  after(async () => {
    lure.close();
    await own?.stop();
    await place.stop();
  });

  const get = (token) => {
    tried.push(token);
    return own.api("GET", "/users/me", { token });
  };

  const signature = (kid, text, pair = keys[kid]) => {
    const { hash, how } = kinds[kid];
    return signWith(hash, Buffer.from(text), { key: pair.privateKey, ...how });
  };

  /** A token of these members, signed by that key; `header` goes over what belongs there. */
  function forge(kid, header = {}, change = {}, pair = keys[kid]) {
    const whole = typeof header === "string" ? header
      : { alg: kinds[kid].alg, typ: "JWT", kid, ...header };
    const body = typeof change === "string" ? change : { ...claims, ...change };
    const text = `${part(whole)}.${part(body)}`;
    return `${text}.${base64url(signature(kid, text, pair))}`;
  }

  /** The same text with another signature, of bytes or made from the good one. */
  function resign(kid, make, header = {}) {
    const text = forge(kid, header).split(".").slice(0, 2).join(".");
    return `${text}.${base64url(make(signature(kid, text), text))}`;
  }

  const hmac = (key, header) => {
    const text = `${part({ alg: "HS256", typ: "JWT", ...header })}.${part(claims)}`;
    return `${text}.${createHmac("sha256", key).update(text).digest("base64url")}`;
  };

  describe("the keys are in use", () => {
    for (const kid of Object.keys(kinds)) {
      it(`a token that ${kid} signed is believed`, async () => {
        const { status, text } = await get(forge(kid));
        assert.equal(status, 200, text);
      });
    }
  });

  const refused = {};

  for (const [kid, { alg }] of Object.entries(kinds)) {
    for (const none of ["none", "None", "NONE", "nOnE", "none ", ""]) {
      refused[`${kid}: alg "${none}", unsigned`] = () => resign(kid, () => "", { alg: none });
      refused[`${kid}: alg "${none}", signed`] = () => forge(kid, { alg: none });
    }
    refused[`${kid}: no signature`] = () => resign(kid, () => "");
    refused[`${kid}: a signature of zeros`] = () =>
      resign(kid, ({ length }) => Buffer.alloc(length));
    refused[`${kid}: a signature of ones`] = () =>
      resign(kid, ({ length }) => Buffer.alloc(length, 0xff));
    refused[`${kid}: a byte short`] = () => resign(kid, (bytes) => bytes.subarray(1));
    refused[`${kid}: a byte short at the end`] = () =>
      resign(kid, (bytes) => bytes.subarray(0, -1));
    refused[`${kid}: a zero before`] = () =>
      resign(kid, (bytes) => Buffer.concat([Buffer.alloc(1), bytes]));
    refused[`${kid}: a zero after`] = () =>
      resign(kid, (bytes) => Buffer.concat([bytes, Buffer.alloc(1)]));
    refused[`${kid}: twice`] = () => resign(kid, (bytes) => Buffer.concat([bytes, bytes]));
    refused[`${kid}: of other words`] = () =>
      resign(kid, (bytes, text) => signature(kid, `${text} `));
    refused[`${kid}: of the claims alone`] = () =>
      resign(kid, (bytes, text) => signature(kid, text.split(".")[1]));
    refused[`${kid}: of the text's hash`] = () =>
      resign(kid, (bytes, text) => signature(kid, createHmac("sha256", "").update(text).digest()));
    refused[`${kid}: by a key of one's own`] = () => forge(kid, {}, {}, theirs[kid]);
    refused[`${kid}: its alg in lower case`] = () => forge(kid, { alg: alg.toLowerCase() });
    refused[`${kid}: its alg and a NUL`] = () => forge(kid, { alg: `${alg}\0` });
    refused[`${kid}: its alg as a list`] = () => forge(kid, { alg: [alg] });
    refused[`${kid}: alg twice, the good one last`] = () =>
      forge(kid, `{"alg":"none","alg":"${alg}","kid":"${kid}"}`);
    refused[`${kid}: alg twice, the good one first`] = () =>
      forge(kid, `{"alg":"${alg}","alg":"none","kid":"${kid}"}`);
    refused[`${kid}: kid twice`] = () => forge(kid, `{"alg":"${alg}","kid":"x","kid":"${kid}"}`);
    refused[`${kid}: a claim twice`] = () =>
      forge(kid, {}, JSON.stringify(claims).replace("{", `{"sub":"${randomUUID()}",`));
    refused[`${kid}: header members of another case`] = () =>
      forge(kid, `{"ALG":"${alg}","KID":"${kid}"}`);
    refused[`${kid}: a critical extension`] = () => forge(kid, { crit: ["b64"], b64: false });
    for (const other of Object.keys(kinds)) {
      if (other === kid) continue;
      refused[`${kid}: under the name of ${other}`] = () => forge(kid, { kid: other });
      refused[`${kid}: with the alg of ${other}`] = () => forge(kid, { alg: kinds[other].alg });
    }
    const strangers = ["HS256", "HS384", "HS512", "RS384", "PS256", "ES384", "ES256K", "Ed25519"];
    for (const strange of strangers) {
      refused[`${kid}: alg ${strange}`] = () => forge(kid, { alg: strange });
    }

    // What is public of a key, as the secret of an HMAC.
    const { publicKey } = keys[kid];
    const jwk = () => publicKey.export({ format: "jwk" });
    const pem = () => publicKey.export({ type: "spki", format: "pem" });
    const publics = {
      "PEM": pem,
      "PEM without its last line end": () => pem().trim(),
      "PEM with line ends of DOS": () => pem().replaceAll("\n", "\r\n"),
      "PEM, its inside alone": () => pem().replace(/-----.*-----|\n/g, ""),
      "DER": () => publicKey.export({ type: "spki", format: "der" }),
      "JWK": () => JSON.stringify(jwk()),
      "kid": () => kid,
      "first coordinate": () => Buffer.from(jwk().x ?? jwk().n, "base64url"),
      "first coordinate, encoded": () => jwk().x ?? jwk().n,
      ...(kid === "rs" ? {
        "PEM of PKCS #1": () => publicKey.export({ type: "pkcs1", format: "pem" }),
        "DER of PKCS #1": () => publicKey.export({ type: "pkcs1", format: "der" }),
      } : {}),
    };
    for (const [form, bytes] of Object.entries(publics)) {
      refused[`${kid}: its ${form} as a secret`] = () => hmac(bytes(), { kid });
      refused[`${kid}: its ${form} as a secret, without kid`] = () => hmac(bytes(), {});
    }
  }

  const names = {
    "nobody's": "nobody",
    "a path up": "../es",
    "a path to nothing": "../../../../../../dev/null",
    "a path here": "./es",
    "its file": "es.pem",
    "another case": "ES",
    "SQL": "' union select 'AAAA' --",
    "a shell": "es|/usr/bin/id",
    "long": "e".repeat(4000),
    "a NUL after": "es\0",
    "a NUL within": "e\0s",
    "white space": "es ",
    "empty": "",
    "a pattern": "e?",
    "all": "*",
    "a URL": "file:///dev/null",
  };
  for (const [name, kid] of Object.entries(names)) {
    refused[`kid ${name}`] = () => forge("es", { kid });
    refused[`kid ${name}, with an empty secret`] = () => hmac("", { kid });
    refused[`kid ${name}, with what SQL would give`] = () => hmac("AAAA", { kid });
  }
  for (const [name, kid] of Object.entries({
    "a number": 0, "null": null, "true": true, "a list": ["es"], "an object": { es: 1 },
  })) {
    refused[`kid ${name}`] = () => forge("es", { kid });
  }

  // Keys that the token brings, or says where to find.
  const lured = {
    jku: () => `${lureUrl}/jwks.json`,
    x5u: () => `${lureUrl}/chain.pem`,
    jwk: () => theirs.es.publicKey.export({ format: "jwk" }),
    x5c: () => [theirs.es.publicKey.export({ type: "spki", format: "der" }).toString("base64")],
    kid: () => `${lureUrl}/key.pem`,
    iss: () => lureUrl,
  };
  for (const [member, make] of Object.entries(lured)) {
    for (const kid of ["es", "theirs", undefined]) {
      refused[`${member} of one's own, kid ${kid}`] = () =>
        forge("es", { kid, [member]: make() }, {}, theirs.es);
    }
  }
  refused["iss of one's own"] = () => forge("es", {}, { iss: lureUrl }, theirs.es);

  const int32 = (value) => Buffer.from(value.toString(16).padStart(64, "0"), "hex");
  const rs = (r, s) => () => resign("es", (bytes) =>
    Buffer.concat([r ?? bytes.subarray(0, 32), s ?? bytes.subarray(32)]));
  const [zero, one, order] = [int32(0n), int32(1n), int32(P256_N)];
  Object.assign(refused, {
    "es: r = 0": rs(zero, null),
    "es: s = 0": rs(null, zero),
    "es: r = s = 0": rs(zero, zero),
    "es: r = s = 1": rs(one, one),
    "es: r = n": rs(order, null),
    "es: s = n": rs(null, order),
    "es: r = s = n": rs(order, order),
    "es: r = n + 1": rs(int32(P256_N + 1n), null),
    "es: r and s changed over": () => resign("es", (bytes) =>
      Buffer.concat([bytes.subarray(32), bytes.subarray(0, 32)])),
    "es: as DER": () => resign("es", (bytes, text) =>
      signWith("sha256", Buffer.from(text), { key: keys.es.privateKey, dsaEncoding: "der" })),
    "es: SHA-384": () => resign("es", (bytes, text) =>
      signWith("sha384", Buffer.from(text), { key: keys.es.privateKey, ...kinds.es.how })),
    "rs: SHA-1": () => resign("rs", (bytes, text) =>
      signWith("sha1", Buffer.from(text), keys.rs.privateKey)),
    "rs: SHA-512": () => resign("rs", (bytes, text) =>
      signWith("sha512", Buffer.from(text), keys.rs.privateKey)),
    "rs: PSS": () => resign("rs", (bytes, text) =>
      signWith("sha256", Buffer.from(text),
        { key: keys.rs.privateKey, padding: 6, saltLength: 32 })),
    "rs: 1": () => resign("rs", ({ length }) =>
      Buffer.concat([Buffer.alloc(length - 1), Buffer.of(1)])),
    // S and S + L verify alike where nobody looks whether S is below L (RFC 8032 section 5.1.7).
    "ed: S + L": () => resign("ed", (bytes) => {
      const s = BigInt(`0x${Buffer.from(bytes.subarray(32)).reverse().toString("hex")}`);
      return Buffer.concat([bytes.subarray(0, 32), int32(s + ED25519_L).reverse()]);
    }),
  });

  /** A good token with one part of it written otherwise. */
  const written = (at, change) => () => {
    const parts = forge("es").split(".");
    parts[at] = change(parts[at]);
    return parts.join(".");
  };
  const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  for (const [at, name] of ["header", "claims", "signature"].entries()) {
    refused[`${name}: padded`] = written(at, (text) => `${text}=`);
    refused[`${name}: padded twice`] = written(at, (text) => `${text}==`);
    refused[`${name}: a character too many`] = written(at, (text) => `${text}A`);
    refused[`${name}: a space within`] = written(at, (text) => text.replace(/^..../, "$& "));
    refused[`${name}: a percent sign`] = written(at, (text) => text.replace(/.$/, "%41"));
  }
  // 64 bytes take 86 characters, of which the last has four bits that count for nothing.
  refused["signature: bits that count for nothing"] = written(2, (text) =>
    text.slice(0, -1) + ALPHABET[ALPHABET.indexOf(text.at(-1)) + 1]);
  refused["signature: the alphabet with + and /"] = () => {
    for (;;) {
      const token = forge("es");
      const parts = token.split(".");
      if (!/[-_]/.test(parts[2])) continue;
      parts[2] = parts[2].replaceAll("-", "+").replaceAll("_", "/");
      return parts.join(".");
    }
  };
  Object.assign(refused, {
    "four parts": () => `${forge("es")}.`,
    "five parts": () => `${forge("es")}..`,
    "a dot before": () => `.${forge("es")}`,
    "two dots within": () => forge("es").replace(".", ".."),
    "two tokens": () => `${forge("es")},${forge("es")}`,
    "two tokens, white space between": () => `${forge("es")} ${forge("es")}`,
    "a token in a token": () => forge("es", { cty: "JWT" }, JSON.stringify(forge("es"))),
    "the JSON form": () => {
      const [header, payload, mark] = forge("es").split(".");
      return JSON.stringify({ payload, signatures: [{ protected: header, signature: mark }] });
    },
    "a header that is a list": () => forge("es", '["ES256"]'),
    "a header that is a string": () => forge("es", '"ES256"'),
    "a header with a byte order mark": () => forge("es", '\ufeff{"alg":"ES256","kid":"es"}'),
    "a header with more behind it": () => forge("es", '{"alg":"ES256","kid":"es"}{}'),
    "a header of a thousand levels": () =>
      forge("es", `{"alg":"ES256","kid":"es","x":${"[".repeat(1000)}${"]".repeat(1000)}}`),
    "claims compressed": () => forge("es", { zip: "DEF" }, randomBytes(40).toString("latin1")),
  });

  describe("refused with 401", { concurrency: 4 }, () => eachIsRefused(refused, get));

  it("a token that names a key's address and is good is not fetched for", async () => {
    for (const [member, make] of Object.entries(lured)) {
      if (member === "kid") continue;
      const { status } = await get(forge("es", { [member]: make() }));
      assert.ok([200, 401].includes(status), member);
    }
  });

  it("nobody's server was asked", () => {
    assert.deepEqual(fetched, []);
  });

  it("8 KB are read, one byte more is not", async () => {
    const sized = (bytes) => {
      const spare = bytes - forge("es", {}, { pad: "" }).length;
      for (let n = Math.floor(spare * 0.74); n < spare; n += 1) {
        const token = forge("es", {}, { pad: "x".repeat(n) });
        if (token.length === bytes) return token;
      }
      return null;
    };
    const ask = (token) => own.cgi("users", "GET", "/api/v1/users/me", { token });
    // Some lengths no base64url has.
    const fits = sized(8192) ?? sized(8191);
    const tooLong = sized(8193) ?? sized(8194);
    assert.equal((await ask(fits)).status, 200);
    assertProblem(await ask(tooLong), 401, "unauthorized");
  });

  it("the database role is not the token's to choose", async () => {
    const other = await place.register(own);
    for (const role of ["service_role", "anon", "postgres", "fynq", "authenticated\0", ["x"]]) {
      const token = forge("es", {}, { role });
      const { status } = await own.api("GET", `/chat/history/${other.id}`, { token });
      assert.ok([401, 404].includes(status), `${role}: ${status}`);
    }
  });

  it("the session of another is no session of one's own", async () => {
    const other = await place.register(own);
    const { session_id } = claimsOf(other.token);
    assertProblem(await get(forge("es", {}, { session_id })), 401, "unauthorized");
    assertProblem(await get(forge("es", {}, { session_id: randomUUID() })), 401, "unauthorized");
  });

  it("no token and no key reaches a log", async () => {
    const last = await get(forge("es"));
    const secrets = tried.filter((token) => token.length > 100).map((token) => token.slice(-40))
      .filter((text) => /^[\w-]{40}$/.test(text) && !/^(.)\1+$/.test(text));
    const privates = Object.values(keys).map(({ privateKey }) =>
      privateKey.export({ type: "pkcs8", format: "pem" }).split("\n")[1]);
    await assertNotLogged(own, last, [secret, ...privates, ...secrets]);
  });
}
