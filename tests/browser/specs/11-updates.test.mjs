// Deploys: a newer version waits for the person and for answers, a broken one never comes into use, and nothing is mixed.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Script } from "node:vm";
import { newProfile, openBrowser } from "../lib/browser.mjs";
import { makeVersion, markedFiles, pageHeaders, VERSION_MARK } from "../lib/deploy.mjs";
import { startHost } from "../lib/host.mjs";
import { answered, part, ready, send, storedForOffline } from "../lib/page.mjs";
import { startServer } from "../lib/server.mjs";
import { standInForWorker } from "../lib/stand-in.mjs";

const UPDATE = { name: "Use it now" };
/** What is in the list of files, and comes late: an attack or an accident would hit it as well as any other. */
const ASSET = "engine/outpost_worker_bg.wasm";

const versions = {};
let headers;
before(async () => {
  headers = await pageHeaders();
  for (const name of ["one", "two", "three"]) versions[name] = await makeVersion(name);
});
after(() => Promise.all(Object.values(versions).map((version) => version.remove())));

test("static hosts are told the headers that the page's own server sends", async () => {
  const server = await startServer();
  const sent = {};
  for (const path of ["", "worker.js", "install/", "install/worker.js"]) sent[path] = (await fetch(`${server.address}/${path}`)).headers;
  await server.kill();
  for (const [path, found] of Object.entries(sent)) {
    for (const [name, value] of Object.entries(headers(path))) assert.equal(found.get(name), value, `${path}: ${name}`);
    assert.ok(Object.keys(headers(path)).length >= 10);
  }
});

test("a newer version waits until the person agrees, and then every file is of that version", () =>
  deployed("one", async ({ host, page }) => {
    host.folder = versions.two.folder;
    await page.reload();
    await updateOffered(page);
    assert.deepEqual(await versionsInUse(page), ["one"]);
    await page.reload();
    await updateOffered(page);
    assert.deepEqual(await versionsInUse(page), ["one"], "a reload is no agreement");
    await agree(page);
    assert.deepEqual(await versionsInUse(page), ["two"]);
    assert.equal(await page.getByRole("button", UPDATE).count(), 0);
    await host.stop();
    await page.reload();
    await ready(page);
    assert.deepEqual(await versionsInUse(page), ["two"], "also without the host");
    assert.equal((await page.evaluate(() => caches.keys())).length, 1, "nothing of the old version stays");
  }));

test("an open page keeps the files of its version after a deploy, the ones that it has not used yet among them", () =>
  deployed("one", async ({ host, page }) => {
    host.folder = versions.two.folder;
    await updateFound(page);
    host.log.length = 0;
    assert.deepEqual(await versionsInUse(page), ["one"]);
    assert.deepEqual(host.log, [], "the host was not asked");
    await host.stop();
    assert.deepEqual(await versionsInUse(page), ["one"]);
  }));

test("a page of the first visit that is updated loads again: it would go on with files of two versions", () =>
  deployed("one", async ({ host, page }) => {
    await page.evaluate(() => (window.sameDocument = true));
    host.folder = versions.two.folder;
    await updateFound(page);
    await agree(page);
    assert.equal(await page.evaluate(() => window.sameDocument), undefined);
    assert.deepEqual(await versionsInUse(page), ["two"]);
  }));

test("no update is offered while an answer is written", () =>
  deployed("one", async ({ host, page }) => {
    await page.evaluate(() => (window.standIn.hold = true));
    await send(page, "A long question");
    await part(page, "stop").waitFor();
    host.folder = versions.two.folder;
    await updateFound(page);
    assert.equal(await page.getByRole("button", UPDATE).count(), 0);
    await page.evaluate(() => window.standIn.release());
    assert.equal(await answered(page), "Yes.");
    await updateOffered(page);
    await agree(page);
    assert.deepEqual(await versionsInUse(page), ["two"]);
  }));

test("an update in one tab waits for the answer in another, and then both tabs have it", () =>
  deployed("one", async ({ host, page, context }) => {
    const other = await context.newPage();
    await other.goto(host.address);
    await ready(other);
    await other.evaluate(() => {
      window.sameDocument = true;
      window.standIn.hold = true;
    });
    await send(other, "A long question");
    await part(other, "stop").waitFor();
    host.folder = versions.two.folder;
    await updateFound(page);
    await page.bringToFront();
    await page.getByRole("button", UPDATE).click();
    await part(page, "error").waitFor();
    assert.match(await part(page, "error").innerText(), /another tab/);
    assert.equal(await other.evaluate(() => window.sameDocument), true, "the answer goes on");
    await other.evaluate(() => window.standIn.release());
    assert.equal(await answered(other), "Yes.");
    const reloaded = other.waitForEvent("load");
    await agree(page);
    await reloaded;
    await ready(other);
    assert.deepEqual(await versionsInUse(page), ["two"]);
    assert.deepEqual(await versionsInUse(other), ["two"]);
  }));

