// The engine dies in the middle of an answer: another one takes its place and goes on.
import { test } from "node:test";
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { crashGpu, engine, KEEPS_GPU, trapAfter } from "../lib/crash.mjs";
import { part, ready, send } from "../lib/page.mjs";
import { ANSWER_MS, CHROMIUM_FLAGS, ENDLESS } from "../lib/settings.mjs";
import { suite } from "../lib/suite.mjs";

const args = [...CHROMIUM_FLAGS.filter((flag) => !flag.startsWith("--headless")), ...KEEPS_GPU];
const stage = suite("recovery", { browserOptions: { args } });

// What Chromium and wgpu log about a device that is gone, and the trap that a test sets.
stage.expected.push(/lost|device|GPU|context|a trap/i);

/** Tokens of an answer that goes on for long enough to be broken off; the model's context has room for them. */
const TOKENS = 200;

/** Installs a model that does not end by itself, and uses it. */
async function endless(page, device) {
  return page.evaluate(
    async ({ model, device }) => {
      const bytes = Uint8Array.from(atob(model), (char) => char.charCodeAt(0));
      const { id } = await window.outpost.importFiles([new File([bytes], "endless.gguf")]);
      await window.outpost.load(id, device);
      return id;
    },
    { model: (await readFile(ENDLESS)).toString("base64"), device },
  );
}

/** Begins an answer whose tokens gather in the page. */
function begin(page, maxTokens) {
  return page.evaluate((maxTokens) => {
    const found = { ids: [], error: null, ended: false };
    window.found = found;
    const messages = [{ role: "user", content: "hi" }];
    (async () => {
      try {
        for await (const { tokenId } of window.outpost.generate({ messages, maxTokens })) found.ids.push(tokenId);
      } catch (error) {
        found.error = { message: error.message, remedy: error.remedy };
      }
      found.ended = true;
    })();
  }, maxTokens);
}

const found = (page) => page.evaluate(() => window.found);

/** Waits for this many tokens, then lets something happen -> how many there were. */
async function after(page, tokens, happens) {
  await page.waitForFunction((tokens) => window.found.ids.length >= tokens, tokens, { timeout: ANSWER_MS, polling: 5 });
  await happens();
  return (await found(page)).ids.length;
}

async function ended(page) {
  await page.waitForFunction(() => window.found.ended, undefined, { timeout: 2 * ANSWER_MS });
  return found(page);
}

test("a trap while it answers: the answer goes on and is the same", async () => {
  const { page } = stage;
  await endless(page, "cpu");
  await begin(page, TOKENS);
  const whole = await ended(page);
  assert.equal(whole.ids.length, TOKENS);
  const first = engine(page);
  await trapAfter(page, 20);
  await begin(page, TOKENS);
  const again = await ended(page);
  assert.equal(again.error, null);
  assert.deepEqual(again.ids, whole.ids);
  assert.notEqual(engine(page), first, "another Worker went on");
});

test("a Worker that hangs is replaced when the person stops it", async () => {
  const { page } = stage;
  // It never comes back, so nothing waits for it.
  engine(page).evaluate(() => { for (;;); }).catch(() => {});
  await send(page, "hi");
  await part(page, "stop").waitFor();
  // A press within 400 ms counts as the second half of a double click on "send".
  await page.waitForTimeout(450);
  await part(page, "stop").click();
  await part(page, "send").waitFor({ timeout: ANSWER_MS });
  await ready(page);
  await begin(page, 5);
  const next = await ended(page);
  assert.equal(next.error, null);
  assert.equal(next.ids.length, 5);
});

test("the second time in one answer it stops, says what to do, and works when it is asked again", async () => {
  const { page } = stage;
  await trapAfter(page, 10);
  const [second] = await Promise.all([page.waitForEvent("worker"), begin(page, TOKENS)]);
  await trapAfter(page, 10, second);
  const { error } = await ended(page);
  assert.match(`${error?.message} ${error?.remedy}`, /stopped working.*smaller model/);
  await page.reload();
  await ready(page);
  await begin(page, 5);
  assert.equal((await ended(page)).ids.length, 5);
});

test("the GPU's process crashes while it answers: the answer goes on and is the same", async () => {
  const { page } = stage;
  await page.evaluate(async () => {
    const models = await window.outpost.models();
    await window.outpost.load(models.find(({ id }) => id !== "demo").id, "gpu");
  });
  await begin(page, TOKENS);
  const whole = await ended(page);
  await begin(page, TOKENS);
  const before = await after(page, 3, () => crashGpu(page));
  assert.ok(before < TOKENS, "it was still answering");
  const again = await ended(page);
  assert.equal(again.error, null);
  assert.deepEqual(again.ids, whole.ids);
});

test("a second tab says that the model is at work elsewhere, and can take it over", async () => {
  const { page } = stage;
  await page.evaluate(async () => {
    const models = await window.outpost.models();
    await window.outpost.load(models.find(({ id }) => id !== "demo").id, "cpu");
  });
  const other = await page.context().newPage();
  await other.goto(stage.address);
  await part(other, "take-over").waitFor({ timeout: ANSWER_MS });
  assert.equal(await part(other, "model-state").textContent(), "absent");
  assert.equal(await part(page, "model-state").textContent(), "ready");
  await part(other, "take-over").click();
  await ready(other);
  await part(page, "take-over").waitFor({ timeout: ANSWER_MS });
  await begin(other, 5);
  assert.equal((await ended(other)).ids.length, 5);
  const refused = await page.evaluate(async () => {
    const [{ id }] = await window.outpost.models();
    return window.outpost.load(id, "cpu").catch((error) => error.message);
  });
  assert.match(refused, /another tab/);
  await other.close();
  await page.bringToFront();
  await part(page, "take-over").click();
  await ready(page);
});
