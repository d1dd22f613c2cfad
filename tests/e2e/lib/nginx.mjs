// An Nginx of the test's own before a stack's endpoints, such as one that sends no files itself.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";

import { waitUntil } from "./wait.mjs";

const run = promisify(execFile);

async function freePort() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/**
 * Starts it, before the endpoints whose sockets are in the folder `run`; `files` is the stack's own
 * FYNQ_FILES_DIR where Nginx is to send files itself. {url, log(), stop()}.
 */
export async function startNginx(stack, { files, run: sockets = `${stack.state}/run` } = {}) {
  const { bin } = JSON.parse(process.env.FYNQ_TEST_STACK);
  const folder = await mkdtemp(path.join(os.tmpdir(), "fynq-nginx-"));
  const file = (name) => path.join(folder, name);
  const script = path.join(bin, "../../share/fynq/nginx/site.sh");
  await mkdir(file("tmp"));
  for (const part of ["http", "server"]) {
    const args = [script, part, bin, sockets, ...(files ? [files] : [])];
    const { stdout } = await run("sh", args, { env: stack.environment() });
    await writeFile(file(`${part}.conf`), stdout);
  }
  const temporary = ["client_body", "fastcgi", "proxy", "scgi", "uwsgi"]
    .map((name) => `${name}_temp_path ${folder}/tmp/${name};`).join("\n");
  const user = process.getuid() === 0 ? "user root;" : "";
  // Another program may take the port between our asking for it and Nginx's: then with another one.
  let nginx, url;
  for (let tries = 3; ; tries -= 1) {
    const port = await freePort();
    await writeFile(file("nginx.conf"), `${user} daemon off; worker_processes 1; pid ${folder}/pid;
      events {} http { ${temporary} include ${folder}/http.conf; access_log ${folder}/access.log fynq;
      server { listen 127.0.0.1:${port}; include ${folder}/server.conf; } }\n`);
    nginx = spawn("nginx", ["-p", folder, "-e", file("error.log"), "-c", file("nginx.conf")]);
    url = `http://127.0.0.1:${port}`;
    // It writes its id once it listens, and ends where it cannot.
    await waitUntil(() => existsSync(file("pid")) || nginx.exitCode !== null, { what: "Nginx" });
    if (nginx.exitCode === null) break;
    if (tries === 1) throw new Error(await readFile(file("error.log"), "utf8"));
  }
  return {
    url,
    log: async () => {
      const texts = ["access.log", "error.log"].map((name) => readFile(file(name), "utf8"));
      return (await Promise.all(texts)).join("");
    },
    stop: async () => {
      nginx.kill();
      await once(nginx, "exit");
      await rm(folder, { recursive: true });
    },
  };
}
