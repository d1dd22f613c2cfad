// Errors as Supabase Storage gives them. The status that it means stands in the body; that of HTTP is
// 400 for most of them, whatever they are.

/** `status` is that of the body. `http`: that of the answer, where it is not 400. */
export class StorageError extends Error {
  constructor(status, code, message, { error = code, http = status === 500 ? 500 : 400 } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.error = error;
    this.http = http;
  }
}

/** The answer to an error: {status, body}. */
export function storageErrorAnswer({ status, code, error, message, http }) {
  return { status: http, body: { statusCode: String(status), code, error, message } };
}

export const denied = (message) =>
  new StorageError(403, "AccessDenied", message, { error: "Unauthorized" });
export const noBucket = () =>
  new StorageError(404, "NoSuchBucket", "Bucket not found", { error: "Bucket not found" });
export const noKey = () =>
  new StorageError(404, "NoSuchKey", "Object not found", { error: "not_found" });
export const duplicate = (code) =>
  new StorageError(409, code, "The resource already exists", { error: "Duplicate" });
export const badKey = (key) => new StorageError(400, "InvalidKey", `Invalid key: ${key}`);
export const badBucket = () =>
  new StorageError(400, "InvalidBucketName", "Bucket name invalid", { error: "Invalid Input" });
export const tooLarge = () =>
  new StorageError(413, "EntityTooLarge", "The object exceeded the maximum allowed size",
    { error: "Payload too large" });
export const badType = (type) =>
  new StorageError(415, "InvalidMimeType", `mime type ${type} is not supported`,
    { error: "invalid_mime_type" });
export const badRange = () =>
  new StorageError(416, "InvalidRange", "invalid range provided",
    { error: "invalid_range", http: 416 });
export const noLength = () =>
  new StorageError(400, "MissingContentLength",
    "You must provide the Content-Length HTTP header.");
export const badRequest = (message) => new StorageError(400, "InvalidRequest", message);
/** What the checks of a schema say. */
export const invalid = (message) =>
  new StorageError(400, "InternalError", message, { error: "Error" });
export const badToken = (message) => new StorageError(400, "InvalidJWT", message);
export const badSignature = () =>
  new StorageError(400, "InvalidSignature", "Invalid signature");
