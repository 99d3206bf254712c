// How fast the model is: the screen that measures it, and the call behind the screen.
import { test } from "node:test";
import assert from "node:assert/strict";
import { ask, computeOn, newConversation, part, problem, ready } from "../lib/page.mjs";
import { ANSWER_MS, QUESTIONS, READY_MS } from "../lib/settings.mjs";
import { suite } from "../lib/suite.mjs";

const stage = suite("speed");

test("the screen measures the model in use and gives plain text to pass on", async () => {
  const { page } = stage;
  await page.context().grantPermissions(["clipboard-write"]);
  await openScreen(page);
  await part(page, "measure-result").waitFor({ timeout: ANSWER_MS });
  const shown = facts(await part(page, "measure-result").innerText());
  assert.equal(shown["Model"], await part(page, "model-name").textContent());
  for (const speed of ["Reading speed", "Writing speed"]) assert.ok(tokensPerSecond(shown[speed]) > 0, `${speed}: ${shown[speed]}`);
  assert.match(shown["Browser"], /^\D+ \d+$/);
  assert.match(shown["Main memory"], /^[\d.]+ [MG]B$/);

  await part(page, "measure-copy").click();
  await page.getByRole("button", { name: "Copied" }).waitFor();
  await closeScreen(page);
  const copied = await pasted(page);
  for (const [name, value] of Object.entries(shown)) assert.ok(copied.includes(`${name}: ${value}\n`), `${name} in ${copied}`);
  assert.match(copied, /128 tokens to read and 32 to write/);
});

test("a measurement can be stopped, by its button and by closing the screen", async () => {
  const { page } = stage;
  await openScreen(page);
  await part(page, "measure-stop").click();
  await page.getByText("Stopped", { exact: true }).waitFor({ timeout: ANSWER_MS });
  assert.equal(await part(page, "measure-result").count(), 0);
  assert.ok(await part(page, "measure-copy").isDisabled(), "there is nothing to copy");
  await part(page, "measure-again").click({ delay: 450 });
  await part(page, "measure-stop").waitFor();
  await page.keyboard.press("Escape");
  await newConversation(page);
  assert.match(await ask(page, QUESTIONS.who), /demonstration model/i);
});

test("window.outpost.bench measures exact lengths and counts what the device did", async () => {
  const { page } = stage;
  const report = await bench(page, { promptTokens: 48, tokens: 6, device: "gpu" });
  plausible(report, { promptTokens: 48, tokens: 6 });
  assert.equal(report.device, "gpu");
  assert.deepEqual(report.switched_off, [], "no kernel is wrong here");
  assert.ok(report.dispatches_per_token > 0);
  assert.equal(report.submits_per_token, 1);
  assert.ok(report.readback_bytes_per_token <= 1024, `${report.readback_bytes_per_token} bytes read back`);
  assert.ok(report.gpu_bytes_peak > 0);
});

test("it measures on another device, and the page answers there", async () => {
  const { page } = stage;
  const report = await bench(page, { promptTokens: 16, tokens: 4, device: "cpu" });
  plausible(report, { promptTokens: 16, tokens: 4 });
  assert.equal(report.device, "cpu");
  const cores = await page.evaluate(() => navigator.hardwareConcurrency);
  assert.equal(report.threads, Math.min(cores, 8));
  const alone = await bench(page, { promptTokens: 16, tokens: 4, device: "cpu", threads: 1 });
  assert.equal(alone.threads, 1);
  assert.equal(report.gpu_bytes_peak, null);
  await ready(page);
  assert.equal(await problem(page), "");
  await newConversation(page);
  assert.match(await ask(page, QUESTIONS.who), /demonstration model/i);
  const back = await bench(page, { promptTokens: 16, tokens: 4, device: "auto" });
  // A processor is faster as itself than as a GPU.
  assert.equal(back.device, "cpu");
});

test("where models compute can be chosen, and the choice is kept", async () => {
  const { page } = stage;
  const adapter = () => page.evaluate(async () => (await window.outpost.stats()).adapter);
  await computeOn(page, "gpu");
  assert.notEqual(await adapter(), "CPU");
  await page.reload();
  await ready(page);
  assert.notEqual(await adapter(), "CPU");
  await computeOn(page, "cpu");
  assert.equal(await adapter(), "CPU");
  await computeOn(page, "auto");
});

