// What goes through the mailbox, on a stack where addresses must be confirmed.

import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { after, before, test } from "node:test";

import { stack, startStack, waitUntil } from "./lib/fynq.mjs";
import { assertNotLogged } from "./lib/logs.mjs";
import { linkOf, Mailboxes } from "./lib/mail.mjs";
import { assertProblem } from "./lib/problem.mjs";

const password = "correct horse battery";
const another = "staple of the battery";

let own, mailboxes;
const secrets = []; // Tokens and addresses: never to be logged.

before(async () => {
  own = await startStack({ settings: { FYNQ_CONFIRM_EMAIL: "on", FYNQ_BCRYPT_COST: 4 } });
  mailboxes = new Mailboxes(`${own.state}/mail`);
});

after(async () => {
  await own.stop();
});

const address = (name = "u") => `${name}-${randomUUID()}@example.com`;
const post = (path, body, token) => own.api("POST", `/auth/${path}`, { body, token });
const register = (email, more = {}) =>
  post("register", { email, password, birth_date: "2000-01-31", ...more });
const login = (email, word = password) => post("login", { email, password: word });
const refresh = (token) => post("refresh", { refresh_token: token });
const recover = (email) => post("recover", { email });
const verify = (type, token) => post("verify", { type, token });
const reset = (token, word) => post("reset", { token, password: word });

async function expect(status, promise) {
  const answer = await promise;
  assert.equal(answer.status, status, answer.text);
  return answer.json;
}

/** The type and token of the newest mail to the address, once there are n. */
async function newest(email, n = 1) {
  const mail = await mailboxes.newest(email, n);
  const link = linkOf(mail);
  secrets.push(email);
  if (link.token) secrets.push(link.token);
  return { mail, ...link };
}

/** A confirmed account: its address, and the session that the mail opened. */
async function member(more = {}) {
  const email = address();
  await expect(201, register(email, more));
  const { token } = await newest(email);
  return { email, session: await expect(200, verify("signup", token)) };
}

/** For the outbox, a minute passes. */
const minute = (email) =>
  own.db.run(
    `update fynq.mails set created_at = created_at - interval '1 minute',
       tried_at = tried_at - interval '1 minute' where email = $1`,
    [email],
  );

const due = (email) =>
  own.db.run("update fynq.mails set due_at = now() where email = $1 and due_at is not null", [
    email,
  ]);

/** Has the outbox looked through; a mail that was due before has been tried when it is done. */
async function sweep() {
  const { email } = await member();
  await newest(email);
}

test("an account is confirmed by the link of a mail, once", async () => {
  const email = address();
  const answer = await register(email.toUpperCase(), { display_name: " Zoë ", locale: "pt-BR" });
  assert.equal(answer.status, 201);
  assert.deepEqual(Object.keys(answer.json), ["user"]);
  assert.equal(answer.json.user.email, email);
  assert.equal(answer.json.user.display_name, "Zoë");

  assertProblem(await login(email), 401, "bad_credentials");
  assertProblem(await login(email, another), 401, "bad_credentials");

  const { mail, type, token, link } = await newest(email);
  assert.equal(type, "signup");
  assert.ok(link.startsWith("https://app.fynq.example/account#type=signup&token="), link);
  assert.ok(mail.tls);
  assertProblem(await verify("recovery", token), 401, "bad_mail_token");
  const session = await expect(200, verify("signup", token));
  assert.equal(session.user.id, answer.json.user.id);
  assert.equal(session.user.display_name, "Zoë");
  await expect(200, own.api("GET", "/users/me", { token: session.access_token }));
  assertProblem(await verify("signup", token), 401, "bad_mail_token");
  await expect(200, login(email));
});

test("the answer to a registration is the same for an address that has an account", async () => {
  const { email } = await member({ display_name: "Owner" });
  const waiting = address();
  await expect(201, register(waiting));
  const first = await newest(waiting);

  const shapes = [];
  for (const it of [email, waiting, address()]) {
    const { status, headers, json } = await register(it, { display_name: "Eve", locale: "de" });
    const { id, created_at: made, ...rest } = json.user;
    assert.match(id, /^[0-9a-f-]{14}7/);
    assert.ok(Math.abs(Date.parse(made) - Date.now()) < 60000);
    const names = [...headers.keys()];
    shapes.push({ status, names, rest: { ...rest, email: "" }, keys: Object.keys(json) });
  }
  assert.deepEqual(shapes[1], shapes[0]);
  assert.deepEqual(shapes[2], shapes[0]);

  const { mail } = await newest(email, 2);
  assert.match(mail.subject, /have an account at app\.fynq\.example already/);
  assert.ok(!mail.text.includes("#"), "a link without a token");
  assert.ok(mail.text.includes("Owner") && !mail.text.includes("Eve"));
  await expect(200, login(email));

  // The one that waits is sent another mail, though not within a minute; the first is void then.
  assert.equal((await mailboxes.all(waiting)).length, 1);
  await minute(waiting);
  await expect(201, register(waiting));
  const second = await newest(waiting, 2);
  assertProblem(await verify("signup", first.token), 401, "bad_mail_token");
  await expect(200, verify("signup", second.token));
});

