// With a conversation and a picture in the page, everything that a script in it could try is tried: another host sees
// nothing. The same is tried from a page without its headers, where it does arrive, and in a browser that does not know
// the connection allowlist, where it is known exactly what does (ARCHITECTURE.md, "Security", has the table).
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { newProfile, openBrowser } from "../lib/browser.mjs";
import { pageHeaders } from "../lib/deploy.mjs";
import { startHost } from "../lib/host.mjs";
import { ask, part, ready, storedForOffline } from "../lib/page.mjs";
import { CHROMIUM_FLAGS, DIST, PICTURES } from "../lib/settings.mjs";
import { startSink } from "../lib/sink.mjs";
import { standInForWorker } from "../lib/stand-in.mjs";
import { AS_TEXT, HELPERS, NAVIGATIONS, REQUESTS } from "../lib/ways-out.mjs";

const MARKER = "patient-4711";
/** How long something may take to arrive. */
const ARRIVAL_MS = 1000;
/** It arrives at no host; the browser's log of its network says whether it was made. */
const LOOK_UP = "look-up of a name";
/** A name that nobody has; that it was looked up stands in the browser's log. */
const NAME = `${MARKER}.outpost.invalid`;

/** Asked of any page, these go nowhere by a press of the test: no page without headers shows that they could. */
const NOT_SHOWN = ["WebTransport"];

/** What a browser without the connection allowlist lets through: the same list as in ARCHITECTURE.md. */
const WITHOUT_ALLOWLIST = [
  "WebRTC, by a STUN server",
  "WebRTC of an empty frame",
  "a link into another tab",
  "form: a bare connection",
  "a form into another tab: a bare connection",
  "iframe: a bare connection",
  LOOK_UP,
  "preconnect: a bare connection",
  "window.open",
];

let sink;
let headers;
before(async () => {
  headers = await pageHeaders();
  sink = await startSink();
});
after(() => sink.stop());

test("from the page with its headers nothing arrives, whatever is tried", async () => {
  assert.deepEqual(await arrived({ headers }), []);
});

test("without headers everything arrives: the attempts are real", async () => {
  const found = await arrived({ headers: {}, guarded: false });
  const ways = [...Object.keys(REQUESTS), ...Object.keys(NAVIGATIONS)];
  const missing = ways.filter((way) => !found.some((one) => one.startsWith(way)) && !NOT_SHOWN.includes(way));
  assert.deepEqual(missing, []);
});

test("in a browser that knows no connection allowlist, exactly these arrive", async () => {
  const others = await pageHeaders(({ "Connection-Allowlist": _, ...others }) => others);
  assert.deepEqual((await arrived({ headers: others })).sort(), [...WITHOUT_ALLOWLIST].sort());
});

test("from the service worker nothing arrives", () =>
  opened({ headers }, async ({ context, page }) => {
    await storedForOffline(page);
    const [worker] = context.serviceWorkers();
    for (const attempt of [
      (to) => fetch(to, { mode: "no-cors" }),
      (to) => new Promise((resolve, reject) => Object.assign(new WebSocket(to.replace("http", "ws")), { onopen: resolve, onerror: reject })),
      (to) => self.importScripts(to),
    ]) {
      const outcome = await worker.evaluate(
        `(${attempt})("${sink.address}/${MARKER}")?.then?.(() => "sent", () => "refused") ?? "refused"`,
      ).catch(() => "refused");
      assert.equal(outcome, "refused", String(attempt));
    }
    await page.waitForTimeout(ARRIVAL_MS);
    assert.deepEqual(seenNow(), []);
  }));

test("what the model writes is text: nothing of it is fetched, in an answer or in its reasoning", () =>
  opened({ headers: {} }, async ({ page }) => {
    // Without headers: that nothing is fetched is the page's doing here.
    const text = AS_TEXT(`${sink.address}/${MARKER}`);
    await page.evaluate((text) => Object.assign(window.standIn, { answer: text, thought: text }), text);
    assert.equal(await ask(page, text), text);
    await page.locator(".reasoning summary").last().click();
    await page.waitForTimeout(ARRIVAL_MS);
    assert.deepEqual(seenNow(), []);
  }));

/** The names of all ways by which something arrived, each at a host of its own, or a name was looked up. */
async function arrived({ headers, guarded = true }) {
  const sinks = new Map();
  const sinkFor = async (way) => {
    sinks.set(way, await startSink());
    const { address, udpPort } = sinks.get(way);
    return JSON.stringify({ to: `${address}/${MARKER}`, udp: udpPort, host: NAME });
  };
  const profile = await opened({ headers, guarded, keepProfile: true }, async ({ page, context, address }) => {
    const close = () => Promise.all(context.pages().slice(1).map((other) => other.close().catch(() => {})));
    let current = page;
    // The browser ends a page that asks for a connection which its own checks should have refused before.
    const alive = async () => {
      if (await current.evaluate("true").catch(() => false)) return current;
      return (current = await openPage(context, address));
    };
    for (const [way, attempt] of Object.entries(REQUESTS)) {
      const argument = await sinkFor(way);
      const begin = `(() => { ${HELPERS} try { (${attempt})(${argument})?.catch?.(() => {}); } catch {} })()`;
      await (await alive()).evaluate(begin).catch(() => {});
    }
    await (await alive()).waitForTimeout(ARRIVAL_MS);
    for (const [way, attempt] of Object.entries(NAVIGATIONS)) {
      await close();
      const page = await openPage(context, address);
      const begin = `() => { ${HELPERS} (${attempt})(${await sinkFor(way)}); }`;
      await page.evaluate(`window.addEventListener("click", ${begin}, { once: true, capture: true })`);
      // A person's press: without one, browsers stop other tabs by themselves.
      await page.mouse.click(5, 5, { noWaitAfter: true }).catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, ARRIVAL_MS));
    }
  });
  const lookedUp = (await readFile(join(profile.folder, "net.json"), "utf8")).includes(NAME);
  await profile.remove();
  for (const sink of sinks.values()) sink.stop();
  return [...sinks].filter(([way, { seen }]) => (way === LOOK_UP ? lookedUp : seen.length > 0)).map(([way, { seen }]) => {
    // Nothing is said in it, but that it was made.
    return seen.every((what) => what === "connection") && way !== LOOK_UP ? `${way}: a bare connection` : way;
  });
}

/** A page with a conversation and a picture, served with these headers. */
async function opened({ headers, guarded = true, keepProfile = false }, check) {
  const host = await startHost({ folder: DIST, headers });
  if (!guarded) host.break("guard.js", { bytes: Buffer.alloc(0) });
  const profile = await newProfile();
  const flags = CHROMIUM_FLAGS.filter((flag) => !flag.startsWith("--headless") && flag !== "--disable-quic");
  const browser = await openBrowser(profile, { args: [...flags, `--log-net-log=${join(profile.folder, "net.json")}`] });
  try {
    await standInForWorker(browser.context);
    const page = await openPage(browser.context, host.address, browser.context.pages()[0]);
    await ask(page, `About ${MARKER}`, [PICTURES.opacity.file]);
    assert.equal(await page.locator(".shown img").count(), 1);
    seenNow();
    await check({ page, context: browser.context, address: host.address });
  } finally {
    await browser.close();
    await host.stop();
    if (!keepProfile) await profile.remove();
  }
  return profile;
}

async function openPage(context, address, page) {
  const opened = page ?? (await context.newPage());
  await opened.goto(address);
  await ready(opened);
  await part(opened, "prompt").fill(MARKER);
  return opened;
}

/** What arrived since the last look. */
function seenNow() {
  return sink.seen.splice(0);
}
