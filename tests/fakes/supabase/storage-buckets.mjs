// Buckets.

import { checkBucket, readJson } from "./storage-checks.mjs";
import { denied, duplicate, noBucket, StorageError, tooLarge } from "./storage-errors.mjs";

const MEMBERS = {
  public: { type: "boolean" },
  file_size_limit: { type: "integer", nullable: true, min: 0 },
  allowed_mime_types: { type: "strings", nullable: true },
};

function checkLimit({ file_size_limit: limit }, { fileSizeLimit }) {
  if (limit > fileSizeLimit) throw tooLarge();
}

export function createBucket(ask) {
  const body = readJson(ask, { ...MEMBERS, name: { type: "string", required: true },
    id: { type: "string" }, type: { type: "string", fits: ["STANDARD", "ANALYTICS"] } });
  const { id = body.name, name, type, ...members } = body;
  checkBucket(name);
  checkLimit(members, ask.settings);
  if (type === "ANALYTICS" || id !== name) throw denied("the stand-in has no such buckets");
  if (!ask.trusted) throw denied("new row violates row-level security policy");
  if (ask.objects.bucket(id)) throw duplicate("BucketAlreadyExists");
  ask.objects.setBucket(id, members);
  return { status: 200, body: { name } };
}

export function listBuckets({ objects, trusted }) {
  return { status: 200, body: trusted ? objects.buckets() : [] };
}

function found({ objects, trusted }, id) {
  const bucket = trusted && objects.bucket(id);
  if (!bucket) throw noBucket();
  return bucket;
}

export function getBucket(ask, id) {
  return { status: 200, body: found(ask, id) };
}

export function updateBucket(ask, id) {
  const members = readJson(ask, MEMBERS);
  found(ask, id);
  checkLimit(members, ask.settings);
  ask.objects.setBucket(id, members);
  return { status: 200, body: { message: "Successfully updated" } };
}

export function deleteBucket(ask, id) {
  found(ask, id);
  if (ask.objects.all(id).length > 0) {
    throw new StorageError(409, "ResourceNotEmpty",
      "The bucket you tried to delete is not empty");
  }
  ask.objects.dropBucket(id);
  return { status: 200, body: { message: "Successfully deleted" } };
}

export function emptyBucket(ask, id) {
  found(ask, id);
  ask.objects.remove(id, ask.objects.all(id).map(({ name }) => name));
  return { status: 200, body: { message: "Empty bucket has been queued. " +
    "Completion may take up to an hour." } };
}
