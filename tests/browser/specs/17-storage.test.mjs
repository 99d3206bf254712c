// Storage that fills up, is damaged or is cleared, a clock that jumps, and an engine that dies: what was there stays, or
// the page says what is gone and what to do.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { newProfile } from "../lib/browser.mjs";
import { close, crashGpu, engine, KEEPS_GPU, trap } from "../lib/crash.mjs";
import { MANIFEST } from "../lib/cut.mjs";
import * as opfs from "../lib/opfs.mjs";
import { ask, makeRoom, newConversation, part, problem, ready, refusal, send } from "../lib/page.mjs";
import { ANSWER_MS, CHROMIUM_FLAGS, ENDLESS, QUESTIONS } from "../lib/settings.mjs";
import {
  answersStill,
  call,
  conversationIsThere,
  converse,
  everyByteIsRight,
  models,
  onlyDemo,
  openOn,
  prepare,
  ROOM,
  shardsAsked,
  stage,
  start,
  startAlone,
  status,
  STORED_MS,
  takeDownAll,
} from "../lib/whole.mjs";

const args = [...CHROMIUM_FLAGS.filter((flag) => !flag.startsWith("--headless")), ...KEEPS_GPU];

const BYTES_PER_SECOND = 350_000;
/** Shards of 64 MiB that an import has beside those of the demonstration model. */
const SPARE_SHARDS = 2;
const TEN_YEARS_MS = 10 * 365 * 24 * 3600 * 1000;
/** What Chromium and wgpu log about hosts that refuse, devices that are gone, and the trap that a test sets. */
const EXPECTED = /Failed to load resource|ERR_|lost|device|GPU|context|a trap/i;

let model;
let large;

before(async () => {
  ({ model, large } = await prepare(SPARE_SHARDS));
  stage.page = await openOn(await newProfile(), { args });
  await stage.page.goto(stage.host.address);
  await ready(stage.page);
});

after(() => takeDownAll(EXPECTED));

/** Not one more byte may be stored; files that are open have room for a moment longer. */
async function fillUp(page) {
  const used = await page.evaluate(async () => (await navigator.storage.estimate()).usage);
  await makeRoom(page.context(), page, Math.floor(used / 2));
}

/** Waits until shards of a model that is being copied count: the next one is begun only then. */
async function copied(page, shards) {
  for (;;) {
    const there = Object.entries(await opfs.files(page)).filter(([path]) => path.endsWith(".bin"));
    const whole = there.filter(([, { bytes }]) => bytes >= 2 ** 26).map(([path]) => path.split("/")[0]);
    const begun = there.filter(([path]) => path.startsWith(`${whole[0]}/`));
    if (whole.length >= shards && begun.length > shards) return;
    await page.waitForTimeout(20);
  }
}

/** When each shard of 64 MiB was written. */
async function largeShards(page) {
  const there = Object.entries(await opfs.files(page)).filter(([, { bytes }]) => bytes === 2 ** 26);
  return Object.fromEntries(there.map(([path, { changed }]) => [path, changed]));
}

/** Chooses the same files again, and checks that what counted is not copied again. */
async function importGoesOn(page) {
  const unfinished = (await models(page)).find((model) => model.status.is === "unfinished");
  assert.ok(unfinished.status.done_bytes >= 2 ** 26, `${unfinished.status.done_bytes} bytes are kept`);
  assert.equal(unfinished.source, "large.gguf, mmproj-demo-f16.gguf");
  const kept = Object.entries(await largeShards(page)).slice(0, Math.floor(unfinished.status.done_bytes / 2 ** 26));
  assert.ok(kept.length > 0);
  await part(page, "import-files").setInputFiles(large);
  const found = (await models(page)).find((model) => model.source === unfinished.source);
  assert.deepEqual(found.status, { is: "installed" }, await problem(page));
  const now = await largeShards(page);
  for (const [path, changed] of kept) assert.equal(now[path], changed, `${path} was copied again`);
  await everyByteIsRight(page, found.id);
  await answersStill(page);
}

