// Models from other hosts: one page may fetch them, and nothing else can. It is a page of its own, which no page with a
// conversation can use to speak with another host.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { join } from "node:path";
import { newProfile, openBrowser } from "../lib/browser.mjs";
import { pageHeaders } from "../lib/deploy.mjs";
import { startHost } from "../lib/host.mjs";
import { ask, done, fetched, models, openInstalling, openMain, refused, startAnew } from "../lib/installing.mjs";
import { part, ready, storedForOffline } from "../lib/page.mjs";
import { DIST } from "../lib/settings.mjs";
import { startSink } from "../lib/sink.mjs";

/** How long something may take to arrive. */
const ARRIVAL_MS = 1000;
const MANIFEST = "demo/manifest.json";

let host;
let elsewhere;
let profile;
let browser;
let page;
before(async () => {
  host = await startHost({ folder: DIST, headers: await pageHeaders() });
  elsewhere = await startHost({ folder: join(DIST, "models") });
  profile = await newProfile();
  browser = await openBrowser(profile);
  await browser.context.addInitScript(() => localStorage.setItem("outpost.device", "cpu"));
  page = browser.context.pages()[0];
});
after(async () => {
  await browser?.close();
  await Promise.all([host?.stop(), elsewhere?.stop()]);
  await profile?.remove();
});

const address = (path = MANIFEST) => `${elsewhere.address}/${path}`;

test("a model from another host is added by hand, and the conversation's page has it", async () => {
  await openMain(page, host);
  await page.getByRole("button", { name: "Models", exact: true }).click();
  await part(page, "add-address").click();
  await part(page, "add").waitFor();
  assert.equal(new URL(page.url()).pathname, "/install/");
  await ask(page, address());
  const name = await done(page);
  await part(page, "model-list").locator("li").filter({ hasText: name }).filter({ hasNotText: "Not complete" }).first().waitFor();
  await part(page, "use").click();
  await ready(page);
  assert.equal(await part(page, "model-name").innerText(), name);
  const found = await models(page);
  assert.equal(found.length, 2);
  const added = found.find(({ id }) => id !== "demo");
  assert.deepEqual([added.source, added.status.is, added.name], [address(), "installed", name]);
});

test("a page that was left open lists what another tab has added once somebody looks at it", async () => {
  await startAnew(page, host, elsewhere);
  const main = await browser.context.newPage();
  await openMain(main, host);
  const rows = main.locator(".model-list li");
  await main.getByRole("button", { name: "Models", exact: true }).click();
  assert.equal(await rows.count(), 1);
  await page.bringToFront();
  await ask(page, address());
  await done(page);
  await main.bringToFront();
  await main.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  await main.waitForFunction(() => document.querySelectorAll(".model-list li").length === 2);
  await main.evaluate(async () => {
    for (const { id } of await window.outpost.models()) if (id !== "demo") await window.outpost.remove(id);
  });
  await main.waitForFunction(() => document.querySelectorAll(".model-list li").length === 1);
  await main.close();
});

test("the main page and its Worker reach no other host; it says which page does", async () => {
  await openMain(page, host);
  elsewhere.log.length = 0;
  assert.equal(await page.evaluate((url) => fetch(url).then(() => "reached", () => "refused"), address()), "refused");
  const said = await page.evaluate((url) => window.outpost.download(url).catch(({ message, remedy }) => `${message} ${remedy}`), address());
  assert.match(said, /speaks with no host but its own\. .*Add a model from an address/);
  await openInstalling(page, host.address);
  assert.equal(await page.evaluate((url) => fetch(url).then(() => "reached", () => "refused"), address()), "reached");
  const asked = elsewhere.log.map(({ path }) => path);
  assert.deepEqual(asked, [MANIFEST], "what was asked by the page that installs, and nothing before");
});

