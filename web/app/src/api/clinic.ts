// Types of clinical work, for programs in TypeScript.
/** A consultation, and how it is processed. */
export interface Consultation {
  transcript: string;
  /**
   * Whether a FHIR R4 Bundle is made and validated; without validation there is none. If not given, true for
   * processMedicalText and false for soapNote.
   */
  validateFhir?: boolean;
  /** Whether simple rules may do what the model could not; true if not given. */
  useFallback?: boolean;
  /** Whether the Bundle is one that a server carries out. */
  transaction?: boolean;
  /** Longest draft, 1,024 tokens if not given. */
  maxTokens?: number;
  temperature?: number;
  seed?: number;
  patient?: Patient;
  /** When, for the Bundle, such as 2026-01-31T10:00:00Z; now if not given. */
  recorded?: string;
  /** Aborting rejects. */
  signal?: AbortSignal;
}
/** What is known of the patient: danger signs depend on it. */
export interface Patient {
  age?: { days: number } | { weeks: number } | { months: number } | { years: number };
  sex?: "female" | "male";
  pregnancy?: "no" | "pregnant" | "postpartum";
}
/** Bytes of the transcript in UTF-8. */
export interface Span { start: number; end: number; }
/** A code from a table; null where nobody chose one. */
export interface Coded {
  coding: { system: string; code: string; display: string; version?: string } | null;
  chosen_by: "rule" | "model" | "person" | "nobody";
  candidates: { coding: { system: string; code: string; display: string }; score: number; matched: string; term: string; complete: boolean }[];
}
/** What came of a consultation, as `outpost extract --json` prints it. Drafts of a model: a person has to check them. */
export interface Processed {
  /** Whether there is a record and, where one was asked for, a valid Bundle. */
  success: boolean;
  data: {
    medications: {
      name: string; strength: string | null; dose: string | null; route: string | null; frequency: string | null;
      duration: string | null; status: string; dosage: string | null; rxnorm_code: string | null; coded: Coded;
      evidence: Span; quote: string;
    }[];
    conditions: {
      name: string; clinical_status: string | null; verification: string; onset: string | null; subject: "patient" | "family";
      icd10_code: string | null; coded: Coded; evidence: Span; quote: string;
    }[];
    allergies: { substance: string; reaction: string | null; verification: string; evidence: Span }[];
    vital_signs: { sign: string; value: number; unit: string; evidence: Span }[];
  };
  validation: {
    bundle_valid: boolean;
    medications: { valid: boolean; error?: string }[];
    conditions: { valid: boolean; error?: string }[];
    allergies: { valid: boolean; error?: string }[];
    vital_signs: { valid: boolean; error?: string }[];
    issues: { path: string; rule: string; message: string }[];
  };
  /** A Bundle of FHIR R4; null if there is no valid one. */
  bundle: object | null;
  /** How the record came about. */
  way: Way;
  /** What a draft said that the transcript does not. */
  dropped: Dropped[];
  /** What simple rules find in the transcript and the draft does not have. */
  overlooked: { list: "medications" | "conditions" | "allergies" | "vital_signs"; evidence: Span; quote: string }[];
  /** Every draft, and what was wrong with it. */
  repair_log: Attempt[];
  /** Danger signs by published rules, whatever the model wrote. */
  danger_signs: DangerSigns;
  /** What a person should know, in words. */
  notices: string[];
  processing_time_ms: number;
  model_info: ModelInUse;
  /** What a person changed, after reviewRecord. */
  edits?: { place: string; before: string; after: string }[];
}
/** What a person changes in a draft. */
export interface Review {
  /** What was said. */
  transcript: string;
  /** What processMedicalText gave for it. */
  result: Processed;
  /** Of two changes of the same fact the later one counts. */
  changes: Change[];
  /** The note of soapNote, where the Bundle is to have it. */
  note?: Noted["note"];
  /** Whether the Bundle is one that a server carries out. */
  transaction?: boolean;
  seed?: number;
  /** When, for the Bundle; now if not given. */
  recorded?: string;
}
/** `place`: the fact in the result's data, such as conditions[0]; `candidate`: the place in its coded.candidates. */
export type Change =
  | { place: string; change: "leave-out" }
  | { place: string; change: "take-code"; candidate: number }
  | { place: string; change: "no-code" };
