// Several tabs keep their conversations in one place: nothing is lost, nothing comes back, and a lock is for all of them.
// The Worker is a stand-in: what is stored is the same.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { newProfile, openBrowser } from "../lib/browser.mjs";
import { pageHeaders } from "../lib/deploy.mjs";
import { startHost } from "../lib/host.mjs";
import { ask, part, problem, ready, send } from "../lib/page.mjs";
import { DIST, PICTURES } from "../lib/settings.mjs";
import { standInForWorker } from "../lib/stand-in.mjs";

const PASSPHRASE = "four words are enough";
/** Longer than the page waits before it stores what was typed, and than another tab needs to hear of it. */
const STORED_MS = 2_000;
/** One byte more than a picture may have. */
const TOO_MANY_BYTES = (32 << 20) + 1;

let host;
before(async () => (host = await startHost({ folder: DIST, headers: await pageHeaders() })));
after(() => host.stop());

const button = (page, name) => page.getByRole("button", { name, exact: true });
const stored = (page) => page.waitForTimeout(STORED_MS);
const prompt = (page) => part(page, "prompt");

/** `check` gets what opens another tab of one browser. */
async function tabs(check) {
  const profile = await newProfile();
  const { context, troubles, close } = await openBrowser(profile);
  try {
    await standInForWorker(context);
    const open = async (condition = ready) => {
      const page = await context.newPage();
      await page.goto(host.address);
      await condition(page);
      return page;
    };
    await check(open);
    assert.deepEqual(troubles, []);
  } finally {
    await close();
    await profile.remove();
  }
}

const shown = async (page, text) => page.locator(".asked").getByText(text, { exact: true }).first().waitFor();
const locked = (page) => part(page, "locked").waitFor();

async function openPrivacy(page) {
  await button(page, "Conversations").click();
  await button(page, "Privacy and backup").click();
}

async function setPassphrase(page) {
  await openPrivacy(page);
  await button(page, "Set a passphrase").click();
  await page.getByLabel("New passphrase", { exact: true }).fill(PASSPHRASE);
  await page.getByLabel("Once more", { exact: true }).fill(PASSPHRASE);
  await button(page, "Set the passphrase").click();
  await page.getByText("The passphrase is set.").waitFor();
  await button(page, "Close").click();
}

async function unlock(page) {
  await page.getByLabel("Passphrase", { exact: true }).fill(PASSPHRASE);
  await button(page, "Open").click();
  await part(page, "locked").waitFor({ state: "hidden" });
}

async function wipe(page) {
  await openPrivacy(page);
  await part(page, "wipe-all").click();
  await part(page, "wipe-all").click();
  await page.getByText("All conversations are wiped.").waitFor();
  await button(page, "Close").click();
}

/** Every stored conversation as its questions and what is typed, read by a tab of its own. */
async function everything(open) {
  const page = await open();
  const found = [];
  await button(page, "Conversations").click();
  const rows = page.locator(".conversation-open");
  await page.waitForTimeout(500);
  const count = await rows.count();
  await button(page, "Close").click();
  for (let at = 0; at < count; at += 1) {
    await button(page, "Conversations").click();
    await rows.nth(at).click();
    await page.waitForTimeout(500);
    const questions = await page.locator(".asked").allInnerTexts();
    found.push([...questions.map((text) => text.trim()), `draft: ${await prompt(page).inputValue()}`].join(" | "));
  }
  await page.close();
  return found.sort();
}

test("two tabs of a fresh profile both store what is asked in them", () =>
  tabs(async (open) => {
    const [one, two] = [await open(), await open()];
    await ask(one, "asked in one");
    await stored(one);
    await ask(two, "asked in two");
    await stored(two);
    assert.deepEqual(await everything(open), ["asked in one | draft: ", "asked in two | draft: "]);
  }));

