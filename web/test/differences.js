/**
 * Compares the tokenizer with the expectations in a file of cases on standard input,
 * whose form is that of tests/portable/README.md. Prints those that differ as lines of
 * JSON, and at the end how many there were of all.
 */

import { createInterface } from "node:readline";
import { isDeepStrictEqual } from "node:util";
import { answer, expectation, tokenizersOf } from "./golden.js";

let tokenizers;
let count = 0;
let different = 0;
for await (const line of createInterface({ input: process.stdin })) {
  const one = JSON.parse(line);
  if (!tokenizers) {
    tokenizers = tokenizersOf(one);
    continue;
  }
  count += 1;
  const received = answer(tokenizers[one.tokenizer], one);
  if (isDeepStrictEqual(received, expectation(one))) continue;
  different += 1;
  console.log(JSON.stringify({ ...one, received }));
}
console.log(`${different} of ${count} cases differ`);
