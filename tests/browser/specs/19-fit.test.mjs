// Before a model is fetched: would it run here? Found out by trying, said in plain words.
import { test } from "node:test";
import assert from "node:assert/strict";
import { generate, makeRoom, part } from "../lib/page.mjs";
import { READY_MS } from "../lib/settings.mjs";
import { suite } from "../lib/suite.mjs";

const stage = suite("fit");

const GB = 1e9;
const QUESTION = { text: "Write a SOAP note.", maxTokens: 8 };

/** Asks in the dialog -> what it says. */
async function asked(page) {
  await page.getByRole("button", { name: "Models", exact: true }).click();
  await part(page, "check-fit").click();
  await part(page, "fit").locator("strong").waitFor({ timeout: READY_MS });
  const said = await part(page, "fit").innerText();
  await page.getByRole("button", { name: "Close", exact: true }).click();
  return said;
}

test("all the graphics memory that it takes was had, and a processor that imitates a GPU is called slow", async () => {
  const { page } = stage;
  await makeRoom(page.context(), page, 10 * GB);
  const fit = await page.evaluate(() => window.outpost.fit());
  assert.equal(fit.adapter.kind, "gpu");
  assert.ok(fit.gpu_bytes >= fit.need.weight_bytes + 300e6, JSON.stringify(fit));
  assert.equal(fit.has_room, true);
  assert.equal(fit.verdict.rating, "slowly");
  assert.ok(fit.expected_tok_s > 0 && fit.expected_tok_s < 2.5, JSON.stringify(fit));
});

test("the page says it in words, and the model that is in use answers as before", async () => {
  const { page } = stage;
  const before = await generate(page, QUESTION);
  assert.match(await asked(page), /^It runs slowly here\. It should (take about \d+(\.\d)? s for a token|write about [\d.]+ tokens\/s): \d+ min for a note of 300\./);
  assert.deepEqual((await generate(page, QUESTION)).ids, before.ids);
});

test("where there is too little storage, it says so before anything is fetched, and leaves nothing behind", async () => {
  const { page } = stage;
  await makeRoom(page.context(), page, 1 * GB);
  assert.match(await asked(page), /^It does not run here\. It takes 3\.2 GB of storage, and the browser does not give this page as much\. Free space/);
  const { usage } = await page.evaluate(() => navigator.storage.estimate());
  assert.ok(usage < 1e8, `${usage} bytes are used`);
});

test("a model of other sizes is judged by them", async () => {
  const { page } = stage;
  const fit = await page.evaluate(() => window.outpost.fit(1e8, 1e8));
  assert.deepEqual(fit.need, { stored_bytes: 1e8, weight_bytes: 1e8 });
  assert.notEqual(fit.verdict.rating, "not");
});
