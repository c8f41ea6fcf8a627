/** Texts to normalised words, which remember where in the text they come from. */

import { ALONE, CLASS_SHIFT, CODE_MASK, SPACE } from "./code_points.js";

/**
 * Splits texts into words, one at a time. It is the word: the arrays are written over
 * by the next one.
 */
export class Words {
  /** Number of code points of the word. */
  length = 0;
  /** The code points; then where in the text the source of each starts and ends. */
  codes = new Int32Array(128);
  starts = new Int32Array(128);
  ends = new Int32Array(128);

  #values;
  #sequences;
  #lastClass = 0;
  #hasMarks = false;
  #isUnsorted = false;

  /** @param {{values: Int32Array, sequences: number[][]}} lookup Of `CodePoints`. */
  constructor({ values, sequences }) {
    this.#values = values;
    this.#sequences = sequences;
  }

  /**
   * @param {string} text
   * @param {number} start The stretch of the text to split.
   * @param {number} end
   * @param {(word: Words) => void} visit Called for each word.
   */
  split(text, start, end, visit) {
    let next;
    for (let at = start; at < end; at = next) {
      // A lone surrogate is a code point here, which is dropped as U+FFFD is.
      const code = text.codePointAt(at);
      next = at + (code > 0xffff ? 2 : 1);
      const value = this.#values[code];
      if (value >= 0) {
        this.#add(value, at, next, visit);
      } else {
        for (const part of this.#sequences[~value]) this.#add(part, at, next, visit);
      }
    }
    this.#finish(visit);
  }

  #add(value, start, end, visit) {
    if (value === SPACE) {
      this.#finish(visit);
    } else if (value & ALONE) {
      this.#finish(visit);
      this.#append(value ^ ALONE, start, end);
      this.#finish(visit);
    } else {
      const combining = value >> CLASS_SHIFT;
      if (combining > 0 || value === 0) {
        this.#hasMarks = true;
        this.#isUnsorted ||= 0 < combining && combining < this.#lastClass;
      }
      this.#lastClass = combining;
      this.#append(value, start, end);
    }
  }

  #append(value, start, end) {
    if (this.length === this.codes.length) {
      this.codes = twiceAsLong(this.codes);
      this.starts = twiceAsLong(this.starts);
      this.ends = twiceAsLong(this.ends);
    }
    this.codes[this.length] = value;
    this.starts[this.length] = start;
    this.ends[this.length] = end;
    this.length += 1;
  }

  #finish(visit) {
    if (this.#isUnsorted) this.#sort();
    if (this.#hasMarks) this.#removeMarks();
    if (this.length > 0) visit(this);
    this.length = 0;
    this.#lastClass = 0;
    this.#hasMarks = false;
    this.#isUnsorted = false;
  }

  /** Sorts each run of marks by combining class, as canonical decomposition does. */
  #sort() {
    const values = this.codes.slice(0, this.length);
    const starts = this.starts.slice(0, this.length);
    const ends = this.ends.slice(0, this.length);
    let run = 0;
    const runs = values.map((value) => (value >> CLASS_SHIFT === 0 ? ++run : run));
    const order = [...values.keys()].sort(
      (a, b) =>
        runs[a] - runs[b] || (values[a] >> CLASS_SHIFT) - (values[b] >> CLASS_SHIFT),
    );
    // As in the Rust library, the sources stay in order: the first value of each takes
    // the next one, whichever it came from, and further values repeat it.
    const isFirst = starts.map((start, i) => Number(start !== starts[i - 1]));
    const sources = [...values.keys()].filter((i) => isFirst[i]);
    let rank = -1;
    order.forEach((from, to) => {
      rank += isFirst[from];
      this.codes[to] = values[from];
      this.starts[to] = starts[sources[rank]];
      this.ends[to] = ends[sources[rank]];
    });
  }

  /** Leaves out the marks that were kept for their order, and all classes. */
  #removeMarks() {
    let kept = 0;
    for (let i = 0; i < this.length; i++) {
      const code = this.codes[i] & CODE_MASK;
      if (code === 0) continue;
      this.codes[kept] = code;
      this.starts[kept] = this.starts[i];
      this.ends[kept] = this.ends[i];
      kept += 1;
    }
    this.length = kept;
  }
}

function twiceAsLong(array) {
  const longer = new Int32Array(2 * array.length);
  longer.set(array);
  return longer;
}