test("who never confirms does not keep an address from its owner", async () => {
  const email = address();
  await expect(201, register(email, { display_name: "Squatter" }));
  const { token } = await newest(email);
  await own.db.run(
    "update auth.users set created_at = created_at - interval '1 hour' where email = $1",
    [email],
  );
  await minute(email);
  await expect(201, register(email, { password: another, display_name: "Owner" }));
  const mine = await newest(email, 2);
  assertProblem(await verify("signup", token), 401, "bad_mail_token");
  const { user } = await expect(200, verify("signup", mine.token));
  assert.equal(user.display_name, "Owner");
  await expect(200, login(email, another));
  assertProblem(await login(email), 401, "bad_credentials");
});

test("who registers anew a moment after a mail has a link that works", async () => {
  const email = address();
  await expect(201, register(email, { display_name: "Squatter" }));
  await newest(email);
  await own.db.run(
    "update auth.users set created_at = created_at - interval '1 hour' where email = $1",
    [email],
  );
  await minute(email);
  await expect(202, post("resend", { email, type: "signup" }));
  const { token } = await newest(email, 2);
  await expect(201, register(email, { password: another, display_name: "Owner" }));
  const mine = await newest(email, 3);
  assertProblem(await verify("signup", token), 401, "bad_mail_token");
  assert.equal((await expect(200, verify("signup", mine.token))).user.display_name, "Owner");
});

test("nobody has us send words of theirs to an address that they never proved", async () => {
  const email = address();
  const words = "Winner of visit-evil.example";
  // Without confirmation, an account counts as confirmed once it is made.
  const body = { email, password, birth_date: "2000-01-31", display_name: words };
  await expect(201, stack.api("POST", "/auth/register", { body }));
  await expect(202, stack.api("POST", "/auth/recover", { body: { email } }));
  const [mail] = await new Mailboxes(`${stack.state}/mail`).wait(email);
  assert.ok(mail.text.includes(`Hello ${email},`), mail.text);
  assert.ok(!`${mail.subject}${mail.text}${mail.html}`.includes("evil"), mail.text);
});

test("a new password by mail: every session ends, the token is used up, a warning goes out", async () => {
  const { email, session } = await member();
  const elsewhere = await expect(200, login(email));
  const { status, text, headers } = await recover(email);
  const nobody = await recover(address());
  assert.deepEqual([nobody.status, nobody.text], [status, text]);
  assert.deepEqual([...nobody.headers.keys()], [...headers.keys()]);
  assert.equal(status, 202);

  const { token, type } = await newest(email, 2);
  assert.equal(type, "recovery");
  assertProblem(await verify("signup", token), 401, "bad_mail_token");
  assertProblem(await reset(token, "short"), 422, "invalid");
  const [one, two] = await Promise.all([reset(token, another), reset(token, `${another}!`)]);
  assert.deepEqual([one.status, two.status].sort(), [200, 401]);
  const [won, word] = one.status === 200 ? [one, another] : [two, `${another}!`];

  await expect(401, refresh(session.refresh_token));
  await expect(401, refresh(elsewhere.refresh_token));
  await expect(200, refresh(won.json.refresh_token));
  assertProblem(await login(email), 401, "bad_credentials");
  await expect(200, login(email, word));
  assertProblem(await reset(token, another), 401, "bad_mail_token");
  const { mail } = await newest(email, 3);
  assert.match(mail.subject, /password at app\.fynq\.example was changed/);
  secrets.push(word);
});

test("a sign-in by a recovery mail confirms the address and leaves the password", async () => {
  const email = address();
  await expect(201, register(email));
  await newest(email);
  await recover(email);
  const { token } = await newest(email, 2);
  await expect(200, verify("recovery", token));
  assertProblem(await reset(token, another), 401, "bad_mail_token");
  await expect(200, login(email));
});

