//! Random JSON Schemas, and a plain check of a value against one: written apart from the engine's own reading of schemas.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

type Check = fn(&str) -> bool;

/// Patterns, and what they say.
const PATTERNS: [(&str, Check); 6] = [
    (r"^[A-Z]\\d{2}(\\.\\d{1,3})?$", |text| {
        let (head, rest) = text.split_at_checked(3).unwrap_or(("", ""));
        let head: Vec<char> = head.chars().collect();
        let upper = head.first().is_some_and(char::is_ascii_uppercase);
        let digits = |text: &str| text.chars().all(|letter| letter.is_ascii_digit());
        let rest = rest.is_empty()
            || rest
                .strip_prefix('.')
                .is_some_and(|rest| (1..=3).contains(&rest.len()) && digits(rest));
        upper && head.len() == 3 && head[1..].iter().all(char::is_ascii_digit) && rest
    }),
    ("^(a|bc)+$", |text| {
        let mut rest = text;
        while let Some(next) = rest.strip_prefix('a').or(rest.strip_prefix("bc")) {
            rest = next;
        }
        rest.is_empty() && !text.is_empty()
    }),
    ("é", |text| text.contains('é')),
    ("^[^a-z]{3,9}$", |text| {
        (3..=9).contains(&text.chars().count())
            && !text.chars().any(|letter| letter.is_ascii_lowercase())
    }),
    (r"^\\S+( \\S+)?$", |text| {
        let mut words = text.split(' ');
        let word = |word: Option<&str>| {
            word.is_some_and(|word| !word.is_empty() && !word.contains(char::is_whitespace))
        };
        let first = word(words.next());
        let second = words.next();
        first && (second.is_none() || word(second)) && words.next().is_none()
    }),
    (r#"^[\"\\\\\\n😀-😎]*$"#, |text| {
        text.chars()
            .all(|letter| matches!(letter, '"' | '\\' | '\n' | '😀'..='😎'))
    }),
];

const NAMES: [&str; 8] = [
    "name",
    "dose",
    "größe",
    "a \\\"b\\\"",
    "status",
    "",
    "x",
    "since\\n",
];

/// A random schema as text.
pub fn schema(seed: u64) -> String {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let inner = value(&mut rng, 0);
    let node = r##"{"type":"object","properties":{"v":{"type":"integer","minimum":0,"maximum":99},"next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}},"required":["v","next"],"additionalProperties":false}"##;
    format!(
        r#"{{"$defs":{{"node":{node}}},"type":"object","properties":{{"answer":{inner}}},"required":["answer"],"additionalProperties":false}}"#
    )
}

