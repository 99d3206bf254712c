// The page with a model of true size: what import, loading and an answer take, and whether it is the native engine's answer.
// Usage: node scale.mjs PLAN.json, as `cargo xtask scale` runs it; xtask/src/scale.rs has what a plan holds.
// A table goes to stderr, one JSON object to stdout. Exit 1: something is beyond its budget, or it did not work.
import { readFile, stat, writeFile } from "node:fs/promises";
import { newProfile, openBrowser } from "./lib/browser.mjs";
import { computeOn, generateTimed, importModel, makeRoom, openReady } from "./lib/page.mjs";
import { startServer } from "./lib/server.mjs";

const MB = 1e6;

/** WebAssembly memory at its peak, whatever the model's size. */
const WASM_HEAP_BYTES = 256 * MB;
/** What may be on the GPU besides weights. */
const GPU_BYTES_BESIDES_WEIGHTS = 300 * MB;
/** Weights on the GPU for each byte that their file holds. */
const GPU_BYTES_FOR_STORED = 1.05;
/** An image encoder from this size on is not among them: only the layer that works is on the GPU (engine/src/model). */
const STREAMED_BYTES = 256 * 2 ** 20;

/** How often it says how far it is. */
const HEARTBEAT_MS = 15_000;

const plan = JSON.parse(await readFile(process.argv[2], "utf8"));
const files = [plan.model, plan.mmproj].filter((path) => path);

const server = await startServer();
const profile = await newProfile();
let browser;
try {
  browser = await openBrowser(profile);
  const figures = await measure(browser.context, server.address);
  figures.troubles = browser.troubles;
  await report(figures);
} catch (error) {
  console.error(`error: ${error.message}`);
  for (const trouble of browser?.troubles ?? []) console.error(`  ${trouble}`);
  process.exitCode = 1;
} finally {
  await browser?.close();
  await server.kill();
  if (plan.keep) console.error(`the browser's profile is in ${profile.folder}`);
  else await profile.remove();
}

/** Imports, loads and asks -> everything that was measured. */
async function measure(context, address) {
  const page = await openReady(context, address);
  // Where a processor imitates the GPU, the processor itself is faster; what is measured here is the GPU's memory.
  await computeOn(page, "gpu");
  const sizes = await Promise.all(files.map(async (path) => (await stat(path)).size));
  const fileBytes = sizes.reduce((sum, size) => sum + size, 0);
  await makeRoom(context, page, 2 * fileBytes + 1000 * MB);

  const stopSaying = sayHowFar(page);
  try {
    const importedMs = await importModel(page, files);
    const loaded = await stats(page);
    console.error(`imported and loaded in ${seconds(importedMs)}; asking`);
    const pictures = plan.picture ? [await readFile(plan.picture)] : [];
    const answer = await generateTimed(page, { text: plan.prompt, pictures, maxTokens: plan.tokens });
    const after = await stats(page);
    return {
      model: plan.model,
      mmproj: plan.mmproj,
      picture: plan.picture !== null,
      adapter: after.adapter,
      file_bytes: fileBytes,
      stored_weight_bytes: plan.weight_bytes + residentVisionBytes(plan.vision_bytes),
      weight_bytes: after.weight_bytes,
      // The time until the page is ready again is that of the import and that of loading what came in.
      import_ms: importedMs - loaded.load_ms,
      load_ms: loaded.load_ms,
      prefill_ms: answer.firstMs,
      decode_ms: answer.lastMs - answer.firstMs,
      wasm_heap_bytes_loaded: loaded.wasm_heap_bytes,
      wasm_heap_bytes: after.wasm_heap_bytes,
      gpu_bytes_loaded: loaded.gpu_bytes_peak,
      gpu_bytes: after.gpu_bytes,
      gpu_bytes_peak: after.gpu_bytes_peak,
      token_ids: answer.ids,
      text: answer.text,
      native: plan.native,
    };
  } finally {
    stopSaying();
  }
}

/** What of an image encoder stays on the GPU. */
function residentVisionBytes(bytes) {
  return bytes < STREAMED_BYTES ? (bytes ?? 0) : 0;
}

function stats(page) {
  return page.evaluate(() => window.outpost.stats());
}

