// fetch() for a server whose certificate only the test knows: Node's own takes no authority.

import { once } from "node:events";
import https from "node:https";

const EMPTY = [101, 204, 205, 304];

/** A fetch() that trusts `ca` (PEM). Redirects are not followed. */
export function fetchTrusting(ca) {
  const agent = new https.Agent({ ca, keepAlive: false });
  return async (input, { method = "GET", headers = {}, body } = {}) => {
    const sent = Object.fromEntries(new Headers(headers));
    if (body) sent["content-length"] = Buffer.byteLength(body);
    const request = https.request(String(input), { method, agent, headers: sent });
    request.end(body || undefined);
    const [response] = await once(request, "response");
    const chunks = [];
    for await (const chunk of response) chunks.push(chunk);
    const answerHeaders = new Headers();
    for (let i = 0; i < response.rawHeaders.length; i += 2) {
      answerHeaders.append(response.rawHeaders[i], response.rawHeaders[i + 1]);
    }
    const bytes = EMPTY.includes(response.statusCode) ? null : Buffer.concat(chunks);
    return new Response(bytes, { status: response.statusCode, headers: answerHeaders });
  };
}
