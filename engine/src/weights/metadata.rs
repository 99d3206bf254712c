//! What a model file says about its model: keys and values.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::error::{Error, Result};

/// A value, with the width that the file gives it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
#[allow(missing_docs)] // The names are GGUF's own.
pub enum Value {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    F32(f32),
    Bool(bool),
    String(String),
    Array(Array),
    U64(u64),
    I64(i64),
    F64(f64),
}

/// Values of one type.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
#[allow(missing_docs)] // The names are GGUF's own.
pub enum Array {
    U8(Vec<u8>),
    I8(Vec<i8>),
    U16(Vec<u16>),
    I16(Vec<i16>),
    U32(Vec<u32>),
    I32(Vec<i32>),
    F32(Vec<f32>),
    Bool(Vec<bool>),
    String(Vec<String>),
    U64(Vec<u64>),
    I64(Vec<i64>),
    F64(Vec<f64>),
}

/// Keys and values, sorted by key.
///
/// A getter gives [`Error::MissingKey`] for a key that is absent and [`Error::BadKey`] for a value of another kind; its
/// `opt_` twin gives `None` for a key that is absent. Whole numbers may be stored in any width.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata {
    values: BTreeMap<String, Value>,
}

impl Metadata {
    /// The value of `key`, whatever it is.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// All keys with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.values.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// A string.
    pub fn str(&self, key: &str) -> Result<&str> {
        needed(key, self.opt_str(key)?)
    }

