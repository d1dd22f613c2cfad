// The way to the mail server: TLS, who we say we are, and what an admin is told.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, test } from "node:test";

import { cgi, db, register, stack, waitUntil } from "./lib/fynq.mjs";
import { startMailServer } from "./lib/mail.mjs";

const CONFIG = 78;
const SYSTEM_CA = "/etc/ssl/certs/ca-certificates.crt";
const USER = "fynq";
const WORD = "p@ss:word of fynq";

let folder, plain, closed;

before(async () => {
  folder = await mkdtemp(path.join(stack.state, "mails-"));
  const cert = `${stack.state}/smtp.pem`;
  const key = `${stack.state}/secret/smtp.pem`;
  const start = (name, ...options) =>
    startMailServer(path.join(folder, name), { cert, key, options });
  // 127.0.0.2 is another host for fynq: what only this machine hears needs no TLS.
  plain = await start("plain", "--no-starttls", "--host", "127.0.0.2");
  closed = await start("closed", "--auth", `${USER}:${WORD}`, "--host", "127.0.0.2");
});

after(async () => {
  await Promise.all([plain?.stop(), closed?.stop()]);
  if (folder) await rm(folder, { recursive: true });
});

const address = () => `${randomUUID()}@example.com`;
const send = (email, settings) => stack.fynqctl(["mail", "test", email], settings);
const account = { FYNQ_SMTP_USER: USER, FYNQ_SMTP_PASSWORD: WORD };

async function sent(server, settings) {
  const email = address();
  const { code, stdout, stderr } = await send(email, settings);
  assert.equal(code, 0, stderr);
  assert.equal(stdout, "The mail server took it: 250 kept\n");
  const [mail] = await server.mailboxes.wait(email);
  return mail;
}

async function refused(server, settings, words) {
  const email = address();
  const { code, stdout, stderr } = await send(email, settings);
  assert.equal(code, 1, stdout);
  assert.match(stderr, words);
  assert.ok(!stderr.includes(WORD) && !stderr.includes(email), stderr);
  assert.deepEqual(await server.mailboxes.all(email), []);
}

test("STARTTLS is required, but not of a server on this machine", async () => {
  await refused(plain, { FYNQ_SMTP_URL: plain.url }, /SSL/);
  const local = await startMailServer(path.join(folder, "local"), {
    cert: `${stack.state}/smtp.pem`,
    key: `${stack.state}/secret/smtp.pem`,
    options: ["--no-starttls"],
  });
  try {
    await refused(local, { FYNQ_SMTP_URL: local.url }, /SSL/); // As there is a CA file for it.
    const mail = await sent(local, { FYNQ_SMTP_URL: local.url, FYNQ_SMTP_CA_FILE: "" });
    assert.equal(mail.tls, false);
  } finally {
    await local.stop();
  }
});

test("smtps, and a name and a password where they are set", async () => {
  for (const url of [closed.url, closed.smtps]) {
    const mail = await sent(closed, { FYNQ_SMTP_URL: url, ...account });
    assert.ok(mail.tls && mail.authenticated);
    await refused(closed, { FYNQ_SMTP_URL: url, ...account, FYNQ_SMTP_PASSWORD: "another" },
      /535|denied/);
    await refused(closed, { FYNQ_SMTP_URL: url }, /530/);
  }
});

test("a certificate that nobody vouches for is refused", async () => {
  for (const url of [closed.url, closed.smtps]) {
    await refused(closed, { FYNQ_SMTP_URL: url, FYNQ_SMTP_CA_FILE: SYSTEM_CA, ...account },
      /certificate|CA/);
  }
});

test("a server that is not there", async () => {
  await refused(plain, { FYNQ_SMTP_URL: "smtp://127.0.0.2:9" }, /connect/);
});

test("settings that do not go together", async () => {
  for (const [settings, words] of [
    [{ FYNQ_SMTP_URL: "", FYNQ_CONFIRM_EMAIL: "on" }, /FYNQ_CONFIRM_EMAIL: it needs FYNQ_SMTP_URL/],
    [{ FYNQ_MAIL_FROM: "" }, /FYNQ_SMTP_URL: it needs FYNQ_MAIL_FROM/],
    [{ FYNQ_SITE_URL: "" }, /FYNQ_SMTP_URL: it needs FYNQ_SITE_URL/],
    [{ FYNQ_SITE_URL: "https://app.example/#x" }, /FYNQ_SITE_URL: it must be/],
    [{ FYNQ_SMTP_URL: "mail.example:25" }, /FYNQ_SMTP_URL: it must be/],
    [{ FYNQ_SMTP_CA_FILE: "/nowhere" }, /FYNQ_SMTP_CA_FILE: it must be a file that can be read/],
    [{ FYNQ_MAIL_DIR: "/nowhere" }, /FYNQ_MAIL_DIR: it must be a folder that can be read/],
  ]) {
    const { code, stderr } = await stack.fynqctl(["config", "check"], settings);
    assert.equal(code, CONFIG);
    assert.match(stderr, words);
  }
  assert.equal((await send("nobody", {})).code, 64);
});

test("a template that is broken is said by its name, and mended later", async () => {
  await writeFile(path.join(folder, "test.en.txt"), "Subject: x\n\n{{password}}\n");
  await writeFile(path.join(folder, "test.en.html"), "x\n");
  await refused(closed, { FYNQ_SMTP_URL: closed.url, FYNQ_MAIL_DIR: folder, ...account },
    /test\.\*: not a mail/);
});

test("without a mail server recovery is answered, and the log warns", async () => {
  const { email } = await register();
  const log = path.join(folder, "log");
  const warned = async () => {
    await db.run("delete from fynq.mails where email = $1", [email]);
    const { status, code } = await cgi("auth", "POST", "/api/v1/auth/recover", {
      body: { email },
      environment: { FYNQ_SMTP_URL: "", FYNQ_CONFIRM_EMAIL: "off", FYNQ_LOG: log },
    });
    assert.equal(status, 202);
    assert.equal(code, 0);
    const lines = (await readFile(log, "utf8")).split("\n");
    return lines.filter((line) => line.includes("FYNQ_SMTP_URL is not set")).length;
  };
  // Once in a while a process of the pool is there first, which can send it.
  assert.equal(await waitUntil(warned, { what: "a warning" }), 1);
});
