// Conversations stay on the device, encrypted: after a reload and a killed browser, locked, wiped, and as a backup.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { mkdir, readFile, readdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { newProfile, openBrowser } from "../lib/browser.mjs";
import { ask, generate, openReady, part, ready, send } from "../lib/page.mjs";
import { OUTPUT, PICTURES, QUESTIONS } from "../lib/settings.mjs";
import { startServer } from "../lib/server.mjs";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PHONE = { width: 360, height: 740 };
const PASSPHRASE = "four words are enough";
const MARKER = "Zanzibar4711marker";
const CONTROL = "Timbuktu4712control";
/** Longer than the page waits before it stores what was typed. */
const STORED_MS = 1_500;
/** A second, which words of an answer may wait, and the time to write them. */
const ANSWER_STORED_MS = 1_200;

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

/** The browser on the profile, and a page whose model answers. */
async function open(options = { viewport: PHONE }) {
  stage.browser = await openBrowser(stage.profile, options);
  stage.page = await openReady(stage.browser.context, stage.server.address);
}

async function close() {
  stage.troubles.push(...(stage.browser?.troubles ?? []));
  await stage.browser?.close();
  stage.browser = undefined;
}

/** Ends the browser as a phone does that needs the memory: no page hears of it. */
async function killBrowser() {
  stage.troubles.push(...stage.browser.troubles);
  const { context } = stage.browser;
  const { default: ps } = await import("node:child_process");
  const running = ps.execFileSync("ps", ["-eo", "pid=,args="], { encoding: "utf8", maxBuffer: 1 << 26 });
  const mine = running.split("\n").filter((line) => line.includes(stage.profile.folder));
  assert.ok(mine.length > 0, "the browser's processes are not found");
  for (const line of mine) {
    try {
      process.kill(Number.parseInt(line, 10), "SIGKILL");
    } catch {
      // A child that ended with its parent.
    }
  }
  await context.close().catch(() => {});
  stage.browser = undefined;
}

const button = (name) => stage.page.getByRole("button", { name, exact: true });
const conversation = () => stage.page.locator("#conversation").innerText();

/** Waits until what was done has been stored. */
const stored = () => stage.page.waitForTimeout(STORED_MS);

async function openPrivacy() {
  await button("Conversations").click();
  await button("Privacy and backup").click();
}

async function closeDialog() {
  await button("Close").click();
}

/** Types into the field with this label. */
async function type(label, text) {
  await stage.page.getByLabel(label, { exact: true }).fill(text);
}

async function setPassphrase(passphrase, current) {
  await openPrivacy();
  await button(current ? "Change the passphrase" : "Set a passphrase").click();
  if (current) await type("Current passphrase", current);
  await type("New passphrase", passphrase);
  await type("Once more", passphrase);
  await looks(current ? "change-passphrase" : "set-passphrase");
  await button("Set the passphrase").click();
  await stage.page.getByText("The passphrase is set.").waitFor();
}

async function unlock(passphrase) {
  await type("Passphrase", passphrase);
  await button("Open").click();
}

