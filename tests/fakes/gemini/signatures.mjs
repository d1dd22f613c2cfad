// Thought signatures, as the Gemini 3 models issue them: an opaque value on the last part of a
// reply, which must come back with that reply, unchanged. Here it is a keyed digest of the
// reply's text, so it is checked without memory. Only to notice a reply that comes back with no
// signature at all, the texts lately signed are remembered.

import { createHash, createHmac } from "node:crypto";

const KEY = "stand-in";
const REMEMBERED = 20000;

// What Google's documents let a client send in place of a signature that it never had.
const PLACEHOLDERS = ["skip_thought_signature_validator", "context_engineering_is_the_way_to_go"];

const issued = new Set();

/** The signature for a reply of `text`, in base64; from now on the text needs it. */
export function sign(text) {
  const digest = createHash("sha256").update(text).digest("base64");
  issued.delete(digest);
  issued.add(digest);
  if (issued.size > REMEMBERED) issued.delete(issued.values().next().value);
  return expected(text).toString("base64");
}

/** What is wrong with a model's turn of `parts` coming back: "missing", "corrupted" or null. */
export function signatureFault(parts) {
  const text = spokenText(parts);
  const signatures = parts.map((part) => part.thoughtSignature).filter(Boolean);
  if (signatures.length === 0) {
    const digest = createHash("sha256").update(text).digest("base64");
    return issued.has(digest) ? "missing" : null;
  }
  const good = signatures.every((signature) =>
    PLACEHOLDERS.includes(signature) || Buffer.from(signature, "base64").equals(expected(text)));
  return good ? null : "corrupted";
}

/** The text of a turn that is meant for the user: every part but the thoughts. */
export function spokenText(parts) {
  return parts
    .filter((part) => !part.thought)
    .map((part) => part.text ?? "")
    .join("");
}

function expected(text) {
  return createHmac("sha512", KEY).update(text).digest();
}
