// What is dangerous in a browser, opened in one: files that would be pages or scripts of ours. Each
// calls a canary as soon as anything in it runs. That it would, the same bytes show, served without
// what fynq says of them.

import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import { after, before, describe, it } from "node:test";

import { api, register, stack, waitUntil } from "./lib/fynq.mjs";
import { startBrowser, withPage } from "./lib/browser.mjs";
import { filePart, form } from "./lib/form.mjs";
import { pdf } from "./lib/pdf.mjs";
import { storeFile } from "./lib/stored.mjs";

let browser;
let canary; // It also serves the files of the controls, as they are.
let base;
let user;
const called = new Set();
const served = new Map();

before(async () => {
  canary = http.createServer((request, response) => {
    const [, kind, name] = new URL(request.url, "http://canary").pathname.split("/");
    if (kind === "called") called.add(name);
    const file = kind === "file" ? served.get(name) : undefined;
    const type = file?.type ? { "content-type": file.type } : {};
    response.writeHead(file || kind === "called" ? 200 : 404, {
      "access-control-allow-origin": "*", ...type,
    });
    response.end(file?.bytes);
  });
  canary.listen(0, "127.0.0.1");
  await once(canary, "listening");
  base = `http://127.0.0.1:${canary.address().port}`;
  browser = await startBrowser();
  user = await register();
});
after(async () => {
  await browser?.close();
  canary.closeAllConnections();
  canary.close();
});

const script = (name) => `fetch("${base}/called/${name}",{mode:"no-cors"})`;
const page = (name) =>
  `<!doctype html><title>a</title><img src="${base}/called/${name}"><script>${script(name)}</script>`;

/** name: {name, type (the worst that could be told of it), bytes, control (its type there)}. */
const dangers = {
  "an SVG with a script": {
    name: "picture.svg", type: "image/svg+xml", control: "image/svg+xml", declared: "image/svg+xml",
    bytes: (id) =>
      `<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">` +
      `<script>${script(id)}</script><rect width="9" height="9"/></svg>`,
    refused: true,
  },
  "a page of HTML": {
    name: "page.html", type: "text/html", control: "text/html", declared: "text/html",
    bytes: page, refused: true,
  },
  "a page of HTML called a JPEG": {
    name: "photo.jpg", type: "image/jpeg", control: undefined, declared: "image/jpeg",
    bytes: page, refused: true,
  },
  "a page of HTML called a PDF": {
    name: "sheet.pdf", type: "application/pdf", control: undefined, declared: "application/pdf",
    bytes: page, refused: true,
  },
  "a page of XHTML": {
    name: "page.xhtml", type: "application/xhtml+xml", control: "application/xhtml+xml",
    declared: "application/xhtml+xml",
    bytes: (id) =>
      `<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title>a</title>` +
      `<script>${script(id)}</script></head><body/></html>`,
    refused: true,
  },
  "a GIF that is a script as well": {
    name: "picture.gif", type: "image/gif", control: "text/plain", declared: "image/gif",
    bytes: (id) => Buffer.concat([
      Buffer.from("GIF89a/*\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;*/=1;", "latin1"),
      Buffer.from(script(id)),
    ]),
  },
  "a script": {
    name: "script.js", type: "text/javascript", control: "text/javascript", declared: undefined,
    bytes: script,
  },
  "a text with a script": {
    name: "text.txt", type: "text/plain", control: undefined, declared: "text/plain",
    bytes: (id) => `${page(id)}\nand some text\n`, refused: true,
  },
};

/** A page that takes a URL for everything that a page can take one for. */
const host = (url) => `<!doctype html><title>host</title>
  <img src="${url}"><iframe src="${url}"></iframe><object data="${url}"></object><embed src="${url}">
  <link rel="stylesheet" href="${url}"><video src="${url}"></video>
  <script src="${url}"></script><script type="module" src="${url}"></script>
  <script>
    try { new Worker("${url}"); } catch {}
    try { new Worker("${url}", { type: "module" }); } catch {}
    navigator.serviceWorker?.register("${url}").catch(() => {});
  </script>`;

/**
 * Goes to `url` and then to a page of the same origin that takes it for everything; resolves, when
 * nothing of that is under way any more, with whether the browser went to `url` at all.
 */
function openEverywhere(url) {
  const hostUrl = new URL("/host-of-the-test", url).href;
  return withPage(browser, { [hostUrl]: host(url) }, async (tab) => {
    const went = await tab.goto(url, { waitUntil: "networkidle0" }).then(
      () => true,
      (error) => {
        assert.match(error.message, /ERR_ABORTED/);
        return false;
      },
    );
    await tab.goto(hostUrl, { waitUntil: "networkidle0" });
    assert.equal(await tab.title(), "host");
    return went;
  });
}

async function linkTo(id) {
  const { status, json, text } = await api("POST", `/files/${id}/sign`, { token: user.token });
  assert.equal(status, 200, text);
  return stack.url + json.url;
}

let count = 0;
const fresh = () => `canary-${(count += 1)}`;

describe("without what fynq says of files", () => {
  for (const [what, danger] of Object.entries(dangers)) {
    it(`${what} calls the canary`, { timeout: 120000 }, async () => {
      const id = fresh();
      served.set(id, { bytes: danger.bytes(id), type: danger.control });
      await openEverywhere(`${base}/file/${id}`);
      await waitUntil(() => called.has(id));
    });
  }
});

describe("a link to", () => {
  for (const [what, danger] of Object.entries(dangers)) {
    it(`${what} runs nothing, even where it is stored as such`, { timeout: 120000 }, async () => {
      const id = fresh();
      const bytes = Buffer.from(danger.bytes(id));
      const { name, type } = danger;
      const file = await storeFile(stack, user, { name, bytes, type, purpose: "document" });
      const shown = await openEverywhere(await linkTo(file.id));
      assert.equal(called.has(id), false, "the canary was called");
      assert.equal(shown, /^image\/(jpeg|gif)$/.test(type));
    });
  }

  it("a PDF with a script is saved, and shown nowhere", { timeout: 120000 }, async () => {
    // What the control calls, it may call when it is no longer looked at: that is no call of the other.
    const [id, control] = [fresh(), fresh()];
    const bytesOf = (name) =>
      pdf(["A page"], { script: `app.launchURL("${base}/called/${name}", true);` });
    served.set(control, { bytes: bytesOf(control), type: "application/pdf" });
    assert.equal(await openEverywhere(`${base}/file/${control}`), true);
    const bytes = bytesOf(id);
    const options = { name: "sheet.pdf", bytes, type: "application/pdf", purpose: "document" };
    const file = await storeFile(stack, user, options);
    assert.equal(await openEverywhere(await linkTo(file.id)), false);
    assert.equal(called.has(id), false);
  });
});

describe("an upload of", () => {
  for (const [what, danger] of Object.entries(dangers)) {
    it(`${what} is ${danger.refused ? "refused" : "harmless"}`, { timeout: 120000 }, async () => {
      const id = fresh();
      const part = filePart(Buffer.from(danger.bytes(id)), danger.name, danger.declared);
      const { status, json, text } = await api("POST", "/files/upload", {
        token: user.token, ...form({ file: part }),
      });
      if (danger.refused) {
        assert.equal(status, 415, text);
        assert.equal(json.code, "unsupported_media_type");
        return;
      }
      assert.equal(status, 201, text);
      assert.match(json.media_type, /^(image\/gif|text\/plain)$/);
      await openEverywhere(await linkTo(json.id));
      assert.equal(called.has(id), false);
    });
  }
});
