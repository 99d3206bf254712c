//! A model drafts, the program checks, says what is wrong, and at last does it itself: the same for records, notes and
//! findings.
//!
//! ```text
//! draft ── faults? ── repair, at most twice ── still unusable? ── rules alone ── nothing? ── blocked
//! ```
//! What a draft is read as, and what rules can do, is for whoever asks. Everything that was tried is in the log.

use outpost_engine::chat::{Message, Part, Role};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::form::Fault;
use crate::writer::{Ask, Draft, Writer};

/// Times that a writer is told what is wrong.
pub const MOST_REPAIRS: usize = 2;

/// Faults that a writer is told of at a time.
pub(crate) const MOST_TOLD: usize = 12;

/// What a writer is shown of its own draft, in characters.
const MOST_SHOWN: usize = 6000;

/// How to have something drafted.
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

/// By which way something came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// Nothing was wrong with the first draft.
    FirstPass,
    /// A draft was mended, or what is wrong with it was left out.
    Repaired,
    /// By rules, without the writer.
    Fallback,
    /// There is nothing: no draft can be used.
    Blocked,
}

/// Why something that a draft says was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Its quote is not in the transcript.
    NotSaid,
    /// Its quote is there, but does not name it.
    NotInQuote,
    /// It does not say what shows it.
    NoEvidence,
    /// It comes from words that try to instruct whoever reads them.
    Instruction,
    /// The transcript says that it is not there; the record has it as refuted.
    Denied,
    /// The transcript says it of a relative; the record has it so.
    OfRelative,
    /// The transcript says it only as what to return for.
    Hypothetical,
    /// The transcript says that it is over.
    Past,
    /// It stands there twice.
    Repeated,
    /// It is not as it was asked for, such as text where a number belongs.
    Unfit,
}

/// Something that a draft says and that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Where it stood in the draft, such as `medications[0]` or `medications[0].dose`.
    pub path: String,
    /// What it said.
    pub said: String,
    /// Why it was left out.
    pub reason: Reason,
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

/// A draft that was read, or what rules made.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading<T> {
    /// What can be kept of it.
    pub made: T,
    /// What cannot.
    pub dropped: Vec<Dropped>,
    /// What the writer should mend.
    pub faults: Vec<Fault>,
    /// Whether something of it may be kept at all.
    pub usable: bool,
}

impl<T> Reading<T> {
    /// The less, the better.
    fn rank(&self) -> (bool, usize) {
        (!self.usable, self.faults.len())
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Drafted<T> {
    /// What was made; `None` if blocked.
    pub made: Option<T>,
    /// How it came about.
    pub way: Way,
    /// What the draft that was taken says beyond what may be kept.
    pub dropped: Vec<Dropped>,
    /// Everything that was tried, in order.
    pub log: Vec<Attempt>,
}

/// Has something drafted until nothing is wrong with it, at most `1 + MOST_REPAIRS` times; of what was drafted the best is
/// taken. If none can be used, `rules` may try.
///
/// # Errors
/// What keeps the writer from writing. Bad drafts are no error: see [`Drafted::way`].
pub async fn draft<W: Writer, T>(
    writer: &mut W,
    ask: Ask,
    read: impl Fn(&str) -> Reading<T>,
    rules: Option<&dyn Fn() -> Reading<T>>,
) -> Result<Drafted<T>> {
    let mut asked = ask.clone();
    let mut log = Vec::new();
    let mut best: Option<Reading<T>> = None;
    for _ in 0..=MOST_REPAIRS {
        let draft = writer.write(&asked).await?;
        let reading = read(&draft.text);
        asked = repair(&ask, &draft, &reading.faults);
        let clean = reading.faults.is_empty();
        log.push(attempt(draft, &reading));
        if best
            .as_ref()
            .is_none_or(|best| reading.rank() <= best.rank())
        {
            best = Some(reading);
        }
        if clean {
            break;
        }
    }
    let way = match log.len() {
        1 => Way::FirstPass,
        _ => Way::Repaired,
    };
    if let Some(best) = best.filter(|best| best.usable) {
        return Ok(Drafted {
            made: Some(best.made),
            way,
            dropped: best.dropped,
            log,
        });
    }
    let found = rules.map(|rules| rules());
    log.extend(found.iter().map(|found| attempt(Draft::default(), found)));
    let made = found.filter(|found| found.usable).map(|found| found.made);
    Ok(Drafted {
        way: match made {
            Some(_) => Way::Fallback,
            None => Way::Blocked,
        },
        made,
        dropped: Vec::new(),
        log,
    })
}

fn attempt<T>(draft: Draft, reading: &Reading<T>) -> Attempt {
    Attempt {
        draft: draft.text,
        cut: draft.cut,
        faults: reading.faults.clone(),
        dropped: reading.dropped.clone(),
    }
}

/// What is asked, with a draft of it and what is wrong with that.
fn repair(ask: &Ask, draft: &Draft, faults: &[Fault]) -> Ask {
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
    let mut ask = ask.clone();
    let turns = [message(Role::Model, shown), message(Role::User, told)];
    ask.conversation.messages.extend(turns);
    ask
}

fn message(role: Role, text: String) -> Message {
    Message {
        role,
        parts: vec![Part::Text(text)],
    }
}
