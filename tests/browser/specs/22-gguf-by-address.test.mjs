// GGUF files from other hosts become shards while they arrive: the same as from files of the device, each byte fetched once,
// and nothing of a file that is not the one that was asked for. Terms are accepted before anything is kept.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { newProfile, openBrowser } from "../lib/browser.mjs";
import { enlarge } from "../lib/cut.mjs";
import { pageHeaders } from "../lib/deploy.mjs";
import { startHost } from "../lib/host.mjs";
import { ask, done, fetched, models, openInstalling, openMain, refused, startAnew } from "../lib/installing.mjs";
import { leave, files as stored, read } from "../lib/opfs.mjs";
import { ask as converse, newConversation, part, ready } from "../lib/page.mjs";
import { DEMO, DIST, QUESTIONS, READY_MS } from "../lib/settings.mjs";

const MODEL = basename(DEMO.text8);
const PICTURE = basename(DEMO.vision);
/** The same model, more than one shard long, and longer than what is stored at once. */
const LARGE = "large.gguf";
/** What is stored at once of a file that arrives (web/worker/src/install/remote.rs). */
const PIECE_BYTES = 8 << 20;

let host;
let elsewhere;
let folder;
let profile;
let browser;
let page;
const bytes = {};
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "outpost-gguf-"));
  await enlarge(DEMO.text8, join(folder, LARGE), 1);
  for (const [name, path] of [[MODEL, DEMO.text8], [PICTURE, DEMO.vision], [LARGE, join(folder, LARGE)]]) bytes[name] = await readFile(path);
  host = await startHost({ folder: DIST, headers: await pageHeaders() });
  elsewhere = await startHost({ folder });
  for (const name of [MODEL, PICTURE]) elsewhere.replace(name, bytes[name]);
  host.replace("medgemma.bin", bytes[MODEL]);
  profile = await newProfile();
  browser = await openBrowser(profile);
  await browser.context.addInitScript(() => localStorage.setItem("outpost.device", "cpu"));
  page = browser.context.pages()[0];
});
after(async () => {
  await browser?.close();
  await Promise.all([host?.stop(), elsewhere?.stop()]);
  await profile?.remove();
  if (folder) await rm(folder, { recursive: true, force: true });
});

const address = (name) => `${elsewhere.address}/${name}`;
const sha256 = (name) => createHash("sha256").update(bytes[name]).digest("hex");

/** What the main page has beside its own model. */
async function added() {
  await openMain(page, host);
  return (await models(page)).filter(({ id }) => id !== "demo");
}

/** Hashes of all shards and the manifest of the only model beside the page's own, by name. */
async function storedBytes(id) {
  await leave(page, host.address);
  const found = Object.keys(await stored(page)).filter((path) => path.includes("/"));
  const folders = {};
  for (const path of found) {
    const [folder, name] = path.split("/");
    (folders[folder] ??= []).push(name);
  }
  for (const [folder, names] of Object.entries(folders)) {
    const manifest = names.find((name) => name.startsWith("manifest"));
    const json = await read(page, `${folder}/${manifest}`);
    if (JSON.parse(json).id !== id) continue;
    const hash = async (name) => [name, createHash("sha256").update(await read(page, `${folder}/${name}`)).digest("hex")];
    return Object.fromEntries(await Promise.all(names.sort().map(hash)));
  }
  throw new Error(`there is no folder of ${id}`);
}

/** Bytes that the host has sent of a file. */
const sent = (name) => elsewhere.asked(name).reduce((sum, { sentBytes }) => sum + sentBytes, 0);

test("a model and its picture file by address are the same as from files, byte for byte, and answer", async () => {
  await startAnew(page, host, elsewhere);
  await openMain(page, host);
  await part(page, "import-files").setInputFiles([DEMO.text8, DEMO.vision]);
  await page.waitForFunction(async () => (await window.outpost.models()).length === 2, undefined, { timeout: READY_MS, polling: 300 });
  await page.waitForFunction(() => document.querySelector("[data-testid=progress]") === null, undefined, { timeout: READY_MS });
  await ready(page);
  const [imported] = await added();
  const fromFiles = await storedBytes(imported.id);

  await startAnew(page, host, elsewhere);
  await ask(page, address(MODEL), address(PICTURE));
  await done(page);
  const [fetched] = await added();
  assert.equal(fetched.id, imported.id);
  assert.equal(fetched.vision, true);
  assert.deepEqual(await storedBytes(fetched.id), fromFiles);
  for (const name of [MODEL, PICTURE]) assert.equal(sent(name), bytes[name].length, `${name} was fetched once`);
  const recorded = [MODEL, PICTURE].map((name) => `${address(name)}#sha256=${sha256(name)}`).join(" ");
  assert.equal(fetched.source, recorded);
  await openMain(page, host);
  await newConversation(page);
  assert.match(await converse(page, QUESTIONS.who), /demonstration model/i);
});

