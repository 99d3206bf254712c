// The first visit: the demonstration model installs itself, and says what it is.
import { test } from "node:test";
import assert from "node:assert/strict";
import { part, problem, ready, storedForOffline } from "../lib/page.mjs";
import { suite } from "../lib/suite.mjs";

const stage = suite("first-visit", { ready: false });

test("the shell is painted and takes text before the engine is there", async () => {
  const page = stage.browser.context.pages()[0];
  stage.page = page;
  // The engine's module is held back until the text has been typed.
  let release;
  const typed = new Promise((resolve) => (release = resolve));
  await page.route("**/engine/*.wasm", async (route) => {
    await typed;
    await route.continue();
  });
  await page.goto(stage.address, { waitUntil: "domcontentloaded" });
  await part(page, "prompt").fill("typed early");
  release();
  await ready(page);
  assert.equal(await part(page, "prompt").inputValue(), "typed early");
  await page.unroute("**/engine/*.wasm");
});

test("the demonstration model has become ready and says what it is", async () => {
  const { page } = stage;
  assert.equal(await part(page, "model-state").textContent(), "ready");
  assert.match(await part(page, "model-name").textContent(), /demo/i);
  assert.match(await page.locator("body").innerText(), /knows no medicine/i);
  assert.match(await part(page, "storage-used").textContent(), /\d.* [kMG]?B/);
  assert.equal(await problem(page), "");
});

test("window.outpost lists the model and counts what it did", async () => {
  const { page } = stage;
  const [model] = await page.evaluate(() => window.outpost.models());
  assert.equal(model.id, "demo");
  assert.ok(model.bytes > 1_000_000);
  const stats = await page.evaluate(() => window.outpost.stats());
  for (const name of ["adapter", "load_ms", "weight_bytes"]) assert.ok(name in stats, `${name} in stats`);
});

test("the application is stored for use without a network", async () => {
  const { page } = stage;
  await storedForOffline(page);
  const stored = await page.evaluate(async () => {
    const names = await caches.keys();
    const keys = await Promise.all(names.map(async (name) => (await caches.open(name)).keys()));
    return keys.flat().map((request) => new URL(request.url).pathname);
  });
  for (const needed of ["/", "/app/outpost_app_bg.wasm", "/engine/outpost_worker_bg.wasm", "/worker.js"]) {
    assert.ok(stored.some((path) => path === needed), `${needed} among ${stored.join(" ")}`);
  }
  assert.ok(!stored.some((path) => path.startsWith("/models/")), "models are kept in OPFS alone");
});
