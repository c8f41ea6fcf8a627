/**
 * What BERT's normaliser and pre-tokeniser make of each code point.
 *
 * Browsers have a Unicode of their own, so it is read from `code_points.txt`, which
 * tells what the library behind `SqueezeBertTokenizerFast` does, and its own format.
 */

import { InputError } from "./errors.js";

/** A value is a code point, its combining class shifted by this, and perhaps ALONE. */
export const CLASS_SHIFT = 21;
export const CODE_MASK = (1 << CLASS_SHIFT) - 1;
/** Marks what is a word by itself. */
export const ALONE = 1 << 29;
/** The value of what parts words. */
export const SPACE = 0x20;

const SECTIONS = [
  "drop",
  "space",
  "ideograph",
  "strip_accents",
  "lower_case",
  "punctuation",
];
const LINE = /^([\dA-F]+)(?:\.\.([\dA-F]+))?(?:\/([\dA-F]+))?((?: [\dA-F+:]+)*)$/;
const PART = /([\dA-F]+)(?:\+([\dA-F]+))?(?::([\dA-F]+))?/g;

/**
 * @typedef {object} Run A line: code points that become values which rise equally.
 * @property {number} first
 * @property {number} last
 * @property {number} step
 * @property {{value: number, rise: number}[]} parts
 */

/** The contents of `code_points.txt`. */
export class CodePoints {
  /** @type {Map<string, Run[]>} */
  #sections = new Map();

  /**
   * @param {string} text What `code_points.txt` holds.
   * @throws {InputError} It is another file.
   */
  constructor(text) {
    let section;
    for (const line of text.split("\n")) {
      if (line.startsWith("[")) {
        section = [];
        this.#sections.set(line.slice(1, -1), section);
      } else if (line && !line.startsWith("#")) {
        if (!section || !LINE.test(line)) throw another(line);
        section.push(readRun(line));
      }
    }
    for (const name of SECTIONS) {
      if (!this.#sections.has(name)) throw another(`no section [${name}]`);
    }
  }

  /**
   * What all steps together make of each code point.
   *
   * @param {{doLowerCase: boolean, stripAccents: boolean,
   *     tokenizeChineseChars: boolean}} options
   * @returns {{values: Int32Array, sequences: number[][]}} For each code point its
   *     value; of those that become none or several `~i`, where `sequences[i]` are its
   *     values. The code point 0 is a mark to be left out when all are in order.
   */
  lookup({ doLowerCase, stripAccents, tokenizeChineseChars }) {
    const values = new Int32Array(0x110000);
    for (let code = 0; code < values.length; code++) values[code] = code;
    const sequences = [[]];

    const strip = stripAccents ? this.#changes("strip_accents") : new Map();
    const lower = doLowerCase ? this.#changes("lower_case") : new Map();
    const punctuation = this.#changes("punctuation");
    for (const code of [...strip.keys(), ...lower.keys(), ...punctuation.keys()]) {
      const parts = (strip.get(code) ?? [code])
        .flatMap((part) => lower.get(part) ?? [part])
        .map((part) => (punctuation.has(part) ? part | ALONE : part));
      values[code] = parts.length === 1 ? parts[0] : ~(sequences.push(parts) - 1);
    }
    if (tokenizeChineseChars) {
      this.#each("ideograph", (code) => (values[code] |= ALONE));
    }
    this.#each("space", (code) => (values[code] = SPACE));
    this.#each("drop", (code) => (values[code] = ~0));
    return { values, sequences };
  }

  /** The values that a step makes of the code points that it changes. */
  #changes(name) {
    const changes = new Map();
    this.#each(name, (code, values) => changes.set(code, values));
    return changes;
  }

  /** Calls a function with each code point of a section, and what becomes of it. */
  #each(name, visit) {
    for (const { first, last, step, parts } of this.#sections.get(name)) {
      for (let code = first, i = 0; code <= last; code += step, i++) {
        visit(
          code,
          parts.map(({ value, rise }) => value + i * rise),
        );
      }
    }
  }
}

function readRun(line) {
  const hex = (digits) => parseInt(digits, 16);
  const [, first, last = first, step = "1", parts] = LINE.exec(line);
  return {
    first: hex(first),
    last: hex(last),
    step: hex(step),
    parts: [...parts.matchAll(PART)].map(([, code, rise = "0", combining = "0"]) => ({
      value: hex(code) | (hex(combining) << CLASS_SHIFT),
      rise: hex(rise),
    })),
  };
}

function another(received) {
  return new InputError(
    "The table of code points must be the contents of code_points.txt, which " +
      `keras_squeezebert/tokenizers/ holds. Received: ${received.slice(0, 60)}`,
  );
}
