//! A question whose answer is known.

use serde_json::{Map, Value};

use super::facts::Fact;

/// Most choices of a question: one for each letter.
pub const MAX_CHOICES: usize = 26;

/// A question of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Its own id, or the number of its line.
    pub id: String,
    /// What it is about, where the file says so: accuracy is told by subject too.
    pub subject: Option<String>,
    /// Instructions before it.
    pub system: Option<String>,
    /// A picture's path, relative to the file.
    pub image: Option<String>,
    /// Whether it stands before the words.
    pub image_first: bool,
    /// What is asked.
    pub kind: Kind,
    /// The line as it was.
    pub doc: Map<String, Value>,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// To choose.
    Choice(Choices),
    /// To answer in words that are known.
    Words(Words),
    /// To find the facts in a transcript.
    Facts {
        /// What was said.
        transcript: String,
        /// What is in it.
        expected: Vec<Fact>,
    },
}

impl Kind {
    /// What a file of such questions holds.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Choice(_) => "multiple-choice questions",
            Self::Words(_) => "prompts with expected words",
            Self::Facts { .. } => "transcripts with expected facts",
        }
    }
}

/// A question whose answer is words.
#[derive(Debug, Clone, PartialEq)]
pub struct Words {
    /// What it trains or tests: scores are told for each.
    pub task: String,
    /// What is asked.
    pub prompt: String,
    /// What is to be answered.
    pub expected: String,
    /// What of the answer is scored alone.
    pub fields: Map<String, Value>,
}

/// A question with its choices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choices {
    /// What is asked.
    pub question: String,
    /// What it is asked about, such as an abstract.
    pub context: Option<String>,
    /// What there is to choose from: 2 to 26.
    pub options: Vec<String>,
    /// Which of them is right, from 0.
    pub right: usize,
    /// How the prompt is laid out.
    pub style: Style,
}

/// How a prompt is laid out: as lm-evaluation-harness does for the set that the fields are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Question, lettered options; the letter is asked for (`medqa_4options`).
    Lettered,
    /// The same with a line `Choices:` before the options (`medmcqa`).
    Titled,
    /// Abstract and question; the option's own word is asked for (`pubmedqa`).
    Words,
    /// The question as it is, without its options: which of them the model would say.
    Bare,
}

impl Choices {
    /// Whether letters stand for the options.
    pub fn are_lettered(&self) -> bool {
        matches!(self.style, Style::Lettered | Style::Titled)
    }

    /// What stands for each option in an answer: a letter, or the option itself.
    pub fn labels(&self) -> Vec<String> {
        match self.style {
            Style::Words | Style::Bare => self.options.clone(),
            Style::Lettered | Style::Titled => (0..self.options.len())
                .map(|at| letter(at).to_string())
                .collect(),
        }
    }
}

/// The letter of a choice: A for 0.
pub fn letter(index: usize) -> char {
    char::from(b'A' + (index % MAX_CHOICES) as u8)
}
