// Does the time of an answer tell whether an address has an account? Sign-ins with a wrong password,
// recoveries and registrations for addresses with and without one, in random order, one at a time.

import { randomInt, randomUUID } from "node:crypto";
import http from "node:http";

import { Bench, percentile, round, table } from "./lib.mjs";

const WARM_UP = 30;
const PASSWORD = "correct horse battery";
const SETTINGS = {
  FYNQ_ATTEMPTS: "off",
  FYNQ_CONFIRM_EMAIL: "on", // Without it the answer itself tells who is registered.
};

/** Each request's path, status, and body for an address. */
const REQUESTS = {
  login: ["/auth/login", 401, (email) => ({ email, password: "incorrect horse battery" })],
  recover: ["/auth/recover", 202, (email) => ({ email })],
  register: ["/auth/register", 201,
    (email) => ({ email, password: PASSWORD, birth_date: "2000-01-31" })],
};

const address = () => `${randomUUID()}@example.com`;

/** Accounts by the thousand, confirmed, with the password hash of one that registered. */
async function addAccounts(stack, n) {
  const { id } = await stack.register();
  const emails = Array.from({ length: n }, address);
  await stack.db.run(
    `insert into auth.users (id, email, encrypted_password, email_confirmed_at,
       raw_app_meta_data, raw_user_meta_data)
     select gen_random_uuid(), a.email, u.encrypted_password, now(), '{}', '{}'
     from auth.users u, unnest(string_to_array($1, ',')) as a (email) where u.id = $2`,
    [emails.join(","), id],
  );
  await stack.db.run("vacuum analyze");
  return emails;
}

/** Milliseconds from the request to its answer, on a connection that stays. */
function ask(url, agent, body, status) {
  const text = JSON.stringify(body);
  const headers = { "content-type": "application/json", "content-length": text.length };
  return new Promise((resolve, reject) => {
    const began = process.hrtime.bigint();
    const request = http.request(url, { method: "POST", agent, headers }, (response) => {
      const took = Number(process.hrtime.bigint() - began) / 1e6;
      response.resume();
      response.on("end", () => {
        if (response.statusCode === status) resolve(took);
        else reject(new Error(`${url}: ${response.statusCode}`));
      });
    });
    request.on("error", reject);
    request.end(text);
  });
}

function shuffle(items) {
  for (let i = items.length - 1; i > 0; i--) {
    const j = randomInt(i + 1);
    [items[i], items[j]] = [items[j], items[i]];
  }
  return items;
}

/** How likely it is that a known address takes longer than an unknown one; 0.5 tells nothing. */
function auc(known, unknown) {
  const all = [...known.map((ms) => [ms, 1]), ...unknown.map((ms) => [ms, 0])];
  all.sort((a, b) => a[0] - b[0]);
  let below = 0;
  let won = 0;
  for (const [, isKnown] of all) {
    if (isKnown) won += below;
    else below += 1;
  }
  return won / (known.length * unknown.length);
}

async function measure(url, [path, status, bodyFor], emails) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const target = `${url}/api/v1${path}`;
  const tries = shuffle([
    ...emails.map((email) => ({ email, of: "known" })),
    ...emails.map(() => ({ email: address(), of: "unknown" })),
  ]);
  const times = { known: [], unknown: [] };
  for (let i = 0; i < WARM_UP; i++) await ask(target, agent, bodyFor(address()), status);
  for (const { email, of } of tries) {
    times[of].push(await ask(target, agent, bodyFor(email), status));
  }
  agent.destroy();
  return times;
}

export async function workload({ tries, cost }) {
  const settings = { ...SETTINGS, FYNQ_BCRYPT_COST: cost };
  const bench = await Bench.start({ settings, students: 0, durable: true });
  const figures = {};
  const rows = [];
  // Of ranks, where there is no difference.
  const error = Math.sqrt((2 * tries + 1) / (12 * tries * tries));
  try {
    for (const [name, request] of Object.entries(REQUESTS)) {
      const times = await measure(bench.stack.url, request, await addAccounts(bench.stack, tries));
      const area = auc(times.known, times.unknown);
      for (const [of, ms] of Object.entries(times)) {
        const at = (part) => round(percentile(ms, part), 3);
        rows.push([`${name}, ${of}`, at(0.05), at(0.5), at(0.95), of === "known" ? round(area, 3) : ""]);
        figures[`${name}_${of}_p50_ms`] = at(0.5);
      }
      figures[`${name}_auc`] = round(area, 3);
    }
  } finally {
    await bench.stop();
  }
  table(["ms", "p5", "p50", "p95", "AUC"], rows);
  console.log(`Without a difference the AUC is 0.5, give or take ${round(error, 3)} (standard error).\n`);
  return { tries, cost, ...figures, auc_se: round(error, 3) };
}
