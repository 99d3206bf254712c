//! From a transcript to a record: a model drafts, the program checks, says what is wrong, and at last does it itself.
//!
//! ```text
//! draft ── faults? ── repair, at most twice ── still unusable? ── rules alone ── nothing? ── blocked
//! ```
//! Of a draft that can be read, what the transcript supports is kept and the rest is left out and counted; so a fact that a
//! model made up never passes, repaired or not. Everything that was tried is in the log.

mod evidence;
mod form;
mod instructions;
mod record_form;
mod rules;

pub use evidence::Transcript;
pub use form::Fault;
pub use record_form::{Dropped, INSTRUCTION, Reason};

use outpost_engine::chat::{Conversation, Message, Part, Role};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::record::Record;
use crate::writer::{Ask, Draft, Writer};
use record_form::{FORM, Read};

/// Times that a writer is told what is wrong.
pub const MOST_REPAIRS: usize = 2;

/// Faults that a writer is told of at a time.
const MOST_TOLD: usize = 12;

/// What a writer is shown of its own draft, in characters.
const MOST_SHOWN: usize = 6000;

/// How to extract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// Longest draft, in tokens.
    pub max_tokens: usize,
    /// Whether rules may do what the writer could not.
    pub fallback: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_tokens: 1024,
            fallback: true,
        }
    }
}

/// By which way a record came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// Nothing was wrong with the first draft.
    FirstPass,
    /// A draft was mended, or what is wrong with it was left out.
    Repaired,
    /// By rules, without the writer.
    Fallback,
    /// There is no record: nothing that was drafted can be used.
    Blocked,
}

/// One draft and what was found wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// What was written; for rules, nothing.
    pub draft: String,
    /// Whether it was cut.
    pub cut: bool,
    /// What is wrong with it.
    pub faults: Vec<Fault>,
    /// What was left out.
    pub dropped: Vec<Dropped>,
}

/// What came of a transcript.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Extraction {
    /// What the transcript says; empty if blocked.
    pub record: Record,
    /// How it came about.
    pub way: Way,
    /// What the draft that was taken says beyond the transcript.
    pub dropped: Vec<Dropped>,
    /// Everything that was tried, in order.
    pub log: Vec<Attempt>,
}

/// Names that tables know, for rules that work without a writer.
pub trait Lexicon {
    /// Whether these words are a condition's name.
    fn is_condition(&self, words: &str) -> bool;
    /// Whether these words are a medication's name.
    fn is_medication(&self, words: &str) -> bool;
}

/// No tables: no names.
impl Lexicon for () {
    fn is_condition(&self, _: &str) -> bool {
        false
    }

    fn is_medication(&self, _: &str) -> bool {
        false
    }
}

/// Checks a record by what it will become; what is wrong goes back to the writer.
pub trait Check {
    /// What is wrong with it; nothing if it can be used.
    fn faults(&self, record: &Record) -> Vec<Fault>;
}

impl<F: Fn(&Record) -> Vec<Fault>> Check for F {
    fn faults(&self, record: &Record) -> Vec<Fault> {
        self(record)
    }
}

/// The conversation that asks for a record.
pub fn ask(transcript: &str) -> Conversation {
    crate::ask(INSTRUCTION, &format!("===\n{}\n===", transcript.trim()))
}

/// Extracts what a consultation said.
///
/// # Errors
/// What keeps the writer from writing. Bad drafts are no error: see [`Extraction::way`].
pub async fn extract<W: Writer, C: Check>(
    writer: &mut W,
    transcript: &str,
    lexicon: &dyn Lexicon,
    check: &C,
    options: &Options,
) -> Result<Extraction> {
    let transcript = Transcript::new(transcript);
    let mut asked = Ask {
        conversation: ask(transcript.text()),
        schema: Some(FORM.schema()),
        max_tokens: options.max_tokens,
    };
    let mut log = Vec::new();
    let mut best: Option<Candidate> = None;
    for _ in 0..=MOST_REPAIRS {
        let draft = writer.write(&asked).await?;
        let candidate = Candidate::of(&draft, &transcript, lexicon, check);
        asked.conversation = repair(transcript.text(), &draft, &candidate.read.faults);
        log.push(Attempt {
            draft: draft.text,
            cut: draft.cut,
            faults: candidate.read.faults.clone(),
            dropped: candidate.read.dropped.clone(),
        });
        let clean = candidate.read.faults.is_empty();
        if best
            .as_ref()
            .is_none_or(|best| candidate.rank() <= best.rank())
        {
            best = Some(candidate);
        }
        if clean {
            break;
        }
    }
    let way = match log.len() {
        1 => Way::FirstPass,
        _ => Way::Repaired,
    };
    if let Some(Candidate { read, usable: true }) = best {
        return Ok(Extraction {
            record: read.record,
            way,
            dropped: read.dropped,
            log,
        });
    }
    Ok(by_rules(&transcript, lexicon, check, options, log))
}

