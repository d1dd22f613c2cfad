// Every way in which an answer of Gemini can fail or surprise, by name, as steps of a script, with
// what a client sees of it. Tests name them ({"named": "quota_day"}) or iterate over the tables.
//
// `expect`: `status` is the HTTP status; for an error, `error` is Google's status and `quota` the
// limit that was met, "minute" or "day". For a stream, `text` is what it says to the student and
// `finish` its finishReason, null where none comes; `block` the prompt's blockReason; `malformed`
// that an event is not JSON; `broken` that the connection breaks. `retry` says whether asking again
// may help, as long as the student has seen nothing.
//
// A refused connection cannot be scripted: for that, stop the stand-in or ask a closed port.

import { errorBody, quotaDetails } from "./errors.mjs";

const MINUTE = ["GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "10"];
const TOKENS_MINUTE = ["GenerateContentInputTokensPerModelPerMinute-FreeTier", "250000"];
const DAY = ["GenerateRequestsPerDayPerProjectPerModel-FreeTier", "250"];
const QUOTA_MESSAGE =
  "You exceeded your current quota, please check your plan and billing details. For more " +
  "information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits.";

const OVERLOADED = errorBody(
  503,
  "UNAVAILABLE",
  "The model is overloaded. Please try again later.",
);

const START = { text: ["Let us ", "begin: "] };
const SAID = "Let us begin: ";

/** A failure that is one whole answer. */
function refused(about, status, body, expect) {
  return { about, steps: [{ status, body }], expect: { status, ...expect } };
}

function rpcError(about, code, status, message, retry) {
  return refused(about, code, errorBody(code, status, message), { error: status, retry });
}

function quota(about, details, expect) {
  const body = errorBody(429, "RESOURCE_EXHAUSTED", QUOTA_MESSAGE, details);
  return refused(about, 429, body, { error: "RESOURCE_EXHAUSTED", ...expect });
}

/** A stream that says SAID and then ends with a finishReason other than STOP. */
function finished(about, finish) {
  return {
    about,
    steps: [START, { finish }],
    expect: { status: 200, text: SAID, finish, retry: false },
  };
}

function stream(about, steps, expect) {
  return { about, steps, expect: { status: 200, text: "", finish: null, retry: true, ...expect } };
}

function candidate(content, finishReason) {
  const parts = { ...(content ? { content } : {}), ...(finishReason ? { finishReason } : {}) };
  return {
    candidates: [{ ...parts, index: 0 }],
    usageMetadata: {
      promptTokenCount: 12,
      candidatesTokenCount: 7,
      thoughtsTokenCount: 256,
      totalTokenCount: 275,
    },
    modelVersion: "gemini-2.5-flash",
    responseId: "scripted",
  };
}

const said = (...parts) => ({ parts, role: "model" });

export const failures = {
  quota_minute: quota(
    "The requests of this minute are used up; RetryInfo says how long to wait.",
    quotaDetails([MINUTE], "34.4s"),
    { quota: "minute", retry_delay: "34.4s", retry: true },
  ),
  quota_minute_reordered: quota(
    "The same with the details the other way round.",
    quotaDetails([MINUTE], "34.4s").reverse(),
    { quota: "minute", retry_delay: "34.4s", retry: true },
  ),
  quota_tokens_minute: quota(
    "The input tokens of this minute are used up.",
    quotaDetails([TOKENS_MINUTE], "8s"),
    { quota: "minute", retry_delay: "8s", retry: true },
  ),
  quota_day: quota(
    "The requests of this day are used up; a RetryInfo comes nevertheless.",
    quotaDetails([DAY], "12.5s"),
    { quota: "day", retry_delay: "12.5s", retry: false },
  ),
  quota_minute_and_day: quota(
    "Both limits are met: the day's decides.",
    quotaDetails([TOKENS_MINUTE, MINUTE, DAY], "12.5s"),
    { quota: "day", retry_delay: "12.5s", retry: false },
  ),
  quota_bare: quota("A 429 without details.", undefined, { retry: true }),
  overloaded: refused("The common 503.", 503, OVERLOADED, { error: "UNAVAILABLE", retry: true }),
  internal: rpcError(
    "A fault of Google's.",
    500,
    "INTERNAL",
    "An internal error has occurred. Please retry or report in " +
      "https://developers.generativeai.google/guide/troubleshooting",
    true,
  ),
  deadline: rpcError(
    "Gemini took too long.",
    504,
    "DEADLINE_EXCEEDED",
    "Deadline expired before operation could complete.",
    true,
  ),
  cancelled: rpcError("Cancelled.", 499, "CANCELLED", "The operation was cancelled.", false),
  request_timeout: refused("A 408 of the front end, in HTML.", 408, "<html>408</html>\n", {
    retry: true,
  }),
  bad_gateway: refused("A 502 of a proxy, in HTML.", 502, "<html><h1>502</h1></html>\n", {
    retry: true,
  }),
  invalid: rpcError(
    "The request is wrong.",
    400,
    "INVALID_ARGUMENT",
    "Request contains an invalid argument.",
    false,
  ),
  precondition: rpcError(
    "Not available here, or not without billing.",
    400,
    "FAILED_PRECONDITION",
    "User location is not supported for the API use.",
    false,
  ),
  permission: rpcError(
    "The key may not.",
    403,
    "PERMISSION_DENIED",
    "The caller does not have permission",
    false,
  ),
  not_found: rpcError(
    "The model was retired.",
    404,
    "NOT_FOUND",
    "models/gemini-0.0-gone is not found for API version v1beta, or is not supported for " +
      "generateContent. Call ListModels to see the list of available models and their " +
      "supported methods.",
    false,
  ),
  array_error: refused("An error inside an array.", 503, [OVERLOADED], {
    error: "UNAVAILABLE",
    retry: true,
  }),

  empty_max_tokens: stream(
    "Thinking used up maxOutputTokens: MAX_TOKENS without parts.",
    [{ events: [candidate({ role: "model" }, "MAX_TOKENS")] }, { end: "close" }],
    { finish: "MAX_TOKENS", retry: false },
  ),
  max_tokens: finished("The answer met maxOutputTokens.", "MAX_TOKENS"),
  no_parts: stream(
    "Content without parts, and STOP.",
    [{ events: [candidate({ role: "model" }, "STOP")] }, { end: "close" }],
    { finish: "STOP" },
  ),
  thought_parts: stream(
    "Thoughts among the parts, which are not for the student.",
    [
      {
        events: [
          candidate(said({ text: "The student may mean é.", thought: true })),
          candidate(said({ text: "Hm.", thought: true }, { text: "Let us " })),
          candidate(said({ text: "begin: " }, { text: "Done.", thought: true }), "STOP"),
        ],
      },
      { end: "close" },
    ],
    { text: SAID, finish: "STOP", retry: false },
  ),
  blocked_prompt: stream(
    "The prompt was blocked: 200 without candidates.",
    [{ block: "PROHIBITED_CONTENT" }],
    { block: "PROHIBITED_CONTENT", retry: false },
  ),
  safety: finished("Stopped for safety.", "SAFETY"),
  recitation: finished("Stopped for reciting a source.", "RECITATION"),
  language: finished("An unsupported language.", "LANGUAGE"),
  other: finished("No reason given.", "OTHER"),
  blocklist: finished("A forbidden term.", "BLOCKLIST"),
  prohibited_content: finished("Prohibited content.", "PROHIBITED_CONTENT"),
  spii: finished("Personal information.", "SPII"),
  malformed_function_call: finished("A function call went wrong.", "MALFORMED_FUNCTION_CALL"),
  unknown_finish: finished("A reason that no document names yet.", "REASON_OF_TOMORROW"),

  cut: stream("The body ends without a finishReason.", [START, { end: "close" }], { text: SAID }),
  cut_at_once: stream("200, and an empty body.", [{ end: "close" }]),
  cut_mid_event: stream(
    "The body ends within an event.",
    [START, { raw: 'data: {"candidates": [{"content": {"parts": [{"te' }, { end: "close" }],
    { text: SAID },
  ),
  reset_at_once: stream("The stream breaks before any answer.", [{ end: "reset" }], {
    status: null,
    broken: true,
  }),
  // The pause lets what was said out before the reset overtakes it.
  reset_midway: stream(
    "The stream breaks in the middle.",
    [START, { delay_ms: 20 }, { end: "reset" }],
    { text: SAID, broken: true },
  ),
  html_200: refused("200 with a page in HTML.", 200, "<!DOCTYPE html><p>Sign in.\n", {
    text: "",
    finish: null,
    retry: true,
  }),
  bad_json_event: stream(
    "An event that is not JSON.",
    [START, { raw: 'data: {"candidates": [}\r\n\r\n' }, { end: "finish" }],
    { text: SAID, finish: "STOP", malformed: true },
  ),
  mid_error: stream(
    "An error in the middle of the stream, as bare JSON.",
    [START, { mid_error: OVERLOADED }],
    { text: SAID, error: "UNAVAILABLE" },
  ),
  mid_error_at_once: stream(
    "The same before anything was said: 200, and an error as bare JSON.",
    [{ mid_error: OVERLOADED }],
    { error: "UNAVAILABLE" },
  ),
  mid_error_array: stream(
    "An error in the middle of the stream, inside an array.",
    [START, { raw: JSON.stringify([OVERLOADED], null, 2) }, { end: "close" }],
    { text: SAID, error: "UNAVAILABLE" },
  ),
  mid_error_event: stream(
    "An error in the middle of the stream, as an event.",
    [START, { raw: `data: ${JSON.stringify(OVERLOADED)}\r\n\r\n` }, { end: "close" }],
    { text: SAID, error: "UNAVAILABLE" },
  ),
};

const GREETING = "Grüße, π ≈ 3,14 🙂!";
const WHOLE = [candidate(said({ text: GREETING })), candidate(said({ text: "" }), "STOP")];

/** The two events of WHOLE as bytes, by `write`, then each cut at `cuts` with a pause between. */
function form(about, write, cuts = []) {
  const bytes = Buffer.from(WHOLE.map(write).join(""));
  const ends = [...cuts, bytes.length];
  const steps = ends.flatMap((end, i) => [
    { raw_base64: bytes.subarray(i === 0 ? 0 : ends[i - 1], end).toString("base64") },
    { delay_ms: i === ends.length - 1 ? 0 : 10 },
  ]);
  steps.push({ end: "close" });
  return { about, steps, expect: { status: 200, text: GREETING, finish: "STOP" } };
}

const oneLine = (event) => `data: ${JSON.stringify(event)}\r\n\r\n`;
const emojiAt = Buffer.from(oneLine(WHOLE[0])).indexOf("🙂");

/** Forms of a stream that are right and must be understood; each says GREETING and stops. */
export const forms = {
  crlf: form("Lines end in CRLF, as Google's do.", oneLine),
  lf: form("Lines end in LF.", (event) => `data: ${JSON.stringify(event)}\n\n`),
  no_space: form("No space after the colon.", (event) => `data:${JSON.stringify(event)}\n\n`),
  joined_lines: form("An event in several data lines.", (event) =>
    `${JSON.stringify(event, null, 2).replace(/^/gm, "data: ")}\r\n\r\n`),
  other_lines: form("Comments and other fields between.", (event) =>
    `: waiting\r\n\r\nevent: message\r\nid: 7\r\nretry: 100\r\n${oneLine(event)}`),
  split_character: form("A character of four bytes, a byte at a time.", oneLine, [
    emojiAt + 1,
    emojiAt + 2,
    emojiAt + 3,
  ]),
  split_line_end: form("CR and LF come apart.", oneLine, [
    Buffer.byteLength(oneLine(WHOLE[0])) - 3,
    Buffer.byteLength(oneLine(WHOLE[0])) - 1,
  ]),
};
