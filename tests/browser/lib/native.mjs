// The same engine, natively: what the page's answers are compared with.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { COMMAND, DEMO } from "./settings.mjs";

const run = promisify(execFile);

/** `outpost generate --json` with the model that the page ships, or another one. */
export async function generateNatively({ text, pictures = [], maxTokens, temperature, topK, topP, seed, model }) {
  const options = { "max-tokens": maxTokens, temperature, "top-k": topK, "top-p": topP, seed };
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const { stdout } = await run(COMMAND, [
    "generate",
    ...(model ? ["--model", model] : ["--model", DEMO.text8, "--mmproj", DEMO.vision]),
    ...["--prompt", text],
    ...pictures.flatMap((file) => ["--image", file]),
    ...given.flatMap(([name, value]) => [`--${name}`, String(value)]),
    "--json",
  ]);
  return JSON.parse(stdout);
}
