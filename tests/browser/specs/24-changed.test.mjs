// Stored models that change, or go, behind the page's back: nothing is answered from other bytes than were stored, and
// the page says what happened.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { newProfile } from "../lib/browser.mjs";
import { trap } from "../lib/crash.mjs";
import * as opfs from "../lib/opfs.mjs";
import { ask, part, problem, ready } from "../lib/page.mjs";
import { QUESTIONS } from "../lib/settings.mjs";
import {
  answersStill,
  call,
  everyByteIsRight,
  models,
  onlyDemo,
  openOn,
  prepare,
  shardsAsked,
  stage,
  start,
  startAlone,
  status,
  takeDownAll,
} from "../lib/whole.mjs";

/** What Chromium logs about a host that refuses, and the trap that a test sets. */
const EXPECTED = /Failed to load resource|ERR_|damaged|a trap/i;

let model;
let large;

before(async () => {
  ({ model, large } = await prepare(1));
  stage.page = await openOn(await newProfile());
  await start(stage.page);
  await ready(stage.page);
});

after(() => takeDownAll(EXPECTED));

/** Flips a bit of a stored shard, at a part of its length. */
async function flip(page, name, where) {
  const path = Object.keys(await opfs.files(page)).find((path) => path.endsWith(`/${name}`));
  const bytes = await opfs.read(page, path);
  bytes[Math.floor(where * (bytes.length - 1))] ^= 1;
  await opfs.write(page, path, bytes);
}

/** Writes the journal as it was before shards had checksums -> how many had them. */
async function takeSums(page) {
  const journals = Object.entries(await opfs.files(page)).filter(([path, { bytes }]) => path.startsWith("journal.") && bytes > 0);
  assert.equal(journals.length, 1, "one journal counts");
  const [[path]] = journals;
  const journal = await opfs.read(page, path);
  const written = [journal.subarray(0, 36)];
  let taken = 0;
  for (let at = 36; at < journal.length; ) {
    const bytes = journal.readUInt32LE(at);
    const payload = journal.toString("utf8", at + 4, at + 4 + bytes);
    const without = Buffer.from(payload.replaceAll(/,"sums":"[0-9a-f]*"/g, () => ((taken += 1), "")));
    const count = Buffer.alloc(4);
    count.writeUInt32LE(without.length);
    const seal = written.at(-1).subarray(-16);
    written.push(count, without, createHash("sha256").update(seal).update(count).update(without).digest().subarray(0, 16));
    at += 4 + bytes + 16;
  }
  await opfs.write(page, path, Buffer.concat(written));
  return taken;
}

for (const [what, index, where] of [
  ["the description of the text part", 0, 0.01],
  ["weights", 3, 0.5],
  ["weights of the picture part", -1, 0.4],
]) {
  test(`a bit flipped in ${what}, and the page loaded again: the model is refused, and mended by what is whole`, async () => {
    const { page, host } = stage;
    await onlyDemo(page);
    await opfs.leave(page, host.address);
    const { name } = model.shards.at(index);
    await flip(page, name, where);
    await startAlone(page);
    assert.notEqual(await part(page, "model-state").textContent(), "ready");
    assert.ok((await problem(page)).includes(name), await problem(page));
    assert.match(await problem(page), /damaged[^]*Add it again: what is whole is kept/);
    assert.deepEqual(await status(page, "demo"), { is: "damaged", missing: [name] });
    await start(page);
    assert.notEqual(await part(page, "model-state").textContent(), "ready", "nor the next time");

    host.mend();
    await start(page);
    await ready(page);
    assert.deepEqual(shardsAsked(), [name], "nothing else is fetched again");
    await everyByteIsRight(page, "demo");
    await answersStill(page);
  });
}

test("a model from before there were checksums is checked once, and then loaded", async () => {
  const { page, host } = stage;
  await onlyDemo(page);
  await opfs.leave(page, host.address);
  assert.ok((await takeSums(page)) >= model.shards.length);
  await startAlone(page);
  await ready(page);
  await answersStill(page);
  await opfs.leave(page, host.address);
  assert.ok((await takeSums(page)) >= model.shards.length, "now there are checksums");
  const { name } = model.shards[2];
  await flip(page, name, 0.9);
  await startAlone(page);
  assert.ok((await problem(page)).includes(name), await problem(page));
  assert.deepEqual(await status(page, "demo"), { is: "damaged", missing: [name] });
});

test("a model that a person removed is not missed", async () => {
  const { page } = stage;
  await onlyDemo(page);
  await call(page, "remove", "demo");
  await startAlone(page);
  assert.deepEqual(await models(page), []);
  assert.equal(await part(page, "evicted").count(), 0);
});

test("the engine dies while a model is added and none is loaded: the page says to add it again, not that there is no network", async () => {
  const { page } = stage;
  await onlyDemo(page);
  await call(page, "remove", "demo");
  await startAlone(page);
  await part(page, "import-files").setInputFiles(large);
  await page.waitForFunction(() => document.querySelector("[data-testid=progress]"));
  await trap(page);
  await part(page, "error").waitFor();
  assert.match(await problem(page), /engine stopped working[^]*Add the model again: what was stored is kept/);
  assert.doesNotMatch(await problem(page), /connection/);
  stage.host.mend();
  await start(page);
  await ready(page);
  assert.match(await ask(page, QUESTIONS.who), /demonstration model/i);
});
