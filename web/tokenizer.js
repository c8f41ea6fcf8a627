/** SqueezeBertTokenizer: texts to the ids that `SqueezeBertTokenizerFast` gives. */

import { CodePoints } from "./code_points.js";
import { InputError } from "./errors.js";
import { tokenizerOptions } from "./options.js";
import { WordPieces } from "./word_pieces.js";
import { Words } from "./words.js";

/**
 * @typedef {object} Encoding
 * @property {Int32Array} inputIds Ids of the tokens.
 * @property {Int32Array} attentionMask 1 for tokens, 0 for what fills the row.
 * @property {Int32Array} tokenTypeIds 0 for the first text, 1 for the second.
 * @property {Int32Array} offsetMapping Of token i the start, at 2i, and the end, at
 *     2i + 1, in its text, so that `text.slice(start, end)` is what it stands for.
 *     Special tokens that were added have (0, 0). These count UTF-16 code units, as
 *     JavaScript does, of which a character above U+FFFF has two; in Python it is one.
 */

/**
 * BERT's tokenizer: normaliser, pre-tokeniser and word pieces.
 *
 *     const { vocabulary, tokenizerConfig } = await readTfliteFile(bytes);
 *     const table = await (await fetch("code_points.txt")).text();
 *     const tokenizer = new SqueezeBertTokenizer(vocabulary, tokenizerConfig, table);
 *     tokenizer.tokenize("Unaffable!"); // ["una", "##ffa", "##ble", "!"]
 */
export class SqueezeBertTokenizer {
  /** @type {string[]} The tokens in the order of their ids. */
  vocabulary;
  /** @type {import("./options.js").TokenizerOptions} */
  options;
  unkTokenId;
  sepTokenId;
  padTokenId;
  clsTokenId;
  maskTokenId;

  #ids;
  #specialTokens;
  #words;
  #pieces;

  /**
   * @param {string[]} vocabulary The tokens in the order of their ids.
   * @param {object} tokenizerConfig The contents of `tokenizer_config.json`; {} is that
   *     of uncased BERT.
   * @param {string} codePoints The contents of `code_points.txt`.
   * @throws {InputError} One of them does not fit.
   */
  constructor(vocabulary, tokenizerConfig, codePoints) {
    this.vocabulary = vocabulary;
    this.options = tokenizerOptions(tokenizerConfig);
    this.#ids = idsOf(vocabulary);
    const { unkToken, sepToken, padToken, clsToken, maskToken } = this.options;
    this.unkTokenId = this.#idOf(unkToken);
    this.sepTokenId = this.#idOf(sepToken);
    this.padTokenId = this.#idOf(padToken);
    this.clsTokenId = this.#idOf(clsToken);
    this.maskTokenId = this.#idOf(maskToken);
    this.#specialTokens = pattern(this.options.specialTokens);
    this.#words = new Words(new CodePoints(codePoints).lookup(this.options));
    this.#pieces = new WordPieces(vocabulary, this.unkTokenId);
  }

