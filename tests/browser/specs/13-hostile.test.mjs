// Text from outside stays text, wherever the page shows it: nothing runs, no element comes of it, nothing around it moves.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { CORPUS } from "../hostile/corpus.mjs";
import { newProfile, openBrowser } from "../lib/browser.mjs";
import { pageHeaders } from "../lib/deploy.mjs";
import { startHost } from "../lib/host.mjs";
import { answered, newConversation, part, ready, send } from "../lib/page.mjs";
import { DIST, PICTURES } from "../lib/settings.mjs";
import { MODEL, standInForWorker } from "../lib/stand-in.mjs";

const PHONE = { width: 360, height: 740 };
const HARMLESS = "Harmless words.";
/** A name as people have them. */
const SHORT_CHARS = 200;
/** Characters that only turn the direction of text; a sentence is shown without them. */
const DIRECTIONS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

let host;
let picture;
before(async () => {
  host = await startHost({ folder: DIST, headers: await pageHeaders() });
  picture = await readFile(PICTURES.opacity.file);
});
after(() => host.stop());

test("each of these texts makes elements where it is set as HTML, and many run: they could do harm", () =>
  opened({}, async (page, troubles) => {
    // A page with no policy at all.
    await page.goto("about:blank");
    const found = [];
    for (const { name, text } of CORPUS.filter(({ live }) => live)) {
      found.push(
        await page.evaluate(async ({ name, text }) => {
          window.runs = [];
          document.body.innerHTML = text;
          await new Promise((resolve) => setTimeout(resolve, 100));
          const made = document.body.children.length;
          document.body.replaceChildren();
          return { name, made, ran: window.runs.length > 0 };
        }, { name, text }),
      );
    }
    assert.deepEqual(found.filter(({ made }) => made === 0), []);
    assert.ok(found.filter(({ ran }) => ran).length >= 7, JSON.stringify(found));
    // What the browser said to all that.
    troubles.length = 0;
  }));

test("as an answer, as reasoning and as a question: shown character by character, and nothing else changes", () =>
  opened({}, async (page) => {
    const shape = await shapeAfter(page, HARMLESS);
    for (const { name, text } of CORPUS) {
      assert.equal(await shapeAfter(page, text), shape, `${name}: the page's elements are others`);
      const shown = await page.evaluate(() => ({
        answer: document.querySelector(".answer").textContent,
        thought: document.querySelector(".reasoning p").textContent,
        question: document.querySelector(".asked").textContent,
      }));
      assert.equal(shown.answer, text, name);
      assert.equal(shown.thought, text, name);
      assert.equal(shown.question, text, name);
      await unharmed(page, name);
    }
  }));

test("while half of it has been written, it is text too", () =>
  opened({}, async (page) => {
    await page.evaluate(() => (window.standIn.hold = true));
    for (const { name, text } of CORPUS.filter(({ live }) => live)) {
      await newConversation(page);
      await page.evaluate((text) => (window.standIn.answer = text), text);
      await send(page, HARMLESS);
      await page.waitForFunction(() => document.querySelector(".answer")?.textContent);
      await unharmed(page, name);
      await page.evaluate(() => window.standIn.release());
      await answered(page);
      assert.equal(await page.locator(".answer > *").count(), 0, name);
    }
  }));

test("as the name of a picture, and of a file that is none", () =>
  opened({}, async (page) => {
    for (const { name, text } of CORPUS) {
      const files = [{ name: text, mimeType: "image/png", buffer: picture }];
      await part(page, "attach-image").setInputFiles(files);
      await page.locator(".thumbnail img").waitFor();
      assert.match(await page.locator(".thumbnail img").getAttribute("alt"), /^Attached picture: /, name);
      await unharmed(page, name);
      await send(page, HARMLESS);
      await answered(page);
      assert.match(await page.locator(".shown img").last().getAttribute("alt"), /^Picture: /, name);
      await unharmed(page, name);
      await newConversation(page);
      await part(page, "attach-image").setInputFiles([{ ...files[0], mimeType: "text/plain" }]);
      await part(page, "error").waitFor();
      assert.equal(await page.locator(".error-what > *").count(), 0, name);
      await unharmed(page, name);
      await page.getByRole("button", { name: "Close this message" }).click();
    }
  }));

