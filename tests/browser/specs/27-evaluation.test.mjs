// Questions with known answers, asked in the page as by the command: the same numbers, the same log, wherever it was stopped.
import { test } from "node:test";
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { computeOn, importModel, part, problem, ready } from "../lib/page.mjs";
import { CHOICES, COMMAND, DEMO, OUTPUT, TRANSCRIPTS } from "../lib/settings.mjs";
import { suite } from "../lib/suite.mjs";

/** Held-out transcripts. */
const COUNT = 60;
/** Sums of the same log-probabilities in another order. */
const CLOSE = 2e-3;

const run = promisify(execFile);
const stage = suite("evaluation");
stage.expected.push(/ERR_CONNECTION_REFUSED|ERR_FAILED/);

test("the page finds in transcripts what the command finds", async () => {
  await computeOn(stage.page, "cpu");
  const questions = await readFile(TRANSCRIPTS, "utf8");
  const inPage = await evaluated({ questions });
  const { report, log } = await natively(DEMO.text8, TRANSCRIPTS, []);
  assert.deepEqual(inPage.report, report);
  assert.equal(inPage.log, log);
  const { first_pass: first, valid_bundle: valid } = inPage.shares;
  assert.deepEqual([inPage.kind, inPage.answered, inPage.questions], ["transcripts", COUNT, COUNT]);
  assert.ok(inPage.f1 > 0.9 && inPage.f1 === report.facts.f1, `F1 ${inPage.f1}`);
  assert.ok(first.right >= COUNT * 0.8 && first.interval.low < first.share, JSON.stringify(first));
  assert.equal(valid.right, COUNT);
});

test("choices by likelihood and by generation are those of the command, pictures among them", async () => {
  const questions = await readFile(CHOICES, "utf8");
  const pictures = await picturesOf(questions);
  for (const by of ["likelihood", "generation"]) {
    const inPage = await evaluated({ questions, pictures, by, maxTokens: 48 });
    const { report, log } = await natively(DEMO.text8, CHOICES, ["--by", by, "--max-tokens", "48"]);
    sameLog(inPage.log, log);
    assert.deepEqual(inPage.report, report, by);
    assert.equal(inPage.already, 0);
    const [metric] = by === "likelihood" ? ["acc"] : ["exact_match"];
    assert.ok(inPage.shares[metric].share > 0.85, JSON.stringify(inPage.shares));
    // Nothing is left to ask.
    const again = await evaluated({ questions, pictures, by, maxTokens: 48 });
    assert.deepEqual([again.already, again.log], [inPage.answered, inPage.log]);
  }
});