const BROKEN_FILES = [
  ["is missing", { status: 404 }],
  ["is a page of HTML with status 200", { html: true }],
  ["is another file", { file: "engine/thread.wasm" }],
  ["breaks off", { cutAfter: 5000 }],
  ["ends too soon and does not say so", { unsized: true, endAfter: 5000 }],
  ["is answered by a failing host", { status: 500 }],
  ["lies elsewhere", { status: 302, headers: { Location: "/engine/thread.wasm" } }],
];

for (const [what, fault] of BROKEN_FILES) {
  test(`a deploy of which one file ${what} never comes into use; mended, it does`, () =>
    deployed("one", async ({ host, page }) => {
      host.folder = versions.two.folder;
      host.break(ASSET, fault);
      assert.equal(await installs(page), "redundant");
      await keepsWorkingOffline(host, page, "one");
      host.mend();
      await updateFound(page);
      await agree(page);
      assert.deepEqual(await versionsInUse(page), ["two"]);
    }));
}

test("a file that never comes keeps the newer version out and the older one in use", () =>
  deployed("one", async ({ host, page }) => {
    host.folder = versions.two.folder;
    host.break(ASSET, { stallAfter: 1000 });
    page.evaluate(() => navigator.serviceWorker.getRegistration().then((found) => found.update())).catch(() => {});
    await page.waitForFunction(() => navigator.serviceWorker.getRegistration().then((found) => found.installing));
    await page.waitForTimeout(1000);
    assert.equal(await page.getByRole("button", UPDATE).count(), 0);
    await keepsWorkingOffline(host, page, "one");
  }));

test("a deploy that changes while it is fetched is not taken up", () =>
  deployed("one", async ({ host, page }) => {
    host.folder = versions.two.folder;
    host.replace(ASSET, await readFile(join(versions.three.folder, ASSET)));
    assert.equal(await installs(page), "redundant");
    await keepsWorkingOffline(host, page, "one");
  }));

const BROKEN_SCRIPTS = [
  ["is missing", { status: 404 }],
  ["is a page of HTML with status 200", { html: true }],
  ["is HTML that calls itself a script", { html: true, headers: { "Content-Type": "text/javascript" } }],
  ["breaks off", { cutAfter: 3000 }],
  ["is answered by a failing host", { status: 503 }],
];

test("whatever becomes of sw.js, the version in use stays", () =>
  deployed("one", async ({ host, page }) => {
    host.folder = versions.two.folder;
    for (const [what, fault] of BROKEN_SCRIPTS) {
      const mend = host.break("sw.js", fault);
      const found = await installs(page);
      assert.ok(["refused", "redundant"].includes(found), `sw.js ${what}: ${found}`);
      await page.reload();
      await ready(page);
      assert.deepEqual(await versionsInUse(page), ["one"], `sw.js ${what}`);
      mend();
    }
    await keepsWorkingOffline(host, page, "one");
  }));

// To a browser an empty file is a service worker, which nothing can refuse. Open pages do not notice; with all of them
// closed it would take over, and the application not start without a network until the host is mended.
test("an empty sw.js changes nothing for open pages, and the next version takes its place", () =>
  deployed("one", async ({ host, page }) => {
    host.folder = versions.two.folder;
    const mend = host.break("sw.js", { bytes: Buffer.alloc(0) });
    await updateFound(page);
    await keepsWorkingOffline(host, page, "one");
    mend();
    await updateFound(page);
    await agree(page);
    assert.deepEqual(await versionsInUse(page), ["two"]);
  }));

test("sw.js that ends too soon is no script at all", async () => {
  const script = await readFile(join(versions.two.folder, "sw.js"), "utf8");
  // As the browser would: to find out whether it is a script, not to run it.
  const parses = (text) => {
    try {
      return Boolean(new Script(text));
    } catch {
      return false;
    }
  };
  assert.ok(parses(script));
  const ends = script.trimEnd().length;
  const found = [];
  for (let length = 1; length < ends; length += 1) if (parses(script.slice(0, length))) found.push(length);
  assert.deepEqual(found, [], "lengths at which it could be taken up");
});

test("an older version is deployed again as any other", () =>
  deployed("one", async ({ host, page }) => {
    for (const name of ["two", "one"]) {
      host.folder = versions[name].folder;
      await updateFound(page);
      await agree(page);
      assert.deepEqual(await versionsInUse(page), [name]);
    }
    await keepsWorkingOffline(host, page, "one");
  }));

test("a version that was called back while it waited leaves the one before it", () =>
  deployed("one", async ({ host, page }) => {
    host.folder = versions.two.folder;
    await updateFound(page);
    host.folder = versions.one.folder;
    await page.evaluate(() => navigator.serviceWorker.getRegistration().then((found) => found.update()));
    await page.waitForTimeout(500);
    assert.deepEqual(await versionsInUse(page), ["one"]);
    await agree(page);
    assert.deepEqual(await versionsInUse(page), ["one"]);
  }));

