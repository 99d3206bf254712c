// The page that installs models from other hosts, as a person uses it.
import assert from "node:assert/strict";
import { part, ready } from "./page.mjs";
import { READY_MS } from "./settings.mjs";

/** The main page, with what it does by itself behind it. */
export async function openMain(page, host) {
  await page.goto(host.address);
  await ready(page);
}

/** Nothing is installed but what the main page brings by itself; then the page that installs. `elsewhere` serves as it should. */
export async function startAnew(page, host, elsewhere) {
  elsewhere.mend();
  await openMain(page, host);
  await page.evaluate(async () => {
    for (const { id } of await window.outpost.models()) if (id !== "demo") await window.outpost.remove(id);
  });
  elsewhere.log.length = 0;
  return openInstalling(page, host.address);
}

/** The page that installs, of the application at `address`. */
export async function openInstalling(page, address) {
  await page.goto(`${address}/install/`);
  await part(page, "add").waitFor();
  return page;
}

/** Types addresses and asks for what lies there. */
export async function ask(page, model, picture = "") {
  await part(page, "address").fill(model);
  await part(page, "picture-address").fill(picture);
  await part(page, "add").click();
}

/** Waits until a model is there -> its name; what went wrong instead is a failure. */
export async function done(page) {
  const end = part(page, "done").or(part(page, "error"));
  await end.waitFor({ timeout: READY_MS });
  assert.equal(await problem(page), "", "the page shows an error");
  return part(page, "done").locator("h2").innerText();
}

/** Waits until the page says what went wrong -> its words. */
export async function refused(page) {
  await part(page, "error").waitFor({ timeout: READY_MS });
  return problem(page);
}

/** What the page says went wrong. */
export async function problem(page) {
  const shown = part(page, "error");
  return (await shown.count()) ? (await shown.innerText()).trim() : "";
}

/** Waits until so many bytes of the model were fetched. */
export function fetched(page, megabytes) {
  const enough = (megabytes) => document.getElementById("work").hidden === false && document.getElementById("bar").value >= megabytes * 1e6;
  return page.waitForFunction(enough, megabytes, { timeout: READY_MS, polling: 50 });
}

/** What the application has, asked from its main page. */
export const models = (page) => page.evaluate(() => window.outpost.models());
