// One server, one browser and one ready page for the tests of a file, taken down whatever happens.
import { after, before } from "node:test";
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { newProfile, openBrowser } from "./browser.mjs";
import { openReady } from "./page.mjs";
import { startServer } from "./server.mjs";
import { OUTPUT } from "./settings.mjs";

/**
 * Sets up before the first test of a file. With `ready: false` the page is left to the tests.
 * Afterwards a picture of the page and its troubles are written, and troubles that no test expected are a failure.
 */
export function suite(name, { ready = true, browserOptions = {} } = {}) {
  const stage = { expected: [] };
  before(async () => {
    stage.server = await startServer();
    stage.address = stage.server.address;
    stage.profile = await newProfile();
    stage.browser = await openBrowser(stage.profile, browserOptions);
    stage.page = ready ? await openReady(stage.browser.context, stage.address) : undefined;
  });
  after(async () => {
    const { page, browser, server, profile } = stage;
    await mkdir(OUTPUT, { recursive: true });
    if (page && !page.isClosed()) await page.screenshot({ path: join(OUTPUT, `${name}.png`) }).catch(() => {});
    const troubles = browser?.troubles ?? [];
    await writeFile(join(OUTPUT, `${name}.log`), troubles.map((line) => `${line}\n`).join(""));
    await browser?.close();
    await server?.kill();
    await profile?.remove();
    const unexpected = troubles.filter((line) => !stage.expected.some((pattern) => pattern.test(line)));
    assert.deepEqual(unexpected, [], "the page logged errors, threw, or asked another host");
  });
  return stage;
}
