// llama.cpp in WebAssembly, as npm has it (@wllama/wllama): loads a model, and answers prompts of exact lengths.
// run.mjs calls `window.peer`.
import { Wllama } from "./node_modules/@wllama/wllama/esm/index.js";

const WASM = { default: new URL("./node_modules/@wllama/wllama/esm/wasm/wllama.wasm", import.meta.url).href };

/** A prompt can only be given as text. Each of these with a space before it is one token in Gemma's vocabulary. */
const WORDS = "abcdefghijklmnopqrstuvwxyz";

let file;
/** By threads and GPU layers: each stays loaded, so that rounds can alternate. */
const loaded = new Map();

/** Logs of the engine, the last ones: what explains a failure. */
const said = [];
const keep = (...words) => {
  said.push(words.join(" "));
  if (said.length > 200) said.shift();
};
const logger = { debug: keep, log: keep, warn: keep, error: keep };

async function load({ threads, gpu = false, context }) {
  file ??= await (await fetch("/model.gguf")).blob();
  const engine = new Wllama(WASM, { logger });
  const began = performance.now();
  await engine.loadModel([file], {
    n_threads: threads,
    n_gpu_layers: gpu ? 99_999 : 0,
    n_ctx: context,
    // One conversation at a time, as every other engine here.
    n_parallel: 1,
    // No copies of the cache between answers: they would be time that no token needs.
    n_ctx_checkpoints: 0,
    cache_idle_slots: false,
  });
  const loadMs = performance.now() - began;
  // Marks that the tokenizer adds.
  const { timings } = await complete(engine, { words: 8, tokens: 1, seed: 0 });
  loaded.set(key(threads, gpu), { engine, added: timings.prompt_n - 8 });
  const { n_batch, n_ubatch, n_layer } = engine.getLoadedContextInfo();
  return { load_ms: loadMs, threads: engine.getNumThreads(), n_batch, n_ubatch, n_layer };
}

/** A prompt of `promptTokens` and `tokens` tokens after the first. Another seed gives another prompt. */
async function answer({ threads, gpu = false, promptTokens, tokens, seed }) {
  const { engine, added } = loaded.get(key(threads, gpu));
  const { timings, first_ms, all_ms } = await complete(engine, { words: promptTokens - added, tokens: tokens + 1, seed });
  const { cache_n, prompt_n, prompt_ms, predicted_n, predicted_ms } = timings;
  if (cache_n !== 0 || prompt_n !== promptTokens || predicted_n !== tokens + 1) {
    throw new Error(
      `wllama computed ${prompt_n} tokens of the prompt, took ${cache_n} from its cache and gave ${predicted_n}, ` +
        `in place of ${promptTokens}, 0 and ${tokens + 1}`,
    );
  }
  return {
    prompt_tokens: prompt_n,
    // The engine's own clock, without messages between page and Worker.
    prefill_ms: prompt_ms,
    prefill_tok_s: (prompt_n * 1000) / prompt_ms,
    // The first token comes from the prefill, and the clock for the others starts there.
    decoded_tokens: tokens,
    decode_ms: predicted_ms,
    decode_tok_s: (tokens * 1000) / predicted_ms,
    page_first_ms: first_ms,
    page_ms: all_ms,
  };
}

/** Computes the whole prompt, whatever was asked before, and always takes the likeliest token. */
async function complete(engine, { words, tokens, seed }) {
  const began = performance.now();
  let first_ms;
  let timings;
  await engine.createCompletion({
    prompt: prompt(words, seed),
    stream: true,
    onData: (chunk) => {
      first_ms ??= performance.now() - began;
      timings = chunk.timings ?? timings;
    },
    max_tokens: tokens,
    cache_prompt: false,
    ignore_eos: true,
    // The cheapest way to take the likeliest token.
    samplers: ["top_k"],
    top_k: 1,
    temperature: 0,
  });
  return { timings, first_ms, all_ms: performance.now() - began };
}

/** Words drawn by a linear congruence (Numerical Recipes, chapter 7.1). */
function prompt(words, seed) {
  let state = seed >>> 0;
  const draw = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return WORDS[(state >>> 16) % WORDS.length];
  };
  return Array.from({ length: words }, draw).join(" ");
}

async function unload({ threads, gpu = false }) {
  await loaded.get(key(threads, gpu))?.engine.exit();
  loaded.delete(key(threads, gpu));
}

const key = (threads, gpu) => `${threads} ${gpu}`;

window.peer = { load, answer, unload, said, isolated: crossOriginIsolated };