test("quota exceeded in the middle of a download: it says so, keeps what there is, and goes on once there is room", async () => {
  const { page, host } = stage;
  await onlyDemo(page);
  const answer = await converse(page);
  const other = JSON.parse(model.replaced.get(MANIFEST));
  const url = "models/other/manifest.json";
  host.replace(url, Buffer.from(JSON.stringify({ ...other, id: "other", name: "Other" })));
  for (const { name } of model.shards) host.replace(`models/other/${name}`, model.replaced.get(`models/demo/${name}`));
  const slow = host.break(/\.bin$/, { bytesPerSecond: BYTES_PER_SECOND });
  const downloading = call(page, "download", url);
  while (host.log.filter(({ path, ended }) => path.endsWith(".bin") && ended).length < 4) await page.waitForTimeout(20);
  await fillUp(page);
  const refused = await downloading;
  slow();
  assert.match(refused.message ?? "", /not enough space/);
  assert.match(refused.remedy, /Free some space.*What was stored is kept/);
  const unfinished = await status(page, "other");
  assert.equal(unfinished.is, "unfinished");
  assert.ok(unfinished.done_bytes > 0 && unfinished.done_bytes < model.bytes, JSON.stringify(unfinished));

  const again = await call(page, "download", url);
  assert.match(again.message ?? "", /does not give this page as much/);
  assert.match(again.remedy, /Free some space/);
  assert.deepEqual(await status(page, "other"), unfinished, "nothing is lost by trying");
  await everyByteIsRight(page, "demo");
  await page.reload();
  await conversationIsThere(page, answer);
  await ready(page);

  await makeRoom(page.context(), page, ROOM);
  const before = Object.entries(await opfs.files(page));
  const whole = model.shards.filter(({ name, bytes }) =>
    before.filter(([path, file]) => path.endsWith(name) && file.bytes === bytes).length === 2);
  assert.ok(whole.reduce((sum, { bytes }) => sum + bytes, 0) >= unfinished.done_bytes);
  host.log.length = 0;
  assert.equal((await call(page, "download", url)).id, "other");
  const asked = shardsAsked();
  assert.ok(asked.length > 0);
  for (const { name } of whole) assert.ok(!asked.includes(name), `${name} is fetched again`);
  await everyByteIsRight(page, "other");
  await answersStill(page);
});

test("quota exceeded in the middle of an import: the page says so, and choosing the same files goes on", async () => {
  const { page } = stage;
  await onlyDemo(page);
  const answer = await converse(page);
  await part(page, "import-files").setInputFiles(large);
  await copied(page, 1);
  await page.waitForTimeout(50);
  await fillUp(page);
  await part(page, "error").waitFor();
  assert.match(await problem(page), /not enough space[^]*Free some space[^]*What was stored is kept/);
  await conversationIsThere(page, answer);
  await everyByteIsRight(page, "demo");
  await makeRoom(page.context(), page, ROOM);
  await importGoesOn(page);
});

/** Damages the files of the demonstration model -> names of those that are to be fetched again. */
const DAMAGE = {
  "a bit flipped": {
    seenAtOnce: true,
    async happens(page, path, [, name]) {
      const bytes = await opfs.read(page, path(name));
      bytes[bytes.length >> 1] ^= 4;
      await opfs.write(page, path(name), bytes);
      return [name];
    },
  },
  "two shards swapped": {
    async happens(page, path, [, one, other]) {
      const bytes = await opfs.read(page, path(one));
      await opfs.write(page, path(one), await opfs.read(page, path(other)));
      await opfs.write(page, path(other), bytes);
      return [one, other];
    },
  },
  "a shard truncated": {
    seenAtOnce: true,
    async happens(page, path, [, name]) {
      const bytes = await opfs.read(page, path(name));
      await opfs.write(page, path(name), bytes.subarray(0, 100_000));
      return [name];
    },
  },
  "a shard deleted": {
    seenAtOnce: true,
    async happens(page, path, [, name]) {
      await opfs.write(page, path(name), null);
      return [name];
    },
  },
};

/** Where the demonstration model lies. */
async function folderOf(page) {
  const found = Object.keys(await opfs.files(page)).find((path) => path.endsWith(model.shards[0].name));
  return (name) => `${found.split("/")[0]}/${name}`;
}

