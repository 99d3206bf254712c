// A long day in one browser: hundreds of answers, loads, imports and removals, after which memory and storage are what they
// were. Usage: node soak.mjs [FILE.json], as `cargo xtask soak` runs it. A table goes to stderr, one JSON object to stdout.
// Exit 1: something grew, or did not work.
import { readFile, readdir, writeFile } from "node:fs/promises";
import { newProfile, openBrowser } from "./lib/browser.mjs";
import { generate, openReady, part } from "./lib/page.mjs";
import { startServer } from "./lib/server.mjs";
import { DEMO, PICTURES, QUESTIONS } from "./lib/settings.mjs";

const ROUNDS = 10;
/** In each round. */
const ANSWERS = 50;
const LOADS = 10;
const IMPORTS = 5;
const TOKENS = 8;

/** Between an early round and the last one: what a measurement of memory differs by when nothing grows. */
const GROWTH = 1.05;
const GROWTH_BYTES = 16e6;
/** The first rounds fill caches that stay as large. */
const EARLY = [2, 3, 4];
const LATE = [ROUNDS - 3, ROUNDS - 2, ROUNDS - 1];

const server = await startServer();
const profile = await newProfile();
let browser;
try {
  browser = await openBrowser(profile);
  const page = await openReady(browser.context, server.address);
  const picture = await readFile(PICTURES.fluid.file);
  const rounds = [];
  for (let round = 0; round < ROUNDS; round++) {
    const began = performance.now();
    await day(page, picture);
    const found = { ...(await measured(page)), seconds: Math.round((performance.now() - began) / 1000) };
    console.error(`round ${round + 1} of ${ROUNDS}  ${row(found)}`);
    rounds.push(found);
  }
  await report(rounds, browser.troubles);
} finally {
  await browser?.close();
  await server.kill();
  await profile.remove();
}

/** One round of work. */
async function day(page, picture) {
  const [{ id: usual }] = await models(page);
  for (let time = 0; time < IMPORTS; time++) {
    await imported(page);
    const other = (await models(page)).find(({ id }) => id !== usual).id;
    for (let load = 0; load < LOADS / IMPORTS; load++) {
      // One of the ten on the GPU, where every kernel proves itself first.
      const device = time === 0 && load === 0 ? "gpu" : "cpu";
      await page.evaluate(([id, device]) => window.outpost.load(id, device), [load % 2 ? other : usual, device]);
    }
    for (let answer = 0; answer < ANSWERS / IMPORTS; answer++) {
      const pictures = answer === 0 ? [picture] : [];
      const { ids } = await generate(page, { text: answer % 2 ? QUESTIONS.who : QUESTIONS.note, pictures, maxTokens: TOKENS });
      if (ids.length === 0) throw new Error("an answer is empty");
    }
    await page.evaluate((id) => window.outpost.load(id, "cpu"), usual);
    await page.evaluate((id) => window.outpost.remove(id), other);
  }
  const left = await models(page);
  if (left.length !== 1) throw new Error(`${left.length} models are left`);
}

async function imported(page) {
  const count = (await models(page)).length;
  await part(page, "import-files").setInputFiles([DEMO.text4, DEMO.vision]);
  await page.waitForFunction(
    async (count) => {
      const state = document.querySelector("[data-testid=model-state]").textContent;
      return state === "ready" && (await window.outpost.models()).filter(({ status }) => status.is === "installed").length > count;
    },
    count,
    { polling: 100 },
  );
}

function models(page) {
  return page.evaluate(() => window.outpost.models());
}

/** What is in use now. */
async function measured(page) {
  const session = await page.context().newCDPSession(page);
  await session.send("HeapProfiler.collectGarbage");
  await session.send("Performance.enable");
  const { metrics } = await session.send("Performance.getMetrics");
  await session.detach();
  const stats = await page.evaluate(() => window.outpost.stats());
  const { usage } = await page.evaluate(() => navigator.storage.estimate());
  return {
    wasm_heap_bytes: stats.wasm_heap_bytes,
    page_heap_bytes: metrics.find(({ name }) => name === "JSHeapUsedSize").value,
    dom_nodes: metrics.find(({ name }) => name === "Nodes").value,
    resident_bytes: await residentBytes(),
    storage_bytes: usage,
  };
}

/** Memory of the browser's processes: the one that was given the profile, and all below it. Only Linux tells. */
async function residentBytes() {
  const parents = new Map();
  let root;
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const [stat, command] = await Promise.all([read(`/proc/${pid}/stat`), read(`/proc/${pid}/cmdline`)]);
    parents.set(pid, stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
    if (!root && command.includes(profile.folder) && !command.includes("--type=")) root = pid;
  }
  const below = (pid) => pid !== undefined && (pid === root || below(parents.get(pid)));
  const own = [...parents.keys()].filter(below);
  const sizes = await Promise.all(own.map(async (pid) => Number(/VmRSS:\s+(\d+)/.exec(await read(`/proc/${pid}/status`))?.[1] ?? 0)));
  return 1024 * sizes.reduce((sum, size) => sum + size, 0);
}

function read(path) {
  return readFile(path, "utf8").catch(() => "");
}

async function report(rounds, troubles) {
  const names = Object.keys(rounds[0]).filter((name) => name !== "seconds");
  const mean = (name, which) => which.reduce((sum, round) => sum + rounds[round][name], 0) / which.length;
  const kept = names.map((name) => {
    const [early, late] = [mean(name, EARLY), mean(name, LATE)];
    const most = early * GROWTH + (name.endsWith("_bytes") ? GROWTH_BYTES : 0);
    return { name, early: Math.round(early), late: Math.round(late), kept: Number.isFinite(late) && late <= most };
  });
  for (const { name, early, late, kept: isKept } of kept) {
    console.error(`${isKept ? "flat" : "GREW"}  ${name}: ${size(name, early)} early, ${size(name, late)} late`);
  }
  for (const trouble of troubles) console.error(`trouble  ${trouble}`);
  const json = JSON.stringify({
    answers: ROUNDS * ANSWERS,
    loads: ROUNDS * (LOADS + IMPORTS),
    imports: ROUNDS * IMPORTS,
    rounds,
    flat: kept,
    troubles,
  });
  console.log(json);
  if (process.argv[2]) await writeFile(process.argv[2], `${json}\n`);
  if (troubles.length || kept.some(({ kept: isKept }) => !isKept)) process.exitCode = 1;
}

function row(found) {
  return Object.entries(found)
    .map(([name, value]) => `${name.replace(/_bytes$/, "").replace("_", " ")} ${name === "seconds" ? value : size(name, value)}`)
    .join(", ");
}

function size(name, value) {
  return name.endsWith("_bytes") ? `${(value / 1e6).toFixed(1)} MB` : String(value);
}
