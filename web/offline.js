/**
 * The service worker: the page goes on working when its server has stopped.
 *
 * The server is asked first, as it is near and may serve another model today; what it
 * answers is kept for the time when it does not.
 */

const PREFIX = "squeezebert-web-";
/** To be raised when what older pages have kept is of no use to this one. */
const CACHE = `${PREFIX}1`;

self.addEventListener("install", () => self.skipWaiting());

self.addEventListener("activate", (event) => event.waitUntil(takeOver()));

self.addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  if (method === "GET" && url.startsWith(self.registration.scope)) {
    event.respondWith(answer(event));
  }
});

// A page that was there before this worker tells what it had loaded by then.
self.addEventListener("message", (event) => {
  const [port] = event.ports;
  const kept = keep(event.data.keep).then(
    () => port.postMessage(true),
    () => port.postMessage(false),
  );
  event.waitUntil(kept);
});

async function keep(addresses) {
  const cache = await caches.open(CACHE);
  await cache.addAll(addresses);
}

async function takeOver() {
  const names = await caches.keys();
  const others = names.filter((name) => name.startsWith(PREFIX) && name !== CACHE);
  await Promise.all(others.map((name) => caches.delete(name)));
  await self.clients.claim();
}

async function answer(event) {
  const cache = await caches.open(CACHE);
  const response = await fetch(event.request).catch(() => Response.error());
  if (!response.ok) return (await cache.match(event.request)) ?? response;
  event.waitUntil(cache.put(event.request, response.clone()));
  return response;
}
