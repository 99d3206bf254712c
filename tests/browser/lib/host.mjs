// Any static host: a folder over HTTP, done right, until it is told to break. What breaks is said for each request:
//
//   const host = await startHost({ folder });
//   host.break("model/text-00001-of-00002.bin", { cutAfter: 1000 }, { times: 2 });
//   host.replace("model/manifest.json", bytes);      // the file changes, and with it its ETag
//   await host.stop(); await host.start();           // goes away, and comes back on the same port
//
// A fault is any of these, together where that makes sense:
//   silent: true          takes the request and never answers
//   status: 503           answers with that status and a line of text
//   html: true            a page of HTML with status 200, as hosts have for addresses that they do not know
//   file: PATH            another file of the folder
//   bytes: BUFFER         these bytes instead
//   wholeAlways: true     knows no ranges: the whole file with status 200
//   cutAfter: N           breaks the connection after N bytes
//   stallAfter: N         keeps it open after N bytes and sends nothing more
//   length: N             says that there are N bytes, whatever there is
//   unsized: true         says no length, so that an end that came too soon looks like the end
//   endAfter: N           ends there as if that were all
//   bytesPerSecond: N     slowly
//   headers: { ... }      other headers; null takes one away
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFile, stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize, sep } from "node:path";
import { setTimeout as wait } from "node:timers/promises";

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".webmanifest": "application/manifest+json",
  ".wasm": "application/wasm",
  ".png": "image/png",
  ".svg": "image/svg+xml",
};
const HTML = Buffer.from("<!doctype html><title>Not found</title><h1>This page is not here</h1>");
const PIECE_BYTES = 64 * 1024;

/** What a host of models sends, so that a page of another origin may read it. */
export const FOR_OTHER_ORIGINS = {
  "Access-Control-Allow-Origin": "*",
  "Access-Control-Expose-Headers": "Accept-Ranges, Content-Range, ETag",
  "Cross-Origin-Resource-Policy": "cross-origin",
};

/**
 * Serves `folder` on 127.0.0.1, with these headers beside its own (a function: of the file's path), on `port` or any that
 * is free.
 */
export async function startHost({ folder, headers = FOR_OTHER_ORIGINS, port = 0 } = {}) {
  const host = new Host(folder, headers, port);
  await host.start();
  return host;
}

class Host {
  /** What was asked, oldest first: { method, path, range, ifRange, status, sentBytes, ended }. */
  log = [];
  #faults = [];
  #replaced = new Map();
  #sockets = new Set();
  #server;

  constructor(folder, headers, port) {
    this.folder = folder;
    this.headers = headers;
    this.port = port;
  }

  get address() {
    return `http://localhost:${this.port}`;
  }

  /** Takes requests, on the same port as before if there was one. */
  async start() {
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy());
    });
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
    this.#server.listen(this.port, "127.0.0.1");
    await once(this.#server, "listening");
    this.port = this.#server.address().port;
  }

  /** Goes away as in a power cut: answers that are being sent break off. */
  async stop() {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** Breaks answers whose path is `path`, or matches it; the first `times` of them. Returns what mends it. */
  break(path, fault, { times = Infinity } = {}) {
    const entry = { matches: typeof path === "string" ? (asked) => asked === path : (asked) => path.test(asked), fault, times };
    this.#faults.push(entry);
    return () => (entry.times = 0);
  }

  /** Everything works again. */
  mend() {
    this.#faults.length = 0;
  }

  /** From now on the file at `path` has these bytes; `null` for none. */
  replace(path, bytes) {
    this.#replaced.set(path, { bytes, changed: new Date() });
  }

  /** What was asked for at `path`. */
  asked(path) {
    return this.log.filter((entry) => entry.path === path);
  }

  async #file(path) {
    const replaced = this.#replaced.get(path);
    if (replaced) return replaced.bytes && file(replaced.bytes, replaced.changed, path);
    const inside = normalize(path);
    if (inside.startsWith("..") || inside.startsWith(sep)) return null;
    const place = join(this.folder, inside);
    const found = await stat(place).catch(() => null);
    return found?.isFile() ? file(await readFile(place), found.mtime, path) : null;
  }

  #faultFor(path) {
    const entry = this.#faults.find((entry) => entry.times > 0 && entry.matches(path));
    if (entry) entry.times -= 1;
    return entry?.fault ?? {};
  }

  async #answer(request, response) {
    const asked = decodeURIComponent(new URL(request.url, "http://localhost").pathname.slice(1));
    const path = asked === "" || asked.endsWith("/") ? `${asked}index.html` : asked;
    const { method, headers } = request;
    const entry = { method, path, range: headers.range, ifRange: headers["if-range"], status: 0, sentBytes: 0, ended: false };
    this.log.push(entry);
    const fault = this.#faultFor(path);
    if (fault.silent) return;
    const found = await this.#found(request, path, fault);
    entry.status = found.status;
    const body = method === "HEAD" || found.status === 304 || found.status === 204 ? Buffer.alloc(0) : found.body;
    const end = Math.min(fault.endAfter ?? body.length, body.length);
    const own = typeof this.headers === "function" ? this.headers(path) : this.headers;
    const set = { ...own, ...found.headers, "Content-Length": fault.length ?? found.body.length, ...fault.headers };
    response.strictContentLength = false;
    response.statusCode = found.status;
    for (const [name, value] of Object.entries(set)) if (value !== null) response.setHeader(name, value);
    if (fault.unsized) {
      response.removeHeader("Content-Length");
      response.useChunkedEncodingByDefault = false;
      response.shouldKeepAlive = false;
    }
    response.flushHeaders();
    await send(response, body.subarray(0, end), fault, entry);
  }

  async #found(request, path, fault) {
    if (request.method === "OPTIONS") return { status: 204, headers: PREFLIGHT, body: Buffer.alloc(0) };
    if (fault.status) return text(fault.status, "this is how it is today\n");
    if (fault.html) return { status: 200, headers: { "Content-Type": TYPES[".html"] }, body: HTML };
    const there = await this.#file(fault.file ?? path);
    if (!there) return text(404, "there is no such file\n");
    const given = fault.bytes ? file(fault.bytes, new Date(), path) : there;
    return ranged(request.headers, given, fault.wholeAlways);
  }
}