test("a token expires, the next one voids it, and a new password voids both", async () => {
  const { email, session } = await member();
  await recover(email);
  const first = await newest(email, 2);
  await own.db.run(
    `update auth.one_time_tokens set created_at = created_at - interval '60 minutes'
     where token_hash = $1`,
    [createHash("sha256").update(first.token).digest("hex")],
  );
  assertProblem(await reset(first.token, another), 401, "bad_mail_token");

  await minute(email);
  await recover(email);
  const second = await newest(email, 3);
  await minute(email);
  await recover(email);
  const third = await newest(email, 4);
  assertProblem(await verify("recovery", second.token), 401, "bad_mail_token");
  const answer = await own.api("PUT", "/auth/password", {
    token: session.access_token,
    body: { current: password, password: another },
  });
  assert.equal(answer.status, 204, answer.text);
  assertProblem(await verify("recovery", third.token), 401, "bad_mail_token");
});

test("a changed password: other sessions end, this one stays, a warning goes out", async () => {
  const { email, session } = await member();
  const elsewhere = await expect(200, login(email));
  const change = (current, word) =>
    own.api("PUT", "/auth/password", {
      token: session.access_token,
      body: { current, password: word },
    });
  assertProblem(await change(another, another), 401, "bad_credentials");
  await expect(200, refresh((await expect(200, login(email))).refresh_token));
  assert.equal((await change(password, another)).status, 204);
  await expect(401, refresh(elsewhere.refresh_token));
  await expect(200, refresh(session.refresh_token));
  assertProblem(await login(email), 401, "bad_credentials");
  await expect(200, login(email, another));
  const { mail } = await newest(email, 2);
  assert.match(mail.subject, /was changed/);
});

test("a password that an admin sets voids the links, and its owner is told", async () => {
  const { email, session } = await member();
  await recover(email);
  const { token } = await newest(email, 2);
  const { code, stdout, stderr } = await own.fynqctl(["user", "reset", email]);
  assert.equal(code, 0, stderr);
  secrets.push(stdout.trim());
  assertProblem(await reset(token, another), 401, "bad_mail_token");
  await expect(401, refresh(session.refresh_token));
  assert.equal((await own.fynqctl(["upkeep"])).code, 0);
  assert.match((await mailboxes.newest(email, 3)).subject, /was changed/);
  await expect(200, login(email, stdout.trim()));
});

test("a disabled account is sent nothing, and its token opens nothing", async () => {
  const { email } = await member();
  await recover(email);
  const { token } = await newest(email, 2);
  await own.db.run("update auth.users set banned_until = 'infinity' where email = $1", [email]);
  assertProblem(await verify("recovery", token), 403, "account_disabled");
  await minute(email);
  assert.equal((await recover(email)).status, 202);
  await sweep();
  assert.equal((await mailboxes.all(email)).length, 2);
});

test("a mail in its reader's language, its values escaped, its headers and link its own", async () => {
  const name = `<script>alert("ü")</script> & 'co'`;
  const { email } = await member({ locale: "de-AT", display_name: name });
  const [{ text, subject }] = await mailboxes.all(email);
  assert.equal(subject, "Bestätige deine Adresse bei app.fynq.example");
  assert.ok(!text.includes("script"), "an unknown mailbox is sent no words of a stranger's");

  const answer = await own.api("POST", "/auth/recover", {
    body: { email },
    headers: { "x-forwarded-host": "evil.example", forwarded: "host=evil.example" },
  });
  assert.equal(answer.status, 202);
  const { mail, link } = await newest(email, 2);
  assert.equal(mail.type, "multipart/alternative");
  assert.deepEqual(mail.parts, ["text/plain", "text/html"]);
  assert.equal(mail.from, "tutor@fynq.example");
  assert.deepEqual(mail.to, [email]);
  assert.equal(mail.ehlo, "fynq.example");
  const headers = Object.fromEntries(mail.headers);
  assert.equal(mail.headers.length, 8);
  assert.equal(headers["Auto-Submitted"], "auto-generated");
  assert.match(headers["Message-ID"], /^<[0-9a-f-]{36}@fynq\.example>$/);
  assert.ok(Math.abs(Date.parse(headers.Date) - Date.now()) < 60000);
  assert.match(mail.raw, /^Subject: =\?UTF-8\?B\?/m);
  assert.ok(mail.text.includes(name));
  assert.ok(mail.html.includes(
    "&lt;script&gt;alert(&quot;ü&quot;)&lt;/script&gt; &amp; &#39;co&#39;"));
  assert.ok(!/<script/i.test(mail.html));
  assert.ok(mail.html.includes(`href="${link.replace("&", "&amp;")}"`));
  assert.ok(link.startsWith("https://app.fynq.example/account#type=recovery&token="));
  assert.ok(!mail.raw.includes("evil"));

  for (const bad of ["a@b.example\r\nBcc: c@d.example", "a@b.example\nX: y", "a b@c.example",
    "ü@example.com", `<${email}>`]) {
    assertProblem(await recover(bad), 422, "invalid", ["email"]);
  }
});

