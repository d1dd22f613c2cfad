// What a request must be beyond its shape. The first list finds every wrong field and reports
// them together, as the service's own validator does; the second holds the rules that answer
// with a message of their own, in order, the first that fails.

import { ApiFault, invalidArgument } from "./errors.mjs";
import { signatureFault } from "./signatures.mjs";
import { promptTokens } from "./tokens.mjs";

const DATA = [
  "text",
  "inlineData",
  "fileData",
  "functionCall",
  "functionResponse",
  "executableCode",
  "codeExecutionResult",
];

const CATEGORIES = [
  "HARM_CATEGORY_HARASSMENT",
  "HARM_CATEGORY_HATE_SPEECH",
  "HARM_CATEGORY_SEXUALLY_EXPLICIT",
  "HARM_CATEGORY_DANGEROUS_CONTENT",
  "HARM_CATEGORY_CIVIC_INTEGRITY",
];

// Accepted media, with how their bytes begin (at what offset).
const MEDIA = {
  "image/png": [0, /^\x89PNG\r\n\x1a\n/],
  "image/jpeg": [0, /^\xff\xd8\xff/],
  "image/webp": [0, /^RIFF[^]{4}WEBP/],
  "image/heic": [4, /^ftyp/],
  "image/heif": [4, /^ftyp/],
  "application/pdf": [0, /^%PDF-/],
};

const TEXT_OUTPUT = ["text/plain", "application/json", "text/x.enum"];

// Field of generationConfig, its name in messages, least and most.
const RANGES = [
  ["temperature", "temperature", 0, 2],
  ["topP", "top_p", 0, 1],
  ["topK", "top_k", 1, Infinity],
  ["candidateCount", "candidate_count", 1, 8],
  ["maxOutputTokens", "max_output_tokens", 1, Infinity],
  ["logprobs", "logprobs", 0, 20],
];

/** Throws the ApiFault that the service would answer `request` (of message `type`) with. */
export function validate(type, request, model) {
  const faults = [...fieldFaults(request)];
  if (faults.length > 0) {
    const lines = faults.map(([path, why]) => `* ${type}.${path}: ${why}\n`);
    throw invalidArgument(lines.join(""));
  }
  for (const rule of rules) {
    const fault = rule(request, model);
    if (fault) throw fault instanceof ApiFault ? fault : invalidArgument(fault);
  }
}

/** The contents with each run of a role as one turn: {role, parts}. */
export function turnsOf(contents) {
  const turns = [];
  for (const { role = "user", parts } of contents) {
    const last = turns[turns.length - 1];
    if (last && last.role === role) last.parts.push(...parts);
    else turns.push({ role, parts: [...parts] });
  }
  return turns;
}

function* fieldFaults(request) {
  const contents = request.contents ?? [];
  if (contents.length === 0) yield ["contents", "contents is not specified"];
  for (const [i, content] of contents.entries()) {
    yield* contentFaults(content, `contents[${i}]`, "contents.parts");
  }
  if (request.systemInstruction) {
    const path = "system_instruction";
    yield* contentFaults(request.systemInstruction, path, `${path}.parts`);
  }
  const config = request.generationConfig ?? {};
  for (const [field, name, least, most] of RANGES) {
    if (config[field] >= least && config[field] <= most) continue;
    if (config[field] === undefined) continue;
    yield [`generation_config.${name}`, `${name} must be in the range [${least}, ${most}].`];
  }
  if ((config.stopSequences ?? []).length > 5) {
    yield ["generation_config.stop_sequences", "at most 5 stop sequences are allowed."];
  }
  for (const [i, setting] of (request.safetySettings ?? []).entries()) {
    yield* safetyFaults(setting, `safety_settings[${i}]`);
  }
}

function* contentFaults(content, path, name) {
  const parts = content.parts ?? [];
  if (parts.length === 0) yield [`${path}.parts`, `${name} must not be empty.`];
  for (const [j, part] of parts.entries()) {
    if (hasData(part, content.role)) continue;
    const why = "required oneof field 'data' must have one initialized field";
    yield [`${path}.parts[${j}].data`, why];
  }
}

// A model's stream ends in parts of empty text, which clients rightly send back.
function hasData(part, role) {
  const member = DATA.find((name) => name in part);
  return member !== undefined && (member !== "text" || part.text !== "" || role === "model");
}

function* safetyFaults({ category, threshold }, path) {
  if (!CATEGORIES.includes(category)) {
    const listed = CATEGORIES.map((name) => `HarmCategory.${name}`).join(", ");
    yield [path, `element predicate failed: $.category in (${listed})`];
  }
  if (threshold === undefined || threshold === "HARM_BLOCK_THRESHOLD_UNSPECIFIED") {
    yield [`${path}.threshold`, "threshold must be specified."];
  }
}

