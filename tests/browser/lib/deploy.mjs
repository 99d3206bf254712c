// Versions of the built page, as deploys would bring them: copies of it whose files say which version they are.
import { createHash } from "node:crypto";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { extname, join, relative, sep } from "node:path";
import { DIST, HOSTS } from "./settings.mjs";

/** The line of sw.js with the list that `xtask/src/build/precache.rs` writes. */
const LIST = /^( *const FILES = )\[.*\];$/m;

/** Where the demonstration model lies; it has a version of its own. */
const MODELS = "models/";
const CODES = "terminology/";

/** Below it lie the page that installs models, and its Worker's script: what has headers of its own. */
export const INSTALLING = "install/";

/**
 * The headers that static hosts send, as the build writes them for Netlify: a function of the file's path. `changed` may
 * change what goes with every file.
 */
export async function pageHeaders(changed = (headers) => headers) {
  const text = await readFile(join(HOSTS, "_headers"), "utf8");
  const [page, instead] = text.split(/^\/.*\n/m).slice(1).map((rule) => {
    const lines = rule.split("\n").filter(Boolean);
    return Object.fromEntries(lines.map((line) => line.trim().split(/: (.*)/s, 2)));
  });
  return (path) => changed(path.startsWith(INSTALLING) ? { ...page, ...instead } : page);
}

/** A folder with the page in which every file carries the mark of version `name`. */
export async function makeVersion(name) {
  const folder = await mkdtemp(join(tmpdir(), `outpost-version-${name}-`));
  await cp(DIST, folder, { recursive: true });
  for (const path of await list(folder)) {
    if (path === "sw.js" || path.startsWith(MODELS)) continue;
    const bytes = await readFile(join(folder, path));
    await writeFile(join(folder, path), marked(path, bytes, name));
  }
  await writePrecacheList(folder);
  return { name, folder, remove: () => rm(folder, { recursive: true, force: true }) };
}

/** Lists the files of `folder` in its sw.js, with their hashes. */
export async function writePrecacheList(folder) {
  const entries = [];
  for (const path of await list(folder)) {
    if (path === "sw.js" || path.startsWith(MODELS)) continue;
    const revision = createHash("sha256").update(await readFile(join(folder, path))).digest("hex");
    const later = path.startsWith(CODES) || undefined;
    entries.push({ revision, url: addressOf(path), later });
  }
  const script = await readFile(join(folder, "sw.js"), "utf8");
  if (!LIST.test(script)) throw new Error("sw.js has no list of files where one is expected");
  await writeFile(join(folder, "sw.js"), script.replace(LIST, (_, before) => `${before}${JSON.stringify(entries)};`));
}

/** A page is asked for by its folder's address. */
const addressOf = (path) => path.replace(/(^|\/)index\.html$/, "$1") || "./";

/** Every file of the page that has a mark, as addresses relative to it. */
export async function markedFiles(version) {
  const paths = await list(version.folder);
  return paths.filter((path) => path !== "sw.js" && !path.startsWith(MODELS) && MARKS[extname(path)]).map(addressOf);
}

/** What a version's file says of itself: the name given to `makeVersion`. */
export const VERSION_MARK = /outpost version (\w+)/;

const words = (name) => `outpost version ${name}`;
const comment = (open, close) => (bytes, name) => Buffer.concat([bytes, Buffer.from(`${open} ${words(name)} ${close}\n`)]);
const MARKS = {
  ".html": comment("<!--", "-->"),
  ".svg": comment("<!--", "-->"),
  ".css": comment("/*", "*/"),
  ".js": comment("/*", "*/"),
  ".wasm": (bytes, name) => Buffer.concat([bytes, customSection("mark", words(name))]),
};

function marked(path, bytes, name) {
  return MARKS[extname(path)]?.(bytes, name) ?? bytes;
}

/** Something that a module carries and nothing reads (WebAssembly core specification, 5.5.3). */
function customSection(name, text) {
  const content = Buffer.from(`${String.fromCharCode(name.length)}${name}${text}`);
  return Buffer.concat([Buffer.from([0, content.length]), content]);
}

/** Every file below a folder, with `/` between the parts, sorted. */
async function list(folder) {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = found.filter((entry) => entry.isFile());
  return files.map((entry) => relative(folder, join(entry.parentPath ?? entry.path, entry.name)).split(sep).join("/")).sort();
}
