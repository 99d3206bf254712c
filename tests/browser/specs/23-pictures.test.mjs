// A picture is encoded once: what the image encoder made of it is kept with the picture, encrypted, and given again.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { newProfile, openBrowser } from "../lib/browser.mjs";
import { ask, openReady, part, ready } from "../lib/page.mjs";
import { PICTURES, QUESTIONS, ROOT } from "../lib/settings.mjs";
import { startServer } from "../lib/server.mjs";

const PASSPHRASE = "four words are enough";
/** Longer than the page waits before it stores an answer. */
const STORED_MS = 1_500;
/** The key before the values. */
const KEY_BYTES = 32;
/** Another image encoder (tests/golden/random). */
const OTHER = ["model-q4_0.gguf", "mmproj-f32.gguf"].map((name) => join(ROOT, "tests/golden/random", name));

const stage = { troubles: [] };

before(async () => {
  stage.server = await startServer();
  stage.profile = await newProfile();
  await open();
});

after(async () => {
  await close();
  await stage.server?.kill();
  await stage.profile?.remove();
  assert.deepEqual(stage.troubles, [], "the page logged errors, threw, or asked another host");
});

async function open() {
  stage.browser = await openBrowser(stage.profile);
  await stage.browser.context.addInitScript(listen);
  stage.page = await openReady(stage.browser.context, stage.server.address);
}

async function close() {
  stage.troubles.push(...(stage.browser?.troubles ?? []));
  await stage.browser?.close();
  stage.browser = undefined;
}

/**
 * Runs in the page: `wire` has what pictures became. With `wire.deaf` the page is not told, as earlier versions; with
 * `wire.dies` the Worker has said its last then, once.
 */
function listen() {
  window.wire = { deaf: false, dies: false, brought: [], given: [] };
  const { get, set } = Object.getOwnPropertyDescriptor(Worker.prototype, "onmessage");
  Object.defineProperty(Worker.prototype, "onmessage", {
    configurable: true,
    get,
    set(listener) {
      const heard = (event) => {
        const { text, attachments } = event.data;
        if (text.includes('"event":"picture_encoded"')) {
          window.wire.brought.push([...attachments[0]]);
          if (window.wire.deaf) return;
          if (window.wire.dies) setTimeout(() => this.dispatchEvent(new ErrorEvent("error", { message: "a trap" })));
          window.wire.dies = false;
        }
        listener.call(this, event);
      };
      set.call(this, listener && heard);
    },
  });
  const { postMessage } = Worker.prototype;
  Worker.prototype.postMessage = function (message, ...rest) {
    if (message.text?.includes('"do":"generate"')) {
      const bytes = message.attachments.filter((object) => object instanceof Uint8Array);
      window.wire.given.push(...bytes.map((bytes) => [...bytes]));
    }
    return postMessage.call(this, message, ...rest);
  };
}

const button = (name) => stage.page.getByRole("button", { name, exact: true });
const wire = () => stage.page.evaluate(() => window.wire);
const encoded = () => stage.page.evaluate(async () => (await window.outpost.stats()).pictures_encoded);
const stored = () => stage.page.waitForTimeout(STORED_MS);

async function unlock() {
  await stage.page.getByLabel("Passphrase", { exact: true }).fill(PASSPHRASE);
  await button("Open").click();
  await stage.page.locator(".shown img").first().waitFor();
}

/** Loads the page anew and opens what is stored: nothing of the engine is left. */
async function reload() {
  await stored();
  await stage.page.reload();
  await part(stage.page, "locked").waitFor();
  await unlock();
  await ready(stage.page);
  assert.equal(await encoded(), 0);
}

async function setPassphrase() {
  await button("Conversations").click();
  await button("Privacy and backup").click();
  await button("Set a passphrase").click();
  await stage.page.getByLabel("New passphrase", { exact: true }).fill(PASSPHRASE);
  await stage.page.getByLabel("Once more", { exact: true }).fill(PASSPHRASE);
  await button("Set the passphrase").click();
  await stage.page.getByText("The passphrase is set.").waitFor();
  await button("Close").click();
}

/** Asks about a picture, and once more about the same -> both answers. */
async function consultation() {
  const first = await ask(stage.page, QUESTIONS.picture, [PICTURES.opacity.file]);
  return [first, await followUp()];
}

/** The answer to a second question about the picture. */
const followUp = async () => {
  await ask(stage.page, "Where is it?");
  return (await part(stage.page, "answer").last().innerText()).trim();
};

test("a second question about a picture encodes nothing", async () => {
  await setPassphrase();
  stage.answers = await consultation();
  assert.equal(await encoded(), 1);
  const { brought, given } = await wire();
  assert.equal(brought.length, 1);
  // [image tokens, hidden] of the demonstration model.
  assert.equal((brought[0].length - KEY_BYTES) % 1024, 0, `${brought[0].length} bytes`);
  assert.deepEqual(given, brought, "they go with the second question, once");
});

