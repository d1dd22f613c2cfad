// What every error must look like (RFC 9457).

import assert from "node:assert/strict";

/**
 * `answer` is a problem of this status and code; `fields` are the names of the faulty ones, in any
 * order, where it is about fields.
 */
export function assertProblem({ status, headers, text, json }, wanted, code, fields) {
  assert.equal(status, wanted, text);
  assert.equal(headers.get("content-type"), "application/problem+json");
  assert.equal(json?.status, wanted, text);
  assert.equal(json.code, code, text);
  assert.equal(json.type, `urn:fynq:problem:${code}`);
  assert.equal(typeof json.title, "string");
  assert.notEqual(json.title, "");
  assert.equal(json.instance, headers.get("x-request-id"));
  if (!fields) return;
  assert.deepEqual(json.errors?.map(({ field }) => field).sort(), [...fields].sort(), text);
  for (const { code: reason, message } of json.errors) {
    assert.match(reason, /^[a-z_]+$/);
    assert.match(message, /\.$/);
  }
}

/** Retry-After, in whole seconds from `least` to `most`; none where they are not given. */
export function assertRetryAfter({ headers }, least, most) {
  const value = headers.get("retry-after");
  if (least === undefined) {
    assert.equal(value, null);
    return;
  }
  assert.match(String(value), /^[1-9][0-9]*$/);
  assert.ok(Number(value) >= least && Number(value) <= most, `Retry-After: ${value}`);
}
