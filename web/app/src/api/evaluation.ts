// Types of evaluations, for programs in TypeScript.
/** Questions with known answers, and how they are asked. */
export interface EvaluationOptions {
  /**
   * JSON lines, in the fields of MedQA, MedMCQA or PubMedQA; `{question, choices, answer, image?}`; `{id, task, prompt, expected}`;
   * or `{id, transcript, expected}`.
   */
  questions: string | Blob;
  /** The pictures that questions name, each found by its own name. */
  images?: Iterable<File> | ArrayLike<File>;
  /** How an answer to a multiple-choice question is found: the likeliest choice if not given. */
  by?: "likelihood" | "generation";
  /** Whether multiple-choice questions are asked without the chat template. */
  plain?: boolean;
  /** Longest answer: 256 tokens if not given, and 1,024 for a draft of a transcript. */
  maxTokens?: number;
  /** Only the first questions, so many. */
  limit?: number;
  /** What MedMCQA's `cop` counts from, where the file does not show it. */
  copFrom?: 0 | 1;
  /** Whether to begin anew instead of going on. */
  again?: boolean;
  /** Aborting rejects; what was answered is kept. */
  signal?: AbortSignal;
  onProgress?: (progress: EvaluationProgress) => void;
}
export interface EvaluationProgress {
  done: number;
  total: number;
  /** How many were answered before this began. */
  already: number;
  /** What `value` is. */
  metric: "acc" | "exact_match" | "f1" | null;
  /** What came out so far, of 1. */
  value: number | null;
}
/** How often something was so, with Wilson's interval of 95 %. */
export interface Share { right: number; count: number; share: number; interval: { low: number; high: number }; }
/** What came out of an evaluation. */
export interface Evaluated {
  kind: "choices" | "words" | "transcripts";
  model: ModelInUse;
  questions: number;
  answered: number;
  already: number;
  /** Of all facts; of transcripts only. */
  f1: number | null;
  /** Such as `acc` and `acc_norm`; of transcripts `first_pass`, `repaired`, `fallback`, `blocked` and `valid_bundle`. */
  shares: Record<string, Share>;
  /** What `outpost eval --json` prints. */
  report: object;
  /** A line of JSON for each answer, as lm-evaluation-harness logs samples. */
  log: string;
}
/** Two logs of the same questions: B against A. */
export interface EvaluationComparison {
  metric: string;
  a: Share;
  b: Share;
  pairs: { both: number; only_a: number; only_b: number; neither: number };
  /** B's share minus A's, with Tango's interval of 95 %. */
  difference: number;
  interval: { low: number; high: number };
  mcnemar_p: number;
  same_prompts: boolean;
  /** Whether B loses less than 1 %. */
  verdict: "less" | "more" | "open";
}
