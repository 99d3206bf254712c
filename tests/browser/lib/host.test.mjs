// The test host does what it says: what a browser's test proves is worth no more than this.
import { after, before, beforeEach, test } from "node:test";
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startHost } from "./host.mjs";

const BYTES = Buffer.from(Array.from({ length: 1000 }, (_, index) => index % 251));
let folder;
let host;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "outpost-host-"));
  await writeFile(join(folder, "shard.bin"), BYTES);
  await writeFile(join(folder, "other.bin"), "another file");
  host = await startHost({ folder });
});
beforeEach(() => host.mend());
after(async () => {
  await host.stop();
  await rm(folder, { recursive: true });
});

const ask = (headers = {}, path = "shard.bin") => fetch(`${host.address}/${path}`, { headers });
const body = async (answer) => Buffer.from(await answer.arrayBuffer());

test("a whole file comes with its length, tag and date, and for pages of other origins", async () => {
  const answer = await ask();
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("content-length"), "1000");
  assert.equal(answer.headers.get("accept-ranges"), "bytes");
  assert.equal(answer.headers.get("access-control-allow-origin"), "*");
  assert.ok(answer.headers.get("etag") && answer.headers.get("last-modified"));
  assert.deepEqual(await body(answer), BYTES);
});

test("ranges are those of the standard", async () => {
  for (const [range, status, first, last] of [
    ["bytes=0-3", 206, 0, 3],
    ["bytes=990-", 206, 990, 999],
    ["bytes=990-5000", 206, 990, 999],
    ["bytes=-10", 206, 990, 999],
    ["bytes=5-2", 200, 0, 999],
    ["lines=0-1", 200, 0, 999],
  ]) {
    const answer = await ask({ Range: range });
    assert.equal(answer.status, status, range);
    if (status === 206) assert.equal(answer.headers.get("content-range"), `bytes ${first}-${last}/1000`, range);
    assert.deepEqual(await body(answer), BYTES.subarray(first, last + 1), range);
  }
  assert.equal((await ask({ Range: "bytes=1000-" })).status, 416);
});

test("a range of a file that has changed is the whole file", async () => {
  const tag = (await ask()).headers.get("etag");
  assert.equal((await ask({ Range: "bytes=500-", "If-Range": tag })).status, 206);
  assert.equal((await ask({ "If-None-Match": tag })).status, 304);
  host.replace("shard.bin", Buffer.alloc(1000, 7));
  const answer = await ask({ Range: "bytes=500-", "If-Range": tag });
  assert.equal(answer.status, 200);
  assert.notEqual(answer.headers.get("etag"), tag);
  host.replace("shard.bin", BYTES);
});

test("an answer that is cut, or says another length, is an error to whoever reads it", async () => {
  for (const fault of [{ cutAfter: 100 }, { length: 2000 }]) {
    host.break("shard.bin", fault, { times: 1 });
    await assert.rejects(ask().then(body), `${JSON.stringify(fault)}`);
  }
  assert.deepEqual(await body(await ask()), BYTES, "and only as often as it was told");
});

test("an answer without a length that ends too soon looks complete", async () => {
  host.break("shard.bin", { unsized: true, endAfter: 100 });
  assert.deepEqual(await body(await ask()), BYTES.subarray(0, 100));
});

test("HTML, another file, other bytes and no ranges come with status 200", async () => {
  host.break("shard.bin", { html: true }, { times: 1 });
  assert.match((await ask()).headers.get("content-type"), /html/);
  host.break("shard.bin", { file: "other.bin" }, { times: 1 });
  assert.equal((await body(await ask())).toString(), "another file");
  host.break("shard.bin", { bytes: Buffer.from("x") }, { times: 1 });
  assert.equal((await body(await ask())).toString(), "x");
  host.break("shard.bin", { wholeAlways: true });
  assert.deepEqual(await body(await ask({ Range: "bytes=1-2" })), BYTES);
});

test("one that is silent or stalls keeps the connection open", async () => {
  for (const fault of [{ silent: true }, { stallAfter: 10 }]) {
    host.break("shard.bin", fault, { times: 1 });
    const answer = fetch(`${host.address}/shard.bin`, { signal: AbortSignal.timeout(300) }).then(body);
    await assert.rejects(answer, { name: "TimeoutError" });
  }
});

test("a slow one takes its time", async () => {
  host.break("shard.bin", { bytesPerSecond: 2000 });
  const began = performance.now();
  assert.deepEqual(await body(await ask()), BYTES);
  assert.ok(performance.now() - began > 350);
});

test("one that went away comes back under the same address", async () => {
  await host.stop();
  await assert.rejects(ask());
  await host.start();
  assert.equal((await ask()).status, 200);
});

test("it says what it was asked", async () => {
  host.log.length = 0;
  await body(await ask({ Range: "bytes=1-2" }));
  await body(await ask({}, "nothing.bin"));
  assert.deepEqual(host.log.map(({ path, range, status }) => [path, range, status]), [
    ["shard.bin", "bytes=1-2", 206],
    ["nothing.bin", undefined, 404],
  ]);
  assert.equal((await fetch(`${host.address}/../settings.mjs`)).status, 404);
});
