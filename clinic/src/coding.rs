//! Codes for what a record names: retrieved from tables, chosen by a rule, else by the model, else by nobody.
//!
//! The model never writes a code. Where the rule sees no clear one, it is shown the candidates under numbers, and answers with
//! a number or `none`; what is no such answer counts as `none`.
//!
//! Candidates stand in the search's own order. Sorting them by the model's embeddings as well ([`crate::terminology::rerank`]) was
//! measured, and no better.

use std::fmt::Write;

use outpost_engine::chat::{Conversation, Message, Part, Role};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::draft;
use crate::error::Result;
use crate::extract::{Lexicon, Transcript};
use crate::record::{Coding, Record, Span};
use crate::terminology::{Candidate, Match, Terminology, choose};
use crate::writer::{Ask, Writer};

/// Candidates that are shown.
const MOST_SHOWN: usize = 6;
/// Longest answer, in tokens.
const MOST_TOKENS: usize = 16;

/// Who chose a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChosenBy {
    /// A rule: the table's words are those that were said, or all but.
    Rule,
    /// The model, among candidates.
    Model,
    /// A person, who looked at the draft.
    Person,
    /// Nobody: there is no table, no candidate, or none that fits.
    Nobody,
}

/// The code of one item, and what else it could have been.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Coded {
    /// The code.
    pub coding: Option<Coding>,
    /// Who chose it.
    pub chosen_by: ChosenBy,
    /// What was there to choose among, the best first.
    pub candidates: Vec<Candidate>,
}

/// Codes of a record's items, in its order.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Codes {
    /// Of its medications.
    pub medications: Vec<Coded>,
    /// Of its conditions.
    pub conditions: Vec<Coded>,
}

impl Lexicon for Terminology {
    /// A substance that stands in a table as a poison is the name of no condition.
    fn is_condition(&self, words: &str) -> bool {
        let found = self.condition(words, 1);
        let poison = |it: &Candidate| {
            POISONS
                .iter()
                .any(|begins| it.coding.display.starts_with(begins))
        };
        is_named(&found) && !found.iter().any(poison)
    }

    fn is_medication(&self, words: &str) -> bool {
        is_named(&self.medication(words, 1))
    }
}

/// How ICD-10-CM begins the titles under which it lists substances.
const POISONS: [&str; 2] = ["Poisoning by", "Toxic effect of"];

/// Whether the words are a name in the table.
fn is_named(candidates: &[Candidate]) -> bool {
    let named = |it: &Candidate| {
        matches!(
            it.matched,
            Match::Exact | Match::Brand | Match::Abbreviation
        )
    };
    candidates.first().is_some_and(named)
}

/// Finds the codes of a record's medications and conditions.
///
/// # Errors
/// What keeps the writer from writing.
pub async fn code<W: Writer>(
    writer: &mut W,
    record: &Record,
    transcript: &Transcript<'_>,
    terminology: &Terminology,
) -> Result<Codes> {
    let mut codes = Codes::default();
    for it in &record.medications {
        let name = [Some(&it.name), it.strength.as_ref()];
        let name: Vec<_> = name.into_iter().flatten().map(String::as_str).collect();
        let mut candidates = terminology.medication(&name.join(" "), MOST_SHOWN);
        if choose(&candidates).is_none() {
            candidates = terminology.medication(&it.name, MOST_SHOWN);
        }
        codes
            .medications
            .push(choice(writer, &it.name, it.evidence, candidates, transcript).await?);
    }
    for it in &record.conditions {
        let candidates = terminology.condition(&it.name, MOST_SHOWN);
        codes
            .conditions
            .push(choice(writer, &it.name, it.evidence, candidates, transcript).await?);
    }
    Ok(codes)
}

async fn choice<W: Writer>(
    writer: &mut W,
    name: &str,
    evidence: Span,
    candidates: Vec<Candidate>,
    transcript: &Transcript<'_>,
) -> Result<Coded> {
    if let Some(clear) = choose(&candidates) {
        return Ok(Coded {
            coding: Some(clear.coding.clone()),
            chosen_by: ChosenBy::Rule,
            candidates,
        });
    }
    let chosen = match candidates.is_empty() {
        true => None,
        false => {
            let said = transcript.sentences(evidence).of(transcript.text());
            let draft = writer
                .write(&ask(name, said.unwrap_or(name), &candidates))
                .await?;
            number(&draft.text, candidates.len())
        }
    };
    let coding = chosen
        .and_then(|index| candidates.get(index))
        .map(|it| it.coding.clone());
    let chosen_by = match coding {
        Some(_) => ChosenBy::Model,
        None => ChosenBy::Nobody,
    };
    Ok(Coded {
        coding,
        chosen_by,
        candidates,
    })
}

fn ask(name: &str, said: &str, candidates: &[Candidate]) -> Ask {
    let mut text = format!(
        "In a consultation somebody said, between two lines of ===:\n===\n{said}\n===\nWhich of these is \"{name}\"? Answer \
         with its number as JSON, {{\"choice\":\"1\"}}, or {{\"choice\":\"none\"}} if none says the same, or if one says more \
         than was said.\n"
    );
    for (number, candidate) in (1..).zip(candidates) {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{number}. {}", candidate.coding.display);
    }
    let numbers = (1..=candidates.len()).map(|number| json!(number.to_string()));
    let words: Vec<Value> = numbers.chain([json!("none")]).collect();
    let schema = json!({
        "type": "object",
        "properties": { "choice": { "enum": words } },
        "required": ["choice"],
        "additionalProperties": false,
    });
    Ask {
        conversation: Conversation {
            system: None,
            messages: vec![Message {
                role: Role::User,
                parts: vec![Part::Text(text)],
            }],
        },
        schema: Some(schema.to_string()),
        max_tokens: MOST_TOKENS,
    }
}

/// Which candidate an answer names, from 0.
fn number(answer: &str, count: usize) -> Option<usize> {
    let answer = draft::object(answer).ok()?;
    let number: usize = match answer.get("choice")? {
        Value::String(text) => text.trim().parse().ok()?,
        Value::Number(number) => usize::try_from(number.as_u64()?).ok()?,
        _ => return None,
    };
    number.checked_sub(1).filter(|index| *index < count)
}
