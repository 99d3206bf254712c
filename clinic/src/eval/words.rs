//! Answers in words that are known.
//!
//! An answer is exact when its words are those expected, up to the white space around them. Where a question names
//! `fields`, each that can be read from the expected answer is also scored alone.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::question::Words;

/// How often something was right.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize)]
pub struct Score {
    /// Times that it could have been.
    pub count: u64,
    /// Times that it was.
    pub right: u64,
    /// Of 100.
    pub percent: f64,
}

impl Score {
    fn add(&mut self, right: bool) {
        self.count += 1;
        self.right += u64::from(right);
        self.percent = self.right as f64 * 100.0 / self.count as f64;
    }
}

/// The scores of a task.
#[derive(Debug, Default, Clone, PartialEq, Serialize)]
pub struct TaskScores {
    /// Whole answers.
    pub exact: Score,
    /// Fields, by name.
    pub fields: BTreeMap<String, Score>,
}

/// What came out.
#[derive(Debug, Default, Clone, PartialEq, Serialize)]
pub struct WordScores {
    /// Whole answers.
    pub total: Score,
    /// The same for each task.
    pub tasks: BTreeMap<String, TaskScores>,
}

impl WordScores {
    /// One more answer.
    pub fn add(&mut self, words: &Words, answer: &str) {
        let scores = self.tasks.entry(words.task.clone()).or_default();
        let exact = words.are(answer);
        scores.exact.add(exact);
        self.total.add(exact);
        for (name, value) in &words.fields {
            // A question about the side says nothing of the zone.
            if says(&words.expected, name, value) {
                let score = scores.fields.entry(name.clone()).or_default();
                score.add(says(answer, name, value));
            }
        }
    }
}

impl Words {
    /// Whether an answer is the one expected.
    pub fn are(&self, answer: &str) -> bool {
        answer.trim() == self.expected.trim()
    }
}

/// Whether a text gives a field its value: as a member of a JSON object, as a line `name: value`, or, in plain words,
/// by containing it.
fn says(text: &str, name: &str, value: &Value) -> bool {
    if let Ok(Value::Object(members)) = serde_json::from_str(text) {
        return members.get(name) == Some(value);
    }
    let Some(value) = value.as_str() else {
        return false;
    };
    let labelled = |line: &str| Some(line.split_once(": ")?.0.trim().to_owned());
    if text
        .lines()
        .any(|line| labelled(line).as_deref() == Some(name))
    {
        return text
            .lines()
            .any(|line| line.trim() == format!("{name}: {value}"));
    }
    let words = |text: &str| {
        let letters = text
            .to_lowercase()
            .replace(|c: char| !c.is_alphanumeric(), " ");
        format!(
            " {} ",
            letters.split_whitespace().collect::<Vec<_>>().join(" ")
        )
    };
    !value.is_empty() && words(text).contains(&words(value))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::eval::Kind;
    use serde_json::json;

    #[test]
    fn fields_are_read_from_json_from_labelled_lines_and_from_words() {
        let json_answer = r#"{"drug": "aspirin", "dose": null}"#;
        assert!(says(json_answer, "drug", &json!("aspirin")));
        assert!(says(json_answer, "dose", &Value::Null));
        assert!(!says(json_answer, "frequency", &Value::Null));

        let note = "S: Cough for 2 days.\nP: Rest.";
        assert!(says(note, "S", &json!("Cough for 2 days.")));
        assert!(!says(note, "P", &json!("Rest")));

        let words = "There is a round opacity in the left upper zone.";
        assert!(says(words, "kind", &json!("round opacity")));
        assert!(!says(words, "side", &json!("right")));
        assert!(!says("It is upright.", "side", &json!("right")));
    }

    #[test]
    fn only_fields_that_the_expected_answer_names_are_scored() {
        let line = json!({
            "id": "1", "task": "picture", "prompt": "Which side?", "expected": "The left.",
            "fields": {"side": "left", "zone": "upper", "kind": null},
        });
        let questions = crate::eval::read(&line.to_string(), None).unwrap();
        let Kind::Words(words) = &questions[0].kind else {
            panic!("no words");
        };
        let mut report = WordScores::default();
        report.add(words, "On the left.");
        assert_eq!(report.total.right, 0);
        let scores = &report.tasks["picture"];
        assert_eq!(scores.exact.right, 0);
        assert_eq!(scores.fields.len(), 1);
        assert_eq!(scores.fields["side"].percent, 100.0);
    }
}
