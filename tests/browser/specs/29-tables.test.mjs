// Tables of codes that a person brings: into the page, used at once, there at the next visit, and never believed when their
// bytes have changed. All drugs, names and codes are INVENTED, in the formats of RxNorm's files and of own lists.
import { test } from "node:test";
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { part, ready, storedForOffline } from "../lib/page.mjs";
import { ROOT } from "../lib/settings.mjs";
import { suite } from "../lib/suite.mjs";

const SAID = "She has had a sore throat for three days.\nI prescribed Fenatulex 35 mg, twice a day for 5 days.";
const ILL = "She has glimmer sickness. No fever.";
const ICD10CM = "terminology/icd10cm.index";
const FILES = join(ROOT, "clinic/tests/terminology");

const row = (id, kind, name, suppress = "N", source = "RXNORM") =>
  `${id}|ENG||||||A${id}||||${source}|${kind}|${id}|${name}||${suppress}|4096|`;
const relation = (first, second) => `${first}||CUI|RO|${second}||CUI|tradename_of|R1||RXNORM|RXNORM||||4096|`;
const RXNCONSO = [
  row(90000001, "IN", "fenatulex"),
  row(90000002, "SCD", "fenatulex 35 MG Oral Tablet"),
  row(90000003, "BN", "Zanofex"),
  row(90000004, "IN", "hidden one", "O"),
  row(90000005, "IN", "of another source", "N", "INVENTED"),
].join("\n");
const RXNREL = relation(90000001, 90000003);
const LIST = "system,code,display,synonym\nurn:example:clinic,A1,Glimmer disease,glimmer sickness\n";

const stage = suite("tables");
stage.expected.push(/ERR_CONNECTION_REFUSED|ERR_FAILED/, /Changed|was changed/);

const tables = (page) => page.evaluate(() => window.outpost.tables());
const health = (page) => page.evaluate(() => window.outpost.health());
const processed = (page, transcript = SAID) =>
  page.evaluate((transcript) => window.outpost.processMedicalText({ transcript }), transcript);

/** Imports texts as files -> the table, or what was said against it. */
function imported(page, files, options = {}) {
  return page.evaluate(
    async ({ files, options }) => {
      const given = Object.entries(files).map(([name, text]) => new File([text], name));
      try {
        return await window.outpost.importTable(given.length === 1 ? given[0] : given, options);
      } catch ({ message, remedy }) {
        return { said: `${message} ${remedy}` };
      }
    },
    { files, options },
  );
}

/** Every file below `tables`, and its length. */
function stored(page) {
  return page.evaluate(async () => {
    const found = {};
    const root = await navigator.storage.getDirectory();
    const folder = await root.getDirectoryHandle("tables");
    for await (const [name, handle] of folder.entries()) found[name] = (await handle.getFile()).size;
    return found;
  });
}

test("before anything is brought there is no table, and a medication is text", async () => {
  assert.deepEqual(await tables(stage.page), []);
  await assert.rejects(stored(stage.page), /NotFoundError|not be found/, "nothing is made to list nothing");
  const { data, notices } = await processed(stage.page);
  assert.ok(data.medications.length > 0 && data.medications.every(({ rxnorm_code: code }) => code === null));
  assert.ok(notices.some((notice) => /RxNorm is not installed/.test(notice)), notices.join());
});

test("RxNorm's files become a table whose codes are used at once, in the result and in the Bundle", async () => {
  const { page } = stage;
  const table = await imported(page, { "RXNCONSO.RRF": RXNCONSO, "RXNREL.RRF": RXNREL }, { release: "invented 1" });
  assert.deepEqual(
    [table.kind, table.title, table.release, table.codes, table.source, table.status],
    ["rxnorm", "RxNorm", "invented 1", 3, "RXNCONSO.RRF, RXNREL.RRF", { is: "installed" }],
  );
  assert.deepEqual(await tables(page), [table]);
  const { data, bundle, notices } = await processed(page);
  const codes = data.medications.map(({ rxnorm_code: code }) => code);
  assert.ok(codes.some((code) => ["90000001", "90000002"].includes(code)), JSON.stringify(data.medications));
  assert.ok(JSON.stringify(bundle).includes('"version":"invented 1"'), "the Bundle names the release");
  assert.ok(bundle.entry.some(({ resource }) => JSON.stringify(resource).includes(codes.find(Boolean))));
  assert.ok(!notices.some((notice) => /not installed/.test(notice)));
  assert.deepEqual((await health(page)).terminology.map(({ title, codes }) => [title, codes > 0]), [
    ["ICD-10-CM", true],
    ["RxNorm", true],
  ]);
});

