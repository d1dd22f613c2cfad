// Other models answer where one cannot.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { GOOD, WORDS, ask, script } from "./lib/failing.mjs";
import { startStack } from "./lib/fynq.mjs";
import { assertProblem } from "./lib/problem.mjs";

const FIRST = "gemini-3-flash-preview";
const SECOND = "gemini-2.5-flash";
const THIRD = "gemini-3-pro-preview";
// More than four calls take on a busy machine, and less than RetryInfo of quota_minute asks for.
const PATIENCE_MS = 30000;
const NOT_FOUND = [{ named: "not_found" }];

describe("other models answer", { concurrency: 16 }, () => {
  let own;
  let student;
  before(async () => {
    own = await startStack({
      settings: {
        FYNQ_GEMINI_MODEL: FIRST,
        FYNQ_GEMINI_FALLBACKS: `${SECOND}, ${THIRD}`,
        FYNQ_GEMINI_TRIES: 2,
        FYNQ_GEMINI_PATIENCE_MS: PATIENCE_MS,
      },
    });
    student = await own.register();
  });
  after(() => own?.stop());

  const twice = (name) => [[{ named: name }], [{ named: name }]];
  const rows = [
    ["a model that is gone", [NOT_FOUND], [FIRST, SECOND]],
    ["a day that is used up", [[{ named: "quota_day" }]], [FIRST, SECOND]],
    ["a minute that is used up for long", [[{ named: "quota_minute" }]], [FIRST, SECOND]],
    ["tries that are used up", twice("overloaded"), [FIRST, FIRST, SECOND]],
    ["two that cannot", [NOT_FOUND, ...twice("internal")], [FIRST, SECOND, SECOND, THIRD]],
  ];
  for (const [name, scripts, models] of rows) {
    for (const stream of [false, true]) {
      it(`after ${name}, ${stream ? "streamed" : "whole"}`, async () => {
        const token = await script(own, ...scripts, GOOD);
        const { code, text, model } = await ask(own, student, token, { stream });
        assert.equal(code, undefined);
        assert.equal(text, WORDS);
        const calls = await own.gemini.calls(token);
        assert.deepEqual(calls.map((call) => call.model), models);
        assert.equal(model, models.at(-1));
      });
    }
  }

  it("none does after words, or where the question is at fault", async () => {
    for (const name of ["mid_error", "invalid", "permission", "blocked_prompt", "no_parts"]) {
      const token = await script(own, [{ named: name }], GOOD);
      assert.notEqual((await ask(own, student, token)).status, 201, name);
      assert.equal((await own.gemini.calls(token)).length, 1, name);
    }
  });

  it("none is left: the last one's failure is told", async () => {
    const token = await script(own, NOT_FOUND);
    const { answer } = await ask(own, student, token);
    assertProblem(answer, 502, "tutor_refused");
    assert.equal((await own.gemini.calls(token)).length, 3);
  });

  it("thought signatures go to the model that made them, and to no other", async () => {
    const signatures = async (token) => {
      const calls = await own.gemini.calls(token);
      return calls.map(({ model, request: { contents } }) => [
        model,
        contents.filter(({ role }) => role === "model").map(({ parts }) =>
          parts.map((part) => part.thoughtSignature).find(Boolean)),
      ]);
    };
    const PLACEHOLDER = "skip_thought_signature_validator";
    // The first model signs a reply, the third another.
    const one = await script(own, GOOD);
    const { chat } = await ask(own, student, one);
    const two = await script(own, NOT_FOUND, NOT_FOUND, GOOD);
    const second = await ask(own, student, two, { chat_id: chat });
    assert.equal(second.model, THIRD, JSON.stringify(second.answer.json));
    const [[, [own1]], [, [to2]], [, [to3]]] = await signatures(two);
    assert.match(own1, /^[A-Za-z0-9+/=]{20,}$/);
    assert.deepEqual([to2, to3], [undefined, PLACEHOLDER]);
    const three = await script(own, GOOD);
    const third = await ask(own, student, three, { chat_id: chat });
    assert.equal(third.model, FIRST);
    assert.deepEqual(await signatures(three), [[FIRST, [own1, PLACEHOLDER]]]);
  });
});
