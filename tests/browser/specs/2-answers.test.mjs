// Answers stream, depend on what is shown, and can be stopped.
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import assert from "node:assert/strict";
import { answered, ask, generate, newConversation, part, send } from "../lib/page.mjs";
import { ANSWER_MS, ENDLESS, PICTURES, QUESTIONS } from "../lib/settings.mjs";
import { suite } from "../lib/suite.mjs";

const stage = suite("answers");

test("a text answer arrives piece by piece and tells its speed", async () => {
  const { page } = stage;
  await page.evaluate(() => {
    window.lengths = [];
    new MutationObserver(() => {
      const length = document.querySelector("[data-testid=answer]")?.textContent.length ?? 0;
      if (length !== window.lengths.at(-1)) window.lengths.push(length);
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
  });
  const answer = await ask(page, QUESTIONS.who);
  assert.match(answer, /demonstration model/i);
  const lengths = (await page.evaluate(() => window.lengths)).filter((length) => length > 0);
  assert.ok(lengths.length >= 4, `the answer grew in ${lengths.length} steps`);
  assert.deepEqual(lengths, [...lengths].sort((one, other) => one - other), "the answer only grows");
  assert.match(await page.locator("main").innerText(), /tokens\/s/);
});

test("the answer about a picture depends on the picture", async () => {
  const { page } = stage;
  const answers = [];
  for (const { file, shows } of Object.values(PICTURES)) {
    await newConversation(page);
    const answer = await ask(page, QUESTIONS.picture, [file]);
    for (const words of shows) assert.ok(answer.toLowerCase().includes(words), `"${answer}" names ${words}`);
    answers.push(answer);
  }
  assert.notEqual(answers[0], answers[1]);
});

test("stop ends an answer, keeps what was written, and the next question is answered", async () => {
  const { page } = stage;
  // One that means nothing and does not end by itself, on a GPU that a processor imitates: long enough to be stopped.
  const endless = await page.evaluate(async (bytes) => {
    const file = new File([Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0))], "endless.gguf");
    const { id } = await window.outpost.importFiles([file]);
    await window.outpost.load(id, "gpu");
    return id;
  }, (await readFile(ENDLESS)).toString("base64"));
  await newConversation(page);
  const whole = await ask(page, QUESTIONS.note);
  await newConversation(page);
  const sent = Date.now();
  await send(page, QUESTIONS.note);
  await page.waitForFunction(() => document.querySelector("[data-testid=answer]")?.textContent.length > 0, undefined, {
    timeout: ANSWER_MS,
    polling: 20,
  });
  // A press within 400 ms counts as the second half of a double click on "send".
  await page.waitForTimeout(Math.max(0, 450 - (Date.now() - sent)));
  await part(page, "stop").click();
  const stopped = await answered(page);
  assert.ok(stopped.length > 0 && stopped.length < whole.length, `stopped at "${stopped}"`);
  assert.ok(whole.startsWith(stopped), "what was written stays");
  assert.match(await page.locator("main").innerText(), /Stopped/);
  await page.evaluate(async (id) => {
    await window.outpost.load("demo", "auto");
    await window.outpost.remove(id);
  }, endless);
  await newConversation(page);
  assert.match(await ask(page, QUESTIONS.who), /demonstration model/i);
});

test("an aborted generate ends within a few tokens", async () => {
  const { page } = stage;
  const stopped = await generate(page, { text: QUESTIONS.note, maxTokens: 200, stopAfter: 3 });
  assert.ok(stopped.pieces >= 3 && stopped.pieces < 12, `${stopped.pieces} tokens`);
  const next = await generate(page, { text: QUESTIONS.who, maxTokens: 60 });
  assert.match(next.text, /demonstration model/i);
});
