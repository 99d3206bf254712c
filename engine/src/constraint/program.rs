//! What a schema or grammar is compiled to: nodes that say what may be written, and how deep each must go at least.

use super::automaton::Automaton;
use super::limits::{MAX_ALL_PATTERN_STATES, MAX_DEPTH, MAX_NODES, within};
use super::number::NumberSpec;
use crate::error::{Error, Result};

/// Place of a node in its [`Program`].
pub type NodeId = u32;

/// Something that may be written.
#[derive(Debug)]
pub enum Node {
    /// These bytes.
    Literal(Box<[u8]>),
    /// A text that an automaton accepts.
    Text(u32),
    /// A number within bounds.
    Number(u32),
    /// One after another.
    Sequence(Box<[NodeId]>),
    /// One of them.
    Either(Box<[NodeId]>),
    /// That many times.
    Repeat {
        /// What.
        node: NodeId,
        /// How often at least.
        min: u32,
        /// How often at most.
        max: Option<u32>,
    },
    /// A JSON object.
    Object(Object),
    /// A JSON array.
    Array(Array),
    /// Another node, known once all are read.
    Link(Option<NodeId>),
}

/// Members in their order, then any number of others.
#[derive(Debug, Default)]
pub struct Object {
    /// Those with a name.
    pub members: Vec<Member>,
    /// Name, colon and value of another, and the same after a comma.
    pub others: Option<[NodeId; 2]>,
}

/// A named member.
#[derive(Debug)]
pub struct Member {
    /// Name, colon and value, and the same after a comma.
    pub written: [NodeId; 2],
    /// Whether it may not be left out.
    pub required: bool,
}

/// Items: some at their places, then others.
#[derive(Debug)]
pub struct Array {
    /// By place: the item, and the same after a comma. The last one is that of all further places.
    pub items: Vec<[NodeId; 2]>,
    /// Fewest items.
    pub min: u32,
    /// Most items.
    pub max: Option<u32>,
}

impl Array {
    /// What comes at the place `count`.
    pub fn item(&self, count: u32) -> Option<NodeId> {
        let [first, later] = self.items.get(count as usize).or(self.items.last())?;
        Some(if count == 0 { *first } else { *later })
    }
}

/// A text: which characters, and how they are written.
#[derive(Debug)]
pub struct Text {
    /// What it may be.
    pub automaton: Automaton,
    /// Fewest and most characters, where the automaton does not count them.
    pub length: Option<(u32, Option<u32>)>,
    /// Whether it is a JSON string, with quotes and escapes, rather than the characters themselves.
    pub json: bool,
    /// Whether every character may come that needs no escape, so that only the length counts.
    pub free: bool,
}

/// Nodes, and where to begin.
#[derive(Debug)]
pub struct Program {
    nodes: Vec<Node>,
    /// By node: how many more continuations an answer needs at least to get through it.
    depths: Vec<u32>,
    texts: Vec<Text>,
    numbers: Vec<NumberSpec>,
    pattern_states: usize,
    root: NodeId,
}

/// No end can be reached.
const ENDLESS: u32 = u32::MAX;

impl Program {
    /// What begins every object.
    pub const OPEN_BRACE: NodeId = 0;

    /// What begins every array.
    pub const OPEN_BRACKET: NodeId = 1;

    /// A program with nothing in it yet.
    pub fn new() -> Self {
        let literal = |bytes: &[u8]| Node::Literal(bytes.into());
        Self {
            nodes: vec![literal(b"{"), literal(b"[")],
            depths: Vec::new(),
            texts: Vec::new(),
            numbers: Vec::new(),
            pattern_states: 0,
            root: 0,
        }
    }

    /// Adds a node.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] for too many.
    pub fn add(&mut self, node: Node) -> Result<NodeId> {
        within(
            "the size of the schema or grammar",
            self.nodes.len() as u64 + 1,
            MAX_NODES as u64,
        )?;
        self.nodes.push(node);
        Ok(self.nodes.len() as u32 - 1)
    }

