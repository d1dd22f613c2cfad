// Links to files as fynq signs them, with any secret and any expiry.

import { createHash, createHmac } from "node:crypto";

const LABEL = "fynq file links 1";

/** The path of a link that a service with this secret takes; `expires` is a number or a text. */
export function signLink(secret, id, expires, { method = "GET" } = {}) {
  const key = createHmac("sha256", secret).update(LABEL).digest();
  const name = createHash("sha256").update(key).digest("hex").slice(0, 8);
  const text = `${method}\n${id}\n${expires}`;
  const signature = createHmac("sha256", key).update(text).digest("base64url");
  const query = new URLSearchParams({ expires, key: name, signature });
  return `/api/v1/files/${id}/link?${query}`;
}
