// Models from this device: what is imported answers, and stays.
import { test } from "node:test";
import assert from "node:assert/strict";
import { ask, newConversation, part, ready } from "../lib/page.mjs";
import { DEMO, PICTURES, QUESTIONS, READY_MS } from "../lib/settings.mjs";
import { suite } from "../lib/suite.mjs";

const stage = suite("models");

test("a model and its picture file are imported from disk and answer about a picture", async () => {
  const { page } = stage;
  const demo = await part(page, "model-name").textContent();
  await part(page, "import-files").setInputFiles([DEMO.text4, DEMO.vision]);
  await page.waitForFunction(
    (demo) => document.querySelector("[data-testid=model-name]").textContent !== demo,
    demo,
    { timeout: READY_MS },
  );
  await ready(page);
  const { file, shows } = PICTURES.fluid;
  const answer = await ask(page, QUESTIONS.picture, [file]);
  for (const words of shows) assert.ok(answer.toLowerCase().includes(words), `"${answer}" names ${words}`);
});

test("both models are listed, and the imported one is taken up after a reload", async () => {
  const { page } = stage;
  const models = await page.evaluate(() => window.outpost.models());
  assert.equal(models.length, 2);
  const imported = await part(page, "model-name").textContent();
  await page.reload();
  await ready(page);
  assert.equal(await part(page, "model-name").textContent(), imported);
  assert.match(await ask(page, QUESTIONS.who), /demonstration model/i);
});

test("a text model alone answers text and says why it cannot look at a picture", async () => {
  const { page } = stage;
  const before = await page.evaluate(() => window.outpost.models());
  await part(page, "import-files").setInputFiles([DEMO.text8]);
  await page.waitForFunction(
    async (count) => (await window.outpost.models()).length > count,
    before.length,
    { timeout: READY_MS, polling: 500 },
  );
  await page.waitForFunction(() => document.querySelector("[data-testid=progress]") === null, undefined, { timeout: READY_MS });
  await ready(page);
  await newConversation(page);
  assert.match(await ask(page, QUESTIONS.who), /demonstration model/i);
  await part(page, "attach-image").setInputFiles([PICTURES.fluid.file]);
  await part(page, "prompt").fill(QUESTIONS.picture);
  await part(page, "send").click();
  await part(page, "error").waitFor();
  assert.match(await part(page, "error").innerText(), /cannot look at pictures/);
});
