// Buckets and objects, in a folder: FOLDER/buckets.json, FOLDER/data/VERSION with an object's bytes
// and FOLDER/meta/VERSION.json with all else. An object is there once its meta file is, so that what
// was cut off is never seen, and what a stand-in that was killed has left goes at the next start.

import { randomUUID } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pipeline } from "node:stream/promises";

export class Objects {
  #folder;
  #buckets = new Map(); // id: {id, name, public, ..., objects: Map of name to object}

  constructor(folder) {
    this.#folder = folder;
    for (const part of ["data", "meta"]) mkdirSync(path.join(folder, part), { recursive: true });
    this.#readBuckets();
    this.#readObjects();
  }

  /** All buckets as the service shows them, by name. */
  buckets() {
    return [...this.#buckets.values()].map(shownBucket)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  bucket(id) {
    const bucket = this.#buckets.get(id);
    return bucket && shownBucket(bucket);
  }

  /** Makes one or changes it: {public, file_size_limit, allowed_mime_types}. */
  setBucket(id, members) {
    const now = new Date().toISOString();
    const made = { id, name: id, owner: "", public: false, type: "STANDARD",
      file_size_limit: null, allowed_mime_types: null, created_at: now, objects: new Map() };
    const given = Object.entries(members).filter(([, value]) => value !== undefined);
    this.#buckets.set(id, { ...made, ...this.#buckets.get(id), ...Object.fromEntries(given),
      updated_at: now });
    this.#writeBuckets();
  }

  dropBucket(id) {
    this.#buckets.delete(id);
    this.#writeBuckets();
  }

  /** All objects of a bucket whose name begins so, by name. */
  all(bucket, prefix = "") {
    const objects = this.#buckets.get(bucket)?.objects ?? new Map();
    return [...objects.values()].filter(({ name }) => name.startsWith(prefix))
      .sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
  }

  find(bucket, name) {
    return this.#buckets.get(bucket)?.objects.get(name);
  }

  /** As if it had been put so many hours ago; until the stand-in is started again. */
  age(object, hours) {
    object.created_at = object.updated_at = new Date(Date.now() - hours * 3600000).toISOString();
  }

  /** Where an object's bytes lie. */
  file({ version }) {
    return path.join(this.#folder, "data", version);
  }

  read(object) {
    return createReadStream(this.file(object));
  }

  /** Keeps what comes from a stream; where that breaks off or is not `length` long, nothing. */
  async put(bucket, name, stream, { length, mimetype, cacheControl }) {
    const version = randomUUID();
    const file = this.file({ version });
    const out = createWriteStream(file, { highWaterMark: 1 << 20 });
    try {
      await pipeline(stream, out);
      if (out.bytesWritten !== length) throw new Error("not of its Content-Length");
    } catch (error) {
      rmSync(file, { force: true });
      throw error;
    }
    return this.#add(bucket, name, version, { length, mimetype, cacheControl });
  }

  #add(bucket, name, version, { length, mimetype, cacheControl }) {
    const before = this.find(bucket, name);
    const now = new Date().toISOString();
    const object = {
      name, bucket_id: bucket, owner: "", version, id: before?.id ?? randomUUID(),
      created_at: before?.created_at ?? now, updated_at: now, last_accessed_at: now,
      metadata: {
        eTag: `"${version.replaceAll("-", "")}"`, size: length, mimetype, cacheControl,
        lastModified: now, contentLength: length, httpStatusCode: 200,
      },
      user_metadata: null,
    };
    this.#write(`meta/${version}.json`, { bucket, object });
    this.#buckets.get(bucket).objects.set(name, object);
    if (before) this.#forget(before);
    return object;
  }

  /** Takes objects away; answers those that were there. */
  remove(bucket, names) {
    const objects = this.#buckets.get(bucket)?.objects ?? new Map();
    const gone = names.map((name) => objects.get(name)).filter(Boolean);
    for (const object of gone) {
      objects.delete(object.name);
      this.#forget(object);
    }
    return gone;
  }

  #forget(object) {
    rmSync(path.join(this.#folder, "meta", `${object.version}.json`), { force: true });
    rmSync(this.file(object), { force: true });
  }

  #write(name, value) {
    const file = path.join(this.#folder, name);
    writeFileSync(`${file}.new`, JSON.stringify(value));
    renameSync(`${file}.new`, file);
  }

  #writeBuckets() {
    this.#write("buckets.json", this.buckets());
  }

  #readBuckets() {
    let text = "[]";
    try {
      text = readFileSync(path.join(this.#folder, "buckets.json"), "utf8");
    } catch (error) {
      if (error.code !== "ENOENT") throw error;
    }
    for (const bucket of JSON.parse(text)) {
      this.#buckets.set(bucket.id, { ...bucket, objects: new Map() });
    }
  }

  #readObjects() {
    const known = new Set();
    const folder = path.join(this.#folder, "meta");
    const metas = readdirSync(folder).filter((name) => name.endsWith(".json"))
      .map((name) => JSON.parse(readFileSync(path.join(folder, name), "utf8")))
      .sort((a, b) => (a.object.updated_at < b.object.updated_at ? -1 : 1));
    for (const { bucket, object } of metas) {
      this.#buckets.get(bucket)?.objects.set(object.name, object);
    }
    for (const { objects } of this.#buckets.values()) {
      for (const { version } of objects.values()) known.add(version);
    }
    for (const part of ["data", "meta"]) {
      for (const name of readdirSync(path.join(this.#folder, part))) {
        if (!known.has(name.split(".")[0])) rmSync(path.join(this.#folder, part, name));
      }
    }
  }
}

function shownBucket({ objects, ...bucket }) {
  return bucket;
}
