// Types of tables of codes, for programs in TypeScript.
/** A table of codes that a person brought. */
export interface TableInfo {
  id: string;
  kind: "rxnorm" | "conditions" | "medications";
  title: string;
  /** Empty if nobody said. */
  release: string;
  /** Its address in FHIR. */
  system: string;
  /** How many codes are kept of it. */
  codes: number;
  /** Bytes that it takes on this device. */
  bytes: number;
  /** The files that it came from. */
  source: string;
  /** In milliseconds since 1970. */
  added_ms: number;
  /** A changed one has other bytes than were stored, and is not used. */
  status: { is: "installed" } | { is: "changed" };
}
/** What a table is, and how to follow its way in. */
export interface TableOptions {
  /** RxNorm's RXNCONSO.RRF, or a list of conditions or of medications as CSV; RxNorm if not given and a name ends in .RRF. */
  kind?: "rxnorm" | "conditions" | "medications";
  /** A name for a list; its file's own if not given. */
  title?: string;
  /** Which release; it becomes the version of each code in a Bundle. */
  release?: string;
  /** Bytes of the files that are read, and how many there are. */
  onProgress?: (done: number, total: number) => void;
  /** Aborting rejects; what was there stays. */
  signal?: AbortSignal;
}
