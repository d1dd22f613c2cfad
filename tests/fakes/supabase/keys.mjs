// What access tokens are signed with, and the keys of the project.

import {
  createHmac, createPublicKey, generateKeyPairSync, randomBytes, randomUUID, sign, timingSafeEqual,
  verify,
} from "node:crypto";

import { forbidden } from "./errors.mjs";

const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

const badToken = (why) =>
  forbidden("bad_jwt", `invalid JWT: unable to parse or verify signature, ${why}`);

export class Keys {
  #secret;
  #signing = "ES256";
  #pairs = []; // The newest first: {kid, privateKey, publicKey}.

  /** `secret` is that of HS256. */
  constructor(secret, keys = {}) {
    this.#secret = secret;
    this.publishable = keys.publishable ?? `sb_publishable_${randomBytes(16).toString("base64url")}`;
    this.secret = keys.secret ?? `sb_secret_${randomBytes(16).toString("base64url")}`;
    this.anon = this.#legacy("anon");
    this.serviceRole = this.#legacy("service_role");
    this.rotate();
  }

  get signing() {
    return this.#signing;
  }

  /** "ES256" or "HS256". */
  set signing(algorithm) {
    if (!["ES256", "HS256"].includes(algorithm)) throw new RangeError("ES256 or HS256");
    this.#signing = algorithm;
  }

  /** Signs with a new key from now on; the old ones stay in the key set. Answers its kid. */
  rotate() {
    const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const kid = randomUUID();
    this.#pairs.unshift({ kid, ...pair });
    return kid;
  }

  /** Forgets every key but the newest; answers the kids that are gone. */
  drop() {
    return this.#pairs.splice(1).map(({ kid }) => kid);
  }

  /** RFC 7517. Never the secret of HS256. */
  set() {
    const keys = this.#pairs.map(({ kid, publicKey }) => ({
      alg: "ES256", ...publicKey.export({ format: "jwk" }), key_ops: ["verify"], kid, use: "sig",
    }));
    return { keys };
  }

  /** An access token of these claims. */
  sign(claims) {
    if (this.#signing === "HS256") return this.#signHs256(claims);
    const { kid, privateKey } = this.#pairs[0];
    const text = `${encode({ alg: "ES256", kid, typ: "JWT" })}.${encode(claims)}`;
    const signature = sign("sha256", Buffer.from(text), {
      key: privateKey, dsaEncoding: "ieee-p1363",
    });
    return `${text}.${signature.toString("base64url")}`;
  }

  /** The claims of a token that is good now; else throws bad_jwt, in the service's words. */
  verify(token) {
    const parts = token.split(".");
    if (parts.length !== 3) {
      throw badToken("token is malformed: token contains an invalid number of segments");
    }
    const [header, claims] = parts.slice(0, 2).map(decode);
    if (!header || !claims) throw badToken("token is malformed: could not JSON decode");
    if (!this.#isSigned(header, parts)) throw badToken("token signature is invalid");
    const now = Date.now() / 1000;
    if (typeof claims.exp === "number" && claims.exp <= now) {
      throw badToken("token has invalid claims: token is expired");
    }
    if (typeof claims.nbf === "number" && claims.nbf > now) {
      throw badToken("token has invalid claims: token is not valid yet");
    }
    return claims;
  }

  #isSigned({ alg, kid }, [head, body, signature]) {
    const text = Buffer.from(`${head}.${body}`);
    const given = Buffer.from(signature, "base64url");
    const pair = this.#pairs.find((one) => one.kid === kid);
    if (pair) {
      return alg === "ES256" && given.length === 64 &&
        verify("sha256", text, { key: pair.publicKey, dsaEncoding: "ieee-p1363" }, given);
    }
    if (alg !== "HS256") {
      throw badToken(`token is unverifiable: unrecognized JWT kid ${kid} for algorithm ${alg}`);
    }
    const wanted = createHmac("sha256", this.#secret).update(text).digest();
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  }

  #signHs256(claims) {
    const text = `${encode({ alg: "HS256", typ: "JWT" })}.${encode(claims)}`;
    return `${text}.${createHmac("sha256", this.#secret).update(text).digest("base64url")}`;
  }

  /** The older keys: tokens of a role, good for ten years. */
  #legacy(role) {
    const iat = Math.floor(Date.now() / 1000);
    return this.#signHs256({ iss: "supabase", ref: "stand-in", role, iat, exp: iat + 315360000 });
  }

  /** The token of a link, good for so many seconds. */
  signLink(claims, seconds) {
    const iat = Math.floor(Date.now() / 1000);
    return this.#signHs256({ ...claims, iat, exp: iat + seconds });
  }

  /** Its claims; or, as a string, what is wrong with it, in the service's words. */
  verifyLink(token) {
    const parts = token.split(".");
    const [header, claims] = parts.slice(0, 2).map(decode);
    if (parts.length !== 3 || header?.alg !== "HS256" || !claims) return "Invalid Compact JWS";
    if (!this.#isSigned(header, parts)) return "signature verification failed";
    return claims.exp > Date.now() / 1000 ? claims : '"exp" claim timestamp check failed';
  }

  /** For roles that the gateway vouches for, where the key itself is no token. */
  internalToken(role) {
    const iat = Math.floor(Date.now() / 1000);
    return this.#signHs256({ iss: "supabase", role, iat, exp: iat + 60 });
  }
}

function decode(part) {
  try {
    const value = JSON.parse(Buffer.from(part, "base64url"));
    return typeof value === "object" ? value : null;
  } catch {
    return null;
  }
}

/** A JWK of RFC 7517 as a key, for those who check tokens in tests. */
export function keyOf(jwk) {
  return createPublicKey({ key: jwk, format: "jwk" });
}