  /**
   * The tokens of a text or of a pair of texts, as a model takes them.
   *
   * A lone surrogate, which is no text, counts as U+FFFD.
   *
   * @param {string} text
   * @param {object} [options]
   * @param {string | null} [options.textPair] The second text, of a pair.
   * @param {number | null} [options.maxLength] The most tokens, special ones included;
   *     null is the model's, `options.modelMaxLength`.
   * @param {false | "max_length"} [options.padding] Whether to fill the row up to
   *     `maxLength`.
   * @param {boolean} [options.truncation] Whether to cut a longer row, of a pair the
   *     longer text first. If not, it is an error; with neither `maxLength` nor
   *     `padding` no row is too long.
   * @returns {Encoding}
   * @throws {InputError} An argument is out of its range, or the row is too long.
   */
  encode(
    text,
    { textPair = null, maxLength = null, padding = false, truncation = true } = {},
  ) {
    const segments = [this.#split(text, "text")];
    if (textPair !== null) segments.push(this.#split(textPair, "textPair"));
    const special = 1 + segments.length;
    const limit = this.#limit(maxLength, padding, truncation, special);

    let kept = segments.map(({ ids }) => ids.length);
    if (truncation) kept = truncated(kept, limit - special);
    const length = special + kept.reduce((sum, count) => sum + count);
    if (length > limit) {
      throw new InputError(
        `The text has ${length} tokens, ${length - limit} too many, and truncation ` +
          `is off. Received: maxLength=${limit}`,
      );
    }
    return this.#row(segments, kept, padding ? limit : length);
  }

  /**
   * The tokens of a text, without [CLS] and [SEP].
   *
   * @param {string} text
   * @returns {string[]}
   * @throws {InputError} It is no string.
   */
  tokenize(text) {
    return this.#split(text, "text").ids.map((id) => this.vocabulary[id]);
  }

  /** Ids, starts and ends of the tokens of a text. */
  #split(text, name) {
    if (typeof text !== "string") {
      throw new InputError(
        `\`${name}\` must be a string. Received: ${name}=${JSON.stringify(text)}`,
      );
    }
    const pieces = { ids: [], starts: [], ends: [] };
    const visit = (word) => this.#pieces.append(word, pieces);
    let start = 0;
    // They are found before anything is normalised.
    for (const { 0: token, index } of text.matchAll(this.#specialTokens)) {
      this.#words.split(text, start, index, visit);
      start = index + token.length;
      pieces.ids.push(this.#ids.get(token));
      pieces.starts.push(index);
      pieces.ends.push(start);
    }
    this.#words.split(text, start, text.length, visit);
    return pieces;
  }

  /** The most tokens that the row may have. */
  #limit(maxLength, padding, truncation, special) {
    if (padding !== false && padding !== "max_length") {
      throw new InputError(
        "`padding` must be false or 'max_length'. " +
          `Received: padding=${JSON.stringify(padding)}`,
      );
    }
    if (maxLength === null) {
      return truncation || padding ? this.options.modelMaxLength : Infinity;
    }
    if (!Number.isInteger(maxLength) || maxLength < special) {
      throw new InputError(
        "`maxLength` must be an integer that leaves room for the " +
          `${special} special tokens. Received: maxLength=${JSON.stringify(maxLength)}`,
      );
    }
    return maxLength;
  }

  #row(segments, kept, width) {
    const inputIds = new Int32Array(width).fill(this.padTokenId);
    const attentionMask = new Int32Array(width);
    const tokenTypeIds = new Int32Array(width);
    const offsetMapping = new Int32Array(2 * width);
    inputIds[0] = this.clsTokenId;
    let at = 1;
    segments.forEach(({ ids, starts, ends }, segment) => {
      const first = at;
      for (let i = 0; i < kept[segment]; i++, at++) {
        inputIds[at] = ids[i];
        offsetMapping[2 * at] = starts[i];
        offsetMapping[2 * at + 1] = ends[i];
      }
      inputIds[at] = this.sepTokenId;
      at += 1;
      tokenTypeIds.fill(segment, first, at);
    });
    attentionMask.fill(1, 0, at);
    return { inputIds, attentionMask, tokenTypeIds, offsetMapping };
  }

  #idOf(token) {
    const id = this.#ids.get(token);
    if (id === undefined) {
      throw new InputError(
        "The vocabulary lacks a special token. Received: " +
          `${JSON.stringify(token)}, ${this.vocabulary.length} tokens`,
      );
    }
    return id;
  }
}

function idsOf(vocabulary) {
  const ids = new Map();
  vocabulary.forEach((token, id) => {
    if (!token) {
      throw new InputError(
        `The tokens of a vocabulary must not be empty. Received: vocabulary[${id}]=""`,
      );
    }
    if (ids.has(token)) {
      throw new InputError(
        "The tokens of a vocabulary must differ from one another. Received: " +
          `vocabulary[${ids.get(token)}]=vocabulary[${id}]=${JSON.stringify(token)}`,
      );
    }
    ids.set(token, id);
  });
  return ids;
}

/** Finds special tokens: of those that start first the longest. */
function pattern(tokens) {
  const longestFirst = [...tokens].sort((a, b) => b.length - a.length);
  const escaped = longestFirst.map((token) =>
    token.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&"),
  );
  return new RegExp(escaped.join("|"), "g");
}

/** How many tokens to keep of one or two texts: the longer gives first. */
function truncated(lengths, room) {
  if (lengths.length === 1) return [Math.min(lengths[0], room)];
  const [first, second] = lengths;
  const short = Math.min(first, second, Math.floor(room / 2));
  const long = Math.min(Math.max(first, second), room - short);
  return first > second ? [long, short] : [short, long];
}
