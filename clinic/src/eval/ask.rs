//! What goes to a model for a question, and how it is tokenised.
//!
//! **By likelihood**, as lm-evaluation-harness scores `multiple_choice`: one context, and continuations of which each gets
//! the sum of its tokens' log-probabilities. The context is the question's block (`block`), ending in `Answer:`. First come
//! the options' labels (letters; for PubMedQA its three words), then the options' own texts where these are others.
//! `acc`: whether the right label has the greatest sum. `acc_norm`: whether the right text has the greatest sum for each of
//! its characters, which are counted without the space before it. For a lettered set the harness takes `acc_norm` of the
//! letters too, which is `acc` again; the texts tell more.
//!
//! - [`Framing::Chat`]: the block is the user's turn, and the continuation begins the model's (`--apply_chat_template`):
//!   nothing stands between `<start_of_turn>model\n` and it.
//! - [`Framing::Plain`]: `<bos>`, the block, and a space before each continuation (the harness's `target_delimiter`).
//!
//! With its template the harness counts the newline at the end of the turn's mark to the continuation, as it does with white
//! space at a context's end. That adds the same to all sums of a question, the newline's log-probability, which is nothing
//! for a model that knows its template; here it is left out.
//!
//! Context and continuation are tokenised together, and what lies behind as many tokens as the context alone has is the
//! continuation (`_encode_pair` in lm_eval/api/model.py). In a turn only the template's last words can be affected, and the
//! control token before them ends every merge; so these are what is tokenised with the continuation.
//!
//! **By generation**: the block without `Answer:`, and what to answer with; greedy, in the chat template.
//!
//! Prompts with expected words are asked as they are, and transcripts as `extract` asks, both by generation in the chat
//! template, whatever was wished for.

use outpost_engine::chat::{ChatTemplate, Conversation, Message, Part, Role};
use outpost_engine::error::Error as EngineError;
use outpost_engine::tokenizer::{Span, Tokenizer};
use serde::{Deserialize, Serialize};

use super::question::{Choices, Kind, Question, Style, letter};
use crate::error::{Error, Result};
use crate::extract;

/// How an answer is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// By which choice is likeliest.
    Likelihood,
    /// By what the model writes.
    Generation,
}

/// What stands around a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Framing {
    /// The chat template.
    Chat,
    /// Nothing but `<bos>`.
    Plain,
}

/// How the questions of a run are asked. Two runs are of the same plan if these are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// How an answer is found.
    pub by: By,
    /// What stands around a question.
    pub framing: Framing,
    /// Most tokens of a written answer.
    pub max_tokens: usize,
}

/// Most tokens of an answer, unless another number is given.
const ANSWER_TOKENS: usize = 256;

impl Plan {
    /// How questions of a kind are asked, given what is wished for. `max_tokens`: as many as suit if not given.
    pub fn of(kind: &Kind, by: By, framing: Framing, max_tokens: Option<usize>) -> Self {
        let usual = match kind {
            Kind::Facts { .. } => extract::Options::default().max_tokens,
            _ => ANSWER_TOKENS,
        };
        let (by, framing) = match kind {
            Kind::Choice(_) => (by, framing),
            Kind::Words(_) | Kind::Facts { .. } => (By::Generation, Framing::Chat),
        };
        Self {
            by,
            framing,
            max_tokens: max_tokens.unwrap_or(usual),
        }
    }
}

/// What to ask a model.
#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    /// How likely each continuation is after the prompt.
    Score {
        /// Token ids, bos first; a picture's soft tokens among them.
        prompt: Vec<u32>,
        /// Token ids of each.
        continuations: Vec<Vec<u32>>,
    },
    /// An answer, greedily.
    Generate {
        /// What is asked, with one part for a picture.
        conversation: Conversation,
        /// Most tokens of the answer.
        max_tokens: usize,
    },
    /// A record of a transcript: see [`super::transcript::extract`].
    Extract {
        /// What was said.
        transcript: String,
        /// Most tokens of a draft.
        max_tokens: usize,
    },
}

/// The question as text: what it is about, its options with their letters, and, to be continued, `Answer:`. A bare
/// question is its own block.
pub fn block(choices: &Choices, to_be_continued: bool) -> String {
    if choices.style == Style::Bare {
        return choices.question.clone();
    }
    let mut text = String::new();
    if let Some(context) = &choices.context {
        text.push_str(&format!("Abstract: {context}\n"));
    }
    text.push_str(&format!("Question: {}\n", choices.question));
    if choices.style == Style::Titled {
        text.push_str("Choices:\n");
    }
    if choices.are_lettered() {
        for (at, option) in choices.options.iter().enumerate() {
            text.push_str(&format!("{}. {option}\n", letter(at)));
        }
    }
    match to_be_continued {
        true => text.push_str("Answer:"),
        false => text.push_str(&instruction(choices)),
    }
    text
}

