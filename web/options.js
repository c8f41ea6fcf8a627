/** The options of a BERT tokenizer, as `tokenizer_config.json` has them. */

import { InputError } from "./errors.js";

const DEFAULTS = {
  do_lower_case: true,
  strip_accents: null,
  tokenize_chinese_chars: true,
  model_max_length: 512,
  unk_token: "[UNK]",
  sep_token: "[SEP]",
  pad_token: "[PAD]",
  cls_token: "[CLS]",
  mask_token: "[MASK]",
};
const SPECIAL_TOKENS = Object.keys(DEFAULTS).filter((name) => name.endsWith("_token"));
/** `transformers` writes 1e30 for "not set". */
const UNSET = 2 ** 31;

/**
 * @typedef {object} TokenizerOptions
 * @property {boolean} doLowerCase Whether texts are put in lower case.
 * @property {boolean} stripAccents Whether letters lose their accents.
 * @property {boolean} tokenizeChineseChars Whether each CJK ideograph is a word.
 * @property {number} modelMaxLength The most tokens of a row.
 * @property {string} unkToken Stands for a word that the pieces cannot spell.
 * @property {string} sepToken Ends each text.
 * @property {string} padToken Fills short rows.
 * @property {string} clsToken Starts each row.
 * @property {string} maskToken Stands for a token that the model is to guess.
 * @property {string[]} specialTokens The five.
 */

/**
 * @param {object} config The contents of a `tokenizer_config.json`; what it lacks has
 *     BERT's defaults.
 * @returns {TokenizerOptions}
 * @throws {InputError} A value is of another type or out of its range.
 */
export function tokenizerOptions(config) {
  const values = { ...DEFAULTS };
  for (const name of Object.keys(DEFAULTS)) {
    const value = config[name];
    // Tokens may be written out, as {"content": "[MASK]", "lstrip": false}.
    if (value !== undefined) values[name] = value?.content ?? value;
    check(name, values[name], DEFAULTS[name]);
  }
  if (values.model_max_length === null || values.model_max_length >= UNSET) {
    values.model_max_length = DEFAULTS.model_max_length;
  }
  if (values.model_max_length < 3) {
    throw new InputError(
      "`model_max_length` must leave room for [CLS] and two [SEP]. " +
        `Received: model_max_length=${values.model_max_length}`,
    );
  }
  const specialTokens = SPECIAL_TOKENS.map((name) => values[name]);
  checkSpecialTokens(specialTokens, config.added_tokens_decoder ?? {});
  return {
    doLowerCase: values.do_lower_case,
    stripAccents: values.strip_accents ?? values.do_lower_case,
    tokenizeChineseChars: values.tokenize_chinese_chars,
    modelMaxLength: values.model_max_length,
    unkToken: values.unk_token,
    sepToken: values.sep_token,
    padToken: values.pad_token,
    clsToken: values.cls_token,
    maskToken: values.mask_token,
    specialTokens,
  };
}

function check(name, value, byDefault) {
  const fits =
    name === "strip_accents"
      ? value === null || typeof value === "boolean"
      : name === "model_max_length"
        ? value === null || Number.isInteger(value)
        : typeof value === typeof byDefault;
  if (!fits) {
    throw new InputError(
      `\`${name}\` is of the wrong type. Received: ${name}=${JSON.stringify(value)}`,
    );
  }
}

function checkSpecialTokens(tokens, added) {
  if (new Set(tokens).size !== tokens.length) {
    throw new InputError(
      "The special tokens must differ from one another. Received: " + tokens.join(" "),
    );
  }
  for (const token of tokens) {
    // Text is split around punctuation, so no word can equal such a token.
    if ([...token].length < 2 || !/[!-/:-@[-`{-~]/.test(token)) {
      throw new InputError(
        "A special token must hold a punctuation mark and one more character. " +
          `Received: ${JSON.stringify(token)}`,
      );
    }
  }
  for (const { content } of Object.values(added)) {
    if (!tokens.includes(content)) {
      throw new InputError(
        "Only the five special tokens of BERT can be matched in the text; " +
          "tokenizer_config.json adds another. " +
          `Received: ${JSON.stringify(content)}`,
      );
    }
  }
}