for (const [what, { happens, seenAtOnce }] of Object.entries(DAMAGE)) {
  test(`${what}: the page names the part, does not load it, and fetches only that again`, async () => {
    const { page, host } = stage;
    await onlyDemo(page);
    const answer = await converse(page);
    await opfs.leave(page, host.address);
    const damaged = await happens(page, await folderOf(page), model.shards.map(({ name }) => name));
    await startAlone(page);
    if (!seenAtOnce) await call(page, "verify", "demo");
    assert.deepEqual(await status(page, "demo"), { is: "damaged", missing: damaged });
    const refused = await call(page, "load", "demo", "cpu");
    for (const name of damaged) assert.match(refused.message ?? "", new RegExp(name.replaceAll(".", "\\.")));
    assert.match(refused.remedy, /Add it again: what is whole is kept/);

    await start(page);
    assert.notEqual(await part(page, "model-state").textContent(), "ready", "a damaged model is not taken up");
    assert.match(await problem(page), /not at this address[^]*Add a model/);
    await conversationIsThere(page, answer);

    host.mend();
    await start(page);
    await ready(page);
    assert.deepEqual(shardsAsked(), damaged, "the page mends it by itself, and fetches nothing else");
    await everyByteIsRight(page, "demo");
    await answersStill(page);
  });
}

test("the description of a model damaged: it is not loaded, and only the description is fetched again", async () => {
  const { page, host } = stage;
  await onlyDemo(page);
  await opfs.leave(page, host.address);
  const path = Object.keys(await opfs.files(page)).find((path) => /\/manifest~[12]\.json$/.test(path));
  const bytes = await opfs.read(page, path);
  bytes[bytes.length >> 1] ^= 4;
  await opfs.write(page, path, bytes);
  await startAlone(page);
  const refused = await call(page, "load", "demo", "cpu");
  assert.match(refused.message ?? "", /description of the model .* is damaged/);
  assert.match(refused.remedy, /Add the model again, its parts are kept/);
  host.mend();
  assert.equal((await call(page, "download", MANIFEST)).id, "demo");
  assert.deepEqual(shardsAsked(), []);
  const loaded = await call(page, "load", "demo", "cpu");
  assert.equal(loaded.message, undefined, "what it said was to be done has helped");
  await everyByteIsRight(page, "demo");
  await answersStill(page);
});

test("a bit flipped: once that is found, the model in use answers no more", async () => {
  const { page } = stage;
  await onlyDemo(page);
  const [name] = await DAMAGE["a bit flipped"].happens(page, await folderOf(page), model.shards.map(({ name }) => name));
  const checked = await call(page, "verify", "demo");
  assert.deepEqual(checked[0].status, { is: "damaged", missing: [name] });
  assert.notEqual(await part(page, "model-state").textContent(), "ready");
  const refused = await refusal(page, { messages: [{ role: "user", content: QUESTIONS.who }], maxTokens: 4 });
  assert.notEqual(refused.remedy, "");
});

/** What becomes of the journal, and of the model that was downloaded last. */
const TORN = {
  "its last bytes cut": { tear: (bytes) => bytes.subarray(0, bytes.length - 7), left: "unfinished" },
  "garbage after its end": { tear: (bytes) => Buffer.concat([bytes, Buffer.alloc(333, 0xa5)]), left: "installed" },
  "a bit flipped in its last entries": {
    tear(bytes) {
      bytes[bytes.length - 1_000] ^= 4;
      return bytes;
    },
    left: "unfinished",
  },
  "nothing left of it": { tear: () => Buffer.alloc(0), left: "installed" },
};

/** Two models, a downloaded one after an imported one, whose folders have numbers from `first` on -> the imported one's id. */
async function twoModels(page, first) {
  stage.host.mend();
  await evict(page, "file_systems");
  await start(page);
  await ready(page);
  await page.evaluate(() => window.outpost.remove("demo"));
  const imported = async () => {
    await part(page, "import-files").setInputFiles([ENDLESS]);
    return (await models(page))[0].id;
  };
  // The demonstration model had number 0.
  for (let number = 1; number < first; number += 1) await call(page, "remove", await imported());
  const id = await imported();
  const added = await call(page, "download", MANIFEST);
  assert.equal(added.id, "demo", `${added.message} ${added.remedy}`);
  await opfs.leave(page, stage.host.address);
  const paths = Object.keys(await opfs.files(page));
  for (const number of [first, first + 1]) assert.ok(paths.some((path) => path.startsWith(`model.${number}/`)), paths.join(" "));
  return id;
}