const PREFLIGHT = { "Access-Control-Allow-Headers": "Range, If-Range, If-None-Match", "Access-Control-Allow-Methods": "GET, HEAD" };

function file(bytes, changed, path) {
  const tag = `"${createHash("sha256").update(bytes).digest("hex").slice(0, 16)}"`;
  return { bytes, tag, changed: changed.toUTCString(), type: TYPES[extname(path)] ?? "application/octet-stream" };
}

function text(status, words) {
  return { status, headers: { "Content-Type": "text/plain; charset=utf-8" }, body: Buffer.from(words) };
}

/** Range, If-Range and If-None-Match (RFC 9110, sections 13 and 14). */
function ranged(asked, { bytes, tag, changed, type }, wholeAlways) {
  const headers = { "Content-Type": type, ETag: tag, "Last-Modified": changed, "Accept-Ranges": wholeAlways ? "none" : "bytes" };
  if (asked["if-none-match"] === tag) return { status: 304, headers, body: Buffer.alloc(0) };
  const same = !asked["if-range"] || [tag, changed].includes(asked["if-range"]);
  const range = /^bytes=(\d*)-(\d*)$/.exec(asked.range ?? "");
  if (wholeAlways || !same || !range || range[0] === "bytes=-") return { status: 200, headers, body: bytes };
  const [, from, to] = range;
  const first = from === "" ? Math.max(0, bytes.length - Number(to)) : Number(from);
  const last = from === "" || to === "" ? bytes.length - 1 : Math.min(Number(to), bytes.length - 1);
  if (first >= bytes.length) {
    return { ...text(416, "the file has no such range\n"), headers: { "Content-Range": `bytes */${bytes.length}` } };
  }
  if (first > last) return { status: 200, headers, body: bytes };
  headers["Content-Range"] = `bytes ${first}-${last}/${bytes.length}`;
  return { status: 206, headers, body: bytes.subarray(first, last + 1) };
}

async function send(response, body, fault, entry) {
  const stop = Math.min(fault.cutAfter ?? Infinity, fault.stallAfter ?? Infinity, body.length);
  const piece = fault.bytesPerSecond ? Math.max(1, Math.floor(fault.bytesPerSecond / 10)) : PIECE_BYTES;
  for (let at = 0; at < stop && !response.destroyed; at += piece) {
    const part = body.subarray(at, Math.min(at + piece, stop));
    if (!response.write(part)) await drained(response);
    entry.sentBytes += part.length;
    if (fault.bytesPerSecond) await wait(100);
  }
  if (fault.stallAfter !== undefined) return;
  if (fault.cutAfter !== undefined) {
    // What was written must arrive before the connection breaks.
    await wait(50);
    response.destroy();
    return;
  }
  if (fault.length !== undefined && fault.length > body.length) {
    await wait(50);
    response.destroy();
    return;
  }
  entry.ended = true;
  response.end();
}

/** Until there is room for more, or nobody reads any more. */
function drained(response) {
  return new Promise((resolve) => {
    const done = () => {
      response.off("drain", done).off("close", done);
      resolve();
    };
    response.on("drain", done).on("close", done);
  });
}
