//! What a model is asked to fill in. One table gives the schema that holds a model to it, and the check of what it wrote.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

/// Longest text of a field, in characters.
const MOST_CHARS: usize = 300;

/// What a field may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text that is not empty.
    Text,
    /// Such text, or null, or left out: what was not said costs no tokens.
    OptionalText,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// One of these words, or null, or left out.
    OptionalChoice(&'static [&'static str]),
    /// A number.
    Number,
}

/// A field of an item.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its key.
    pub key: &'static str,
    /// What it may hold.
    pub kind: Kind,
}

/// A list of items.
#[derive(Debug, Clone, Copy)]
pub struct List {
    /// Its key.
    pub key: &'static str,
    /// The fields of each item, in the order in which they are written.
    pub fields: &'static [Field],
    /// Most items.
    pub most: usize,
}

/// A JSON object of lists.
#[derive(Debug, Clone, Copy)]
pub struct Form(pub &'static [List]);

/// An item whose fields are as the form says.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// The list that it is in.
    pub list: &'static str,
    /// Its place in that list, from 0.
    pub index: usize,
    /// Its fields.
    pub fields: Map<String, Value>,
}

impl Item {
    /// The text of a field; `None` for null.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.fields.get(key)?.as_str()
    }

    /// Where it is, such as `medications[0]`.
    pub fn path(&self) -> String {
        format!("{}[{}]", self.list, self.index)
    }
}

/// What is wrong with a draft.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Where, such as `medications[0].dose`; empty for the whole.
    pub path: String,
    /// What is wrong and what would be right, as an instruction.
    pub problem: String,
}

impl Fault {
    pub(super) fn new(path: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            problem: problem.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.is_empty() {
            true => f.write_str(&self.problem),
            false => write!(f, "{}: {}", self.path, self.problem),
        }
    }
}

impl Form {
    /// The form as JSON Schema, as text: a model writes what it quotes before what it makes of it, so the order counts.
    pub fn schema(&self) -> String {
        let lists = self.0.iter().map(|list| {
            let fields = list.fields.iter();
            let fields =
                fields.map(|field| (field.key, field.kind.schema(), field.kind.required()));
            let items = object(fields);
            let schema = format!(
                r#"{{"type":"array","maxItems":{},"items":{items}}}"#,
                list.most
            );
            (list.key, schema, true)
        });
        object(lists)
    }

    /// Reads a draft: the items that are as they should be, and what is wrong with the others. An item with any fault is
    /// left out.
    pub fn read(&self, draft: &str) -> (Vec<Item>, Vec<Fault>) {
        let mut faults = Vec::new();
        let lists = match object_in(draft) {
            Ok(lists) => lists,
            Err(problem) => return (Vec::new(), vec![Fault::new("", problem)]),
        };
        let mut items = Vec::new();
        for list in self.0 {
            match lists.get(list.key) {
                Some(Value::Array(found)) => read_list(list, found, &mut items, &mut faults),
                Some(other) => faults.push(Fault::new(
                    list.key,
                    format!("is {}; write a list, [] if there is nothing", name(other)),
                )),
                None => faults.push(Fault::new(
                    list.key,
                    "is missing; write [] if there is nothing",
                )),
            }
        }
        let known = |key: &String| self.0.iter().any(|list| list.key == key);
        faults.extend(unknown(&lists, "", known));
        (items, faults)
    }
}

impl Kind {
    fn required(self) -> bool {
        !matches!(self, Self::OptionalText | Self::OptionalChoice(_))
    }