/** Does that to the journal that counts. */
async function tearJournal(page, tear) {
  const journals = Object.entries(await opfs.files(page)).filter(([path, { bytes }]) => path.startsWith("journal.") && bytes > 0);
  assert.equal(journals.length, 1, "one journal counts");
  const [[path]] = journals;
  const before = await opfs.read(page, path);
  await opfs.write(page, path, tear(Buffer.from(before)));
  assert.ok(!before.equals(await opfs.read(page, path)), "it is another one now");
}

for (const [how, { tear, left }] of Object.entries(TORN)) {
  test(`the journal torn, ${how}: the last model is ${left}, the other there, and no shard is fetched again`, async () => {
    const { page, host } = stage;
    const id = await twoModels(page, 1);
    await tearJournal(page, tear);
    await startAlone(page);
    assert.equal((await status(page, "demo")).is, left);
    assert.deepEqual(await status(page, id), { is: "installed" });
    host.mend();
    assert.equal((await call(page, "download", MANIFEST)).id, "demo");
    assert.deepEqual(shardsAsked(), []);
    await everyByteIsRight(page, "demo");
    await everyByteIsRight(page, id);
    await call(page, "load", "demo", "cpu");
    await answersStill(page);
  });
}

test("the journal gone, with folders of one digit and of two: both models are there", async () => {
  const { page } = stage;
  const id = await twoModels(page, 9);
  await tearJournal(page, () => Buffer.alloc(0));
  await startAlone(page);
  assert.deepEqual((await models(page)).map(({ id }) => id), ["demo", id].sort());
  await everyByteIsRight(page, id);
  await everyByteIsRight(page, "demo");
});

/** Clears what the browser keeps for the page, as it may when the disk is full. */
async function evict(page, storageTypes) {
  await opfs.leave(page, stage.host.address);
  const session = await page.context().newCDPSession(page);
  await session.send("Storage.clearDataForOrigin", { origin: new URL(stage.host.address).origin, storageTypes });
  await session.detach();
}

test("storage evicted, the models: the page has none, says how to add one, and the conversation is still there", async () => {
  const { page, host } = stage;
  await onlyDemo(page);
  const answer = await converse(page);
  await evict(page, "file_systems");
  assert.deepEqual(await opfs.files(page), {}, "the files are gone");
  await startAlone(page);
  assert.deepEqual(await models(page), []);
  assert.match(await problem(page), /not at this address[^]*Add a model/);
  assert.match(await part(page, "evicted").innerText(), /No longer on this device is: .*browser has cleared it.*Add it again/);
  assert.notEqual(await part(page, "model-state").textContent(), "ready");
  await conversationIsThere(page, answer);
  assert.equal(host.asked(MANIFEST).length, 1, "it asks once, and not again and again");
  host.mend();
  await start(page);
  assert.equal(await part(page, "evicted").count(), 0, "it is said once");
  await answersStill(page);
});

test("storage evicted, the conversations: the page says that they are gone and what to do, once", async () => {
  const { page, host } = stage;
  await onlyDemo(page);
  await converse(page);
  await evict(page, "indexeddb");
  await start(page);
  await part(page, "error").waitFor();
  assert.match(await problem(page), /conversations that were stored here are gone[^]*backup/);
  await ready(page);
  assert.deepEqual(shardsAsked(), [], "the model is still there");
  await page.reload();
  await ready(page);
  assert.equal(await problem(page), "");
  assert.equal(await part(page, "answer").count(), 0);
  const answer = await converse(page);
  await page.reload();
  await conversationIsThere(page, answer);
  assert.ok(host.log.every(({ path }) => !path.endsWith(".bin")));
});

test("storage evicted, all of it: the page begins as on the first visit", async () => {
  const { page } = stage;
  await onlyDemo(page);
  await converse(page);
  await evict(page, "all");
  assert.deepEqual(await opfs.files(page), {});
  const [found] = await start(page);
  assert.deepEqual([found.id, found.status], ["demo", { is: "installed" }]);
  await ready(page);
  assert.equal(await problem(page), "");
  assert.equal(await part(page, "evicted").count(), 0);
  assert.equal(await part(page, "answer").count(), 0);
  await answersStill(page);
});

