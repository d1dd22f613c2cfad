// The library's search, as ten students ask it through Nginx, each without pause: rare words, common
// ones, two, phrases, typing errors, filters, second pages.

import { readFile } from "node:fs/promises";
import http from "node:http";
import path from "node:path";

import { registerAs } from "../tests/e2e/lib/people.mjs";
import { Bench, percentile, round, table, until } from "./lib.mjs";
import { COLUMNS, WORDS_OF, content, numbers } from "./library.mjs";

const CONTENTS = 100_000;
const PIECE = 5_000;
const CLIENTS = 10;
const WARM_UP = 60; // Of each client: every connection then has its plan, and PostgreSQL its pages.
const SECONDS = 30;
const INDEXES = ["contents_search_idx", "contents_head_idx", "contents_title_idx",
  "content_passages_search_idx"];

/**
 * Rows by COPY with the indexes away. Passages come with them: nobody reads a hundred thousand. Those of
 * a PDF are of other texts in its language, and are indexed with it as when it was read.
 */
async function fill(db, author) {
  const file = "01900000-0000-7000-9100-000000000000";
  await db.run(`insert into public.files (id, user_id, purpose, media_type, bytes, sha256)
    values ('${file}', '${author}', 'content', 'application/pdf', 1, repeat('0', 64))`);
  const indexes = await db.query(
    "select indexdef from pg_indexes where indexname = any (string_to_array($1, ','))",
    [INDEXES.join(",")]);
  await db.run(`drop index ${INDEXES.join(", ")};
    create function fynq.is_read() returns trigger language plpgsql as
      'begin new.extraction := case new.type when ''pdf'' then ''none'' else ''done'' end;
        return new; end';
    create trigger contents_is_read before insert on public.contents
      for each row execute function fynq.is_read()`);
  const copy = async (half) => {
    const random = numbers(7 + half);
    for (let i = half * (CONTENTS / 2); i < (half + 1) * (CONTENTS / 2); i += PIECE) {
      const rows = Array.from({ length: PIECE }, (_, k) => content(i + k, author, file, random));
      await db.run(`copy public.contents (${COLUMNS}) from stdin;\n${rows.join("\n")}\n\\.\n`);
    }
  };
  await Promise.all([copy(0), copy(1)]);
  await db.run(`drop trigger contents_is_read on public.contents;
    drop function fynq.is_read();
    insert into public.content_passages (content_id, n, body, search)
      select id, 1, left(body, 1000), to_tsvector(config::regconfig, left(body, 1000))
      from public.contents where body is not null;
    insert into public.content_passages (content_id, n, page, body, search)
      select p.id, t.n - 3 * p.n + 1, t.n - 3 * p.n + 1, t.body,
        to_tsvector(t.config::regconfig, t.body)
      from (select id, config, row_number() over (partition by config order by id) as n
        from public.contents where type = 'pdf') p
      join (select left(body, 1000) as body, config,
          row_number() over (partition by config order by id) as n
        from public.contents where type = 'text') t
        on t.config = p.config and t.n between 3 * p.n and 3 * p.n + 2;
    update public.contents set extraction = 'done', pages = 3 where type = 'pdf'`);
  await db.run(`set maintenance_work_mem = '256MB'; ${indexes.map((i) => i.indexdef).join(";")}`);
  await db.run("vacuum analyze");
}

/** What is asked, by kind: each a function that gives the query. */
function kinds(titles) {
  const random = numbers(42);
  const pick = (items) => items[Math.floor(items.length * random())];
  const en = WORDS_OF.en;
  const common = () => pick(en.slice(20, 60));
  const middling = () => pick(en.slice(60, 2000));
  const title = () => pick(titles).split(" ");
  return {
    rare: () => ({ q: pick(en.slice(3000)) }),
    "two rare": () => ({ q: `${pick(en.slice(3000))} ${pick(en.slice(3000))}` }),
    common: () => ({ q: common() }),
    "two words": () => ({ q: `${common()} ${middling()}` }),
    phrase: () => ({ q: `"${title().slice(0, 2).join(" ")}"` }),
    "typing error": () => ({ q: title()[0].replace(/^(..)(.)(.)/, "$1$3$2") }),
    "type and tag": () => ({ q: common(), type: "text", tag: `grade ${Math.floor(13 * random())}` }),
    language: () => ({ q: pick(WORDS_OF.de.slice(20, 200)), language: "de" }),
    "second page": () => ({ q: common(), second: true }),
  };
}

