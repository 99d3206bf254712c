//! The structures of FHIR R4 as a table: `definitions/r4.txt`, which `definitions/make.py` reduces from HL7's own packages.
//!
//! Its lines, where an indented line belongs to the unindented one above:
//! ```text
//! primitive NAME PATTERN                             read by people: `validate/primitive.rs` has the patterns as code
//! type NAME < BASE
//!  PATH MIN..MAX TYPE|TYPE(TARGET,TARGET) =SET      an element; `@PATH` in place of types: the same children as there
//!  ! KEY SEVERITY PATH WORDS                         an invariant; `.` is the type itself
//! vital NAME CODE UNIT,UNIT DISPLAY                  a profile of vital signs
//!  component CODE UNIT,UNIT DISPLAY
//! set NAME                                           the codes of a value set
//!  SYSTEM CODE CODE ..
//! xhtml elements NAME ..                             what a narrative may hold
//! xhtml attributes NAME ..
//! ```

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

const SOURCE: &str = include_str!("definitions/r4.txt");

/// All structures that are known here.
#[derive(Debug, Default)]
pub struct Table {
    /// Complex types and resources by name.
    types: HashMap<&'static str, Type>,
    /// Value sets of required bindings.
    sets: HashMap<&'static str, Set>,
    /// Profiles of vital signs.
    vitals: Vec<Vital>,
    xhtml_elements: HashSet<&'static str>,
    xhtml_attributes: HashSet<&'static str>,
}

/// A complex type or a resource.
#[derive(Debug, Default)]
struct Type {
    base: &'static str,
    /// By path within the type, `""` for itself.
    nodes: HashMap<&'static str, Node>,
}

/// A place that has children: a type, or an element whose children are defined in place.
#[derive(Debug, Default)]
pub struct Node {
    /// Its elements, inherited ones first.
    pub children: Vec<Child>,
    /// Its invariants, inherited ones first.
    pub rules: Vec<Invariant>,
    /// JSON property to the child and which of its types.
    properties: HashMap<String, (usize, usize)>,
}

/// An element of a node.
#[derive(Debug, Clone)]
pub struct Child {
    /// Its name; of a choice such as `value[x]` without the brackets.
    pub name: &'static str,
    /// Whether its type is part of the property's name.
    pub choice: bool,
    /// How often it has to be there.
    pub min: usize,
    /// How often it may be there; `None` without an end.
    pub max: Option<usize>,
    /// What it may be.
    pub kinds: Vec<Kind>,
    /// The value set that its code has to be from.
    pub set: Option<&'static str>,
    /// Invariants that this element brings itself.
    pub rules: Vec<Invariant>,
}

impl Child {
    /// Whether JSON has an array here.
    pub fn is_list(&self) -> bool {
        self.max != Some(1)
    }
}

/// A type that an element may have.
#[derive(Debug, Clone)]
pub struct Kind {
    /// Its name, such as `code`, `Quantity`, `Resource`.
    pub name: &'static str,
    /// What a choice's property ends with: the name, of a profile the type that it is one of.
    pub suffix: &'static str,
    /// Where its children are defined: a type and a path in it. `None` for primitives, `xhtml` and resources.
    pub place: Option<(&'static str, &'static str)>,
    /// Of a reference: the types that it may lead to; empty where any will do.
    pub targets: Vec<&'static str>,
}

/// How grave it is when an invariant does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Invalid.
    Error,
    /// Valid, but not as one should.
    Advice,
}

/// A rule that R4 states beyond structure.
#[derive(Debug, Clone)]
pub struct Invariant {
    /// R4's key, such as `con-4`.
    pub key: &'static str,
    /// How grave.
    pub severity: Severity,
    /// R4's words.
    pub words: &'static str,
}

/// Codes by system.
#[derive(Debug, Default)]
pub struct Set {
    systems: Vec<(&'static str, HashSet<&'static str>)>,
    listed: Vec<&'static str>,
}

impl Set {
    /// Whether `code` is in it; with a system, under that one.
    pub fn holds(&self, system: Option<&str>, code: &str) -> bool {
        self.systems
            .iter()
            .any(|(of, codes)| system.is_none_or(|system| system == *of) && codes.contains(code))
    }

    /// Its codes, for a message: at most twelve.
    pub fn shown(&self) -> String {
        let mut words = self
            .listed
            .iter()
            .take(12)
            .copied()
            .collect::<Vec<_>>()
            .join(", ");
        if self.listed.len() > 12 {
            words.push_str(", ..");
        }
        words
    }
}