test("a file that breaks off again and again is fetched once, and becomes whole", async () => {
  await startAnew(page, host, elsewhere);
  // No faster than it is stored: what waits in the browser when a connection breaks is lost.
  elsewhere.break(LARGE, { endAfter: 30_000_000, bytesPerSecond: 10_000_000, headers: { Connection: "close" } });
  await ask(page, address(LARGE));
  await done(page);
  const starts = elsewhere.asked(LARGE).map(({ range }) => Number(/\d+/.exec(range ?? "0")));
  assert.ok(starts.length >= 3, "it broke off");
  assert.deepEqual(starts, [...new Set(starts)].sort((a, b) => a - b), "each time it went on further");
  assert.ok(sent(LARGE) < bytes[LARGE].length * 1.1, `${sent(LARGE)} bytes were sent of ${bytes[LARGE].length}`);
  const [model] = await added();
  const [checked] = (await page.evaluate((id) => window.outpost.verify(id), model.id)).filter(({ id }) => id === model.id);
  assert.equal(checked.status.is, "installed");
  assert.equal(model.source, `${address(LARGE)}#sha256=${sha256(LARGE)}`);
  await leave(page, host.address);
  const pieces = Object.keys(await stored(page)).filter((path) => path.includes("raw~"));
  assert.deepEqual(pieces, [], "nothing of the file itself is left");
});

test("after a reload it goes on at the piece that it had", async () => {
  await startAnew(page, host, elsewhere);
  const mend = elsewhere.break(LARGE, { stallAfter: 30_000_000, bytesPerSecond: 20_000_000 });
  await ask(page, address(LARGE));
  await fetched(page, 26);
  await page.reload();
  mend();
  elsewhere.log.length = 0;
  await part(page, "go-on").click();
  await done(page);
  const [identity, rest, ...others] = elsewhere.asked(LARGE);
  assert.equal(identity.range, undefined);
  const place = Number(/^bytes=(\d+)-$/.exec(rest.range)[1]);
  assert.ok(place >= 3 * PIECE_BYTES && place % PIECE_BYTES === 0, `it went on at ${place}`);
  assert.deepEqual(others, []);
  const [model] = await added();
  assert.equal(model.source, `${address(LARGE)}#sha256=${sha256(LARGE)}`, "the hash is that of the whole file");
});

test("a file that is replaced midway never counts, neither at once nor after a reload", async () => {
  await startAnew(page, host, elsewhere);
  const other = Buffer.from(bytes[LARGE]);
  other[other.length - 5] ^= 1;
  try {
    elsewhere.break(LARGE, { cutAfter: 30_000_000, bytesPerSecond: 10_000_000 }, { times: 1 });
    await ask(page, address(LARGE));
    await fetched(page, 10);
    elsewhere.replace(LARGE, other);
    assert.match(await refused(page), /.large\.gguf. was replaced on its host while it was fetched/);
    await openMain(page, host);
    assert.deepEqual((await models(page)).map(({ id }) => id), ["demo"]);

    await openInstalling(page, host.address);
    elsewhere.replace(LARGE, bytes[LARGE]);
    const mend = elsewhere.break(LARGE, { stallAfter: 30_000_000, bytesPerSecond: 20_000_000 });
    await ask(page, address(LARGE));
    await fetched(page, 26);
    await page.reload();
    mend();
    elsewhere.replace(LARGE, other);
    elsewhere.log.length = 0;
    await part(page, "go-on").click();
    await done(page);
    assert.ok(sent(LARGE) >= other.length, "all of the other file was fetched");
    const found = await added();
    assert.deepEqual(found.map(({ source }) => source), [`${address(LARGE)}#sha256=${createHash("sha256").update(other).digest("hex")}`]);
  } finally {
    elsewhere.replace(LARGE, bytes[LARGE]);
  }
});

