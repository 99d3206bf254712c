// Models from this device: what is imported answers, and stays.
import { test } from "node:test";
import assert from "node:assert/strict";
import { ask, generate, newConversation, part, ready } from "../lib/page.mjs";
import { generateNatively } from "../lib/native.mjs";
import { DEMO, PICTURES, QUESTIONS, READY_MS, SPLIT } from "../lib/settings.mjs";
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
  // What was answered is stored within a second.
  await page.waitForTimeout(1_000);
  await page.reload();
  await ready(page);
  assert.equal(await part(page, "model-name").textContent(), imported);
  await newConversation(page);
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

test("a model in several files is imported from all of them, in any order, and answers as natively", async () => {
  const { page } = stage;
  const before = await part(page, "model-name").textContent();
  await part(page, "import-files").setInputFiles([SPLIT[2], SPLIT[0], SPLIT[1]]);
  await page.waitForFunction(
    (before) => document.querySelector("[data-testid=model-name]").textContent !== before,
    before,
    { timeout: READY_MS },
  );
  await ready(page);
  const question = { text: "Write a SOAP note.", maxTokens: 24 };
  const natively = await generateNatively({ ...question, model: SPLIT[0] });
  const inPage = await generate(page, question);
  assert.equal(inPage.text, natively.text);
  assert.deepEqual(inPage.ids, natively.token_ids.slice(0, inPage.ids.length));
});

test("a model that lacks one of its files is refused by name", async () => {
  const { page } = stage;
  await part(page, "import-files").setInputFiles([SPLIT[0], SPLIT[2]]);
  await part(page, "error").waitFor();
  assert.match(await part(page, "error").innerText(), /2 of the 3 files of .wide-q5_k_s. were chosen/);
});