fn value(rng: &mut ChaCha8Rng, depth: u32) -> String {
    let kinds = if depth < 3 { 14 } else { 9 };
    match rng.random_range(0..kinds) {
        0 => r#"{"type":"boolean"}"#.to_owned(),
        1 => r#"{"type":["null","integer"],"multipleOf":7}"#.to_owned(),
        2 => {
            let least = rng.random_range(-1200..1200);
            let most = least + rng.random_range(0..300);
            format!(r#"{{"type":"integer","minimum":{least},"maximum":{most}}}"#)
        }
        3 => {
            let least = f64::from(rng.random_range(-5000..5000)) / 100.0;
            let most = least + f64::from(rng.random_range(1..500)) / 100.0;
            match rng.random_bool(0.5) {
                true => {
                    format!(
                        r#"{{"type":"number","minimum":{least:.2},"exclusiveMaximum":{most:.2}}}"#
                    )
                }
                false => {
                    format!(
                        r#"{{"type":"number","exclusiveMinimum":{least:.2},"maximum":{most:.2}}}"#
                    )
                }
            }
        }
        4 => r##"{"enum":["routine","urgent",null,3,1.5,["a",{"b":"ü\"\\"}]]}"##.to_owned(),
        5 => r#"{"const":"says \"no\"\tto it"}"#.to_owned(),
        6 => {
            let least = rng.random_range(0..6);
            let most = least + rng.random_range(0..30);
            format!(r#"{{"type":"string","minLength":{least},"maxLength":{most}}}"#)
        }
        7 => {
            let (pattern, _) = PATTERNS[rng.random_range(0..PATTERNS.len())];
            match rng.random_bool(0.5) {
                true => format!(r#"{{"type":"string","pattern":"{pattern}","maxLength":24}}"#),
                false => format!(r#"{{"type":"string","pattern":"{pattern}"}}"#),
            }
        }
        8 => {
            let formats = ["date", "time", "date-time", "uuid"];
            let format = formats[rng.random_range(0..formats.len())];
            format!(r#"{{"type":"string","format":"{format}"}}"#)
        }
        9 => {
            let least = rng.random_range(0..3);
            let most = least + rng.random_range(0..4);
            let items = value(rng, depth + 1);
            format!(r#"{{"type":"array","items":{items},"minItems":{least},"maxItems":{most}}}"#)
        }
        10 => {
            let (one, other) = (value(rng, depth + 1), value(rng, depth + 1));
            format!(r#"{{"anyOf":[{one},{other}]}}"#)
        }
        11 => r##"{"$ref":"#/$defs/node"}"##.to_owned(),
        12 => {
            let others = value(rng, depth + 1);
            let mine = value(rng, depth + 1);
            format!(
                r#"{{"type":"object","properties":{{"x":{mine}}},"additionalProperties":{others}}}"#
            )
        }
        _ => {
            let mut names = NAMES.to_vec();
            let mut properties = Vec::new();
            let mut required = Vec::new();
            for _ in 0..rng.random_range(1..6) {
                let name = names.remove(rng.random_range(0..names.len()));
                let inner = value(rng, depth + 1);
                properties.push(format!(r#""{name}":{inner}"#));
                if rng.random_bool(0.6) {
                    required.push(format!(r#""{name}""#));
                }
            }
            format!(
                r#"{{"type":"object","properties":{{{}}},"required":[{}],"additionalProperties":false}}"#,
                properties.join(","),
                required.join(",")
            )
        }
    }
}

/// Whether `value` satisfies `schema`, a part of `root`.
pub fn satisfies(value: &Value, schema: &Value, root: &Value) -> bool {
    if let Some(pointer) = schema["$ref"].as_str() {
        let target = root.pointer(pointer.trim_start_matches('#')).unwrap();
        return satisfies(value, target, root);
    }
    if let Some(ways) = schema["anyOf"].as_array() {
        return ways.iter().any(|way| satisfies(value, way, root));
    }
    if let Some(values) = schema["enum"].as_array() {
        return values.contains(value);
    }
    if let Some(constant) = schema.get("const") {
        return value == constant;
    }
    let types = match &schema["type"] {
        Value::Array(types) => types.clone(),
        one => vec![one.clone()],
    };
    let is_type = |name: &Value| match (name.as_str().unwrap(), value) {
        ("null", Value::Null) | ("boolean", Value::Bool(_)) | ("string", Value::String(_)) => true,
        ("array", Value::Array(_))
        | ("object", Value::Object(_))
        | ("number", Value::Number(_)) => true,
        ("integer", Value::Number(number)) => number.is_i64(),
        _ => false,
    };
    if !types.iter().any(is_type) {
        return false;
    }
    match value {
        Value::Number(number) => within(number.as_f64().unwrap(), schema),
        Value::String(text) => is_text(text, schema),
        Value::Array(items) => {
            let count = items.len() as u64;
            let enough = schema["minItems"]
                .as_u64()
                .is_none_or(|least| count >= least);
            let few = schema["maxItems"].as_u64().is_none_or(|most| count <= most);
            enough
                && few
                && items
                    .iter()
                    .all(|item| satisfies(item, &schema["items"], root))
        }
        Value::Object(members) => {
            let required = schema["required"].as_array().into_iter().flatten();
            let mut required = required.map(|name| name.as_str().unwrap());
            required.all(|name| members.contains_key(name))
                && members
                    .iter()
                    .all(|(name, value)| match schema["properties"].get(name) {
                        Some(inner) => satisfies(value, inner, root),
                        None => match &schema["additionalProperties"] {
                            Value::Bool(allowed) => *allowed,
                            others => satisfies(value, others, root),
                        },
                    })
        }
        _ => true,
    }
}

fn within(number: f64, schema: &Value) -> bool {
    let holds = |word: &str, check: fn(f64, f64) -> bool| {
        schema[word]
            .as_f64()
            .is_none_or(|bound| check(number, bound))
    };
    holds("minimum", |number, bound| number >= bound)
        && holds("maximum", |number, bound| number <= bound)
        && holds("exclusiveMinimum", |number, bound| number > bound)
        && holds("exclusiveMaximum", |number, bound| number < bound)
        && holds("multipleOf", |number, unit| number % unit == 0.0)
}

fn is_text(text: &str, schema: &Value) -> bool {
    let count = text.chars().count() as u64;
    let enough = schema["minLength"]
        .as_u64()
        .is_none_or(|least| count >= least);
    let few = schema["maxLength"]
        .as_u64()
        .is_none_or(|most| count <= most);
    let matches = schema["pattern"].as_str().is_none_or(|pattern| {
        let spelled =
            |known: &str| serde_json::from_str::<String>(&format!("\"{known}\"")).unwrap();
        let known = PATTERNS.iter().find(|(known, _)| spelled(known) == pattern);
        known.unwrap().1(text)
    });
    let formatted = match schema["format"].as_str() {
        Some("date") => is_date(text),
        Some("time") => is_time(text),
        Some("date-time") => text
            .split_once('T')
            .is_some_and(|(date, time)| is_date(date) && is_time(time)),
        Some("uuid") => {
            let lengths: Vec<usize> = text.split('-').map(str::len).collect();
            lengths == [8, 4, 4, 4, 12]
                && text
                    .chars()
                    .all(|letter| letter == '-' || letter.is_ascii_hexdigit())
        }
        _ => true,
    };
    enough && few && matches && formatted
}

fn number(text: &str, digits: usize) -> Option<u32> {
    let all = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| all)
}

/// Whether a day was or will be: RFC 3339's full-date.
pub fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else {
        return false;
    };
    let (Some(year), Some(month), Some(day)) = (number(year, 4), number(month, 2), number(day, 2))
    else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}

fn is_time(text: &str) -> bool {
    let (clock, zone) = match text.strip_suffix('Z') {
        Some(clock) => (clock, "+00:00"),
        None if text.len() > 6 => text.split_at(text.len() - 6),
        None => return false,
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let below = |text: &str, limits: &[u32]| {
        let parts: Vec<_> = text.split(':').map(|part| number(part, 2)).collect();
        parts.len() == limits.len()
            && parts
                .iter()
                .zip(limits)
                .all(|(part, limit)| part.is_some_and(|part| part < *limit))
    };
    below(clock, &[24, 60, 60])
        && !fraction.is_empty()
        && fraction.bytes().all(|byte| byte.is_ascii_digit())
        && zone.starts_with(['+', '-'])
        && below(&zone[1..], &[24, 60])
}
