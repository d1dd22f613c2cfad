// Pictures to send, honest and hostile, made by ImageMagick, libheif's tools and exiftool.

import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { deflateSync } from "node:zlib";

const run = promisify(execFile);

/** The colours of a marked picture's quarters, as it should be seen. */
export const CORNERS = { nw: "red", ne: "lime", sw: "blue", se: "white" };

/** What must not come through: it is put into every kind of metadata that a picture can have. */
export const SECRET = "Secret-of-the-sender";

export class Pictures {
  #folder;

  static async make() {
    const pictures = new Pictures();
    pictures.#folder = await mkdtemp(path.join(os.tmpdir(), "fynq-pictures-"));
    return pictures;
  }

  async remove() {
    await rm(this.#folder, { recursive: true });
  }

  file(name) {
    return path.join(this.#folder, name);
  }

  /** A file of these bytes, or of this text. */
  async write(name, bytes) {
    await writeFile(this.file(name), bytes);
    return this.file(name);
  }

  /** ImageMagick's convert, from what its arguments say to a file of this name. */
  async convert(name, ...args) {
    await run("convert", [...args, this.file(name)]);
    return this.file(name);
  }

  /** The file's metadata changed, as exiftool's arguments say. */
  async tag(file, ...args) {
    await run("exiftool", ["-q", "-overwrite_original", ...args, file]);
    return file;
  }

  /** Four quarters in the colours of CORNERS; `args` are convert's before it writes. */
  async marked(name, { width = 640, height = 480, args = [] } = {}) {
    const size = `${Math.ceil(width / 2)}x${Math.ceil(height / 2)}`;
    const quarter = (colour) => ["-size", size, `xc:${colour}`];
    const row = (left, right) => ["(", ...quarter(left), ...quarter(right), "+append", ")"];
    const { nw, ne, sw, se } = CORNERS;
    return this.convert(
      name,
      ...row(nw, ne), ...row(sw, se), "-append", "-crop", `${width}x${height}+0+0`, "+repage",
      ...args,
    );
  }

  /** A marked JPEG with SECRET in EXIF, GPS, XMP, IPTC and a comment. */
  async tagged(name = "tagged.jpg") {
    return this.tag(
      await this.marked(name),
      `-EXIF:Artist=${SECRET}`, `-EXIF:UserComment=${SECRET}`,
      "-GPSLatitude=47.3769", "-GPSLatitudeRef=N", "-GPSLongitude=8.5417", "-GPSLongitudeRef=E",
      `-XMP:Creator=${SECRET}`, `-IPTC:By-line=${SECRET}`, `-Comment=${SECRET}`,
    );
  }

  /** A marked JPEG that is only upright where its EXIF orientation, 1 to 8, is heeded. */
  async oriented(orientation) {
    const undo = [
      null, [], ["-flop"], ["-rotate", "180"], ["-flip"], ["-transpose"], ["-rotate", "270"],
      ["-transverse"], ["-rotate", "90"],
    ][orientation];
    const file = await this.marked(`oriented-${orientation}.jpg`, { args: undo });
    return this.tag(file, "-n", `-EXIF:Orientation=${orientation}`);
  }

  /** A JPEG in CMYK. */
  async cmyk(name = "cmyk.jpg") {
    return this.marked(name, { args: ["-colorspace", "CMYK"] });
  }

  /** A JPEG in Display P3, as telephones take them: its numbers are not those of sRGB. */
  async p3(name = "p3.jpg") {
    const from = await this.marked(`srgb-${name}`);
    await run("vips", ["icc_transform", from, this.file(name), "p3", "--input-profile", "srgb"]);
    return this.file(name);
  }

  /** A marked picture in WebP, with SECRET in EXIF and XMP. */
  async webp(name = "picture.webp") {
    const file = await this.marked(name, { args: ["-quality", "90"] });
    return this.tag(file, `-EXIF:Artist=${SECRET}`, `-XMP:Creator=${SECRET}`);
  }

  /** The same in HEIC, as telephones make it. */
  async heic(name = "picture.heic") {
    const jpeg = await this.tagged(`${name}.jpg`);
    await run("heif-enc", ["-q", "60", jpeg, "-o", this.file(name)]);
    return this.file(name);
  }

  /** A marked PNG with text chunks, and an alpha channel. */
  async textPng(name = "text.png") {
    return this.marked(name, {
      args: ["-alpha", "set", "-set", "comment", SECRET, "-set", "Author", SECRET],
    });
  }

  /** A PNG that stays above 4 MB as PNG. */
  async noisyPng(name = "noise.png", side = 1300) {
    return this.convert(
      name, "-size", `${side}x${side}`, "-seed", "1", "xc:#808081", "+noise", "Random", "-depth", "8",
    );
  }

  /** A PNG of one colour, of so many pixels, in a few kilobytes to a few megabytes. */
  async pngBomb(name = "bomb.png", width = 40000, height = 40000) {
    const chunk = (type, data) => {
      const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
      const ends = Buffer.alloc(8);
      ends.writeUInt32BE(data.length, 0);
      ends.writeUInt32BE(crc32(body), 4);
      return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)]);
    };
    const header = Buffer.alloc(13);
    header.writeUInt32BE(width, 0);
    header.writeUInt32BE(height, 4);
    header[8] = 1; // One bit a pixel, grey.
    const rows = deflateSync(Buffer.alloc((1 + Math.ceil(width / 8)) * height), { level: 1 });
    return this.write(name, Buffer.concat([
      Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
      chunk("IHDR", header),
      chunk("IDAT", rows),
      chunk("IEND", Buffer.alloc(0)),
    ]));
  }

  /** What `file` holds up to this part of its length. */
  async cut(name, file, part = 0.5) {
    const bytes = await readFile(file);
    return this.write(name, bytes.subarray(0, Math.floor(bytes.length * part)));
  }

  /** A JPEG that is a page of HTML and the beginning of a ZIP archive as well. */
  async polyglot(name = "polyglot.jpg") {
    const jpeg = await readFile(await this.marked(`${name}.jpg`));
    const page = `<html><script>alert("${SECRET}")</script></html>`;
    return this.write(name, Buffer.concat([jpeg, Buffer.from(`${page}PK\x03\x04${SECRET}`)]));
  }

  async gif(name = "picture.gif") {
    return this.marked(name);
  }

  async svg(name = "picture.svg") {
    const open = '<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"';
    return this.write(name, `${open} width="8" height="8"><rect width="8" height="8"/></svg>\n`);
  }

  /** A text under the name of a picture. */
  async text(name = "text.jpg") {
    return this.write(name, "Why is the sky blue?\n".repeat(40));
  }
}

