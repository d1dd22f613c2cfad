// Token counts, by rule of thumb: a token is about four characters, a picture 258 tokens.

const MEDIA_TOKENS = 258;

export function textTokens(text) {
  return Math.ceil(text.length / 4);
}

/** The longest start of `text` of at most `limit` tokens, never half a character. */
export function cutToTokens(text, limit) {
  const cut = text.slice(0, limit * 4);
  return /[\uD800-\uDBFF]$/.test(cut) ? cut.slice(0, -1) : cut;
}

/** What a normalised request costs: the total, and the details by modality that Google gives. */
export function promptTokens(request) {
  const byModality = new Map();
  const contents = [request.systemInstruction, ...(request.contents ?? [])].filter(Boolean);
  for (const part of contents.flatMap((content) => content.parts ?? [])) {
    const modality = modalityOf(part);
    const tokens = modality === "TEXT" ? textTokens(part.text ?? structured(part)) : MEDIA_TOKENS;
    byModality.set(modality, (byModality.get(modality) ?? 0) + tokens);
  }
  if (request.tools) {
    const tokens = textTokens(JSON.stringify(request.tools));
    byModality.set("TEXT", (byModality.get("TEXT") ?? 0) + tokens);
  }
  const details = [...byModality].map(([modality, tokenCount]) => ({ modality, tokenCount }));
  return { total: details.reduce((sum, { tokenCount }) => sum + tokenCount, 0), details };
}

function structured(part) {
  return JSON.stringify(part.functionCall ?? part.functionResponse ?? part.executableCode ?? "");
}

function modalityOf(part) {
  const mimeType = (part.inlineData ?? part.fileData)?.mimeType;
  if (mimeType === undefined) return "TEXT";
  return mimeType === "application/pdf" ? "DOCUMENT" : "IMAGE";
}
