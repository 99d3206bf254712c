//! Follows an answer byte by byte through a program, in all ways in which it can be read.
//!
//! A way of reading is a stack: a place within a literal, text or number, and below it what comes after. Stacks share their
//! lower parts, equal sets of them are one state, and what a byte does in a state is worked out once. So the many tokens that
//! begin alike cost one look each.

use std::collections::{HashMap, HashSet};

use super::limits::{KEPT_STATES, MAX_STACKS, MAX_STATES, MAX_STEPS, within};
use super::number::Prefix;
use super::position::{Moved, Partial, Place};
use super::program::{Node, NodeId, Program};
use super::vocabulary::Bulk;
use crate::error::Result;

/// Number of a state.
pub type StateId = u32;

/// Nothing can follow, and it is no end either.
pub const DEAD: StateId = 0;

const UNKNOWN: StateId = u32::MAX;

/// The bottom of every stack.
const BOTTOM: u32 = 0;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Position {
    /// Nothing below.
    Bottom,
    /// Bytes of a literal are written.
    Literal { node: NodeId, at: u32 },
    /// Within a text.
    Text { text: u32, place: Place },
    /// Within a number.
    Number { number: u32, prefix: Prefix },
    /// What comes after: the part `at` of a sequence.
    Sequence { node: NodeId, at: u32 },
    /// Another time.
    Repeat { node: NodeId, count: u32 },
    /// The member `at` or one after it, with a comma if there was one.
    Object { node: NodeId, at: u32, any: bool },
    /// The item `count`.
    Array { node: NodeId, count: u32 },
    /// A bracket that closes.
    Close { brace: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Frame {
    position: Position,
    below: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    /// Frames, in order.
    tops: Vec<u32>,
    /// Whether the answer may end here.
    complete: bool,
}

/// Stacks and states that have been met.
#[derive(Debug, Default)]
pub struct Machine {
    frames: Vec<(Frame, u32)>,
    frame_numbers: HashMap<Frame, u32>,
    states: Vec<State>,
    state_numbers: HashMap<State, StateId>,
    /// [states, 256]: the state after a byte
    moves: Vec<StateId>,
}

enum Work {
    Enter(NodeId, u32),
    Resume(u32),
}

impl Machine {
    /// A machine, and where it begins.
    ///
    /// # Errors
    /// [`crate::error::Error::LimitExceeded`] if too much may come first.
    pub fn new(program: &Program) -> Result<(Self, StateId)> {
        let mut machine = Self::default();
        machine.clear();
        let start = machine.settled(
            program,
            vec![Work::Enter(program.root(), BOTTOM)],
            Vec::new(),
        )?;
        Ok((machine, start))
    }

    fn clear(&mut self) {
        *self = Self::default();
        let bottom = Frame {
            position: Position::Bottom,
            below: BOTTOM,
        };
        self.frames.push((bottom, 0));
        self.frame_numbers.insert(bottom, BOTTOM);
        self.number(State {
            tops: Vec::new(),
            complete: false,
        });
    }

    /// Forgets states if there are many, but for `state`, which gets another number. `true` if it did so.
    pub fn tidy(&mut self, state: &mut StateId) -> bool {
        if self.states.len() <= KEPT_STATES {
            return false;
        }
        let old = std::mem::take(self);
        self.clear();
        let kept = old.states.get(*state as usize).cloned();
        let Some(State { tops, complete }) = kept else {
            return true;
        };
        let mut tops: Vec<u32> = tops.iter().map(|top| self.copied(&old, *top)).collect();
        tops.sort_unstable();
        *state = self.number(State { tops, complete });
        true
    }

    /// The frame `index` of another machine.
    fn copied(&mut self, old: &Self, index: u32) -> u32 {
        let mut chain = Vec::new();
        let mut at = index;
        while at != BOTTOM {
            let (frame, _) = old.frames[at as usize];
            chain.push(frame.position);
            at = frame.below;
        }
        let push = |below, position| self.push(position, below);
        chain.into_iter().rev().fold(BOTTOM, push)
    }

    /// Whether the answer may end in `state`.
    pub fn is_complete(&self, state: StateId) -> bool {
        self.states
            .get(state as usize)
            .is_some_and(|state| state.complete)
    }

    /// Whether nothing may follow in `state`.
    pub fn is_over(&self, state: StateId) -> bool {
        self.states
            .get(state as usize)
            .is_none_or(|state| state.tops.is_empty())
    }

    /// Tokens that may all come in `state` because they are made of certain kinds of characters: of the sets that are known
    /// the one that is heaviest. `true` if no other token without escapes may come.
    pub fn bulk(
        &self,
        program: &Program,
        state: StateId,
        longest: u32,
        weight: impl Fn(&Bulk) -> usize,
    ) -> (Bulk, bool) {
        let tops = self
            .states
            .get(state as usize)
            .map_or(&[][..], |state| &state.tops);
        let mut heaviest = (Bulk::default(), 0);
        let mut free = false;
        for top in tops {
            let Position::Text { text, place } = self.frames[*top as usize].0.position else {
                continue;
            };
            let Some(text) = program
                .text(text)
                .filter(|_| place.partial == Partial::None)
            else {
                continue;
            };
            free = text.free;
            for bulk in text.bulks(place, longest) {
                let weight = weight(&bulk);
                if weight > heaviest.1 {
                    heaviest = (bulk, weight);
                }
            }
        }
        (heaviest.0, free && tops.len() == 1)
    }

    /// The state after `byte`.
    ///
    /// # Errors
    /// [`crate::error::Error::LimitExceeded`] if there are too many ways of reading the answer.
    #[inline]
    pub fn step(&mut self, program: &Program, state: StateId, byte: u8) -> Result<StateId> {
        match self.moves.get(state as usize * 256 + byte as usize) {
            Some(&next) if next != UNKNOWN => Ok(next),
            _ => self.moved(program, state, byte),
        }
    }

    #[cold]
    fn moved(&mut self, program: &Program, state: StateId, byte: u8) -> Result<StateId> {
        let tops = self.states[state as usize].tops.clone();
        let mut kept = Vec::new();
        let mut work = Vec::new();
        for top in tops {
            let (Frame { position, below }, _) = self.frames[top as usize];
            match position {
                Position::Literal { node, at } => {
                    let Some(Node::Literal(bytes)) = program.node(node) else {
                        continue;
                    };
                    if bytes.get(at as usize) != Some(&byte) {
                        continue;
                    }
                    match at as usize + 1 == bytes.len() {
                        true => work.push(Work::Resume(below)),
                        false => {
                            kept.push(self.push(Position::Literal { node, at: at + 1 }, below))
                        }
                    }
                }
                Position::Close { brace } if byte == closing(brace) => {
                    work.push(Work::Resume(below));
                }
                Position::Text { text, place } => {
                    let moved = program.text(text).and_then(|text| text.step(place, byte));
                    match moved {
                        Some(Moved::On(place, may_end)) => {
                            kept.push(self.push(Position::Text { text, place }, below));
                            if may_end {
                                work.push(Work::Resume(below));
                            }
                        }
                        Some(Moved::Closed) => work.push(Work::Resume(below)),
                        None => {}
                    }
                }
                Position::Number { number, prefix } => {
                    let Some(spec) = program.number(number) else {
                        continue;
                    };
                    if let Some(prefix) = spec.step(prefix, byte) {
                        kept.push(self.push(Position::Number { number, prefix }, below));
                        if spec.is_complete(prefix) {
                            work.push(Work::Resume(below));
                        }
                    }
                }
                _ => {}
            }
        }
        let next = self.settled(program, work, kept)?;
        self.moves[state as usize * 256 + byte as usize] = next;
        Ok(next)
    }

    /// The state of the stacks `tops` and of those to which `work` leads without a byte.
    fn settled(
        &mut self,
        program: &Program,
        mut work: Vec<Work>,
        mut tops: Vec<u32>,
    ) -> Result<StateId> {
        let mut complete = false;
        let mut entered = HashSet::new();
        let mut resumed = HashSet::new();
        let mut steps = 0;
        while let Some(next) = work.pop() {
            steps += 1;
            within(
                "the ways in which an answer can go on",
                steps,
                MAX_STEPS as u64,
            )?;
            match next {
                Work::Enter(node, below) if entered.insert((node, below)) => {
                    self.enter(program, node, below, &mut work, &mut tops);
                }
                Work::Resume(BOTTOM) => complete = true,
                Work::Resume(below) if resumed.insert(below) => {
                    self.resume(program, below, &mut work, &mut tops);
                }
                _ => {}
            }
        }
        tops.sort_unstable();
        tops.dedup();
        within(
            "the ways in which an answer can be read",
            tops.len() as u64,
            MAX_STACKS as u64,
        )?;
        within(
            "the states of an answer",
            self.states.len() as u64,
            MAX_STATES as u64,
        )?;
        Ok(self.number(State { tops, complete }))
    }

    fn enter(
        &mut self,
        program: &Program,
        node: NodeId,
        below: u32,
        work: &mut Vec<Work>,
        tops: &mut Vec<u32>,
    ) {
        let depth = self.frames[below as usize].1;
        if !program.fits(node, depth) {
            return;
        }
        match program.node(node) {
            Some(Node::Literal(bytes)) => match bytes.is_empty() {
                true => work.push(Work::Resume(below)),
                false => tops.push(self.push(Position::Literal { node, at: 0 }, below)),
            },
            Some(Node::Text(text)) => {
                let Some(spec) = program.text(*text) else {
                    return;
                };
                let place = spec.start();
                tops.push(self.push(Position::Text { text: *text, place }, below));
                if spec.may_end(place) {
                    work.push(Work::Resume(below));
                }
            }
            Some(Node::Number(number)) => {
                let prefix = Prefix::default();
                let number = *number;
                tops.push(self.push(Position::Number { number, prefix }, below));
            }
            Some(Node::Sequence(parts)) => self.part(node, parts, 0, below, work),
            Some(Node::Either(ways)) => {
                work.extend(ways.iter().map(|way| Work::Enter(*way, below)));
            }
            Some(Node::Repeat { .. }) => {
                let frame = self.push(Position::Repeat { node, count: 0 }, below);
                work.push(Work::Resume(frame));
            }
            Some(Node::Object(_)) => {
                let after = Position::Object {
                    node,
                    at: 0,
                    any: false,
                };
                let after = self.push(after, below);
                self.open(true, after, tops);
            }
            Some(Node::Array(_)) => {
                let after = self.push(Position::Array { node, count: 0 }, below);
                self.open(false, after, tops);
            }
            Some(Node::Link(target)) => {
                work.extend(target.iter().map(|target| Work::Enter(*target, below)));
            }
            None => {}
        }
    }

    /// A bracket that opens, then `after`.
    fn open(&mut self, brace: bool, after: u32, tops: &mut Vec<u32>) {
        let node = match brace {
            true => Program::OPEN_BRACE,
            false => Program::OPEN_BRACKET,
        };
        tops.push(self.push(Position::Literal { node, at: 0 }, after));
    }

    /// The part `at` of a sequence, and the rest after it. The last part needs no continuation, so that what repeats
    /// itself at its end does not nest.
    fn part(&mut self, node: NodeId, parts: &[NodeId], at: u32, below: u32, work: &mut Vec<Work>) {
        let below = match (at as usize + 1).cmp(&parts.len()) {
            std::cmp::Ordering::Less => self.push(Position::Sequence { node, at: at + 1 }, below),
            _ => below,
        };
        match parts.get(at as usize) {
            Some(part) => work.push(Work::Enter(*part, below)),
            None => work.push(Work::Resume(below)),
        }
    }

    fn resume(&mut self, program: &Program, frame: u32, work: &mut Vec<Work>, tops: &mut Vec<u32>) {
        let (Frame { position, below }, _) = self.frames[frame as usize];
        match position {
            Position::Sequence { node, at } => {
                if let Some(Node::Sequence(parts)) = program.node(node) {
                    self.part(node, parts, at, below, work);
                }
            }
            Position::Repeat { node, count } => {
                let Some(Node::Repeat {
                    node: part,
                    min,
                    max,
                }) = program.node(node)
                else {
                    return;
                };
                if count >= *min {
                    work.push(Work::Resume(below));
                }
                if max.is_none_or(|max| count < max) {
                    // Beyond the least number nothing needs counting where there is no largest.
                    let count = match max {
                        None => (count + 1).min(*min),
                        Some(_) => count + 1,
                    };
                    let after = self.push(Position::Repeat { node, count }, below);
                    work.push(Work::Enter(*part, after));
                }
            }
            Position::Object { node, at, any } => {
                let Some(Node::Object(object)) = program.node(node) else {
                    return;
                };
                let comma = usize::from(any);
                for (place, member) in (0_u32..).zip(&object.members).skip(at as usize) {
                    let after = Position::Object {
                        node,
                        at: place + 1,
                        any: true,
                    };
                    let after = self.push(after, below);
                    work.push(Work::Enter(member.written[comma], after));
                    if member.required {
                        return;
                    }
                }
                if let Some(others) = &object.others {
                    let after = Position::Object {
                        node,
                        at: object.members.len() as u32,
                        any: true,
                    };
                    let after = self.push(after, below);
                    work.push(Work::Enter(others[comma], after));
                }
                tops.push(self.push(Position::Close { brace: true }, below));
            }
            Position::Array { node, count } => {
                let Some(Node::Array(array)) = program.node(node) else {
                    return;
                };
                if count >= array.min {
                    tops.push(self.push(Position::Close { brace: false }, below));
                }
                let item = array
                    .item(count)
                    .filter(|_| array.max.is_none_or(|max| count < max));
                if let Some(item) = item {
                    let counted = array.min.max(array.items.len() as u32).max(1);
                    let count = match array.max {
                        None => (count + 1).min(counted),
                        Some(_) => count + 1,
                    };
                    let after = self.push(Position::Array { node, count }, below);
                    work.push(Work::Enter(item, after));
                }
            }
            _ => {}
        }
    }

    fn push(&mut self, position: Position, below: u32) -> u32 {
        let frame = Frame { position, below };
        let depth = self.frames[below as usize].1 + 1;
        *self.frame_numbers.entry(frame).or_insert_with(|| {
            self.frames.push((frame, depth));
            self.frames.len() as u32 - 1
        })
    }

    fn number(&mut self, state: State) -> StateId {
        if let Some(number) = self.state_numbers.get(&state) {
            return *number;
        }
        let number = self.states.len() as StateId;
        self.states.push(state.clone());
        self.state_numbers.insert(state, number);
        let unknown = match number {
            DEAD => DEAD,
            _ => UNKNOWN,
        };
        self.moves.resize(self.states.len() * 256, unknown);
        number
    }
}

fn closing(brace: bool) -> u8 {
    match brace {
        true => b'}',
        false => b']',
    }
}
