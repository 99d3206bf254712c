//! The primitive types of FHIR R4: which JSON type each is, and its form.
//!
//! The forms are those of the patterns in `definitions/r4.txt`, written as code: a pattern would need a regex engine, and
//! whether a day exists cannot be said by one.

use serde_json::Value;

use super::date::{self, Wrong};
use super::rule;

/// R4: a string is at most a megabyte.
const MAX_STRING_BYTES: usize = 1024 * 1024;

/// Whether `value` is of the primitive type `name`; else the rule, and what would be right.
pub fn check(name: &str, value: &Value) -> Result<(), (&'static str, String)> {
    let wrong_type = |what: &str| Err((rule::TYPE, format!("a {name} is {what}")));
    match (name, value) {
        ("boolean", Value::Bool(_)) | ("decimal", Value::Number(_)) => Ok(()),
        ("boolean", _) => wrong_type("true or false, without quotes"),
        ("decimal", _) => wrong_type("a number, without quotes"),
        ("integer" | "positiveInt" | "unsignedInt", Value::Number(number)) => {
            let least = match name {
                "positiveInt" => 1,
                "unsignedInt" => 0,
                _ => i64::from(i32::MIN),
            };
            match number.as_i64() {
                Some(number) if (least..=i64::from(i32::MAX)).contains(&number) => Ok(()),
                _ => Err((
                    rule::FORMAT,
                    format!(
                        "{number} is no {name}: a whole number from {least} to {}",
                        i32::MAX
                    ),
                )),
            }
        }
        ("integer" | "positiveInt" | "unsignedInt", _) => {
            wrong_type("a whole number, without quotes")
        }
        (_, Value::String(text)) => string(name, text).map_err(|(rule, what)| {
            let shown: String = text.chars().take(60).collect();
            (rule, format!("`{shown}` is no {name}: {what}"))
        }),
        _ => wrong_type("a string"),
    }
}

fn string(name: &str, text: &str) -> Result<(), (&'static str, &'static str)> {
    let form = |holds: bool, what| {
        if holds {
            Ok(())
        } else {
            Err((rule::FORMAT, what))
        }
    };
    let dated = |moment: Result<_, Wrong>, what| match moment {
        Ok(_) => Ok(()),
        Err(Wrong::Form) => Err((rule::FORMAT, what)),
        Err(Wrong::Day) => Err((rule::DATE, "there is no such day")),
    };
    match name {
        "date" => dated(date::date(text), "YYYY, YYYY-MM or YYYY-MM-DD"),
        "dateTime" => dated(
            date::date_time(text),
            "YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with Z or +hh:mm",
        ),
        "instant" => dated(date::instant(text), "YYYY-MM-DDThh:mm:ss with Z or +hh:mm"),
        "time" => form(date::is_time(text), "hh:mm:ss"),
        "code" => form(
            is_code(text),
            "words with one space between them, none around them",
        ),
        "id" => form(is_id(text), "1 to 64 of A-Z a-z 0-9 - ."),
        "uri" | "url" | "canonical" => form(
            !text.is_empty() && !has_space(text),
            "an address, without spaces",
        ),
        "uuid" => form(
            text.strip_prefix("urn:uuid:").is_some_and(is_uuid),
            "urn:uuid: and a UUID in small letters",
        ),
        "oid" => form(is_oid(text), "urn:oid: and numbers with dots between them"),
        "base64Binary" => form(is_base64(text), "base64, in groups of four characters"),
        _ => form(
            is_string(text),
            "text of at most a megabyte, with something in it",
        ),
    }
}

/// Text with something to read in it. Form feed and vertical tab are no characters of R4's strings.
fn is_string(text: &str) -> bool {
    text.len() <= MAX_STRING_BYTES && !text.contains(['\u{b}', '\u{c}']) && !text.trim().is_empty()
}

fn is_code(text: &str) -> bool {
    let mut before = ' ';
    for letter in text.chars() {
        if is_space(letter) && is_space(before) {
            return false;
        }
        before = letter;
    }
    !is_space(before)
}

/// The form of an id.
pub fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'.')
}

