// Our page beside its peers: what it is asked for in a benchmark.
import { stat } from "node:fs/promises";
import { importModel, makeRoom, openReady } from "../../browser/lib/page.mjs";

/** Room that the page's own files need. */
const SPARE_BYTES = 1e9;

/** Opens the page; with `model`, in the place of the model that it ships. */
export async function openOutpost(context, address, model) {
  const page = await openReady(context, address);
  if (model) {
    await makeRoom(context, page, 2 * (await stat(model)).size + SPARE_BYTES);
    await importModel(page, [model]);
  }
  return page;
}

/** Whether the page has that function. */
export function offers(page, name) {
  return page.evaluate((name) => typeof window.outpost[name] === "function", name);
}

/** `window.outpost.bench` or `window.outpost.benchKernels`. */
export function ask(page, name, options) {
  return page.evaluate(([name, options]) => window.outpost[name](options), [name, options]);
}
