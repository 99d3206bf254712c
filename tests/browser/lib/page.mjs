// The page by its contract: `data-testid` and `window.outpost`, nothing else.
import assert from "node:assert/strict";
import { ANSWER_MS, READY_MS } from "./settings.mjs";

export const part = (page, id) => page.getByTestId(id);

/** Opens the page and waits until its model answers. */
export async function openReady(context, address) {
  const page = context.pages()[0] ?? (await context.newPage());
  await page.goto(address);
  await ready(page);
  return page;
}

/** Waits until the model answers; fails at once if it says that it cannot. */
export async function ready(page) {
  await page.waitForFunction(
    () => ["ready", "error"].includes(document.querySelector("[data-testid=model-state]")?.textContent),
    undefined,
    { timeout: READY_MS },
  );
  const state = await part(page, "model-state").textContent();
  assert.equal(state, "ready", `the model is not ready: ${await problem(page)}`);
}

/** Waits until the application is stored for use without a network. */
export async function storedForOffline(page) {
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
}

/** What the page says went wrong, or an empty string. */
export async function problem(page) {
  const shown = part(page, "error");
  return (await shown.count()) ? (await shown.innerText()).trim() : "";
}

/** Puts a question, with pictures, and sends it. */
export async function send(page, text, pictures = []) {
  if (pictures.length) await part(page, "attach-image").setInputFiles(pictures);
  await part(page, "prompt").fill(text);
  await part(page, "send").click();
}

/** Waits until nothing is being answered, and returns the newest answer. */
export async function answered(page) {
  await part(page, "send").waitFor({ timeout: ANSWER_MS });
  return (await part(page, "answer").innerText()).trim();
}

/** Asks and returns the answer; an error on the page is a failure. */
export async function ask(page, text, pictures = []) {
  const before = await page.getByTestId("answer").count();
  await send(page, text, pictures);
  if (!before) await part(page, "answer").waitFor({ state: "attached" });
  const answer = await answered(page);
  assert.equal(await problem(page), "", "the page shows an error");
  assert.notEqual(answer, "", "the answer is empty");
  return answer;
}

/** Begins a conversation without the turns before it, if there are any. */
export async function newConversation(page) {
  if (await part(page, "answer").count()) await page.getByRole("button", { name: "New conversation" }).click();
}

/** Every token of one answer through `window.outpost`; `pictures` as bytes. */
export async function generate(page, { text, pictures = [], stopAfter, ...options }) {
  const images = pictures.map((bytes) => bytes.toString("base64"));
  return page.evaluate(
    async ({ text, images, stopAfter, options }) => {
      const bytes = images.map((image) => Uint8Array.from(atob(image), (char) => char.charCodeAt(0)));
      const aborter = new AbortController();
      const found = { text: "", ids: [], pieces: 0 };
      const stream = window.outpost.generate({
        messages: [{ role: "user", content: text }],
        images: bytes,
        signal: aborter.signal,
        ...options,
      });
      for await (const token of stream) {
        found.text += token.text;
        found.ids.push(token.tokenId);
        found.pieces += 1;
        if (found.pieces === stopAfter) aborter.abort();
      }
      return found;
    },
    { text, images, stopAfter, options },
  );
}

/** The same with the time until the first and until the last token. For models that take minutes. */
export async function generateTimed(page, { text, pictures = [], maxTokens }) {
  const images = pictures.map((bytes) => bytes.toString("base64"));
  return page.evaluate(
    async ({ text, images, maxTokens }) => {
      const bytes = images.map((image) => Uint8Array.from(atob(image), (char) => char.charCodeAt(0)));
      const found = { text: "", ids: [], firstMs: 0, lastMs: 0 };
      const began = performance.now();
      const messages = [{ role: "user", content: text }];
      for await (const token of window.outpost.generate({ messages, images: bytes, maxTokens })) {
        found.lastMs = performance.now() - began;
        if (found.ids.length === 0) found.firstMs = found.lastMs;
        found.text += token.text;
        found.ids.push(token.tokenId);
      }
      return found;
    },
    { text, images, maxTokens },
  );
}

/** Has models compute on "gpu" or "cpu", or where it is faster ("auto"), and waits for the one in use. */
export async function computeOn(page, device) {
  await page.getByRole("button", { name: "Models", exact: true }).click();
  await part(page, "device-choice").selectOption(device);
  await page.getByRole("button", { name: "Close", exact: true }).click();
  await ready(page);
}

/** Puts these files in the place of every model, however long that takes -> milliseconds until the page is ready again. */
export async function importModel(page, files) {
  await page.evaluate(async () => {
    for (const { id } of await window.outpost.models()) await window.outpost.remove(id);
  });
  await page.waitForFunction(() => document.querySelector("[data-testid=model-state]")?.textContent === "absent");
  const began = performance.now();
  await part(page, "import-files").setInputFiles(files);
  await page.waitForFunction(
    () =>
      document.querySelector("[data-testid=model-state]")?.textContent === "ready" ||
      document.querySelector("[data-testid=error]"),
    undefined,
    { timeout: 0, polling: 50 },
  );
  const took = performance.now() - began;
  const said = await problem(page);
  assert.equal(said, "", `the model is not ready: ${said}`);
  return took;
}

/** Lets the page store as many bytes, whatever part of the disk the browser would give it. */
export async function makeRoom(context, page, bytes) {
  const session = await context.newCDPSession(page);
  const { origin } = new URL(page.url());
  // Chromium's own estimate names no real limit, so there is nothing to ask first.
  await session.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: bytes });
}

/** The error that `window.outpost.generate` gives, as `message` and `remedy`; fails if it answers. */
export async function refusal(page, options) {
  return page.evaluate(async (options) => {
    try {
      for await (const _ of window.outpost.generate(options));
    } catch (error) {
      return { message: error.message, remedy: error.remedy ?? "" };
    }
    throw new Error("it was answered");
  }, options);
}
