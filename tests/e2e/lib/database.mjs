// SQL as the superuser, through psql.

import { spawn } from "node:child_process";
import { once } from "node:events";

export class Database {
  #environment;

  constructor(url) {
    const { username, password, pathname, searchParams } = new URL(url.replace("@/", "@host/"));
    this.#environment = {
      PATH: process.env.PATH,
      PGHOST: searchParams.get("host"),
      PGUSER: username,
      PGPASSWORD: password,
      PGDATABASE: pathname.slice(1),
      PGCONNECT_TIMEOUT: "10",
    };
  }

  /** A query that returns rows, an INSERT … RETURNING too; $1, $2… are params. Array of objects. */
  query = async (sql, params = []) => {
    const text = await this.#psql(
      `with rows as (${sql}) select coalesce(json_agg(rows), '[]') from rows`,
      params,
    );
    return JSON.parse(text);
  };

  /** Statements that return nothing. */
  run = async (sql, params = []) => {
    await this.#psql(sql, params);
  };

  // psql 15 cannot bind parameters: :'p1' is the variable p1 as an SQL literal.
  async #psql(sql, params) {
    const variables = params.flatMap((value, i) => ["-v", `p${i + 1}=${value}`]);
    const bound = sql.replace(/\$(\d+)/g, (_, n) => (params[n - 1] === null ? "null" : `:'p${n}'`));
    const args = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", ...variables];
    const child = spawn("psql", args, { env: this.#environment });
    const output = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"]) {
      child[name].setEncoding("utf8");
      child[name].on("data", (chunk) => (output[name] += chunk));
    }
    child.stdin.end(`${bound}\n;\n`);
    const [code] = await once(child, "close");
    if (code !== 0) throw new Error(`psql: ${output.stderr}`);
    return output.stdout;
  }
}