test("another file than the hash says is refused, whoever said it; the right one is taken", async () => {
  await startAnew(page, host, elsewhere);
  const wrong = "0".repeat(64);
  await ask(page, `${address(MODEL)}#sha256=${wrong}`);
  assert.match(await refused(page), new RegExp(`is another file than was asked for: its SHA-256 is ${sha256(MODEL)}, not ${wrong}`));
  await ask(page, `${address(MODEL)}#sha256=${wrong.slice(1)}`);
  assert.match(await refused(page), /is no SHA-256/);
  elsewhere.break(MODEL, { headers: { ETag: `"${wrong}"` } });
  await ask(page, address(MODEL));
  assert.match(await refused(page), /is another file than was asked for/);
  elsewhere.mend();
  elsewhere.log.length = 0;
  elsewhere.break(MODEL, { headers: { ETag: `"${wrong}"` } });
  await ask(page, `${address(MODEL)}#sha256=${sha256(MODEL)}`);
  assert.match(await refused(page), /is another file than was asked for/);
  assert.ok(sent(MODEL) < bytes[MODEL].length || elsewhere.asked(MODEL).length === 1, "its host says so before it is fetched");
  elsewhere.mend();
  assert.deepEqual(await added(), [], "nothing of these is kept");
  await openInstalling(page, host.address);
  elsewhere.break(MODEL, { headers: { ETag: `"${sha256(MODEL)}"` } });
  await ask(page, `${address(MODEL)}#sha256=${sha256(MODEL).toUpperCase()}`);
  await done(page);
});

test("two models, a picture file alone, and what is no GGUF file are refused by name", async () => {
  await startAnew(page, host, elsewhere);
  await ask(page, address(PICTURE));
  assert.match(await refused(page), /There is no model among/);
  elsewhere.replace("other.gguf", bytes[MODEL]);
  await ask(page, address(MODEL), address("other.gguf"));
  assert.match(await refused(page), /Two models were chosen/);
  elsewhere.replace("not.gguf", Buffer.from("This is a letter. ".repeat(100)));
  await ask(page, address("not.gguf"));
  assert.match(await refused(page), /not\.gguf.*does not begin as a GGUF file/);
});

const MEDGEMMA = "medgemma-4b-it-Q8_0.gguf";
const HAI_DEF = /^HAI-DEF is provided under and subject to the Health AI Developer Foundations Terms of Use found at https:\/\/developers\.google\.com\/health-ai-developer-foundations\/terms$/;

test("the terms of MedGemma are shown and accepted before anything of it is kept, and once", async () => {
  await startAnew(page, host, elsewhere);
  elsewhere.replace(MEDGEMMA, bytes[MODEL]);
  await ask(page, address(MEDGEMMA));
  await part(page, "terms").waitFor();
  assert.match(await page.locator("#terms-text").innerText(), HAI_DEF);
  assert.equal(await part(page, "terms-accept").isEnabled(), false, "not without the tick");
  assert.deepEqual(await added(), []);

  await openInstalling(page, host.address);
  await ask(page, address(MEDGEMMA));
  await part(page, "terms-refuse").click();
  assert.deepEqual(await added(), []);

  await openInstalling(page, host.address);
  await ask(page, address(MEDGEMMA));
  await part(page, "terms-agree").check();
  await part(page, "terms-accept").click();
  await done(page);
  const [model] = await added();
  assert.ok(model.accepted_ms > Date.now() - 600_000 && model.accepted_ms <= Date.now(), "it is remembered when");
  await openInstalling(page, host.address);
  await ask(page, address(MEDGEMMA));
  await done(page);
});

test("files of MedGemma that a person adds on the main page ask the same once; a script is not asked", async () => {
  await startAnew(page, host, elsewhere);
  await openMain(page, host);
  const file = { name: MEDGEMMA, mimeType: "application/octet-stream", buffer: bytes[MODEL] };
  await part(page, "import-files").setInputFiles([file]);
  await part(page, "terms").waitFor();
  assert.match(await part(page, "terms").innerText(), /HAI-DEF is provided under and subject to/);
  assert.equal(await part(page, "terms-accept").isEnabled(), false);
  assert.equal((await models(page)).length, 1, "nothing is kept");
  await part(page, "terms-refuse").click();
  await part(page, "terms").waitFor({ state: "detached" });
  assert.equal((await models(page)).length, 1);

  await part(page, "import-files").setInputFiles([file]);
  await part(page, "terms-agree").check();
  await part(page, "terms-accept").click();
  await page.waitForFunction(async () => (await window.outpost.models()).length === 2, undefined, { timeout: READY_MS, polling: 300 });
  await ready(page);
  const [model] = await added();
  assert.ok(model.accepted_ms > 0);
  await page.evaluate((id) => window.outpost.remove(id), model.id);

  const imported = await page.evaluate(
    async ({ name, url }) => window.outpost.importFiles([new File([await (await fetch(url)).arrayBuffer()], name)]),
    { name: MEDGEMMA, url: "medgemma.bin" },
  ).catch((error) => error.message);
  assert.equal(imported.accepted_ms, null, JSON.stringify(imported));
});
