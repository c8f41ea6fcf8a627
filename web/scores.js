/** What the numbers of a text classifier say, in the words of its config. */

import { InputError } from "./errors.js";

/**
 * @typedef {object} Answer
 * @property {"label" | "labels" | "value"} kind One of the labels, any number of them, or
 *     a number.
 * @property {{label: string, score: number}[]} scores The best first. A score is a
 *     probability; of a value it is that.
 */

/**
 * The names of a model's labels, in the order of its outputs.
 *
 * @param {object} config The contents of its `config.json`.
 * @returns {string[]}
 * @throws {InputError} They are not numbered from 0 on.
 */
export function labelNames(config) {
  const names = config.id2label ?? { 0: "LABEL_0", 1: "LABEL_1" };
  return Object.keys(names).map((_, id) => {
    if (typeof names[id] === "string") return names[id];
    throw new InputError(
      "The labels in config.json, `id2label`, must be numbered from 0 on. " +
        `Received: ${JSON.stringify(names).slice(0, 80)}`,
    );
  });
}

/**
 * What a classifier's outputs for one text say.
 *
 * @param {object} config The contents of its `config.json`.
 * @param {ArrayLike<number>} values An output for each label.
 * @param {boolean} areProbabilities Whether they are logits no longer.
 * @returns {Answer}
 * @throws {InputError} They are not numbers, or not as many as labels.
 */
export function answerOf(config, values, areProbabilities) {
  const labels = labelNames(config);
  const numbers = Array.from(values);
  if (numbers.length !== labels.length || !numbers.every(Number.isFinite)) {
    throw new InputError(
      `The model must give a number for each of its ${labels.length} labels. ` +
        `Received: ${numbers.slice(0, 5).join(", ")}, ${numbers.length} in all`,
    );
  }
  const kind = kindOf(config, labels);
  const scores = areProbabilities ? numbers : ACTIVATIONS[kind](numbers);
  return {
    kind,
    scores: labels
      .map((label, id) => ({ label, score: scores[id] }))
      .sort((a, b) => b.score - a.score),
  };
}

const ACTIVATIONS = {
  label: softmax,
  labels: (logits) => logits.map((logit) => 1 / (1 + Math.exp(-logit))),
  value: (values) => values,
};

const KINDS = {
  single_label_classification: "label",
  multi_label_classification: "labels",
  regression: "value",
};

function kindOf({ problem_type: name }, labels) {
  if (name === null || name === undefined) return labels.length > 1 ? "label" : "value";
  if (Object.hasOwn(KINDS, name)) return KINDS[name];
  throw new InputError(
    `\`problem_type\` in config.json must be one of ${Object.keys(KINDS).join(", ")}. ` +
      `Received: ${JSON.stringify(name)}`,
  );
}

function softmax(logits) {
  const largest = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - largest));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / sum);
}
