// What becomes of pictures: nothing but their pixels comes through, and what is hostile is refused
// before it costs anything. Through tests/tools/picture, which does what a responder does.

import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { access, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { api, register, stack } from "./lib/fynq.mjs";
import { isUpright, lookAt, metadataOf, Pictures, SECRET } from "./lib/pictures.mjs";
import { execute } from "./lib/stack.mjs";

const TOP = fileURLToPath(new URL("../../", import.meta.url));
const MB = 1 << 20;

let pictures;
let results = 0;

before(async () => {
  pictures = await Pictures.make();
});

after(async () => {
  await pictures.remove();
});

/** Prepares a file: {picture or problem, child_memory, result (the prepared file)}. */
async function prepare(file, settings = {}, ...args) {
  const tool = path.join(TOP, stack.build, "tests/tools/picture");
  const result = pictures.file(`result-${(results += 1)}`);
  const answer = await execute(tool, [file, result, ...args], stack.environment(settings));
  assert.equal(answer.code, 0, answer.stderr);
  return { ...JSON.parse(answer.stdout), result };
}

/** Prepares a file that must be taken: its pictures's facts agree with it, and it says nothing. */
async function taken(file, settings) {
  const { picture, problem, result, child_memory: memory } = await prepare(file, settings);
  assert.ok(picture, JSON.stringify(problem));
  const bytes = await readFile(result);
  assert.equal(picture.bytes, bytes.length);
  assert.equal(picture.sha256, createHash("sha256").update(bytes).digest("hex"));
  const seen = await lookAt(result);
  assert.equal(picture.width, seen.width);
  assert.equal(picture.height, seen.height);
  assert.ok(!bytes.includes(SECRET), "the sender's words are in the bytes");
  assert.deepEqual(await metadataOf(result), {});
  return { ...picture, corners: seen.corners, memory };
}

/** Prepares a file that must be refused for its image field; resolves with the fault and memory. */
async function refused(file, status, code, settings) {
  const { problem, child_memory: memory } = await prepare(file, settings);
  assert.equal(problem?.status, status, JSON.stringify(problem));
  assert.deepEqual(problem.errors.map((error) => [error.field, error.code]), [["image", code]]);
  return { message: problem.errors[0].message, memory };
}

test("what the other tests look for is there before", async () => {
  const tagged = JSON.stringify(await metadataOf(await pictures.tagged()));
  for (const name of ["IFD0:Artist", "GPS:GPSLatitude", "XMP-dc:Creator", "IPTC:By-line"]) {
    assert.ok(tagged.includes(name), `${name} in ${tagged}`);
  }
  assert.ok(tagged.includes("File:Comment"), tagged);
  for (const file of [await pictures.webp(), await pictures.heic(), await pictures.textPng()]) {
    assert.ok(JSON.stringify(await metadataOf(file)).includes(SECRET), file);
  }
});

/** The corners are as they were: exactly, as dull as ink, or the greys of those colours. */
function assertColours(corners, colours = "exact") {
  if (colours === "grey") {
    for (const corner of Object.values(corners)) {
      assert.ok(Math.max(...corner) - Math.min(...corner) <= 2, JSON.stringify(corners));
    }
    assert.ok(corners.se[0] >= 254, JSON.stringify(corners));
    return;
  }
  const tolerance = colours === "dull" ? 140 : undefined;
  assert.ok(isUpright(corners, tolerance), JSON.stringify(corners));
}

test("every kind is taken, upright, in its colours, without its metadata", async (t) => {
  const kinds = {
    "a JPEG with GPS and more": [() => pictures.tagged(), "image/jpeg"],
    "a progressive JPEG": [
      () => pictures.marked("progressive.jpg", { args: ["-interlace", "Plane"] }), "image/jpeg",
    ],
    "a grey JPEG": [
      () => pictures.marked("grey.jpg", { args: ["-colorspace", "Gray"] }), "image/jpeg", "grey",
    ],
    "a JPEG in CMYK": [() => pictures.cmyk(), "image/jpeg", "dull"],
    "a JPEG in Display P3": [() => pictures.p3(), "image/jpeg"],
    "WebP": [() => pictures.webp(), "image/jpeg"],
    "HEIC": [() => pictures.heic(), "image/jpeg"],
    "a PNG with text": [() => pictures.textPng(), "image/png"],
    "a PNG of 16 bits, interlaced": [
      () => pictures.marked("deep.png", { args: ["-depth", "16", "-interlace", "PNG"] }),
      "image/png",
    ],
    "a PNG with a palette": [
      () => pictures.marked("palette.png", { args: ["-type", "Palette"] }), "image/png",
    ],
    "a grey PNG of 16 bits": [
      () => pictures.marked("grey.png", { args: ["-colorspace", "Gray", "-depth", "16"] }),
      "image/png", "grey",
    ],
    "a JPEG that is HTML and ZIP as well": [() => pictures.polyglot(), "image/jpeg"],
  };
  for (const [name, [make, type, colours]] of Object.entries(kinds)) {
    await t.test(name, async () => {
      const picture = await taken(await make());
      assert.equal(picture.media_type, type);
      assert.deepEqual([picture.width, picture.height], [640, 480]);
      assertColours(picture.corners, colours);
    });
  }
});

test("all eight orientations are turned upright", async () => {
  for (let orientation = 1; orientation <= 8; orientation += 1) {
    const picture = await taken(await pictures.oriented(orientation));
    assert.deepEqual([picture.width, picture.height], [640, 480], `orientation ${orientation}`);
    assert.ok(isUpright(picture.corners), `${orientation}: ${JSON.stringify(picture.corners)}`);
  }
});

test("a picture is scaled down to the longer side, and never enlarged", async () => {
  const cases = [[2000, 1000, 1536, 768], [500, 2000, 384, 1536], [1536, 20, 1536, 20], [40, 30, 40, 30]];
  for (const [width, height, ...wanted] of cases) {
    const file = await pictures.marked(`${width}x${height}.png`, { width, height });
    const picture = await taken(file);
    assert.deepEqual([picture.width, picture.height], wanted);
  }
  const small = await taken(await pictures.tagged(), { FYNQ_IMAGE_SIDE: "64" });
  assert.deepEqual([small.width, small.height], [64, 48]);
});

test("a PNG that stays large is kept as JPEG", async () => {
  const file = await pictures.noisyPng();
  assert.ok((await stat(file)).size > 4 * MB);
  const picture = await taken(file);
  assert.equal(picture.media_type, "image/jpeg");
  assert.ok(picture.bytes < 4 * MB);
});

test("48 megapixels are taken in little memory; of the setting's one less they are not", async (t) => {
  const file = await pictures.marked("48mp.jpg", { width: 8000, height: 6000 });
  const picture = await taken(file);
  assert.deepEqual([picture.width, picture.height], [1536, 1152]);
  assert.ok(isUpright(picture.corners));
  t.diagnostic(`memory of the child: ${Math.round(picture.memory / MB)} MB`);
  assert.ok(picture.memory < 200 * MB);
  const { message } = await refused(file, 422, "too_large", { FYNQ_IMAGE_PIXELS: "47999999" });
  assert.match(message, /48000000/);
});

test("a PNG bomb is refused before it is decoded", async (t) => {
  const { message, memory } = await refused(await pictures.pngBomb(), 422, "too_large");
  assert.match(message, /1600000000/);
  t.diagnostic(`memory of the child: ${Math.round(memory / MB)} MB`);
  assert.ok(memory < 100 * MB);
});

test("what is not a picture of these kinds is refused, and named", async () => {
  const cases = [
    [await pictures.gif(), "image/gif"],
    [await pictures.svg(), "image/svg+xml"],
    [await pictures.svg("svg.png"), "image/svg+xml"],
    [await pictures.text(), "text/plain"],
    [await pictures.marked("picture.tiff"), "image/tiff"],
    [await pictures.write("page.jpg", "<!DOCTYPE html><html><body></body></html>"), "text/html"],
    [await pictures.write("nul.png", Buffer.alloc(4096)), "application/octet-stream"],
  ];
  for (const [file, type] of cases) {
    const { message } = await refused(file, 415, "type");
    assert.ok(message.includes(type), message);
  }
});

test("what is cut off or damaged is refused", async () => {
  const whole = {
    jpg: await pictures.marked("whole.jpg", { width: 1600, height: 1200 }),
    png: await pictures.noisyPng("whole.png", 200),
    webp: await pictures.webp("whole.webp"),
    heic: await pictures.heic("whole.heic"),
  };
  for (const [kind, file] of Object.entries(whole)) {
    for (const part of [0.2, 0.6, 0.9]) {
      await refused(await pictures.cut(`cut.${kind}`, file, part), 422, "format");
    }
  }
  for (const [name, bytes] of Object.entries({
    "head.jpg": Buffer.from("ffd8ffe000104a46494600010100", "hex"),
    "head.png": Buffer.from("89504e470d0a1a0a0000000d49484452", "hex"),
    "head.heic": Buffer.from("0000001866747970686569630000000068656963", "hex"),
  })) {
    await refused(await pictures.write(name, bytes), 422, "format");
  }
});

test("nothing is refused as empty, and where libvips is missing all are", async () => {
  await refused(await pictures.write("empty.jpg", ""), 422, "too_short");
  const { problem } = await prepare(await pictures.tagged(), { FYNQ_VIPS_DIR: "/nonexistent" });
  assert.equal(problem.status, 503);
  assert.equal(problem.code, "pictures_unavailable");
});

test("a picture is kept as its sender's file, under the last part of its name", async () => {
  const { id: user, token } = await register();
  const names = {
    "C:\\fotos\\Blatt 1.jpg": "Blatt 1.jpg",
    "../../etc/passwd": "passwd",
    [`${"é".repeat(256)}.jpg`]: "é".repeat(255),
    "line\nbreak.jpg": null,
    "": null,
  };
  const file = await pictures.tagged();
  for (const [name, kept] of Object.entries(names)) {
    const { id, picture, result } = await prepare(file, {}, user, name);
    const { status, json } = await api("GET", `/files/${id}`, { token });
    assert.equal(status, 200);
    assert.equal(json.name, kept);
    for (const member of ["media_type", "bytes", "sha256", "width", "height"]) {
      assert.equal(json[member], picture[member]);
    }
    const content = await fetch(stack.url + json.url, {
      headers: { authorization: `Bearer ${token}` },
    });
    assert.ok(Buffer.from(await content.arrayBuffer()).equals(await readFile(result)));
  }
});

test("where the database refuses the row, the object goes again", async () => {
  const nobody = randomUUID();
  const { problem } = await prepare(await pictures.tagged(), {}, nobody, "x");
  assert.equal(problem.status, 404);
  const folder = path.join(stack.state, "files/objects", nobody.slice(-2), nobody);
  await assert.rejects(access(folder), { code: "ENOENT" });
});