test("the page that installs opens no conversations and shows none", async () => {
  const other = await browser.context.newPage();
  await other.addInitScript(() => {
    window.opened = [];
    const { open } = IDBFactory.prototype;
    IDBFactory.prototype.open = function (...given) {
      window.opened.push(given[0]);
      return open.apply(this, given);
    };
  });
  await openMain(other, host);
  assert.notDeepEqual(await other.evaluate(() => window.opened), [], "the main page opens them");
  await openInstalling(other, host.address);
  await other.waitForTimeout(ARRIVAL_MS);
  assert.deepEqual(await other.evaluate(() => window.opened), []);
  assert.equal(await part(other, "prompt").count(), 0);
  assert.equal(await other.evaluate(() => "outpost" in window), false);
  await other.close();
});

/** Ways by which a script in the main page could use the one that installs; `to` is an address of another host. */
const DETOURS = {
  "its Worker": async (to) => {
    const worker = new Worker("install/worker.js", { type: "module" });
    const request = { do: "fetch", addresses: [`${to}.json`], consent: "given" };
    worker.postMessage({ text: JSON.stringify({ id: 1, request }), attachments: [] });
  },
  "its window": async (to) => {
    const other = window.open("install/");
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await other.fetch(to, { mode: "no-cors" });
  },
  "a frame of it": async (to) => {
    const frame = document.body.appendChild(document.createElement("iframe"));
    frame.src = "install/";
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await frame.contentWindow.fetch(to, { mode: "no-cors" });
  },
  "its address": async (to) => {
    location.href = `install/?address=${encodeURIComponent(to)}#${to}`;
  },
};

/** By which detours something arrives from a page with these headers within a while. */
async function arrivedBy(headers, patienceMs = 1500 + 2 * ARRIVAL_MS) {
  const arrived = [];
  const served = await startHost({ folder: DIST, headers });
  const own = await newProfile();
  const browser = await openBrowser(own);
  try {
    for (const [way, attempt] of Object.entries(DETOURS)) {
      const sink = await startSink();
      const page = await browser.context.newPage();
      // What is installed is written by one at a time: a Worker that comes while the page adds its first model is refused.
      await openMain(page, served);
      await page.evaluate(`window.addEventListener("click", () => (${attempt})("${sink.address.replace("127.0.0.1", "localhost")}/x").catch(() => {}), { once: true, capture: true })`);
      await page.mouse.click(5, 5, { noWaitAfter: true });
      const end = Date.now() + patienceMs;
      while (sink.seen.length === 0 && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 100));
      if (sink.seen.length > 0) arrived.push(way);
      await page.close();
      sink.stop();
    }
  } finally {
    await browser.close();
    await own.remove();
    await served.stop();
  }
  return arrived;
}

test("no script of the main page reaches another host by the page that installs", async () => {
  assert.deepEqual(await arrivedBy(await pageHeaders()), []);
});

test("nor in a browser that knows neither Trusted Types nor the connection allowlist", async () => {
  const without = ({ "Connection-Allowlist": _, ...headers }) => {
    const policy = headers["Content-Security-Policy"].split("; ").filter((rule) => !rule.includes("trusted-types"));
    return { ...headers, "Content-Security-Policy": policy.join("; ") };
  };
  assert.deepEqual(await arrivedBy(await pageHeaders(without)), []);
});

test("with one policy for all, its Worker and its window would be ways out: the attempts are real", async () => {
  const installing = (await pageHeaders())("install/");
  const found = await arrivedBy(() => {
    const { "Cross-Origin-Opener-Policy": _, "Content-Security-Policy": __, ...others } = installing;
    return others;
  }, 15_000);
  for (const way of ["its Worker", "its window", "a frame of it"]) assert.ok(found.includes(way), way);
});