test("two tabs on one conversation lose nothing: what they say differently is there twice", () =>
  tabs(async (open) => {
    const one = await open();
    await ask(one, "first");
    await stored(one);
    const two = await open();
    await shown(two, "first");
    await ask(one, "second");
    await stored(one);
    await prompt(two).pressSequentially("a letter");
    await stored(two);
    assert.match(await problem(two), /changed in another window/);
    assert.deepEqual(await everything(open), ["first | draft: a letter", "first | second | draft: "]);
    // From now on each has its own.
    await ask(one, "third");
    await ask(two, "another");
    await stored(two);
    assert.deepEqual(await everything(open), ["first | another | draft: ", "first | second | third | draft: "]);
  }));

test("a tab that is opened while another waits for its answer changes nothing", () =>
  tabs(async (open) => {
    const one = await open();
    await one.evaluate(() => Object.assign(window.standIn, { hold: true, answer: "Y" }));
    await send(one, "what is it?");
    await stored(one);
    const two = await open();
    await stored(two);
    await one.evaluate(() => window.standIn.release());
    await part(one, "send").waitFor();
    await stored(one);
    assert.equal(await problem(one), "");
    assert.deepEqual(await everything(open), ["what is it? | draft: "]);
  }));

test("what was wiped in one tab is on no other, and does not come back", () =>
  tabs(async (open) => {
    const one = await open();
    await ask(one, "a secret");
    await stored(one);
    const two = await open();
    await shown(two, "a secret");
    await wipe(one);
    await stored(two);
    assert.ok(!(await two.content()).includes("a secret"), "the other tab still shows it");
    await prompt(two).pressSequentially("afterwards");
    await stored(two);
    assert.deepEqual(await everything(open), ["draft: afterwards"]);
  }));

test("a passphrase that is set in one tab locks the others, and a change of it too", () =>
  tabs(async (open) => {
    const one = await open();
    await ask(one, "a secret");
    await stored(one);
    const two = await open();
    await shown(two, "a secret");
    await setPassphrase(one);
    await locked(two);
    assert.ok(!(await two.content()).includes("a secret"), "it is locked and shows it");
    await unlock(two);
    await shown(two, "a secret");
    await ask(two, "asked later");
    await stored(two);
    await button(one, "Conversations").click();
    assert.match(await part(one, "conversation-list").innerText(), /a secret/);
    await button(one, "Close").click();
    assert.equal(await problem(two), "");
  }));

test("what is locked, wiped or deleted in a tab, the model of every tab that shows it forgets", () =>
  tabs(async (open) => {
    const asked = (page) => page.evaluate(() => window.standIn.asked.filter(({ request }) => request.do === "forget").length);
    const one = await open();
    await ask(one, "a secret");
    await stored(one);
    const two = await open();
    await shown(two, "a secret");
    assert.deepEqual([await asked(one), await asked(two)], [0, 0]);
    await setPassphrase(one);
    await locked(two);
    assert.deepEqual([await asked(one), await asked(two)], [0, 1]);
    await button(one, "Lock now").click();
    await locked(one);
    assert.deepEqual([await asked(one), await asked(two)], [1, 1]);
    await unlock(one);
    await ask(one, "another secret");
    await button(one, "Conversations").click();
    await button(one, "Delete").first().click();
    await button(one, "Delete now").click();
    await stored(one);
    assert.equal(await asked(one), 2);
    await button(one, "Close").click();
    await unlock(two);
    await wipe(one);
    await stored(two);
    assert.deepEqual([await asked(one), await asked(two)], [3, 2]);
  }));

test("a fresh tab beside one that sets a passphrase is locked, and what it shows is stored once it is opened", () =>
  tabs(async (open) => {
    const [one, two] = [await open(), await open()];
    await two.evaluate(() => Object.assign(window.standIn, { hold: true, answer: "Half an answer." }));
    await setPassphrase(one);
    await locked(two);
    await unlock(two);
    await ask(one, "asked in one");
    await stored(one);
    await send(two, "asked in two");
    await stored(two);
    await two.evaluate(() => window.standIn.release());
    await part(two, "send").waitFor();
    await stored(two);
    const list = one.getByTestId("conversation-list");
    await button(one, "Conversations").click();
    await list.getByText("asked in two").waitFor();
    assert.equal(await list.getByRole("listitem").count(), 2);
  }));

