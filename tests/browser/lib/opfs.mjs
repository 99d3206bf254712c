// The origin's private files, as a page of that origin that is not the application reads and damages them.
import { setTimeout as wait } from "node:timers/promises";

/** A document of the page's origin that runs no script, so that no Worker holds a file. */
const PLAIN = "manifest.webmanifest";

/** Leaves the application for a plain document of its origin; its Worker ends. */
export async function leave(page, address) {
  await page.goto(`${address}/${PLAIN}`);
}

/** Every file below `models`: its path, its length, and when it was last written. One that goes meanwhile is left out. */
export function files(page) {
  return page.evaluate(async () => {
    const found = {};
    const unlessGone = (error) => {
      if (error.name !== "NotFoundError") throw error;
    };
    const walk = async (folder, path) => {
      for await (const [name, handle] of folder.entries()) {
        if (handle.kind === "directory") await walk(handle, `${path}${name}/`).catch(unlessGone);
        else {
          const file = await handle.getFile().catch(unlessGone);
          if (file) found[`${path}${name}`] = { bytes: file.size, changed: file.lastModified };
        }
      }
    };
    const root = await navigator.storage.getDirectory();
    const models = await root.getDirectoryHandle("models").catch(() => null);
    if (models) await walk(models, "");
    return found;
  });
}

/** The bytes of a file below `models`. */
export async function read(page, path) {
  const text = await page.evaluate(async (path) => {
    const [folder, name] = path.includes("/") ? path.split("/") : [null, path];
    let place = await (await navigator.storage.getDirectory()).getDirectoryHandle("models");
    if (folder) place = await place.getDirectoryHandle(folder);
    const bytes = new Uint8Array(await (await (await place.getFileHandle(name)).getFile()).arrayBuffer());
    let text = "";
    for (const byte of bytes) text += String.fromCharCode(byte);
    return btoa(text);
  }, path);
  return Buffer.from(text, "base64");
}

/** Replaces a file below `models`, or removes it (`null`). A Worker that was ended may hold it for a moment longer. */
export async function write(page, path, bytes) {
  const change = () =>
    page.evaluate(
      async ({ path, text }) => {
        const [folder, name] = path.includes("/") ? path.split("/") : [null, path];
        let place = await (await navigator.storage.getDirectory()).getDirectoryHandle("models");
        if (folder) place = await place.getDirectoryHandle(folder);
        try {
          if (text === null) await place.removeEntry(name);
          else {
            const writable = await (await place.getFileHandle(name)).createWritable();
            await writable.write(Uint8Array.from(atob(text), (char) => char.charCodeAt(0)));
            await writable.close();
          }
          return "";
        } catch (error) {
          if (error.name === "NoModificationAllowedError") return error.name;
          throw error;
        }
      },
      { path, text: bytes === null ? null : Buffer.from(bytes).toString("base64") },
    );
  let refused = await change();
  for (let attempt = 0; refused && attempt < 50; attempt += 1) {
    await wait(100);
    refused = await change();
  }
  if (refused) throw new Error(`${path} stays held`);
}
