// SOAP notes and findings in pictures, in the page as natively. The demonstration model has not learnt their forms: what it
// drafts is mended, left to rules, or blocked, and danger signs stand beside it either way. What is said is invented.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { COMMAND, DEMO, DIST, PICTURES } from "../lib/settings.mjs";
import { suite } from "../lib/suite.mjs";

const SAID =
  "She has had a sore throat for three days. Her mother has diabetes.\n" +
  "Oxygen saturation 82 %, pulse 72. She is allergic to Pelvimol.\n" +
  "I prescribed Fenatulex 35 mg, twice a day for 5 days.";
const RECORDED = "2026-01-31T10:00:00Z";
const SECTIONS = ["subjective", "objective", "assessment", "plan"];
const ORDER = ["routine", "urgent", "emergency"];
/** Most tokens of a draft: the demonstration model does not end by itself. */
const MOST = 160;

const run = promisify(execFile);
const stage = suite("notes");
let folder;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "outpost-notes-"));
  await writeFile(join(folder, "said.txt"), SAID);
});
after(() => rm(folder, { recursive: true, force: true }));

const noted = (page, options) => page.evaluate((options) => window.outpost.soapNote(options), options);

const described = (page, bytes, options) =>
  page.evaluate(
    ({ bytes, options }) => window.outpost.imagingFindings({ images: [new Uint8Array(bytes)], ...options }),
    { bytes: [...bytes], options },
  );

const natively = async (...args) => JSON.parse((await run(COMMAND, ["--device", "cpu", ...args, "--json"])).stdout);

/** What depends neither on time nor on the device. */
const lasting = ({ processing_time_ms: _, model_info: __, bundle: ___, ...others }) => others;

/** No less than the danger signs ask for, whatever the model wrote. */
const keepsTheFloor = ({ urgency, model_urgency, danger_signs: { floor } }) =>
  ORDER.indexOf(urgency) === Math.max(ORDER.indexOf(floor), ORDER.indexOf(model_urgency ?? "routine"));

test("the page gives the note that the command gives: words with evidence, a Bundle, and a floor for urgency", async () => {
  const codes = ["--icd10cm", join(DIST, "terminology/icd10cm.index")];
  const about = ["--model", DEMO.text8, "--transcript", join(folder, "said.txt"), "--age", "40y", ...codes];
  const command = await natively("soap", ...about, "--max-tokens", String(MOST), "--recorded", RECORDED, "--bundle");
  const options = { transcript: SAID, patient: { age: { years: 40 } }, recorded: RECORDED, maxTokens: MOST, validateFhir: true };
  const page = await noted(stage.page, options);
  assert.deepEqual(lasting(page), lasting(command));
  assert.equal(page.success, true, JSON.stringify(page.repair_log));
  for (const { section, text, quote, evidence } of page.note.sentences) {
    assert.ok(SECTIONS.includes(section) && text !== "");
    assert.equal(Buffer.from(SAID).subarray(evidence.start, evidence.end).toString(), quote);
  }
  assert.ok(keepsTheFloor(page) && page.danger_signs.floor !== "routine", JSON.stringify(page.danger_signs));
  const kinds = page.bundle.entry.map(({ resource }) => resource.resourceType);
  for (const kind of ["Composition", "DocumentReference", "Provenance"]) assert.ok(kinds.includes(kind), kind);
  assert.equal(page.bundle.entry.length, command.bundle.entry.length);
  assert.ok(page.repair_log.length > 0 && page.processing_time_ms > 0);
});

test("without rules and without a usable draft there is no note, and the danger signs stay", async () => {
  const page = await noted(stage.page, { transcript: SAID, useFallback: false, maxTokens: 8 });
  assert.deepEqual([page.success, page.note, page.way, page.bundle], [false, null, "blocked", null]);
  assert.equal(page.repair_log.length, 3);
  assert.ok(page.repair_log.every(({ cut }) => cut));
  assert.equal(page.urgency, page.danger_signs.floor);
});

test("the page gives the findings that the command gives", async () => {
  const { file } = PICTURES.opacity;
  const question = "Cough for 3 days. Oxygen saturation 82 %.";
  const model = ["--model", DEMO.text8, "--mmproj", DEMO.vision, "--max-tokens", String(MOST)];
  const command = await natively("findings", ...model, "--image", file, "--question", question, "--age", "40y");
  const options = { question, patient: { age: { years: 40 } }, maxTokens: MOST };
  const page = await described(stage.page, await readFile(file), options);
  assert.deepEqual(lasting(page), lasting(command));
  assert.equal(page.success, page.findings !== null);
  assert.equal(page.success, page.way !== "blocked");
  assert.ok(keepsTheFloor(page) && page.danger_signs.floor !== "routine");
  // It has learnt this form for drawn pictures, and what they show is known.
  for (const { file, shows } of Object.values(PICTURES)) {
    const { findings } = await described(stage.page, await readFile(file), { question: "", maxTokens: MOST });
    const found = findings.findings.map(({ what, side, zone }) => [what, `${side} ${zone}`]);
    assert.deepEqual(found, [shows]);
  }
});

test("both can be stopped, and the engine answers afterwards", async () => {
  const picture = [...(await readFile(PICTURES.opacity.file))];
  const outcomes = await stage.page.evaluate(
    async ({ transcript, picture }) => {
      const outcome = async (ask) => {
        const stop = new AbortController();
        const asked = ask(stop.signal);
        setTimeout(() => stop.abort(), 50);
        return asked.then(() => "done", ({ message }) => message);
      };
      const { outpost } = window;
      const images = [new Uint8Array(picture)];
      return [
        await outcome((signal) => outpost.soapNote({ transcript, signal })),
        await outcome((signal) => outpost.imagingFindings({ images, signal })),
      ];
    },
    { transcript: SAID.repeat(3), picture },
  );
  for (const outcome of outcomes) assert.match(outcome, /stopped/);
  const again = await noted(stage.page, { transcript: SAID, maxTokens: 8 });
  assert.deepEqual([again.success, again.way], [true, "fallback"]);
});

test("options that make no sense are refused with what to do", async () => {
  for (const [name, options, words] of [
    ["soapNote", { transcript: " " }, /transcript is empty.*soapNote.*Consultation/],
    ["soapNote", { transcript: SAID, patient: { age: "old" } }, /patient is not understood.*years/],
    ["imagingFindings", { question: "?" }, /no picture.*Imaging/],
    ["imagingFindings", { images: ["no"], maxTokens: "many" }, /invalid type.*Imaging/],
  ]) {
    const said = await stage.page.evaluate(
      async ([name, options]) => {
        try {
          await window.outpost[name](options);
          return "done";
        } catch ({ message, remedy }) {
          return `${message} ${remedy}`;
        }
      },
      [name, options],
    );
    assert.match(said, words, JSON.stringify(options));
  }
});