test("after a reload and unlocking, a conversation with a picture goes on without encoding it, with the same answer", async () => {
  await button("New conversation").click();
  const first = await ask(stage.page, QUESTIONS.picture, [PICTURES.opacity.file]);
  assert.equal(first, stage.answers[0]);
  assert.equal(await encoded(), 1, "the model remembers the picture of the conversation before");
  const told = (await wire()).brought;
  assert.deepEqual(told[1], told[0], "and this one gets what became of it too");
  stage.features = told[0];
  await reload();
  assert.equal(await followUp(), stage.answers[1]);
  assert.equal(await encoded(), 0);
  const { brought, given } = await wire();
  assert.deepEqual(brought, []);
  assert.deepEqual(given, [stage.features], "bit by bit what was brought before the reload");
});

test("a conversation of which no features are stored opens as before; they are stored from then on", async () => {
  await stage.page.evaluate(() => { window.wire.deaf = true; });
  await button("New conversation").click();
  await ask(stage.page, QUESTIONS.picture, [PICTURES.opacity.file]);
  await reload();
  assert.equal(await followUp(), stage.answers[1]);
  assert.equal(await encoded(), 1);
  assert.deepEqual((await wire()).brought, [stage.features], "encoded anew it is the same, bit by bit");
  await reload();
  await followUp();
  assert.equal(await encoded(), 0);
});

test("a Worker that takes the place of one that died is told what the picture became", async () => {
  const { page } = stage;
  await button("New conversation").click();
  await page.evaluate(() => {
    window.wire.dies = true;
    window.wire.given = [];
  });
  const answer = await ask(page, QUESTIONS.picture, [PICTURES.fluid.file]);
  for (const words of PICTURES.fluid.shows) assert.ok(answer.toLowerCase().includes(words), answer);
  const { brought, given, dies } = await wire();
  assert.equal(dies, false);
  assert.deepEqual(given, [brought.at(-1)]);
  assert.equal(await encoded(), 0);
});

test("features of another model are left aside, and replaced", async () => {
  const { page } = stage;
  const files = await Promise.all(OTHER.map(async (path) => (await readFile(path)).toString("base64")));
  await button("New conversation").click();
  await ask(page, QUESTIONS.picture, [PICTURES.opacity.file]);
  await page.evaluate(async (files) => {
    const bytes = (file) => Uint8Array.from(atob(file), (char) => char.charCodeAt(0));
    const named = files.map((file, index) => new File([bytes(file)], ["other.gguf", "mmproj-other.gguf"][index]));
    const { id } = await window.outpost.importFiles(named);
    await window.outpost.load(id, "cpu");
  }, files);
  await ask(page, "Where is it?");
  assert.equal(await encoded(), 1);
  const { brought, given } = await wire();
  assert.notEqual(brought.at(-1).length, stage.features.length);
  assert.deepEqual(given.at(-1), stage.features);
  await page.evaluate(() => window.outpost.load("demo"));
  await ask(page, QUESTIONS.who);
  assert.equal(await encoded(), 1);
  assert.deepEqual((await wire()).brought.at(-1), stage.features);
});

test("features lie nowhere in the profile in the clear", async () => {
  await stored();
  // The same search finds bytes as many and as mixed that are stored as they are.
  const control = stage.features.map((byte) => byte ^ 0x55);
  await stage.page.evaluate(
    (control) =>
      new Promise((resolve) => {
        const opening = indexedDB.open("control", 1);
        opening.onupgradeneeded = () => opening.result.createObjectStore("bytes");
        opening.onsuccess = () => {
          const change = opening.result.transaction("bytes", "readwrite", { durability: "strict" });
          change.objectStore("bytes").put(Uint8Array.from(control), "bytes");
          change.oncomplete = () => resolve(opening.result.close());
        };
      }),
    control,
  );
  await button("Lock now").click();
  await part(stage.page, "locked").waitFor();
  await stored();
  await close();
  const some = (bytes) => Buffer.from(bytes).subarray(KEY_BYTES, KEY_BYTES + 64);
  assert.ok(new Set(some(stage.features)).size > 16, "they say something");
  const found = [];
  let controls = 0;
  for (const entry of await readdir(stage.profile.folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const content = await readFile(join(entry.parentPath, entry.name)).catch(() => Buffer.alloc(0));
    if (content.includes(some(control))) controls += 1;
    if (content.includes(some(stage.features))) found.push(join(entry.parentPath, entry.name));
  }
  assert.ok(controls > 0, "bytes that are stored in the clear are not found");
  assert.deepEqual(found, []);
});
