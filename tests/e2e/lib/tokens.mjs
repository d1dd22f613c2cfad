// Access tokens as an attacker would make them.

import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";

const base64url = (text) => Buffer.from(text).toString("base64url");

/** The secret that a stack signs its tokens with, from its settings. */
export function jwtSecret({ config }) {
  const [, file] = /^FYNQ_JWT_SECRET_FILE=(.*)$/m.exec(readFileSync(config, "utf8"));
  return readFileSync(file, "utf8").trim();
}

/** The claims of a token, unchecked. */
export function claimsOf(token) {
  return JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
}

/** A token of header and claims, each an object or JSON as text; HMAC-SHA-256 whatever is said. */
export function sign(header, claims, secret) {
  const parts = [header, claims].map((part) =>
    base64url(typeof part === "string" ? part : JSON.stringify(part)));
  const signed = parts.join(".");
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}
