// Starts the engine inside a dedicated Worker. Messages that arrive before it runs wait here.
const waiting = [];
self.onmessage = (event) => waiting.push(event.data);

// A Worker that has failed says so once with no call id; the page then starts another one.
function fail(error) {
  const message = String(error?.message ?? error ?? "unknown error").slice(0, 300);
  const event = { event: "failed", message: `The engine stopped: ${message}.`, remedy: "" };
  self.postMessage({ text: JSON.stringify({ id: null, event }) });
}
self.addEventListener("error", (event) => fail(event.error ?? event.message));
self.addEventListener("unhandledrejection", (event) => fail(event.reason));

const engine = await import("./engine/outpost_worker.js");
await engine.default();
self.onmessage = (event) => engine.receive(event.data);
for (const message of waiting.splice(0)) engine.receive(message);