test("two quantisations are compared as by the command", async () => {
  const { page } = stage;
  const questions = await readFile(CHOICES, "utf8");
  const pictures = await picturesOf(questions);
  const a = (await evaluated({ questions, pictures, maxTokens: 48 })).log;
  await importModel(page, [DEMO.text4, DEMO.vision]);
  const b = (await evaluated({ questions, pictures, maxTokens: 48 })).log;
  const inPage = await page.evaluate(([a, b]) => window.outpost.compareEvaluations(a, new Blob([b])), [a, b]);
  const folder = await mkdtemp(join(tmpdir(), "outpost-evaluation-"));
  try {
    const logs = { a: join(folder, "a.jsonl"), b: join(folder, "b.jsonl") };
    for (const [name, log] of Object.entries({ a, b })) await writeFile(logs[name], log);
    const { stdout } = await run(COMMAND, ["eval", "--compare", logs.a, logs.b, "--json"]);
    assert.deepEqual(inPage, JSON.parse(stdout));
    // The logs that the command writes say the same.
    const native = { a: await natively(DEMO.text8, CHOICES, []), b: await natively(DEMO.text4, CHOICES, []) };
    for (const [name, { log }] of Object.entries(native)) await writeFile(logs[name], log);
    const compared = JSON.parse((await run(COMMAND, ["eval", "--compare", logs.a, logs.b, "--json"])).stdout);
    assert.deepEqual(compared, inPage);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const refused = await page.evaluate(
    (a) => window.outpost.compareEvaluations(a, "{}\n").catch(({ message, remedy }) => `${message} ${remedy}`),
    a,
  );
  assert.match(refused, /second log: line 1/i);
});

test("on the screen it is stopped, gone on with after a reload, saved and compared", async () => {
  const { page } = stage;
  const lines = (await readFile(CHOICES, "utf8")).trim().split("\n").filter((line) => !line.includes('"image"'));
  // Each of them more than once, so that there is time to stop.
  const questions = Array.from({ length: 6 }, () => lines).flat().map((line) => `${line}\n`).join("");
  const count = lines.length * 6;
  await page.setViewportSize({ width: 360, height: 740 });
  await chosen(questions);
  await part(page, "evaluation-start").click();
  await page.waitForFunction(() => /^[3-9] of|^\d\d of/.test(document.querySelector("[data-testid=evaluation-state]").textContent));
  await page.screenshot({ path: join(OUTPUT, "evaluation-going.png") });
  await part(page, "evaluation-start").click();
  await page.getByText(/^Stopped\./).waitFor();
  const stopped = Number(/(\d+) of/.exec(await part(page, "evaluation-state").textContent())[1]);
  assert.ok(stopped > 0 && stopped < count, `${stopped} of ${count}`);

  await page.reload();
  await ready(page);
  await chosen(questions);
  await part(page, "evaluation-start").click();
  await page.getByText(`${count} of ${count} answered`, { exact: true }).waitFor({ timeout: 120_000 });
  const shown = await part(page, "evaluation-result").innerText();
  assert.match(shown, /Right\n[\d.]+ %: \d+ of \d+ \(95 %: [\d.]+ to [\d.]+\)/);
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "nothing stands out");
  const [saved] = await Promise.all([page.waitForEvent("download"), part(page, "evaluation-save").click()]);
  assert.equal(saved.suggestedFilename(), "samples_choices.jsonl");
  const log = await readFile(await saved.path(), "utf8");

  const again = await evaluated({ questions });
  assert.deepEqual([again.already, again.log], [count, log]);
  const anew = await evaluated({ questions, again: true });
  assert.deepEqual([anew.already, anew.log], [0, log], "one run leaves the same log as one in parts");

  await part(page, "evaluation-compare").setInputFiles({ name: "other.jsonl", mimeType: "", buffer: Buffer.from(log) });
  await page.getByText(/McNemar/).waitFor();
  const comparison = await part(page, "evaluation-comparison").innerText();
  assert.match(comparison, /\+0\.00 % \(95 %: -[\d.]+ to \+[\d.]+\)/);
  assert.match(comparison, /open|less/);
  await page.screenshot({ path: join(OUTPUT, "evaluation-done.png") });
  await page.getByRole("button", { name: "Close", exact: true }).click();
  assert.equal(await problem(page), "");
});

test("it is stopped by its signal, and tells how far it is", async () => {
  const { page } = stage;
  const lines = (await readFile(CHOICES, "utf8")).trim().split("\n").filter((line) => !line.includes('"image"'));
  const outcome = await page.evaluate(async (questions) => {
    const stop = new AbortController();
    const told = [];
    const onProgress = (progress) => {
      told.push(progress);
      if (progress.done === 2) stop.abort();
    };
    const asked = window.outpost.evaluate({ questions, signal: stop.signal, onProgress });
    const message = await asked.then(() => "done", ({ message }) => message);
    const rest = await window.outpost.evaluate({ questions });
    return { message, told, already: rest.already };
  }, lines.map((line) => `${line}\n`).join(""));
  assert.match(outcome.message, /stopped/);
  assert.deepEqual(outcome.told[0], { done: 0, total: lines.length, already: 0, metric: null, value: null });
  assert.equal(outcome.told[2].metric, "acc");
  assert.ok(outcome.already >= 2 && outcome.already < lines.length, `${outcome.already} were kept`);
});

