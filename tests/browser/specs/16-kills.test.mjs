// The browser is killed at random moments of a download and of an import: the next start goes on with what there was.
// OUTPOST_SEED=... repeats the moments of an earlier run, which every run says.
import { after, afterEach, before, test } from "node:test";
import assert from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";
import { newProfile } from "../lib/browser.mjs";
import { MANIFEST } from "../lib/cut.mjs";
import { kill, processesOf, random } from "../lib/kill.mjs";
import { files } from "../lib/opfs.mjs";
import { ask, part, ready } from "../lib/page.mjs";
import { QUESTIONS, READY_MS } from "../lib/settings.mjs";
import { openOn, prepare, SHARD_BYTES, stage, startAlone, takeDown } from "../lib/whole.mjs";

const SEED = Number(process.env.OUTPOST_SEED ?? Date.now() % 2 ** 32);
const KILLS = 20;
/** Starts in all: a kill that comes after the end does not count. */
const STARTS = 4 * KILLS;

/** Three of 16 shards are fetched at once: 3.5 seconds in all. */
const BYTES_PER_SECOND = 350_000;
const CONNECTIONS = 3;
/** Latest moment of a kill after a download has begun. */
const WITHIN_MS = 1_200;
/** Shards of 64 MiB that an import has beside those of the demonstration model. */
const SPARE_SHARDS = 3;
/** Latest moment of a kill after an import has begun, of the time that it takes when nothing disturbs it. */
const WITHIN_PART = 0.6;
/** What Chromium logs where the model is not at its address. */
const EXPECTED = /Failed to load resource|ERR_/;

let model;
let large;

before(async () => {
  ({ model, large } = await prepare(SPARE_SHARDS));
});

// A test that failed leaves its browser behind.
afterEach(async () => {
  await stage.browser?.close();
  stage.browser = undefined;
  await stage.profile?.remove();
});

after(takeDown);

/** The browser on the profile, with a page whose own download of the model is refused, so that nothing moves by itself. */
async function open(profile) {
  const page = await openOn(profile);
  // Calls are answered one after the other, so this waits for what the page begins by itself.
  return { page, found: await startAlone(page) };
}

/** Ends the page's browser, and fails if it had logged errors or thrown. */
async function end(how) {
  const { browser } = stage;
  stage.browser = undefined;
  await how(browser);
  await browser.close().catch(() => {});
  assert.deepEqual(browser.troubles.filter((line) => !EXPECTED.test(line)), []);
}

/**
 * Begins work in one start of the browser after the other, and kills it at a random moment, until `KILLS` of them came
 * before its end. `check` looks at what a start finds, `begin` returns a promise of the work's end.
 */
async function killAgainAndAgain(t, { profile, withinMs, check, begin }) {
  const draw = random(SEED);
  t.diagnostic(`OUTPOST_SEED=${SEED}`);
  const moments = [];
  let [whole, kept] = [0, 0];
  for (let start = 0; moments.length < KILLS; start += 1) {
    assert.ok(start < STARTS, `${moments.length} kills in ${start} starts: the work ends too early`);
    const { page, found } = await open(profile);
    const said = `start ${start} after kills at ${moments.join(", ")} ms, OUTPOST_SEED=${SEED}`;
    const state = await check(page, found, said);
    if (state?.done_bytes > 0) kept += 1;
    if (state?.is === "installed") {
      whole += 1;
      await page.evaluate((id) => window.outpost.remove(id), found[0].id);
      await check(page, [], said);
    }
    const processes = await processesOf(profile);
    const moment = Math.round(draw() * withinMs);
    let ended = false;
    const work = begin(page).then(
      () => (ended = true),
      () => {},
    );
    await wait(moment);
    const inTime = !ended;
    await end(() => kill(profile, processes));
    await work;
    if (inTime) moments.push(moment);
  }
  assert.ok(kept > 0, `no kill left anything that counts: OUTPOST_SEED=${SEED}`);
  t.diagnostic(`killed ${moments.join(", ")} ms after it had begun; ${kept} starts found a part, ${whole} all of it`);
}

/** The one model that may be there, and that it is nothing worse than unfinished. */
function honest(found, said) {
  assert.ok(found.length <= 1, `${JSON.stringify(found)}: ${said}`);
  const [there] = found;
  if (there) assert.ok(["installed", "unfinished"].includes(there.status.is), `${JSON.stringify(there)}: ${said}`);
  return there;
}

async function everyByteIsRight(page, id) {
  const checked = await page.evaluate((id) => window.outpost.verify(id), id);
  assert.deepEqual(checked.map(({ status }) => status), [{ is: "installed" }]);
}

async function answers(page, id) {
  await page.evaluate((id) => window.outpost.load(id, "cpu"), id);
  await ready(page);
  assert.match(await ask(page, QUESTIONS.who), /demonstration model/i);
}

