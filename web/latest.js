/**
 * Makes of an asynchronous task one that is never asked for more than it can do: while
 * it runs only the newest input waits, and those before are dropped.
 *
 * @template Input
 * @param {(input: Input) => Promise<void>} task
 * @returns {(input: Input) => Promise<void>} Done when nothing waits any more.
 */
export function latest(task) {
  let waiting = null;
  let running = null;

  async function run() {
    while (waiting) {
      const { input } = waiting;
      waiting = null;
      await task(input);
    }
  }

  return (input) => {
    waiting = { input };
    running ??= run().finally(() => (running = null));
    return running;
  };
}
