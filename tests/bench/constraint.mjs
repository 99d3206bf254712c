// What a constraint costs in WebAssembly with a vocabulary of 262,144 tokens: time per token until the mask is known and the
// token that was picked is taken. Each answer is written again several times. "worst" is the slowest single time by the clock,
// in which whatever else the machine does has its part; "worst_cpu" is the same by the processor's time of this process,
// compiling and collecting garbage included; "worst_of_best" is the slowest token by the fastest of its times.
//
//     node constraint.mjs MODULE.wasm ROUNDS          prints JSON

import { readFile } from "node:fs/promises";

const SEEDS = 8;
const MOST_TOKENS = 150;

const [file, rounds] = [process.argv[2], Number(process.argv[3] ?? 5)];
const { instance } = await WebAssembly.instantiate(await readFile(file));
const module = instance.exports;

const text = (address, bytes) => new TextDecoder().decode(new Uint8Array(module.memory.buffer, address, bytes));

/** Milliseconds by the clock and by the processor. */
function now() {
  const { user, system } = process.cpuUsage();
  return { ms: performance.now(), cpu_ms: (user + system) / 1000 };
}

/** One answer: what each token took. */
function answer(schema, seed) {
  const times = [];
  module.begin(schema, seed);
  while (times.length < MOST_TOKENS && !module.must_stop()) {
    const began = now();
    module.mask();
    const masked = now();
    if (!module.pick_token()) break;
    const picked = now();
    module.accept();
    const accepted = now();
    const sum = (key) => masked[key] - began[key] + accepted[key] - picked[key];
    times.push({ token: times.length, ms: sum("ms"), cpu_ms: sum("cpu_ms") });
  }
  return times;
}

/** All answers under one schema. */
function measured(schema) {
  const single = [];
  const best = [];
  for (let seed = 0; seed < SEEDS; seed += 1) {
    const again = Array.from({ length: rounds }, () => answer(schema, seed));
    single.push(...again.flat());
    best.push(...again[0].map((_, token) => Math.min(...again.map((times) => times[token].ms))));
  }
  const sorted = (key) => single.map((time) => time[key]).sort((one, other) => one - other);
  const [ms, cpu] = [sorted("ms"), sorted("cpu_ms")];
  const at = (times, part) => times[Math.floor((times.length - 1) * part)];
  return {
    name: text(module.name(schema), module.name_bytes(schema)),
    schema: text(module.text(schema), module.text_bytes(schema)),
    tokens: best.length,
    median_ms: at(ms, 0.5),
    p99_ms: at(ms, 0.99),
    worst_ms: at(ms, 1),
    p99_cpu_ms: at(cpu, 0.99),
    worst_cpu_ms: at(cpu, 1),
    worst_cpu_token: single.find((time) => time.cpu_ms === at(cpu, 1)).token,
    worst_of_best_ms: Math.max(...best),
  };
}

const began = performance.now();
const vocabulary = module.make_vocabulary();
const schemas = Array.from({ length: module.schemas() }, (_, schema) => measured(schema));
console.log(JSON.stringify({ vocabulary, rounds, took_ms: performance.now() - began, schemas }));
