/** However fast inputs come, one task runs, and the newest input is never lost. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { latest } from "../latest.js";

/** A task that ends when it is told to, and what it was given. */
function slowTask() {
  const inputs = [];
  const ends = [];
  const task = (input) => {
    inputs.push(input);
    return new Promise((resolve, reject) => ends.push({ resolve, reject }));
  };
  return { task, inputs, ends };
}

const turn = () => new Promise(setImmediate);

test("inputs that come meanwhile are dropped, but for the newest", async () => {
  const { task, inputs, ends } = slowTask();
  const ask = latest(task);
  const asked = ["a", "ab", "abc", "abcd"].map(ask);
  await turn();
  assert.deepEqual(inputs, ["a"]);
  ends[0].resolve();
  await turn();
  assert.deepEqual(inputs, ["a", "abcd"]);
  let isDone = false;
  const all = Promise.all(asked).then(() => (isDone = true));
  await turn();
  assert.equal(isDone, false);
  ends[1].resolve();
  await all;
});

test("it runs again when nothing waits", async () => {
  const { task, inputs, ends } = slowTask();
  const ask = latest(task);
  for (const input of [1, undefined, 3]) {
    const done = ask(input);
    await turn();
    ends.at(-1).resolve();
    await done;
  }
  assert.deepEqual(inputs, [1, undefined, 3]);
});

test("an error reaches who asked, and it runs again", async () => {
  const { task, inputs, ends } = slowTask();
  const ask = latest(task);
  const failed = ask(1);
  ends[0].reject(new Error("no"));
  await assert.rejects(failed, /no/);
  const done = ask(2);
  await turn();
  ends[1].resolve();
  await done;
  assert.deepEqual(inputs, [1, 2]);
});