/// 32 small hexadecimal digits in groups of 8, 4, 4, 4 and 12.
pub fn is_uuid(text: &str) -> bool {
    let mut groups = text.split('-');
    let right = |group: Option<&str>, length: usize| {
        group.is_some_and(|group| {
            group.len() == length
                && group
                    .bytes()
                    .all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
        })
    };
    [8, 4, 4, 4, 12]
        .into_iter()
        .all(|length| right(groups.next(), length))
        && groups.next().is_none()
}

fn is_oid(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("urn:oid:") else {
        return false;
    };
    let mut arcs = rest.split('.');
    let first = arcs
        .next()
        .is_some_and(|arc| matches!(arc, "0" | "1" | "2"));
    let whole = |arc: &str| {
        arc == "0"
            || (!arc.starts_with('0') && !arc.is_empty() && arc.bytes().all(|c| c.is_ascii_digit()))
    };
    first && rest.contains('.') && arcs.all(whole)
}

fn is_base64(text: &str) -> bool {
    let mut count = 0_usize;
    for letter in text.bytes() {
        match letter {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' | b'=' => count += 1,
            b' ' | b'\t' | b'\r' | b'\n' if count.is_multiple_of(4) => {}
            _ => return false,
        }
    }
    count > 0 && count.is_multiple_of(4)
}

fn is_space(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}')
}

fn has_space(text: &str) -> bool {
    text.chars().any(is_space)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_primitive_type_has_good_and_bad_values() {
        let rows: [(&str, &[Value], &[Value]); 19] = [
            (
                "boolean",
                &[json!(true)],
                &[json!("true"), json!(1), json!(null)],
            ),
            (
                "integer",
                &[json!(0), json!(-5), json!(i32::MAX)],
                &[json!(1.5), json!("1"), json!(3_000_000_000_u64)],
            ),
            (
                "positiveInt",
                &[json!(1)],
                &[json!(0), json!(-1), json!(true)],
            ),
            ("unsignedInt", &[json!(0)], &[json!(-1), json!(0.5)]),
            (
                "decimal",
                &[json!(0), json!(-1.25), json!(1e-9)],
                &[json!("1.0"), json!([])],
            ),
            (
                "string",
                &[json!("a"), json!("a\n b\u{a0}")],
                &[json!(""), json!("  "), json!("a\u{c}"), json!(1)],
            ),
            ("markdown", &[json!("# a")], &[json!(""), json!({})]),
            (
                "code",
                &[json!("a"), json!("a b"), json!("/min")],
                &[json!(""), json!(" a"), json!("a "), json!("a  b")],
            ),
            (
                "id",
                &[json!("a.B-9")],
                &[json!(""), json!("a_b"), json!("a".repeat(65)), json!("é")],
            ),
            (
                "uri",
                &[json!("urn:x"), json!("a")],
                &[json!(""), json!("a b")],
            ),
            ("url", &[json!("http://a")], &[json!("a b")]),
            ("canonical", &[json!("http://a|1")], &[json!(" ")]),
            (
                "uuid",
                &[json!("urn:uuid:c757873d-ec9a-4326-a141-556f43239520")],
                &[
                    json!("urn:uuid:C757873D-ec9a-4326-a141-556f43239520"),
                    json!("c757873d-ec9a-4326-a141-556f43239520"),
                ],
            ),
            (
                "oid",
                &[json!("urn:oid:1.2.0.40")],
                &[
                    json!("urn:oid:3.1"),
                    json!("urn:oid:1"),
                    json!("urn:oid:1.02"),
                    json!("1.2"),
                ],
            ),
            (
                "base64Binary",
                &[json!("YQ=="), json!("YWJj YWJj\n")],
                &[json!(""), json!("YQ="), json!("Y Q=="), json!("Y-_=")],
            ),
            (
                "date",
                &[json!("2020-02-29")],
                &[json!("2021-02-29"), json!("29.2.2020")],
            ),
            (
                "dateTime",
                &[json!("2020"), json!("2020-02-29T10:00:00Z")],
                &[json!("2020-02-29T10:00:00")],
            ),
            (
                "instant",
                &[json!("2020-02-29T10:00:00.1Z")],
                &[json!("2020-02-29")],
            ),
            ("time", &[json!("10:00:00")], &[json!("10:00")]),
        ];
        for (name, good, bad) in rows {
            for value in good {
                assert_eq!(check(name, value), Ok(()), "{name} {value}");
            }
            for value in bad {
                assert!(check(name, value).is_err(), "{name} {value}");
            }
        }
    }
}