/** What is seen in a file, on white: {width, height, corners: {nw: [r, g, b], ...}}. */
export async function lookAt(file) {
  const flat = ["-background", "white", "-alpha", "remove", "-alpha", "off"];
  const { stdout: ppm } = await run(
    "convert",
    [`${file}[0]`, ...flat, "-colorspace", "sRGB", "-depth", "8", "ppm:-"],
    { encoding: "buffer", maxBuffer: 64 << 20 },
  );
  const [head, width, height] = /^P6\n(\d+) (\d+)\n255\n/.exec(ppm.latin1Slice(0, 32));
  const size = { width: Number(width), height: Number(height) };
  return { ...size, corners: cornersOf(ppm.subarray(head.length), size) };
}

// How far inside a corner a pixel is that the corner's colour fills.
const INSET = 8;

function cornersOf(pixels, { width, height }) {
  const at = (x, y) => [...pixels.subarray(3 * (y * width + x), 3 * (y * width + x) + 3)];
  const [right, bottom] = [width - 1 - INSET, height - 1 - INSET];
  return {
    nw: at(INSET, INSET), ne: at(right, INSET), sw: at(INSET, bottom), se: at(right, bottom),
  };
}

const RGB = { red: [255, 0, 0], lime: [0, 255, 0], blue: [0, 0, 255], white: [255, 255, 255] };

/** Are the corners those of CORNERS, at most `tolerance` off in each channel? */
export function isUpright(corners, tolerance = 12) {
  return Object.entries(CORNERS).every(([corner, colour]) =>
    corners[corner].every((value, i) => Math.abs(value - RGB[colour][i]) <= tolerance),
  );
}

// PNG's checksum (RFC 2083 section 15).
function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

/** What exiftool finds in a file beyond what every picture of its kind must say. */
export async function metadataOf(file) {
  const { stdout } = await run("exiftool", ["-j", "-G1", "-a", "-u", file]);
  const kept = /^(SourceFile|(ExifTool|System|File|Composite|JFIF):|PNG:(ImageWidth|ImageHeight|BitDepth|ColorType|Compression|Filter|Interlace)$|PNG-pHYs:)/;
  return Object.fromEntries(
    Object.entries(JSON.parse(stdout)[0]).filter(
      ([name]) => !kept.test(name) || name === "File:Comment",
    ),
  );
}
