//! What a model is asked to fill in. One table gives the schema that holds a model to it, and the check of what it wrote.

use std::collections::HashSet;
use std::fmt;
use std::hash::Hash;

use serde::Serialize;
use serde_json::{Map, Value};

/// So many words a text has at least before it can be said to repeat itself.
const LEAST_WORDS: usize = 12;
/// Or so many characters.
const LEAST_CHARACTERS: usize = 60;

/// What a field may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text that is not empty.
    Text,
    /// Text that may be empty, where it does not apply.
    TextOrEmpty,
    /// Text that is not empty, or null, or left out: what was not said costs no tokens.
    OptionalText,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// One of these words, or null, or left out.
    OptionalChoice(&'static [&'static str]),
    /// A number.
    Number,
}

/// A field of an item, or of the whole.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its key.
    pub key: &'static str,
    /// What it may hold.
    pub kind: Kind,
}

impl Field {
    /// A field.
    pub const fn new(key: &'static str, kind: Kind) -> Self {
        Self { key, kind }
    }
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

/// A part of a form.
#[derive(Debug, Clone, Copy)]
pub enum Member {
    /// A field of the whole.
    Field(Field),
    /// A list of items.
    List(List),
}

/// A JSON object of lists and fields.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    /// Its parts, in the order in which they are written.
    pub members: &'static [Member],
    /// Longest text of a field, in characters.
    pub most_chars: usize,
}

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

/// A form that was filled in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filled {
    /// The fields of the whole that are as they should be.
    pub fields: Map<String, Value>,
    /// The items that are as they should be. An item with any fault is left out.
    pub items: Vec<Item>,
    /// Parts that are not there, or something else than they should be.
    pub missing: Vec<&'static str>,
    /// What is wrong.
    pub faults: Vec<Fault>,
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
    pub(crate) fn new(path: impl Into<String>, problem: impl Into<String>) -> Self {
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

impl Member {
    /// Its key.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Field(field) => field.key,
            Self::List(list) => list.key,
        }
    }
}

impl Form {
    /// The form as JSON Schema, as text: a model writes what it quotes before what it makes of it, so the order counts.
    pub fn schema(&self) -> String {
        let fields = |fields: &[Field]| {
            let field = |field: &Field| {
                let schema = field.kind.schema(self.most_chars);
                (field.key, schema, field.kind.required())
            };
            fields.iter().map(field).collect::<Vec<_>>()
        };
        let members = self.members.iter().flat_map(|member| match member {
            Member::Field(field) => fields(&[*field]),
            Member::List(list) => {
                let items = object(fields(list.fields));
                let schema = format!(
                    r#"{{"type":"array","maxItems":{},"items":{items}}}"#,
                    list.most
                );
                vec![(list.key, schema, true)]
            }
        });
        object(members)
    }

    /// Reads a draft.
    pub fn read(&self, draft: &str) -> Filled {
        let mut filled = Filled::default();
        let object = match object_in(draft) {
            Ok(object) => object,
            Err(problem) => {
                filled.faults.push(Fault::new("", problem));
                filled.missing = self.members.iter().map(Member::key).collect();
                return filled;
            }
        };
        for member in self.members {
            match (member, object.get(member.key())) {
                (Member::List(list), Some(Value::Array(found))) => {
                    self.read_list(list, found, &mut filled);
                }
                (Member::List(list), found) => {
                    let problem = match found {
                        Some(other) => {
                            format!("is {}; write a list, [] if there is nothing", name(other))
                        }
                        None => "is missing; write [] if there is nothing".to_owned(),
                    };
                    filled.missing.push(list.key);
                    filled.faults.push(Fault::new(list.key, problem));
                }
                (Member::Field(field), found) => match self.problem(field, found) {
                    Some(problem) => {
                        filled.missing.push(field.key);
                        filled.faults.push(Fault::new(field.key, problem));
                    }
                    None => {
                        let value = found.cloned().unwrap_or_default();
                        filled.fields.insert(field.key.to_owned(), value);
                    }
                },
            }
        }
        let known = |key: &String| self.members.iter().any(|member| member.key() == key);
        filled.faults.extend(unknown(&object, "", known));
        filled
    }

    fn read_list(&self, list: &List, found: &[Value], filled: &mut Filled) {
        let Filled { items, faults, .. } = filled;
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
                let problem = self.problem(field, fields.get(field.key));
                let path = || format!("{path}.{}", field.key);
                faults.extend(problem.map(|problem| Fault::new(path(), problem)));
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

    /// What is wrong with what a field holds.
    fn problem(&self, field: &Field, found: Option<&Value>) -> Option<String> {
        match found {
            Some(value) => field.kind.problem(value, self.most_chars),
            None if !field.kind.required() => None,
            None => Some(format!("is missing; write {}", field.kind.wanted())),
        }
    }
}

impl Kind {
    fn required(self) -> bool {
        !matches!(self, Self::OptionalText | Self::OptionalChoice(_))
    }

    fn schema(self, most_chars: usize) -> String {
        let text = format!(r#"{{"type":"string","minLength":1,"maxLength":{most_chars}}}"#);
        match self {
            Self::Text => text,
            Self::TextOrEmpty => format!(r#"{{"type":"string","maxLength":{most_chars}}}"#),
            Self::OptionalText => format!(r#"{{"anyOf":[{{"type":"null"}},{text}]}}"#),
            Self::Choice(words) => format!(r#"{{"enum":[{}]}}"#, quoted(words)),
            Self::OptionalChoice(words) => format!(r#"{{"enum":[{},null]}}"#, quoted(words)),
            Self::Number => r#"{"type":"number"}"#.to_owned(),
        }
    }

    /// What is wrong with a value.
    fn problem(self, value: &Value, most_chars: usize) -> Option<String> {
        let null = value.is_null() && !self.required();
        let wanted = match (self, value) {
            _ if null => return None,
            (Self::Text | Self::TextOrEmpty | Self::OptionalText, Value::String(text)) => {
                return match text.trim().is_empty() && self != Self::TextOrEmpty {
                    true => Some(format!("is empty; write {}", self.wanted())),
                    false if text.chars().count() > most_chars => Some(format!(
                        "is longer than {most_chars} characters; write less"
                    )),
                    false if goes_in_circles(text) => {
                        Some("says the same over and over; say it once".to_owned())
                    }
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
            Self::TextOrEmpty => "text, \"\" if it does not apply".to_owned(),
            Self::OptionalText => "text, or null if it was not said".to_owned(),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::OptionalChoice(words) => format!("one of {}, or null", words.join(", ")),
            Self::Number => "a number".to_owned(),
        }
    }
}

/// Members: key, schema, whether it must be there. Keys and words of a form are plain: nothing in them is escaped.
fn object(members: impl IntoIterator<Item = (&'static str, String, bool)>) -> String {
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

/// Whether a text repeats itself, as a model does that has lost its way: most of what stands there, three words or six
/// characters long, stood there before.
fn goes_in_circles(text: &str) -> bool {
    fn repeats<T: Eq + Hash>(parts: &[T], length: usize, least: usize) -> bool {
        let runs = parts.windows(length);
        let (all, different) = (runs.len(), runs.collect::<HashSet<_>>().len());
        all >= least && different * 2 < all
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let characters: Vec<char> = text.chars().collect();
    repeats(&words, 3, LEAST_WORDS) || repeats(&characters, 6, LEAST_CHARACTERS)
}

fn quoted(words: &[&str]) -> String {
    let words = words.iter().map(|word| format!("\"{word}\""));
    words.collect::<Vec<_>>().join(",")
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