    /// A string, if there is one.
    pub fn opt_str(&self, key: &str) -> Result<Option<&str>> {
        self.opt(key, "a string", |value| match value {
            Value::String(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// A whole number that is not negative.
    pub fn u64(&self, key: &str) -> Result<u64> {
        needed(key, self.opt_u64(key)?)
    }

    /// A whole number that is not negative, if there is one.
    pub fn opt_u64(&self, key: &str) -> Result<Option<u64>> {
        self.opt_integer(key)
    }

    /// A whole number below 2³².
    pub fn u32(&self, key: &str) -> Result<u32> {
        needed(key, self.opt_u32(key)?)
    }

    /// A whole number below 2³², if there is one.
    pub fn opt_u32(&self, key: &str) -> Result<Option<u32>> {
        self.opt_integer(key)
    }

    /// A number with a fraction, of either width.
    pub fn f32(&self, key: &str) -> Result<f32> {
        needed(key, self.opt_f32(key)?)
    }

    /// A number with a fraction, if there is one.
    pub fn opt_f32(&self, key: &str) -> Result<Option<f32>> {
        self.opt(key, "a number with a fraction", |value| match *value {
            Value::F32(number) => Some(number),
            Value::F64(number) => Some(number as f32),
            _ => None,
        })
    }

    /// True or false.
    pub fn bool(&self, key: &str) -> Result<bool> {
        needed(key, self.opt_bool(key)?)
    }

    /// True or false, if it is said.
    pub fn opt_bool(&self, key: &str) -> Result<Option<bool>> {
        self.opt(key, "true or false", |value| match *value {
            Value::Bool(is) => Some(is),
            _ => None,
        })
    }

    /// An array of strings.
    pub fn strings(&self, key: &str) -> Result<&[String]> {
        needed(key, self.opt_strings(key)?)
    }

    /// An array of strings, if there is one.
    pub fn opt_strings(&self, key: &str) -> Result<Option<&[String]>> {
        self.opt(key, "an array of strings", |value| match value {
            Value::Array(Array::String(texts)) => Some(texts.as_slice()),
            _ => None,
        })
    }

    /// An array of f32.
    pub fn f32s(&self, key: &str) -> Result<&[f32]> {
        needed(key, self.opt_f32s(key)?)
    }

    /// An array of f32, if there is one.
    pub fn opt_f32s(&self, key: &str) -> Result<Option<&[f32]>> {
        self.opt(key, "an array of f32", |value| match value {
            Value::Array(Array::F32(numbers)) => Some(numbers.as_slice()),
            _ => None,
        })
    }

    /// An array of i32, or of u32 that are i32 as well.
    pub fn i32s(&self, key: &str) -> Result<&[i32]> {
        needed(key, self.opt_i32s(key)?)
    }

    /// An array of i32, if there is one.
    pub fn opt_i32s(&self, key: &str) -> Result<Option<&[i32]>> {
        self.opt(key, "an array of i32", |value| match value {
            Value::Array(Array::I32(numbers)) => Some(numbers.as_slice()),
            Value::Array(Array::U32(numbers)) if numbers.iter().all(|&n| n >> 31 == 0) => {
                Some(bytemuck::cast_slice(numbers))
            }
            _ => None,
        })
    }

    /// Adds a value. Returns whether the key was free.
    pub(super) fn insert(&mut self, key: String, value: Value) -> bool {
        self.values.insert(key, value).is_none()
    }

    fn opt<'a, T>(
        &'a self,
        key: &str,
        expected: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        match read(value) {
            Some(read) => Ok(Some(read)),
            None => Err(Error::BadKey {
                key: key.to_owned(),
                problem: format!("holds {} where {expected} belongs", value.kind()),
            }),
        }
    }

    fn opt_integer<T: TryFrom<i128>>(&self, key: &str) -> Result<Option<T>> {
        let number = self.opt(key, "a whole number", |value| match *value {
            Value::U8(n) => Some(i128::from(n)),
            Value::I8(n) => Some(i128::from(n)),
            Value::U16(n) => Some(i128::from(n)),
            Value::I16(n) => Some(i128::from(n)),
            Value::U32(n) => Some(i128::from(n)),
            Value::I32(n) => Some(i128::from(n)),
            Value::U64(n) => Some(i128::from(n)),
            Value::I64(n) => Some(i128::from(n)),
            _ => None,
        })?;
        let fits = |number: i128| {
            T::try_from(number).map_err(|_| Error::BadKey {
                key: key.to_owned(),
                problem: format!("is {number}, which is out of range"),
            })
        };
        number.map(fits).transpose()
    }
}

impl FromIterator<(String, Value)> for Metadata {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(entries: I) -> Self {
        Self {
            values: entries.into_iter().collect(),
        }
    }
}

impl Value {
    /// What it is, for a message.
    fn kind(&self) -> &'static str {
        match self {
            Self::U8(_) | Self::U16(_) | Self::U32(_) | Self::U64(_) => "a whole number",
            Self::I8(_) | Self::I16(_) | Self::I32(_) | Self::I64(_) => "a whole number",
            Self::F32(_) | Self::F64(_) => "a number with a fraction",
            Self::Bool(_) => "true or false",
            Self::String(_) => "a string",
            Self::Array(Array::String(_)) => "an array of strings",
            Self::Array(_) => "an array of numbers",
        }
    }
}

fn needed<T>(key: &str, value: Option<T>) -> Result<T> {
    value.ok_or_else(|| Error::MissingKey {
        key: key.to_owned(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn one(value: Value) -> Metadata {
        Metadata::from_iter([("key".to_owned(), value)])
    }

    #[test]
    fn whole_numbers_of_any_width_are_read() {
        let widths = [
            Value::U8(7),
            Value::I8(7),
            Value::U16(7),
            Value::I16(7),
            Value::U32(7),
            Value::I32(7),
            Value::U64(7),
            Value::I64(7),
        ];
        for value in widths {
            let metadata = one(value);
            assert_eq!(metadata.u32("key"), Ok(7));
            assert_eq!(metadata.opt_u64("key"), Ok(Some(7)));
        }
    }

    #[test]
    fn a_value_of_another_kind_is_named() {
        let error = one(Value::Bool(true)).u32("key").unwrap_err();
        assert_eq!(
            error.to_string(),
            "metadata key `key` holds true or false where a whole number belongs; convert the model again with a \
             current converter"
        );
        let error = one(Value::I32(-1)).u64("key").unwrap_err();
        assert!(error.to_string().contains("is -1, which is out of range"));
        let error = one(Value::U64(1 << 32)).opt_u32("key").unwrap_err();
        assert!(
            error
                .to_string()
                .contains("is 4294967296, which is out of range")
        );
    }

    #[test]
    fn only_the_getters_without_opt_need_their_key() {
        let metadata = Metadata::default();
        let missing = Error::MissingKey {
            key: "key".to_owned(),
        };
        assert_eq!(metadata.strings("key"), Err(missing));
        assert_eq!(metadata.opt_strings("key"), Ok(None));
    }

    #[test]
    fn unsigned_arrays_are_read_as_signed_where_they_fit() {
        let array = |numbers: &[u32]| one(Value::Array(Array::U32(numbers.to_vec())));
        assert_eq!(array(&[1, 6]).i32s("key"), Ok(&[1, 6][..]));
        assert!(array(&[1, 1 << 31]).i32s("key").is_err());
    }
}
