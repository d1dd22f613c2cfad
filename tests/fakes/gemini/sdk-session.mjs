// Google's own SDK against the stand-in at argv[2], to keep the stand-in honest: what the SDK can
// do with it is printed as one JSON object. A process of its own, because the certificate must be
// in NODE_EXTRA_CA_CERTS when Node starts. Key and tokens come in the environment.

import { GoogleGenAI } from "@google/genai";

import { PIXEL } from "./requests.mjs";

const baseUrl = process.argv[2];
const { GEMINI_API_KEY: apiKey, TOKEN_QUOTA, TOKEN_MID_ERROR } = process.env;
const ai = new GoogleGenAI({ apiKey, httpOptions: { baseUrl } });

async function listModels() {
  const names = [];
  for await (const model of await ai.models.list()) names.push(model.name);
  return names;
}

async function streamedChat(model) {
  const chat = ai.chats.create({
    model,
    config: {
      systemInstruction: "You are a patient tutor. π",
      temperature: 0.4,
      maxOutputTokens: 2048,
      safetySettings: [
        { category: "HARM_CATEGORY_HARASSMENT", threshold: "BLOCK_MEDIUM_AND_ABOVE" },
      ],
    },
  });
  const turns = [];
  for (const message of ["What is 3 × 4?", "Why is it the same as 4 × 3?", "And 0 × 4?"]) {
    const turn = { text: "", chunks: 0, finishReason: null, usage: null, signed: false };
    for await (const chunk of await chat.sendMessageStream({ message })) {
      const [candidate] = chunk.candidates;
      turn.text += chunk.text ?? "";
      turn.chunks++;
      turn.finishReason = candidate.finishReason ?? turn.finishReason;
      turn.usage = chunk.usageMetadata;
      turn.signed ||= candidate.content.parts.some((part) => part.thoughtSignature);
    }
    turns.push(turn);
  }
  return { turns, history: chat.getHistory(true).map(({ role }) => role) };
}

// A model that wants its signatures back must notice a history that has lost them.
async function forgetfulChat() {
  const model = "gemini-3-flash-preview";
  const first = await ai.models.generateContent({ model, contents: "What is a prime?" });
  return failureOf(() =>
    ai.models.generateContent({
      model,
      contents: [
        { role: "user", parts: [{ text: "What is a prime?" }] },
        { role: "model", parts: [{ text: first.text }] },
        { role: "user", parts: [{ text: "Is 1 one?" }] },
      ],
    }));
}

async function picture() {
  const reply = await ai.models.generateContent({
    model: "gemini-2.5-flash",
    contents: [
      { role: "user", parts: [
        { inlineData: { mimeType: "image/png", data: PIXEL } },
        { text: "What do you see?" },
      ] },
    ],
  });
  return { text: reply.text, usage: reply.usageMetadata };
}

async function structured() {
  const reply = await ai.models.generateContent({
    model: "gemini-2.5-flash",
    contents: "Name this chat.",
    config: {
      responseMimeType: "application/json",
      responseJsonSchema: {
        type: "object",
        properties: { title: { type: "string" }, level: { type: "integer", minimum: 3 } },
        required: ["title"],
      },
    },
  });
  return JSON.parse(reply.text);
}

async function countTokens() {
  return ai.models.countTokens({ model: "gemini-2.5-flash", contents: "How many tokens?" });
}

async function failureOf(ask) {
  try {
    await ask();
    return null;
  } catch (error) {
    return { name: error.name, status: error.status, message: error.message };
  }
}

async function drain(contents) {
  const stream = await ai.models.generateContentStream({ model: "gemini-2.5-flash", contents });
  let text = "";
  for await (const chunk of stream) text += chunk.text ?? "";
  return text;
}

const result = {
  models: await listModels(),
  chat: await streamedChat("gemini-2.5-flash"),
  signedChat: await streamedChat("gemini-3-flash-preview"),
  forgetfulChat: await forgetfulChat(),
  picture: await picture(),
  structured: await structured(),
  countTokens: await countTokens(),
  quota: await failureOf(() =>
    ai.models.generateContent({ model: "gemini-2.5-flash", contents: TOKEN_QUOTA })),
  streamedQuota: await failureOf(() => drain(TOKEN_QUOTA)),
  midError: await failureOf(() => drain(TOKEN_MID_ERROR)),
};
process.stdout.write(`${JSON.stringify(result)}\n`);