test("without a network the service worker answers with the headers that each page came with", async () => {
  await openMain(page, host);
  await storedForOffline(page);
  await page.reload();
  await ready(page);
  await host.stop();
  try {
    const headers = await pageHeaders();
    for (const path of ["", "install/"]) {
      const answer = await page.goto(`${host.address}/${path}`);
      assert.equal(answer.fromServiceWorker(), true, path);
      const found = await answer.allHeaders();
      for (const [name, value] of Object.entries(headers(path))) assert.equal(found[name.toLowerCase()], value, `${path}: ${name}`);
    }
    elsewhere.log.length = 0;
    await part(page, "add").waitFor();
    await ask(page, address());
    await done(page);
    assert.ok(elsewhere.asked(MANIFEST).length > 0, "its Worker asked the other host");
    await page.goto(host.address);
    assert.equal(await page.evaluate((url) => fetch(url).then(() => "reached", () => "refused"), address()), "refused");
    const said = await page.evaluate((url) => window.outpost.download(url).catch(({ message }) => message), address());
    assert.match(said, /speaks with no host but its own/);
  } finally {
    await host.start();
  }
});

test("it can be paused, goes on where it was, also after a reload, and can be given up", async () => {
  await startAnew(page, host, elsewhere);
  const slow = () => elsewhere.break(/^demo\/.*\.bin$/, { bytesPerSecond: 200_000 });
  slow();
  await ask(page, address());
  await fetched(page, 0.5);
  await part(page, "pause").click();
  await page.waitForFunction(() => document.getElementById("work-what").textContent === "Paused");
  elsewhere.mend();
  slow();
  elsewhere.log.length = 0;
  await part(page, "pause").click();
  await fetched(page, 1);
  const rests = elsewhere.log.filter(({ path }) => path.endsWith(".bin"));
  assert.ok(rests.some(({ range }) => /^bytes=[1-9]/.test(range ?? "")), "it asked for the rest");
  await page.waitForFunction(() => /^[\d.]+ [kM]B\/s$/.test(document.getElementById("work-rate").textContent));

  await page.reload();
  await part(page, "go-on").waitFor();
  await page.waitForTimeout(ARRIVAL_MS);
  elsewhere.log.length = 0;
  await page.waitForTimeout(ARRIVAL_MS);
  assert.deepEqual(elsewhere.log, [], "nothing starts by itself");
  await part(page, "go-on").click();
  await fetched(page, 1.2);
  await part(page, "cancel").click();
  await part(page, "go-on").waitFor({ state: "detached" });
  await part(page, "add").waitFor();
  assert.equal(await part(page, "progress").isVisible(), false);
  await openMain(page, host);
  assert.deepEqual((await models(page)).map(({ id }) => id), ["demo"]);
});

const TROUBLES = {
  "a host that lets no other page read its files": [{ headers: { "Access-Control-Allow-Origin": null } }, /answers, but does not let pages of other addresses read its files.*CORS/],
  "a web page in its place": [{ html: true }, /There is a web page at this address, not a model/],
  "nothing there": [{ status: 404 }, /The model is not at this address\.\s+Check the address/],
  "a host that wants a log-in": [{ status: 403 }, /only to those it knows: it answered 403/],
  "something else": [{ bytes: Buffer.from("{}") }, /manifest/],
};

for (const [what, [fault, words]] of Object.entries(TROUBLES)) {
  test(`${what} is said plainly`, async () => {
    await startAnew(page, host, elsewhere);
    elsewhere.break(MANIFEST, fault);
    await ask(page, address());
    assert.match(await refused(page), words);
    assert.equal(await part(page, "progress").isVisible(), false);
    assert.equal(await part(page, "add").isVisible(), true);
  });
}

test("a host that is not there, a device without a network and what is no address are said plainly", async () => {
  await startAnew(page, host, elsewhere);
  await elsewhere.stop();
  await ask(page, address());
  assert.match(await refused(page), /localhost:\d+ cannot be reached/);
  await elsewhere.start();
  // Only what the browser says of itself: the Worker's own attempts fail by it.
  await browser.context.setOffline(true);
  try {
    await ask(page, address());
    assert.match(await refused(page), /not connected to a network|cannot be reached/);
  } finally {
    await browser.context.setOffline(false);
  }
  await ask(page, "http://example.test/m.gguf");
  assert.match(await refused(page), /is no address of a model/);
});
