// Lists of objects: the older one folder by folder, by offsets; the newer by a cursor.

import { readJson } from "./storage-checks.mjs";
import { StorageError } from "./storage-errors.mjs";

const MAX = 1500; // Of the older list; the service gives no more, whatever is asked for.
const MAX_V2 = 1000;
const ORDER = { type: "string", fits: ["asc", "desc"] };

const folderOf = (name) => ({
  name, id: null, updated_at: null, created_at: null, last_accessed_at: null, metadata: null,
});

const shown = ({ id, updated_at, created_at, last_accessed_at, metadata }, name) =>
  ({ name, id, updated_at, created_at, last_accessed_at, metadata });

/** What stands directly in a folder, each folder in it once; names are relative to it. */
function directlyIn(objects, prefix) {
  const folders = new Map();
  const files = [];
  for (const object of objects) {
    const name = object.name.slice(prefix.length);
    const [folder, rest] = name.split("/", 2);
    if (rest === undefined) files.push(shown(object, name));
    else folders.set(folder, folderOf(folder));
  }
  return { folders: [...folders.values()], files };
}

const by = (column, order) => (a, b) => {
  const [one, other] = [a[column] ?? "", b[column] ?? ""].map((text) => text.toLowerCase());
  const sign = order === "desc" ? -1 : 1;
  return one < other ? -sign : one > other ? sign : 0;
};

export function listObjects(ask, bucket) {
  const { prefix, limit = 100, offset = 0, search = "", sortBy } = readJson(ask, {
    prefix: { type: "string", required: true },
    limit: { type: "integer", min: 1 },
    offset: { type: "integer", min: 0 },
    search: { type: "string" },
    sortBy: { type: "object", of: {
      column: { type: "string", required: true,
        fits: ["name", "updated_at", "created_at", "last_accessed_at"] },
      order: ORDER,
    } },
  });
  const { column = "name", order = "asc" } = sortBy ?? {};
  const folder = prefix === "" || prefix.endsWith("/") ? prefix : `${prefix}/`;
  const wanted = (folder + search).toLowerCase();
  const objects = ask.trusted ? ask.objects.all(bucket)
    .filter(({ name }) => name.toLowerCase().startsWith(wanted)) : [];
  const { folders, files } = directlyIn(objects, folder);
  // By name folders stand among the files, else before them.
  const rows = column === "name"
    ? [...folders, ...files].sort(by("name", order))
    : [...folders.sort(by("name", order)), ...files.sort(by(column, order))];
  return { status: 200, body: rows.slice(offset, offset + Math.min(limit, MAX)) };
}

const cursorOf = (name) => Buffer.from(`l:${name}\no:asc`).toString("base64");

function nameOf(cursor) {
  const [, name] = /^l:(.+)\no:asc$/.exec(Buffer.from(cursor, "base64").toString()) ?? [];
  if (name === undefined) {
    throw new StorageError(400, "InvalidParameter", "Invalid Parameter continuation token");
  }
  return name;
}

/** All objects whose name begins so, by name; or folder by folder. */
export function listObjectsV2(ask, bucket) {
  const { prefix = "", limit = MAX_V2, cursor, with_delimiter: folders } = readJson(ask, {
    prefix: { type: "string" },
    limit: { type: "integer", min: 1 },
    cursor: { type: "string" },
    with_delimiter: { type: "boolean" },
    sortBy: { type: "object", of: {
      column: { type: "string", required: true, fits: ["name"] },
      order: { type: "string", fits: ["asc"] },
    } },
  });
  const after = cursor === undefined ? "" : nameOf(cursor);
  const all = ask.trusted ? ask.objects.all(bucket, prefix) : [];
  const rows = (folders ? grouped(all, prefix) : all.map((object) => shown(object, object.name)))
    .filter(({ name }) => Buffer.compare(Buffer.from(name), Buffer.from(after)) > 0);
  const page = rows.slice(0, Math.min(limit, MAX_V2));
  const hasNext = rows.length > page.length;
  const last = page.at(-1)?.name;
  return { status: 200, body: {
    hasNext, ...(hasNext ? { nextCursor: cursorOf(last), nextCursorKey: last } : {}),
    folders: page.filter(({ id }) => id === null), objects: page.filter(({ id }) => id !== null),
  } };
}

function grouped(objects, prefix) {
  const { folders, files } = directlyIn(objects, prefix);
  return [...folders.map(({ name }) => folderOf(`${prefix}${name}/`)),
    ...files.map((file) => ({ ...file, name: prefix + file.name }))]
    .sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
}
