//! One pass over a value, beside the table: structure first, then what the rules say about each node.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::links::{Index, Scope};
use super::{
    Issue, Links, MAX_DEPTH, MAX_ISSUES, codes, invariants, links, narrative, primitive, rule,
    ucum, vitals,
};
use crate::fhir::table::{Child, Invariant, Kind, Node, Severity, Table, capitalised, table};

/// Invariants that are checked while walking, not in `invariants.rs`.
pub const KEYS: [&str; 5] = ["ele-1", "ref-1", "txt-1", "txt-2", "dom-3"];

/// A JSON object.
pub type Object = Map<String, Value>;

/// Validates `resource`, reporting invariants of one severity, and what is not an invariant as errors.
pub fn walk(resource: &Value, links: Links, severity: Severity) -> Vec<Issue> {
    let mut walk = Walk {
        table: table(),
        issues: Vec::new(),
        path: String::new(),
        links,
        severity,
    };
    walk.resource(resource, &Scope::default(), 0);
    walk.issues
}

pub struct Walk {
    pub table: &'static Table,
    issues: Vec<Issue>,
    path: String,
    pub links: Links,
    severity: Severity,
}

impl Walk {
    pub fn issue(&mut self, rule: &'static str, message: impl Into<String>) {
        if self.severity == Severity::Error {
            self.push(rule, message.into());
        }
    }

    fn push(&mut self, rule: &'static str, message: String) {
        if self.issues.len() < MAX_ISSUES {
            self.issues.push(Issue {
                path: self.path.clone(),
                rule,
                message,
            });
        }
    }

    /// Does `work` with `step` at the end of the path.
    pub fn at<R>(&mut self, step: &str, work: impl FnOnce(&mut Self) -> R) -> R {
        let length = self.path.len();
        self.path.push_str(step);
        let result = work(self);
        self.path.truncate(length);
        result
    }

    fn resource(&mut self, value: &Value, scope: &Scope<'_>, depth: usize) {
        let Some(object) = value.as_object() else {
            return self.issue(rule::TYPE, "a resource is a JSON object");
        };
        let Some(name) = object.get("resourceType").and_then(Value::as_str) else {
            return self.issue(
                rule::UNKNOWN_RESOURCE,
                "resourceType is missing; a resource says what it is",
            );
        };
        if self.path.is_empty() {
            self.path.push_str(if self.table.is_resource(name) {
                name
            } else {
                "Resource"
            });
        }
        let Some(node) = self
            .table
            .node(name, "")
            .filter(|_| self.table.is_resource(name))
        else {
            let name: String = name.chars().take(40).collect();
            return self.issue(
                rule::UNKNOWN_RESOURCE,
                format!("{name} is not a resource that can be checked here"),
            );
        };
        let ids = links::contained(object);
        let scope = scope.of_resource(object, &ids);
        if name == "Bundle" {
            let index = Index::of(object);
            self.full_urls(object);
            self.node(object, node, &scope.with_entries(&index), depth);
        } else {
            self.node(object, node, &scope, depth);
        }
        if name == "Observation" && self.severity == Severity::Error {
            vitals::check(self, object);
        }
    }