test("a file's name cannot turn round the sentence that it stands in", () =>
  opened({ viewport: { width: 1280, height: 800 } }, async (page) => {
    for (const { name, text } of CORPUS.filter(({ text }) => text.length < SHORT_CHARS && !text.includes("\n"))) {
      await part(page, "attach-image").setInputFiles([{ name: text, mimeType: "text/plain", buffer: picture }]);
      const sentence = page.locator(".error-what");
      await sentence.waitFor();
      // In one line, however long: places are compared by how far to the right they are.
      await sentence.evaluate((element) => Object.assign(element.style, { whiteSpace: "nowrap", overflow: "visible" }));
      const words = await sentence.evaluate((element) => {
        const text = element.firstChild;
        const place = (from, length) => {
          const range = document.createRange();
          range.setStart(text, from);
          range.setEnd(text, from + length);
          return range.getBoundingClientRect().left;
        };
        const end = " is not a picture that can be read.";
        const at = text.data.lastIndexOf(end);
        return { begins: place(0, 1), is: place(at + 1, 2), read: place(at + end.length - 5, 4) };
      });
      assert.ok(words.begins < words.is && words.is < words.read, `${name}: ${JSON.stringify(words)}`);
      await page.getByRole("button", { name: "Close this message" }).click();
    }
  }));

test("what stands around it is not painted over", () =>
  opened({}, async (page) => {
    const around = async () => {
      const mark = await page.locator(".draft-mark").screenshot({ animations: "disabled" });
      return mark.toString("base64");
    };
    await shapeAfter(page, HARMLESS);
    const before = await around();
    for (const { name, text } of CORPUS.filter(({ text }) => text.length < 1000)) {
      // The question alone is harmless: it may not be as tall.
      await newConversation(page);
      await page.evaluate((text) => Object.assign(window.standIn, { answer: text, thought: "" }), text);
      await send(page, HARMLESS);
      await answered(page);
      assert.equal(await around(), before, `${name}: the label of the draft looks different`);
    }
  }));

test("as the name and the notice of a model, in the masthead and in the list of models", () => {
  const models = CORPUS.map(({ text }, index) => ({ ...MODEL, id: `m${index}`, name: text, notice: text, terms: text }));
  return opened({ models }, async (page) => {
    await page.getByRole("button", { name: "Models", exact: true }).click();
    const rows = page.locator(".model-list li");
    assert.equal(await rows.count(), CORPUS.length);
    const shapes = await rows.evaluateAll((rows) => rows.map((row) => row.querySelectorAll("*").length));
    assert.equal(new Set(shapes).size, 1, "every row has the same elements");
    const names = await page.locator(".model-list strong").allTextContents();
    assert.deepEqual(names, CORPUS.map(({ text }) => text));
    const wider = await page.locator("dialog[open]").evaluate((dialog) => dialog.scrollWidth - dialog.clientWidth);
    assert.ok(wider <= 0, `the dialog is ${wider} pixels wider than its window`);
    await unharmed(page, "list of models");
    for (const [index, { name, text }] of CORPUS.entries()) {
      if (index > 0) await rows.nth(index).getByRole("button", { name: "Use" }).click();
      else await page.getByRole("button", { name: "Close", exact: true }).click();
      await page.waitForFunction((text) => document.querySelector("[data-testid=model-name]").textContent === text, text);
      assert.equal(await page.locator(".notice-model").textContent(), text, name);
      assert.equal(await page.locator(".notice-model > *").count(), 0, name);
      await unharmed(page, name);
      await page.getByRole("button", { name: "Models", exact: true }).click();
    }
  });
});

