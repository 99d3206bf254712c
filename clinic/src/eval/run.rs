//! Questions one after the other, and a log that an interrupted run goes on with.
//!
//! A run has two texts: its head, which says of what it is, and its log, a line for each answered question in order. A host
//! keeps both, and adds each line before it asks the next question. Every question is asked as if it were the first, so a
//! run that was interrupted leaves the log that one run would have left.

use std::collections::BTreeMap;

use outpost_engine::chat::ChatTemplate;
use outpost_engine::likelihood::LogLikelihood;
use outpost_engine::tokenizer::Tokenizer;
use serde::{Deserialize, Serialize};

use super::ask::{self, Ask, By, Plan};
use super::question::{Kind, Question};
use super::report::Report;
use super::sample::{self, Asked, Sample};
use crate::consultation::Processed;
use crate::error::{Error, Result};

/// Of what a run is. Two runs with the same head can be one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The format of head and log.
    pub version: u32,
    /// The model's name, for people.
    pub model: String,
    /// What tells the model from every other one.
    pub model_digest: String,
    /// The questions' name, for people.
    pub questions: String,
    /// SHA-256 of the questions.
    pub questions_sha256: String,
    /// How they are asked.
    pub plan: Plan,
    /// What else changes answers, such as the device, by name.
    pub settings: BTreeMap<String, String>,
}

impl Head {
    /// The version that this program writes.
    pub const VERSION: u32 = 1;

    /// Whether a log with the head `found` can be gone on with.
    ///
    /// # Errors
    /// [`Error::Questions`] that names everything that differs.
    pub fn admits(&self, found: &Self) -> Result<()> {
        let mut different = Vec::new();
        if found.version != self.version {
            different.push(format!(
                "format {} instead of {}",
                found.version, self.version
            ));
        }
        if found.model_digest != self.model_digest {
            different.push(match found.model == self.model {
                true => format!("another model by the name {}", found.model),
                false => format!("model {} instead of {}", found.model, self.model),
            });
        }
        if found.questions_sha256 != self.questions_sha256 {
            different.push(match found.questions == self.questions {
                true => format!("other questions in {}", found.questions),
                false => format!(
                    "questions {} instead of {}",
                    found.questions, self.questions
                ),
            });
        }
        if found.plan != self.plan {
            different.push(format!(
                "asked {} instead of {}",
                told(found.plan),
                told(self.plan)
            ));
        }
        let names = self.settings.keys().chain(found.settings.keys());
        let names: std::collections::BTreeSet<_> = names.collect();
        for name in names {
            let [old, new] =
                [found, self].map(|head| head.settings.get(name).map_or("nothing", String::as_str));
            if old != new {
                different.push(format!("{name} {old} instead of {new}"));
            }
        }
        match different.is_empty() {
            true => Ok(()),
            false => Err(Error::Questions {
                problem: format!("the log is of another run: {}", different.join(", ")),
                remedy: "log to another folder, or delete this log to begin anew",
            }),
        }
    }
}

fn told(plan: Plan) -> String {
    let by = match plan.by {
        By::Likelihood => "by likelihood".to_owned(),
        By::Generation => format!("by generation of {} tokens", plan.max_tokens),
    };
    match plan.framing {
        ask::Framing::Chat => by + " in the chat template",
        ask::Framing::Plain => by + " without the chat template",
    }
}

/// What a model made of a question.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// How likely each continuation is.
    Likelihoods(Vec<LogLikelihood>),
    /// What it wrote.
    Text(String),
    /// What came of a transcript.
    Extracted(Box<Processed>),
}

/// A run: questions, and what came of those that are answered.
#[derive(Debug, Clone)]
pub struct Evaluation {
    questions: Vec<Question>,
    plan: Plan,
    answered: usize,
    report: Report,
}

impl Evaluation {
    /// A run over these questions, which are of one kind.
    pub fn new(questions: Vec<Question>, plan: Plan) -> Self {
        Self {
            report: Report::new(&questions),
            questions,
            plan,
            answered: 0,
        }
    }

    /// All questions.
    pub fn questions(&self) -> &[Question] {
        &self.questions
    }

    /// How many are answered.
    pub fn answered(&self) -> usize {
        self.answered
    }

    /// The question that is next.
    pub fn next(&self) -> Option<&Question> {
        self.questions.get(self.answered)
    }

    /// Goes on behind the answers of a log -> bytes of it that count. A last line without an end was being written when
    /// the run was interrupted: its question is asked again, and the log is to be cut to what counts.
    ///
    /// # Errors
    /// [`Error::Question`] for a line that is none of this run's.
    pub fn resume(&mut self, log: &str) -> Result<usize> {
        self.answered = 0;
        self.report = Report::new(&self.questions);
        let mut bytes = 0;
        for line in log
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
        {
            let number = self.answered + 1;
            let refuse = |problem: String| Error::Question {
                line: number,
                problem: format!("the log {problem}"),
                remedy: "log to another folder, or delete this log to begin anew",
            };
            let sample: Sample = serde_json::from_str(line).map_err(|error| {
                refuse(format!("holds something else than an answer ({error})"))
            })?;
            let Some(question) = self.questions.get(self.answered) else {
                return Err(refuse(
                    "has more answers than there are questions".to_owned(),
                ));
            };
            if sample.doc_id + 1 != number || sample.doc_hash != sample::doc_hash(&question.doc) {
                return Err(refuse(format!(
                    "answers another question than {}",
                    question.id
                )));
            }
            self.report.add(question, &sample)?;
            self.answered += 1;
            bytes += line.len();
        }
        Ok(bytes)
    }

    /// What to ask next; `None` when all questions are answered.
    ///
    /// # Errors
    /// As [`ask::ask`].
    pub fn ask(&self, tokenizer: &Tokenizer, template: &ChatTemplate) -> Result<Option<Ask>> {
        let next = self.next();
        next.map(|question| ask::ask(question, self.plan, tokenizer, template))
            .transpose()
    }

    /// Takes the answer to what was asked -> the line for the log.
    ///
    /// # Errors
    /// [`Error::Questions`] for an answer to something else.
    pub fn take(&mut self, answer: &Answer, template: &ChatTemplate) -> Result<Sample> {
        let unasked = || Error::Questions {
            problem: "this is no answer to what was asked".to_owned(),
            remedy: "ask again",
        };
        let question = self.questions.get(self.answered).ok_or_else(unasked)?;
        let asked = Asked {
            doc_id: self.answered,
            question,
            plan: self.plan,
            prompt: &ask::prompt_text(question, self.plan, template)?,
        };
        let sample = match (&question.kind, answer, self.plan.by) {
            (Kind::Choice(choices), Answer::Likelihoods(found), By::Likelihood) => {
                let continuations = ask::continuations(choices, self.plan.framing);
                if continuations.len() != found.len() {
                    return Err(unasked());
                }
                sample::scored(asked, choices, &continuations, found)
            }
            (Kind::Choice(choices), Answer::Text(text), By::Generation) => {
                sample::answered(asked, choices, text)
            }
            (Kind::Words(words), Answer::Text(text), _) => sample::said(asked, words, text),
            (Kind::Facts { expected, .. }, Answer::Extracted(processed), _) => {
                sample::extracted(asked, expected, processed)
            }
            _ => return Err(unasked()),
        };
        self.report.add(question, &sample)?;
        self.answered += 1;
        Ok(sample)
    }

    /// What came out so far.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// See [`Report::results`].
    pub fn results(&self, task: &str, config: &serde_json::Value) -> serde_json::Value {
        let questions = self.questions.len();
        self.report.results(task, config, questions, self.answered)
    }
}