    fn schema(self) -> String {
        let text = format!(r#"{{"type":"string","minLength":1,"maxLength":{MOST_CHARS}}}"#);
        match self {
            Self::Text => text,
            Self::OptionalText => format!(r#"{{"anyOf":[{{"type":"null"}},{text}]}}"#),
            Self::Choice(words) => format!(r#"{{"enum":[{}]}}"#, quoted(words)),
            Self::OptionalChoice(words) => format!(r#"{{"enum":[{},null]}}"#, quoted(words)),
            Self::Number => r#"{"type":"number"}"#.to_owned(),
        }
    }

    /// What is wrong with a value.
    fn problem(self, value: &Value) -> Option<String> {
        let null = value.is_null() && !self.required();
        let wanted = match (self, value) {
            _ if null => return None,
            (Self::Text | Self::OptionalText, Value::String(text)) => {
                return match text.trim().is_empty() {
                    true => Some(format!("is empty; write {}", self.wanted())),
                    false if text.chars().count() > MOST_CHARS => Some(format!(
                        "is longer than {MOST_CHARS} characters; write less"
                    )),
                    false => None,
                };
            }
            (Self::Choice(words) | Self::OptionalChoice(words), Value::String(text)) => {
                match words.contains(&text.as_str()) {
                    true => return None,
                    false => return Some(format!("is {text:?}; write {}", self.wanted())),
                }
            }
            (Self::Number, Value::Number(_)) => return None,
            _ => self.wanted(),
        };
        Some(format!("is {}; write {wanted}", name(value)))
    }

    fn wanted(self) -> String {
        match self {
            Self::Text => "text".to_owned(),
            Self::OptionalText => "text, or null if it was not said".to_owned(),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::OptionalChoice(words) => format!("one of {}, or null", words.join(", ")),
            Self::Number => "a number".to_owned(),
        }
    }
}

/// Members: key, schema, whether it must be there. Keys and words of a form are plain: nothing in them is escaped.
fn object(members: impl Iterator<Item = (&'static str, String, bool)>) -> String {
    let (mut properties, mut required) = (Vec::new(), Vec::new());
    for (key, schema, must) in members {
        properties.push(format!(r#""{key}":{schema}"#));
        if must {
            required.push(key);
        }
    }
    format!(
        r#"{{"type":"object","properties":{{{}}},"required":[{}],"additionalProperties":false}}"#,
        properties.join(","),
        quoted(&required)
    )
}

fn quoted(words: &[&str]) -> String {
    let words = words.iter().map(|word| format!("\"{word}\""));
    words.collect::<Vec<_>>().join(",")
}

fn read_list(list: &List, found: &[Value], items: &mut Vec<Item>, faults: &mut Vec<Fault>) {
    if found.len() > list.most {
        let problem = format!("has {} items; write at most {}", found.len(), list.most);
        faults.push(Fault::new(list.key, problem));
    }
    for (index, value) in found.iter().take(list.most).enumerate() {
        let path = format!("{}[{index}]", list.key);
        let Value::Object(fields) = value else {
            let problem = format!("is {}; write an object", name(value));
            faults.push(Fault::new(path, problem));
            continue;
        };
        let before = faults.len();
        for field in list.fields {
            let path = || format!("{path}.{}", field.key);
            match fields.get(field.key) {
                Some(value) => {
                    faults.extend(field.kind.problem(value).map(|it| Fault::new(path(), it)));
                }
                None if !field.kind.required() => {}
                None => {
                    let problem = format!("is missing; write {}", field.kind.wanted());
                    faults.push(Fault::new(path(), problem));
                }
            }
        }
        let known = |key: &String| list.fields.iter().any(|field| field.key == key);
        faults.extend(unknown(fields, &format!("{path}."), known));
        if faults.len() == before {
            items.push(Item {
                list: list.key,
                index,
                fields: fields.clone(),
            });
        }
    }
}

fn unknown(
    object: &Map<String, Value>,
    before: &str,
    known: impl Fn(&String) -> bool,
) -> Vec<Fault> {
    let others = object.keys().filter(|key| !known(key));
    let fault = |key: &String| {
        // What a model calls a field is shown to it again, never more than a glance at it.
        let key: String = key.chars().take(40).collect();
        Fault::new(format!("{before}{key}"), "was not asked for; leave it out")
    };
    others.map(fault).collect()
}

/// The JSON object that a draft holds, with or without prose or a fence around it.
fn object_in(draft: &str) -> Result<Map<String, Value>, String> {
    let Some(start) = draft.find('{') else {
        return Err("there is no JSON; write one JSON object and nothing else".to_owned());
    };
    let mut values = serde_json::Deserializer::from_str(&draft[start..]).into_iter::<Value>();
    match values.next() {
        Some(Ok(Value::Object(object))) => Ok(object),
        Some(Err(error)) if error.is_eof() => {
            Err("the JSON does not end; write less, and end it".to_owned())
        }
        Some(Err(error)) => Err(format!("this is not JSON ({error}); write one JSON object")),
        _ => Err("this is no JSON object; write one".to_owned()),
    }
}

fn name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
