// A helper's module by itself: its products, with the instructions that only WebAssembly has, beside products that are summed
// plainly from the rows that it decodes.
import { test } from "node:test";
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { DIST } from "../lib/settings.mjs";

/** What a job begins with (engine/src/kernels/simd/job.rs). */
const [LINEAR, EMBED] = [1, 2];
const JOB_WORDS = 16;
const FAILED = 0xffffffff;

/** ggml's number, elements of a block, and its bytes of values, high bits, scales and scales of scales. */
const TYPES = {
  F32: [0, 1, [4, 0, 0, 0]],
  F16: [1, 1, [2, 0, 0, 0]],
  BF16: [30, 1, [2, 0, 0, 0]],
  Q4_0: [2, 32, [16, 0, 2, 0]],
  Q4_1: [3, 32, [16, 0, 4, 0]],
  Q5_0: [6, 32, [16, 4, 2, 0]],
  Q5_1: [7, 32, [16, 4, 4, 0]],
  Q8_0: [8, 32, [32, 0, 2, 0]],
  Q2_K: [10, 256, [64, 0, 16, 4]],
  Q3_K: [11, 256, [64, 32, 12, 2]],
  Q4_K: [12, 256, [128, 0, 16, 0]],
  Q5_K: [13, 256, [128, 32, 16, 0]],
  Q6_K: [14, 256, [128, 64, 16, 2]],
};
const [VALUES, , SCALES, SUPER_SCALES] = [0, 1, 2, 3];

/** Tokens, rows and columns; as many columns as blocks can hold. */
const SHAPES = [
  [1, 1, 32],
  [1, 65, 640],
  [2, 63, 96],
  [3, 65, 160],
  [5, 17, 320],
  [17, 33, 1312],
  [260, 2, 32],
];

/** Rounding of f32, and of activations to 16 bits, as part of the lengths of both vectors. */
const EXACT = 2e-6;
const QUANTISED = 5e-5;

const module = await WebAssembly.compile(await readFile(join(DIST, "engine/thread.wasm")));

for (const [name, [type, elements, parts]] of Object.entries(TYPES)) {
  test(`products of ${name} are those of its rows`, () => {
    const helper = start();
    const random = generator(type + 1);
    for (const [tokens, rows, least] of SHAPES) {
      const cols = Math.ceil(least / elements) * elements;
      const { bytes, planes } = piece(name, elements, parts, rows * cols, random);
      const slot = helper.keep(bytes);
      const ids = new Float32Array(Uint32Array.from({ length: rows }, (_, row) => row).buffer);
      const decoded = helper.run(slot, [EMBED, type, ...planes, rows, rows, cols, 0, bits(1)], ids);
      // Mostly small, some large, as activations are.
      const x = Float32Array.from({ length: tokens * cols }, () => (2 * random() - 1) ** 5 * 20 + 0.05);
      const y = helper.run(slot, [LINEAR, type, ...planes, tokens, rows, cols, 0, rows], x);
      assert.equal(y.length, tokens * rows);
      const allowed = elements === 1 ? EXACT : QUANTISED;
      for (let place = 0; place < y.length; place += 1) {
        const [token, row] = [Math.floor(place / rows), place % rows];
        const { sum, lengths } = product(decoded, row * cols, x, token * cols, cols);
        assert.ok(Math.abs(y[place] - sum) <= allowed * lengths, `${y[place]} for ${sum} at ${place} of ${tokens}x${rows}x${cols}`);
      }
      helper.release(slot);
    }
  });
}

test("a job that makes no sense is refused in words, and the next one is done", () => {
  const helper = start();
  const slot = helper.keep(new Uint8Array(64).fill(1));
  assert.throws(() => helper.run(slot, Array(JOB_WORDS).fill(FAILED), new Float32Array(1)), /type/);
  assert.throws(() => helper.run(slot + 1, [LINEAR, 0, 0, 0, 0, 1, 1, 16, 0, 1], new Float32Array(16)), /\w/);
  assert.equal(helper.run(slot, [LINEAR, 0, 0, 0, 0, 1, 1, 16, 0, 1], new Float32Array(16)).length, 1);
});