/// A profile of vital signs of R4.
#[derive(Debug)]
pub struct Vital {
    /// The profile's id, such as `heartrate`.
    pub name: &'static str,
    /// What is measured.
    pub measure: Measure,
    /// Its parts, for blood pressure.
    pub components: Vec<Measure>,
}

/// A code with its units.
#[derive(Debug)]
pub struct Measure {
    /// LOINC.
    pub code: &'static str,
    /// The words for it.
    pub display: &'static str,
    /// The UCUM codes that R4 allows; empty where there is no value of its own.
    pub units: Vec<&'static str>,
}

/// The table, read once.
pub fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| Table::read(SOURCE))
}

impl Table {
    /// Whether `name` is a resource that is known here.
    pub fn is_resource(&self, name: &str) -> bool {
        let mut at = self.types.get_key_value(name).map(|(name, _)| *name);
        if matches!(name, "Resource" | "DomainResource" | "vitalsigns") {
            return false;
        }
        while let Some(name) = at {
            if name == "Resource" {
                return true;
            }
            at = self.types.get(name).map(|of| of.base);
        }
        false
    }

    /// The children of `path` in the type `name`.
    pub fn node(&self, name: &str, path: &str) -> Option<&Node> {
        self.types.get(name)?.nodes.get(path)
    }

    /// The codes of a value set.
    pub fn set(&self, name: &str) -> Option<&Set> {
        self.sets.get(name)
    }

    /// The profiles of vital signs.
    pub fn vitals(&self) -> &[Vital] {
        &self.vitals
    }

    /// Whether a narrative may hold this element.
    pub fn is_xhtml_element(&self, name: &str) -> bool {
        self.xhtml_elements.contains(name)
    }

    /// Whether an element of a narrative may have this attribute.
    pub fn is_xhtml_attribute(&self, name: &str) -> bool {
        self.xhtml_attributes.contains(name)
    }

    /// Every invariant, with the type that states it.
    pub fn invariants(&self) -> impl Iterator<Item = (&'static str, &Invariant)> {
        self.types.iter().flat_map(|(name, of)| {
            of.nodes.values().flat_map(move |node| {
                let children = node.children.iter().flat_map(|child| &child.rules);
                node.rules
                    .iter()
                    .chain(children)
                    .map(move |rule| (*name, rule))
            })
        })
    }

    /// The profile of vital signs of that id, such as `vitalsigns`: its words for an invariant.
    pub fn words(&self, name: &str, key: &str) -> &'static str {
        self.invariants()
            .find(|(of, rule)| *of == name && rule.key == key)
            .map_or("", |(_, rule)| rule.words)
    }

    fn read(source: &'static str) -> Self {
        let mut table = Self::default();
        let mut lines = source
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .peekable();
        while let Some(line) = lines.next() {
            let mut body = Vec::new();
            while let Some(inner) = lines.next_if(|line| line.starts_with(' ')) {
                body.push(inner.trim_start());
            }
            let (word, rest) = cut(line);
            let (name, rest) = cut(rest);
            match word {
                "type" => table.read_type(name, rest.trim_start_matches("< "), &body),
                "vital" => table.vitals.push(Vital {
                    name,
                    measure: measure(rest),
                    components: body.iter().map(|line| measure(cut(line).1)).collect(),
                }),
                "set" => drop(table.sets.insert(name, set(&body))),
                "xhtml" if name == "elements" => table.xhtml_elements = rest.split(' ').collect(),
                "xhtml" => table.xhtml_attributes = rest.split(' ').collect(),
                _ => {}
            }
        }
        table
    }

    /// Bases come before what is built on them.
    fn read_type(&mut self, name: &'static str, base: &'static str, body: &[&'static str]) {
        let mut of = Type {
            base,
            nodes: HashMap::new(),
        };
        let (rules, elements): (Vec<_>, Vec<_>) = body
            .iter()
            .copied()
            .partition(|line: &&str| line.starts_with("! "));
        let places: HashSet<&str> = elements
            .iter()
            .filter_map(|line| cut(line).0.rsplit_once('.').map(|(parent, _)| parent))
            .collect();
        of.nodes.insert("", self.inherited(base));
        for path in &places {
            let kind = elements
                .iter()
                .find(|line| cut(line).0 == *path)
                .map_or("", |line| cut(cut(line).1).1);
            of.nodes.insert(path, self.inherited(cut(kind).0));
        }
        for line in elements {
            let (path, rest) = cut(line);
            let (parent, _) = path.rsplit_once('.').unwrap_or(("", path));
            if let Some(node) = of.nodes.get_mut(parent) {
                node.children
                    .push(child(name, path, rest, places.contains(path)));
            }
        }
        for line in rules {
            let (key, rest) = cut(cut(line).1);
            let (severity, rest) = cut(rest);
            let (path, words) = cut(rest);
            let severity = if severity == "error" {
                Severity::Error
            } else {
                Severity::Advice
            };
            let rule = Invariant {
                key,
                severity,
                words,
            };
            let path = if path == "." { "" } else { path };
            if let Some(node) = of.nodes.get_mut(path) {
                node.rules.push(rule);
                continue;
            }
            let (parent, leaf) = path
                .trim_end_matches("[x]")
                .rsplit_once('.')
                .unwrap_or(("", path.trim_end_matches("[x]")));
            let children = of.nodes.get_mut(parent).map(|node| &mut node.children);
            if let Some(child) =
                children.and_then(|all| all.iter_mut().find(|child| child.name == leaf))
            {
                child.rules.push(rule);
            }
        }
        for node in of.nodes.values_mut() {
            node.index();
        }
        self.types.insert(name, of);
    }

    fn inherited(&self, base: &str) -> Node {
        self.node(base, "").map_or_else(Node::default, |node| Node {
            children: node.children.clone(),
            rules: node.rules.clone(),
            properties: HashMap::new(),
        })
    }
}

