/** The page's side of `offline.js`. */

/**
 * Has everything kept that this page needs without its server.
 *
 * @param {string[]} sources What workers have loaded, beside the page itself.
 * @returns {Promise<boolean>} Whether it is: some browsers keep nothing, in private
 *     windows or from servers on other machines.
 */
export async function keepOffline(sources) {
  if (!navigator.serviceWorker) return false;
  try {
    // With a controller, all of it has gone through the service worker.
    const isKept = navigator.serviceWorker.controller !== null;
    await navigator.serviceWorker.register("offline.js");
    if (isKept) return true;
    const { active } = await navigator.serviceWorker.ready;
    const own = performance.getEntriesByType("resource").map(({ name }) => name);
    const keep = [...new Set([location.href, ...own, ...sources])];
    return await answered(active, { keep });
  } catch (error) {
    console.warn("This page will not work offline:", error);
    return false;
  }
}

/** Whether a worker did what it was told. */
function answered(worker, message) {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = ({ data }) => resolve(data);
    worker.postMessage(message, [port2]);
  });
}
