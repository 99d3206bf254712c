//! SOAP notes: subjective, objective, assessment, plan. [`SoapNote`] is plain text; in a [`form::Note`] every sentence has its
//! evidence, and [`note::process`] has one written.

pub mod form;
pub mod note;
mod rules;

use outpost_engine::chat::Conversation;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What a model is asked for a note.
pub const INSTRUCTION: &str = "Write a SOAP note.";

/// A drafted note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SoapNote {
    /// What the patient says.
    pub subjective: String,
    /// What was found and measured.
    pub objective: String,
    /// What it is thought to be.
    pub assessment: String,
    /// What is to be done.
    pub plan: String,
}

/// Letter and word that may head each section, in the order of a note.
const SECTIONS: [(&str, &str); 4] = [
    ("S", "Subjective"),
    ("O", "Objective"),
    ("A", "Assessment"),
    ("P", "Plan"),
];

impl SoapNote {
    /// The conversation that asks for a note about `consultation`.
    pub fn ask(consultation: &str) -> Conversation {
        crate::ask(INSTRUCTION, consultation)
    }

    /// Reads a draft whose sections begin with `S:` or `Subjective:` and so on, each at the start of a line.
    ///
    /// # Errors
    /// [`Error::MissingSection`] or [`Error::RepeatedSection`]; nothing is filled in.
    pub fn parse(draft: &str) -> Result<Self> {
        let mut sections: [Option<String>; 4] = [const { None }; 4];
        let mut current = None;
        for line in draft.lines() {
            // Markdown marks around a heading are not part of it.
            let line = line.trim().trim_start_matches(['#', '*', '-', ' ']);
            let text = match heading(line) {
                Some((index, rest)) => {
                    if sections.get(index).is_some_and(Option::is_some) {
                        return Err(Error::RepeatedSection {
                            section: SECTIONS[index].0,
                        });
                    }
                    current = Some(index);
                    rest
                }
                None => line,
            };
            let Some(section) = current.and_then(|index| sections.get_mut(index)) else {
                continue;
            };
            let section = section.get_or_insert_default();
            if !section.is_empty() && !text.is_empty() {
                section.push('\n');
            }
            section.push_str(text);
        }
        let mut take = |index: usize| -> Result<String> {
            let missing = Error::MissingSection {
                section: SECTIONS[index].0,
            };
            sections[index]
                .take()
                .filter(|text| !text.is_empty())
                .ok_or(missing)
        };
        Ok(Self {
            subjective: take(0)?,
            objective: take(1)?,
            assessment: take(2)?,
            plan: take(3)?,
        })
    }
}

/// The section that a line begins, and the rest of the line.
fn heading(line: &str) -> Option<(usize, &str)> {
    let (head, rest) = line.split_once(':')?;
    let head = head.trim_end_matches('*').trim();
    let index = SECTIONS
        .iter()
        .position(|(letter, word)| head == *letter || head.eq_ignore_ascii_case(word))?;
    Some((index, rest.trim_start_matches('*').trim()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const PLAIN: &str =
        "S: Cough for 3 days.\nO: Chest clear.\nA: Chest cold.\nP: Rest, review in 5 days.";

    #[test]
    fn a_plain_note_is_read() {
        let note = SoapNote::parse(PLAIN).unwrap();
        assert_eq!(note.subjective, "Cough for 3 days.");
        assert_eq!(note.plan, "Rest, review in 5 days.");
    }

    #[test]
    fn headings_in_words_and_markdown_are_read_alike() {
        let draft = "Here is the note.\n**Subjective:** Cough.\n## Objective: Clear.\nASSESSMENT: Cold.\n- Plan:\n- rest\n- water";
        let note = SoapNote::parse(draft).unwrap();
        assert_eq!(note.subjective, "Cough.");
        assert_eq!(note.assessment, "Cold.");
        assert_eq!(note.plan, "rest\nwater");
    }

    #[test]
    fn a_missing_empty_or_repeated_section_is_an_error_not_a_guess() {
        let without = PLAIN.replace("A: Chest cold.\n", "");
        assert_eq!(
            SoapNote::parse(&without),
            Err(Error::MissingSection { section: "A" })
        );
        let empty = PLAIN.replace("Chest clear.", "");
        assert_eq!(
            SoapNote::parse(&empty),
            Err(Error::MissingSection { section: "O" })
        );
        let twice = format!("{PLAIN}\nP: more");
        assert_eq!(
            SoapNote::parse(&twice),
            Err(Error::RepeatedSection { section: "P" })
        );
        assert!(SoapNote::parse("").is_err());
    }

    #[test]
    fn a_colon_inside_a_section_is_text() {
        let note = SoapNote::parse(&PLAIN.replace("Rest,", "At 10:30: rest,")).unwrap();
        assert_eq!(note.plan, "At 10:30: rest, review in 5 days.");
    }
}
