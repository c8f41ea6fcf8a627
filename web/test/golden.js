/** Cases of text and expected tokens, in the form of tests/portable/README.md. */

import { readFileSync } from "node:fs";
import { InputError } from "../errors.js";
import { SqueezeBertTokenizer } from "../tokenizer.js";

const TOKENIZERS = new URL("../../keras_squeezebert/tokenizers/", import.meta.url);

export const CODE_POINTS = readFileSync(
  new URL("code_points.txt", TOKENIZERS),
  "ascii",
);
export const UNCASED = readFileSync(
  new URL("bert_uncased_vocab.txt", TOKENIZERS),
  "utf8",
)
  .trimEnd()
  .split("\n");

/** The tokenizers that the first line of a file of cases names. */
export function tokenizersOf({ vocabularies, tokenizers }) {
  return tokenizers.map(
    ({ vocabulary, options }) =>
      new SqueezeBertTokenizer(
        vocabularies[vocabulary] ?? UNCASED,
        options,
        CODE_POINTS,
      ),
  );
}

/** What a tokenizer makes of a case, in the words of the file. */
export function answer(
  tokenizer,
  { text, text_pair, max_length, padding, truncation },
) {
  let encoding;
  try {
    encoding = tokenizer.encode(text, {
      textPair: text_pair,
      maxLength: max_length,
      padding,
      truncation,
    });
  } catch (error) {
    if (error instanceof InputError) return { error: true };
    throw error;
  }
  return {
    input_ids: [...encoding.inputIds],
    token_type_ids: [...encoding.tokenTypeIds],
    length: encoding.attentionMask.lastIndexOf(1) + 1,
    offsets: [...encoding.offsetMapping],
  };
}

/** What the file expects, with offsets in UTF-16 code units instead of characters. */
export function expectation({ text, text_pair = "", ...expected }) {
  if (expected.error) return { error: true };
  const { input_ids, token_type_ids, length, offsets } = expected;
  const units = [text, text_pair].map(unitsBefore);
  return {
    input_ids,
    token_type_ids,
    length,
    offsets: offsets.map((offset, i) => units[token_type_ids[i >> 1]][offset]),
  };
}

/** How many code units stand before each character of a text. */
function unitsBefore(text) {
  const units = [0];
  for (const character of text) units.push(units.at(-1) + character.length);
  return units;
}