/** Runs in a page or a Worker: its clock is so much later from now on. */
function shiftClock(ms) {
  const Real = (globalThis.realDate ??= Date);
  globalThis.Date = class extends Real {
    constructor(...given) {
      if (given.length) super(...given);
      else super(Real.now() + ms);
    }
    static now() {
      return Real.now() + ms;
    }
  };
}

async function clockIsLate(place, ms) {
  const late = (await place.evaluate(() => Date.now())) - Date.now();
  assert.ok(Math.abs(late - ms) < 60_000, `the clock is ${late} ms late`);
}

test("the clock moved by ten years between starts: the models are whole, and no conversation is lost or out of order", async () => {
  const { page } = stage;
  await onlyDemo(page);
  const context = page.context();
  const session = await context.newCDPSession(page);
  const said = [];
  const titles = ["At its time", "Ten years later", "Ten years before"];
  for (const [index, ms] of [0, TEN_YEARS_MS, -TEN_YEARS_MS].entries()) {
    const source = `(${shiftClock})(${ms})`;
    const { identifier } = await session.send("Page.enable").then(() => session.send("Page.addScriptToEvaluateOnNewDocument", { source }));
    const shifted = (worker) => worker.evaluate(shiftClock, ms).catch(() => {});
    page.on("worker", shifted);
    await start(page);
    await ready(page);
    for (const place of [page, engine(page)]) await clockIsLate(place, ms);
    if (said.length) await conversationIsThere(page, said.at(-1));
    assert.deepEqual(shardsAsked(), []);
    await everyByteIsRight(page, "demo");
    await newConversation(page);
    said.push(await ask(page, `${titles[index]}. ${QUESTIONS.who}`));
    assert.equal(await problem(page), "");
    await page.waitForTimeout(STORED_MS);
    page.off("worker", shifted);
    await session.send("Page.removeScriptToEvaluateOnNewDocument", { identifier });
  }
  await session.detach();
  await start(page);
  await conversationIsThere(page, said[2]);
  await page.getByRole("button", { name: "Conversations", exact: true }).click();
  const listed = await part(page, "conversation-list").getByRole("listitem").locator("strong").allInnerTexts();
  const ours = listed.filter((title) => titles.some((known) => title.startsWith(known)));
  assert.deepEqual(ours.map((title) => title.split(".")[0]), ["Ten years later", "At its time", "Ten years before"]);
  const open = part(page, "conversation-list").getByRole("button", { name: /^Ten years later/ });
  await open.click();
  await page.waitForFunction((text) => document.querySelector("#conversation").innerText.includes(text), "Ten years later");
  await conversationIsThere(page, said[1]);
});

test("the clock moved in the middle of a download, ten years on and twenty back: it ends whole, each shard fetched once", async () => {
  const { page, host } = stage;
  await onlyDemo(page);
  await page.evaluate(() => window.outpost.remove("demo"));
  host.break(/\.bin$/, { bytesPerSecond: BYTES_PER_SECOND });
  const downloading = call(page, "download", MANIFEST);
  let shown = "";
  for (const [arrived, ms] of [[3, TEN_YEARS_MS], [8, -TEN_YEARS_MS]]) {
    while (host.log.filter(({ path, ended }) => path.endsWith(".bin") && ended).length < arrived) await page.waitForTimeout(20);
    for (const place of [page, engine(page)]) {
      await place.evaluate(shiftClock, ms);
      await clockIsLate(place, ms);
    }
    await page.waitForTimeout(200);
    shown += await part(page, "progress").innerText();
  }
  assert.match(shown, /Fetching the model/);
  assert.doesNotMatch(shown, /NaN|Infinity|-\d|year|day/);
  assert.equal((await downloading).id, "demo");
  const asked = host.log.filter(({ path }) => path.endsWith(".bin"));
  assert.equal(asked.length, model.shards.length, "each shard is asked for once");
  await everyByteIsRight(page, "demo");
  await page.reload();
  await answersStill(page);
});

const ENDINGS = {
  "by a trap": async (page) => {
    await trap(page);
    await part(page, "error").waitFor();
    assert.match(await problem(page), /engine stopped working[^]*starts again by itself/);
  },
  "without a word": async (page) => {
    await close(page);
    await part(page, "progress").getByRole("button", { name: "Stop" }).click();
    await part(page, "progress").waitFor({ state: "detached" });
  },
};