impl Node {
    /// The child that a JSON property stands for, and which of its types.
    pub fn property(&self, name: &str) -> Option<(usize, &Child, &Kind)> {
        let (child, kind) = *self.properties.get(name)?;
        let at = child;
        let child = self.children.get(child)?;
        Some((at, child, child.kinds.get(kind)?))
    }

    fn index(&mut self) {
        for (at, child) in self.children.iter().enumerate() {
            for (nth, kind) in child.kinds.iter().enumerate() {
                let name = if child.choice {
                    format!("{}{}", child.name, capitalised(kind.suffix))
                } else {
                    child.name.to_owned()
                };
                self.properties.insert(name, (at, nth));
            }
        }
    }
}

/// The property of a choice ends with its type, with a capital.
pub fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_ascii_uppercase().to_string() + letters.as_str()
    })
}

fn cut(line: &'static str) -> (&'static str, &'static str) {
    line.split_once(' ').unwrap_or((line, ""))
}

fn child(owner: &'static str, path: &'static str, rest: &'static str, has_children: bool) -> Child {
    let (count, rest) = cut(rest);
    let (kinds, set) = cut(rest);
    let (min, max) = count.split_once("..").unwrap_or(("0", "*"));
    let name = path.rsplit('.').next().unwrap_or(path);
    let stem = name.trim_end_matches("[x]");
    let kinds = kinds.split('|').map(|text| {
        let (name, targets) = text.split_once('(').unwrap_or((text, ""));
        let suffix = name.strip_prefix("Simple").unwrap_or(name);
        let place = match name.strip_prefix('@') {
            Some(other) => Some((owner, other)),
            None if has_children => Some((owner, path)),
            None if name.starts_with(char::is_uppercase) && name != "Resource" => Some((name, "")),
            None => None,
        };
        let targets = targets
            .trim_end_matches(')')
            .split(',')
            .filter(|target| !target.is_empty())
            .collect();
        Kind {
            name,
            suffix,
            place,
            targets,
        }
    });
    Child {
        name: stem,
        choice: stem != name,
        min: min.parse().unwrap_or(0),
        max: max.parse().ok(),
        kinds: kinds.collect(),
        set: set.strip_prefix('='),
        rules: Vec::new(),
    }
}

fn measure(line: &'static str) -> Measure {
    let (code, rest) = cut(line);
    let (units, display) = cut(rest);
    let units = units.split(',').filter(|unit| *unit != "-").collect();
    Measure {
        code,
        display,
        units,
    }
}

fn set(body: &[&'static str]) -> Set {
    let mut set = Set::default();
    for line in body {
        let (system, codes) = cut(line);
        set.listed.extend(codes.split(' '));
        set.systems.push((system, codes.split(' ').collect()));
    }
    set
}
