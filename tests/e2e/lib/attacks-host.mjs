// A request that says it came for another host: no link of a mail and no redirect goes there. The
// pages that a sign-in may come back to are in oauth.test.mjs.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";

import { PAGE } from "./account-modes.mjs";

const EVIL = "evil.example";

/** Lines of a request's head that name another host; {target}: what stands before the path. */
const ways = {
  "Host": { lines: [`Host: ${EVIL}`] },
  "Host with a port": { lines: [`Host: ${EVIL}:443`] },
  "Host that is no name": { lines: ["Host: x'\"<script>"] },
  "Host with a user": { lines: [`Host: 127.0.0.1@${EVIL}`] },
  "Host with a path": { lines: [`Host: 127.0.0.1/${EVIL}`] },
  "two Hosts": { lines: ["Host: 127.0.0.1", `Host: ${EVIL}`] },
  "a Host that goes on": { lines: ["Host: 127.0.0.1", ` ${EVIL}`] },
  "no Host": { lines: [] },
  "an address as target": { target: `http://${EVIL}`, lines: ["Host: 127.0.0.1"] },
  "another as target and Host": { target: `http://${EVIL}`, lines: [`Host: ${EVIL}`] },
  "X-Forwarded-Host": { lines: ["Host: 127.0.0.1", `X-Forwarded-Host: ${EVIL}`] },
  "all that proxies say": {
    lines: ["Host: 127.0.0.1", `Forwarded: host=${EVIL};proto=https;for=${EVIL}`,
      `X-Forwarded-Host: ${EVIL}`, `X-Forwarded-Server: ${EVIL}`, `X-Host: ${EVIL}`,
      `X-Original-URL: http://${EVIL}/`, `X-Rewrite-URL: http://${EVIL}/`,
      "X-Forwarded-Proto: https", `X-HTTP-Host-Override: ${EVIL}`, `Origin: https://${EVIL}`,
      `Referer: https://${EVIL}/`],
  },
};

const head = (method, path, { target = "", lines }, more = []) =>
  [`${method} ${target}${path} HTTP/1.1`, ...lines, "Connection: close", ...more, "", ""]
    .join("\r\n");

const statusOf = (answer) => Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)[1]);

/**
 * `stackProvider` resolves with the stack to ask, whoever keeps its accounts; `placeOf(email)` with
 * the newest mail to that address and where its link leads: {mail, place}.
 */
export function attackLinks(stackProvider, placeOf) {
  describe("the link of a mail", { concurrency: 4 }, () => {
    for (const [name, way] of Object.entries(ways)) {
      it(name, async () => {
        const stack = await stackProvider();
        const { email } = await stack.register();
        const body = JSON.stringify({ email });
        const answer = await stack.raw(head("POST", "/api/v1/auth/recover", way, [
          "Content-Type: application/json", `Content-Length: ${Buffer.byteLength(body)}`,
        ]) + body);
        assert.ok([202, 400].includes(statusOf(answer)), answer);
        assert.equal(answer.includes(EVIL), false, answer);
        // What is refused sends nothing; one that is asked for well does, and only then.
        if (statusOf(answer) === 400) {
          const { status } = await stack.api("POST", "/auth/recover", { body: { email } });
          assert.equal(status, 202);
        }
        const { mail, place } = await placeOf(email);
        assert.equal(JSON.stringify(mail).includes(EVIL), false);
        const [, site] = /^FYNQ_SITE_URL=(.*)$/m.exec(await readFile(stack.config, "utf8"));
        assert.equal(place, site);
      });
    }
  });
}

/** The same for the addresses of a sign-in through another service; with Supabase Auth. */
export function attackSignIns(stackProvider) {
  describe("a sign-in through another service", { concurrency: 4 }, () => {
    for (const [name, way] of Object.entries(ways)) {
      it(name, async () => {
        const stack = await stackProvider();
        const query = new URLSearchParams({
          redirect_to: PAGE,
          code_challenge: randomBytes(32).toString("base64url"),
          state: randomBytes(12).toString("hex"),
        });
        const answer = await stack.raw(head("GET", `/api/v1/auth/oauth/google?${query}`, way));
        assert.ok([302, 400].includes(statusOf(answer)), answer);
        assert.equal(answer.includes(EVIL), false, answer);
        if (statusOf(answer) === 400) return;
        const location = new URL(/\r\nLocation: (.*)\r\n/i.exec(answer)[1]);
        assert.equal(location.origin, stack.supabase.url);
        const callback = new URL(location.searchParams.get("redirect_to"));
        assert.equal(callback.origin, "http://localhost:8443");
      });
    }
  });
}