/** Says every now and then what the page is doing. Returns what ends that. */
function sayHowFar(page) {
  const began = Date.now();
  const timer = setInterval(async () => {
    const said = await page
      .evaluate(() => {
        const text = (id) => document.querySelector(`[data-testid=${id}]`)?.innerText ?? "";
        return [text("model-state"), text("progress")].join(" ").replace(/\s+/g, " ");
      })
      .catch(() => "");
    console.error(`  ${seconds(Date.now() - began)}  ${said.trim()}`);
  }, HEARTBEAT_MS);
  return () => clearInterval(timer);
}

/** Prints everything and sets the exit code. */
async function report(figures) {
  const budgets = checked(figures);
  const rows = [
    ["adapter", figures.adapter],
    ["files", mb(figures.file_bytes)],
    ["import", `${seconds(figures.import_ms)}, ${rate(figures.file_bytes, figures.import_ms)}`],
    ["load", `${seconds(figures.load_ms)}, ${rate(figures.weight_bytes, figures.load_ms)}`],
    ["wasm heap, loaded and at its peak", `${mb(figures.wasm_heap_bytes_loaded)}, ${mb(figures.wasm_heap_bytes)}`],
    ["weights, in the file and on the GPU", `${mb(figures.stored_weight_bytes)}, ${mb(figures.weight_bytes)}`],
    ["GPU, loaded, after the answer, and at its peak", [figures.gpu_bytes_loaded, figures.gpu_bytes, figures.gpu_bytes_peak].map(mb).join(", ")],
    ["until the first token", seconds(figures.prefill_ms)],
    ["each further token", seconds(figures.decode_ms / Math.max(1, figures.token_ids.length - 1))],
    ["natively: until the first token", seconds(figures.native.prefill_ms)],
    ["natively: each further token", seconds(figures.native.decode_ms / Math.max(1, figures.native.token_ids.length - 1))],
    ["tokens", figures.token_ids.join(" ")],
    ["natively", figures.native.token_ids.join(" ")],
    ...budgets.map(({ name, found, limit, kept }) => [kept ? "kept" : "BROKEN", `${name}: ${found}, at most ${limit}`]),
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  for (const [name, value] of rows) console.error(`${name.padEnd(width)}  ${value}`);
  for (const trouble of figures.troubles) console.error(`${"trouble".padEnd(width)}  ${trouble}`);
  const json = JSON.stringify({ ...figures, budgets });
  console.log(json);
  if (plan.json) await writeFile(plan.json, `${json}\n`);
  if (budgets.some(({ kept }) => !kept)) process.exitCode = 1;
}

/** What was found and what it may be at most. What nobody measured is not kept. */
function checked(figures) {
  const most = (name, found, limit) => ({ name, found, limit, kept: Number.isFinite(found) && found <= limit });
  const gpu = figures.stored_weight_bytes + GPU_BYTES_BESIDES_WEIGHTS;
  return [
    most("wasm heap bytes", figures.wasm_heap_bytes, WASM_HEAP_BYTES),
    most("weight bytes on the GPU", figures.weight_bytes, Math.floor(figures.stored_weight_bytes * GPU_BYTES_FOR_STORED)),
    // The encoder needs more for a moment, and gives it back: that is the peak.
    most(`GPU bytes after the answer, at ${plan.context_tokens} tokens of context`, figures.gpu_bytes, gpu),
    most("tokens unlike the native ones", unlike(figures.token_ids, figures.native.token_ids), 0),
    most("errors in the page", figures.troubles.length, 0),
  ];
}

/** Positions at which the answers differ. The token that ends an answer has no text, and one side may not list it. */
function unlike(ids, native) {
  const [shorter, longer] = ids.length < native.length ? [ids, native] : [native, ids];
  const differing = shorter.filter((id, position) => id !== longer[position]).length;
  return differing + Math.max(0, longer.length - shorter.length - 1);
}

function seconds(milliseconds) {
  return Number.isFinite(milliseconds) ? `${(milliseconds / 1000).toFixed(1)} s` : "not measured";
}

function mb(bytes) {
  return Number.isFinite(bytes) ? `${(bytes / MB).toFixed(1)} MB` : "not measured";
}

function rate(bytes, milliseconds) {
  return milliseconds > 0 && bytes ? `${mb((bytes * 1000) / milliseconds)}/s` : "no rate";
}