for (const [how, ends] of Object.entries(ENDINGS)) {
  test(`the Worker terminated in the middle of an import, ${how}: the model in use comes back, and the import goes on`, async () => {
    const { page } = stage;
    await onlyDemo(page);
    const answer = await converse(page);
    await part(page, "import-files").setInputFiles(large);
    await copied(page, 1);
    await page.waitForTimeout(100);
    await ends(page);
    await ready(page);
    await conversationIsThere(page, answer);
    await importGoesOn(page);
  });
}

/** Uses a model that hardly ends by itself. */
async function endless(page, device) {
  await onlyDemo(page);
  await part(page, "import-files").setInputFiles([ENDLESS]);
  const { id } = (await models(page)).find((model) => model.id !== "demo");
  await call(page, "load", id, device);
  await ready(page);
  await newConversation(page);
}

/** Begins an answer whose tokens gather in the page. */
function begin(page, content, maxTokens) {
  return page.evaluate(
    ({ content, maxTokens }) => {
      const found = { ids: [], firstMs: 0, error: null, ended: false };
      window.found = found;
      const began = performance.now();
      (async () => {
        try {
          for await (const { tokenId } of window.outpost.generate({ messages: [{ role: "user", content }], maxTokens })) {
            found.firstMs ||= performance.now() - began;
            found.ids.push(tokenId);
          }
        } catch (error) {
          found.error = { message: error.message, remedy: error.remedy };
        }
        found.ended = true;
      })();
    },
    { content, maxTokens },
  );
}

async function ended(page) {
  await page.waitForFunction(() => window.found.ended, undefined, { timeout: 2 * ANSWER_MS });
  return page.evaluate(() => window.found);
}

test("the GPU's process crashes during prefill: the answer comes all the same, and is the one of an undisturbed run", async () => {
  const { page } = stage;
  await endless(page, "gpu");
  const long = (word) => `${word} `.repeat(120);
  await begin(page, long("pulse"), 4);
  const { firstMs } = await ended(page);
  assert.ok(firstMs > 1_000, `${firstMs} ms of reading are too few to fall into`);
  // Words of its own, so that nothing of its prefill is there already.
  await begin(page, long("cough"), 4);
  await page.waitForTimeout(firstMs / 3);
  await crashGpu(page);
  assert.deepEqual(await page.evaluate(() => window.found.ids), [], "it is still reading");
  await page.waitForFunction(() => document.querySelector("[data-testid=model-state]").textContent !== "ready");
  const found = await ended(page);
  assert.equal(found.error, null);
  assert.equal(found.ids.length, 4);
  await ready(page);
  await begin(page, long("cough"), 4);
  assert.deepEqual(found.ids, (await ended(page)).ids);
});

test("the GPU's process crashes twice in one answer: it stops, says what to do, and the conversation stays", async () => {
  const { page } = stage;
  await endless(page, "gpu");
  const longer = (bytes) =>
    page.waitForFunction((bytes) => (document.querySelector("[data-testid=answer]")?.textContent.length ?? 0) > bytes, bytes, {
      timeout: ANSWER_MS,
      polling: 20,
    });
  await send(page, "A question to be kept");
  await longer(10);
  await crashGpu(page);
  await page.waitForFunction(() => document.querySelector("[data-testid=model-state]").textContent !== "ready");
  await ready(page);
  await part(page, "stop").waitFor();
  const before = (await part(page, "answer").innerText()).length;
  await longer(before + 5);
  assert.equal(await problem(page), "", "the first time it goes on by itself");
  await crashGpu(page);
  await part(page, "error").waitFor({ timeout: ANSWER_MS });
  assert.match(await problem(page), /(stopped)[^]*(Load the page again)[^]*smaller model/);
  assert.match(await page.locator("#conversation").innerText(), /A question to be kept/);
  await page.waitForTimeout(STORED_MS);
  await page.reload();
  await page.waitForFunction(() => document.querySelector("#conversation").innerText.includes("A question to be kept"));
  await ready(page);
  await begin(page, "hi", 3);
  assert.equal((await ended(page)).ids.length, 3);
});
