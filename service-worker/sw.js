// Keeps the application for use without a network.
//
// Everything in the list is fetched before this version is installed: all of it or nothing. A newer version waits until
// the page says "activate", which it does when the person agrees. Models are not kept here; this file neither opens their
// storage nor sees what a person types.

// cargo xtask puts the list here: [{ url, revision }, ...], relative to this file.
const FILES = self.__PRECACHE;

const PREFIX = "outpost-";
const scope = new URL("./", self.location).href;
const addresses = new Set(FILES.map(({ url }) => new URL(url, scope).href));

/** The cache's name follows from every revision, so versions never share one. */
async function cacheName() {
  const text = FILES.map(({ url, revision }) => `${url} ${revision}`).sort().join("\n");
  return PREFIX + (await sha256(new TextEncoder().encode(text))).slice(0, 16);
}

const NAME = cacheName();

/** In the form that revisions have: hexadecimal. */
async function sha256(bytes) {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Fetches one file past the browser's own cache, and makes sure that it is the one in the list. */
async function fetchListed({ url, revision }) {
  const response = await fetch(new Request(new URL(url, scope), { cache: "no-cache" }));
  if (!response.ok || response.redirected) throw new Error(`${url}: ${response.status}`);
  if ((await sha256(await response.clone().arrayBuffer())) !== revision) {
    throw new Error(`${url} is of another version`);
  }
  return response;
}

/** All or nothing. What was fetched before something failed stays for the next attempt; the version in use is not touched. */
async function install() {
  const cache = await caches.open(await NAME);
  await Promise.all(
    FILES.map(async (file) => {
      const address = new URL(file.url, scope).href;
      if (!(await cache.match(address))) await cache.put(address, await fetchListed(file));
    }),
  );
}

async function activate() {
  const name = await NAME;
  const names = await caches.keys();
  await Promise.all(names.filter((other) => other.startsWith(PREFIX) && other !== name).map((other) => caches.delete(other)));
  await self.clients.claim();
}

async function answer(request) {
  const cache = await caches.open(await NAME);
  const address = new URL(request.url);
  address.search = "";
  address.hash = "";
  // Every page of this scope is the one page there is.
  const key = request.mode === "navigate" && !addresses.has(address.href) ? scope : address.href;
  return (await cache.match(key)) ?? fetch(request);
}

self.addEventListener("install", (event) => event.waitUntil(install()));

self.addEventListener("activate", (event) => event.waitUntil(activate()));

self.addEventListener("message", (event) => {
  if (event.data === "activate") self.skipWaiting();
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || !request.url.startsWith(scope)) return;
  const address = request.url.split(/[?#]/)[0];
  if (request.mode === "navigate" || addresses.has(address)) event.respondWith(answer(request));
});
