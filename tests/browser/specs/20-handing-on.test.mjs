// From one device to the next without a network: a model becomes one file, and that file a model again.
import { test } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generate, part, problem, ready } from "../lib/page.mjs";
import { READY_MS } from "../lib/settings.mjs";
import { suite } from "../lib/suite.mjs";

const stage = suite("handing-on");

// A picture that is opened by itself.
stage.expected.push(/favicon\.ico/);
const folder = mkdtempSync(join(tmpdir(), "outpost-handing-on-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

const QUESTION = { text: "Write a SOAP note.", maxTokens: 16 };
const file = join(folder, "model.tar");
const unpacked = join(folder, "unpacked");
/** What the model answered where it came from. */
let answer;

const models = (page) => page.evaluate(() => window.outpost.models());

async function removeAll(page) {
  await page.evaluate(async () => {
    for (const { id } of await window.outpost.models()) await window.outpost.remove(id);
  });
  assert.deepEqual(await models(page), []);
}

/** Gives files to a page without a model, or with an unfinished one, which then uses the one that they are. */
async function add(page, files) {
  await part(page, "import-files").setInputFiles(files);
  await ready(page);
}

/** Gives files to the page, which does not take them -> why. */
async function refused(page, files) {
  await part(page, "import-files").setInputFiles(files);
  const shown = page.locator(".error-what");
  await shown.waitFor({ timeout: READY_MS });
  const said = await shown.innerText();
  await page.getByRole("button", { name: "Close this message" }).click();
  return said;
}

async function whole(page) {
  const [model, ...others] = await models(page);
  assert.deepEqual(others, []);
  const [checked] = await page.evaluate((id) => window.outpost.verify(id), model.id);
  assert.equal(checked.status.is, "installed");
  return model;
}

test("Save makes one file of a model, which any tar unpacks into a shard set", async () => {
  const { page } = stage;
  answer = await generate(page, QUESTION);
  await page.getByRole("button", { name: "Models", exact: true }).click();
  const begun = page.waitForEvent("download");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  const download = await begun;
  const [model] = await models(page);
  assert.equal(download.suggestedFilename(), `${model.id}.tar`);
  await download.saveAs(file);
  await page.getByRole("button", { name: "Close", exact: true }).click();
  execFileSync("mkdir", [unpacked]);
  execFileSync("tar", ["-xf", file, "-C", unpacked]);
  const manifest = JSON.parse(readFileSync(join(unpacked, "manifest.json"), "utf8"));
  const shards = manifest.files.flatMap(({ shards }) => shards);
  const names = readdirSync(unpacked).filter((name) => name !== "NOTICE.txt");
  assert.deepEqual(names.sort(), ["manifest.json", ...shards.map(({ name }) => name)].sort());
  for (const { name, sha256 } of shards) {
    assert.equal(createHash("sha256").update(readFileSync(join(unpacked, name))).digest("hex"), sha256, name);
  }
});

test("what must be told with a model is told beside it", () => {
  const manifest = JSON.parse(readFileSync(join(unpacked, "manifest.json"), "utf8"));
  assert.notEqual(manifest.notice, "");
  assert.ok(readFileSync(join(unpacked, "NOTICE.txt"), "utf8").includes(manifest.notice));
});

test("on the next device that file is the same model, without a network", async () => {
  const { page } = stage;
  await removeAll(page);
  const asked = [];
  await page.context().route("**/models/**", (route) => {
    asked.push(route.request().url());
    return route.abort();
  });
  await add(page, [file]);
  await page.context().unroute("**/models/**");
  assert.deepEqual(asked, []);
  await whole(page);
  await ready(page);
  assert.deepEqual((await generate(page, QUESTION)).ids, answer.ids);
});

test("the unpacked files do as well, whatever lies beside them", async () => {
  const { page } = stage;
  await removeAll(page);
  writeFileSync(join(unpacked, "holiday.jpg"), "not a shard");
  const files = readdirSync(unpacked).map((name) => join(unpacked, name));
  await add(page, files);
  await whole(page);
  assert.deepEqual((await generate(page, QUESTION)).ids, answer.ids);
});

test("a shard that is damaged on the way is refused by name, the others are kept, and the right file completes it", async () => {
  const { page } = stage;
  await removeAll(page);
  const bytes = readFileSync(file);
  // In the last shard, before the zeros at the end.
  bytes[bytes.length - 4096] ^= 1;
  const damaged = join(folder, "damaged.tar");
  writeFileSync(damaged, bytes);
  assert.match(await refused(page, [damaged]), /^vision-00001-of-00001\.bin is damaged in the chosen files\.$/);
  const [model] = await models(page);
  assert.equal(model.status.is, "unfinished");
  assert.ok(model.status.done_bytes > 0, "what was whole is kept");
  await add(page, [file]);
  await whole(page);
});

test("a file that was cut on the way is refused, and changes nothing about the model that is here", async () => {
  const { page } = stage;
  const cut = join(folder, "cut.tar");
  writeFileSync(cut, readFileSync(file).subarray(0, statSync(file).size >> 1));
  assert.match(await refused(page, [cut]), /cannot be used: it ends within/);
  await whole(page);
  assert.deepEqual((await generate(page, QUESTION)).ids, answer.ids);
});

test("files of a shard set without one of them are refused by its name", async () => {
  const { page } = stage;
  await removeAll(page);
  const names = readdirSync(unpacked).filter((name) => !name.startsWith("vision-"));
  const said = await refused(page, names.map((name) => join(unpacked, name)));
  assert.match(said, /^vision-00001-of-00001\.bin is not among the chosen files\.$/);
});

test("a model that was damaged here is mended by its file", async () => {
  const { page } = stage;
  await removeAll(page);
  await add(page, [file]);
  const { id } = await whole(page);
  await damage(page);
  await page.goto(stage.address);
  await part(page, "error").waitFor();
  assert.match(await problem(page), /missing or damaged: text-00001-of-00001\.bin/);
  const [found] = await page.evaluate(() => window.outpost.models());
  assert.deepEqual([found.id, found.status.is], [id, "damaged"]);
  await part(page, "import-files").setInputFiles([file]);
  await page.waitForFunction(async () => (await window.outpost.models())[0].status.is === "installed", undefined, { polling: 200 });
  await page.reload();
  await ready(page);
  await whole(page);
  assert.deepEqual((await generate(page, QUESTION)).ids, answer.ids);
});

/** Changes three bytes of the text model's weights, where no Worker holds its file: in a document that is no page of ours. */
async function damage(page) {
  const session = await page.context().newCDPSession(page);
  await session.send("Network.setBypassServiceWorker", { bypass: true });
  await page.goto(`${stage.address}/icons/icon.svg`);
  await page.evaluate(async () => {
    const models = await (await navigator.storage.getDirectory()).getDirectoryHandle("models");
    for await (const folder of models.values()) {
      if (folder.kind !== "directory") continue;
      const file = await folder.getFileHandle("text-00001-of-00001.bin");
      const writable = await file.createWritable({ keepExistingData: true });
      const position = (await file.getFile()).size >> 1;
      await writable.write({ type: "write", position, data: new Uint8Array([1, 2, 3]) });
      await writable.close();
    }
  });
  await session.send("Network.setBypassServiceWorker", { bypass: false });
  await session.detach();
}
