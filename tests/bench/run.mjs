// Our page and its peers in one Chromium, by turns, so that whatever else the machine does meets them all.
// Usage: node run.mjs PLAN.json, as `cargo xtask bench` runs it; xtask/src/bench.rs has what a plan holds and what becomes
// of the figures. They go to the plan's `results`; what is going on goes to stderr.
import { readFile, writeFile } from "node:fs/promises";
import { newProfile, openBrowser } from "../browser/lib/browser.mjs";
import { startServer } from "../browser/lib/server.mjs";
import { CHROMIUM_FLAGS } from "../browser/lib/settings.mjs";
import { startPeerServer } from "./lib/server.mjs";
import { ask, offers, openOutpost } from "./lib/outpost.mjs";

/** Positions besides prompt and answer: room for marks, and what some engines round up to. */
const SPARE_TOKENS = 64;
/** Products in a row in one call to ONNX Runtime: software takes long for each, so that a call's own cost is nothing. */
const REPEAT = CHROMIUM_FLAGS.some((flag) => flag.includes("swiftshader")) ? 1 : 16;

const plan = JSON.parse(await readFile(process.argv[2], "utf8"));
const ours = await startServer();
const theirs = await startPeerServer(plan.model);
const profile = await newProfile();
let browser;
try {
  browser = await openBrowser(profile);
  const results = { chromium: browser.context.browser()?.version() ?? null, answers: [], kernels: [], notes: [] };
  if (plan.answers) await withPages("wllama.html", plan.model, (...pages) => answers(...pages, results));
  if (plan.kernels) await withPages("kernels.html", undefined, (...pages) => kernels(...pages, results));
  results.notes.push(...browser.troubles);
  await writeFile(plan.results, JSON.stringify(results));
} catch (error) {
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
} finally {
  await browser?.close();
  await ours.kill();
  theirs.close();
  await profile.remove();
}

/** Our page and a peer's, each in a tab. */
async function withPages(peerFile, model, use) {
  const page = await openOutpost(browser.context, ours.address, model);
  const peer = await browser.context.newPage();
  await peer.goto(`${theirs.address}/${peerFile}`);
  await peer.waitForFunction(() => window.peer);
  await use(page, peer);
  await peer.close();
}

/** Rounds of a prompt and its answer. */
async function answers(page, peer, results) {
  const contestants = [];
  if (await offers(page, "bench")) {
    contestants.push(...plan.threads.map((threads) => outpost(page, "cpu", threads)), outpost(page, "gpu", 1));
  } else {
    results.notes.push("the page has no window.outpost.bench: only its peers were measured");
  }
  contestants.push(...plan.threads.map((threads) => wllama(peer, "cpu", threads)));
  if (plan.wllama_gpu) contestants.push(wllama(peer, "gpu", 1));

  for (const contestant of contestants) {
    await attempt(contestant, "loads", async () => Object.assign(contestant, await contestant.load?.()));
    await attempt(contestant, "warms up", () => contestant.answer({ tokens: 2, seed: 0 }));
  }
  for (let round = 1; round <= plan.rounds; round += 1) {
    // Every other round goes backwards, so that none always follows the same one.
    const order = round % 2 ? contestants : contestants.toReversed();
    for (const contestant of order) {
      await attempt(contestant, `round ${round}`, async () => {
        const run = await contestant.answer({ tokens: plan.tokens, seed: round });
        contestant.runs.push(run);
        return `${run.prefill_tok_s.toFixed(1)} and ${run.decode_tok_s.toFixed(1)} tokens/s`;
      });
    }
  }
  results.answers.push(...contestants);
}

/** Does it unless the contestant failed before; a failure ends its part and no other's. */
async function attempt(contestant, what, act) {
  if (contestant.failed) return;
  const name = `${contestant.engine}, ${contestant.device}, ${contestant.threads} threads`;
  try {
    const said = await act();
    console.error(`    ${name}: ${what}${typeof said === "string" ? `: ${said}` : ""}`);
  } catch (error) {
    contestant.failed = error.message;
    console.error(`    ${name}: ${what}: failed: ${error.message}`);
  }
}

function outpost(page, device, threads) {
  return {
    engine: "outpost",
    device,
    threads,
    runs: [],
    async answer({ tokens }) {
      await page.bringToFront();
      return ask(page, "bench", { promptTokens: plan.prompt_tokens, tokens, device, threads });
    },
  };
}

function wllama(page, device, threads) {
  const gpu = device === "gpu";
  const context = plan.prompt_tokens + plan.tokens + SPARE_TOKENS;
  return {
    engine: "wllama",
    device,
    threads,
    runs: [],
    load: () => page.evaluate((options) => window.peer.load(options), { threads, gpu, context }),
    async answer({ tokens, seed }) {
      await page.bringToFront();
      const options = { threads, gpu, promptTokens: plan.prompt_tokens, tokens, seed };
      return page.evaluate((options) => window.peer.answer(options), options);
    },
  };
}

/** Each product by both, by turns. */
async function kernels(page, peer, results) {
  const { shapes, rounds, block } = plan.kernels;
  const measured = await offers(page, "benchKernels");
  if (!measured) results.notes.push("the page has no window.outpost.benchKernels: only its peer was measured");
  for (const shape of shapes) {
    const found = { ...shape, outpost: [], exact: [], int8: [] };
    const named = `${shape.rows}x${shape.cols}, ${shape.tokens} rows of x`;
    for (const accuracy of ["exact", "int8"]) {
      const { adapter } = await peer.evaluate((options) => window.peer.load(options), { ...shape, accuracy, repeat: REPEAT });
      found.adapter = adapter;
    }
    for (let round = 1; round <= rounds; round += 1) {
      for (const accuracy of ["exact", "int8"]) {
        await peer.bringToFront();
        const [ms] = await peer.evaluate((options) => window.peer.measure(options, { samples: 1, leastMs: 100 }), { ...shape, accuracy });
        found[accuracy].push(ms);
        console.error(`    MatMulNBits, ${accuracy}, ${named}: ${ms.toFixed(3)} ms`);
      }
      if (measured) {
        await page.bringToFront();
        const [{ ms }] = await ask(page, "benchKernels", { shapes: [shape], block });
        found.outpost.push(ms);
        console.error(`    outpost, ${named}: ${ms.toFixed(3)} ms`);
      }
    }
    for (const accuracy of ["exact", "int8"]) {
      await peer.evaluate((options) => window.peer.unload(options), { ...shape, accuracy });
    }
    results.kernels.push(found);
  }
}
