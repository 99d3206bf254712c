// Runs every spec, one after the other: each has a browser of its own, and software WebGPU takes all cores.
// Before them what the specs rest on proves itself (lib/*.test.mjs).
// Usage: node run.mjs [PART-OF-A-NAME...]; settings are in lib/settings.mjs.
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { run } from "node:test";
import { spec } from "node:test/reporters";

const wanted = process.argv.slice(2);
const files = ["lib/", "specs/"].flatMap((part) => {
  const folder = fileURLToPath(new URL(part, import.meta.url));
  return readdirSync(folder)
    .filter((name) => name.endsWith(".test.mjs"))
    .filter((name) => wanted.length === 0 || wanted.some((word) => name.includes(word)))
    .sort()
    .map((name) => folder + name);
});

if (files.length === 0) {
  console.error(`error: no spec is called like ${wanted.join(" or ")}`);
  process.exit(2);
}

run({ files, concurrency: 1, timeout: 20 * 60_000 })
  .on("test:fail", () => (process.exitCode = 1))
  .compose(spec)
  .pipe(process.stdout);