// A rule answers the message of a 400, an ApiFault, or nothing.
const rules = [
  function knownRoles({ contents }) {
    const known = ({ role }) => role === "user" || role === "model";
    const single = contents.length === 1 && contents[0].role === undefined;
    if (!single && !contents.every(known)) return "Please use a valid role: user, model.";
  },

  // The service takes a run of model contents for one turn, as Google's own SDK sends back a
  // streamed reply chunk by chunk. Two user contents in a row are a client's mistake.
  function alternatingRoles({ contents }) {
    const roles = contents.map(({ role = "user" }) => role);
    const stumbles = roles.some((role, i) => i > 0 && role === "user" && roles[i - 1] === "user");
    if (roles[0] !== "user" || stumbles) {
      return "Please ensure that multiturn requests alternate between user and model.";
    }
  },

  function endsWithUser({ contents }) {
    if ((contents[contents.length - 1].role ?? "user") !== "user") {
      return "Please ensure that multiturn requests ends with a user role or a function response.";
    }
  },

  function emptyModelTurn({ contents }) {
    const spoken = (part) => part.text !== "" || part.thoughtSignature;
    const turns = turnsOf(contents);
    if (turns.some(({ parts }) => !parts.some(spoken))) {
      return "Please ensure that every turn has content.";
    }
  },

  function duplicateCategories({ safetySettings = [] }) {
    const seen = new Set(safetySettings.map(({ category }) => category));
    if (seen.size < safetySettings.length) {
      return "Please ensure that each safety category has at most one setting.";
    }
  },

  function functionTurns({ contents }) {
    const turns = turnsOf(contents);
    const count = (turn, name) => (turn ? turn.parts.filter((part) => part[name]).length : 0);
    for (const [i, turn] of turns.entries()) {
      if (turn.role !== "user") continue;
      const calls = count(turns[i - 1], "functionCall");
      const responses = count(turn, "functionResponse");
      if (calls === responses) continue;
      return calls === 0
        ? "Please ensure that function response turn comes immediately after a function call turn."
        : "Please ensure that the number of function response parts is equal to the number of " +
            "function call parts of the function call turn.";
    }
  },

  function mediaTypes({ contents }) {
    const blobs = contents.flatMap(({ parts }) => parts).map((part) => part.inlineData);
    for (const blob of blobs.filter(Boolean)) {
      const signature = Object.hasOwn(MEDIA, blob.mimeType ?? "") && MEDIA[blob.mimeType];
      if (!signature) return `Unsupported MIME type: ${blob.mimeType ?? ""}`;
      const [offset, start] = signature;
      const head = Buffer.from((blob.data ?? "").slice(0, 32), "base64").toString("latin1");
      if (!start.test(head.slice(offset))) {
        return "Unable to process input image. Please retry or report in " +
          "https://developers.generativeai.google/guide/troubleshooting";
      }
    }
  },

  // The stand-in keeps no files and no caches, so whatever is named does not exist.
  function storedThings({ contents, cachedContent }) {
    const file = contents.flatMap(({ parts }) => parts).find((part) => part.fileData);
    if (file) {
      const name = String(file.fileData.fileUri ?? "").split("/").pop();
      const why = `You do not have permission to access the File ${name} or it may not exist.`;
      return new ApiFault(403, "PERMISSION_DENIED", why);
    }
    if (cachedContent) {
      const why = "CachedContent not found (or permission denied)";
      return new ApiFault(403, "PERMISSION_DENIED", why);
    }
  },

  function systemText({ systemInstruction }) {
    const wordless = (systemInstruction?.parts ?? []).some((part) => part.text === undefined);
    if (wordless) return "System instruction must be text only.";
  },

  function thinking({ generationConfig }, model) {
    const config = generationConfig?.thinkingConfig;
    if (!config) return undefined;
    const { thinkingBudget: budget, thinkingLevel: level } = config;
    if (budget !== undefined && level !== undefined) {
      return "You can only set only one of thinking budget and thinking level.";
    }
    if (!model.thinking) return "Thinking is not supported for this model.";
    if (level !== undefined) return levelFault(level, model.thinking);
    if (budget !== undefined) return budgetFault(budget, model.thinking);
  },

  function structuredOutput({ generationConfig = {}, tools = [] }, model) {
    const { responseMimeType: mimeType = "text/plain", responseSchema } = generationConfig;
    const jsonSchema = generationConfig.responseJsonSchema;
    if (!TEXT_OUTPUT.includes(mimeType)) {
      return `Unsupported response mime type: ${mimeType}. ` +
        `Allowed mimetypes are ${TEXT_OUTPUT.map((type) => `\`${type}\``).join(", ")}.`;
    }
    if (responseSchema !== undefined && jsonSchema !== undefined) {
      return "Please set only one of response_schema and response_json_schema.";
    }
    if (mimeType === "text/plain" && (responseSchema ?? jsonSchema) !== undefined) {
      return "response_schema requires a response_mime_type of application/json.";
    }
    if (mimeType !== "text/plain" && tools.length > 0 && !model.signs) {
      return `Function calling with a response mime type: '${mimeType}' is unsupported`;
    }
  },

  function promptLength(request, model) {
    const { total } = promptTokens(request);
    if (total > model.inputTokenLimit) {
      return `The input token count (${total}) exceeds the maximum number of tokens allowed ` +
        `(${model.inputTokenLimit}).`;
    }
  },

  function thoughtSignatures({ contents }, model) {
    if (!model.signs) return undefined;
    for (const [i, turn] of turnsOf(contents).entries()) {
      const fault = turn.role === "model" && signatureFault(turn.parts);
      if (fault === "corrupted") return "Corrupted thought signature.";
      if (fault === "missing") {
        return `The model's turn at position ${i} is missing a thought_signature. Please refer ` +
          "to https://ai.google.dev/gemini-api/docs/thought-signatures for more details.";
      }
    }
  },
];

function levelFault(level, { levels }) {
  if (!levels) return "Thinking level is not supported for this model.";
  if (!levels.includes(level)) return `Thinking level ${level} is not supported for this model.`;
}

function budgetFault(budget, { budget: [least, most], off }) {
  if (budget === -1) return undefined;
  if (budget === 0) {
    return off ? undefined : "Budget 0 is invalid. This model only works in thinking mode.";
  }
  if (budget < least || budget > most) {
    return `The thinking budget ${budget} is invalid. ` +
      `Please choose a value between ${least} and ${most}.`;
  }
}