/** One request on the client's connection: {ms, json}. */
function ask({ url, agent, token }, query) {
  const target = `${url}/api/v1/contents?${new URLSearchParams(query)}`;
  const began = performance.now();
  return new Promise((resolve, reject) => {
    http.get(target, { agent, headers: { authorization: `Bearer ${token}` } }, (response) => {
      const pieces = [];
      response.on("data", (piece) => pieces.push(piece));
      response.on("end", () => {
        const ms = performance.now() - began;
        const text = Buffer.concat(pieces).toString();
        if (response.statusCode === 200) resolve({ ms, json: JSON.parse(text) });
        else reject(new Error(`${target}: ${response.statusCode} ${text}`));
      });
    }).on("error", reject);
  });
}

async function clientLoop(client, asked, times, goOn) {
  const names = Object.keys(asked);
  for (let i = client.number; goOn(i - client.number); i++) {
    const name = names[i % names.length];
    const { second, ...query } = asked[name]();
    let { ms, json } = await ask(client, query);
    if (second && json.next_cursor) {
      ({ ms, json } = await ask(client, { ...query, cursor: json.next_cursor }));
    }
    times[name].push(ms);
  }
}

const emptyTimes = (asked) => Object.fromEntries(Object.keys(asked).map((name) => [name, []]));

/** The plan of a search as the responder itself runs it, from PostgreSQL's log. */
async function explain({ db, state }, client, query) {
  const settings = { session_preload_libraries: "auto_explain", "auto_explain.log_min_duration": 0,
    "auto_explain.log_analyze": "on", "auto_explain.log_timing": "on" };
  const log = path.join(state, "pg/log");
  const away = "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'fynq'";
  for (const [name, value] of Object.entries(settings)) {
    await db.run(`alter role fynq set ${name} = '${value}'`);
  }
  await db.run(away);
  await ask(client, query);
  const plan = await until(async () => {
    const text = await readFile(log, "utf8");
    return /Query Text: with recursive configs[^\n]*\n((?:\t[^\n]*\n)+)/.exec(text)?.[1];
  }, "a plan in PostgreSQL's log");
  for (const name of Object.keys(settings)) await db.run(`alter role fynq reset ${name}`);
  await db.run(away);
  return plan.replaceAll(/^\t/gm, "");
}

// Two connections for two processors: ten searches at once would only take turns, and the last of
// them would come as late as all.
export async function workload() {
  const bench = await Bench.start({ students: 0, settings: { FYNQ_PROCESSES: 1, FYNQ_DB_CONNECTIONS: 2 } });
  try {
    const { stack } = bench;
    const author = await registerAs(stack, "teacher");
    const began = performance.now();
    // The tests' PostgreSQL counts every statement within a statement; as it comes it counts none.
    await stack.db.run("alter role fynq set pg_stat_statements.track = 'none'");
    await fill(stack.db, author.id);
    console.log(`${CONTENTS} contents in ${round((performance.now() - began) / 1000)} s\n`);
    const titles = (await stack.db.query("select title from contents limit 2000")).map((c) => c.title);
    const asked = kinds(titles);
    const clients = [];
    for (let number = 0; number < CLIENTS; number++) {
      const { token } = await stack.register();
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      clients.push({ number, url: stack.url, token, agent });
    }
    console.log(await explain(stack, clients[0], asked.common()));

    const run = async (goOn) => {
      const times = emptyTimes(asked);
      await Promise.all(clients.map((client) => clientLoop(client, asked, times, goOn)));
      return times;
    };
    await run((n) => n < WARM_UP);
    const end = performance.now() + SECONDS * 1000;
    const times = await run(() => performance.now() < end);
    for (const { agent } of clients) agent.destroy();

    const every = Object.values(times).flat();
    const at = (ms) => [0.5, 0.95, 0.99].map((part) => round(percentile(ms, part), 1));
    table(["ms", "asked", "p50", "p95", "p99"], [
      ...Object.entries(times).map(([name, ms]) => [name, ms.length, ...at(ms)]),
      ["all", every.length, ...at(every)],
    ]);
    const [p50, p95, p99] = at(every);
    return { contents: CONTENTS, clients: CLIENTS, searches_per_s: round(every.length / SECONDS),
      p50_ms: p50, p95_ms: p95, p99_ms: p99 };
  } finally {
    await bench.stop();
  }
}
