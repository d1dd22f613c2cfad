// What the documents take from the programs themselves: the API, the settings, their example file;
// and from the tests of the database, who may do what in it.
//
//   node dev.d/documents.mjs PREFIX    writes them into this checkout, from programs that were
//                                      installed under PREFIX (an absolute path)

import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const TOP = fileURLToPath(new URL("../", import.meta.url));
const API = "docs/api";
const SECURITY = "docs/security.md";
const MATRIX = "sql/tests/matrix.psql";

// The documents show the paths of an installation that deploying.md makes.
const DOCUMENTED_PREFIX = "/usr";

/** Resolves with all of them: a Map from a path in the checkout to the file's text. */
export async function documents(prefix) {
  const bin = path.join(prefix, "libexec/fynq");
  const ctl = path.join(prefix, "sbin/fynqctl");
  const settings = async (form) =>
    (await say(ctl, "config", form)).replaceAll(`${prefix}/`, `${DOCUMENTED_PREFIX}/`);

  const files = new Map();
  const endpoints = [];
  for (const name of await endpointsIn(bin)) {
    const program = path.join(bin, `${name}.fcgi`);
    const openapi = await say(program, "--openapi");
    files.set(`${API}/${name}.json`, openapi);
    endpoints.push({
      name,
      routes: parseRoutes(await say(program, "--routes")),
      paths: JSON.parse(openapi).paths,
    });
  }
  files.set(`${API}/README.md`, tableOf(endpoints));
  files.set("docs/config.md", CONFIG_HEAD + (await settings("markdown")));
  files.set(".env.example", await settings("example"));
  files.set(SECURITY, await withMatrix());
  return files;
}

/** The rows of --routes. */
export function parseRoutes(text) {
  return text.trim().split("\n").map((line) => {
    const [method, route, who, bodyMax, kind] = line.split("\t");
    return { method, path: route, who, bodyMax: Number(bodyMax), streams: kind === "stream" };
  });
}

const CONFIG_HEAD = `# Settings

Made by \`./dev generate\` from lib/base/config.def.

A setting comes from the environment, else from the file that \`FYNQ_CONFIG\` names (lines of
\`NAME=value\`, as in .env.example), else from its default. A secret may instead lie in a file of
its own: \`FYNQ_JWT_SECRET_FILE=/path\`. With a bad, missing or unknown setting nothing starts;
\`fynqctl config check\` says which it is.

Access tokens need \`FYNQ_JWT_SECRET\`, a key in \`FYNQ_JWT_KEYS_DIR\`, or Supabase's keys with
\`FYNQ_AUTH=supabase\`; \`NAME.fcgi --check\` tries the first two.
Paths are those of an installation under \`/usr\`.

`;

const API_HEAD = `# Routes

Made by \`./dev generate\` from the route tables in cgi-bin/. The document of each endpoint is the
binding form: what a route takes and gives, with bounds, and every error. Routes marked SSE can
stream: see [a streamed reply](../streams.md).
`;

function tableOf(endpoints) {
  const parts = endpoints.map(({ name, routes, paths }) => {
    const rows = routes.map(({ method, path: route, who, bodyMax, streams }) => {
      const { summary, requestBody } = paths[route][method.toLowerCase()];
      const body = requestBody ? `${bodyMax} bytes` : "";
      const kind = streams ? "SSE" : "";
      return `| ${method} | \`${route}\` | ${who} | ${body} | ${kind} | ${summary} |`;
    });
    return [
      `\n## ${name}\n\n[${name}.json](${name}.json)\n`,
      "| method | path | who | body, at most | streams | what |",
      "| --- | --- | --- | --- | --- | --- |",
      ...rows,
      "",
    ].join("\n");
  });
  return API_HEAD + parts.join("");
}

/** The rows of the matrix of access: arrays of words, the table's name first. */
export function parseMatrix(text) {
  const [, block] = /^copy pg_temp\.matrix from stdin .*\n([^]*?)^\\\.$/m.exec(text);
  return block.trim().split("\n").map((line) => line.split("|").map((word) => word.trim()));
}

// The text around the table is written by hand.
async function withMatrix() {
  const rows = parseMatrix(await readFile(path.join(TOP, MATRIX), "utf8"));
  const table = [
    "| table | verb | anon | student | teacher | admin | service |",
    "| --- | --- | --- | --- | --- | --- | --- |",
    ...rows.map((words) => `| ${words.join(" | ")} |`),
  ].join("\n");
  const text = await readFile(path.join(TOP, SECURITY), "utf8");
  const marks = /(<!-- matrix: made by \.\/dev generate -->\n)[^]*(<!-- end of matrix -->\n)/;
  if (!marks.test(text)) throw new Error(`${SECURITY} has no place for the matrix`);
  return text.replace(marks, (_, begin, end) => `${begin}\n${table}\n\n${end}`);
}

async function endpointsIn(folder) {
  const programs = (await readdir(folder)).filter((file) => file.endsWith(".fcgi"));
  return programs.map((file) => path.basename(file, ".fcgi")).sort();
}

// Without the caller's settings: what stands in the documents must not depend on them.
async function say(program, ...args) {
  const kept = ["PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS"].filter((name) => name in process.env);
  const env = Object.fromEntries(kept.map((name) => [name, process.env[name]]));
  const { stdout } = await promisify(execFile)(program, args, { env, maxBuffer: 16 << 20 });
  return stdout;
}

async function write(prefix) {
  const files = await documents(prefix);
  const api = path.join(TOP, API);
  await mkdir(api, { recursive: true });
  for (const file of await readdir(api)) {
    if (!files.has(`${API}/${file}`)) await rm(path.join(api, file));
  }
  for (const [file, text] of files) await writeFile(path.join(TOP, file), text);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await write(process.argv[2]);
