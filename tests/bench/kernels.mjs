// ONNX Runtime Web's product with a matrix of four bits (MatMulNBits) on WebGPU, with nothing around it.
// run.mjs calls `window.peer`.
import * as ort from "./node_modules/onnxruntime-web/dist/ort.webgpu.bundle.min.mjs";
import { matMulNBits } from "./onnx.mjs";

ort.env.wasm.wasmPaths = new URL("./node_modules/onnxruntime-web/dist/", import.meta.url).href;
ort.env.wasm.numThreads = 1;
ort.env.logLevel = "error";

/** Elements that share a scale, as in Q4_0. */
const BLOCK = 32;
/** 0: the runtime computes as exactly as its input. 4: it may round x to eight bits. */
const ACCURACY = { exact: 0, int8: 4 };
/** Elements of y that are compared with a plain product. */
const CHECKED = 16;
/** Largest error of those, as a part of the largest element. */
const TOLERANCE = { exact: 1e-4, int8: 2e-2 };

const sessions = new Map();
let device;

/** Prepares a product, `repeat` times in a row, over which what a call costs is spread; checks what it gives. */
async function load({ rows, cols, tokens, accuracy, repeat }) {
  const weights = random(rows, cols);
  const x = Float32Array.from({ length: tokens * cols }, () => draw() * 2 - 1);
  const model = matMulNBits({ rows, cols, tokens, block: BLOCK, ...weights, accuracy: ACCURACY[accuracy], repeat });
  const session = await ort.InferenceSession.create(model, {
    executionProviders: ["webgpu"],
    preferredOutputLocation: "gpu-buffer",
    // Equal nodes are to stay: the optimiser would compute them once.
    graphOptimizationLevel: "disabled",
  });
  device = await ort.env.webgpu.device;
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
  const buffer = device.createBuffer({ size: x.byteLength, usage });
  device.queue.writeBuffer(buffer, 0, x);
  const feeds = { x: ort.Tensor.fromGpuBuffer(buffer, { dataType: "float32", dims: [tokens, cols] }) };
  sessions.set(key({ rows, cols, tokens, accuracy }), { session, feeds, repeat });

  const results = await session.run(feeds);
  const y = await results[`y${repeat - 1}`].getData();
  for (const result of Object.values(results)) result.dispose();
  const error = largestError(y, { rows, cols, tokens, x, ...weights });
  if (!(error < TOLERANCE[accuracy])) {
    throw new Error(`MatMulNBits is off by ${error} of the largest element (${rows}x${cols}, ${accuracy})`);
  }
  return { adapter: adapterName(), error };
}

/** Milliseconds of one product, `samples` times, each over as many calls as take `leastMs` together. */
async function measure(shape, { samples, leastMs }) {
  const { session, feeds, repeat } = sessions.get(key(shape));
  const timed = async (calls) => {
    const began = performance.now();
    for (let call = 0; call < calls; call += 1) {
      const results = await session.run(feeds);
      for (const result of Object.values(results)) result.dispose();
    }
    await device.queue.onSubmittedWorkDone();
    return performance.now() - began;
  };
  let calls = 1;
  for (let took = await timed(1); took < leastMs; took = await timed(calls)) calls *= 2;
  const found = [];
  for (let sample = 0; sample < samples; sample += 1) found.push((await timed(calls)) / (calls * repeat));
  return found;
}

async function unload(shape) {
  await sessions.get(key(shape))?.session.release();
  sessions.delete(key(shape));
}

function adapterName() {
  const { vendor = "", architecture = "", description = "" } = device.adapterInfo ?? {};
  return [vendor, architecture, description].filter((word) => word).join(" ");
}

const key = ({ rows, cols, tokens, accuracy }) => [rows, cols, tokens, accuracy].join(" ");

// Linear congruence (Numerical Recipes, chapter 7.1).
let state = 1;
function draw() {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return state / 2 ** 32;
}

/** A matrix in packed nibbles, the lower one first, and its scales. */
function random(rows, cols) {
  const packed = Uint8Array.from({ length: (rows * cols) / 2 }, () => draw() * 256);
  const scales = Float32Array.from({ length: (rows * cols) / BLOCK }, () => (draw() + 0.5) / 100);
  return { packed, scales };
}

/** Of some elements spread over y: [tokens, rows]. */
function largestError(y, { rows, cols, tokens, x, packed, scales }) {
  let [worst, largest] = [0, 0];
  for (let number = 0; number < CHECKED; number += 1) {
    const at = Math.floor(((number + 0.5) / CHECKED) * rows * tokens);
    const [token, row] = [Math.floor(at / rows), at % rows];
    let sum = 0;
    for (let col = 0; col < cols; col += 1) {
      const index = row * cols + col;
      const nibble = (packed[index >> 1] >> (4 * (index & 1))) & 15;
      sum += x[token * cols + col] * (nibble - 8) * scales[Math.floor(index / BLOCK)];
    }
    worst = Math.max(worst, Math.abs(sum - y[at]));
    largest = Math.max(largest, Math.abs(sum));
  }
  return worst / largest;
}

window.peer = { load, measure, unload };