test("as what the engine says went wrong", () =>
  opened({}, async (page) => {
    for (const { name, text } of CORPUS) {
      await page.evaluate((text) => (window.standIn.failure = { message: text, remedy: text }), text);
      await send(page, HARMLESS);
      await part(page, "error").waitFor();
      assert.equal(await page.locator(".error-what").textContent(), text.replace(DIRECTIONS, ""), name);
      await unharmed(page, name);
      await page.getByRole("button", { name: "Close this message" }).click();
    }
  }));

test("as the first words of a conversation, in the list of them", () =>
  opened({}, async (page) => {
    for (const { text } of CORPUS) await shapeAfter(page, text);
    await page.getByRole("button", { name: "Conversations", exact: true }).click();
    const rows = page.locator("[data-testid=conversation-list] li");
    assert.equal(await rows.count(), CORPUS.length);
    const shapes = await rows.evaluateAll((rows) => rows.map((row) => row.querySelectorAll("*").length));
    assert.equal(new Set(shapes).size, 1, "every row has the same elements");
    const wider = await page.locator("dialog[open]").evaluate((dialog) => dialog.scrollWidth - dialog.clientWidth);
    assert.ok(wider <= 0, `the dialog is ${wider} pixels wider than its window`);
    await unharmed(page, "list of conversations");
  }));

test("text from outside is set apart from the direction of what stands around it", () =>
  opened({}, async (page) => {
    await shapeAfter(page, HARMLESS);
    const found = await page.evaluate(() =>
      [".answer", ".asked", ".reasoning p", "[data-testid=model-name]", ".model-list strong", ".conversation-open strong"].map(
        (selector) => [selector, getComputedStyle(document.querySelector(selector)).unicodeBidi],
      ),
    );
    assert.deepEqual(found.filter(([, value]) => !["plaintext", "isolate"].includes(value)), []);
  }));

/** What the page is made of after this was asked, thought and answered. */
async function shapeAfter(page, text) {
  await newConversation(page);
  await page.evaluate((text) => {
    Object.assign(window.standIn, { answer: text, thought: text });
    // All at once: typed in, thousands of lines take a browser minutes.
    const prompt = document.querySelector("#prompt");
    prompt.value = text;
    prompt.dispatchEvent(new Event("input", { bubbles: true }));
  }, text);
  await part(page, "send").click();
  await answered(page);
  await page.locator(".reasoning summary").click();
  return page.evaluate(() => {
    // The list of conversations grows with each; its rows are compared by themselves.
    const all = [...document.querySelectorAll("body *")].filter((element) => !element.closest("[aria-labelledby=conversations-title]"));
    return all.map((element) => element.tagName).join(" ");
  });
}

/** Nothing ran, the policy had nothing to refuse, and nothing is wider than the window. */
async function unharmed(page, name) {
  const state = await page.evaluate(() => ({
    ran: window.runs,
    refused: window.refused,
    wider: Math.max(
      document.documentElement.scrollWidth - window.innerWidth,
      ...[...document.querySelectorAll("#conversation, .masthead, .composer, .error")].map((part) => part.scrollWidth - part.clientWidth),
    ),
  }));
  assert.deepEqual(state.ran, [], `${name}: something ran`);
  assert.deepEqual(state.refused, [], `${name}: something was tried`);
  assert.ok(state.wider <= 0, `${name}: ${state.wider} pixels too wide`);
}

async function opened({ models, viewport = PHONE }, check) {
  const profile = await newProfile();
  const browser = await openBrowser(profile, { viewport, reducedMotion: "reduce" });
  try {
    await browser.context.addInitScript(() => {
      Object.assign(window, { runs: [], refused: [] });
      window.ran = window.alert = (what) => window.runs.push(String(what));
      document.addEventListener("securitypolicyviolation", (event) => window.refused.push(event.violatedDirective));
    });
    await standInForWorker(browser.context, models ? { models } : {});
    const page = browser.context.pages()[0];
    await page.goto(host.address);
    await ready(page);
    await check(page, browser.troubles);
    assert.deepEqual(browser.troubles, []);
  } finally {
    await browser.close();
    await profile.remove();
  }
}
