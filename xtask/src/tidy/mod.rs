//! The rules that the source tree keeps: which part may know of what, and how a file looks.
//!
//! They are the invariants of ARCHITECTURE.md. Rust is read as tokens, so a rule sees `use std::{fs, io}` and
//! `std :: fs` alike and no comment or string; code under `#[cfg(test)]` may do what tests need.
//! Each rule has a test that feeds it something that breaks it.

mod dependencies;
mod imports;
mod shape;
mod source;
mod tree;

use crate::error::{Failure, Result};
use crate::places::Places;

/// One breach of one rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Breach {
    /// The file, relative to the checkout.
    pub file: String,
    /// The line, from 1; 0 where the whole file is meant.
    pub line: usize,
    /// What is wrong, and why that is a rule.
    pub message: String,
}

/// Checks everything; fails with the number of breaches after printing each.
pub fn run(places: &Places) -> Result<()> {
    let mut breaches = dependencies::check(places)?;
    for file in tree::files(&places.root)? {
        breaches.extend(shape::check(&file));
        breaches.extend(imports::check(&file));
    }
    breaches.sort();
    for breach in &breaches {
        eprintln!("{}:{}: {}", breach.file, breach.line, breach.message);
    }
    match breaches.len() {
        0 => Ok(()),
        count => Err(Failure::new(format!(
            "the source tree breaks its rules in {count} places"
        ))
        .remedy("see above, and ARCHITECTURE.md for the reasons")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_keeps_its_rules() {
        run(&Places::find().unwrap()).unwrap();
    }
}