/// What rules alone find, or nothing.
fn by_rules<C: Check>(
    transcript: &Transcript<'_>,
    lexicon: &dyn Lexicon,
    check: &C,
    options: &Options,
    mut log: Vec<Attempt>,
) -> Extraction {
    let found = match options.fallback {
        true => rules::record(transcript, lexicon),
        false => Record::default(),
    };
    let faults = check.faults(&found);
    let usable = options.fallback && faults.is_empty() && !found.is_empty();
    if options.fallback {
        log.push(Attempt {
            draft: String::new(),
            cut: false,
            faults,
            dropped: Vec::new(),
        });
    }
    let (record, way) = match usable {
        true => (found, Way::Fallback),
        false => (Record::default(), Way::Blocked),
    };
    Extraction {
        record,
        way,
        dropped: Vec::new(),
        log,
    }
}

/// A draft that was read.
struct Candidate {
    read: Read,
    /// Whether something of it may be kept.
    usable: bool,
}

impl Candidate {
    fn of<C: Check>(
        draft: &Draft,
        transcript: &Transcript<'_>,
        lexicon: &dyn Lexicon,
        check: &C,
    ) -> Self {
        let mut read = record_form::read(&draft.text, transcript);
        let nothing = read.record.is_empty() && read.faults.is_empty() && read.dropped.is_empty();
        if nothing {
            read.faults.extend(overlooked(transcript, lexicon));
        }
        let readable = !read.faults.iter().any(|fault| fault.path.is_empty());
        let unfit = check.faults(&read.record);
        // A draft of nothing but what was not said is no answer to what was said.
        let empty = read.record.is_empty() && !nothing;
        let usable = readable && unfit.is_empty() && !empty;
        read.faults.extend(unfit);
        Self { read, usable }
    }

    /// The less, the better.
    fn rank(&self) -> (bool, usize) {
        (!self.usable, self.read.faults.len())
    }
}

/// A draft that lists nothing is wrong where even rules find something.
fn overlooked(transcript: &Transcript<'_>, lexicon: &dyn Lexicon) -> Option<Fault> {
    let found = rules::record(transcript, lexicon);
    let spans = (found.medications.iter().map(|it| it.evidence))
        .chain(found.conditions.iter().map(|it| it.evidence))
        .chain(found.allergies.iter().map(|it| it.evidence))
        .chain(found.vitals.iter().map(|it| it.evidence));
    let said: Vec<_> = spans
        .filter_map(|span| span.of(transcript.text()))
        .take(MOST_TOLD)
        .map(|words| format!("{words:?}"))
        .collect();
    (!said.is_empty()).then(|| {
        let problem = format!(
            "nothing is listed, but the transcript says {}; list it",
            said.join(", ")
        );
        Fault::new("", problem)
    })
}

/// The conversation in which a writer is told what is wrong with its draft.
fn repair(transcript: &str, draft: &Draft, faults: &[Fault]) -> Conversation {
    let mut conversation = ask(transcript);
    let shown: String = draft.text.chars().take(MOST_SHOWN).collect();
    let mut told = String::from("This cannot be used:\n");
    if draft.cut {
        told.push_str("- it was too long; write less\n");
    }
    for fault in faults.iter().take(MOST_TOLD) {
        told.push_str(&format!("- {fault}\n"));
    }
    if faults.len() > MOST_TOLD {
        told.push_str(&format!(
            "- and {} more of this kind\n",
            faults.len() - MOST_TOLD
        ));
    }
    told.push_str("Write the whole JSON again, mended.");
    conversation.messages.push(message(Role::Model, shown));
    conversation.messages.push(message(Role::User, told));
    conversation
}

fn message(role: Role, text: String) -> Message {
    Message {
        role,
        parts: vec![Part::Text(text)],
    }
}
