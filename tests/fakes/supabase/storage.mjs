// Supabase Storage behind the gateway: whose key, which route; then the answer.

import { gateway } from "./errors.mjs";
import {
  createBucket, deleteBucket, emptyBucket, getBucket, listBuckets, updateBucket,
} from "./storage-buckets.mjs";
import { denied, StorageError, storageErrorAnswer } from "./storage-errors.mjs";
import { listObjects, listObjectsV2 } from "./storage-lists.mjs";
import {
  getInfo, getObject, getSigned, putObject, removeObject, removeObjects, signObject,
} from "./storage-routes.mjs";

export const STORAGE = "/storage/v1";

const BUCKET = "([^/]+)";
const ANY = "(.+)";
const at = (...parts) => new RegExp(`^/${parts.join("/")}/?$`);

// The first that fits: names such as "sign" come before buckets. `open`: by a token of its own.
// `streamed`: the body is not read before.
const routes = [
  { method: "POST", path: at("bucket"), handle: createBucket },
  { method: "GET", path: at("bucket"), handle: listBuckets },
  { method: "GET", path: at("bucket", BUCKET), handle: getBucket },
  { method: "PUT", path: at("bucket", BUCKET), handle: updateBucket },
  { method: "DELETE", path: at("bucket", BUCKET), handle: deleteBucket },
  { method: "POST", path: at("bucket", BUCKET, "empty"), handle: emptyBucket },
  { method: "POST", path: at("object", "list", BUCKET), handle: listObjects },
  { method: "POST", path: at("object", "list-v2", BUCKET), handle: listObjectsV2 },
  { method: "POST", path: at("object", "sign", BUCKET, ANY), handle: signObject },
  { method: "GET", path: at("object", "sign", BUCKET, ANY), open: true, handle: getSigned },
  { method: "HEAD", path: at("object", "sign", BUCKET, ANY), open: true, handle: getSigned },
  { method: "GET", path: at("object", "info", "authenticated", BUCKET, ANY), handle: getInfo },
  { method: "GET", path: at("object", "info", BUCKET, ANY), handle: getInfo },
  { method: "GET", path: at("object", "authenticated", BUCKET, ANY), handle: getObject },
  { method: "HEAD", path: at("object", "authenticated", BUCKET, ANY), handle: getObject },
  { method: "POST", path: at("object", BUCKET, ANY), streamed: true, handle: putObject },
  { method: "PUT", path: at("object", BUCKET, ANY), streamed: true, handle: putObject },
  { method: "GET", path: at("object", BUCKET, ANY), handle: getObject },
  { method: "HEAD", path: at("object", BUCKET, ANY), handle: getObject },
  { method: "DELETE", path: at("object", BUCKET), handle: removeObjects },
  { method: "DELETE", path: at("object", BUCKET, ANY), handle: removeObject },
];

function find(method, path) {
  if (!path.startsWith(`${STORAGE}/`)) return null;
  const asked = path.slice(STORAGE.length);
  const row = routes.find((one) => one.method === method && one.path.test(asked));
  return row && { ...row, args: row.path.exec(asked).slice(1) };
}

/** Whether the body of such a request is an object's, to be read piece by piece. */
export function isStreamed(method, path) {
  return find(method, path)?.streamed ?? false;
}

/** What answers requests: serve(exchange) resolves with {status, headers, body, file}. */
export function createStorage({ keys, objects, settings }) {
  return async (exchange) => {
    try {
      const row = find(exchange.method, exchange.path);
      if (!objects || !row) return gateway.noRoute;
      const ask = new Ask(exchange, { keys, objects, settings });
      if (!row.open) ask.role = roleOf(ask);
      return await row.handle(ask, ...row.args.map(decoded));
    } catch (error) {
      if (error instanceof Refused) return error.answer;
      if (!(error instanceof StorageError) && !exchange.gone) console.error(error);
      const known = error instanceof StorageError ? error
        : new StorageError(500, "InternalError", "Internal Server Error", { error: "Internal" });
      return storageErrorAnswer(known);
    }
  };
}

/** What the gateway says before the service is asked. */
class Refused extends Error {
  constructor(answer) {
    super(answer.body.message);
    this.answer = answer;
  }
}

/** A request, with all that a handler needs. */
class Ask {
  constructor(exchange, parts) {
    Object.assign(this, parts);
    this.path = exchange.path;
    this.query = exchange.query;
    this.method = exchange.method;
    this.headers = exchange.headers;
    this.body = exchange.body;
    this.stream = exchange.req;
    this.odd = (what) => exchange.call.odd.push(what);
    this.role = "anon";
  }

  /** Without policies, nobody but the service's own role sees or does anything. */
  get trusted() {
    return this.role === "service_role";
  }
}

function decoded(segment) {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new StorageError(400, "InvalidKey", "malformed path");
  }
}

/**
 * The role of the token that the service sees: the caller's, or the one that the gateway puts in the
 * place of a key of the newer kind. Such a key as Bearer, which the gateway may let pass, is refused
 * here in any case.
 */
function roleOf({ headers, keys }) {
  const { apikey = "", authorization = "" } = headers;
  const bearer = /^Bearer (\S+)$/i.exec(authorization)?.[1];
  const roles = { [keys.publishable]: "anon", [keys.secret]: "service_role" };
  if (apikey.startsWith("sb_") && !roles[apikey]) throw new Refused(gateway.badKey);
  if (!bearer && roles[apikey]) return roles[apikey];
  if (!bearer) throw denied("headers must have required property 'authorization'");
  try {
    return keys.verify(bearer).role;
  } catch {
    throw denied("Invalid Compact JWS");
  }
}
