/**
 * How many sentences a second the tokenizer takes, the best of several rounds.
 *
 *     node web/benchmark.js GLUE_DIR/SST-2/train.tsv
 */

import { readFileSync } from "node:fs";
import { CODE_POINTS, UNCASED } from "./test/golden.js";
import { SqueezeBertTokenizer } from "./tokenizer.js";

const ROUNDS = 7;

const [, ...rows] = readFileSync(process.argv[2], "utf8").trimEnd().split("\n");
const sentences = rows.slice(0, 20_000).map((row) => row.split("\t")[0]);

/** Seconds that the fastest of the rounds takes. */
function best(task) {
  let least = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    task();
    least = Math.min(least, performance.now() - start);
  }
  return least / 1000;
}

const create = () => new SqueezeBertTokenizer(UNCASED, {}, CODE_POINTS);
const tokenizer = create();
const seconds = best(() => sentences.forEach((sentence) => tokenizer.encode(sentence)));
const tokens = sentences.reduce((n, s) => n + tokenizer.encode(s).inputIds.length, 0);
console.log(
  `${Math.round(sentences.length / seconds)} sentences/s, ` +
    `${Math.round(tokens / seconds)} tokens/s; ` +
    `a tokenizer is made in ${Math.round(1000 * best(create))} ms`,
);
