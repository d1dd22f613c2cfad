// multipart/form-data (RFC 7578), part by part.

import { randomUUID } from "node:crypto";

/** A part's value that is a file of these bytes; `name` is its filename. */
export const filePart = (bytes, name = "picture", type = "application/octet-stream") =>
  ({ bytes, name, type });

/**
 * {body, headers} of a request with these parts: texts, and files of filePart(). An array of pairs
 * instead of an object may name a part twice.
 */
export function form(parts, boundary = randomUUID()) {
  const pairs = Array.isArray(parts) ? parts : Object.entries(parts);
  const pieces = pairs.flatMap(([name, value]) => [
    Buffer.from(`--${boundary}\r\n${headOf(name, value)}\r\n\r\n`),
    value.bytes ?? Buffer.from(value),
    Buffer.from("\r\n"),
  ]);
  return {
    body: Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)]),
    headers: { "content-type": `multipart/form-data; boundary=${boundary}` },
  };
}

function headOf(name, value) {
  const disposition = `Content-Disposition: form-data; name="${name}"`;
  if (!value.bytes) return disposition;
  return `${disposition}; filename="${value.name}"\r\nContent-Type: ${value.type}`;
}
