// Of every mode: what goes through the mailbox, and passwords.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { callsOf, email, password } from "./account-sessions.mjs";
import { assertProblem } from "./problem.mjs";
import { claimsOf } from "./tokens.mjs";

const another = "staple of the battery";

/** For the outbox, a minute passes. */
const minute = (stack, address) =>
  stack.db.run(
    `update fynq.mails set created_at = created_at - interval '1 minute',
       tried_at = tried_at - interval '1 minute' where email = $1`,
    [address]);

async function expect(status, promise) {
  const answer = await promise;
  assert.equal(answer.status, status, answer.text);
  return answer.json;
}

export function describeMails(suite) {
  const { post, register, login, refused, me, another: signIn } = callsOf(suite);
  const mailTo = (address, kind, n) => suite.mode.mail(suite.stack, address, kind, n);
  const can = async (address, word) => (await login({ email: address, password: word })).status;

  describe("mails", { concurrency: 3 }, () => {
    it("a new password by mail: every session ends, and the token is used up", async () => {
      const student = await register();
      const other = await signIn(student);
      await expect(202, post("recover", { email: student.email.toUpperCase() }));
      const token = await mailTo(student.email, "recovery");
      const short = await post("reset", { token, password: "short" });
      assertProblem(short, 422, "invalid", ["password"]);
      const session = await expect(200, post("reset", { token, password: another }));
      assert.equal(session.user.id, student.id);
      assert.equal((await me(session.access_token)).status, 200);
      await refused(student.refreshToken);
      await refused(other.refresh_token);
      assert.equal(await can(student.email, password), 401);
      assert.equal(await can(student.email, another), 200);
      assertProblem(await post("reset", { token, password }), 401, "bad_mail_token");
    });

    it("the link of such a mail signs in, once, and leaves the password", async () => {
      const { email: address } = await register();
      await expect(202, post("recover", { email: address }));
      const token = await mailTo(address, "recovery");
      assertProblem(await post("verify", { type: "signup", token }), 401, "bad_mail_token");
      const session = await expect(200, post("verify", { type: "recovery", token }));
      assert.equal(session.user.email, address);
      assertProblem(await post("verify", { type: "recovery", token }), 401, "bad_mail_token");
      assert.equal(await can(address, password), 200);
    });

    it("a second mail voids the first", async () => {
      const { email: address } = await register();
      await expect(202, post("recover", { email: address }));
      const first = await mailTo(address, "recovery");
      await minute(suite.stack, address);
      await expect(202, post("resend", { type: "recovery", email: address }));
      const second = await mailTo(address, "recovery", 2);
      assertProblem(await post("reset", { token: first, password: another }), 401,
        "bad_mail_token");
      await expect(200, post("reset", { token: second, password: another }));
    });

    it("an address without an account is answered alike", async () => {
      const { email: known } = await register();
      const shapes = [];
      for (const address of [known, email()]) {
        for (const [path, more] of [["recover", {}], ["resend", { type: "recovery" }],
          ["resend", { type: "signup" }]]) {
          const { status, text, headers } = await post(path, { email: address, ...more });
          const names = [...headers.keys()];
          shapes.push({ status, text, names });
        }
      }
      assert.deepEqual(shapes.slice(3), shapes.slice(0, 3));
      assert.deepEqual(new Set(shapes.map(({ status }) => status)), new Set([202]));
    });

    it("what is no token, and what is no kind of mail", async () => {
      for (const token of ["x", "0".repeat(56), "a".repeat(43), "ü"]) {
        assertProblem(await post("verify", { type: "recovery", token }), 401, "bad_mail_token");
        assertProblem(await post("reset", { token, password: another }), 401, "bad_mail_token");
      }
      const body = { type: "exists", email: "nobody" };
      assertProblem(await post("resend", body), 422, "invalid", ["email", "type"]);
      assertProblem(await post("recover", {}), 422, "invalid", ["email"]);
    });
  });

  describe("the password", { concurrency: 3 }, () => {
    const put = (token, body) => suite.stack.api("PUT", "/auth/password", { token, body });

    it("changes by the current one: this session stays, the others end", async () => {
      const student = await register();
      const other = await signIn(student);
      const answer = await put(student.token, { current: password, password: another });
      assert.equal(answer.status, 204, answer.text);
      assert.equal((await me(student.token)).status, 200);
      await refused(other.refresh_token);
      assert.equal(await can(student.email, password), 401);
      assert.equal(await can(student.email, another), 200);
    });

    it("stays without it", async () => {
      const student = await register();
      const wrong = await put(student.token, { current: "incorrect", password: another });
      assertProblem(wrong, 401, "bad_credentials");
      const short = await put(student.token, { current: password, password: "short" });
      assertProblem(short, 422, "invalid", ["password"]);
      assertProblem(await put(undefined, { current: password, password: another }), 401,
        "unauthorized");
      assert.equal(await can(student.email, password), 200);
    });
  });

  it("with confirmation: nobody signs in before the mail's link", async () => {
    await suite.mode.confirming(suite.stack, (stack) => confirmation(suite.mode, stack));
  });
}

async function confirmation(mode, stack) {
  const { post, login, me } = callsOf({ stack });
  const address = email();
  const body = { email: address, password, birth_date: "2000-01-31", display_name: "Zoë" };
  const registered = await post("register", body);
  assert.equal(registered.status, 201, registered.text);
  assert.deepEqual(Object.keys(registered.json), ["user"]);
  assert.equal(registered.json.user.display_name, "Zoë");
  const credentials = { email: address, password };
  // The right password and a wrong one are told apart only once the mailbox is known to be theirs.
  const answers = [await login(credentials), await login({ ...credentials, password: "incorrect" })];
  for (const answer of answers) assertProblem(answer, 401, "bad_credentials");
  const [right, wrong] = answers.map(({ json }) => ({ ...json, instance: "" }));
  assert.deepEqual(right, wrong);

  const first = await mode.mail(stack, address, "signup");
  await minute(stack, address);
  await expect(202, post("resend", { type: "signup", email: address }));
  const second = await mode.mail(stack, address, "signup", 2);
  assertProblem(await post("verify", { type: "signup", token: first }), 401, "bad_mail_token");
  const session = await expect(200, post("verify", { type: "signup", token: second }));
  assert.equal(session.user.email, address);
  assert.equal(claimsOf(session.access_token).sub, session.user.id);
  assert.equal((await me(session.access_token)).json.display_name, "Zoë");
  assert.equal((await login(credentials)).status, 200);

  // The owner's address again, and one that is new: the same answer.
  const shapes = [];
  for (const it of [address, email()]) {
    const { status, headers, json } = await post("register", { ...body, email: it });
    const { id, created_at: at, email: shown, ...rest } = json.user;
    assert.equal(shown, it);
    assert.ok(id && at);
    shapes.push({ status, names: [...headers.keys()], rest, keys: Object.keys(json) });
  }
  assert.deepEqual(shapes[0], shapes[1]);
}