test("two deploys, the second before the person agreed to the first: the second comes into use", () =>
  deployed("one", async ({ host, page }) => {
    host.folder = versions.two.folder;
    await updateFound(page);
    host.folder = versions.three.folder;
    await updateFound(page);
    await agree(page);
    assert.deepEqual(await versionsInUse(page), ["three"]);
  }));

test("stored models survive an update and the way back, and are not fetched again", async () => {
  const host = await startHost({ folder: versions.one.folder, headers });
  const profile = await newProfile();
  const browser = await openBrowser(profile);
  try {
    // The engine itself; on the processor, which is up sooner here.
    await browser.context.addInitScript(() => localStorage.setItem("outpost.device", "cpu"));
    const page = await openOn(host, browser);
    const before = await storedModels(page);
    assert.ok(before.some(([path]) => path.endsWith(".bin")), "the demonstration model is stored");
    host.log.length = 0;
    for (const name of ["two", "one"]) {
      host.folder = versions[name].folder;
      await updateFound(page);
      await agree(page);
      assert.deepEqual(await versionsInUse(page), [name]);
      assert.deepEqual(await storedModels(page), before);
      assert.equal((await page.evaluate(() => window.outpost.models())).length, 1);
    }
    assert.deepEqual(host.log.filter(({ path }) => path.startsWith("models/")), []);
  } finally {
    await browser.close();
    await profile.remove();
    await host.stop();
  }
});

/** A browser of its own on a host that serves this version, visited once and stored for use without a network. */
async function deployed(name, check) {
  const host = await startHost({ folder: versions[name].folder, headers });
  const profile = await newProfile();
  const browser = await openBrowser(profile);
  try {
    await standInForWorker(browser.context);
    const page = await openOn(host, browser);
    await check({ host, page, context: browser.context });
  } finally {
    await browser.close();
    await profile.remove();
    await host.stop();
  }
}

async function openOn(host, browser) {
  const page = browser.context.pages()[0];
  await page.goto(host.address);
  await ready(page);
  await storedForOffline(page);
  await page.waitForFunction(() => navigator.serviceWorker.controller);
  return page;
}

/** Has the browser look for a newer version, and waits until it is stored. */
async function updateFound(page) {
  assert.equal(await installs(page), "installed");
}

/** What becomes of the version that the host has now: "installed", "redundant", "refused", or "same". */
function installs(page) {
  return page.evaluate(async () => {
    const registration = await navigator.serviceWorker.getRegistration();
    const found = new Promise((resolve) =>
      registration.addEventListener("updatefound", () => resolve(registration.installing), { once: true }),
    );
    const refused = await registration.update().then(() => false, () => true);
    if (refused) return "refused";
    const worker = await Promise.race([found, new Promise((resolve) => setTimeout(() => resolve(null), 1000))]);
    if (!worker) return "same";
    while (!["installed", "redundant", "activated"].includes(worker.state)) {
      await new Promise((resolve) => worker.addEventListener("statechange", resolve, { once: true }));
    }
    return worker.state;
  });
}

function updateOffered(page) {
  return page.getByRole("button", UPDATE).waitFor();
}

/** Presses the button, and waits for the page that follows. */
async function agree(page) {
  const loaded = page.waitForEvent("load", { timeout: 10_000 });
  await page.getByRole("button", UPDATE).click();
  await loaded;
  await ready(page);
}

/** Which versions the page gets when it asks for every file of itself, and is. */
async function versionsInUse(page) {
  const files = await markedFiles(versions.one);
  const found = await page.evaluate(
    async ({ files, mark }) => {
      const texts = await Promise.all(files.map((file) => fetch(file).then((answer) => answer.text())));
      const marks = texts.map((text) => new RegExp(mark).exec(text)?.[1] ?? "none");
      const own = document.documentElement.outerHTML + [...document.childNodes].map((node) => node.data ?? "").join();
      return [...marks, new RegExp(mark).exec(own)?.[1] ?? "none"];
    },
    { files, mark: VERSION_MARK.source },
  );
  return [...new Set(found)];
}

/** With the host gone, a reload gives the whole page in this version; then the host is back. */
async function keepsWorkingOffline(host, page, name) {
  await host.stop();
  await page.reload();
  await ready(page);
  assert.deepEqual(await versionsInUse(page), [name]);
  await send(page, "Still there?");
  assert.equal(await answered(page), "Yes.");
  await host.start();
}

/** Path, length and hash of every file in OPFS. */
function storedModels(page) {
  return page.evaluate(async () => {
    const found = [];
    const visit = async (folder, prefix) => {
      for await (const [name, entry] of folder.entries()) {
        if (entry.kind === "directory") await visit(entry, `${prefix}${name}/`);
        else {
          const file = await entry.getFile();
          const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
          found.push([prefix + name, file.size, Array.from(hash.slice(0, 8)).join(" ")]);
        }
      }
    };
    await visit(await navigator.storage.getDirectory(), "");
    return found.sort();
  });
}
