// What must hold after a chaos run, by what the clients were told, what is stored, and what Gemini
// was asked. No network and no clock in here: chaos.test.mjs feeds it records that break each rule.

import { createHash } from "node:crypto";

const MAX_EXAMPLES = 5;

export const sha256 = (text) => createHash("sha256").update(text).digest("hex");

/**
 * `questions`, a key each: {key, token, asked (the question's sha256), other (the token of another
 * question that was tried with the key, or null), tried (what that got), settled (there was a final
 * answer), answers}. An answer is {chat, question, reply, status, finish, text} for a reply, else
 * {code, http, text}, text as sha256; those that another attempt might rightly change are left out.
 * `unmarked` counts answers after the final one without Idempotent-Replayed.
 *
 * `stored`, a row for each student's message: {token, id, chat, text, replies: [{id, status, text,
 * finish}]}, text as sha256.
 *
 * `calls`: GET /tokens of the stand-in.
 *
 * Returns {counts, examples}: each count must be 0; examples has a few sentences for each.
 */
export function judge({ questions, stored, calls }) {
  const records = { questions, calls, stored, rows: rowsByToken(stored) };
  const counts = {};
  const examples = {};
  for (const [name, find] of Object.entries(rules)) {
    const found = [...find(records)];
    counts[name] = found.length;
    if (found.length > 0) examples[name] = found.slice(0, MAX_EXAMPLES);
  }
  return { counts, examples };
}

/** The failures that a student may be left with; whatever else ends a question is unexpected. */
const FAILURES = new Set([
  ...["tutor_blocked", "tutor_quota", "tutor_day_quota", "tutor_failed", "tutor_refused"],
  ...["tutor_cut", "tutor_empty", "tutor_overloaded", "tutor_timeout"],
  ...["interrupted", "restarting"],
]);

// Each finds what breaks a rule, as sentences.
const rules = {
  /** Told of a reply that is not there, word for word, or not to this question. */
  *lost_turns({ questions, rows }) {
    for (const { token, asked, answers } of questions) {
      const told = answers.find(({ reply }) => reply !== undefined);
      if (!told) continue;
      const row = rows.get(token)?.find(({ id }) => id === told.question);
      const reply = row?.replies.find(({ id }) => id === told.reply);
      if (!row) yield `${token}: the question ${told.question} is not stored`;
      else if (row.text !== asked) yield `${token}: the question is stored with another text`;
      else if (row.chat !== told.chat) yield `${token}: the question is stored in another chat`;
      else if (!reply) yield `${token}: the reply ${told.reply} is not stored`;
      else if (reply.text !== told.text) yield `${token}: the reply is stored with another text`;
      else if (reply.status !== told.status) yield `${token}: told ${told.status}, ${reply.status}`;
    }
  },

  /**
   * Once text has come, nothing may be asked again for the same key. Text that was sent just before
   * a stream's reset may never have come: RST_STREAM drops what is still on its way (RFC 9113,
   * section 5.4.2), so that such a call may have been the first try of several.
   */
  *duplicate_calls({ calls }) {
    const came = ({ named, text_bytes }) => text_bytes > 0 && named !== "reset_midway";
    for (const [token, all] of Object.entries(calls)) {
      const streamed = all.filter((call) => call.streamed);
      const first = streamed.findIndex(came);
      if (first < 0 || first === streamed.length - 1) continue;
      const shown = streamed.map(({ named, text_bytes }) => `${named} (${text_bytes} bytes)`);
      yield `${token}: ${shown.join(", ")}`;
    }
  },

  /** Complete is what Gemini said to the end, with the reason that it gave. */
  *truncated_as_complete({ stored, calls }) {
    for (const { token, replies } of stored) {
      for (const { id, status, text, finish } of replies) {
        if (status !== "complete") continue;
        const isIt = (call) => call.text_sha256 === text && call.finish === finish;
        const whole = finish !== null && (calls[token] ?? []).some(isIt);
        if (!whole) yield `${token}: the reply ${id} (${finish}) is not what Gemini said`;
      }
    }
  },

  *stuck_pending({ stored }) {
    for (const { token, replies } of stored) {
      for (const { id, status } of replies) {
        if (status === "pending") yield `${token}: the reply ${id} is still pending`;
      }
    }
  },

  *two_questions_for_one_key({ questions, rows }) {
    for (const { key, token, other } of questions) {
      const found = [token, other].flatMap((it) => rows.get(it) ?? []);
      if (found.length > 1) yield `${key}: ${found.map(({ id }) => id).join(", ")}`;
    }
  },

  *answers_that_differ({ questions }) {
    for (const { token, answers } of questions) {
      const shown = new Set(answers.map((answer) => JSON.stringify(answer)));
      if (shown.size > 1) yield `${token}: ${[...shown].join(" and ")}`;
    }
  },

  *replays_not_marked({ questions }) {
    for (const { token, unmarked } of questions) {
      if (unmarked > 0) yield `${token}: ${unmarked} without Idempotent-Replayed`;
    }
  },

  *other_body_not_refused({ questions }) {
    for (const { key, other, tried } of questions) {
      if (other !== null && tried !== "idempotency_key_reused") yield `${key}: ${tried}`;
    }
  },

  *unanswered({ questions }) {
    for (const { token, settled } of questions) {
      if (!settled) yield `${token}: no final answer`;
    }
  },

  *unexpected({ questions }) {
    for (const { token, answers } of questions) {
      const code = answers.find((it) => it.code !== undefined && !FAILURES.has(it.code))?.code;
      if (code !== undefined) yield `${token}: ${code}`;
    }
  },
};

function rowsByToken(stored) {
  const rows = new Map();
  for (const row of stored) rows.set(row.token, [...(rows.get(row.token) ?? []), row]);
  return rows;
}
