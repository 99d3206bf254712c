// Speaks with the Worker, in the messages of web/protocol: one call, events while it goes on, and a last one.

/** Events after which more of the same call follows (web/protocol/src/event.rs). */
const NOT_THE_LAST = ["state", "progress", "token", "restarted"];
/** The one script that this page's policy of Trusted Types lets it start. */
const SCRIPT = "worker.js";

const calls = new Map();
let worker;
let last = 0;

const policy = globalThis.trustedTypes?.createPolicy("outpost", {
  createScriptURL(file) {
    if (file !== SCRIPT) throw new TypeError("this script may not be started");
    return file;
  },
});

/** Sends a request -> its number, and what it ends with. `seen` is told everything before that. */
export function call(request, seen = () => {}) {
  const id = (last += 1);
  const ended = new Promise((resolve) => calls.set(id, { seen, resolve }));
  running().postMessage({ text: JSON.stringify({ id, request }), attachments: [] });
  return { id, ended };
}

/** Sends a request -> what it ends with. */
export const ask = (request) => call(request).ended;

function running() {
  if (worker) return worker;
  worker = new Worker(policy ? policy.createScriptURL(SCRIPT) : SCRIPT, { type: "module", name: "outpost-engine" });
  worker.onmessage = ({ data }) => receive(JSON.parse(data.text));
  worker.onerror = (event) => {
    event.preventDefault();
    failed("its program could not be loaded");
  };
  return worker;
}

function receive({ id, event }) {
  if (id === null) return event.event === "failed" && failed(event.message);
  const known = calls.get(id);
  if (!known) return;
  if (NOT_THE_LAST.includes(event.event)) return known.seen(event);
  calls.delete(id);
  known.resolve(event);
}

/** Ends the Worker and every call; the next one starts another. */
function failed(why) {
  worker?.terminate();
  worker = undefined;
  const event = { event: "failed", message: `The engine stopped working (${why}).`, remedy: "Load this page again. What was fetched is kept." };
  for (const { resolve } of calls.values()) resolve(event);
  calls.clear();
}