/** By the model at once, after it was told what is wrong, by simple rules, or not at all. */
export type Way = "first-pass" | "repaired" | "fallback" | "blocked";
export type Urgency = "routine" | "urgent" | "emergency";
export interface Dropped { path: string; said: string; reason: string; }
/** One draft, and what was wrong with it. */
export interface Attempt { draft: string; cut: boolean; faults: { path: string; problem: string }[]; dropped: Dropped[]; }
export interface DangerSigns { floor: Urgency; found: object[]; not_applied: object[]; }
/** A number that was not said, or said otherwise. `span`: bytes of the text that it stands in. */
export interface NumberFlag { span: Span; kind: "converted" | "unit-differs" | "absent"; source: Span | null; }
export type Section = "subjective" | "objective" | "assessment" | "plan";
/** A SOAP note, as `outpost soap --json` prints it. A draft of a model: a person has to check it. */
export interface Noted {
  /** Whether there is a note and, where one was asked for, a valid Bundle. */
  success: boolean;
  note: {
    /** Each with the words of the transcript that it rests on. */
    sentences: { section: Section; text: string; quote: string; evidence: Span; numbers: NumberFlag[]; names: Span[] }[];
    /** Sections without a sentence. */
    empty: Section[];
  } | null;
  /** What the model wrote, and never less than the danger signs ask for. */
  urgency: Urgency;
  model_urgency: Urgency | null;
  danger_signs: DangerSigns;
  way: Way;
  dropped: Dropped[];
  repair_log: Attempt[];
  /** A Bundle of FHIR R4 with the record and the note; null if there is no valid one, or none was asked for. */
  bundle: object | null;
  /** The record in the Bundle. */
  record: Pick<Processed, "data" | "validation" | "way" | "dropped" | "repair_log"> | null;
  notices: string[];
  processing_time_ms: number;
  model_info: ModelInUse;
}
/** Pictures, and what is asked about them. */
export interface Imaging {
  images: (Blob | Uint8Array | ArrayBuffer)[];
  /** What is known, and what to look for: danger signs are looked for in it too. */
  question?: string;
  patient?: Patient;
  /** Longest draft, 1,024 tokens if not given. */
  maxTokens?: number;
  temperature?: number;
  seed?: number;
  /** Aborting rejects. */
  signal?: AbortSignal;
}
/** Findings in pictures, as `outpost findings --json` prints them. A draft of a model: a person has to check them. */
export interface Described {
  success: boolean;
  findings: {
    modality: "x-ray" | "ct" | "mr" | "ultrasound" | "photograph" | "fundus" | "microscopy" | "other";
    view: string;
    /** `side` is the patient's; `evidence`: what is visible that shows it. */
    findings: {
      what: string; side: "left" | "right" | "both" | "midline" | "none"; zone: string;
      certainty: "present" | "probable" | "possible" | "absent"; evidence: string;
    }[];
    impression: string;
    limitations: string;
  } | null;
  /** Numbers that the question does not have. `path`: the text, such as `findings[0].evidence`. */
  numbers: (NumberFlag & { path: string })[];
  /** What the model wrote, and never less than the danger signs in the question ask for. */
  urgency: Urgency;
  model_urgency: Urgency | null;
  danger_signs: DangerSigns;
  way: Way;
  dropped: Dropped[];
  repair_log: Attempt[];
  notices: string[];
  processing_time_ms: number;
  model_info: ModelInUse;
}
/** The model in use. */
export interface ModelInUse { model: string; quantization: string; device: string; privacy: "on-device"; }
/** Whether this device is ready to process consultations. */
export interface Health {
  ok: boolean;
  adapter: Adapter;
  wasm_heap_bytes: number | null;
  free_bytes: number | null;
  is_kept: boolean;
  model: ModelInUse | null;
  terminology: { title: string; release: string; system: string; codes: number }[];
  troubles: { message: string; remedy: string }[];
}
