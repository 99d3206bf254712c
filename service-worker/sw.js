{
  // Keeps the application for use without a network.
  //
  // Everything in the list is fetched before this version is installed, all of it or nothing; but for what may come later,
  // which is fetched behind the first page or when it is asked for, and kept as well. A newer version waits until
  // the page says "activate", which it does when the person agrees, and until no page is at work. Models are not kept
  // here; this file neither opens their storage nor sees what a person types.
  //
  // It is one block from its first character to its last: of a file that arrives incomplete nothing is taken up.

  // cargo xtask puts the list here: [{ url, revision, later }, ...], relative to this file.
  const FILES = self.__PRECACHE;

  const PREFIX = "outpost-";
  /** Pages share it while they are at work. */
  const BUSY_LOCK = "outpost-busy";
  const scope = new URL("./", self.location).href;
  const addressOf = ({ url }) => new URL(url, scope).href;
  const addresses = new Set(FILES.map(addressOf));
  const LATER = FILES.filter(({ later }) => later);

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

  /** Fetches one file, and makes sure that it is the one in the list. */
  async function fetchListed(file) {
    // What the browser has kept of an earlier fetch will do if the host says so. It may have been incomplete even then.
    return (await fetchAs(file, "no-cache")) ?? (await fetchAs(file, "reload")) ?? Promise.reject(new Error(`${file.url} is of another version`));
  }

  /** The file, or `null` if its bytes are not those in the list. */
  async function fetchAs({ url, revision }, cache) {
    const response = await fetch(new Request(new URL(url, scope), { cache }));
    if (!response.ok || response.redirected) throw new Error(`${url}: ${response.status}`);
    return (await sha256(await response.clone().arrayBuffer())) === revision ? response : null;
  }

  /** All or nothing. What was fetched before something failed stays for the next attempt; the version in use is not touched. */
  async function install() {
    const cache = await caches.open(await NAME);
    await Promise.all(FILES.filter(({ later }) => !later).map((file) => keep(cache, file)));
  }

  /** A listed file, fetched unless it is there. */
  async function keep(cache, file) {
    const address = addressOf(file);
    const kept = await cache.match(address);
    if (kept) return kept;
    const fetched = await fetchListed(file);
    await cache.put(address, fetched.clone());
    return fetched;
  }

  /** What may come later comes now. Without a network it comes another time. */
  async function keepLater() {
    const cache = await caches.open(await NAME);
    for (const file of LATER) await keep(cache, file).catch(() => {});
  }

  /** Takes over from older versions what may come later and is still the same. */
  async function inherit(cache, older) {
    for (const file of LATER) {
      const address = addressOf(file);
      for (const name of older) {
        const kept = await (await caches.open(name)).match(address);
        if (kept && (await sha256(await kept.clone().arrayBuffer())) === file.revision) await cache.put(address, kept);
      }
    }
  }

  /** Every open page loads again when this version takes over: not while one of them is at work, in whatever tab. */
  async function takeOver(page) {
    // Where the browser has no locks, the page that asks has seen to itself.
    if (!navigator.locks) return self.skipWaiting();
    await navigator.locks.request(BUSY_LOCK, { ifAvailable: true }, (lock) => (lock ? self.skipWaiting() : page.postMessage("busy")));
  }

  async function activate() {
    const name = await NAME;
    const older = (await caches.keys()).filter((other) => other.startsWith(PREFIX) && other !== name);
    await inherit(await caches.open(name), older);
    await Promise.all(older.map((other) => caches.delete(other)));
    await self.clients.claim();
  }

  async function answer(request) {
    const cache = await caches.open(await NAME);
    const address = new URL(request.url);
    address.search = "";
    address.hash = "";
    // Every page of this scope is the one page there is.
    const key = request.mode === "navigate" && !addresses.has(address.href) ? scope : address.href;
    const later = LATER.find((file) => addressOf(file) === key);
    return (await cache.match(key)) ?? (later ? keep(cache, later) : fetch(request));
  }

  self.addEventListener("install", (event) => event.waitUntil(install()));

  self.addEventListener("activate", (event) => event.waitUntil(activate()));

  self.addEventListener("message", (event) => {
    if (event.data === "activate") event.waitUntil(takeOver(event.source));
  });

  self.addEventListener("fetch", (event) => {
    const { request } = event;
    if (request.method !== "GET" || !request.url.startsWith(scope)) return;
    const address = request.url.split(/[?#]/)[0];
    if (request.mode !== "navigate" && !addresses.has(address)) return;
    const answered = answer(request);
    event.respondWith(answered);
    if (request.mode === "navigate") event.waitUntil(answered.then(keepLater, () => {}));
  });
}