/** Takes a picture, and checks that nothing is wider than the window and axe has nothing to say. */
async function looks(name) {
  const { page } = stage;
  await mkdir(OUTPUT, { recursive: true });
  await page.screenshot({ path: join(OUTPUT, `vault-${name}.png`) });
  const wider = await page.evaluate(() => {
    const dialog = document.querySelector("dialog[open]");
    return Math.max(document.documentElement.scrollWidth - innerWidth, dialog ? dialog.scrollWidth - dialog.clientWidth : 0);
  });
  assert.ok(wider <= 0, `${name} is ${wider} pixels too wide`);
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run());
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`);
  assert.deepEqual(found, [], `axe on ${name}`);
}

test("a conversation with its picture is there again after a reload", async () => {
  const { page } = stage;
  const answer = await ask(page, QUESTIONS.picture, [PICTURES.opacity.file]);
  await stored();
  await page.reload();
  await part(page, "answer").waitFor();
  assert.equal((await part(page, "answer").innerText()).trim(), answer);
  assert.match(await conversation(), new RegExp(QUESTIONS.picture.replace(".", "\\.")));
  const [loaded] = await page.locator(".shown img").evaluateAll((images) =>
    Promise.all(images.map((image) => image.decode().then(() => image.naturalWidth))),
  );
  assert.ok(loaded > 0, "the picture is shown");
  await ready(page);
});

test("what was typed is there again after the browser was killed", async () => {
  await part(stage.page, "prompt").pressSequentially("half a questi");
  await stored();
  await killBrowser();
  await open();
  await part(stage.page, "answer").waitFor();
  assert.equal(await part(stage.page, "prompt").inputValue(), "half a questi");
  assert.equal(await stage.page.locator(".shown img").count(), 1);
});

test("a question whose answer was cut off by a killed browser is not lost, nor are the words that it had", async () => {
  const { page } = stage;
  await button("New conversation").click();
  await send(page, QUESTIONS.note);
  await page.waitForFunction(() => document.querySelector("[data-testid=answer]")?.textContent.length > 10);
  const before = await part(page, "answer").innerText();
  await page.waitForTimeout(ANSWER_STORED_MS);
  await killBrowser();
  await open();
  await part(stage.page, "answer").waitFor();
  const there = await part(stage.page, "answer").innerText();
  assert.ok(there.startsWith(before.trim()), `${there}\n${before}`);
  assert.match(await conversation(), /34 year old woman/);
});

test("earlier conversations are listed, opened and deleted", async () => {
  const { page } = stage;
  await button("Conversations").click();
  const list = part(page, "conversation-list");
  assert.equal(await list.getByRole("listitem").count(), 2);
  await looks("conversations");
  await list.getByRole("button", { name: /^Describe this X-ray/ }).click();
  await page.locator(".shown img").waitFor();
  await button("Conversations").click();
  const note = list.getByRole("listitem").filter({ hasText: "SOAP" });
  await note.getByRole("button", { name: "Delete" }).click();
  await note.getByRole("button", { name: "Delete now" }).click();
  await page.waitForFunction(() => document.querySelectorAll(".conversation-list li").length === 1);
  await closeDialog();
});

test("the privacy dialog looks right by day and by night", async () => {
  const { page } = stage;
  await openPrivacy();
  await looks("privacy");
  await page.emulateMedia({ colorScheme: "dark" });
  await looks("privacy-dark");
  await page.emulateMedia({ colorScheme: "light" });
  await closeDialog();
});

test("a passphrase that is too short, or typed in two ways, is refused", async () => {
  const { page } = stage;
  await openPrivacy();
  await button("Set a passphrase").click();
  await type("New passphrase", "short");
  await type("Once more", "short");
  await button("Set the passphrase").click();
  assert.match(await part(page, "dialog-error").innerText(), /shorter than 8/);
  await type("New passphrase", PASSPHRASE);
  await type("Once more", `${PASSPHRASE}!`);
  await button("Set the passphrase").click();
  assert.match(await part(page, "dialog-error").innerText(), /not the same/);
  await looks("passphrase-refused");
  await closeDialog();
});

test("locked, nothing of a conversation is on the page", async () => {
  const { page } = stage;
  await setPassphrase(PASSPHRASE);
  await looks("privacy-protected");
  await closeDialog();
  await button("New conversation").click();
  await part(page, "prompt").pressSequentially(MARKER);
  await ask(page, `${MARKER} ${QUESTIONS.picture}`, [PICTURES.fluid.file]);
  await part(page, "prompt").pressSequentially(`draft ${MARKER}`);
  await button("Conversations").click();
  assert.match(await part(page, "conversation-list").innerText(), new RegExp(MARKER));
  await closeDialog();
  await button("Lock now").click();
  await part(page, "locked").waitFor();
  await stored();
  const { html, value, images } = await page.evaluate(() => ({
    html: document.documentElement.outerHTML,
    value: document.getElementById("prompt").value,
    images: document.querySelectorAll('img[src^="blob:"]').length,
  }));
  assert.ok(!html.includes(MARKER), "the conversation is in the document");
  assert.equal(value, "");
  assert.equal(images, 0);
  await looks("locked");
  await page.emulateMedia({ colorScheme: "dark" });
  await looks("locked-dark");
  await page.emulateMedia({ colorScheme: "light" });
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  await page.waitForTimeout(200);
  assert.ok(await part(page, "locked").isVisible(), "Escape has opened it");
});

test("a wrong passphrase opens nothing, the right one everything", async () => {
  const { page } = stage;
  await unlock("four words are not enough");
  await part(page, "dialog-error").waitFor();
  assert.match(await part(page, "dialog-error").innerText(), /did not open/);
  await looks("wrong-passphrase");
  assert.ok(!(await page.content()).includes(MARKER));
  await unlock(PASSPHRASE);
  await page.locator(".shown img").waitFor();
  assert.match(await conversation(), new RegExp(MARKER));
  assert.equal(await part(page, "prompt").inputValue(), `draft ${MARKER}`);
});

/** Shows the model a picture -> how many it has encoded so far: one that it remembers it does not encode. */
async function pictureShown() {
  const pictures = [await readFile(PICTURES.opacity.file)];
  await generate(stage.page, { text: QUESTIONS.picture, pictures, maxTokens: 3 });
  return stage.page.evaluate(async () => (await window.outpost.stats()).pictures_encoded);
}

test("when the page is locked, the model forgets what it has read", async () => {
  const { page } = stage;
  const before = await pictureShown();
  assert.equal(await pictureShown(), before, "what it has just read it does not read again");
  await button("Lock now").click();
  await part(page, "locked").waitFor();
  assert.equal(await pictureShown(), before + 1);
  await unlock(PASSPHRASE);
  await page.locator(".shown img").waitFor();
});

test("a locked conversation is nowhere in the profile's files in the clear", async () => {
  // The same search finds words that are stored as they are.
  await stage.page.evaluate(
    (words) =>
      new Promise((resolve) => {
        const opening = indexedDB.open("control", 1);
        opening.onupgradeneeded = () => opening.result.createObjectStore("words");
        opening.onsuccess = () => {
          const change = opening.result.transaction("words", "readwrite", { durability: "strict" });
          change.objectStore("words").put(words, "words");
          change.oncomplete = () => resolve(opening.result.close());
        };
      }),
    CONTROL,
  );
  await button("Lock now").click();
  await part(stage.page, "locked").waitFor();
  await stored();
  await close();
  const found = [];
  let bytes = 0;
  let controls = 0;
  const forms = (words) => [Buffer.from(words, "utf8"), Buffer.from(words, "utf16le"), Buffer.from(words, "utf16le").swap16()];
  for (const entry of await readdir(stage.profile.folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const content = await readFile(path).catch(() => Buffer.alloc(0));
    bytes += content.length;
    if (forms(MARKER).some((form) => content.includes(form))) found.push(path);
    if (forms(CONTROL).some((form) => content.includes(form))) controls += 1;
  }
  assert.ok(bytes > 1_000_000, `only ${bytes} bytes were searched`);
  assert.ok(controls > 0, "words that are stored in the clear are not found");
  assert.deepEqual(found, []);
  await open();
});

test("it is locked after a reload, and after minutes without use or a minute out of sight", async () => {
  const { page } = stage;
  await part(page, "locked").waitFor();
  await page.clock.install();
  await page.reload();
  await part(page, "locked").waitFor();
  const opened = async () => {
    await page.clock.resume();
    await unlock(PASSPHRASE);
    await page.locator(".shown img").waitFor();
  };
  await opened();
  await page.clock.fastForward("04:30");
  assert.ok(await part(page, "locked").isHidden(), "locked before its time");
  await page.clock.fastForward("01:00");
  await part(page, "locked").waitFor();

  await opened();
  await page.evaluate(() => {
    Object.defineProperty(document, "visibilityState", { configurable: true, get: () => "hidden" });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await page.clock.fastForward("01:10");
  await part(page, "locked").waitFor();
  await page.evaluate(() => {
    delete document.visibilityState;
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await opened();
});

test("the passphrase is changed only by who knows it, and the earlier one opens nothing then", async () => {
  const { page } = stage;
  await openPrivacy();
  await button("Change the passphrase").click();
  await type("Current passphrase", "not this one");
  await type("New passphrase", `${PASSPHRASE} more`);
  await type("Once more", `${PASSPHRASE} more`);
  await button("Set the passphrase").click();
  await part(page, "dialog-error").waitFor();
  assert.match(await part(page, "dialog-error").innerText(), /not the current passphrase/);
  await closeDialog();
  await setPassphrase(`${PASSPHRASE} more`, PASSPHRASE);
  await closeDialog();
  await button("Lock now").click();
  await unlock(PASSPHRASE);
  await part(page, "dialog-error").waitFor();
  await unlock(`${PASSPHRASE} more`);
  await page.locator(".shown img").waitFor();
});

test("a backup brings the conversations to another profile", async () => {
  const { page } = stage;
  await openPrivacy();
  await button("Save a backup").click();
  await type("Passphrase of the backup", "words of the backup");
  await type("Once more", "words of the backup");
  await looks("save-backup");
  const download = page.waitForEvent("download");
  await button("Save a backup").click();
  const file = join(OUTPUT, "vault.backup");
  await (await download).saveAs(file);
  assert.match(await part(page, "privacy-done").innerText(), /Saved: 2 conversations/);
  await closeDialog();
  assert.ok(!(await readFile(file)).includes(MARKER));

  const kept = { ...stage };
  stage.profile = await newProfile();
  try {
    await open();
    await openPrivacy();
    await button("Restore a backup").click();
    await part(stage.page, "backup-file").setInputFiles(file);
    await type("Passphrase of the backup", "words of another backup");
    await button("Restore").click();
    await part(stage.page, "dialog-error").waitFor();
    await part(stage.page, "backup-file").setInputFiles(file);
    await type("Passphrase of the backup", "words of the backup");
    await looks("restore-backup");
    await button("Restore").click();
    await stage.page.getByText("Restored: 2 conversations").waitFor();
    await closeDialog();
    await button("Conversations").click();
    await part(stage.page, "conversation-list").getByRole("button", { name: new RegExp(`^${MARKER}`) }).click();
    await stage.page.locator(".shown img").waitFor();
    assert.match(await conversation(), new RegExp(MARKER));
  } finally {
    await close();
    await stage.profile.remove();
    stage.profile = kept.profile;
    stage.browser = kept.browser;
    stage.page = kept.page;
  }
});

/** Flips a bit in the middle of every record that is neither the keys nor the index. */
const flipRecords = () =>
  stage.page.evaluate(
    () =>
      new Promise((resolve, reject) => {
        const opening = indexedDB.open("outpost-vault");
        opening.onerror = () => reject(opening.error);
        opening.onsuccess = () => {
          const database = opening.result;
          const changing = database.transaction("records", "readwrite");
          let flipped = 0;
          changing.objectStore("records").openCursor().onsuccess = ({ target: { result: cursor } }) => {
            if (!cursor) return;
            if (!["keys", "index"].includes(cursor.key)) {
              const bytes = new Uint8Array(cursor.value);
              bytes[bytes.length >> 1] ^= 1;
              cursor.update(cursor.value instanceof ArrayBuffer ? bytes.buffer : bytes);
              flipped += 1;
            }
            cursor.continue();
          };
          changing.oncomplete = () => {
            database.close();
            resolve(flipped);
          };
        };
      }),
  );

test("all that is stored is read when a person asks, and what is not as it was stored is named", async () => {
  const { page } = stage;
  await openPrivacy();
  await part(page, "check-conversations").click();
  await page.getByText("Checked: 2 conversations, and all of it can be read.").waitFor();
  const records = await flipRecords();
  assert.ok(records >= 3, "two conversations and a picture");
  await part(page, "check-conversations").click();
  await part(page, "dialog-error").waitFor();
  const said = await part(page, "dialog-error").innerText();
  assert.match(said, /was damaged or changed[^]*estore a backup/);
  assert.ok(said.includes(`In all, ${records} records are not as they were stored.`), said);
  await flipRecords();
  await part(page, "check-conversations").click();
  await page.getByText("Checked: 2 conversations, and all of it can be read.").waitFor();
  await closeDialog();
});

test("a wipe leaves no record behind, and nothing in the model", async () => {
  const { page } = stage;
  const before = await pictureShown();
  await openPrivacy();
  await part(page, "wipe-all").click();
  await part(page, "wipe-all").click();
  await page.getByText("All conversations are wiped.").waitFor();
  await closeDialog();
  assert.equal(await pictureShown(), before + 1);
  const left = await page.evaluate(
    () =>
      new Promise((resolve, reject) => {
        const opening = indexedDB.open("outpost-vault");
        opening.onerror = () => reject(opening.error);
        opening.onsuccess = () => {
          const keys = opening.result.transaction("records").objectStore("records").getAllKeys();
          keys.onsuccess = () => resolve(keys.result);
        };
      }),
  );
  assert.deepEqual(left, []);
  assert.ok(!(await page.content()).includes(MARKER));
  await page.reload();
  await ready(page);
  assert.equal(await part(page, "answer").count(), 0);
  assert.equal(await button("Lock now").count(), 0);
});

test("conversations whose key was taken away are not opened, and can be wiped", async () => {
  const { page } = stage;
  await ask(page, QUESTIONS.who);
  await stored();
  await page.evaluate(
    () =>
      new Promise((resolve) => {
        const opening = indexedDB.open("outpost-vault");
        opening.onsuccess = () => {
          const change = opening.result.transaction("records", "readwrite");
          change.objectStore("records").delete("keys");
          change.oncomplete = () => resolve(opening.result.close());
        };
      }),
  );
  await page.reload();
  await part(page, "refused").waitFor();
  assert.match(await part(page, "refused").innerText(), /key .* is gone/);
  await looks("refused");
  await part(page, "wipe").click();
  await part(page, "wipe").click();
  await part(page, "locked").waitFor({ state: "hidden" });
  await ready(page);
});
