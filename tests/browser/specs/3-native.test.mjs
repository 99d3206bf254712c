// The page and the native command are one engine: same question, same seed, same tokens.
import { test } from "node:test";
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { ask, generate } from "../lib/page.mjs";
import { generateNatively } from "../lib/native.mjs";
import { PICTURES, QUESTIONS } from "../lib/settings.mjs";
import { suite } from "../lib/suite.mjs";

const stage = suite("native");

const CASES = [
  { name: "greedy, text", text: QUESTIONS.note, maxTokens: 80 },
  { name: "seed 7, text", text: QUESTIONS.note, maxTokens: 80, temperature: 0.9, topP: 0.95, seed: 7 },
  { name: "seed 8, top-k", text: QUESTIONS.who, maxTokens: 40, temperature: 1.5, topK: 20, seed: 8 },
  { name: "greedy, picture", text: QUESTIONS.picture, maxTokens: 40, pictures: [PICTURES.opacity.file] },
  { name: "seed 9, picture", text: QUESTIONS.picture, maxTokens: 40, temperature: 0.8, seed: 9, pictures: [PICTURES.fluid.file] },
];

for (const { name, pictures = [], ...options } of CASES) {
  test(`the same answer as natively: ${name}`, async () => {
    const natively = await generateNatively({ ...options, pictures });
    const bytes = await Promise.all(pictures.map((file) => readFile(file)));
    const inPage = await generate(stage.page, { ...options, pictures: bytes });
    assert.equal(inPage.text, natively.text);
    // The token that ends the answer has no text, and one side may not list it.
    const ids = natively.token_ids.slice(0, inPage.ids.length);
    assert.deepEqual(inPage.ids.slice(0, ids.length), ids);
  });
}

test("the page's own controls give that answer too", async () => {
  const natively = await generateNatively({ text: QUESTIONS.who, maxTokens: 200 });
  assert.equal(await ask(stage.page, QUESTIONS.who), natively.text.trim());
});
