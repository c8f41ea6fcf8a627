/** The tokenizer gives what Hugging Face's Rust library gives. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { answer, expectation, tokenizersOf } from "./golden.js";

const GOLDEN = new URL("../../tests/portable/golden.jsonl.gz", import.meta.url);
const [header, ...cases] = gunzipSync(readFileSync(GOLDEN))
  .toString("ascii")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line));
const tokenizers = tokenizersOf(header);

test("every case of the golden file", () => {
  assert.ok(cases.length > 5000);
  for (const one of cases) {
    assert.deepEqual(
      answer(tokenizers[one.tokenizer], one),
      expectation(one),
      one.text,
    );
  }
});

for (const [kind, surrogate] of [
  ["high", "\ud800"],
  ["low", "\udc00"],
]) {
  test(`a lone ${kind} surrogate counts as U+FFFD`, () => {
    const replaced = (text) => text?.replaceAll("\ufffd", surrogate);
    const with_some = cases.filter(({ text }) => text.includes("\ufffd"));
    assert.ok(with_some.length > 100);
    for (const one of with_some) {
      const lone = {
        ...one,
        text: replaced(one.text),
        text_pair: replaced(one.text_pair),
      };
      assert.equal(lone.text.isWellFormed(), false);
      assert.deepEqual(answer(tokenizers[one.tokenizer], lone), expectation(one));
    }
  });
}

test("offsets cut out of the text what a token stands for", () => {
  const text = "\u{1f600} Élan\u{1f469}\u{200d}\u{1f4bb} [MASK]!";
  const { offsetMapping } = tokenizers[0].encode(text);
  const cut = Array.from({ length: offsetMapping.length / 2 }, (_, i) =>
    text.slice(offsetMapping[2 * i], offsetMapping[2 * i + 1]),
  );
  assert.deepEqual(cut.slice(1, -1), [
    "\u{1f600}",
    "Élan\u{1f469}\u{200d}\u{1f4bb}",
    "[MASK]",
    "!",
  ]);
});
