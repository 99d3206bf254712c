//! JSON Schema (draft 2020-12) to a program.
//!
//! What satisfies the program satisfies the schema; not always the other way round: an object holds only what the schema
//! names unless it says `additionalProperties`, numbers have at most 15 digits and no exponent, and a schema that names a
//! length or pattern without a type is understood as the types that these words are for. A word that could not be kept is
//! refused, never ignored.

mod objects;
mod strings;
mod values;

use std::collections::HashMap;

use super::json::Json;
use super::limits::{MAX_COUNT, MAX_SOURCE_BYTES, MAX_SOURCE_DEPTH, MAX_WAYS, within};
use super::program::{Node, NodeId, Program};
use crate::error::{Error, Result, shown};

/// Words that only tell about a schema.
const ANNOTATIONS: [&str; 14] = [
    "$schema",
    "$id",
    "$comment",
    "$defs",
    "definitions",
    "$anchor",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "contentMediaType",
];

/// Words for each type.
const STRING_WORDS: [&str; 4] = ["minLength", "maxLength", "pattern", "format"];
const NUMBER_WORDS: [&str; 5] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
];
const OBJECT_WORDS: [&str; 3] = ["properties", "required", "additionalProperties"];
const ARRAY_WORDS: [&str; 4] = ["items", "prefixItems", "minItems", "maxItems"];

/// Words that say which values there are, whatever their type.
const VALUE_WORDS: [&str; 6] = ["type", "enum", "const", "anyOf", "allOf", "$ref"];

/// All types; an integer is a number as well.
const TYPES: [&str; 7] = [
    "null", "boolean", "integer", "number", "string", "array", "object",
];

/// Compiles a schema.
///
/// # Errors
/// [`Error::Request`] with the place in the schema, [`Error::LimitExceeded`] for what is too large.
pub fn compile(text: &str) -> Result<Program> {
    within(
        "the length of the schema in bytes",
        text.len() as u64,
        MAX_SOURCE_BYTES as u64,
    )?;
    let schema: Json = serde_json::from_str(text).map_err(|error| Error::Request {
        problem: format!("the schema is not JSON: {error}"),
        remedy: "correct it".to_owned(),
    })?;
    let mut compiler = Compiler {
        schema: &schema,
        program: Program::new(),
        references: HashMap::new(),
        waiting: Vec::new(),
        any: None,
        depth: 0,
    };
    let root = compiler.value(&schema, "#")?;
    while let Some((pointer, link)) = compiler.waiting.pop() {
        let target = compiler.target(&pointer)?;
        let node = compiler.value(target, &pointer)?;
        compiler.program.link(link, node);
    }
    compiler.program.finish(root)
}

struct Compiler<'a> {
    schema: &'a Json,
    program: Program,
    /// By pointer: the link that stands for it.
    references: HashMap<String, NodeId>,
    /// Links whose schemas are still to be compiled.
    waiting: Vec<(String, NodeId)>,
    /// Any value at all.
    any: Option<NodeId>,
    depth: usize,
}

