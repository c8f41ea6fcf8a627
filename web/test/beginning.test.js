/** The beginning of a text has the text's own first tokens, and is short. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { beginning } from "../beginning.js";
import { SqueezeBertTokenizer } from "../tokenizer.js";
import { CODE_POINTS, tokenizersOf, UNCASED } from "./golden.js";

const GOLDEN = new URL("../../tests/portable/golden.jsonl.gz", import.meta.url);
const [header, ...cases] = gunzipSync(readFileSync(GOLDEN))
  .toString("ascii")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line));
const tokenizers = tokenizersOf(header);
const MASK = { mask_token: "<a mask of many words>" };
const odd = new SqueezeBertTokenizer([...UNCASED, MASK.mask_token], MASK, CODE_POINTS);

/** Whether the beginning is shorter than the text, once it has been compared. */
function check(tokenizer, text) {
  for (const maxLength of [3, 32, 100]) {
    const part = beginning(tokenizer, text, maxLength);
    assert.ok(text.startsWith(part));
    assert.deepEqual(
      tokenizer.encode(part, { maxLength }),
      tokenizer.encode(text, { maxLength }),
    );
    const isCut = (one) =>
      tokenizer.encode(one, { truncation: false }).inputIds.length > maxLength;
    assert.equal(isCut(part), isCut(text));
    if (part.length < text.length) return true;
  }
  return false;
}

test("difficult texts, put together at random", () => {
  let shortened = 0;
  let seed = 1;
  for (let round = 0; round < 60; round++) {
    let text = "";
    const tokenizer = tokenizers[round % tokenizers.length];
    while (text.length < 8000) {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      text += cases[seed % cases.length].text + (seed & 0x10000 ? " " : "");
    }
    shortened += check(tokenizer, text);
  }
  assert.ok(shortened > 55, `${shortened} were shortened`);
});

const MANY_WORDS = {
  words: "the quick brown fox ",
  ideographs: "字",
  punctuation: "!",
  "special tokens": "[MASK]",
  "special tokens with spaces": MASK.mask_token,
  "words that are too long": `${"ab".repeat(51)} `,
};
const ONE_WORD = {
  letters: "a",
  "characters of two units": "\u{1f600}",
  "marks out of order": "a\u0301\u0323\u302e",
  spaces: " ",
};

for (const [units, isMany] of [
  [MANY_WORDS, true],
  [ONE_WORD, false],
]) {
  for (const [name, unit] of Object.entries(units)) {
    test(`50,000 characters, ${isMany ? "many words" : "one"}: ${name}`, () => {
      const text = unit.repeat(50_000 / unit.length);
      for (let shift = 0; shift < 25; shift += 4) {
        assert.equal(check(odd, text.slice(shift)), isMany);
      }
      const { length } = beginning(odd, text, 32);
      if (isMany) assert.ok(length < 30_000, `${length}`);
      else assert.equal(length, text.length);
    });
  }
}
