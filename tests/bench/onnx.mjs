// The smallest ONNX models there are: nodes of MatMulNBits over one matrix of four bits, written as protocol buffers by hand.
// Field numbers are those of onnx.proto3 (onnx/onnx, IR version 10); the operator is `MatMulNBits` of com.microsoft
// (onnxruntime, docs/ContribOperators.md).

const FLOAT = 1;
const UINT8 = 2;
const INT = 2; // AttributeProto.AttributeType

/**
 * y0, y1, … = x · Wᵀ, `repeat` times. x: [tokens, cols] f32; W: [rows, cols] as packed nibbles [rows, cols / block, block / 2]
 * with scales [rows, cols / block] and the zero point 8, which is what Q4_0 means.
 */
export function matMulNBits({ rows, cols, tokens, block, packed, scales, accuracy, repeat }) {
  const groups = cols / block;
  const node = (number) =>
    message(
      text(1, "x"),
      text(1, "weights"),
      text(1, "scales"),
      text(2, `y${number}`),
      text(3, `product${number}`),
      text(4, "MatMulNBits"),
      ...Object.entries({ K: cols, N: rows, bits: 4, block_size: block, accuracy_level: accuracy }).map(([name, value]) =>
        nested(5, text(1, name), integer(3, value), integer(20, INT)),
      ),
      text(7, "com.microsoft"),
    );
  const numbers = Array.from({ length: repeat }, (_, number) => number);
  const graph = message(
    ...numbers.map((number) => bytes(1, node(number))),
    text(2, "products"),
    nested(5, ...tensor("weights", UINT8, [rows, groups, block / 2], packed)),
    nested(5, ...tensor("scales", FLOAT, [rows * groups], new Uint8Array(scales.buffer))),
    nested(11, ...value("x", [tokens, cols])),
    ...numbers.map((number) => nested(12, ...value(`y${number}`, [tokens, rows]))),
  );
  return message(
    integer(1, 10),
    text(2, "outpost-bench"),
    bytes(7, graph),
    nested(8, text(1, ""), integer(2, 21)),
    nested(8, text(1, "com.microsoft"), integer(2, 1)),
  );
}

/** Fields of a TensorProto. */
function tensor(name, type, dimensions, raw) {
  return [...dimensions.map((size) => integer(1, size)), integer(2, type), text(8, name), bytes(9, raw)];
}

/** Fields of a ValueInfoProto of f32. */
function value(name, dimensions) {
  const shape = message(...dimensions.map((size) => nested(1, integer(1, size))));
  return [text(1, name), nested(2, nested(1, integer(1, FLOAT), bytes(2, shape)))];
}

function integer(field, number) {
  return message(varint(field << 3), varint(number));
}

function bytes(field, content) {
  return message(varint((field << 3) | 2), varint(content.length), content);
}

function text(field, content) {
  return bytes(field, new TextEncoder().encode(content));
}

function nested(field, ...fields) {
  return bytes(field, message(...fields));
}

function varint(number) {
  const found = [];
  for (let rest = number; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Uint8Array.from([...found, rest]);
    found.push((rest % 128) | 128);
  }
}

/** Parts one after the other. */
function message(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
