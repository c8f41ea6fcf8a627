/** The part of a long text that a model can see. */

import { LONGEST_WORD } from "./word_pieces.js";

/**
 * The beginning of a text, long enough to have the text's own first tokens.
 *
 * Where a text is cut, only the word and the special token that the cut goes through
 * become others. They give no more tokens than the longest of each has characters; all
 * tokens before those are the text's own. So a text of any length costs as much as a
 * page, unless its words are longer than words are.
 *
 * @param {import("./tokenizer.js").SqueezeBertTokenizer} tokenizer
 * @param {string} text
 * @param {number} count How many tokens are wanted.
 * @returns {string}
 */
export function beginning(tokenizer, text, count) {
  const longest = Math.max(...tokenizer.options.specialTokens.map((t) => t.length));
  const enough = count + LONGEST_WORD + longest;
  for (let size = 8 * enough; size < text.length; size *= 2) {
    const part = text.slice(0, size);
    if (tokenizer.tokenize(part).length >= enough) return part;
  }
  return text;
}
