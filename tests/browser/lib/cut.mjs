// The demonstration model in other pieces: in many small shards, as a download has them, or too large for one.
import { createHash, randomBytes } from "node:crypto";
import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { DIST } from "./settings.mjs";

const FOLDER = "models/demo";
export const MANIFEST = `${FOLDER}/manifest.json`;

/** The page's model in shards of `shardBytes`: what a host has instead, by path, and the shards. */
export async function cutModel(shardBytes) {
  const manifest = JSON.parse(await readFile(join(DIST, MANIFEST), "utf8"));
  const replaced = new Map();
  const shards = [];
  for (const file of manifest.files) {
    const whole = Buffer.concat(await Promise.all(file.shards.map(({ name }) => readFile(join(DIST, FOLDER, name)))));
    const count = Math.ceil(whole.length / shardBytes);
    file.shards = Array.from({ length: count }, (_, index) => {
      const bytes = whole.subarray(index * shardBytes, (index + 1) * shardBytes);
      const number = (n) => String(n).padStart(5, "0");
      const name = `${file.role}-${number(index + 1)}-of-${number(count)}.bin`;
      replaced.set(`${FOLDER}/${name}`, bytes);
      return { name, bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
    });
    shards.push(...file.shards);
  }
  replaced.set(MANIFEST, Buffer.from(JSON.stringify(manifest)));
  return { replaced, shards, bytes: shards.reduce((sum, shard) => sum + shard.bytes, 0) };
}

/** Bytes of fixed-length values by their type (ggml/docs/gguf.md). */
const VALUE_BYTES = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];
const [STRING, ARRAY] = [8, 9];
const ALIGNMENT = 32;
const F32 = 0;
const COLS = 4096;

/** Copies a GGUF file to `to` with tensors that no model asks for, 64 MiB each, so that it takes a while to copy. */
export async function enlarge(from, to, tensors) {
  const old = await readFile(from);
  const { infos, data } = headerOf(old);
  const dataBytes = aligned(old.length - data);
  const spareBytes = COLS * COLS * 4;
  const records = Array.from({ length: tensors }, (_, index) => {
    const name = Buffer.from(`spare.${index}.weight`);
    const record = Buffer.alloc(8 + name.length + 4 + 16 + 4 + 8);
    let at = record.writeBigUInt64LE(BigInt(name.length), 0);
    at += name.copy(record, at);
    at = record.writeUInt32LE(2, at);
    at = record.writeBigUInt64LE(BigInt(COLS), at);
    at = record.writeBigUInt64LE(BigInt(COLS), at);
    at = record.writeUInt32LE(F32, at);
    record.writeBigUInt64LE(BigInt(dataBytes + index * spareBytes), at);
    return record;
  });
  const header = Buffer.concat([old.subarray(0, infos), ...records]);
  header.writeBigUInt64LE(header.readBigUInt64LE(8) + BigInt(tensors), 8);
  const file = await open(to, "w");
  try {
    await file.write(Buffer.concat([header], aligned(header.length)));
    await file.write(Buffer.concat([old.subarray(data)], dataBytes));
    const piece = randomBytes(spareBytes / 16);
    for (let count = 0; count < 16 * tensors; count += 1) {
      piece.writeUInt32LE(count);
      await file.write(piece);
    }
  } finally {
    await file.close();
  }
}

const aligned = (bytes) => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

/** Where a GGUF file's records of tensors end, and where their data begin. */
function headerOf(bytes) {
  let at = 8;
  const count = () => {
    at += 8;
    return Number(bytes.readBigUInt64LE(at - 8));
  };
  const number = () => {
    at += 4;
    return bytes.readUInt32LE(at - 4);
  };
  const skip = (length) => (at += length);
  const value = (type) => {
    if (type === STRING) return skip(count());
    if (type !== ARRAY) return skip(VALUE_BYTES[type]);
    const of = number();
    const length = count();
    if (of !== STRING) return skip(length * VALUE_BYTES[of]);
    for (let index = 0; index < length; index += 1) value(STRING);
  };
  const tensors = count();
  const pairs = count();
  for (let index = 0; index < pairs; index += 1) {
    skip(count());
    value(number());
  }
  for (let index = 0; index < tensors; index += 1) {
    skip(count());
    skip(8 * number() + 4 + 8);
  }
  return { infos: at, data: aligned(at) };
}