test("what cannot be asked is refused with its line and what to do", async () => {
  const good = JSON.stringify({ question: "Which?", choices: ["a", "b"], answer: 0 });
  const shows = JSON.stringify({ id: "q7", question: "Which?", choices: ["a", "b"], answer: 0, image: "x/none.png" });
  for (const [options, words] of [
    [{ questions: `${good}\n{broken\n` }, /line 2: .*no JSON object/i],
    [{ questions: `${good}\n\n{"question": "Which?"}\n` }, /line 3: nothing says which set/i],
    [{ questions: "" }, /holds no question.*one on each line/i],
    [{ questions: `${good}\n${shows}\n` }, /q7 shows the picture x\/none\.png.*not chosen.*together/i],
    [{ questions: 7 }, /neither text nor a file.*EvaluationOptions/],
    [{ questions: good, by: "dice" }, /dice.*EvaluationOptions/],
    [{ questions: good, limit: 0 }, /begin at 1.*EvaluationOptions/],
  ]) {
    const said = await stage.page.evaluate(async (options) => {
      try {
        await window.outpost.evaluate(options);
        return "done";
      } catch ({ message, remedy }) {
        return `${message} ${remedy}`;
      }
    }, options);
    assert.match(said, words, JSON.stringify(options));
  }
  await chosen(`${good}\n{broken\n`);
  await part(stage.page, "evaluation-start").click();
  await part(stage.page, "evaluation-error").getByText(/Line 2/).waitFor();
  await stage.page.getByRole("button", { name: "Close", exact: true }).click();
});

/** Opens the screen and chooses a file with these questions. */
async function chosen(questions) {
  const { page } = stage;
  await page.getByRole("button", { name: "Models", exact: true }).click();
  await part(page, "evaluate").click();
  const file = { name: "choices.jsonl", mimeType: "", buffer: Buffer.from(questions) };
  await part(page, "evaluation-questions").setInputFiles(file);
  // The button is meant for what it says only after a while.
  await page.waitForTimeout(500);
}

/** Evaluates in the page; `pictures`: names and bytes. */
function evaluated({ pictures = [], ...options }) {
  return stage.page.evaluate(
    ({ pictures, options }) => {
      const bytes = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
      const images = pictures.map(([name, text]) => new File([bytes(text)], name, { type: "image/png" }));
      return window.outpost.evaluate({ ...options, images });
    },
    { pictures, options },
  );
}

async function picturesOf(questions) {
  const docs = questions.trim().split("\n").map((line) => JSON.parse(line));
  const paths = [...new Set(docs.flatMap(({ image }) => image ?? []))];
  const read = async (path) => [basename(path), (await readFile(join(dirname(CHOICES), path))).toString("base64")];
  return Promise.all(paths.map(read));
}

/** `outpost eval`: what it prints and what it logs. */
async function natively(model, questions, options) {
  const folder = await mkdtemp(join(tmpdir(), "outpost-evaluation-"));
  try {
    const asked = ["--model", model, "--mmproj", DEMO.vision, "--questions", questions, "--log", folder, ...options, "--json"];
    const { stdout } = await run(COMMAND, ["--device", "cpu", "eval", ...asked]);
    const name = `samples_${basename(questions, ".jsonl")}.jsonl`;
    return { report: JSON.parse(stdout), log: await readFile(join(folder, name), "utf8") };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Whether two logs say the same: likelihoods up to the order in which they were summed, everything else to the letter. */
function sameLog(found, expected) {
  const docs = (log) => log.trim().split("\n").map((line) => JSON.parse(line));
  const sums = (responses) => responses.flat(Infinity).filter((text) => /^-?\d/.test(text)).map(Number);
  const [ours, theirs] = [docs(found), docs(expected)];
  assert.equal(ours.length, theirs.length);
  for (const [index, our] of ours.entries()) {
    const their = theirs[index];
    if (our.metrics.includes("acc")) {
      const pairs = sums(our.resps).map((sum, at) => [sum, sums(their.resps)[at]]);
      for (const [sum, other] of pairs) assert.ok(Math.abs(sum - other) <= CLOSE * Math.max(1, Math.abs(other)), `${sum} for ${other}`);
      for (const doc of [our, their]) doc.resps = doc.filtered_resps = pairs.length;
    }
    assert.deepEqual(our, their);
  }
}
