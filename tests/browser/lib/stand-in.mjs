// A Worker that a test speaks for: the page asks it in the same JSON, and gets whatever the test wants it to get.
// It takes the place of `Worker` in the page before its scripts run, so that the product needs no way in for tests.

/** What the stand-in says it has installed. */
export const MODEL = {
  id: "stand-in",
  name: "Stand-in",
  bytes: 1000,
  vision: true,
  notice: null,
  terms: null,
  source: "stand-in.gguf",
  status: { is: "installed" },
};

/**
 * Every page of `context` gets the stand-in. In the page `standIn` holds what it says: `models`, `answer` and `thought`
 * (text of the next answers), `failure` (message and remedy instead of the next one), and with `hold` it
 * writes until `release()`.
 */
export async function standInForWorker(context, settings = {}) {
  await context.addInitScript(installStandIn, { models: [MODEL], answer: "Yes.", thought: "", ...settings });
}

/** Runs in the page. */
function installStandIn(settings) {
  const adapter = { kind: "cpu", name: "Stand-in", why_not_gpu: null };
  const figures = { prompt_tokens: 3, completion_tokens: 2, prefill_ms: 1, decode_ms: 1 };
  const standIn = { ...settings, hold: false, asked: [], release: () => {} };
  window.standIn = standIn;

  class StandIn extends EventTarget {
    onmessage = null;
    onerror = null;

    constructor(address) {
      super();
      standIn.startedFrom = String(address);
    }

    postMessage({ text, attachments }) {
      const { id, request } = JSON.parse(text);
      standIn.asked.push({ request, attachments: attachments?.length ?? 0 });
      const reply = (event) => this.#say(id, event);
      queueMicrotask(() => this.#answer(request, reply));
    }

    terminate() {}

    #say(id, event) {
      this.onmessage?.(new MessageEvent("message", { data: { text: JSON.stringify({ id, event }) } }));
    }

    async #answer(request, reply) {
      switch (request.do) {
        case "init":
          return reply({ event: "ready", adapter });
        case "list_models":
          return reply({ event: "models", models: standIn.models });
        case "load":
          reply({ event: "state", model: request.model, state: "ready" });
          return reply({ event: "loaded", adapter, load_ms: 1 });
        case "generate":
          return this.#write(reply);
        case "stats":
          return reply({ event: "stats", stats: { pictures_encoded: 0 } });
        case "forget":
          return reply({ event: "done" });
        case "cancel":
          standIn.release();
          return reply({ event: "done" });
        default:
          return reply({ event: "failed", message: `The stand-in cannot ${request.do}.`, remedy: "" });
      }
    }

    async #write(reply) {
      const { answer, thought, failure } = standIn;
      if (failure) {
        standIn.failure = null;
        return reply({ event: "failed", ...failure });
      }
      const token = (text, thought) => reply({ event: "token", token: 1, text, thought });
      if (thought) token(thought, true);
      const middle = answer.length >> 1;
      token(answer.slice(0, middle), false);
      if (standIn.hold) await new Promise((resolve) => (standIn.release = resolve));
      token(answer.slice(middle), false);
      reply({ event: "finished", reason: "stop", text: answer, figures });
    }
  }

  Object.defineProperty(window, "Worker", { value: StandIn, configurable: true, writable: true });
}
