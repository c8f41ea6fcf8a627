/** What outputs say: the arithmetic beside its definition, and what does not fit. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { InputError } from "../errors.js";
import { answerOf, labelNames } from "../scores.js";

const THREE = { id2label: { 0: "a", 1: "b", 2: "c" } };

function close(scores, expected) {
  assert.deepEqual(
    scores.map(({ label }) => label),
    Object.keys(expected),
  );
  for (const { label, score } of scores) {
    assert.ok(Math.abs(score - expected[label]) < 1e-12, `${label}: ${score}`);
  }
}

function refused(task, message) {
  assert.throws(task, (error) => error instanceof InputError && message.test(error));
}

describe("answers", () => {
  test("one of the labels, by logits", () => {
    const { kind, scores } = answerOf(THREE, [Math.log(2), Math.log(5), Math.log(3)]);
    assert.equal(kind, "label");
    close(scores, { b: 0.5, c: 0.3, a: 0.2 });
  });

  test("logits of any size", () => {
    close(answerOf(THREE, [1e30, -1e30, 0]).scores, { a: 1, b: 0, c: 0 });
    const equal = answerOf(THREE, [1e4, 1e4, 1e4]).scores;
    close(equal, { a: 1 / 3, b: 1 / 3, c: 1 / 3 });
  });

  test("probabilities are taken as they are", () => {
    const { scores } = answerOf(THREE, [0.25, 0.125, 0.5], true);
    close(scores, { c: 0.5, a: 0.25, b: 0.125 });
  });

  test("any number of labels", () => {
    const config = { ...THREE, problem_type: "multi_label_classification" };
    const { kind, scores } = answerOf(config, [Math.log(3), 0, -1e30]);
    assert.equal(kind, "labels");
    close(scores, { a: 0.75, b: 0.5, c: 0 });
    close(answerOf(config, [0.1, 0.2, 0.3], true).scores, { c: 0.3, b: 0.2, a: 0.1 });
  });

  test("a number", () => {
    for (const problem_type of [undefined, null, "regression"]) {
      const config = { id2label: { 0: "stars" }, problem_type };
      const answer = answerOf(config, [4.5]);
      assert.deepEqual(answer, {
        kind: "value",
        scores: [{ label: "stars", score: 4.5 }],
      });
    }
  });

  test("hundreds of labels come in the order of their scores", () => {
    const id2label = Object.fromEntries(
      Array.from({ length: 300 }, (_, i) => [i, `${i}`]),
    );
    const logits = Array.from({ length: 300 }, (_, i) => (i * 7919) % 300);
    const { scores } = answerOf({ id2label }, Float32Array.from(logits));
    assert.deepEqual(
      scores.map(({ label }) => logits[label]),
      Array.from({ length: 300 }, (_, i) => 299 - i),
    );
    const sum = scores.reduce((total, { score }) => total + score, 0);
    assert.ok(Math.abs(sum - 1) < 1e-12);
  });
});

describe("what does not fit", () => {
  test("labels", () => {
    assert.deepEqual(labelNames({}), ["LABEL_0", "LABEL_1"]);
    refused(() => labelNames({ id2label: { 1: "a" } }), /numbered from 0.*\{"1":"a"\}/);
    refused(() => labelNames({ id2label: { 0: 7 } }), /numbered from 0/);
    refused(
      () => answerOf({ ...THREE, problem_type: "tagging" }, [1, 2, 3]),
      /single_label_classification, .* Received: "tagging"/,
    );
  });

  test("outputs", () => {
    refused(() => answerOf(THREE, [1, 2]), /each of its 3 labels\. Received: 1, 2, 2/);
    refused(() => answerOf(THREE, [1, NaN, 2]), /Received: 1, NaN, 2, 3 in all/);
    refused(() => answerOf(THREE, [1, Infinity, 2]), /Received: 1, Infinity/);
  });
});
