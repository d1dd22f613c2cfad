// Objects: put, read, sign, remove.

import { checkBucket, checkKey, readJson } from "./storage-checks.mjs";
import {
  badRange, badRequest, badSignature, badToken, badType, denied, duplicate, noBucket, noKey,
  noLength, tooLarge,
} from "./storage-errors.mjs";

const DOWNLOAD = "download"; // the scope of the token

export async function putObject(ask, bucketId, name) {
  const bucket = ask.objects.bucket(bucketId);
  if (!bucket) throw noBucket();
  const { length, mimetype, cacheControl } = checkHeaders(ask, bucket);
  checkKey(name);
  if (!ask.trusted) throw denied("new row violates row-level security policy");
  const isNew = !ask.objects.find(bucketId, name);
  if (!isNew && ask.method === "POST" && ask.headers["x-upsert"] !== "true") {
    throw duplicate("KeyAlreadyExists");
  }
  if (isNew && ask.method === "PUT") throw noKey();
  const object = await ask.objects.put(bucketId, name, ask.stream,
    { length, mimetype, cacheControl });
  return { status: 200, body: { Id: object.id, Key: `${bucketId}/${name}` } };
}

/** Stricter than the service, which has a default for each of them. */
function checkHeaders({ method, headers, settings }, { file_size_limit: limit, allowed_mime_types }) {
  const { "content-type": mimetype, "cache-control": cacheControl, "x-upsert": upsert } = headers;
  if (mimetype?.startsWith("multipart/")) throw badRequest("the stand-in takes no forms");
  if (!mimetype || !/^[\w.+-]+\/[\w.+-]+(;.*)?$/.test(mimetype)) throw badType(mimetype);
  if (!cacheControl) throw badRequest("a cache-control is missing");
  if (method === "POST" && !["true", "false"].includes(upsert)) {
    throw badRequest("x-upsert is missing");
  }
  if (headers.expect) throw badRequest("no Expect");
  const length = Number(headers["content-length"] ?? NaN);
  if (!Number.isSafeInteger(length)) throw noLength();
  if (length > Math.min(limit ?? Infinity, settings.fileSizeLimit)) throw tooLarge();
  if (allowed_mime_types?.length > 0 && !allowed_mime_types.some((one) => fits(one, mimetype))) {
    throw badType(mimetype);
  }
  return { length, mimetype, cacheControl };
}

const fits = (allowed, type) =>
  allowed === type || (allowed.endsWith("/*") && type.startsWith(allowed.slice(0, -1)));

function found(ask, bucketId, name) {
  if (!ask.objects.bucket(bucketId)) throw noBucket();
  checkKey(name);
  const object = ask.trusted && ask.objects.find(bucketId, name);
  if (!object) throw noKey();
  return object;
}

export function getObject(ask, bucketId, name) {
  return sent(ask, found(ask, bucketId, name), {});
}

/** The answer: all of an object, or the part that Range asks for. */
function sent({ headers, query, objects }, object, more) {
  const { size, mimetype, eTag, cacheControl, lastModified } = object.metadata;
  const range = headers.range === undefined ? null : parseRange(headers.range, size);
  const name = query.get("download");
  if (headers["if-none-match"] === eTag) return { status: 304, headers: { etag: eTag } };
  return {
    status: range ? 206 : 200,
    headers: {
      "accept-ranges": "bytes", "content-type": mimetype.includes("text/html") ? "text/plain" : mimetype,
      etag: eTag, "x-robots-tag": "none", "last-modified": new Date(lastModified).toUTCString(),
      ...(more.expires ? { expires: more.expires } : { "cache-control": cacheControl }),
      ...(range ? { "content-range": `bytes ${range.from}-${range.last}/${size}` } : {}),
      ...(name === null ? {} : { "content-disposition": dispositionOf(name) }),
    },
    file: { path: objects.file(object), size,
      from: range?.from ?? 0, n: range ? range.last - range.from + 1 : size },
  };
}

function dispositionOf(name) {
  const encoded = encodeURIComponent(name);
  return name === "" ? "attachment;" : `attachment; filename=${encoded}; filename*=UTF-8''${encoded}`;
}

function parseRange(header, size) {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(header) ?? [];
  if (first === undefined || (first === "" && last === "") || size === 0) throw badRange();
  const from = first === "" ? Math.max(size - Number(last), 0) : Number(first);
  const end = first === "" || last === "" ? size - 1 : Math.min(Number(last), size - 1);
  if (from >= size || from > end || (first === "" && Number(last) === 0)) throw badRange();
  return { from, last: end };
}

export function getInfo(ask, bucketId, name) {
  const { id, version, bucket_id, metadata, user_metadata, updated_at, created_at } =
    found(ask, bucketId, name);
  return { status: 200, headers: { etag: metadata.eTag }, body: {
    id, name, version, bucket_id, size: metadata.size, content_type: metadata.mimetype,
    cache_control: metadata.cacheControl, etag: metadata.eTag, metadata: user_metadata,
    last_modified: updated_at, created_at,
  } };
}

export function signObject(ask, bucketId, name) {
  const { expiresIn } = readJson(ask, {
    expiresIn: { type: "integer", min: 1, required: true }, transform: { type: "object", of: {} },
  });
  // The service does not look at the bucket here.
  checkKey(name);
  const object = ask.trusted && ask.objects.find(bucketId, name);
  if (!object) throw noKey();
  const url = `${bucketId}/${name}`;
  const token = ask.keys.signLink({ url, scope: DOWNLOAD }, expiresIn);
  return { status: 200, body: { signedURL: `/object/sign/${url}?token=${token}` } };
}

export function getSigned(ask, bucketId, name) {
  const token = ask.query.get("token");
  if (token === null) throw badRequest("querystring must have required property 'token'");
  const claims = ask.keys.verifyLink(token);
  if (typeof claims === "string") throw badToken(claims);
  if (claims.scope !== DOWNLOAD || claims.url !== `${bucketId}/${name}`) throw badSignature();
  const object = ask.objects.find(bucketId, name);
  if (!object) throw noKey();
  return sent(ask, object, { expires: new Date(claims.exp * 1000).toUTCString() });
}

export function removeObject(ask, bucketId, name) {
  found(ask, bucketId, name);
  ask.objects.remove(bucketId, [name]);
  return { status: 200, body: { message: "Successfully deleted" } };
}

const MAX_REMOVED = 1000;

/** Those that are not there are not named in the answer; a missing bucket is no error either. */
export function removeObjects(ask, bucketId) {
  const { prefixes } = readJson(ask, { prefixes: { type: "strings", required: true } });
  checkBucket(bucketId);
  if (prefixes.length > MAX_REMOVED) {
    throw badRequest(`Bulk object requests are limited to ${MAX_REMOVED} objects per request.`);
  }
  prefixes.forEach(checkKey);
  const gone = ask.trusted ? ask.objects.remove(bucketId, prefixes) : [];
  return { status: 200, body: gone };
}
