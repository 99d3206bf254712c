// The demonstration model on the transcripts that it was not trained on, in the page: which facts it finds, and how many
// records are valid at first pass, after repair, by rules alone, or blocked.
// Usage: node evaluation.mjs [N] [FILE.json], as `cargo xtask evaluation` runs it: only the first N transcripts; where the
// figures go besides stdout. A table goes to stderr, one JSON object to stdout.
import { readFile, writeFile } from "node:fs/promises";
import { newProfile, openBrowser } from "./lib/browser.mjs";
import { openReady } from "./lib/page.mjs";
import { startServer } from "./lib/server.mjs";
import { TRANSCRIPTS } from "./lib/settings.mjs";

const percent = (share) => `${(share * 100).toFixed(1)} %`;

const [limit, file] = process.argv.slice(2);
const server = await startServer();
const profile = await newProfile();
let browser;
try {
  browser = await openBrowser(profile);
  const page = await openReady(browser.context, server.address);
  await page.exposeFunction("tell", (line) => console.error(line));
  const questions = await readFile(TRANSCRIPTS, "utf8");
  const began = performance.now();
  const { log: _, ...found } = await page.evaluate(
    ({ questions, limit }) =>
      window.outpost.evaluate({
        questions,
        limit,
        again: true,
        onProgress: ({ done, total, value }) => void window.tell(`${done} of ${total}, F1 ${((value ?? 0) * 100).toFixed(1)} %`),
      }),
    { questions, limit: Number(limit) || undefined },
  );
  const seconds = (performance.now() - began) / 1000;
  const { facts } = found.report;
  console.error(`F1 ${percent(found.f1)}, precision ${percent(facts.precision)}, recall ${percent(facts.recall)}`);
  for (const [name, { share, right, count, interval }] of Object.entries(found.shares)) {
    console.error(`${name.padEnd(12)} ${percent(share)}, ${right} of ${count} (95 %: ${percent(interval.low)} to ${percent(interval.high)})`);
  }
  console.error(`${(seconds / found.answered).toFixed(1)} s a transcript on ${found.model.device}`);
  const text = JSON.stringify({ ...found, seconds });
  if (file) await writeFile(file, text);
  console.log(text);
} finally {
  await browser?.close();
  await server.kill();
  await profile.remove();
}
