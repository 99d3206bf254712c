// Whatever comes in, the page says what is wrong and what to do, and answers the next question.
import { test } from "node:test";
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { ask, newConversation, part, problem, refusal, send } from "../lib/page.mjs";
import { ANSWER_MS, DEMO, PICTURES, QUESTIONS } from "../lib/settings.mjs";
import { suite } from "../lib/suite.mjs";

const stage = suite("bad-input");

const gguf = await readFile(DEMO.text4);
const picture = await readFile(PICTURES.opacity.file);

/** The demonstration model with some bytes replaced. */
function patched(offset, bytes) {
  const copy = Buffer.from(gguf);
  Buffer.from(bytes).copy(copy, offset);
  return copy;
}

/** A field of eight bytes that holds the largest number there is. */
const HUGE = Array(8).fill(0xff);
const VERSION = 4;
const TENSOR_COUNT = 8;
const METADATA_COUNT = 16;

/** Bytes that stand once in `needle`'s place in the model, changed by `change`. */
function edited(needle, change) {
  const offset = gguf.indexOf(needle);
  assert.ok(offset > 0, `${needle} is in the model`);
  return patched(offset, change(Buffer.from(gguf.subarray(offset, offset + needle.length))));
}

const MODELS = [
  ["an empty file", Buffer.alloc(0)],
  ["a text file", Buffer.from("This is a letter, not a model.\n".repeat(50))],
  ["a truncated model", gguf.subarray(0, gguf.length >> 1)],
  ["a header cut short", gguf.subarray(0, 20)],
  ["an unknown version", patched(VERSION, [99, 0, 0, 0])],
  ["a huge count of tensors", patched(TENSOR_COUNT, HUGE)],
  ["a huge count of keys", patched(METADATA_COUNT, HUGE)],
  ["a flipped bit in a key's length", patched(24, [gguf[24] ^ 0x80])],
  ["a key that is needed under another name", edited("general.architecture", (key) => key.fill("x", 8))],
  ["a tensor that is needed under another name", edited("blk.0.attn_q.weight", (name) => name.fill("x", 6))],
];

for (const [name, bytes] of MODELS) {
  test(`import of ${name}: an error that says what to do, and the next question is answered`, async () => {
    const { page } = stage;
    await part(page, "import-files").setInputFiles([{ name: "model.gguf", mimeType: "application/octet-stream", buffer: bytes }]);
    await part(page, "error").waitFor({ timeout: ANSWER_MS });
    const said = await problem(page);
    assert.ok(said.length > 20, `"${said}" explains`);
    assert.ok(!/undefined|null|panick|RuntimeError|unreachable/.test(said), `"${said}" is for people`);
    await closeError(page);
    await newConversation(page);
    assert.match(await ask(page, QUESTIONS.who), /demonstration model/i);
  });
}

test("an image encoder alone is not a model", async () => {
  const { page } = stage;
  await part(page, "import-files").setInputFiles([DEMO.vision]);
  await part(page, "error").waitFor({ timeout: ANSWER_MS });
  await closeError(page);
});

const NO_PICTURES = [
  ["a text file", Buffer.from("not a picture")],
  ["an empty file", Buffer.alloc(0)],
  ["a truncated picture", picture.subarray(0, picture.length >> 1)],
  ["a picture that announces 60,000 x 60,000 pixels", hugePng()],
];

for (const [name, buffer] of NO_PICTURES) {
  test(`${name} as a picture: an error, and the question can be sent without it`, async () => {
    const { page } = stage;
    await newConversation(page);
    await send(page, QUESTIONS.picture, [{ name: "photo.png", mimeType: "image/png", buffer }]);
    await part(page, "error").waitFor({ timeout: ANSWER_MS });
    assert.match(await problem(page), /picture|image/i);
    await closeError(page);
    for (const remove of await page.getByRole("button", { name: /^Remove the picture/ }).all()) await remove.click();
    assert.match(await ask(page, QUESTIONS.who), /demonstration model/i);
  });
}

test("an empty prompt cannot be sent, and the client refuses it", async () => {
  const { page } = stage;
  for (const nothing of ["", "   ", "\n\n"]) {
    await part(page, "prompt").fill(nothing);
    assert.ok(await part(page, "send").isDisabled(), JSON.stringify(nothing));
  }
  assert.ok((await refusal(page, { messages: [] })).message);
  assert.ok((await refusal(page, { messages: [{ role: "user", content: "" }] })).message);
});

test("a prompt of 100,000 characters is refused with what to do", async () => {
  const { page } = stage;
  await newConversation(page);
  await send(page, "very long ".repeat(10_000));
  await part(page, "error").waitFor({ timeout: ANSWER_MS });
  assert.match(await problem(page), /tokens|long|short/i);
  await closeError(page);
  await part(page, "prompt").fill("");
});

test("a conversation that fills the context ends with an error, and a new one is answered", async () => {
  const { page } = stage;
  const refused = await refusal(page, {
    messages: [{ role: "user", content: "A 34 year old woman came with cough. ".repeat(2000) }],
  });
  assert.match(`${refused.message} ${refused.remedy}`, /short|new/i);
  const wrong = await refusal(page, { messages: [{ role: "user", content: "x" }], temperature: Number.NaN });
  assert.ok(wrong.message);
});

test("after all of that both kinds of question are answered rightly", async () => {
  const { page } = stage;
  await newConversation(page);
  assert.match(await ask(page, QUESTIONS.who), /demonstration model/i);
  await newConversation(page);
  const { file, shows } = PICTURES.fluid;
  const answer = await ask(page, QUESTIONS.picture, [file]);
  for (const words of shows) assert.ok(answer.toLowerCase().includes(words), `"${answer}" names ${words}`);
});

async function closeError(page) {
  await page.getByRole("button", { name: "Close this message" }).click();
  await part(page, "error").waitFor({ state: "detached" });
}

/** A PNG whose header announces far more pixels than its few bytes hold. */
function hugePng() {
  const copy = Buffer.from(picture);
  copy.writeUInt32BE(60_000, 16);
  copy.writeUInt32BE(60_000, 20);
  copy.writeUInt32BE(crc32(copy.subarray(12, 29)), 29);
  return copy;
}

/** The checksum of PNG chunks (PNG specification, annex D). */
function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}
