// A page with the demonstration model from a host, brought to a known state and looked at: what tests of faults begin
// with, and what must be there at their end.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openBrowser } from "./browser.mjs";
import { cutModel, enlarge, MANIFEST } from "./cut.mjs";
import { pageHeaders } from "./deploy.mjs";
import { startHost } from "./host.mjs";
import { ask, makeRoom, newConversation, part, ready } from "./page.mjs";
import { DEMO, DIST, QUESTIONS, READY_MS } from "./settings.mjs";

/** What the tests of a file share: `host`, `folder`, `browser`, `profile`, `page`. */
export const stage = {};

/** The demonstration model in shards of so many bytes. */
export const SHARD_BYTES = 230_000;

/**
 * A host that has the demonstration model in 16 shards, and a model as large as `spareShards` shards of 64 MiB and more
 * -> `{ model, large }`: what the host has, and the files of the other.
 */
export async function prepare(spareShards) {
  const model = await cutModel(SHARD_BYTES);
  stage.host = await startHost({ folder: DIST, headers: await pageHeaders() });
  for (const [path, bytes] of model.replaced) stage.host.replace(path, bytes);
  stage.folder = await mkdtemp(join(tmpdir(), "outpost-large-"));
  const large = [join(stage.folder, "large.gguf"), DEMO.vision];
  await enlarge(DEMO.text8, large[0], spareShards);
  return { model, large };
}

/** Takes down the browser and what `prepare` has set up; troubles that are not `expected` are a failure. */
export async function takeDownAll(expected) {
  await stage.browser?.close();
  await stage.profile?.remove();
  await takeDown();
  const unexpected = (stage.browser?.troubles ?? []).filter((line) => !expected.test(line));
  assert.deepEqual(unexpected, [], "the page logged errors, threw, or asked another host");
}

/** Takes down what `prepare` has set up. */
export async function takeDown() {
  await stage.host?.stop();
  if (stage.folder) await rm(stage.folder, { recursive: true, force: true });
}

/** The browser on a profile, with an empty page on which models compute on the processor. */
export async function openOn(profile, options) {
  stage.profile = profile;
  stage.browser = await openBrowser(profile, options);
  const { context } = stage.browser;
  await context.addInitScript(() => localStorage.setItem("outpost.device", "cpu"));
  return context.pages()[0] ?? context.newPage();
}

/** As many bytes as no test stores. */
export const ROOM = 4 * 2 ** 30;
/** Longer than the page waits before it stores what there is. */
export const STORED_MS = 1_500;

export const models = (page) => page.evaluate(() => window.outpost.models());
export const status = async (page, id) => (await models(page)).find((model) => model.id === id)?.status;

/** What a call of `window.outpost` came to: its value, or `{ message, remedy }`. */
export const call = (page, name, ...given) =>
  page.evaluate(
    ({ name, given }) => window.outpost[name](...given).catch(({ message, remedy }) => ({ message, remedy })),
    { name, given },
  );

/** Names of shards that the host was asked for, once each. */
export const shardsAsked = () =>
  [...new Set(stage.host.log.map(({ path }) => path.split("/").at(-1)))].filter((name) => name.endsWith(".bin")).sort();

/** The application with a host that has no model, so that nothing is mended before a test has looked -> what is there. */
export function startAlone(page) {
  stage.host.mend();
  stage.host.break(MANIFEST, { status: 404 });
  return start(page);
}

/** The application as it starts, until it has done what it does by itself -> the models that it has. */
export async function start(page) {
  stage.host.log.length = 0;
  await page.goto(stage.host.address);
  await page.waitForFunction(
    () =>
      document.querySelector("[data-testid=model-state]")?.textContent === "ready" ||
      document.querySelector("[data-testid=error]"),
    undefined,
    { timeout: READY_MS },
  );
  return models(page);
}

/** Answers to which the page has come again, in a conversation of its own. */
export async function answersStill(page) {
  await ready(page);
  await newConversation(page);
  assert.match(await ask(page, QUESTIONS.who), /demonstration model/i);
}

/** The conversation that every test must find as it was. */
export async function converse(page) {
  await newConversation(page);
  const answer = await ask(page, QUESTIONS.who);
  await page.waitForTimeout(STORED_MS);
  return answer;
}

export async function conversationIsThere(page, answer) {
  await part(page, "answer").waitFor();
  assert.equal((await part(page, "answer").innerText()).trim(), answer);
}

export async function everyByteIsRight(page, id) {
  const checked = await page.evaluate((id) => window.outpost.verify(id), id);
  assert.deepEqual(checked.find((model) => model.id === id)?.status, { is: "installed" });
}

/** Nothing is installed but the demonstration model, whole and in use, whatever an earlier test has left. */
export async function onlyDemo(page) {
  stage.host.mend();
  if (!(await page.evaluate(() => "outpost" in window))) await start(page);
  await makeRoom(page.context(), page, ROOM);
  await page.evaluate(async (url) => {
    for (const { id } of await window.outpost.models()) if (id !== "demo") await window.outpost.remove(id);
    await window.outpost.download(url);
    const [{ status }] = await window.outpost.verify("demo");
    if (status.is !== "installed") await window.outpost.download(url);
    await window.outpost.load("demo", "cpu");
  }, MANIFEST);
  await ready(page);
  stage.host.log.length = 0;
}
