// A consultation becomes facts with codes, a valid FHIR Bundle and danger signs: in the page as natively, and without a
// network. What is said, and the drugs in it, are invented.
import { test } from "node:test";
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { ready, storedForOffline } from "../lib/page.mjs";
import { COMMAND, DEMO, DIST } from "../lib/settings.mjs";
import { suite } from "../lib/suite.mjs";

const SAID =
  "A 40 year old woman has had sore throat for 3 days. She has no cough. Her mother has hay fever. " +
  "Oxygen saturation 88 %. Pulse 72. She is allergic to Pelvimol. " +
  "I prescribed Fenatulex 35 mg, twice a day for 5 days.";
const RECORDED = "2026-01-31T10:00:00Z";
const INDEX = "terminology/icd10cm.index";

const run = promisify(execFile);
const stage = suite("consultation");
stage.expected.push(/ERR_CONNECTION_REFUSED|ERR_FAILED/);

const processed = (page, options) => page.evaluate((options) => window.outpost.processMedicalText(options), options);

/** What depends neither on time nor on the device. */
const lasting = ({ processing_time_ms: _, model_info: __, bundle: ___, ...others }) => others;

/** Until the service worker has the tables of codes too. */
const codesStored = (page) =>
  page.waitForFunction(async (name) => (await caches.match(new URL(name, location.href))) !== undefined, INDEX);

test("health says what there is, and modelInfo what computes", async () => {
  const health = await stage.page.evaluate(() => window.outpost.health());
  assert.equal(health.ok, true, JSON.stringify(health.troubles));
  assert.deepEqual(health.terminology.map(({ system }) => system), ["http://hl7.org/fhir/sid/icd-10-cm"]);
  assert.ok(health.terminology[0].codes > 90_000);
  assert.ok(health.wasm_heap_bytes > 0);
  const model = await stage.page.evaluate(() => window.outpost.modelInfo());
  assert.deepEqual(model, health.model);
  assert.deepEqual([model.quantization, model.privacy], ["Q8_0", "on-device"]);
});

test("the page gives what the command gives: facts, codes, Bundle and danger signs", async () => {
  const folder = await mkdtemp(join(tmpdir(), "outpost-consultation-"));
  try {
    const transcript = join(folder, "said.txt");
    await writeFile(transcript, SAID);
    const options = ["--model", DEMO.text8, "--transcript", transcript, "--icd10cm", join(DIST, INDEX), "--age", "40y"];
    const { stdout } = await run(COMMAND, ["--device", "cpu", "extract", ...options, "--recorded", RECORDED, "--json"]);
    const natively = JSON.parse(stdout);
    const inPage = await processed(stage.page, { transcript: SAID, patient: { age: { years: 40 } }, recorded: RECORDED });
    assert.deepEqual(lasting(inPage), lasting(natively));
    assert.equal(inPage.success, true);
    assert.equal(inPage.bundle.entry.length, natively.bundle.entry.length);
    assert.ok(inPage.processing_time_ms > 0);
    assert.equal(inPage.danger_signs.floor !== "routine", true);
    const codes = Object.fromEntries(inPage.data.conditions.map(({ name, icd10_code: code }) => [name, code]));
    assert.match(codes["sore throat"], /^[A-Z]\d/);
    for (const { quote } of [...inPage.data.medications, ...inPage.data.conditions]) assert.ok(SAID.includes(quote), quote);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("it can be stopped, and the engine answers afterwards", async () => {
  const outcome = await stage.page.evaluate(async (transcript) => {
    const stop = new AbortController();
    const asked = window.outpost.processMedicalText({ transcript, signal: stop.signal });
    setTimeout(() => stop.abort(), 50);
    return asked.then(() => "done", ({ message }) => message);
  }, SAID.repeat(3));
  assert.match(outcome, /stopped/);
  const again = await processed(stage.page, { transcript: SAID });
  assert.equal(again.success, true);
});

test("options that make no sense are refused with what to do", async () => {
  for (const [options, words] of [
    [{ transcript: " " }, /transcript is empty.*Consultation/],
    [{ transcript: SAID, maxTokens: "many" }, /invalid type.*Consultation/],
    [{ transcript: SAID, patient: { age: "old" } }, /patient is not understood.*years/],
    [{ transcript: SAID, recorded: "yesterday" }, /yesterday.*YYYY-MM-DD/],
  ]) {
    const said = await stage.page.evaluate(async (options) => {
      try {
        await window.outpost.processMedicalText(options);
        return "done";
      } catch ({ message, remedy }) {
        return `${message} ${remedy}`;
      }
    }, options);
    assert.match(said, words, JSON.stringify(options));
  }
});

test("without a Bundle being asked for there is none, and rules can be left out", async () => {
  const plain = await processed(stage.page, { transcript: SAID, validateFhir: false });
  assert.deepEqual([plain.bundle, plain.validation.bundle_valid], [null, false]);
  const alone = await processed(stage.page, { transcript: SAID, useFallback: false });
  assert.ok(["first-pass", "repaired", "blocked"].includes(alone.way));
  assert.equal(alone.success, alone.way !== "blocked");
});

test("without a network there are codes too", async () => {
  const { page, server } = stage;
  await storedForOffline(page);
  await page.reload();
  await ready(page);
  await codesStored(page);
  await server.kill();
  await page.reload();
  await ready(page);
  const { data } = await processed(page, { transcript: SAID });
  assert.ok(data.conditions.some(({ icd10_code: code }) => code !== null));
});
