// Starts the engine inside a dedicated Worker. Messages that arrive before it runs wait here.
const waiting = [];
self.onmessage = (event) => waiting.push(event.data);

// Says with no call id that this Worker cannot go on; the page then starts another one.
function fail(message) {
  const event = { event: "failed", message: String(message).slice(0, 300), remedy: "" };
  self.postMessage({ text: JSON.stringify({ id: null, event }) });
}

// After a trap the module's memory means nothing any more.
function trapped(error) {
  if (error instanceof WebAssembly.RuntimeError) fail(error.message);
}
self.addEventListener("error", (event) => trapped(event.error));
self.addEventListener("unhandledrejection", (event) => trapped(event.reason));

try {
  const engine = await import("./engine/outpost_worker.js");
  await engine.default();
  self.onmessage = (event) => engine.receive(event.data);
  for (const message of waiting.splice(0)) engine.receive(message);
} catch (error) {
  console.warn(error);
  fail("its program could not be loaded");
}
