//! Answers by chance under a schema, token by token, for whoever has a clock: `tests/bench/constraint.mjs` calls this in Node.
//!
//! Vocabulary and schemas are those of the native measurement (`engine/tests/constraint_cost.rs`). Only `mask` and `accept`
//! are what a constraint costs; `begin` compiles the schema, and `pick` plays the model. An address that a function returns is
//! that of a text in UTF-8 which never changes. What cannot happen in this fixed setting stops the module.
#![allow(clippy::unwrap_used)]

#[path = "../../../engine/tests/support/answers.rs"]
mod answers;

use std::cell::RefCell;
use std::rc::Rc;

use answers::{SCHEMAS, STOP, pick, tokens};
use outpost_engine::constraint::{Constraint, Grammar, Rule, Vocabulary};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

struct Answer {
    vocabulary: Rc<Vocabulary>,
    constraint: Constraint,
    rng: ChaCha8Rng,
    picked: u32,
}

thread_local! {
    static VOCABULARY: RefCell<Option<Rc<Vocabulary>>> = const { RefCell::new(None) };
    static ANSWER: RefCell<Option<Answer>> = const { RefCell::new(None) };
}

/// Makes the vocabulary -> how many tokens it has.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn make_vocabulary() -> usize {
    let made = Rc::new(Vocabulary::of_tokens(tokens().into_iter()).unwrap());
    VOCABULARY.with_borrow_mut(|vocabulary| vocabulary.insert(made).len())
}

/// How many schemas there are.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn schemas() -> usize {
    SCHEMAS.len()
}

/// Where the name of a schema is.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn name(schema: usize) -> *const u8 {
    SCHEMAS[schema].0.as_ptr()
}

/// Bytes of its name.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn name_bytes(schema: usize) -> usize {
    SCHEMAS[schema].0.len()
}

/// Where the schema itself is.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn text(schema: usize) -> *const u8 {
    SCHEMAS[schema].1.as_ptr()
}

/// Bytes of the schema itself.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn text_bytes(schema: usize) -> usize {
    SCHEMAS[schema].1.len()
}

/// Begins an answer under a schema. The first mask is part of it, as when the engine begins one.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn begin(schema: usize, seed: u32) {
    let vocabulary = VOCABULARY.with_borrow(Option::clone).unwrap();
    let rule = Rule::JsonSchema(SCHEMAS[schema].1.to_owned());
    let grammar = Rc::new(Grammar::new(&rule).unwrap());
    let mut constraint = Constraint::new(vocabulary.clone(), grammar, &[STOP]).unwrap();
    constraint.mask().unwrap();
    let begun = Answer {
        constraint,
        vocabulary,
        rng: ChaCha8Rng::seed_from_u64(u64::from(seed)),
        picked: STOP,
    };
    ANSWER.with_borrow_mut(|answer| *answer = Some(begun));
}

/// Works out which tokens may come next -> how many.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn mask() -> usize {
    of_answer(|answer| answer.constraint.mask().unwrap().words().len())
}

/// Picks one of them -> 1, or 0 if the answer ends here.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn pick_token() -> u32 {
    of_answer(|answer| {
        answer.picked = pick(&mut answer.constraint, &answer.vocabulary, &mut answer.rng);
        u32::from(answer.picked != STOP)
    })
}

/// Takes the token that was picked.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn accept() {
    of_answer(|answer| answer.constraint.accept(answer.picked).unwrap());
}

/// Whether nothing may follow: 1 or 0.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn must_stop() -> u32 {
    of_answer(|answer| u32::from(answer.constraint.must_stop()))
}

fn of_answer<T>(work: impl FnOnce(&mut Answer) -> T) -> T {
    ANSWER.with_borrow_mut(|answer| work(answer.as_mut().unwrap()))
}