/** The module with a memory of its own. */
function start() {
  const { exports } = new WebAssembly.Instance(module, {});
  const bytesAt = (address, count) => new Uint8Array(exports.memory.buffer, address >>> 0, count);
  const numbersAt = (address, count) => new Float32Array(exports.memory.buffer, address >>> 0, count);
  return {
    keep(bytes) {
      const slot = exports.reserve(bytes.length);
      bytesAt(exports.kept(slot), bytes.length).set(bytes);
      return slot;
    },
    release: (slot) => exports.release(slot),
    run(slot, words, input) {
      // An address holds until the next call.
      const address = exports.input(input.length);
      numbersAt(address, input.length).set(input);
      const job = Uint32Array.from({ length: JOB_WORDS }, (_, index) => words[index] ?? 0);
      bytesAt(exports.job(), job.byteLength).set(new Uint8Array(job.buffer));
      const count = exports.run(slot) >>> 0;
      if (count === FAILED) throw new Error(new TextDecoder().decode(bytesAt(exports.error(), exports.error_bytes())));
      const output = numbersAt(exports.output(), count).slice();
      exports.finished();
      return output;
    },
  };
}

/** Random weights as they lie in a piece of a matrix: part after part, each from a whole quad of words on. */
function piece(name, elements, parts, count, random) {
  const bytes = [];
  const starts = parts.map((size, part) => {
    while (bytes.length % 16) bytes.push(0);
    const start = bytes.length / 16;
    for (const byte of filled(name, elements, part, Math.ceil(((count / elements) * size) / 4) * 4, random)) bytes.push(byte);
    return start;
  });
  while (bytes.length % 16) bytes.push(0);
  return { bytes: Uint8Array.from(bytes), planes: starts.slice(1) };
}

/** Bytes of a part in which every number with a fraction is one that a weight could be. */
function filled(name, elements, part, count, random) {
  const bytes = Uint8Array.from({ length: count }, () => random() * 256);
  const view = new DataView(bytes.buffer);
  const halves = (step, numbers) => {
    for (let at = 0; at + 2 * numbers <= count; at += step) {
      for (let index = 0; index < numbers; index += 1) view.setUint16(at + 2 * index, half(random), true);
    }
  };
  if (name === "F32") for (let at = 0; at < count; at += 4) view.setFloat32(at, 2 * random() - 1, true);
  else if (name === "BF16") for (let at = 0; at < count; at += 2) view.setUint16(at, bits(2 * random() - 1) >>> 16, true);
  else if (name === "F16" && part === VALUES) halves(2, 1);
  else if (part === SUPER_SCALES || (part === SCALES && elements === 32)) halves(2, 1);
  // The first two halves of these scales are the block's own.
  else if (part === SCALES && (name === "Q4_K" || name === "Q5_K")) halves(16, 2);
  return bytes;
}

/** Half precision: zero, subnormal, or of an ordinary size. */
function half(random) {
  const sign = random() < 0.5 ? 0x8000 : 0;
  const kind = Math.floor(random() * 8);
  if (kind === 0) return 0;
  if (kind === 1) return sign | (1 + Math.floor(random() * 1023));
  return sign | ((7 + Math.floor(random() * 5)) << 10) | Math.floor(random() * 1024);
}

/** A product of two vectors, and the product of their lengths. */
function product(a, aStart, b, bStart, count) {
  let [sum, aSquares, bSquares] = [0, 0, 0];
  for (let index = 0; index < count; index += 1) {
    const [left, right] = [a[aStart + index], b[bStart + index]];
    sum += left * right;
    aSquares += left * left;
    bSquares += right * right;
  }
  return { sum, lengths: Math.sqrt(aSquares * bSquares) };
}

/** The bits of an f32. */
function bits(number) {
  return new Uint32Array(Float32Array.of(number).buffer)[0];
}

/** Numbers in 0..1, the same each time. */
function generator(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
