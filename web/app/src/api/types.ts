// Types of the public client, for programs in TypeScript.
/** What computes. */
export interface Adapter { kind: "gpu" | "cpu"; name: string; why_not_gpu: string | null; }
/** An installed model. */
export interface ModelInfo {
  id: string;
  name: string;
  bytes: number;
  vision: boolean;
  notice: string | null;
  /** Under which terms it may be used, if anybody said. */
  terms: string | null;
  /** When the person accepted them on this device, in milliseconds since 1970; null if nobody was asked. */
  accepted_ms: number | null;
  /** Where it came from: an address, or names of files. */
  source: string;
  /** Only an installed one can be loaded. What is not finished or damaged is added again, and what there is of it is kept. */
  status:
    | { is: "installed" }
    | { is: "unfinished"; done_bytes: number; total_bytes: number }
    | { is: "damaged"; missing: string[] };
}
/** An installed model as one file, a tar archive, at a blob: address. */
export interface ModelFile { address: string; name: string; bytes: number; }
/** One turn. A system message stands first. */
export interface Message { role: "user" | "assistant" | "system"; content: string; }
/** A piece of the answer; `text` is empty while a character is incomplete. */
export interface Token { text: string; tokenId: number; thought: boolean; }
/** What to answer, and how. `images` go with the last user message, before its text. */
export interface GenerateOptions {
  messages: Message[];
  images?: (Blob | Uint8Array | ArrayBuffer)[];
  /** Longest answer, 512 if not given. */
  maxTokens?: number;
  /** 0, the default, always takes the likeliest token. */
  temperature?: number;
  topK?: number;
  topP?: number;
  minP?: number;
  repetitionPenalty?: number;
  /** The same seed gives the same answer. */
  seed?: number;
  /** Aborting ends the answer early, without an error. */
  signal?: AbortSignal;
}
/** What to measure. A model that is to compute elsewhere is loaded there first, and stays there. */
export interface BenchOptions {
  /** Tokens to read, 128 if not given. */
  promptTokens?: number;
  /** Tokens to write after the first one, 32 if not given. */
  tokens?: number;
  /** Where to compute; where the model is if neither this nor `threads` is given. */
  device?: "auto" | "gpu" | "cpu";
  /** Threads on the processor, the engine's own among them. */
  threads?: number;
}
/** How fast the loaded model is, with the keys of `outpost bench`; null where nothing is counted. */
export interface BenchReport {
  adapter: string;
  device: "gpu" | "cpu";
  threads: number;
  /** What the GPU was found to compute wrongly, and what is therefore not used. */
  switched_off: string[];
  load_ms: number;
  prompt_tokens: number;
  prefill_ms: number;
  /** Tokens read in a second. */
  prefill_tok_s: number;
  decoded_tokens: number;
  decode_ms: number;
  /** Tokens written in a second. */
  decode_tok_s: number;
  weight_bytes: number | null;
  bytes_read_per_token: number | null;
  dispatches_per_token: number | null;
  submits_per_token: number | null;
  readback_bytes_per_token: number | null;
  gpu_bytes_peak: number | null;
  wasm_heap_bytes: number | null;
}
/** How a model would run here, and what that was concluded from. */
export interface Fit {
  verdict: { rating: "well" | "slowly" | "not"; why: string; remedy: string };
  need: { stored_bytes: number; weight_bytes: number };
  /** Whether storage took a file of that length; null where the page has no storage. */
  has_room: boolean | null;
  /** What the browser says may be stored still: an estimate, which some browsers round so that it tells nothing. */
  free_bytes: number | null;
  /** Whether the browser has promised not to clear the page's storage by itself. */
  is_kept: boolean;
  adapter: Adapter;
  /** What could be had on the GPU, of what is needed and no more; null without one. */
  gpu_bytes: number | null;
  expected_tok_s: number | null;
}
/** A product of x [tokens, cols] with 4-bit weights W [rows, cols]; cols in blocks of 32. */
export interface ProductShape { rows: number; cols: number; tokens: number; }
/** Which products to measure, on "gpu", "cpu", or the GPU where there is one ("auto", if not given). */
export interface KernelBenchOptions { shapes: ProductShape[]; device?: "auto" | "gpu" | "cpu"; }
/** How long a product took: one of many, with one wait at the end. */
export interface ProductTime extends ProductShape { ms: number; }
/** Errors carry what to do next. */
export interface OutpostError extends Error { remedy: string; }
