/** RemoteClassifier: a classifier that runs in a worker. */

import { InputError } from "./errors.js";

/** One question at a time; each model has a worker, whose end frees its memory. */
export class RemoteClassifier {
  #worker = new Worker("worker.js");
  /** @type {string} The file's. */
  name;
  /** @type {number} Its size. */
  bytes;
  /** @type {number} Tokens of a row. */
  length;
  /** @type {string[]} Their names. */
  labels;
  /** @type {string[]} The addresses of what the worker has loaded. */
  sources;

  /**
   * @param {File | Promise<File>} file A .tflite; the worker starts before it is there.
   * @returns {Promise<RemoteClassifier>}
   * @throws {InputError} It is not one that can run here.
   */
  static async open(file) {
    const remote = new RemoteClassifier();
    try {
      return Object.assign(remote, await remote.#ask("open", await file));
    } catch (error) {
      remote.close();
      throw error;
    }
  }

  /** As of `Classifier`. */
  classify(text, textPair = null) {
    return this.#ask("classify", [text, textPair]);
  }

  close() {
    this.#worker.terminate();
  }

  #ask(task, input) {
    return new Promise((resolve, reject) => {
      this.#worker.onmessage = ({ data: { result, problem } }) =>
        problem === undefined ? resolve(result) : reject(new InputError(problem));
      this.#worker.onerror = ({ message }) =>
        reject(new Error(`The worker stopped: ${message ?? "its files are missing"}`));
      this.#worker.postMessage({ task, input });
    });
  }
}
