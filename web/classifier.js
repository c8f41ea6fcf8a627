/** Classifier: a .tflite that gives texts their labels, in this browser. */

import { beginning } from "./beginning.js";
import { InputError } from "./errors.js";
import { loadAndCompile, loadLiteRt, Tensor } from "./litert/index.js";
import { answerOf, labelNames } from "./scores.js";
import { readTfliteFile } from "./tflite_file.js";
import { SqueezeBertTokenizer } from "./tokenizer.js";

const HEAD = "SqueezeBertForSequenceClassification";

// LiteRT.js looks for its .wasm beside the script of the worker, unless it is told.
const WASM = new URL("litert/wasm/", import.meta.url);
self.Module = { locateFile: (name) => new URL(name, WASM).href };
/** It loads while the model is still on its way. */
const runtime = loadLiteRt(WASM.href);

/**
 * @typedef {object} Classification
 * @property {import("./scores.js").Answer} answer
 * @property {number} tokens Those that the model was given, special ones included.
 * @property {number[] | null} ends Where in each text it stopped reading, if not at the
 *     end of all.
 * @property {number} milliseconds What the tokenizer and the model took.
 */

export class Classifier {
  #model;
  #inputs;
  #output;
  #config;
  #tokenizer;

  /** @type {number} Tokens of a row. */
  length;
  /** @type {string[]} The names of the labels. */
  labels;

  /**
   * @param {File} file A .tflite for sequence classification, from `squeezebert export`.
   * @returns {Promise<Classifier>}
   * @throws {InputError} It is not one that can run here.
   */
  static async open(file) {
    const [bytes, table] = await Promise.all([file.arrayBuffer(), codePoints()]);
    const { config, tokenizerConfig, vocabulary } = await readTfliteFile(bytes);
    checkHead(config);
    const tokenizer = new SqueezeBertTokenizer(vocabulary, tokenizerConfig, table);
    await runtime;
    return new Classifier(config, tokenizer, await compiled(bytes));
  }

  /** Use `open`. */
  constructor(config, tokenizer, model) {
    this.#config = config;
    this.#tokenizer = tokenizer;
    this.#model = model;
    this.labels = labelNames(config);
    this.#inputs = inputsOf(model);
    this.#output = outputOf(model, this.labels);
    this.length = this.#inputs[0].shape[1];
  }

  /**
   * @param {string} text
   * @param {string | null} textPair The second text, for a model of pairs.
   * @returns {Promise<Classification>}
   */
  async classify(text, textPair = null) {
    const started = performance.now();
    // Of a pair both lengths decide where it is cut.
    if (textPair === null) text = beginning(this.#tokenizer, text, this.length);
    const { row, ends } = this.#row(text, textPair);
    const values = await this.#run({
      input_ids: row.inputIds,
      attention_mask: row.attentionMask,
      token_type_ids: row.tokenTypeIds,
    });
    const milliseconds = performance.now() - started;
    return {
      answer: answerOf(this.#config, values, this.#output === "probabilities"),
      tokens: row.attentionMask.lastIndexOf(1) + 1,
      ends,
      milliseconds,
    };
  }

  #row(text, textPair) {
    const row = this.#tokenizer.encode(text, {
      textPair,
      maxLength: this.length,
      padding: "max_length",
    });
    const whole = this.#tokenizer.encode(text, { textPair, truncation: false });
    if (whole.inputIds.length <= this.length) return { row, ends: null };
    const ends = textPair === null ? [0] : [0, 0];
    row.attentionMask.forEach((isToken, i) => {
      const segment = row.tokenTypeIds[i];
      const end = row.offsetMapping[2 * i + 1];
      if (isToken) ends[segment] = Math.max(ends[segment], end);
    });
    return { row, ends };
  }

  /** The outputs of a row; a model of larger batches runs it among empty ones. */
  async #run(row) {
    const inputs = {};
    for (const { name, shape } of this.#inputs) {
      const batch = new Int32Array(shape.reduce((a, b) => a * b));
      batch.set(row[name]);
      inputs[name] = new Tensor(batch, shape);
    }
    const outputs = await this.#model.run(inputs);
    const values = outputs[this.#output].toTypedArray().slice(0, this.labels.length);
    for (const tensor of Object.values({ ...inputs, ...outputs })) tensor.delete();
    return values;
  }
}

function checkHead({ architectures }) {
  const name = architectures?.[0];
  if (name === HEAD) return;
  throw new InputError(
    "This page classifies texts, and this model has another head: config.json in it " +
      `must name ${HEAD}. Received: ${name ?? "no `architectures`"}`,
  );
}

function inputsOf(model) {
  const expected = ["input_ids", "attention_mask", "token_type_ids"];
  const inputs = model.getInputDetails();
  for (const { name, dtype, shape } of inputs) {
    const isKnown = expected.includes(name) && dtype === "int32";
    if (isKnown && shape.length === 2 && shape[1] === inputs[0].shape[1]) continue;
    throw new InputError(
      `The inputs must be ${expected.join(", ")}: int32 (batch, tokens). ` +
        `Received: ${name}, ${dtype} (${shape})`,
    );
  }
  return inputs;
}

/** The output that is read: logits, or what some exports have made of them. */
function outputOf(model, labels) {
  const details = model.getOutputDetails();
  const output = details.find(({ name }) => /^(logits|probabilities)$/.test(name));
  const { dtype, shape } = output ?? {};
  if (dtype === "float32" && shape.length === 2 && shape[1] === labels.length) {
    return output.name;
  }
  const received = details.map(
    ({ name, dtype, shape }) => `${name}, ${dtype} (${shape})`,
  );
  throw new InputError(
    "The model must have an output `logits` or `probabilities`: float32 (batch, " +
      `${labels.length}), as it has ${labels.length} labels. ` +
      `Received: ${received.join("; ")}`,
  );
}

async function compiled(bytes) {
  try {
    return await loadAndCompile(new Uint8Array(bytes), { accelerator: "wasm" });
  } catch (error) {
    throw new InputError(
      "LiteRT.js cannot run this .tflite; it may be damaged. " +
        `Received: ${error.message ?? error}`,
    );
  }
}

async function codePoints() {
  const response = await fetch("code_points.txt");
  return response.text();
}