test("what was typed beside a conversation that was put aside goes into it, with its picture", () =>
  tabs(async (open) => {
    const page = await open();
    await ask(page, "before", [PICTURES.opacity.file]);
    await button(page, "New conversation").click();
    await prompt(page).fill("typed since");
    await part(page, "attach-image").setInputFiles(PICTURES.fluid.file);
    await stored(page);
    await button(page, "Back to the last conversation").click();
    await stored(page);
    await page.reload();
    await ready(page);
    await shown(page, "before");
    assert.equal(await prompt(page).inputValue(), "typed since");
    assert.equal(await page.locator(".thumbnail img").count(), 1);
    assert.equal(await page.locator(".shown img").count(), 1);
    assert.deepEqual(await everything(open), ["before | draft: typed since"]);
  }));

test("what could not be stored on a full disk waits while the page is locked", () =>
  tabs(async (open) => {
    const page = await open();
    await ask(page, "a secret");
    await setPassphrase(page);
    await fillDisk(page);
    await prompt(page).pressSequentially("not to be lost");
    await stored(page);
    assert.match(await problem(page), /was not stored/);
    await button(page, "Lock now").click();
    await locked(page);
    await part(page, "unsaved").waitFor();
    assert.ok(!(await page.content()).includes("not to be lost"));
    await page.evaluate(() => (window.isFull = false));
    await unlock(page);
    assert.equal(await prompt(page).inputValue(), "not to be lost");
    await stored(page);
    await page.reload();
    await locked(page);
    assert.equal(await part(page, "unsaved").count(), 0);
    await unlock(page);
    assert.equal(await prompt(page).inputValue(), "not to be lost");
  }));

test("a picture that cannot be stored does not keep the words from it", () =>
  tabs(async (open) => {
    const page = await open();
    const buffer = Buffer.alloc(TOO_MANY_BYTES);
    await part(page, "attach-image").setInputFiles({ name: "large.png", mimeType: "image/png", buffer });
    assert.match(await problem(page), /larger than/);
    await page.evaluate(() => {
      Blob.prototype.arrayBuffer = () => Promise.reject(new DOMException("It is gone.", "NotFoundError"));
    });
    await part(page, "attach-image").setInputFiles({ name: "gone.png", mimeType: "image/png", buffer: await readFile(PICTURES.opacity.file) });
    await prompt(page).fill("the words");
    await stored(page);
    assert.match(await problem(page), /cannot be read any more/);
    assert.deepEqual(await everything(open), ["draft: the words"]);
  }));

test("a newer version loads the page again once what was typed is stored, and not before", () =>
  tabs(async (open) => {
    const page = await open();
    await page.waitForFunction(() => navigator.serviceWorker.controller);
    await page.reload();
    await ready(page);
    await ask(page, "before");
    await fillDisk(page);
    await typeAndUpdate(page, "not to be lost");
    await stored(page);
    assert.match(await problem(page), /was not stored/);
    assert.equal(await prompt(page).inputValue(), "not to be lost");

    await page.evaluate(() => (window.isFull = false));
    const loaded = page.waitForEvent("load");
    await typeAndUpdate(page, "typed a moment ago");
    await loaded;
    await ready(page);
    await shown(page, "before");
    assert.equal(await prompt(page).inputValue(), "typed a moment ago");
  }));

/** Types, and in the same moment the newer version takes over. */
async function typeAndUpdate(page, text) {
  await page.evaluate((text) => {
    const prompt = document.querySelector("#prompt");
    prompt.value = text;
    prompt.dispatchEvent(new Event("input", { bubbles: true }));
    navigator.serviceWorker.dispatchEvent(new Event("controllerchange"));
  }, text);
}

/** Nothing is stored while `window.isFull`. */
async function fillDisk(page) {
  await page.evaluate(() => {
    const { put } = IDBObjectStore.prototype;
    IDBObjectStore.prototype.put = function (...given) {
      if (window.isFull) throw new DOMException("The disk is full.", "QuotaExceededError");
      return put.apply(this, given);
    };
    window.isFull = true;
  });
}
