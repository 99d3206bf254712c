//! A vocabulary of Gemma 3's size and shape, schemas that a clinic would ask for, and answers by chance.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use outpost_engine::constraint::{Constraint, Vocabulary};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Tokens of Gemma 3's vocabulary.
pub const VOCAB: usize = 262_144;

/// The token that ends an answer.
pub const STOP: u32 = 1;

/// What is asked for, and what it is called.
pub const SCHEMAS: [(&str, &str); 5] = [
    (
        "record",
        r#"{"type":"object","properties":{
            "medications":{"type":"array","maxItems":8,"items":{"type":"object","properties":{
                "name":{"type":"string","minLength":1,"maxLength":80},
                "dose":{"type":"number","minimum":0,"maximum":5000},
                "route":{"enum":["oral","intravenous","inhaled","topical",null]},
                "status":{"enum":["active","stopped","intended"]},
                "since":{"type":"string","format":"date"},
                "evidence":{"type":"string","maxLength":400}
            },"required":["name","status","evidence"],"additionalProperties":false}},
            "conditions":{"type":"array","maxItems":8,"items":{"type":"object","properties":{
                "name":{"type":"string","minLength":1,"maxLength":80},
                "clinical_status":{"enum":["active","recurrence","relapse","inactive","remission","resolved"]},
                "negated":{"type":"boolean"}
            },"required":["name","clinical_status"],"additionalProperties":false}}
        },"required":["medications","conditions"],"additionalProperties":false}"#,
    ),
    ("free text", r#"{"type":"string"}"#),
    (
        "long words",
        r#"{"type":"string","pattern":"^[^\\n]+( [^\\n]+)*$","minLength":50,"maxLength":600}"#,
    ),
    (
        "letters",
        r#"{"type":"string","pattern":"^[A-Za-z ,.-]{1,300}$"}"#,
    ),
    ("any value", "{}"),
];

/// Letters of some scripts, by how much of the vocabulary they make up.
const SCRIPTS: [(u32, u32, u32); 8] = [
    (0x61, 0x7A, 60),
    (0x41, 0x5A, 10),
    (0xE0, 0xFF, 6),
    (0x430, 0x44F, 7),
    (0x627, 0x64A, 3),
    (0x905, 0x939, 4),
    (0x4E00, 0x9FFF, 8),
    (0x21, 0x7E, 2),
];

/// Tokens of 1 to 16 characters, mostly of one script, most of them after a space; bytes; runs of white space.
pub fn tokens() -> Vec<Vec<u8>> {
    let mut rng = ChaCha8Rng::seed_from_u64(262_144);
    let mut texts = BTreeSet::new();
    for count in 1..32 {
        texts.insert("\n".repeat(count));
        texts.insert(" ".repeat(count));
    }
    for letter in ' '..='~' {
        texts.insert(letter.to_string());
        texts.insert(format!("{letter}\""));
        texts.insert(format!("\"{letter}"));
    }
    for number in 0..1_000 {
        texts.insert(number.to_string());
    }
    while texts.len() < VOCAB - 258 {
        let mut share = rng.random_range(0..100);
        let script = SCRIPTS.iter().find(|(_, _, part)| {
            let found = share < *part;
            share = share.saturating_sub(*part);
            found
        });
        let (first, last, _) = script.unwrap();
        let mut text = String::from(if rng.random_bool(0.5) { " " } else { "" });
        // Words begin alike: the first letters are those of few syllables.
        for _ in 0..rng.random_range(1..=4) {
            let letters = (last - first + 1).min(40);
            let mut letter = || {
                char::from_u32(
                    first
                        + rng
                            .random_range(0..letters)
                            .min(rng.random_range(0..letters)),
                )
            };
            text.extend(letter());
            text.extend(letter());
        }
        texts.insert(text);
    }
    let mut tokens: Vec<Vec<u8>> = texts.into_iter().map(String::into_bytes).collect();
    tokens.splice(0..0, [Vec::new(), Vec::new()]);
    tokens.extend((0..=255).map(|byte| vec![byte]));
    tokens.truncate(VOCAB);
    tokens
}

/// A token of those that are allowed, by chance; those that end a text more often than their number.
pub fn pick(constraint: &mut Constraint, vocabulary: &Vocabulary, rng: &mut ChaCha8Rng) -> u32 {
    let mask = constraint.mask().unwrap();
    let words = mask.words();
    let total = mask.count();
    assert!(total > 0);
    let nth = |place: usize| {
        let mut left = place;
        for (index, word) in words.iter().enumerate() {
            let count = word.count_ones() as usize;
            if left >= count {
                left -= count;
                continue;
            }
            let bits = (0..32).filter(|bit| word >> bit & 1 == 1);
            return index as u32 * 32 + bits.clone().nth(left).unwrap();
        }
        unreachable!()
    };
    let quote = (0..vocabulary.len() as u32)
        .find(|id| vocabulary.token(*id) == b"\"")
        .unwrap();
    match rng.random_bool(0.05) && mask.allows(quote) {
        true => quote,
        false => nth(rng.random_range(0..total)),
    }
}
