// A network that does what it should not: nothing that arrived is lost, and nothing wrong ever counts.
import { test } from "node:test";
import assert from "node:assert/strict";
import { ask, ready } from "../lib/page.mjs";
import { QUESTIONS } from "../lib/settings.mjs";
import { suite } from "../lib/suite.mjs";

const stage = suite("downloads");

// What Chromium logs about answers that fail.
stage.expected.push(/Failed to load resource|ERR_/);

const MANIFEST = "models/demo/manifest.json";

const models = (page) => page.evaluate(() => window.outpost.models());

async function nothingInstalled(page) {
  await page.evaluate(async () => {
    for (const { id } of await window.outpost.models()) await window.outpost.remove(id);
  });
  assert.deepEqual(await models(page), []);
}

/** Downloads the demonstration model -> `{ id }`, or `{ message, remedy }`. */
function download(page) {
  return page.evaluate(
    (url) => window.outpost.download(url).catch(({ message, remedy }) => ({ message, remedy })),
    MANIFEST,
  );
}

/** Every answer about a shard goes through `handle(route, request, times)`; returns what was asked for, and what ends it. */
async function between(page, handle) {
  const asked = [];
  const times = new Map();
  const listener = async (route, request) => {
    const name = new URL(request.url()).pathname.split("/").at(-1);
    const count = (times.get(name) ?? 0) + 1;
    times.set(name, count);
    asked.push({ name, range: (await request.allHeaders()).range ?? null });
    await handle(route, request, count);
  };
  await page.context().route("**/models/demo/*.bin", listener);
  return { asked, end: () => page.context().unroute("**/models/demo/*.bin", listener) };
}

/** The first `bytes` of what the server answers, and then a broken connection is an answer that is too short. */
async function cut(route, bytes) {
  const response = await route.fetch();
  const body = (await response.body()).subarray(0, bytes);
  const headers = { ...response.headers() };
  delete headers["content-length"];
  delete headers["content-range"];
  await route.fulfill({ status: response.status(), headers, body });
}

async function installedAndWhole(page) {
  const [model, ...others] = await models(page);
  assert.deepEqual(others, []);
  assert.equal(model.status.is, "installed");
  const [checked] = await page.evaluate((id) => window.outpost.verify(id), model.id);
  assert.equal(checked.status.is, "installed", "every byte is as the manifest has it");
}

const TRANSIENT = {
  "a connection that breaks": (route, request, time) => (time === 1 ? route.abort("connectionreset") : route.continue()),
  "a server that has too much to do": (route, request, time) =>
    time === 1 ? route.fulfill({ status: 503, body: "later" }) : route.continue(),
  "an answer that ends too early": (route, request, time) => (time === 1 ? cut(route, 300_000) : route.continue()),
  "a page of HTML in place of a shard": (route, request, time) =>
    time === 1 ? route.fulfill({ status: 200, contentType: "text/html", body: "<h1>Log in</h1>".repeat(99) }) : route.continue(),
  "a flipped bit": async (route, request, time) => {
    if (time > 1) return route.continue();
    const response = await route.fetch();
    const body = Buffer.from(await response.body());
    body[body.length >> 1] ^= 4;
    return route.fulfill({ response, body });
  },
};

for (const [what, handle] of Object.entries(TRANSIENT)) {
  test(`${what} is got over by itself`, async () => {
    const { page } = stage;
    await nothingInstalled(page);
    const { end } = await between(page, handle);
    const found = await download(page);
    await end();
    assert.equal(found.id, "demo", found.message);
    await installedAndWhole(page);
  });
}

test("a server that goes away is said to, and the download goes on at the byte that it had", async () => {
  const { page } = stage;
  await nothingInstalled(page);
  const before = await between(page, (route, request, time) => (time === 1 ? cut(route, 300_000) : route.abort()));
  const refused = await download(page);
  await before.end();
  assert.match(refused.message, /could not be fetched/);
  assert.match(refused.remedy, /What was fetched is kept/);
  const [unfinished] = await models(page);
  assert.equal(unfinished.status.is, "unfinished");

  const after = await between(page, (route) => route.continue());
  const found = await download(page);
  await after.end();
  assert.equal(found.id, "demo", found.message);
  assert.ok(after.asked.length > 0);
  for (const { name, range } of after.asked) assert.match(range ?? "", /^bytes=[1-9]/, `${name} goes on where it was`);
  await installedAndWhole(page);
});

test("a server that does not know ranges is asked for the rest and believed in the end", async () => {
  const { page } = stage;
  await nothingInstalled(page);
  const { asked, end } = await between(page, async (route, request, time) => {
    if (time === 1) return cut(route, 200_000);
    const headers = { ...(await request.allHeaders()) };
    delete headers.range;
    return route.continue({ headers });
  });
  const found = await download(page);
  await end();
  assert.equal(found.id, "demo", found.message);
  assert.ok(asked.some(({ range }) => range), "the rest was asked for");
  await installedAndWhole(page);
});

test("shards that always arrive wrong are refused by name, and none of them counts", async () => {
  const { page } = stage;
  await nothingInstalled(page);
  const { end } = await between(page, async (route) => {
    const response = await route.fetch();
    const body = Buffer.from(await response.body());
    body.reverse();
    return route.fulfill({ response, body });
  });
  const refused = await download(page);
  await end();
  assert.match(refused.message, /\.bin arrives damaged/);
  const [unfinished] = await models(page);
  assert.equal(unfinished.status.is, "unfinished");
  assert.equal(unfinished.status.done_bytes, 0);
});

test("two shards of which one is wrong: the other is not fetched again", async () => {
  const { page } = stage;
  await nothingInstalled(page);
  const wrong = await between(page, async (route, request) => {
    if (!request.url().includes("vision")) return route.continue();
    return route.fulfill({ status: 200, body: "not this" });
  });
  assert.match((await download(page)).message, /damaged|could not be fetched/);
  await wrong.end();
  const right = await between(page, (route) => route.continue());
  assert.equal((await download(page)).id, "demo");
  await right.end();
  assert.deepEqual([...new Set(right.asked.map(({ name }) => name.split("-")[0]))], ["vision"]);
  await installedAndWhole(page);
});

test("the model that came through all of that answers", async () => {
  const { page } = stage;
  await page.evaluate(() => window.outpost.load("demo", "auto"));
  await ready(page);
  assert.match(await ask(page, QUESTIONS.who), /demonstration model/i);
});
