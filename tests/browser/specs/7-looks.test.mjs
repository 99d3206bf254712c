// Installable, accessible, and looked at: on a phone and on a desktop, by day and by night.
import { test } from "node:test";
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { startHost } from "../lib/host.mjs";
import { ask as askFor, done as installed, openInstalling } from "../lib/installing.mjs";
import { forReadme, looks } from "../lib/looks.mjs";
import { ask, newConversation, part, storedForOffline } from "../lib/page.mjs";
import { ANSWER_MS, DEMO, DIST, PICTURES, QUESTIONS } from "../lib/settings.mjs";
import { suite } from "../lib/suite.mjs";

const stage = suite("looks");

const SIZES = { phone: { width: 360, height: 740 }, desktop: { width: 1280, height: 800 } };

test("Chromium finds nothing against installing it", async () => {
  const { page } = stage;
  await storedForOffline(page);
  const session = await page.context().newCDPSession(page);
  const { installabilityErrors } = await session.send("Page.getInstallabilityErrors");
  assert.deepEqual(installabilityErrors, []);
  const { errors, data } = await session.send("Page.getAppManifest");
  assert.deepEqual(errors, []);
  const manifest = JSON.parse(data);
  for (const { src, sizes, type } of manifest.icons) {
    const found = await page.evaluate(async (src) => {
      const answer = await fetch(src);
      return { ok: answer.ok, type: answer.headers.get("content-type") };
    }, src);
    assert.deepEqual(found, { ok: true, type }, `${src} ${sizes}`);
  }
});

test("every answer of the server carries the security headers", async () => {
  const installing = (await fetch(`${stage.address}/install/worker.js`)).headers.get("content-security-policy");
  assert.match(installing, /default-src 'none'.*connect-src 'self' https: http:\/\/localhost:\*;/);
  for (const path of ["/", "/worker.js", "/sw.js", "/engine/outpost_worker_bg.wasm", "/nothing-here"]) {
    const { headers } = await fetch(stage.address + path);
    assert.match(headers.get("content-security-policy"), /default-src 'none'.*connect-src 'self';/);
    assert.equal(headers.get("cross-origin-opener-policy"), "same-origin");
    assert.equal(headers.get("cross-origin-embedder-policy"), "require-corp");
    assert.equal(headers.get("x-content-type-options"), "nosniff");
    assert.equal(headers.get("referrer-policy"), "no-referrer");
    assert.ok(headers.get("permissions-policy"));
    assert.equal(headers.get("cache-control"), "no-cache");
  }
});

for (const [name, viewport] of Object.entries(SIZES)) {
  test(`${name}: empty page, dialogs and conversation fit and axe finds nothing`, async () => {
    const { page } = stage;
    await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
    await newConversation(page);
    await looks(page, `${name}-empty`);

    await page.getByRole("button", { name: "Models", exact: true }).click();
    await looks(page, `${name}-models`);
    await part(page, "measure").click();
    await looks(page, `${name}-measuring`);
    await part(page, "measure-result").waitFor({ timeout: ANSWER_MS });
    await looks(page, `${name}-speed`);
    await page.emulateMedia({ colorScheme: "dark" });
    await looks(page, `${name}-speed-dark`);
    await page.emulateMedia({ colorScheme: "light" });
    await page.getByRole("button", { name: "Close", exact: true }).click();

    await ask(page, QUESTIONS.picture, [PICTURES.opacity.file]);
    await looks(page, `${name}-answer`);
    await forReadme(page, name);
    await page.emulateMedia({ colorScheme: "dark" });
    await looks(page, `${name}-dark`);
    await page.emulateMedia({ colorScheme: "light" });
  });
}

for (const [name, viewport] of Object.entries(SIZES)) {
  test(`${name}: the page that installs fits, also at work and with terms, and axe finds nothing`, async (t) => {
    const other = await startHost({ folder: join(DIST, "models") });
    const page = await stage.browser.context.newPage();
    t.after(() => Promise.all([page.close(), other.stop()]));
    other.replace("medgemma.gguf", await readFile(DEMO.text8));
    await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
    await openInstalling(page, stage.address);
    await looks(page, `${name}-installing`);
    await askFor(page, `${other.address}/medgemma.gguf`);
    await part(page, "terms").waitFor();
    await looks(page, `${name}-installing-terms`);
    await part(page, "terms-refuse").click();
    other.break(/\.bin$/, { bytesPerSecond: 100_000 });
    await askFor(page, `${other.address}/demo/manifest.json`);
    await page.waitForFunction(() => document.getElementById("work-left").textContent !== "");
    await looks(page, `${name}-installing-progress`);
    await page.evaluate(() => (document.documentElement.style.fontSize = "200%"));
    await looks(page, `${name}-installing-large-text`);
    await page.evaluate(() => (document.documentElement.style.fontSize = ""));
    other.mend();
    await part(page, "pause").click();
    await page.getByText("Paused").waitFor();
    await part(page, "pause").click();
    await installed(page);
    await page.emulateMedia({ colorScheme: "dark" });
    await looks(page, `${name}-installed-dark`);
    await stage.page.bringToFront();
    await stage.page.evaluate(async () => {
      for (const { id } of await window.outpost.models()) if (id !== "demo") await window.outpost.remove(id);
    });
  });
}

test("text at 200 % still fits a phone", async () => {
  const { page } = stage;
  await page.setViewportSize(SIZES.phone);
  await page.evaluate(() => (document.documentElement.style.fontSize = "200%"));
  await looks(page, "phone-large-text");
  for (const id of ["prompt", "send", "model-name"]) {
    const box = await part(page, id).boundingBox();
    const inside = box.y >= 0 && box.y + box.height <= SIZES.phone.height && box.x >= 0 && box.x + box.width <= SIZES.phone.width;
    assert.ok(inside, `${id} lies outside the window: ${JSON.stringify(box)}`);
  }
  await page.getByRole("button", { name: "Models", exact: true }).click();
  await part(page, "measure").click();
  await part(page, "measure-result").waitFor({ timeout: ANSWER_MS });
  await looks(page, "phone-large-text-speed");
  const wider = await part(page, "measure-result").evaluate((table) => {
    const dialog = table.closest("dialog");
    return dialog.scrollWidth - dialog.clientWidth;
  });
  assert.ok(wider <= 0, `the speed is ${wider} pixels wider than its dialog`);
  await page.getByRole("button", { name: "Close", exact: true }).click();
  await page.evaluate(() => (document.documentElement.style.fontSize = ""));
});

test("it works with the keyboard alone", async () => {
  const { page } = stage;
  await page.setViewportSize(SIZES.desktop);
  await newConversation(page);
  await page.keyboard.press("Tab");
  await part(page, "prompt").focus();
  await page.keyboard.type(QUESTIONS.who);
  await page.keyboard.press("Enter");
  await part(page, "answer").waitFor({ state: "attached" });
  await part(page, "send").waitFor({ timeout: 120_000 });
  assert.match(await part(page, "answer").innerText(), /demonstration model/i);
});
