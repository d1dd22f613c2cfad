// Requests that the stand-in must refuse, each with what the message must say, and unusual ones
// that it must take, all as the service would. For the stand-in's own test.

/** A PNG of one pixel. */
export const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA" +
  "AABJRU5ErkJggg==";

const text = (words) => ({ text: words });
const user = (...parts) => ({ role: "user", parts });
const model = (...parts) => ({ role: "model", parts });
const blob = (mimeType, data) => user(text("See"), { inlineData: { mimeType, data } });
const ASK = [user(text("Hello"))];
const config = (generationConfig) => ({ contents: ASK, generationConfig });
const thinking = (thinkingConfig) => config({ thinkingConfig });
const safety = (...safetySettings) => ({ contents: ASK, safetySettings });
const call = { functionCall: { name: "f", args: {} } };
const response = { functionResponse: { name: "f", response: { ok: true } } };

const HARASSMENT = "HARM_CATEGORY_HARASSMENT";
const ONLY_HIGH = "BLOCK_ONLY_HIGH";
const ALTERNATE = /multiturn requests alternate between user and model/;
const NO_FIELD = /Cannot find field/;
const NO_DATA = /required oneof field 'data' must have one initialized field/;

// [what is wrong, request (a string is sent as it stands), message, model (gemini-2.5-flash)]
export const refused = [
  ["an empty body", "", /contents is not specified/],
  ["malformed JSON", '{"contents": [}', /^Invalid JSON payload received\. Unexpected token/],
  ["JSON that is no object", "[1]", /Root element must be a message/],
  ["JSON a hundred deep", `{"x":${"[".repeat(200)}${"]".repeat(200)}}`, /too deep/],
  ["an unknown name at the top", { contents: ASK, system: "x" }, /Unknown name "system": Cannot/],
  ["an unknown name in a content", { contents: [{ ...ASK[0], x: 1 }] },
    /Unknown name "x" at 'contents\[0\]': Cannot find field/],
  ["an unknown name in a part", { contents: [user({ text: "a", typo: 1 })] },
    /Unknown name "typo" at 'contents\[0\]\.parts\[0\]'/],
  ["an unknown name in a blob", { contents: [user({ inlineData: { mime: "image/png" } })] },
    /Unknown name "mime" at 'contents\[0\]\.parts\[0\]\.inline_data'/],
  ["an unknown name in the configuration", config({ max_tokens: 5 }),
    /Unknown name "max_tokens" at 'generation_config'/],
  ["an unknown name in the thinking", thinking({ budget: 1 }),
    /Unknown name "budget" at 'generation_config\.thinking_config'/],
  ["an unknown name in a schema",
    config({ responseSchema: { type: "OBJECT", properties: { a: { const: 1 } } } }),
    /Unknown name "const" at 'generation_config\.response_schema\.properties\[0\]\.value'/],
  ["a name of the prototype", '{"contents":[],"__proto__":{},"constructor":1}', NO_FIELD],
  ["a number for text", { contents: [user({ text: 5 })] }, /\(TYPE_STRING\), 5/],
  ["text for a content", { contents: ["Hello"] }, /Invalid value at 'contents\[0\]' \(type\./],
  ["a list for a message", config([]), /cannot start list/],
  ["text for a temperature", config({ temperature: "hot" }), /\(TYPE_FLOAT\), "hot"/],
  ["half a token", config({ maxOutputTokens: 1.5 }), /\(TYPE_INT32\), 1\.5/],
  ["no contents", {}, /contents is not specified/],
  ["empty contents", { contents: [] }, /contents is not specified/],
  ["no parts", { contents: [{ role: "user" }] }, /contents\[0\]\.parts: .* must not be empty/],
  ["empty parts", { contents: [user()] }, /contents\[0\]\.parts: .* must not be empty/],
  ["a part without data", { contents: [user({})] }, NO_DATA],
  ["empty text", { contents: [user(text(""))] }, NO_DATA],
  ["a system instruction without data", { contents: ASK, systemInstruction: { parts: [{}] } },
    NO_DATA],
  ["a system instruction in pictures",
    { contents: ASK, systemInstruction: blob("image/png", PIXEL) }, /must be text only/],
  ["two kinds of data", { contents: [user({ text: "a", functionCall: { name: "f" } })] },
    /oneof field 'data' is already set\. Cannot set 'functionCall'/],
  ["an unknown role", { contents: [{ role: "assistant", parts: [text("a")] }] }, /valid role/],
  ["the system as a role", { contents: [{ role: "system", parts: [text("a")] }, ...ASK] },
    /valid role: user, model/],
  ["a model that begins", { contents: [model(text("a")), ...ASK] }, ALTERNATE],
  ["two users in a row", { contents: [...ASK, ...ASK] }, ALTERNATE],
  ["a model that ends", { contents: [...ASK, model(text("a"))] }, /ends with a user role/],
  ["a model's turn of nothing", { contents: [...ASK, model(text("")), ...ASK] }, /has content/],
  ["a response without a call", { contents: [user(response)] }, /after a function call turn/],
  ["a call without a response", { contents: [...ASK, model(call), ...ASK] },
    /number of function response parts/],
  ["bad base64", { contents: [blob("image/png", "not base64!")] },
    /'contents\[0\]\.parts\[1\]\.inline_data\.data' \(TYPE_BYTES\), Base64 decoding failed/],
  ["base64 of a wrong length", { contents: [blob("image/png", "iVBOR")] }, /Base64/],
  ["base64 with wrong padding", { contents: [blob("image/png", "iVBORw=")] }, /Base64/],
  ["an unsupported type", { contents: [blob("image/gif", "R0lGODlhAQAB")] },
    /Unsupported MIME type: image\/gif/],
  ["no type", { contents: [blob(undefined, PIXEL)] }, /Unsupported MIME type/],
  ["bytes of another type", { contents: [blob("image/jpeg", PIXEL)] }, /Unable to process/],
  ["no bytes", { contents: [blob("image/png", "")] }, /Unable to process/],
  ["an unknown category", safety({ category: "HARM_CATEGORY_RUDE", threshold: ONLY_HIGH }),
    /safety_settings\[0\]\.category' \(type\..*HarmCategory\), "HARM_CATEGORY_RUDE"/],
  ["a category of older models", safety({ category: "HARM_CATEGORY_MEDICAL", threshold: "OFF" }),
    /safety_settings\[0\]: element predicate failed/],
  ["an unknown threshold", safety({ category: HARASSMENT, threshold: "BLOCK_SOME" }),
    /HarmBlockThreshold\), "BLOCK_SOME"/],
  ["no threshold", safety({ category: HARASSMENT }), /threshold must be specified/],
  ["a category twice", safety(
    { category: HARASSMENT, threshold: "OFF" },
    { category: HARASSMENT, threshold: ONLY_HIGH },
  ), /at most one setting/],
  ["a temperature out of range", config({ temperature: 2.5 }), /temperature must be in the range/],
  ["no output tokens", config({ maxOutputTokens: 0 }), /max_output_tokens must be in the range/],
  ["six stop sequences", config({ stopSequences: [..."abcdef"] }), /at most 5 stop sequences/],
  ["budget and level", thinking({ thinkingBudget: 128, thinkingLevel: "LOW" }),
    /only one of thinking budget and thinking level/, "gemini-3-flash-preview"],
  ["a level before Gemini 3", thinking({ thinkingLevel: "LOW" }), /level is not supported/],
  ["an unknown level", thinking({ thinkingLevel: "SOME" }), /ThinkingLevel\), "SOME"/],
  ["a level that Pro lacks", thinking({ thinkingLevel: "MINIMAL" }), /MINIMAL is not supported/,
    "gemini-3-pro-preview"],
  ["a budget too large", thinking({ thinkingBudget: 24577 }), /choose a value between 1 and 24576/],
  ["no thinking where it must", thinking({ thinkingBudget: 0 }), /only works in thinking mode/,
    "gemini-2.5-pro"],
  ["thinking where none is", thinking({ thinkingBudget: 128 }), /Thinking is not supported/,
    "gemini-2.0-flash"],
  ["a schema for plain text", config({ responseJsonSchema: {} }), /response_mime_type/],
  ["an unknown output type", config({ responseMimeType: "text/html" }), /Unsupported response/],
  ["two schemas", config({
    responseMimeType: "application/json", responseSchema: {}, responseJsonSchema: {},
  }), /only one of response_schema/],
  ["more tokens than fit", { contents: [user(text("word ".repeat(900000)))] },
    /input token count \(\d+\) exceeds the maximum number of tokens allowed \(1048576\)/],
  ["a corrupted signature",
    { contents: [...ASK, model({ text: "a", thoughtSignature: "AAAA" }), ...ASK] },
    /Corrupted thought signature/, "gemini-3-flash-preview"],
];

