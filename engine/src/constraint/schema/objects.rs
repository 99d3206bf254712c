//! Objects and arrays.

use super::super::automaton::Automaton;
use super::super::json::{Json, quoted};
use super::super::limits::{MAX_WAYS, within};
use super::super::program::{Array, Member, Node, NodeId, Object, Text};
use super::strings::free_characters;
use super::{Compiler, refused};
use crate::error::{Result, shown};

impl<'a> Compiler<'a> {
    /// Members in the schema's order, those that may be left out as well.
    pub(super) fn object(&mut self, schema: &'a Json, at: &str) -> Result<NodeId> {
        let properties = match schema.get("properties") {
            None => &[][..],
            Some(Json::Object(properties)) => properties,
            Some(_) => return Err(refused(at, "`properties` is not an object", "correct it")),
        };
        within(
            "the number of properties",
            properties.len() as u64,
            MAX_WAYS,
        )?;
        let mut required = Vec::new();
        match schema.get("required") {
            None => {}
            Some(Json::List(names)) => {
                for name in names {
                    match name {
                        Json::Text(name) => required.push(name.as_str()),
                        _ => return Err(refused(at, "`required` names no string", "correct it")),
                    }
                }
            }
            Some(_) => return Err(refused(at, "`required` is not a list", "correct it")),
        }
        let others = match schema.get("additionalProperties") {
            Some(Json::Bool(false)) => None,
            Some(others) => Some(self.value(others, &format!("{at}/additionalProperties"))?),
            // What is not named is left out, unless nothing is named at all.
            None if properties.is_empty() && required.is_empty() => Some(self.anything()?),
            None => None,
        };
        let mut object = Object::default();
        for (name, value) in properties {
            let is_required = required.contains(&name.as_str());
            // What can have no value can only be left out.
            if *value == Json::Bool(false) && !is_required {
                continue;
            }
            let value = self.value(value, &format!("{at}/properties/{name}"))?;
            object.members.push(Member {
                written: self.member(name, value)?,
                required: is_required,
            });
        }
        for name in &required {
            if !properties.iter().any(|(known, _)| known == name) {
                let problem = format!(
                    "`{}` is required, but is not among `properties`",
                    shown(name)
                );
                return Err(refused(at, &problem, "say there what it is"));
            }
        }
        if let Some(value) = others {
            let names: Vec<&str> = properties.iter().map(|(name, _)| name.as_str()).collect();
            let automaton = match names.is_empty() {
                true => Some(Automaton::any_of(&free_characters())),
                false => Automaton::none_of(&names, &free_characters())?,
            };
            if let Some(automaton) = automaton {
                let name = self.program.add_text(Text {
                    automaton,
                    length: None,
                    json: true,
                    free: names.is_empty(),
                })?;
                let colon = self.program.add_literal(":")?;
                let comma = self.program.add_literal(",")?;
                let first = [name, colon, value];
                let later = [comma, name, colon, value];
                object.others = Some([
                    self.program.add(Node::Sequence(first.into()))?,
                    self.program.add(Node::Sequence(later.into()))?,
                ]);
            }
        }
        self.program.add(Node::Object(object))
    }

    /// Name, colon and value, and the same after a comma.
    fn member(&mut self, name: &str, value: NodeId) -> Result<[NodeId; 2]> {
        let name = quoted(name);
        let first = self.program.add_literal(format!("{name}:"))?;
        let later = self.program.add_literal(format!(",{name}:"))?;
        Ok([
            self.program.add(Node::Sequence([first, value].into()))?,
            self.program.add(Node::Sequence([later, value].into()))?,
        ])
    }

    pub(super) fn array(&mut self, schema: &'a Json, at: &str) -> Result<NodeId> {
        let (min, mut max) = self.counts(schema, ["minItems", "maxItems"], at)?;
        let mut items = Vec::new();
        match schema.get("prefixItems") {
            None => {}
            Some(Json::List(schemas)) => {
                for (index, item) in schemas.iter().enumerate() {
                    items.push(self.value(item, &format!("{at}/prefixItems/{index}"))?);
                }
            }
            Some(_) => return Err(refused(at, "`prefixItems` is not a list", "correct it")),
        }
        match schema.get("items") {
            Some(Json::Bool(false)) => {
                let most = items.len() as u32;
                max = Some(max.map_or(most, |max| max.min(most)));
            }
            Some(others) => items.push(self.value(others, &format!("{at}/items"))?),
            None => items.push(self.anything()?),
        }
        if max.is_some_and(|max| max < min) {
            return Err(refused(
                at,
                "it must have more items than it may have",
                "correct `minItems`",
            ));
        }
        let comma = self.program.add_literal(",")?;
        let mut written = Vec::new();
        for item in items {
            let later = self.program.add(Node::Sequence([comma, item].into()))?;
            written.push([item, later]);
        }
        self.program.add(Node::Array(Array {
            items: written,
            min,
            max,
        }))
    }
}