test("a list of one's own has words that the published table has not", async () => {
  const { page } = stage;
  const found = async () => (await processed(page, ILL)).data.conditions.find(({ name }) => /glimmer/i.test(name));
  assert.notEqual((await found())?.coded.coding?.code, "A1");
  const table = await imported(page, { "clinic.csv": LIST }, { kind: "conditions" });
  assert.deepEqual([table.title, table.system, table.codes], ["clinic", "urn:example:clinic", 1]);
  const condition = await found();
  assert.deepEqual(condition?.coded.coding, { system: "urn:example:clinic", code: "A1", display: "Glimmer disease" });
  assert.equal(condition.icd10_code, null, "a code of another system is none of ICD-10-CM");
});

test("the files of the command give the same table", async () => {
  const [names, relations] = await Promise.all(
    ["RXNCONSO.RRF", "RXNREL.RRF"].map((name) => readFile(join(FILES, name), "utf8")),
  );
  const progress = await stage.page.evaluate(
    async ({ names, relations }) => {
      const seen = [];
      const files = [new File([names], "RXNCONSO.RRF"), new File([relations], "RXNREL.RRF")];
      const table = await window.outpost.importTable(files, { onProgress: (done, total) => seen.push([done, total]) });
      return { seen, table };
    },
    { names, relations },
  );
  assert.deepEqual(progress.seen.at(-1), [names.length + relations.length, names.length + relations.length]);
  const ids = new Set(names.split("\n").filter((line) => /\|ENG\|.*\|RXNORM\|/.test(line) && /\|N\|4096\|$/.test(line)).map((line) => line.split("|")[0]));
  assert.equal(progress.table.codes, ids.size);
  // It took the place of the one before.
  assert.deepEqual((await tables(stage.page)).map(({ title }) => title), ["clinic", "RxNorm"]);
  assert.equal(Object.keys(await stored(stage.page)).length, 4);
  await imported(stage.page, { "RXNCONSO.RRF": RXNCONSO, "RXNREL.RRF": RXNREL }, { release: "invented 1" });
});

