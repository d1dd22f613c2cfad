// A library of generated contents: words as often as in real texts (Zipf), four languages, tags, texts,
// videos and PDFs. The same seed gives the same library.

const WORDS = 30000;
const TONGUES = {
  en: ["the of and to in is that for it as with on be by this are from or at an",
    ["", "s", "ing", "ed", "ation", "ness", "ly", "er"]],
  de: ["der die und in den von zu das mit sich des auf ist im dem nicht ein eine als auch",
    ["", "en", "ung", "er", "heit", "lich", "keit", "st"]],
  fr: ["de la le et les des en un une du dans est que pour qui au par sur se ne",
    ["", "s", "ment", "tion", "er", "eur", "ique", "ais"]],
  es: ["de la que el en y los del se las por un para con no una su al lo como",
    ["", "s", "ar", "mente", "idad", "aba", "os", "ible"]],
};
const LANGUAGES = ["en", "en", "en", "en", "en", "en", "de", "de", "fr", "es"];

/** The word of that number: three syllables and an ending. */
function word(n, ends) {
  let x = n * 7919 + 1;
  let text = "";
  for (let i = 0; i < 3; i++) {
    text += "bdfgklmnprstvzh"[x % 15] + "aeiou"[Math.floor(x / 15) % 5];
    x = Math.floor(x / 75);
  }
  return text + ends[n % ends.length];
}

/** The words of each language, the most frequent first. */
export const WORDS_OF = Object.fromEntries(
  Object.entries(TONGUES).map(([language, [stops, ends]]) => [
    language,
    [...stops.split(" "), ...Array.from({ length: WORDS }, (_, i) => word(i + 1, ends))],
  ]),
);

/** Numbers from 0 to 1, the same for the same seed. */
export function numbers(seed) {
  let state = seed;
  return () => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return state / 2147483648;
  };
}

/** Words as often as in a text: the n-th comes a n-th as often as the first. */
const text = (random, words, n) =>
  Array.from({ length: n }, () => words[Math.floor(words.length ** random()) - 1]).join(" ");

export const COLUMNS =
  "id, author_id, type, title, description, body, file_id, url, language, tags, published";

/** The i-th content as a line for COPY; file is what each PDF refers to. */
export function content(i, author, file, random) {
  const language = LANGUAGES[i % LANGUAGES.length];
  const words = WORDS_OF[language];
  const type = { 9: "video", 11: "pdf", 29: "video", 37: "pdf" }[i % 40] ?? "text";
  return [
    `01900000-0000-7000-9000-${i.toString(16).padStart(12, "0")}`,
    author,
    type,
    text(random, words, 3 + (i % 6)),
    text(random, words, 15),
    type === "text" ? text(random, words, 60 + (i % 180)) : "\\N",
    type === "pdf" ? file : "\\N",
    type === "video" ? `https://www.youtube.com/watch?v=${i}` : "\\N",
    language,
    `{tag${Math.floor(500 ** random())},grade ${i % 13}}`,
    i % 20 !== 0,
  ].join("\t");
}