test(`SIGKILL of the browser at ${KILLS} random moments of a download: no byte that arrived is fetched again`, async (t) => {
  const profile = await newProfile();
  const { host } = stage;
  let before = 0;
  /** Bytes of each shard on the disk at the last start. */
  let had = null;
  const check = async (page, found, said) => {
    const there = honest(found, said);
    for (const { path, range } of host.log.filter(({ path }) => path.endsWith(".bin"))) {
      const { name, bytes } = model.shards.find(({ name }) => path.endsWith(name));
      const known = had?.[name] ?? 0;
      assert.ok(known < bytes, `${name} was there whole, and is asked for: ${said}`);
      assert.equal(range, known ? `bytes=${known}-` : undefined, `${name} goes on where it was: ${said}`);
      const times = host.log.filter((entry) => entry.path === path).length;
      assert.equal(times, 1, `${name} is asked for once: ${said}`);
    }
    host.log.length = 0;
    const onDisk = Object.entries(await files(page)).filter(([path]) => path.endsWith(".bin"));
    had = Object.fromEntries(onDisk.map(([path, { bytes }]) => [path.split("/").at(-1), bytes]));
    if (there?.status.is === "unfinished") {
      const { done_bytes: done, total_bytes: total } = there.status;
      const whole = model.shards.filter(({ name, bytes }) => had[name] === bytes);
      const arrived = whole.reduce((sum, { bytes }) => sum + bytes, 0);
      assert.equal(total, model.bytes, said);
      assert.ok(done >= before, `${done} of ${before} bytes still count: ${said}`);
      assert.ok(done <= arrived, `${done} bytes count, and ${arrived} are on the disk: ${said}`);
      // Of those that were just arriving, the last bytes may be there before they are compared.
      assert.ok(arrived - done <= CONNECTIONS * SHARD_BYTES, `${arrived} bytes are whole, and ${done} count: ${said}`);
      before = done;
    } else if (there) {
      await everyByteIsRight(page, there.id);
      before = 0;
    } else {
      assert.equal(before, 0, `the download is gone: ${said}`);
    }
    return there?.status;
  };
  const begin = (page) => {
    host.mend();
    host.break(/\.bin$/, { bytesPerSecond: BYTES_PER_SECOND });
    return page.evaluate((url) => window.outpost.download(url), MANIFEST);
  };
  await killAgainAndAgain(t, { profile, withinMs: WITHIN_MS, check, begin });

  const { page, found } = await open(profile);
  await check(page, found, `the last start, OUTPOST_SEED=${SEED}`);
  host.mend();
  await page.evaluate((url) => window.outpost.download(url), MANIFEST);
  await everyByteIsRight(page, "demo");
  await answers(page, "demo");
  await end(() => {});
});

test(`SIGKILL of the browser at ${KILLS} random moments of an import: no shard that counted is copied again`, async (t) => {
  const profile = await newProfile();
  /** The shards that counted at the last start, in their order, and when each was written. */
  let counted = [];
  const check = async (page, found, said) => {
    const there = honest(found, said);
    const onDisk = await files(page);
    const paths = Object.keys(onDisk).filter((path) => path.endsWith(".bin")).sort();
    for (const [path, changed] of counted) {
      if (there) assert.equal(onDisk[path]?.changed, changed, `${path} was written again: ${said}`);
    }
    if (there?.status.is === "unfinished") {
      const { done_bytes: done, total_bytes: total } = there.status;
      assert.ok(total > SPARE_SHARDS * 2 ** 26, said);
      assert.equal(there.source, "large.gguf, mmproj-demo-f16.gguf", said);
      let sum = 0;
      const now = [];
      for (const path of paths) {
        if (sum + onDisk[path].bytes > done) break;
        sum += onDisk[path].bytes;
        now.push([path, onDisk[path].changed]);
      }
      assert.equal(sum, done, `what counts are the first shards on the disk: ${said}`);
      assert.ok(now.length >= counted.length, `${now.length} of ${counted.length} shards still count: ${said}`);
      counted = now;
    } else {
      assert.ok(there || counted.length === 0, `the import is gone: ${said}`);
      if (there) await everyByteIsRight(page, there.id);
      counted = [];
    }
    return there?.status;
  };
  const begin = async (page) => {
    await part(page, "import-files").setInputFiles(large);
    // Answered once the import is over.
    const [found] = await page.evaluate(() => window.outpost.models());
    assert.equal(found.status.is, "installed");
  };
  const undisturbed = await open(profile);
  const began = performance.now();
  await begin(undisturbed.page);
  const took = performance.now() - began;
  t.diagnostic(`undisturbed it takes ${Math.round(took)} ms`);
  await end(() => {});
  await killAgainAndAgain(t, { profile, withinMs: WITHIN_PART * took, check, begin });

  const { page, found } = await open(profile);
  await check(page, found, `the last start, OUTPOST_SEED=${SEED}`);
  await part(page, "import-files").setInputFiles(large);
  await page.waitForFunction(() => document.querySelector("[data-testid=model-state]")?.textContent === "ready", undefined, {
    timeout: READY_MS,
  });
  const [{ id }] = await page.evaluate(() => window.outpost.models());
  await everyByteIsRight(page, id);
  await answers(page, id);
  await end(() => {});
});