test("what cannot be a table is refused with what to do, and nothing that was there goes", async () => {
  const { page } = stage;
  const before = await tables(page);
  for (const [files, options, words] of [
    [{ "RXNCONSO.RRF": "" }, {}, /RXNCONSO\.RRF is empty\..*stays/],
    [{ "RXNCONSO.RRF": RXNCONSO.slice(0, -9) }, {}, /line 5: 1\d columns.*where 18 belong.*Choose RXNCONSO\.RRF as it was published/],
    [{ "RXNCONSO.RRF": RXNREL }, {}, /line 1: 16 columns.*where 18 belong/],
    [{ "RXNCONSO.RRF": row(90000004, "IN", "hidden one", "O") }, {}, /none of its names is RxNorm's own/],
    [{ "RXNREL.RRF": RXNREL }, {}, /one file of names.*RXNCONSO\.RRF/],
    [{ "RxNorm_full.zip": "PK\u0003\u0004" }, { kind: "rxnorm" }, /is an archive\. Unpack it first/],
    [{ "picture.rrf": "\u0000".repeat(70_000) }, {}, /line 1: it has more than 65535 bytes/],
    [{ "clinic.csv": LIST }, {}, /not known what clinic\.csv lists.*conditions or of medications/],
    [{ "clinic.csv": LIST.replace("display", "name") }, { kind: "conditions" }, /line 1: it begins with.*Correct that line/],
    [{ "clinic.csv": `${LIST}urn:example:clinic,A1,Twice` }, { kind: "conditions" }, /line 3: column 2 \(code\) `A1` stands twice/],
    [{ "clinic.csv": `system,code,display\n${"urn:own,".repeat(1)}${Array.from({ length: 250_002 }, (_, code) => `${code},a`).join("\nurn:own,")}` }, { kind: "conditions" }, /too large.*250001.*Part the list in two/],
    [{ "a.csv": LIST, "b.csv": LIST }, { kind: "medications" }, /A list is one file/],
    [{}, {}, /No file was given/],
    [{ "a.csv": LIST }, { kind: "others" }, /unknown variant.*TableOptions/],
  ]) {
    const outcome = await imported(page, files, options);
    assert.match(outcome.said ?? "done", words, `${Object.keys(files)} ${JSON.stringify(options)}`);
  }
  assert.deepEqual(await tables(page), before);
  assert.equal(Object.keys(await stored(page)).length, 4, "nothing half-written is left");
});

test("reading can be stopped, and nothing is left of it", async () => {
  const { page } = stage;
  const before = await stored(page);
  const outcome = await page.evaluate(async (line) => {
    const stop = new AbortController();
    const names = new File([`${line}\n`.repeat(400_000)], "RXNCONSO.RRF");
    const onProgress = (done, total) => done > total / 10 && stop.abort();
    return window.outpost.importTable(names, { signal: stop.signal, onProgress }).then(
      () => "done",
      ({ message }) => message,
    );
  }, row(90000001, "IN", "fenatulex"));
  assert.match(outcome, /stopped/);
  assert.deepEqual(await stored(page), before);
});

test("at the next visit, without a network, the tables are there", async () => {
  const { page, server } = stage;
  await storedForOffline(page);
  await page.reload();
  await ready(page);
  await page.waitForFunction(async (name) => (await caches.match(new URL(name, location.href))) !== undefined, ICD10CM);
  await server.kill();
  await page.reload();
  await ready(page);
  assert.deepEqual((await tables(page)).map(({ title }) => title), ["clinic", "RxNorm"]);
  const { data } = await processed(page);
  assert.ok(data.medications.some(({ rxnorm_code: code }) => code !== null), JSON.stringify(data.medications));
});

test("a table of which one byte has changed is not used, and the page says so", async () => {
  const { page } = stage;
  const rxnorm = (await tables(page)).find(({ title }) => title === "RxNorm");
  await page.evaluate(async (id) => {
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("tables");
    const handle = await folder.getFileHandle(`body.${id}`);
    const bytes = new Uint8Array(await (await handle.getFile()).arrayBuffer());
    bytes[bytes.length >> 1] ^= 1;
    const writable = await handle.createWritable();
    await writable.write(bytes);
    await writable.close();
  }, rxnorm.id);
  await page.reload();
  await ready(page);
  const listed = await tables(page);
  assert.deepEqual(listed.map(({ status }) => status.is), ["installed", "changed"]);
  const { data, notices } = await processed(page);
  assert.ok(data.medications.every(({ rxnorm_code: code }) => code === null));
  assert.ok(notices.some((notice) => /RxNorm.* was changed .*remove it, and add it again/.test(notice)), notices.join());
  assert.ok((await health(page)).troubles.some(({ message }) => /RxNorm.* was changed/.test(message)));
  // Brought again, it takes the place of the changed one.
  await imported(page, { "RXNCONSO.RRF": RXNCONSO, "RXNREL.RRF": RXNREL });
  assert.deepEqual((await tables(page)).map(({ status }) => status.is), ["installed", "installed"]);
});

test("in the dialog a table is added and removed, on a small screen too", async () => {
  const { page } = stage;
  const used = async () => (await part(page, "storage-used").textContent()).trim();
  await page.evaluate(async () => {
    for (const { id } of await window.outpost.tables()) await window.outpost.removeTable(id);
  });
  assert.deepEqual(await stored(page), {});
  const before = await used();
  await page.setViewportSize({ width: 360, height: 740 });
  await page.getByRole("button", { name: "Models", exact: true }).click();
  await part(page, "show-tables").click();
  const dialog = part(page, "tables-dialog");
  await dialog.getByText("nlm.nih.gov").waitFor();
  await part(page, "table-kind").selectOption("conditions");
  await part(page, "import-table").setInputFiles({ name: "bad.csv", mimeType: "text/csv", buffer: Buffer.from("a,b\n") });
  await part(page, "dialog-error").getByText("line 1: it begins with").waitFor();
  await part(page, "table-release").fill("7");
  const codes = Array.from({ length: 3000 }, (_, code) => `urn:example:clinic,A${code},Invented illness ${code * 7919}\n`);
  const buffer = Buffer.from(`system,code,display\n${codes.join("")}`);
  await part(page, "import-table").setInputFiles({ name: "ours.csv", mimeType: "text/csv", buffer });
  await part(page, "tables-done").getByText("ours is added").waitFor();
  const list = part(page, "tables");
  await list.getByText("Conditions, release 7: 3,000 codes").waitFor();
  assert.notEqual(await used(), before, "what is stored counts it");
  const over = await dialog.evaluate((dialog) => dialog.scrollWidth - dialog.clientWidth);
  assert.ok(over <= 0, `the dialog is ${over} px too wide`);
  await part(page, "remove-table").click();
  await list.getByText("Remove it now").click();
  await list.getByText("ours").waitFor({ state: "detached" });
  assert.deepEqual(await tables(page), []);
  assert.equal(await used(), before);
});
