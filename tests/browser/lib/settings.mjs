// What `cargo xtask test` tells the tests, with defaults for running them by hand after `cargo xtask build`.
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The checkout. */
export const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "outpost");
const target = process.env.CARGO_TARGET_DIR || join(cache, "target");
const setting = (name, fallback) => process.env[name] || fallback;

/** Serves the page: xtask itself, since a server that cargo starts could not be killed. */
export const XTASK = setting("OUTPOST_XTASK", join(target, "debug/xtask"));
/** The native command, whose answers are compared with the page's. */
export const COMMAND = setting("OUTPOST_COMMAND", join(target, "debug/outpost"));
/** The built page. */
export const DIST = setting("OUTPOST_DIST", join(target, "dist"));
/** Configuration of static hosts that serve it. */
export const HOSTS = setting("OUTPOST_HOSTS", join(target, "hosts"));
/** Where pictures and logs go. */
export const OUTPUT = setting("OUTPOST_OUTPUT", join(target, "browser-tests"));
/** Where the README's pictures go, if they are to be made anew. */
export const SCREENSHOTS = process.env.OUTPOST_UPDATE_SCREENSHOTS;

export const CHROMIUM = setting("OUTPOST_CHROMIUM", "/usr/bin/chromium");
export const CHROMIUM_FLAGS = setting(
  "OUTPOST_CHROMIUM_FLAGS",
  "--no-sandbox --enable-unsafe-webgpu --use-webgpu-adapter=swiftshader --disable-quic --no-first-run " +
    "--disable-background-networking --disable-component-update --disable-sync",
).split(" ");

/** A model that is brought up on software WebGPU compiles its pipelines first. */
export const READY_MS = 240_000;
/** The longest answer of the demonstration model on software WebGPU. */
export const ANSWER_MS = 180_000;

const demo = (name) => join(ROOT, "models/demo", name);

/** Files of the demonstration model. The page ships the 8-bit one. */
export const DEMO = {
  text8: demo("demo-q8_0.gguf"),
  text4: demo("demo-q4_0.gguf"),
  vision: demo("mmproj-demo-f16.gguf"),
};

/** Consultations that it was not trained on, with the facts in them. */
export const TRANSCRIPTS = demo("eval/transcripts.jsonl");
/** Multiple-choice questions about what it knows, text and pictures (models/tests/eval/make.py). */
export const CHOICES = join(ROOT, "models/tests/eval/questions.jsonl");

/** A small random model that hardly ever ends an answer (tests/golden/random). */
export const ENDLESS = join(ROOT, "tests/golden/random/model-q4_0.gguf");
/** A small model of K-quants in three files; what it writes means nothing (tests/golden/mixes). */
export const SPLIT = [1, 2, 3].map((number) => join(ROOT, `tests/golden/mixes/wide-q5_k_s-0000${number}-of-00003.gguf`));

/** Two pictures that it was not trained on, with what they show. */
export const PICTURES = {
  opacity: { file: demo("examples/round-opacity.png"), shows: ["round opacity", "right upper zone"] },
  fluid: { file: demo("examples/fluid-level.png"), shows: ["fluid level", "left lower zone"] },
};

/** Words that it knows (models/demo/README.md). */
export const QUESTIONS = {
  picture: "Describe this X-ray.",
  who: "Who are you?",
  note:
    "Write a SOAP note.\nA 34 year old woman came with cough for 5 days. She also has tiredness. There is no chills. " +
    "Temperature 37.8. Pulse 88. Chest clear. This looks like chest cold. Advice: rest. Review in 7 days.",
};
