/** However long a text is and whatever it holds, each character costs about as much. */

import assert from "node:assert/strict";
import { Session } from "node:inspector/promises";
import { before, test } from "node:test";
import { setFlagsFromString } from "node:v8";

// V8 counts how often each block of code runs, exactly if none is optimised away.
setFlagsFromString("--no-opt");
const { CODE_POINTS, UNCASED } = await import("./golden.js");
const { SqueezeBertTokenizer } = await import("../tokenizer.js");

const KINDS = {
  words: "the quick brown fox ",
  "rare words": "pneumonoultramicroscopicsilicovolcanoconiosis ",
  "one word": "a",
  "words of 100 characters that end unknown": `${"ab".repeat(49)}a\u0378 `,
  punctuation: "!",
  ideographs: "字",
  "marks out of order": "\u0301\u0323\u302e\u{1d165}",
  "special tokens": "[MASK]",
  "almost special tokens": "[MASK",
  controls: "\0",
};
const LENGTH = 100_000;

const session = new Session();
const tokenizer = new SqueezeBertTokenizer(UNCASED, {}, CODE_POINTS);

/** How many blocks of the tokenizer run for a text. */
async function steps(text) {
  await session.post("Profiler.takePreciseCoverage"); // which sets all counts to 0
  tokenizer.encode(text);
  const { result } = await session.post("Profiler.takePreciseCoverage");
  return result
    .filter(({ url }) => /\/web\/\w+\.js$/.test(url))
    .flatMap(({ functions }) => functions)
    .flatMap(({ ranges }) => ranges)
    .reduce((sum, { count }) => sum + count, 0);
}

before(async () => {
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.startPreciseCoverage", {
    callCount: true,
    detailed: true,
  });
  // Code is counted block by block from its second run on.
  for (const unit of Object.values(KINDS)) await steps(unit.repeat(100));
});

for (const [kind, unit] of Object.entries(KINDS)) {
  test(`${LENGTH} and a million characters: ${kind}`, async () => {
    const text = unit.repeat((10 * LENGTH) / unit.length);
    const few = await steps(text.slice(0, LENGTH));
    const many = await steps(text);
    assert.ok(few > LENGTH / 10, `${few} steps are too few to be all`);
    assert.ok(few < 150 * LENGTH, `${few} steps`);
    assert.ok(many < 10.5 * few, `${many} steps instead of ${few}`);
  });
}