test("one mail of a kind a minute, however often and by whomever it is asked for", async () => {
  const { email } = await member();
  const answers = await Promise.all(Array.from({ length: 12 }, () => recover(email)));
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [202]);
  await newest(email, 2);
  await sweep();
  assert.equal((await mailboxes.all(email)).length, 2);
  const resend = await post("resend", { email, type: "signup" });
  assert.equal(resend.status, 202);
  await sweep();
  assert.equal((await mailboxes.all(email)).length, 2, "who has confirmed needs no other mail");
});

test("what the mail server does not take now, it gets later", async () => {
  const { email } = await member();
  await mailboxes.mode("451");
  assert.equal((await recover(email)).status, 202);
  await mailboxes.noted("refused");
  const waits = await waitUntil(async () => {
    const found = await own.db.query(
      `select id, tries from fynq.mails where email = $1 and kind = 'recovery'
       and due_at between now() + interval '15 s' and now() + interval '30 s'`,
      [email],
    );
    return found[0];
  }, { what: "the mail waits for half a minute" });
  assert.equal(waits.tries, 1);
  await mailboxes.mode("");
  await due(email);
  assert.equal((await own.fynqctl(["upkeep"])).code, 0);
  const { token } = await newest(email, 2);
  await expect(200, verify("recovery", token));
});

test("the upkeep sends what is due, however much, and forgets what is done", async () => {
  const { email } = await member();
  await own.db.run(
    `insert into fynq.mails (kind, email, due_at)
     select 'recovery', n || '@nobody.example', now() - interval '1 s'
     from generate_series(1, 150) n
     union all select 'recovery', $1, now()`,
    [email],
  );
  assert.equal((await own.fynqctl(["upkeep"])).code, 0);
  await newest(email, 2);
  // The pool, which has just sent the member's, may have claimed some of them.
  await waitUntil(async () => (await own.db.query(
    "select from fynq.mails where email like '%@nobody.example' and due_at is not null",
  )).length === 0, { what: "all are sent" });
  await own.db.run(
    `update fynq.mails set created_at = created_at - interval '1 minute',
       tried_at = tried_at - interval '1 minute' where email like '%@nobody.example'`,
  );
  await own.fynqctl(["upkeep"]);
  const left = await own.db.query("select from fynq.mails where email like '%@nobody.example'");
  assert.equal(left.length, 0);
});

test("what the mail server refuses for good is given up, and only its id is logged", async () => {
  const { email } = await member();
  await mailboxes.mode("550");
  await recover(email);
  await mailboxes.noted("refused");
  await mailboxes.mode("");
  const [{ id }] = await own.db.query(
    "select id from fynq.mails where email = $1 and kind = 'recovery'",
    [email],
  );
  await waitUntil(
    async () =>
      (await own.log(({ message = "" }) => message.startsWith(`mail ${id} is given up`))).length > 0,
    { what: "the log says so" },
  );
  await sweep();
  assert.equal((await mailboxes.all(email)).length, 1);
});

test("a process that is killed while it sends loses no mail", async () => {
  const { email } = await member();
  await mailboxes.mode("hang");
  assert.equal((await recover(email)).status, 202);
  await mailboxes.noted("hanging");
  const { stdout } = await own.fynqctl(["status"]);
  const pids = /^auth .*$/m.exec(stdout)[0].split(/ +/)[3].split(",").map(Number);
  for (const pid of pids) process.kill(pid, "SIGKILL");
  await mailboxes.mode("");
  assert.equal((await mailboxes.all(email)).length, 1);
  await due(email);
  await waitUntil(async () => (await recover(address())).status === 202, { what: "a new process" });
  const { token } = await newest(email, 2);
  await expect(200, reset(token, another));
});

test("as plain CGI the mail is sent after the answer", async () => {
  const { email } = await member();
  const { status } = await own.cgi("auth", "POST", "/api/v1/auth/recover", {
    body: { email },
  });
  assert.equal(status, 202);
  const { token } = await newest(email, 2);
  await expect(200, verify("recovery", token));
});

test("no token, password or address is in a log", async () => {
  const last = await recover(address());
  assert.ok(secrets.length > 20);
  await assertNotLogged(own, last, [...secrets, password, another]);
  const kept = await own.db.query("select token_hash, relates_to from auth.one_time_tokens");
  for (const secret of secrets) assert.ok(!kept.some(({ token_hash: it }) => it === secret));
});