    /// An object with the elements of `node`.
    fn node(&mut self, object: &Object, node: &'static Node, scope: &Scope<'_>, depth: usize) {
        if depth > MAX_DEPTH {
            return self.issue(
                rule::DEPTH,
                format!("objects lie more than {MAX_DEPTH} deep in one another"),
            );
        }
        let mut found: Vec<Option<&str>> = vec![None; node.children.len()];
        for (name, value) in object {
            if self.issues.len() >= MAX_ISSUES {
                return;
            }
            let plain = name.strip_prefix('_').unwrap_or(name);
            if plain == "resourceType" && depth_is_resource(object, node) {
                continue;
            }
            let Some((nth, child, kind)) = node.property(plain) else {
                let name: String = name.chars().take(60).collect();
                self.issue(
                    rule::UNKNOWN_FIELD,
                    format!("`{name}` is not an element here; leave it out"),
                );
                continue;
            };
            if name.starts_with('_') && !is_primitive(kind) {
                self.issue(
                    rule::UNKNOWN_FIELD,
                    format!("`{name}`: only a primitive element has an underscore"),
                );
                continue;
            }
            match found.get_mut(nth) {
                Some(Some(other)) if *other != plain => {
                    let message = format!("{plain} beside {other}; one of them");
                    self.at(&format!(".{}", child.name), |walk| {
                        walk.issue(rule::CHOICE, message)
                    });
                }
                Some(slot) => *slot = Some(plain),
                None => {}
            }
            // A primitive and its underscore are one element, checked once.
            if name.starts_with('_') && object.contains_key(plain) {
                continue;
            }
            self.property(object, plain, value, child, kind, scope, depth);
        }
        for (child, found) in node.children.iter().zip(&found) {
            if child.min > 0 && found.is_none() {
                let name = if child.choice {
                    let names: Vec<_> = child
                        .kinds
                        .iter()
                        .map(|kind| format!("{}{}", child.name, capitalised(kind.suffix)))
                        .collect();
                    names.join(" or ")
                } else {
                    child.name.to_owned()
                };
                self.at(&format!(".{}", child.name), |walk| {
                    walk.issue(
                        rule::REQUIRED,
                        format!("{name} is missing; it has to be there"),
                    );
                });
            }
        }
        self.rules(&node.rules, &Value::Null, Some(object), scope);
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one place of a walk: what, its neighbours, its definition, where"
    )]
    fn property(
        &mut self,
        object: &Object,
        name: &str,
        value: &Value,
        child: &'static Child,
        kind: &'static Kind,
        scope: &Scope<'_>,
        depth: usize,
    ) {
        let step = if child.choice {
            format!(".{}.ofType({})", child.name, kind.suffix)
        } else {
            format!(".{}", child.name)
        };
        let primitive = is_primitive(kind);
        let beside = if primitive {
            object.get(&format!("_{name}"))
        } else {
            None
        };
        let value = if object.contains_key(name) {
            Some(value)
        } else {
            None
        };
        self.at(&step, |walk| {
            if !child.is_list() {
                if matches!(value, Some(Value::Array(_))) {
                    return walk.issue(
                        rule::TOO_MANY,
                        format!("{name} is there once at most; not an array"),
                    );
                }
                return walk.value(value, beside, child, kind, scope, depth);
            }
            let (values, besides) = (value.map(Value::as_array), beside.map(Value::as_array));
            if matches!(values, Some(None)) || matches!(besides, Some(None)) {
                return walk.issue(
                    rule::TYPE,
                    format!("{name} can be there several times; it is an array"),
                );
            }
            let (values, besides) = (values.flatten(), besides.flatten());
            let count = values.map_or(0, Vec::len).max(besides.map_or(0, Vec::len));
            if count == 0 {
                return walk.issue(rule::EMPTY, "an empty array; leave it out");
            }
            if let Some(max) = child.max.filter(|max| count > *max) {
                walk.issue(
                    rule::TOO_MANY,
                    format!("{name} is there {count} times; at most {max}"),
                );
            }
            for nth in 0..count {
                let one = values
                    .and_then(|all| all.get(nth))
                    .filter(|one| !(primitive && one.is_null()));
                let beside = besides
                    .and_then(|all| all.get(nth))
                    .filter(|one| !one.is_null());
                walk.at(&format!("[{nth}]"), |walk| {
                    walk.value(one, beside, child, kind, scope, depth)
                });
            }
        });
    }

    /// One value of an element; `beside` is what stands under its underscore.
    fn value(
        &mut self,
        value: Option<&Value>,
        beside: Option<&Value>,
        child: &'static Child,
        kind: &'static Kind,
        scope: &Scope<'_>,
        depth: usize,
    ) {
        if let Some(beside) = beside {
            match (beside.as_object(), self.table.node("Element", "")) {
                (Some(object), Some(node)) => {
                    self.node(object, node, scope, depth + 1);
                    if value.is_none() && !has_more_than_id(object) {
                        self.rule_broken(
                            "ele-1",
                            "All FHIR elements must have a @value or children",
                        );
                    }
                }
                _ => self.issue(
                    rule::TYPE,
                    "what stands under an underscore is an object with id and extension",
                ),
            }
        } else if value.is_none() {
            return self.issue(rule::EMPTY, "null stands for nothing here; leave it out");
        }
        let Some(value) = value else { return };
        match kind.place {
            _ if kind.name == "Resource" => return self.resource(value, scope, depth + 1),
            Some((name, path)) => {
                let Some(object) = value.as_object() else {
                    return self.issue(
                        rule::TYPE,
                        format!("{} is an object", kind.name.trim_start_matches('@')),
                    );
                };
                if let Some(node) = self.table.node(name, path) {
                    self.node(object, node, scope, depth + 1);
                    if !has_more_than_id(object) {
                        self.rule_broken(
                            "ele-1",
                            "All FHIR elements must have a @value or children",
                        );
                    }
                }
                self.particulars(object, child, kind, scope);
            }
            None if kind.name == "xhtml" => {
                if self.severity == Severity::Error {
                    match value.as_str() {
                        Some(text) => self.narrative(text, child),
                        None => self.issue(rule::TYPE, "a narrative is a string of XHTML"),
                    }
                }
            }
            None => {
                if let Err((rule, message)) = primitive::check(kind.name, value) {
                    self.issue(rule, message);
                } else if let (Some(set), Some(code)) = (child.set, value.as_str()) {
                    self.bound(set, &[(None, code)]);
                }
            }
        }
        self.rules(&child.rules, value, value.as_object(), scope);
    }

    /// What holds for a type beyond its structure.
    fn particulars(&mut self, object: &Object, child: &Child, kind: &Kind, scope: &Scope<'_>) {
        let text = |name: &str| object.get(name).and_then(Value::as_str);
        match kind.name {
            "Reference" => self.reference(object, kind, scope),
            "Coding" => {
                if let (Some(system), Some(code)) = (text("system"), text("code")) {
                    if let Some(message) = codes::wrong_form(system, code) {
                        self.at(".code", |walk| walk.issue(rule::CODE, message));
                    }
                    if let Some(set) = child.set {
                        self.bound(set, &[(Some(system), code)]);
                    }
                }
            }
            "CodeableConcept" => {
                let codings = object.get("coding").and_then(Value::as_array);
                let codes: Vec<_> = codings
                    .into_iter()
                    .flatten()
                    .filter_map(|one| {
                        Some((one.get("system")?.as_str(), one.get("code")?.as_str()?))
                    })
                    .collect();
                if let Some(set) = child.set {
                    self.bound(set, &codes);
                }
            }
            "Quantity" | "SimpleQuantity" | "Age" | "Duration" | "Count" | "Distance" => {
                if let (Some(ucum::SYSTEM), Some(code)) = (text("system"), text("code"))
                    && !ucum::is_unit(code)
                {
                    let code: String = code.chars().take(40).collect();
                    let message = format!(
                        "`{code}` is not a unit of UCUM; such as `mg`, `mm[Hg]`, `/min`, `Cel`"
                    );
                    self.at(".code", |walk| walk.issue(rule::UNIT, message));
                }
            }
            _ => {}
        }
    }

    /// A required binding: one of the codes is in the set.
    fn bound(&mut self, name: &str, codes: &[(Option<&str>, &str)]) {
        let Some(set) = self.table.set(name) else {
            return;
        };
        if !codes.iter().any(|(system, code)| set.holds(*system, code)) {
            let found = codes.first().map_or_else(
                || "there is no code".to_owned(),
                |(system, code)| {
                    let system = system.map_or_else(String::new, |system| format!(" of {system}"));
                    let shown: String = format!("`{code}`{system}").chars().take(120).collect();
                    format!("{shown} is not one of its codes")
                },
            );
            self.issue(
                rule::BINDING,
                format!("{found}; {name} has {}", set.shown()),
            );
        }
    }

    fn narrative(&mut self, text: &str, child: &Child) {
        if let Err((key, what)) = narrative::check(self.table, text) {
            let words = child
                .rules
                .iter()
                .find(|rule| rule.key == key)
                .map_or("", |rule| rule.words);
            self.rule_broken(key, &format!("{what}. {words}"));
        }
    }

    /// Checks invariants on a node or an element.
    fn rules(
        &mut self,
        rules: &'static [Invariant],
        value: &Value,
        object: Option<&Object>,
        scope: &Scope<'_>,
    ) {
        let severity = self.severity;
        for rule in rules.iter().filter(|rule| rule.severity == severity) {
            let holds = match object {
                _ if KEYS.contains(&rule.key) && rule.key != "dom-3" => true,
                Some(object) if rule.key == "dom-3" => scope.is_contained_used(object),
                Some(object) => invariants::holds(rule.key, object),
                None => value.is_null() || !invariants::is_known(rule.key),
            };
            if !holds {
                self.push(rule.key, rule.words.to_owned());
            }
        }
    }

    pub fn rule_broken(&mut self, key: &'static str, words: &str) {
        self.issue(key, words);
    }

    fn full_urls(&mut self, bundle: &Object) {
        for (nth, entry) in bundle
            .get("entry")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .enumerate()
        {
            if let Some(message) = links::wrong_full_url(entry) {
                self.at(&format!(".entry[{nth}].fullUrl"), |walk| {
                    walk.issue(rule::FULL_URL, message)
                });
            }
        }
    }
}

/// Whether this is the object of a resource, which alone has a `resourceType`.
fn depth_is_resource(object: &Object, node: &'static Node) -> bool {
    let name = object
        .get("resourceType")
        .and_then(Value::as_str)
        .unwrap_or("");
    table().is_resource(name)
        && table()
            .node(name, "")
            .is_some_and(|of| std::ptr::eq(of, node))
}

fn is_primitive(kind: &Kind) -> bool {
    kind.place.is_none() && kind.name != "Resource"
}

fn has_more_than_id(object: &Object) -> bool {
    object.keys().any(|name| name != "id")
}

/// Strings anywhere in `value` that start with `#`, without it, for `dom-3`.
pub fn fragments<'a>(value: &'a Value, found: &mut HashSet<&'a str>, depth: usize) {
    match value {
        _ if depth > MAX_DEPTH * 2 => {}
        Value::String(text) => {
            if let Some(id) = text.strip_prefix('#') {
                found.insert(id);
            }
        }
        Value::Array(all) => all.iter().for_each(|one| fragments(one, found, depth + 1)),
        Value::Object(all) => all
            .values()
            .for_each(|one| fragments(one, found, depth + 1)),
        _ => {}
    }
}
