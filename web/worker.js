/**
 * A classifier in a thread of its own, so that the page never waits for it.
 *
 * This is no module, as LiteRT.js loads its WebAssembly by `importScripts`, which
 * modules cannot call.
 */

const loaded = import("./classifier.js");
let classifier;

const TASKS = {
  async open(file) {
    const { Classifier } = await loaded;
    classifier = await Classifier.open(file);
    return {
      name: file.name,
      bytes: file.size,
      length: classifier.length,
      labels: classifier.labels,
      sources: performance.getEntriesByType("resource").map(({ name }) => name),
    };
  },

  classify: ([text, textPair]) => classifier.classify(text, textPair),
};

self.onmessage = async ({ data: { task, input } }) => {
  try {
    self.postMessage({ result: await TASKS[task](input) });
  } catch (error) {
    self.postMessage({ problem: error.message ?? String(error) });
  }
};