test("window.outpost.benchKernels times products, and refuses shapes that are none", async () => {
  const { page } = stage;
  const shapes = [
    { rows: 64, cols: 96, tokens: 1 },
    { rows: 100, cols: 64, tokens: 33 },
  ];
  for (const device of ["gpu", "cpu"]) {
    const times = await page.evaluate((options) => window.outpost.benchKernels(options), { shapes, device });
    assert.deepEqual(times.map(({ rows, cols, tokens }) => ({ rows, cols, tokens })), shapes);
    for (const { ms } of times) assert.ok(ms > 0, `${ms} ms`);
  }
  const refused = (options) =>
    page.evaluate((options) => window.outpost.benchKernels(options).then(() => "measured", ({ remedy }) => remedy), options);
  assert.match(await refused({ shapes: [{ rows: 64, cols: 33, tokens: 1 }] }), /blocks of 32/);
  assert.match(await refused({ shapes: [{ rows: 64 }] }), /KernelBenchOptions/);
  await ready(page);
});

test("lengths and devices that make no sense are refused with what to do, and nothing changes", async () => {
  const { page } = stage;
  for (const options of [{ tokens: 0 }, { promptTokens: -1 }, { promptTokens: 1.5 }, { device: "abacus" }, { threads: 0 }]) {
    const refused = await benchRefusal(page, options);
    assert.match(refused.remedy, /BenchOptions/, JSON.stringify(options));
  }
  const tooLong = await benchRefusal(page, { promptTokens: 4294967295, tokens: 4294967295 });
  assert.match(`${tooLong.message} ${tooLong.remedy}`, /tokens.*fewer/);
  await ready(page);
  plausible(await bench(page, { promptTokens: 8, tokens: 2 }), { promptTokens: 8, tokens: 2 });
});

test("where the browser can share, it is given the same text", async () => {
  const { page } = stage;
  await page.addInitScript(() => {
    window.shared = [];
    navigator.share = async (data) => void window.shared.push(data);
  });
  await page.reload();
  await ready(page);
  await openScreen(page);
  await part(page, "measure-result").waitFor({ timeout: ANSWER_MS });
  const shown = facts(await part(page, "measure-result").innerText());
  await part(page, "measure-share").click();
  const [{ title, text }] = await page.evaluate(() => window.shared);
  assert.match(title, /^Outpost /);
  for (const [name, value] of Object.entries(shown)) assert.ok(text.includes(`${name}: ${value}\n`), `${name} in ${text}`);
  await closeScreen(page);
});

/** What a person would paste: the page itself may not read the clipboard. */
async function pasted(page) {
  await part(page, "prompt").focus();
  await page.keyboard.press("ControlOrMeta+V");
  const text = await part(page, "prompt").inputValue();
  await part(page, "prompt").fill("");
  return text;
}

async function openScreen(page) {
  await page.getByRole("button", { name: "Models", exact: true }).click();
  await part(page, "measure").click();
}

async function closeScreen(page) {
  await page.getByRole("button", { name: "Close", exact: true }).click();
}

/** The rows of the table, which `innerText` gives as names and values in turn. */
function facts(text) {
  const lines = text.split("\n").filter((line) => line.trim());
  return Object.fromEntries(lines.flatMap((name, index) => (index % 2 ? [] : [[name, lines[index + 1]]])));
}

function tokensPerSecond(text) {
  return Number(/^([\d.]+) tokens\/s$/.exec(text)?.[1]);
}

const bench = (page, options) => page.evaluate((options) => window.outpost.bench(options), options);

/** The error that `window.outpost.bench` gives; fails if it measures. */
const benchRefusal = (page, options) =>
  page.evaluate(
    (options) =>
      window.outpost.bench(options).then(
        () => Promise.reject(new Error(`it measured ${JSON.stringify(options)}`)),
        ({ message, remedy }) => ({ message, remedy }),
      ),
    options,
  );

function plausible(report, { promptTokens, tokens }) {
  assert.equal(report.prompt_tokens, promptTokens);
  assert.equal(report.decoded_tokens, tokens);
  const about = (value, wanted) => Math.abs(value - wanted) <= wanted * 1e-6;
  assert.ok(report.prefill_ms > 0 && about(report.prefill_tok_s, (promptTokens * 1000) / report.prefill_ms), JSON.stringify(report));
  assert.ok(report.decode_ms > 0 && about(report.decode_tok_s, (tokens * 1000) / report.decode_ms), JSON.stringify(report));
  assert.ok(report.load_ms > 0 && report.load_ms < READY_MS, `load_ms: ${report.load_ms}`);
  for (const key of ["weight_bytes", "bytes_read_per_token", "wasm_heap_bytes"]) assert.ok(report[key] > 1e5, `${key}: ${report[key]}`);
}
