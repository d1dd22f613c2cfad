// The API itself: finds the method, asks for the key, reads and validates the request, and has
// it answered by the script that its token names, by chance, or by the tutor.

import {
  ApiFault,
  badRequest,
  htmlPage,
  missingKey,
  unknownModel,
  wrongKey,
} from "./errors.mjs";
import { modelResource, models } from "./models.mjs";
import { play } from "./player.mjs";
import { parseJson, readRequest } from "./protojson.mjs";
import { ArrayWriter, Reply, SseWriter, WholeWriter } from "./replies.mjs";
import { promptTokens } from "./tokens.mjs";
import { validate } from "./validate.mjs";

const WHOLE = "generateContent";
const STREAMS = "streamGenerateContent";
const GENERATES = [WHOLE, STREAMS];
const COMMON_QUERY = ["key", "alt", "$alt", "prettyPrint", "quotaUser", "fields"];

const routes = [
  ["GET", /^\/v1beta\/models$/, listModels, ["pageSize", "pageToken"]],
  ["GET", /^\/v1beta\/models\/([^/:]+)$/, getModel, []],
  ["POST", /^\/v1beta\/models\/([^/:]+):(generateContent)$/, generate, []],
  ["POST", /^\/v1beta\/models\/([^/:]+):(streamGenerateContent)$/, generate, []],
  ["POST", /^\/v1beta\/models\/([^/:]+):(countTokens)$/, countTokens, []],
];

/**
 * The function that answers each exchange. `apiKey` is the one valid key, or null to take any;
 * `delayMs` is the pause between the tutor's events.
 */
export function createService({ registry, chaos, calls, apiKey, delayMs }) {
  const service = { registry, chaos, calls, apiKey, delayMs };
  return (exchange, body) => {
    try {
      answer(service, exchange, body);
    } catch (fault) {
      if (!(fault instanceof ApiFault)) throw fault;
      exchange.answer(fault.code, fault.body());
    }
  };
}

function answer(service, exchange, body) {
  for (const [method, pattern, handler, query] of routes) {
    const found = pattern.exec(exchange.path);
    if (!found || method !== exchange.method) continue;
    const [, model = null, verb = null] = found;
    const ask = { ...service, exchange, body, verb, model: model && decode(model) };
    exchange.call.model = ask.model;
    exchange.inList = verb === STREAMS && altOf(exchange) !== "sse";
    const json = method === "POST" ? parseAndRecognise(ask) : undefined;
    checkKey(service, exchange);
    checkQuery(exchange, query);
    if (json instanceof ApiFault) throw json;
    handler(ask, json);
    return;
  }
  // Google's front end knows no such method, which is all that a wrong one means.
  exchange.answer(404, htmlPage(404, "Not Found"));
}

function altOf({ query }) {
  return query.get("alt") ?? query.get("$alt") ?? "json";
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// The token is looked for first, so that a test sees its call also where it is refused.
function parseAndRecognise(ask) {
  const { exchange, body, registry, chaos, calls, model, verb } = ask;
  let json;
  try {
    json = parseJson(body) ?? {};
  } catch (fault) {
    if (fault instanceof ApiFault) return fault;
    throw fault;
  }
  const text = lastText(json);
  ask.token = registry.tokenIn(text);
  if (ask.token !== null) calls.recognise(exchange.call, ask.token, json, body.length);
  else if (GENERATES.includes(verb)) ask.random = chaos.recognise(exchange, text, verb === STREAMS);
  exchange.call.model = model;
  return json;
}

// The text of the user's last content, as far as one can be made out before anything is checked.
function lastText(json) {
  const contents = [json?.contents ?? json?.generateContentRequest?.contents ?? []].flat();
  const last = contents.filter((content) => content?.role !== "model").pop();
  const parts = [last?.parts ?? []].flat();
  return parts.map((part) => (typeof part?.text === "string" ? part.text : "")).join("\n");
}

function checkKey({ apiKey }, { headers, query, call }) {
  const inHeader = headers["x-goog-api-key"];
  const key = inHeader || query.get("key");
  if (!key) throw missingKey();
  call.key_in = inHeader ? "header" : "query";
  if (apiKey !== null && key !== apiKey) throw wrongKey();
}

function checkQuery(exchange, allowed) {
  const unknown = [...exchange.query.keys()].filter(
    (name) => !COMMON_QUERY.includes(name) && !allowed.includes(name),
  );
  if (unknown.length > 0) {
    throw badRequest(
      unknown.map((name) => ({
        description:
          `Invalid JSON payload received. Unknown name "${name}": Cannot bind query parameter. ` +
          `Field '${name}' could not be found in request message.`,
      })),
    );
  }
  if (!["json", "sse"].includes(altOf(exchange))) {
    throw badRequest([{ field: "alt", description: "Invalid value for the alt parameter." }]);
  }
}

function checkContentType({ headers }) {
  const type = headers["content-type"];
  if (type !== undefined && !/^application\/json\s*(;|$)/i.test(type)) {
    const why = `Unsupported content type: ${type}. Expected application/json.`;
    throw badRequest([{ description: why }]);
  }
}

function modelOf({ model: name, verb }) {
  const model = models.get(name);
  if (!model) throw unknownModel(name, verb ?? "GetModel");
  return model;
}

function listModels({ exchange }) {
  const size = Math.min(Math.max(Number(exchange.query.get("pageSize")) || 50, 1), 1000);
  const from = Number(exchange.query.get("pageToken")) || 0;
  const all = [...models.values()].map(modelResource);
  const page = { models: all.slice(from, from + size) };
  if (from + size < all.length) page.nextPageToken = String(from + size);
  exchange.answer(200, page);
}

function getModel(ask) {
  ask.exchange.answer(200, modelResource(modelOf(ask)));
}

function countTokens(ask, json) {
  checkContentType(ask.exchange);
  const request = readRequest("CountTokensRequest", json);
  const model = modelOf(ask);
  const whole = request.generateContentRequest;
  if (whole && request.contents) {
    const why = "Please set only one of contents and generate_content_request.";
    throw badRequest([{ field: "contents", description: why }]);
  }
  validate(whole ? "GenerateContentRequest" : "CountTokensRequest", whole ?? request, model);
  const { total, details } = promptTokens(whole ?? request);
  ask.exchange.answer(200, { totalTokens: total, promptTokensDetails: details });
}

function generate(ask, json) {
  const { exchange, registry, chaos, random, token, verb } = ask;
  checkContentType(exchange);
  const request = readRequest("GenerateContentRequest", json);
  const model = modelOf(ask);
  validate("GenerateContentRequest", request, model);
  const StreamWriter = exchange.inList ? ArrayWriter : SseWriter;
  const writer = new (verb === WHOLE ? WholeWriter : StreamWriter)(exchange);
  const reply = new Reply(request, model);
  const { delayMs } = ask;
  const answer = random ? chaos.answer(random) : { steps: registry.take(token), delayMs };
  play(answer.steps, { exchange, writer, reply, token, registry, delayMs: answer.delayMs });
}