/// What to answer with.
fn instruction(choices: &Choices) -> String {
    let labels = choices.labels();
    let (last, others) = labels
        .split_last()
        .map_or(("", &[][..]), |(last, others)| (last.as_str(), others));
    let labels = format!("{} or {last}", others.join(", "));
    match choices.style {
        Style::Words => format!("Answer with one word: {labels}."),
        _ => format!("Answer with one letter: {labels}."),
    }
}

/// The continuations that are scored: the labels, and the options' texts where they are others.
pub fn continuations(choices: &Choices, framing: Framing) -> Vec<String> {
    let space = match framing {
        Framing::Chat => "",
        Framing::Plain => " ",
    };
    let mut texts = choices.labels();
    if choices.are_lettered() {
        texts.extend(choices.options.iter().cloned());
    }
    texts.iter().map(|text| format!("{space}{text}")).collect()
}

/// The user's turn with a question.
fn turn(question: &Question, text: String) -> Conversation {
    let mut parts = vec![Part::Text(text)];
    if question.image.is_some() {
        let place = if question.image_first { 0 } else { 1 };
        parts.insert(place, Part::Image);
    }
    Conversation {
        system: question.system.clone(),
        messages: vec![Message {
            role: Role::User,
            parts,
        }],
    }
}

/// The prompt of a question as people read it, for the log; a picture is a pair of its marks.
///
/// # Errors
/// [`Error::Engine`] where the template cannot have it.
pub fn prompt_text(question: &Question, plan: Plan, template: &ChatTemplate) -> Result<String> {
    let conversation = match &question.kind {
        Kind::Choice(choices) => {
            let text = block(choices, plan.by == By::Likelihood);
            if plan.framing == Framing::Plain {
                return Ok(plain_text(question, text));
            }
            turn(question, text)
        }
        Kind::Words(words) => turn(question, words.prompt.clone()),
        Kind::Facts { transcript, .. } => extract::ask(transcript),
    };
    let text = template.text(&conversation)?;
    Ok(text.replace("<image_soft_token>", ""))
}

fn plain_text(question: &Question, text: String) -> String {
    match &question.system {
        // As the harness joins a task's description to its first question.
        Some(system) => format!("{system}{text}"),
        None => text,
    }
}

/// What to ask a model for a question.
///
/// # Errors
/// [`Error::Engine`] where the template or the tokenizer cannot have it, [`Error::Questions`] for a plan that it does not
/// allow.
pub fn ask(
    question: &Question,
    plan: Plan,
    tokenizer: &Tokenizer,
    template: &ChatTemplate,
) -> Result<Ask> {
    let max_tokens = plan.max_tokens;
    let choices = match &question.kind {
        Kind::Choice(choices) => choices,
        Kind::Words(words) => {
            return Ok(Ask::Generate {
                conversation: turn(question, words.prompt.clone()),
                max_tokens,
            });
        }
        Kind::Facts { transcript, .. } => {
            return Ok(Ask::Extract {
                transcript: transcript.clone(),
                max_tokens,
            });
        }
    };
    if plan.framing == Framing::Plain && (question.image.is_some() || plan.by == By::Generation) {
        return Err(Error::Questions {
            problem: format!(
                "question {} shows a picture or is to be answered in words, without the chat template",
                question.id
            ),
            remedy: "ask in the chat template",
        });
    }
    let text = block(choices, plan.by == By::Likelihood);
    if plan.by == By::Generation {
        return Ok(Ask::Generate {
            conversation: turn(question, text),
            max_tokens,
        });
    }
    let continuations = continuations(choices, plan.framing);
    let bos = tokenizer.piece(tokenizer.bos()).unwrap_or_default();
    let plain = plain_text(question, text.clone());
    // What is tokenised together with a continuation.
    let before = match plan.framing {
        Framing::Chat => vec![Span::trusted(MODELS_TURN)],
        Framing::Plain => vec![Span::trusted(bos), Span::untrusted(&plain)],
    };
    let alone = tokenizer.encode_spans(&before)?;
    let prompt = match plan.framing {
        Framing::Chat => template.render(tokenizer, &turn(question, text))?.tokens,
        Framing::Plain => alone.clone(),
    };
    let encode = |continuation: &String| {
        let mut spans = before.clone();
        spans.push(Span::untrusted(continuation));
        let together = tokenizer.encode_spans(&spans)?;
        Ok(together.get(alone.len()..).unwrap_or_default().to_vec())
    };
    let encoded = continuations
        .iter()
        .map(encode)
        .collect::<Result<Vec<_>, EngineError>>()?;
    if let Some(empty) = encoded.iter().position(Vec::is_empty) {
        return Err(Error::Questions {
            problem: format!(
                "choice {} of question {} has no token of its own behind the prompt",
                empty, question.id
            ),
            remedy: "ask in the chat template, or by generation",
        });
    }
    Ok(Ask::Score {
        prompt,
        continuations: encoded,
    })
}

/// The template's last words before the model's own.
const MODELS_TURN: &str = "<start_of_turn>model\n";
