// The default answer: deterministic in the conversation, hints before answers, one question, and
// it says what it is. It holds characters of two, three and four bytes in UTF-8 on purpose.

import { createHash } from "node:crypto";

const OPENING = "(Stand-in tutor, not Google Gemini.)";

// The first subject whose words occur in the question speaks; the last speaks otherwise.
const subjects = [
  {
    words: /\d|equation|solve|triangle|circle|angle|fraction|integral|derivative|math/i,
    hints: [
      "Name what you know and what you look for, each with its own letter (x, θ or π, say).",
      "Whatever you do to one side, do to the other; that keeps a ≤ b and a = b true.",
      "Try it with a small number first, and see whether the pattern survives √2 or π.",
    ],
    questions: [
      "Which quantity in the task do you know already, and which one is missing?",
      "What would be the very first step, and why is it allowed?",
    ],
  },
  {
    words: /force|energy|atom|cell|plant|light|electric|molecule|planet|physics|chemistry/i,
    hints: [
      "Follow the energy: where does it come from, and where does it go → heat, motion, light.",
      "Draw it, with an arrow for every force; Ångström or light-year, the arrows are the same.",
      "Ask what stays the same while everything else changes: mass, charge, Δ of nothing.",
    ],
    questions: [
      "What do you expect to happen if you double just one of the quantities?",
      "Which observation would show that your idea is wrong?",
    ],
  },
  {
    words: /./s,
    hints: [
      "Say it in your own words first, as to a friend over a café crème.",
      "Split it in two smaller questions; the naïve one usually opens the door.",
      "Look for an example you know well, then for one where it fails: both teach.",
    ],
    questions: [
      "What do you already know about this, even if you are not sure?",
      "Which part would you like a hint for first?",
    ],
  },
];

/** The tutor's text for normalised `contents`. */
export function tutorText(contents) {
  const parts = contents[contents.length - 1].parts;
  const given = parts.length > 1 && parts[0].text?.startsWith("Passages:\n") ? parts[0].text : "";
  const last = given ? parts.slice(1) : parts;
  const question = last.map((part) => part.text ?? "").join(" ").trim();
  const pictures = last.filter((part) => part.inlineData);
  const asked = contents.filter((content) => content.role !== "model").length;
  const pick = picker(question);
  const subject = subjects.find(({ words }) => words.test(question)) ?? subjects[2];
  const first = pick(subject.hints);
  const second = pick(subject.hints.filter((hint) => hint !== first));
  return [
    OPENING,
    pictures.map(describe).join(" "),
    question ? `You ask about “${excerpt(question)}” (question ${asked}).` : "",
    cite(given),
    "Très bien, we will find it together, step by step 🙂.",
    `A first hint: ${first}`,
    `And a second one: ${second}`,
    pick(subject.questions),
  ]
    .filter(Boolean)
    .join(" ");
}

/** The smallest JSON value that a (JSON or OpenAPI) schema allows, for structured output. */
export function sampleOf(schema, depth = 0) {
  if (typeof schema !== "object" || schema === null || depth > 20) return "π";
  const choice = schema.anyOf ?? schema.oneOf;
  if (Array.isArray(choice) && choice.length > 0) return sampleOf(choice[0], depth + 1);
  if (Array.isArray(schema.enum) && schema.enum.length > 0) return schema.enum[0];
  const type = String([schema.type].flat()[0] ?? (schema.properties ? "object" : "string"));
  switch (type.toLowerCase()) {
    case "object": {
      const properties = Object.entries(schema.properties ?? {});
      return Object.fromEntries(properties.map(([key, it]) => [key, sampleOf(it, depth + 1)]));
    }
    case "array": {
      const length = Math.min(Math.max(Number(schema.minItems) || 1, 1), 10);
      return Array.from({ length }, () => sampleOf(schema.items, depth + 1));
    }
    case "integer":
    case "number":
      return Number(schema.minimum) || 0;
    case "boolean":
      return true;
    case "null":
      return null;
    default:
      return "Stand-in, not Google Gemini: é, π, 🙂";
  }
}

/** `text` cut between words into about twelve pieces, which join to the text again. */
export function pieces(text) {
  const words = text.match(/\s*\S+\s*?(?=\s|$)|\s+$/gu) ?? [];
  const size = Math.max(1, Math.ceil(words.length / 12));
  const cut = [];
  for (let i = 0; i < words.length; i += size) cut.push(words.slice(i, i + size).join(""));
  return cut;
}

function picker(seed) {
  const bytes = createHash("sha256").update(seed).digest();
  let next = 0;
  return (list) => list[bytes[next++] % list.length];
}

function describe({ inlineData }) {
  const bytes = Buffer.from(inlineData.data, "base64").length;
  return `I see what you attached (${inlineData.mimeType}, ${bytes} bytes).`;
}

/** The beginning of the first passage that was given, with its number. */
function cite(given) {
  const [, n, words] = /^\[(\d+)\] .*?: (".*")$/m.exec(given) ?? [];
  return n ? `The text that you name says: “${excerpt(JSON.parse(words))}” [${n}].` : "";
}

function excerpt(question) {
  const words = question.replace(/[?!.]+/g, "").split(/\s+/).filter(Boolean);
  const short = words.slice(0, 12).join(" ");
  const cut = [...short].slice(0, 80).join("");
  return cut.length < short.length || words.length > 12 ? `${cut} …` : cut;
}
