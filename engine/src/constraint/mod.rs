//! Answers that follow a JSON Schema or a grammar: which tokens may come next, worked out before one is picked.
//!
//! A [`Grammar`] is compiled once (`schema`, `lark` to `program`), a [`Constraint`] follows one answer through it
//! (`machine`, `position`, `number`, `automaton`), and a [`Vocabulary`] holds the tokens' bytes. An answer in JSON is compact,
//! its members come in the schema's order, and every text has one spelling, so that nothing has to be repaired afterwards.
//! Whatever is asked of memory and time is bounded in `limits`. Knows no burn.

mod automaton;
mod json;
mod kinds;
mod lark;
mod limits;
mod machine;
mod number;
mod position;
mod program;
mod regex;
mod schema;
mod vocabulary;

pub use vocabulary::Vocabulary;

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::sampler::TokenMask;
use machine::{DEAD, Machine, StateId};
use program::Program;
use vocabulary::Bulk;

/// Masks that are kept, of the places where the answer was last; of a vocabulary of 262,144 tokens 1 MiB.
const KEPT_MASKS: usize = 32;

/// What an answer must follow, as somebody wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// A JSON Schema (2020-12), as text: its members' order is the answer's.
    JsonSchema(String),
    /// A grammar in Lark's notation, of which `start` is the answer.
    Grammar(String),
}

/// A compiled rule.
#[derive(Debug)]
pub struct Grammar {
    program: Program,
}

impl Grammar {
    /// Compiles a rule.
    ///
    /// # Errors
    /// [`Error::Request`] for what cannot be read, is not supported or contradicts itself, with the place of it;
    /// [`Error::LimitExceeded`] for what is too large.
    pub fn new(rule: &Rule) -> Result<Self> {
        let program = match rule {
            Rule::JsonSchema(text) => schema::compile(text)?,
            Rule::Grammar(text) => lark::compile(text)?,
        };
        Ok(Self { program })
    }
}

/// One answer on its way through a grammar.
#[derive(Debug)]
pub struct Constraint {
    vocabulary: Rc<Vocabulary>,
    grammar: Rc<Grammar>,
    stop_ids: Vec<u32>,
    machine: Machine,
    state: StateId,
    masks: Vec<(StateId, TokenMask)>,
}

impl Constraint {
    /// At the beginning of an answer. `stop_ids` end it, where it may end.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] if too much may come first.
    pub fn new(vocabulary: Rc<Vocabulary>, grammar: Rc<Grammar>, stop_ids: &[u32]) -> Result<Self> {
        let (machine, state) = Machine::new(&grammar.program)?;
        Ok(Self {
            vocabulary,
            grammar,
            stop_ids: stop_ids.to_vec(),
            machine,
            state,
            masks: Vec::new(),
        })
    }

    /// The tokens that may come next.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] if the answer can be read in too many ways.
    pub fn mask(&mut self) -> Result<&TokenMask> {
        if self.machine.tidy(&mut self.state) {
            self.masks.clear();
        }
        let known = self
            .masks
            .iter()
            .position(|(state, _)| *state == self.state);
        let place = match known {
            Some(place) => place,
            None => {
                let mask = self.find_mask()?;
                if self.masks.len() == KEPT_MASKS {
                    self.masks.remove(0);
                }
                self.masks.push((self.state, mask));
                self.masks.len() - 1
            }
        };
        Ok(&self.masks[place].1)
    }

    fn find_mask(&mut self) -> Result<TokenMask> {
        let Self {
            vocabulary,
            grammar,
            machine,
            ..
        } = self;
        let mut mask = TokenMask::none(vocabulary.len());
        let longest = vocabulary.longest_plain();
        let weight = |bulk: &Bulk| vocabulary.count(bulk);
        let (bulk, only) = machine.bulk(&grammar.program, self.state, longest, weight);
        vocabulary.allow(&bulk, &mut mask);
        let trie = match only {
            true => &vocabulary.special,
            false => &vocabulary.all,
        };
        let step = |state, byte| machine.step(&grammar.program, state, byte);
        trie.allow(self.state, DEAD, &bulk, step, &mut mask)?;
        if machine.is_complete(self.state) {
            for id in &self.stop_ids {
                mask.allow(*id);
            }
        }
        Ok(mask)
    }

    /// Takes the token that was picked. A token that ends the answer changes nothing.
    ///
    /// # Errors
    /// [`Error::Request`] if it may not come here; the constraint is then where it was.
    pub fn accept(&mut self, id: u32) -> Result<()> {
        if self.stop_ids.contains(&id) && self.is_complete() {
            return Ok(());
        }
        let state = self.after(id)?;
        if state == DEAD {
            return Err(Error::Request {
                problem: format!("token {id} may not come here under the constraint on the answer"),
                remedy: "pick one that the mask allows".to_owned(),
            });
        }
        self.state = state;
        Ok(())
    }

    /// Whether `id` may come next, as the mask says of all.
    ///
    /// # Errors
    /// As [`Self::mask`].
    pub fn allows(&mut self, id: u32) -> Result<bool> {
        let ends = self.stop_ids.contains(&id) && self.is_complete();
        Ok(ends || self.after(id)? != DEAD)
    }

    fn after(&mut self, id: u32) -> Result<StateId> {
        let token = self.vocabulary.token(id);
        let mut state = if token.is_empty() { DEAD } else { self.state };
        for byte in token {
            state = self.machine.step(&self.grammar.program, state, *byte)?;
        }
        Ok(state)
    }

    /// Whether the answer satisfies the constraint if it ends here.
    pub fn is_complete(&self) -> bool {
        self.machine.is_complete(self.state)
    }

    /// Whether nothing may follow.
    pub fn must_stop(&self) -> bool {
        self.machine.is_over(self.state)
    }
}
