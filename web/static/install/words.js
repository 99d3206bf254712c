// Numbers and sentences as people read them; the numbers as web/protocol/src/format.rs has them.

const UNITS = [
  ["GB", 1e9],
  ["MB", 1e6],
  ["kB", 1e3],
];

/** Bytes with a unit, in powers of 1000 as storage is sold. */
export function bytes(count) {
  const unit = UNITS.find(([, size]) => count >= size * 0.9995);
  if (!unit) return `${count} B`;
  const value = count / unit[1];
  return `${value.toFixed(value < 99.5 ? 1 : 0)} ${unit[0]}`;
}

/** How long until work is done; nothing while that cannot be said. */
export function remaining(bytesPerSecond, left) {
  if (!(bytesPerSecond > 0) || left <= 0) return "";
  const seconds = left / bytesPerSecond;
  return seconds < 60 ? `about ${Math.ceil(seconds / 5) * 5} s left` : `about ${Math.ceil(seconds / 60)} min left`;
}

/** A sentence without the characters that only turn its direction: a name in it could turn round what follows. */
export function inReadingOrder(sentence) {
  return sentence.replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "");
}

/** What there is of a model. */
export function facts({ bytes: stored, vision, status }) {
  switch (status.is) {
    case "installed":
      return `${bytes(stored)}, ${vision ? "text and pictures" : "text only"}`;
    case "unfinished":
      return status.total_bytes ? `Not complete: ${bytes(stored)} of about ${bytes(status.total_bytes)}.` : `Not complete: ${bytes(stored)}.`;
    default:
      return `Damaged: ${status.missing.length} ${status.missing.length === 1 ? "part" : "parts"} missing.`;
  }
}
