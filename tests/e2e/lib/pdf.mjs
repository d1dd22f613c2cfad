// PDF documents to read, honest and hostile, written object by object (ISO 32000-1).

import { deflateSync } from "node:zlib";

const LINE_CHARS = 90;
const LEADING = 12;

/** The bytes of a document with these objects: Buffers or texts, from number 1 on. */
function document(objects, trailer = "") {
  const head = Buffer.from("%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", "latin1");
  const pieces = [head];
  const offsets = [];
  let at = head.length;
  for (const [i, object] of objects.entries()) {
    offsets.push(at);
    const bytes = Buffer.concat([
      Buffer.from(`${i + 1} 0 obj\n`),
      Buffer.isBuffer(object) ? object : Buffer.from(object, "latin1"),
      Buffer.from("\nendobj\n"),
    ]);
    pieces.push(bytes);
    at += bytes.length;
  }
  const rows = offsets.map((offset) => `${String(offset).padStart(10, "0")} 00000 n \n`).join("");
  pieces.push(Buffer.from(
    `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${rows}trailer\n` +
      `<< /Size ${objects.length + 1} /Root 1 0 R ${trailer}>>\nstartxref\n${at}\n%%EOF\n`,
  ));
  return Buffer.concat(pieces);
}

const stream = (bytes, more = "") =>
  Buffer.concat([
    Buffer.from(`<< /Length ${bytes.length} ${more}>>\nstream\n`),
    bytes,
    Buffer.from("\nendstream"),
  ]);

/** A text in Windows' Latin alphabet as a string of PDF. */
const literal = (line) =>
  `(${line.replace(/[\\()]/g, "\\$&").replace(/[^\x20-\x7e]/g, (c) =>
    `\\${c.codePointAt(0).toString(8).padStart(3, "0")}`)})`;

function lines(text) {
  return text.split("\n").flatMap((paragraph) => {
    const rows = [""];
    for (const word of paragraph.split(" ")) {
      if (rows.at(-1).length + word.length >= LINE_CHARS) rows.push("");
      rows.push(`${rows.pop()} ${word}`.trim());
    }
    return rows;
  });
}

/** What draws a page's text, from its top left corner on. */
const drawing = (text) =>
  Buffer.from(
    `BT /F1 9 Tf ${LEADING} TL 40 800 Td\n` +
      lines(text).map((line) => `${literal(line)} Tj T*\n`).join("") + "ET",
    "latin1",
  );

const FONT = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>";
const page = (contents, parent = 2) =>
  `<< /Type /Page /Parent ${parent} 0 R /MediaBox [0 0 595 842] ` +
  `/Resources << /Font << /F1 3 0 R >> >> /Contents ${contents} 0 R >>`;

/** A document with a page for each text, in Latin letters; `script` is run where it is opened. */
export function pdf(pages, { trailer = "", compress = false, script } = {}) {
  const action = script ? `/OpenAction << /S /JavaScript /JS ${literal(script)} >> ` : "";
  const first = 4; // Before it: catalogue, page tree, font.
  const kids = pages.map((_, i) => `${first + 2 * i} 0 R`).join(" ");
  return document([
    `<< /Type /Catalog /Pages 2 0 R ${action}>>`,
    `<< /Type /Pages /Kids [${kids}] /Count ${pages.length} >>`,
    FONT,
    ...pages.flatMap((text, i) => [
      page(first + 2 * i + 1),
      compress ? stream(deflateSync(drawing(text)), "/Filter /FlateDecode ") : stream(drawing(text)),
    ]),
  ], trailer);
}

/** So many pages, all of which show the same text. */
export function manyPages(count, text) {
  const kids = Array.from({ length: count }, (_, i) => `${5 + i} 0 R`).join(" ");
  return document([
    "<< /Type /Catalog /Pages 2 0 R >>",
    `<< /Type /Pages /Kids [${kids}] /Count ${count} >>`,
    FONT,
    stream(drawing(text)),
    ...Array.from({ length: count }, () => page(4)),
  ]);
}

/** One page whose text is `levels` times deflated zeros of `bytes` bytes. */
export function bomb({ bytes = 64 << 20, levels = 2 } = {}) {
  let body = Buffer.alloc(bytes, "(bomb) Tj T*\n");
  body.write("BT /F1 9 Tf 12 TL 40 800 Td\n");
  for (let i = 0; i < levels; i++) body = deflateSync(body, { level: 9 });
  const filter = `/Filter [${"/FlateDecode ".repeat(levels)}] `;
  return document([
    "<< /Type /Catalog /Pages 2 0 R >>",
    "<< /Type /Pages /Kids [5 0 R] /Count 1 >>",
    FONT,
    stream(body, filter),
    page(4),
  ]);
}

/** A form that draws itself, and a page tree that is its own child. */
export function loop() {
  return document([
    "<< /Type /Catalog /Pages 2 0 R >>",
    "<< /Type /Pages /Kids [5 0 R 2 0 R] /Count 1000000 >>",
    FONT,
    stream(Buffer.from("/X Do /X Do"), "/Type /XObject /Subtype /Form /BBox [0 0 9 9] " +
      "/Resources << /XObject << /X 4 0 R >> >> "),
    "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] " +
      "/Resources << /XObject << /X 4 0 R >> >> /Contents 4 0 R >>",
  ]);
}

/** What says that it is encrypted, with a password that nobody knows. */
export function encrypted() {
  const key = "00".repeat(32);
  return pdf(["Nobody reads this."], {
    trailer: `/Encrypt << /Filter /Standard /V 1 /R 2 /O <${key}> /U <${key}> /P -4 >> ` +
      "/ID [<00> <00>] ",
  });
}

/** A page without any text. */
export const empty = () => pdf([""]);
