// Plays a script's steps on one call. A step is a generator that yields what it waits for, so
// that ten thousand streams need no timer and no promise of their own.

import { cutToTokens, textTokens } from "./tokens.mjs";
import { pieces, sampleOf, tutorText } from "./tutor.mjs";
import { after } from "./wheel.mjs";

const DRAIN = Symbol("drain"); // Wait until the connection takes more.
const HOLD = Symbol("hold"); // Wait until the token is released.

/**
 * Answers a call by `steps`. `stage` holds the call's exchange, writer, reply and token, the
 * registry and `delayMs`, the pause between the tutor's events. Ends when the answer does or
 * the client goes.
 */
export function play(steps, stage) {
  const run = perform(steps, stage);
  const resume = () => {
    let wait = 0;
    while (wait === 0) {
      if (stage.exchange.gone) return;
      const next = run.next();
      if (next.done) return;
      wait = next.value;
    }
    if (wait === DRAIN) stage.exchange.onDrain(resume);
    else if (wait === HOLD) stage.exchange.onClose(stage.registry.hold(stage.token, resume));
    else after(wait, resume);
  };
  resume();
}

function* perform(steps, stage) {
  for (const step of steps) {
    const name = Object.keys(performers).find((key) => key in step);
    yield* performers[name](step, stage);
  }
}

const performers = {
  *status({ status, headers, body }, { exchange }) {
    exchange.answer(status, body, headers);
  },

  *events({ events, every_ms = 0 }, { writer }) {
    const pause = pacer(every_ms);
    for (const [i, event] of events.entries()) {
      yield pause(i);
      if (!writer.send(writer.prepare(event))) yield DRAIN;
    }
  },

  *text({ text, every_ms = 0 }, { writer, reply }) {
    const pause = pacer(every_ms);
    for (const [i, piece] of text.entries()) {
      yield pause(i);
      if (!writer.send(writer.prepare(reply.text(piece)))) yield DRAIN;
    }
  },

  *raw({ raw }, { writer }) {
    if (!writer.raw(Buffer.from(raw))) yield DRAIN;
  },

  *raw_base64({ raw_base64 }, { writer }) {
    if (!writer.raw(Buffer.from(raw_base64, "base64"))) yield DRAIN;
  },

  *repeat({ repeat: { text, count, every_ms } }, { writer, reply }) {
    const prepared = writer.prepare(reply.repeatable(text));
    const pause = pacer(every_ms);
    for (let i = 0; i < count; i++) {
      yield pause(i);
      reply.repeated(text);
      if (!writer.send(prepared)) yield DRAIN;
    }
  },

  *delay_ms({ delay_ms }) {
    yield delay_ms;
  },

  *hold() {
    yield HOLD;
  },

  *end({ end }, { writer, reply, exchange }) {
    if (end === "reset") {
      exchange.reset();
      return;
    }
    if (end === "finish") writer.send(writer.prepare(reply.finish("STOP")));
    writer.end();
  },

  *finish({ finish }, { writer, reply }) {
    writer.send(writer.prepare(reply.finish(finish)));
    writer.end();
  },

  *block({ block }, { writer, reply }) {
    writer.send(writer.prepare(reply.blocked(block)));
    writer.end();
  },

  *mid_error({ mid_error }, { writer }) {
    writer.error(mid_error);
  },

  *tutor(_step, stage) {
    const { writer, reply, delayMs } = stage;
    const { contents, generationConfig = {} } = reply.request;
    const { maxOutputTokens = Infinity, thinkingConfig } = generationConfig;
    const room = maxOutputTokens - reply.thoughts;
    if (room <= 0) {
      writer.send(writer.prepare(reply.empty("MAX_TOKENS")));
      writer.end();
      return;
    }
    if (thinkingConfig?.includeThoughts && reply.thoughts > 0) {
      writer.send(writer.prepare(reply.thought("What would help more than the answer?")));
      yield delayMs;
    }
    const whole = answerText(contents, generationConfig);
    const fits = textTokens(whole) <= room;
    const texts = pieces(fits ? whole : cutToTokens(whole, room));
    const finishReason = fits ? "STOP" : "MAX_TOKENS";
    const pause = pacer(delayMs);
    for (const [i, text] of texts.entries()) {
      yield pause(i);
      const last = i === texts.length - 1 && !reply.model.signs;
      const event = reply.text(text, last ? finishReason : undefined);
      if (!writer.send(writer.prepare(event))) yield DRAIN;
    }
    if (reply.model.signs) writer.send(writer.prepare(reply.finish(finishReason)));
    writer.end();
  },
};

/** The wait before event `i` of a row that starts now: late events do not delay the later. */
function pacer(everyMs) {
  const start = performance.now();
  return (i) => (everyMs === 0 ? 0 : Math.max(0, start + i * everyMs - performance.now()));
}

function answerText(contents, { responseMimeType, responseSchema, responseJsonSchema }) {
  const schema = responseSchema ?? responseJsonSchema;
  const sample = schema && sampleOf(schema);
  if (responseMimeType === "application/json") return JSON.stringify(sample ?? {});
  return responseMimeType === "text/x.enum" && sample ? String(sample) : tutorText(contents);
}
