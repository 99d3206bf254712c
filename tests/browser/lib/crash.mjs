// Ends what a page computes with: the GPU's process, or the engine's Worker.

/** Chromium's flags without which a page gets no GPU any more after its process died twice. */
export const KEEPS_GPU = ["--disable-domain-blocking-for-3d-apis", "--disable-gpu-process-crash-limit"];

/** Crashes the process that speaks with the GPU. */
export async function crashGpu(page) {
  const session = await page.context().newCDPSession(page);
  await session.send("Browser.crashGpuProcess").catch(() => {});
  await session.detach().catch(() => {});
}

/** The engine's Worker: the newest, since one that was ended is listed for a moment longer. */
export const engine = (page) => page.workers().findLast((worker) => worker.url().endsWith("/worker.js"));

/** A trap in the engine's module, as far as the Worker's script can tell. */
export function trap(page) {
  return engine(page).evaluate(() => {
    setTimeout(() => {
      throw new WebAssembly.RuntimeError("a trap");
    });
  });
}

/** A trap once so many more tokens of an answer have been sent, in this Worker or in the newest one. */
export function trapAfter(page, tokens, worker = engine(page)) {
  return worker.evaluate((tokens) => {
    const post = self.postMessage.bind(self);
    let left = tokens;
    self.postMessage = (message, ...rest) => {
      post(message, ...rest);
      if (!message.text?.includes('"event":"token"') || (left -= 1) !== 0) return;
      setTimeout(() => {
        throw new WebAssembly.RuntimeError("a trap");
      });
    };
  }, tokens);
}

/** Ends the Worker in the middle of whatever it does; the page is not told. */
export function close(page) {
  return engine(page).evaluate(() => self.close()).catch(() => {});
}
