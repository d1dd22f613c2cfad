// The models that the stand-in knows. A row's `thinking` is null where the model does not think;
// `budget` is [least, most] besides 0 (where `off`) and -1; `levels` are those it accepts.
// Models that `sign` want their thought signatures back (see signatures.mjs).

const FLASH = { budget: [1, 24576], off: true, levels: null };
const LITE = { budget: [512, 24576], off: true, levels: null };
const PRO = { budget: [128, 32768], off: false, levels: null };
const PRO3 = { budget: [128, 32768], off: false, levels: ["LOW", "MEDIUM", "HIGH"] };
const FLASH3 = { budget: [1, 32768], off: false, levels: ["MINIMAL", "LOW", "MEDIUM", "HIGH"] };

const rows = [
  ["gemini-2.0-flash", "Gemini 2.0 Flash", 1048576, 8192, null],
  ["gemini-2.5-flash", "Gemini 2.5 Flash", 1048576, 65536, FLASH],
  ["gemini-2.5-flash-lite", "Gemini 2.5 Flash-Lite", 1048576, 65536, LITE],
  ["gemini-2.5-pro", "Gemini 2.5 Pro", 1048576, 65536, PRO],
  ["gemini-3-flash-preview", "Gemini 3 Flash Preview", 1048576, 65536, FLASH3],
  ["gemini-3-pro-preview", "Gemini 3 Pro Preview", 1048576, 65536, PRO3],
  ["gemini-3.1-pro-preview", "Gemini 3.1 Pro Preview", 1048576, 65536, PRO3],
  ["gemini-3.1-flash-lite", "Gemini 3.1 Flash-Lite", 1048576, 65536, FLASH3],
  ["gemini-3.5-flash", "Gemini 3.5 Flash", 1048576, 65536, FLASH3],
];

export const models = new Map(
  rows.map(([name, displayName, inputTokenLimit, outputTokenLimit, thinking]) => [
    name,
    {
      name,
      displayName,
      inputTokenLimit,
      outputTokenLimit,
      thinking,
      signs: /^gemini-3[.-]/.test(name),
    },
  ]),
);

/** A model as GET /v1beta/models shows it. */
export function modelResource(model) {
  return {
    name: `models/${model.name}`,
    version: "001",
    displayName: model.displayName,
    description: "Stand-in, not Google Gemini.",
    inputTokenLimit: model.inputTokenLimit,
    outputTokenLimit: model.outputTokenLimit,
    supportedGenerationMethods: ["generateContent", "countTokens"],
    temperature: 1,
    topP: 0.95,
    topK: 64,
    maxTemperature: 2,
    ...(model.thinking ? { thinking: true } : {}),
  };
}