// [what is unusual, request, model]
export const taken = [
  ["names in snake_case", {
    contents: [user(text("a"), { inline_data: { mime_type: "image/png", data: PIXEL } })],
    system_instruction: { parts: [text("Be kind.")] },
    generation_config: { max_output_tokens: 900, thinking_config: { thinking_budget: 0 } },
    safety_settings: [{ category: HARASSMENT, threshold: "OFF" }],
  }],
  ["a lone part for a list", { contents: { parts: text("Hello") } }],
  ["one content without a role", { contents: [{ parts: [text("Hello")] }] }],
  ["enums by number, numbers as text", {
    contents: ASK,
    generationConfig: { topK: "40", temperature: "0.5" },
    safetySettings: [{ category: 7, threshold: 3 }],
  }],
  ["null for what is not set", { contents: ASK, generationConfig: null, tools: null }],
  ["base64 for URLs, without padding", { contents: [
    blob("image/png", PIXEL.replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "")),
  ] }],
  ["a model's turn in several contents, the last empty", { contents: [
    ...ASK, model(text("a")), model(text("b")), model(text("")), ...ASK,
  ] }],
  ["a call and its response", { contents: [...ASK, model(call), user(response)] }],
  ["a thought sent back", { contents: [
    ...ASK, model({ text: "hm", thought: true }, text("a")), ...ASK,
  ] }],
  ["a turn that never had a signature", { contents: [...ASK, model(text("Half a rep")), ...ASK] },
    "gemini-3-flash-preview"],
  ["the documented placeholder for a signature", { contents: [
    ...ASK,
    model({ text: "a", thoughtSignature: "skip_thought_signature_validator" }),
    ...ASK,
  ] }, "gemini-3-flash-preview"],
  ["automatic thinking", thinking({ thinkingBudget: -1, includeThoughts: true })],
  ["tools", { contents: ASK, tools: [{ functionDeclarations: [
    { name: "f", description: "F.", parameters: { type: "OBJECT", properties: {} } },
  ] }], toolConfig: { functionCallingConfig: { mode: "AUTO" } } }],
];
