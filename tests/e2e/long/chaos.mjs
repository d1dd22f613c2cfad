// The chaos run: students ask, and ask again with the same Idempotency-Key, while processes are
// killed, PostgreSQL is stopped at once and Gemini fails in every scripted way. Afterwards what
// they were told is held against what is stored and what Gemini was asked.
//
//   node chaos.mjs [SECONDS]    against the stack in FYNQ_TEST_STACK, as ./dev chaos does

import { fileURLToPath } from "node:url";
import { setTimeout as pause } from "node:timers/promises";

import { waitUntil } from "../lib/fynq.mjs";
import { Stack } from "../lib/stack.mjs";
import { each, upTo } from "../load/load.mjs";
import { havoc } from "./havoc.mjs";
import { judge } from "./judge.mjs";
import { Student, TOKEN } from "./student.mjs";

const CLIENTS = 300;
const BETWEEN_MS = [2000, 5000];
const REST_MS = 60000;
const PROGRESS_MS = 10000;
const AT_ONCE = 20; // Registrations.

/**
 * One run: `clients` students for so many `seconds`; `between` are the least and the most ms before
 * each act of havoc; `seed`, `share` and `kinds` are those of the stand-in; say(line) is told how
 * it goes. Resolves with {records, figures}: what judge() takes, and {totals, final, refused,
 * havoc, gemini}: final failures and other problems by code, acts by name, calls at the stand-in.
 */
export async function run(stack, { seconds, clients, between, seed, share = 0.3, kinds, say }) {
  const tally = { totals: {}, final: {}, refused: {}, asked: [] };
  const acts = {};
  const students = upTo(clients).map(() => new Student(stack, tally));
  await each(clients, AT_ONCE, (i) => students[i].register());
  await stack.gemini.startChaos({ seed, share, kinds, token: TOKEN });

  const until = performance.now() + seconds * 1000;
  let failed = false;
  const over = () => failed || performance.now() > until;
  const progress = setInterval(() => {
    const left = Math.max(0, Math.round((until - performance.now()) / 1000));
    say(`${left} s left: ${tally.asked.length} asked, ${tally.totals.answered ?? 0} answered`);
  }, PROGRESS_MS);
  try {
    const work = Promise.all(students.map((student) => student.study(over)));
    await Promise.all([work, havoc(stack, { between, over, counts: acts })]);
  } finally {
    failed = true;
    clearInterval(progress);
  }
  say("at rest");
  await rest(stack);

  const gemini = await stack.gemini.chaosCounts();
  if (gemini.forgotten > 0) throw new Error("the stand-in has forgotten calls: shorten the run");
  const records = {
    questions: tally.asked,
    stored: await storedTurns(stack),
    calls: await stack.gemini.tokens(),
  };
  await stack.gemini.stopChaos();
  const { totals, final, refused } = tally;
  totals.asked = tally.asked.length;
  return { records, figures: { totals, final, refused, havoc: acts, gemini } };
}

/** Until no reply is pending, or for REST_MS. */
async function rest(stack) {
  const settled = async () => {
    const sql = "select count(*)::int from messages where status = 'pending'";
    return (await stack.db.query(sql))[0].count === 0;
  };
  const options = { timeoutMs: REST_MS, everyMs: 500, what: "no pending reply" };
  await waitUntil(settled, options).catch(() => {}); // Those that are left are counted.
}

/** The questions of the run as they are stored, with their replies, for judge(). */
export function storedTurns({ db }) {
  const sha = (text) => `encode(sha256(convert_to(${text}, 'UTF8')), 'hex')`;
  return db.query(
    `select substring(q.content from '${TOKEN}') as token, q.id, q.chat_id as chat,
       ${sha("q.content")} as text,
       coalesce(json_agg(json_build_object('id', r.id, 'status', r.status,
         'text', ${sha("r.content")}, 'finish', r.finish_reason)) filter (where r.id is not null),
         '[]') as replies
     from messages q left join messages r on r.parent_id = q.id and r.sender = 'tutor'
     where q.sender = 'student'
     group by q.id`,
  );
}

/** The figures of run(), a line for each kind. */
export function shown({ totals, final, refused, havoc: acts, gemini }) {
  const line = (title, numbers) => {
    const sorted = Object.entries(numbers).sort(([a], [b]) => (a < b ? -1 : 1));
    return `${title}: ${sorted.map(([name, n]) => `${name} ${n}`).join(", ") || "none"}`;
  };
  const { by_name: byName, strays, ...calls } = gemini;
  return [
    line("totals", totals),
    line("final failures", final),
    line("problems that were tried again", refused),
    line("havoc", acts),
    line("calls at the stand-in", calls),
    line("answered there by", byName),
    ...strays.map(({ id, text }) => `call ${id} without a token: ${JSON.stringify(text)}`),
  ];
}

async function main(seconds) {
  const stack = new Stack(JSON.parse(process.env.FYNQ_TEST_STACK));
  const seed = Date.now() % 2 ** 32;
  const say = (line) => console.error(`    ${line}`);
  say(`seed ${seed}`);
  const options = { seconds, clients: CLIENTS, between: BETWEEN_MS, seed, say };
  const { records, figures } = await run(stack, options);
  const { counts, examples } = judge(records);
  for (const line of shown(figures)) console.log(line);
  for (const [name, them] of Object.entries(examples)) {
    for (const it of them) console.log(`${name}: ${it}`);
  }
  console.log(JSON.stringify({ counts, seconds, seed, ...figures }));
  process.exit(Object.values(counts).every((n) => n === 0) ? 0 : 1);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(Number(process.argv[2] ?? 600));
