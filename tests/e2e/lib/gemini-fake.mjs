// What tests of the stand-in for the Gemini API itself start with.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";

import { makeCertificate, startStandIn } from "../../fakes/gemini/client.mjs";
import { Probe } from "../../fakes/gemini/probe.mjs";

export const KEY = "a-key-for-tests";
export const LIMIT = { timeout: 60000 };
export const STREAM = "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse";
export const WHOLE = "/v1beta/models/gemini-2.5-flash:generateContent";

/** A stand-in that wants KEY, and who asks it, by TLS; its stop() must be called. */
export async function startFake() {
  const directory = await mkdtemp(path.join(os.tmpdir(), "gemini-fake-"));
  const certificate = await makeCertificate(directory);
  const ca = await readFile(certificate.cert);
  const { cert, key } = certificate;
  const standIn = await startStandIn(["--cert", cert, "--key", key, "--api-key", KEY]);
  const probe = new Probe(standIn.url, ca, KEY);
  return {
    certificate, ca, standIn, probe,
    async stop() {
      probe.close();
      await standIn.stop();
      await rm(directory, { recursive: true });
    },
  };
}

/** The body of a question. */
export function asking(words) {
  return { contents: [{ role: "user", parts: [{ text: words }] }] };
}