impl<'a> Compiler<'a> {
    /// The schema at a pointer of this document.
    fn target(&self, pointer: &str) -> Result<&'a Json> {
        let refuse = || {
            refused(
                pointer,
                "a `$ref` leads nowhere in this schema",
                "use `#` or `#/$defs/NAME`",
            )
        };
        let path = pointer.strip_prefix('#').ok_or_else(refuse)?;
        let mut at = self.schema;
        for part in path.split('/').skip(1) {
            let name = part.replace("~1", "/").replace("~0", "~");
            at = match at {
                Json::List(items) => name.parse().ok().and_then(|index: usize| items.get(index)),
                object => object.get(&name),
            }
            .ok_or_else(refuse)?;
        }
        match path.is_empty() || path.starts_with('/') {
            true => Ok(at),
            false => Err(refuse()),
        }
    }

    fn value(&mut self, schema: &'a Json, at: &str) -> Result<NodeId> {
        self.depth += 1;
        within(
            "the depth of the schema",
            self.depth as u64,
            MAX_SOURCE_DEPTH as u64,
        )?;
        let node = match schema {
            Json::Bool(true) => self.anything(),
            Json::Bool(false) => Err(refused(at, "`false` allows no value", "leave it out")),
            Json::Object(words)
                if words
                    .iter()
                    .all(|(word, _)| ANNOTATIONS.contains(&word.as_str())) =>
            {
                self.anything()
            }
            Json::Object(words) => self.object_schema(schema, words, at),
            _ => Err(refused(
                at,
                "a schema is neither an object nor true",
                "correct it",
            )),
        };
        self.depth -= 1;
        node
    }

    fn object_schema(
        &mut self,
        schema: &'a Json,
        words: &'a [(String, Json)],
        at: &str,
    ) -> Result<NodeId> {
        for (word, _) in words {
            let word = word.as_str();
            let known = [
                ANNOTATIONS.as_slice(),
                &STRING_WORDS,
                &NUMBER_WORDS,
                &OBJECT_WORDS,
                &ARRAY_WORDS,
                &VALUE_WORDS,
            ];
            if !known.iter().any(|words| words.contains(&word)) {
                let problem = format!("the word `{}` is not supported", shown(word));
                return Err(refused(
                    at,
                    &problem,
                    "say it with other words, or check it after the answer",
                ));
            }
        }
        let types = self.types(schema, at)?;
        if let Some(pointer) = schema.get("$ref") {
            self.alone(words, "$ref", &[], at)?;
            let Json::Text(pointer) = pointer else {
                return Err(refused(at, "`$ref` is not a string", "correct it"));
            };
            return self.reference(pointer);
        }
        for (word, list) in [("enum", schema.get("enum")), ("const", schema.get("const"))] {
            let values = match (word, list) {
                (_, None) => continue,
                ("enum", Some(Json::List(values))) => values.as_slice(),
                ("enum", Some(_)) => return Err(refused(at, "`enum` is not a list", "correct it")),
                (_, Some(value)) => std::slice::from_ref(value),
            };
            self.alone(words, word, &["type"], at)?;
            return self.one_of(values, types.as_deref(), at);
        }
        if let Some(ways) = schema.get("anyOf") {
            self.alone(words, "anyOf", &[], at)?;
            return self.either(ways, at);
        }
        if let Some(all) = schema.get("allOf") {
            self.alone(words, "allOf", &[], at)?;
            return match all {
                Json::List(parts) if parts.len() == 1 => {
                    self.value(&parts[0], &format!("{at}/allOf/0"))
                }
                _ => Err(refused(
                    at,
                    "`allOf` of several schemas is not supported",
                    "write them as one",
                )),
            };
        }
        let types = match types {
            Some(types) => types,
            // The types that the other words are for; if there are none, all.
            None => {
                let has =
                    |known: &[&str]| words.iter().any(|(word, _)| known.contains(&word.as_str()));
                let mut types = Vec::new();
                if has(&STRING_WORDS) {
                    types.push("string");
                }
                if has(&NUMBER_WORDS) {
                    types.push("number");
                }
                if has(&OBJECT_WORDS) {
                    types.push("object");
                }
                if has(&ARRAY_WORDS) {
                    types.push("array");
                }
                types
            }
        };
        let mut ways = Vec::new();
        for name in types {
            ways.push(match name {
                "null" => self.program.add_literal("null")?,
                "boolean" => self.boolean()?,
                "integer" => self.number(schema, true, at)?,
                "number" => self.number(schema, false, at)?,
                "string" => self.string(schema, at)?,
                "array" => self.array(schema, at)?,
                _ => self.object(schema, at)?,
            });
        }
        self.ways(ways)
    }

    /// Refuses words beside `word` that would have to hold as well.
    fn alone(&self, words: &[(String, Json)], word: &str, also: &[&str], at: &str) -> Result<()> {
        let other = words
            .iter()
            .map(|(other, _)| other.as_str())
            .find(|other| *other != word && !also.contains(other) && !ANNOTATIONS.contains(other));
        match other {
            None => Ok(()),
            Some(other) => Err(refused(
                at,
                &format!("`{other}` beside `{word}` is not supported"),
                "write what both say as one",
            )),
        }
    }

    /// What `type` names.
    fn types(&self, schema: &Json, at: &str) -> Result<Option<Vec<&'static str>>> {
        let names = match schema.get("type") {
            None => return Ok(None),
            Some(Json::List(names)) => names.as_slice(),
            Some(name) => std::slice::from_ref(name),
        };
        let mut types = Vec::new();
        for name in names {
            let Json::Text(name) = name else {
                return Err(refused(at, "`type` is not a string", "correct it"));
            };
            let known = TYPES.iter().find(|known| *known == name);
            let known = known.ok_or_else(|| {
                refused(
                    at,
                    &format!("there is no type `{}`", shown(name)),
                    "use one of JSON's types",
                )
            })?;
            // Every integer is a number.
            if !types.contains(known) {
                types.push(*known);
            }
        }
        if types.contains(&"number") {
            types.retain(|name| *name != "integer");
        }
        match types.is_empty() {
            true => Err(refused(at, "`type` names nothing", "name a type")),
            false => Ok(Some(types)),
        }
    }

    fn reference(&mut self, pointer: &str) -> Result<NodeId> {
        if let Some(link) = self.references.get(pointer) {
            return Ok(*link);
        }
        self.target(pointer)?;
        let link = self.program.add(Node::Link(None))?;
        self.references.insert(pointer.to_owned(), link);
        self.waiting.push((pointer.to_owned(), link));
        Ok(link)
    }

    fn one_of(&mut self, values: &[Json], types: Option<&[&str]>, at: &str) -> Result<NodeId> {
        within("the values of an `enum`", values.len() as u64, MAX_WAYS)?;
        let mut ways = Vec::new();
        for value in values {
            let name = value.type_name();
            let fits = |types: &[&str]| {
                types.contains(&name) || name == "integer" && types.contains(&"number")
            };
            if types.is_none_or(fits) {
                ways.push(self.program.add_literal(value.compact())?);
            }
        }
        match ways.is_empty() {
            true => Err(refused(
                at,
                "`enum` or `const` leaves no value of the type",
                "correct one of them",
            )),
            false => self.ways(ways),
        }
    }

    fn either(&mut self, ways: &'a Json, at: &str) -> Result<NodeId> {
        let Json::List(schemas) = ways else {
            return Err(refused(at, "`anyOf` is not a list", "correct it"));
        };
        let mut ways = Vec::new();
        for (index, schema) in schemas.iter().enumerate() {
            ways.push(self.value(schema, &format!("{at}/anyOf/{index}"))?);
        }
        match ways.is_empty() {
            true => Err(refused(at, "`anyOf` has no schema", "give one")),
            false => self.ways(ways),
        }
    }

    fn ways(&mut self, mut ways: Vec<NodeId>) -> Result<NodeId> {
        match ways.len() {
            1 => Ok(ways.remove(0)),
            _ => self.program.add(Node::Either(ways.into())),
        }
    }

    fn boolean(&mut self) -> Result<NodeId> {
        let ways = vec![
            self.program.add_literal("true")?,
            self.program.add_literal("false")?,
        ];
        self.ways(ways)
    }

    /// Any value at all.
    fn anything(&mut self) -> Result<NodeId> {
        if let Some(any) = self.any {
            return Ok(any);
        }
        let link = self.program.add(Node::Link(None))?;
        self.any = Some(link);
        let ways = vec![
            self.program.add_literal("null")?,
            self.boolean()?,
            self.number(&Json::Null, false, "#")?,
            self.string(&Json::Null, "#")?,
            self.array(&Json::Null, "#")?,
            self.object(&Json::Null, "#")?,
        ];
        let all = self.ways(ways)?;
        self.program.link(link, all);
        Ok(link)
    }

    /// The whole number that `word` says.
    fn count(&self, schema: &Json, word: &str, at: &str) -> Result<Option<u32>> {
        let Some(value) = schema.get(word) else {
            return Ok(None);
        };
        let whole = match value {
            Json::Number(number) => number.as_u64().or_else(|| {
                number
                    .as_f64()
                    .filter(|value| value.fract() == 0.0 && *value >= 0.0)
                    .map(|value| value as u64)
            }),
            _ => None,
        };
        let count = whole.ok_or_else(|| {
            let problem = format!("`{word}` is {}", shown(&value.compact()));
            refused(at, &problem, "use a whole number from 0")
        })?;
        within(&format!("`{word}` at {}", shown(at)), count, MAX_COUNT)?;
        Ok(Some(count as u32))
    }

    /// Fewest and most, as two words say.
    fn counts(&self, schema: &Json, words: [&str; 2], at: &str) -> Result<(u32, Option<u32>)> {
        let min = self.count(schema, words[0], at)?.unwrap_or(0);
        let max = self.count(schema, words[1], at)?;
        match max {
            Some(max) if max < min => Err(refused(
                at,
                &format!("`{}` is {min} and `{}` is {max}", words[0], words[1]),
                "correct one of them",
            )),
            _ => Ok((min, max)),
        }
    }
}

/// A refusal of what stands at `at`, a JSON pointer.
fn refused(at: &str, problem: &str, remedy: &str) -> Error {
    Error::Request {
        problem: format!("the schema at `{}`: {problem}", shown(at)),
        remedy: remedy.to_owned(),
    }
}
