//! Metadata in the one encoding that they are stored in, GGUF's: what [`HeaderReader`](super::header::HeaderReader) reads.

use super::metadata::{Array, Metadata, Value};

/// The count of keys, then for each its name, the number of a type, and the value (ggml/docs/gguf.md).
pub(super) fn encode(metadata: &Metadata) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend((metadata.len() as u64).to_le_bytes());
    for (key, value) in metadata.iter() {
        string(&mut out, key);
        encode_value(&mut out, value);
    }
    out
}

fn encode_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::U8(n) => number(out, 0, n.to_le_bytes()),
        Value::I8(n) => number(out, 1, n.to_le_bytes()),
        Value::U16(n) => number(out, 2, n.to_le_bytes()),
        Value::I16(n) => number(out, 3, n.to_le_bytes()),
        Value::U32(n) => number(out, 4, n.to_le_bytes()),
        Value::I32(n) => number(out, 5, n.to_le_bytes()),
        Value::F32(n) => number(out, 6, n.to_le_bytes()),
        Value::Bool(is) => number(out, 7, [u8::from(*is)]),
        Value::String(text) => {
            kind(out, 8);
            string(out, text);
        }
        Value::Array(array) => {
            kind(out, 9);
            encode_array(out, array);
        }
        Value::U64(n) => number(out, 10, n.to_le_bytes()),
        Value::I64(n) => number(out, 11, n.to_le_bytes()),
        Value::F64(n) => number(out, 12, n.to_le_bytes()),
    }
}

fn encode_array(out: &mut Vec<u8>, array: &Array) {
    match array {
        Array::U8(items) => numbers(out, 0, items, |n| n.to_le_bytes()),
        Array::I8(items) => numbers(out, 1, items, |n| n.to_le_bytes()),
        Array::U16(items) => numbers(out, 2, items, |n| n.to_le_bytes()),
        Array::I16(items) => numbers(out, 3, items, |n| n.to_le_bytes()),
        Array::U32(items) => numbers(out, 4, items, |n| n.to_le_bytes()),
        Array::I32(items) => numbers(out, 5, items, |n| n.to_le_bytes()),
        Array::F32(items) => numbers(out, 6, items, |n| n.to_le_bytes()),
        Array::Bool(items) => numbers(out, 7, items, |is| [u8::from(is)]),
        Array::String(items) => {
            head(out, 8, items.len());
            for text in items {
                string(out, text);
            }
        }
        Array::U64(items) => numbers(out, 10, items, |n| n.to_le_bytes()),
        Array::I64(items) => numbers(out, 11, items, |n| n.to_le_bytes()),
        Array::F64(items) => numbers(out, 12, items, |n| n.to_le_bytes()),
    }
}

fn number<const N: usize>(out: &mut Vec<u8>, id: u32, bytes: [u8; N]) {
    kind(out, id);
    out.extend(bytes);
}

fn numbers<T: Copy, const N: usize>(
    out: &mut Vec<u8>,
    id: u32,
    items: &[T],
    bytes: impl Fn(T) -> [u8; N],
) {
    head(out, id, items.len());
    out.extend(items.iter().flat_map(|item| bytes(*item)));
}

/// Type and number of an array's items.
fn head(out: &mut Vec<u8>, id: u32, count: usize) {
    kind(out, id);
    out.extend((count as u64).to_le_bytes());
}

fn kind(out: &mut Vec<u8>, id: u32) {
    out.extend(id.to_le_bytes());
}

fn string(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::header::HeaderReader;
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let values = [
            Value::U8(1),
            Value::I8(-2),
            Value::U16(3),
            Value::I16(-4),
            Value::U32(5),
            Value::I32(-6),
            Value::F32(7.5),
            Value::Bool(true),
            Value::String("acht ▁".to_owned()),
            Value::U64(1 << 40),
            Value::I64(-(1 << 40)),
            Value::F64(9.25),
            Value::Array(Array::U8(vec![1, 2])),
            Value::Array(Array::I8(vec![-1])),
            Value::Array(Array::U16(vec![1 << 9])),
            Value::Array(Array::I16(vec![-(1 << 9)])),
            Value::Array(Array::U32(vec![1 << 20])),
            Value::Array(Array::I32(vec![-(1 << 20)])),
            Value::Array(Array::F32(vec![0.5, -0.5])),
            Value::Array(Array::Bool(vec![false, true])),
            Value::Array(Array::String(vec![String::new(), "\n".to_owned()])),
            Value::Array(Array::U64(vec![])),
            Value::Array(Array::I64(vec![-1])),
            Value::Array(Array::F64(vec![1e300])),
        ];
        let keyed = values.into_iter().enumerate();
        let metadata: Metadata = keyed
            .map(|(n, value)| (format!("key.{n}"), value))
            .collect();
        let bytes = encode(&metadata);
        let mut reader = HeaderReader::new(&bytes, bytes.len() as u64, "test");
        assert_eq!(reader.metadata().unwrap(), metadata);
        assert_eq!(reader.position(), bytes.len() as u64);
    }
}