    /// Adds a text.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn add_text(&mut self, text: Text) -> Result<NodeId> {
        self.pattern_states += text.automaton.len();
        within(
            "the states of all patterns",
            self.pattern_states as u64,
            MAX_ALL_PATTERN_STATES as u64,
        )?;
        self.texts.push(text);
        self.add(Node::Text(self.texts.len() as u32 - 1))
    }

    /// Adds a number.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn add_number(&mut self, number: NumberSpec) -> Result<NodeId> {
        self.numbers.push(number);
        self.add(Node::Number(self.numbers.len() as u32 - 1))
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn add_literal(&mut self, bytes: impl Into<Vec<u8>>) -> Result<NodeId> {
        self.add(Node::Literal(bytes.into().into_boxed_slice()))
    }

    /// Says what the link `from` is.
    pub fn link(&mut self, from: NodeId, to: NodeId) {
        if let Some(Node::Link(target)) = self.nodes.get_mut(from as usize) {
            *target = Some(to);
        }
    }

    /// The node `id`.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id as usize)
    }

    /// The text `index`.
    pub fn text(&self, index: u32) -> Option<&Text> {
        self.texts.get(index as usize)
    }

    /// The number `index`.
    pub fn number(&self, index: u32) -> Option<&NumberSpec> {
        self.numbers.get(index as usize)
    }

    /// Where to begin.
    pub fn root(&self) -> NodeId {
        self.root
    }

    /// Whether `node` can be got through after `depth` continuations.
    pub fn fits(&self, node: NodeId, depth: u32) -> bool {
        let needed = self.depths.get(node as usize).copied().unwrap_or(ENDLESS);
        depth.saturating_add(needed) <= MAX_DEPTH
    }

    /// Begins at `root`, once all nodes are there.
    ///
    /// # Errors
    /// [`Error::Request`] if no answer can end, or if something begins with itself.
    pub fn finish(mut self, root: NodeId) -> Result<Self> {
        self.root = root;
        self.find_depths();
        if !self.fits(root, 0) {
            return Err(Error::Request {
                problem: format!(
                    "no answer of at most {MAX_DEPTH} levels can satisfy the schema or grammar"
                ),
                remedy: "make what refers to itself optional".to_owned(),
            });
        }
        self.check_beginnings()?;
        Ok(self)
    }

    /// The least depth of every node: from all of them being endless downwards until nothing changes.
    fn find_depths(&mut self) {
        self.depths = vec![ENDLESS; self.nodes.len()];
        // Each round settles what is one level deeper.
        for _ in 0..=MAX_DEPTH * 4 {
            let mut changed = false;
            for id in 0..self.nodes.len() {
                let depth = self.least_depth(id);
                if self.depths[id] != depth {
                    self.depths[id] = depth;
                    changed = true;
                }
            }
            if !changed {
                break;
            }
        }
    }

    fn least_depth(&self, id: usize) -> u32 {
        let of = |node: &NodeId| self.depths.get(*node as usize).copied().unwrap_or(ENDLESS);
        let within = |node: &NodeId| of(node).saturating_add(1);
        match &self.nodes[id] {
            Node::Literal(_) | Node::Text(_) | Node::Number(_) => 0,
            Node::Sequence(parts) => match parts.split_last() {
                Some((last, before)) => before.iter().map(within).max().unwrap_or(0).max(of(last)),
                None => 0,
            },
            Node::Either(ways) => ways.iter().map(of).min().unwrap_or(ENDLESS),
            Node::Repeat { node, min, .. } => match min {
                0 => 1,
                _ => within(node),
            },
            Node::Object(object) => {
                let required = object.members.iter().filter(|member| member.required);
                let written = required.map(|member| within(&member.written[0]));
                written.max().unwrap_or(1)
            }
            Node::Array(array) => {
                let needed = array.items.iter().take(array.min as usize);
                needed.map(|[first, _]| within(first)).max().unwrap_or(1)
            }
            Node::Link(target) => target.as_ref().map_or(ENDLESS, of),
        }
    }

    /// Refuses what would have to begin with itself.
    fn check_beginnings(&self) -> Result<()> {
        let nullable = self.nullable();
        // 0: not seen, 1: on the way, 2: done.
        let mut seen = vec![0_u8; self.nodes.len()];
        for start in 0..self.nodes.len() as NodeId {
            let mut way: Vec<(NodeId, Vec<NodeId>)> = Vec::new();
            if seen[start as usize] == 0 {
                seen[start as usize] = 1;
                way.push((start, self.beginnings(start, &nullable)));
            }
            while let Some((node, rest)) = way.last_mut() {
                let Some(next) = rest.pop() else {
                    seen[*node as usize] = 2;
                    way.pop();
                    continue;
                };
                match seen[next as usize] {
                    0 => {
                        seen[next as usize] = 1;
                        way.push((next, self.beginnings(next, &nullable)));
                    }
                    1 => {
                        return Err(Error::Request {
                            problem: "a part of the schema or grammar begins with itself"
                                .to_owned(),
                            remedy:
                                "write it as a repetition, or so that something comes before it"
                                    .to_owned(),
                        });
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// What may come first in a node.
    fn beginnings(&self, id: NodeId, nullable: &[bool]) -> Vec<NodeId> {
        match self.node(id) {
            Some(Node::Sequence(parts)) => {
                let empty = parts.iter().take_while(|part| nullable[**part as usize]);
                let count = empty.count() + 1;
                parts.iter().take(count).copied().collect()
            }
            Some(Node::Either(ways)) => ways.to_vec(),
            Some(Node::Repeat { node, .. }) => vec![*node],
            Some(Node::Link(target)) => target.iter().copied().collect(),
            _ => Vec::new(),
        }
    }

    /// Whether nothing at all is one way of writing each node.
    fn nullable(&self) -> Vec<bool> {
        let mut nullable = vec![false; self.nodes.len()];
        loop {
            let mut changed = false;
            for id in 0..self.nodes.len() {
                let is = |node: &NodeId| nullable[*node as usize];
                let now = match &self.nodes[id] {
                    Node::Literal(bytes) => bytes.is_empty(),
                    Node::Text(text) => self
                        .text(*text)
                        .is_some_and(|text| !text.json && text.automaton.accepts(0)),
                    Node::Sequence(parts) => parts.iter().all(is),
                    Node::Either(ways) => ways.iter().any(is),
                    Node::Repeat { node, min, .. } => *min == 0 || is(node),
                    Node::Link(target) => target.as_ref().is_some_and(is),
                    Node::Number(_) | Node::Object(_) | Node::Array(_) => false,
                };
                changed |= now && !nullable[id];
                nullable[id] |= now;
            }
            if !changed {
                return nullable;
            }
        }
    }
}
