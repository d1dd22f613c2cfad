// Keys as another issuer of access tokens has them, and the endpoint where it publishes them.

import { createHmac, generateKeyPairSync, sign } from "node:crypto";
import { once } from "node:events";
import http from "node:http";

const KINDS = {
  RS256: ["rsa", { modulusLength: 2048 }, "sha256"],
  ES256: ["ec", { namedCurve: "P-256" }, "sha256"],
  EdDSA: ["ed25519", {}, null],
};

/** A key pair: {kid, alg, jwk (public), token(claims, header)}. */
export function makeKey(alg, kid) {
  const [type, options, hash] = KINDS[alg];
  const { publicKey, privateKey } = generateKeyPairSync(type, options);
  const jwk = { ...publicKey.export({ format: "jwk" }), kid, alg, use: "sig" };
  const token = (claims, header = {}) =>
    compact({ alg, kid, typ: "JWT", ...header }, claims, (signed) =>
      sign(hash, signed, { key: privateKey, dsaEncoding: "ieee-p1363" }));
  return { kid, alg, jwk, token };
}

/** A symmetric key as a JWK, which no JWK Set should hold, and tokens by it. */
export function makeSecret(kid) {
  const k = Buffer.from("a secret that everybody can read").toString("base64url");
  const token = (claims) =>
    compact({ alg: "HS256", kid, typ: "JWT" }, claims, (signed) =>
      createHmac("sha256", Buffer.from(k, "base64url")).update(signed).digest());
  return { kid, alg: "HS256", jwk: { kty: "oct", kid, alg: "HS256", k }, token };
}

function compact(header, claims, signer) {
  const signed = [header, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
    .join(".");
  return `${signed}.${signer(Buffer.from(signed)).toString("base64url")}`;
}

/** Serves a JWK Set at Supabase Auth's path and counts how often it is asked for. */
export class Publisher {
  #server;
  #held = [];
  keys;
  hits = 0;
  headers = { "cache-control": "public, max-age=600" };
  answer = null; // {status, body} in place of the keys
  holding = false; // answers wait for release()

  static async start(...keys) {
    const publisher = new Publisher();
    publisher.keys = keys;
    publisher.#server = http.createServer((request, response) => publisher.#serve(request, response));
    publisher.#server.listen(0, "127.0.0.1");
    await once(publisher.#server, "listening");
    publisher.url = `http://127.0.0.1:${publisher.#server.address().port}`;
    return publisher;
  }

  #serve(request, response) {
    this.hits += 1;
    const send = () => {
      const known = request.url === "/auth/v1/.well-known/jwks.json";
      const { status, body } = this.answer ??
        { status: known ? 200 : 404, body: JSON.stringify({ keys: this.keys.map(({ jwk }) => jwk) }) };
      response.writeHead(status, { "content-type": "application/json", ...this.headers });
      response.end(body);
    };
    if (this.holding) this.#held.push(send);
    else send();
  }

  release() {
    this.holding = false;
    for (const send of this.#held.splice(0)) send();
  }

  async stop() {
    if (!this.#server.listening) return;
    this.release();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}
