//! Conversations to prompt tokens, and the model's thinking apart from its answer.
//!
//! Renders what Gemma 3's chat template and processor render (chat_template.jinja, processing_gemma3.py), with one
//! difference: only the template's own words can become control tokens. A question that spells out `<end_of_turn>` or
//! `<start_of_image>` asks about these characters and does nothing else.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::tokenizer::{Span, Tokenizer};

const START_OF_TURN: &str = "<start_of_turn>";
const END_OF_TURN: &str = "<end_of_turn>";
const START_OF_IMAGE: &str = "<start_of_image>";
const END_OF_IMAGE: &str = "<end_of_image>";
const IMAGE_SOFT_TOKEN: &str = "<image_soft_token>";
const PAD: &str = "<pad>";
const START_OF_THOUGHT: &str = "<unused94>";
const END_OF_THOUGHT: &str = "<unused95>";

/// What the model writes after [`START_OF_THOUGHT`] and before the thought itself.
const THOUGHT_HEADER: &str = "thought\n";

/// Most images in one conversation. The published CT prompts have 85.
const MAX_IMAGES: usize = 256;

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The person.
    User,
    /// The model.
    Model,
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Text. White space around it is dropped.
    Text(String),
    /// The next image of the request.
    Image,
}

/// One turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order.
    pub parts: Vec<Part>,
}

/// What has been said. Turns alternate; the first and the last are the user's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// Instructions, put before the first turn as they are. An empty text still adds a blank line, as the template does.
    pub system: Option<String>,
    /// The turns.
    pub messages: Vec<Message>,
}

/// Tokens for the model, and where the images go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// Token ids; bos first. `[n]`
    pub tokens: Vec<u32>,
    /// Positions in `tokens` of each image's soft tokens, in order. `[images]`
    pub images: Vec<Range<usize>>,
}

/// Gemma 3's chat template for one tokenizer.
#[derive(Debug, Clone)]
pub struct ChatTemplate {
    bos: String,
    image_tokens: usize,
    /// Stands at each position of an image. `None` if the vocabulary has no marks for images.
    soft_token: Option<u32>,
    stop_ids: Vec<u32>,
}

/// A piece of the prompt.
enum Piece<'a> {
    Text(Span<'a>),
    /// Where the soft tokens of an image go.
    SoftTokens,
}

impl ChatTemplate {
    /// The template for `tokenizer` and images of `image_tokens` soft tokens each.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] if the vocabulary has no marks for turns.
    pub fn new(tokenizer: &Tokenizer, image_tokens: usize) -> Result<Self> {
        let control = |name: &str| {
            tokenizer
                .token_id(name)
                .filter(|&id| tokenizer.is_control(id))
        };
        let needed = |name: &str| {
            control(name).ok_or_else(|| Error::Tokenizer {
                detail: format!("it has no token `{name}`"),
            })
        };
        needed(START_OF_TURN)?;
        let bos = tokenizer.piece(tokenizer.bos()).unwrap_or_default();
        let marks = control(START_OF_IMAGE).and(control(END_OF_IMAGE));
        Ok(Self {
            bos: bos.to_owned(),
            image_tokens,
            // Some GGUF files end before <image_soft_token>. Its embedding is never used, so an id that no prompt has
            // can stand there.
            soft_token: marks.and(control(IMAGE_SOFT_TOKEN).or(control(PAD))),
            stop_ids: vec![tokenizer.eos(), needed(END_OF_TURN)?],
        })
    }

    /// Ids that end an answer.
    pub fn stop_ids(&self) -> &[u32] {
        &self.stop_ids
    }

    /// The id that stands at each position of an image, and nowhere else; `None` if the vocabulary knows no images.
    pub fn soft_token(&self) -> Option<u32> {
        self.soft_token
    }

    /// The prompt for the model's next turn.
    ///
    /// # Errors
    /// [`Error::Request`] if the conversation is empty, does not alternate, does not end with the user, or has an empty
    /// turn; [`Error::Unsupported`] for images with a model that reads none.
    pub fn render(&self, tokenizer: &Tokenizer, conversation: &Conversation) -> Result<Prompt> {
        let pieces = self.pieces(conversation)?;
        let mut prompt = Prompt {
            tokens: Vec::new(),
            images: Vec::new(),
        };
        let mut spans = Vec::new();
        for piece in pieces {
            match (piece, self.soft_token) {
                (Piece::Text(span), _) => spans.push(span),
                // Soft tokens stand between control tokens, which no merge crosses.
                (Piece::SoftTokens, Some(id)) => {
                    prompt.tokens.extend(tokenizer.encode_spans(&spans)?);
                    spans.clear();
                    let first = prompt.tokens.len();
                    prompt.tokens.resize(first + self.image_tokens, id);
                    prompt.images.push(first..prompt.tokens.len());
                }
                (Piece::SoftTokens, None) => return Err(no_images()),
            }
        }
        prompt.tokens.extend(tokenizer.encode_spans(&spans)?);
        Ok(prompt)
    }

    /// The prompt as text, every image expanded. Control tokens that someone typed look like real ones here: this is for
    /// people to read, never to tokenise.
    pub fn text(&self, conversation: &Conversation) -> Result<String> {
        let image = IMAGE_SOFT_TOKEN.repeat(self.image_tokens);
        let pieces = self.pieces(conversation)?;
        Ok(pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(span) => span.text,
                Piece::SoftTokens => &image,
            })
            .collect())
    }

    fn pieces<'a>(&'a self, conversation: &'a Conversation) -> Result<Vec<Piece<'a>>> {
        check(conversation)?;
        let trusted = |text: &'a str| Piece::Text(Span::trusted(text));
        let untrusted = |text: &'a str| Piece::Text(Span::untrusted(text));
        let mut pieces = vec![trusted(&self.bos)];
        for (turn, message) in conversation.messages.iter().enumerate() {
            pieces.push(trusted(START_OF_TURN));
            pieces.push(trusted(match message.role {
                Role::User => "user\n",
                Role::Model => "model\n",
            }));
            if let (0, Some(system)) = (turn, &conversation.system) {
                pieces.extend([untrusted(system), trusted("\n\n")]);
            }
            for part in &message.parts {
                match part {
                    Part::Text(text) => pieces.push(untrusted(trim(text))),
                    // Expanded before tokenisation, so that newlines beside it join these.
                    Part::Image => pieces.extend([
                        trusted("\n\n"),
                        trusted(START_OF_IMAGE),
                        Piece::SoftTokens,
                        trusted(END_OF_IMAGE),
                        trusted("\n\n"),
                    ]),
                }
            }
            pieces.extend([trusted(END_OF_TURN), trusted("\n")]);
        }
        pieces.extend([trusted(START_OF_TURN), trusted("model\n")]);
        Ok(pieces)
    }
}

/// Refuses what the template does not define.
fn check(conversation: &Conversation) -> Result<()> {
    let refuse = |problem: String, remedy: &str| {
        Err(Error::Request {
            problem,
            remedy: remedy.to_owned(),
        })
    };
    let messages = &conversation.messages;
    for (i, message) in messages.iter().enumerate() {
        let turn = i + 1;
        let expected = match i % 2 {
            0 => Role::User,
            _ => Role::Model,
        };
        if message.role != expected {
            return refuse(
                format!("turn {turn} is by the wrong speaker"),
                "let user and model alternate, the user first",
            );
        }
        let says_something = message.parts.iter().any(|part| match part {
            Part::Text(text) => !trim(text).is_empty(),
            Part::Image => true,
        });
        if !says_something {
            return refuse(
                format!("turn {turn} has neither text nor an image"),
                "write something or leave the turn out",
            );
        }
    }
    let images = messages
        .iter()
        .flat_map(|message| &message.parts)
        .filter(|part| **part == Part::Image)
        .count();
    if images > MAX_IMAGES {
        return Err(Error::LimitExceeded {
            what: "the number of images".to_owned(),
            value: images as u64,
            limit: MAX_IMAGES as u64,
        });
    }
    match messages.last() {
        None => refuse(
            "the conversation is empty".to_owned(),
            "add a message of the user",
        ),
        Some(last) if last.role != Role::User => refuse(
            "the last turn is the model's".to_owned(),
            "add a message of the user",
        ),
        Some(_) => Ok(()),
    }
}

fn no_images() -> Error {
    Error::Unsupported {
        what: "an image".to_owned(),
        remedy: "remove the image, or load a model whose vocabulary has `<start_of_image>`"
            .to_owned(),
    }
}

/// Python's `str.strip`, which the template's `trim` is. It also takes U+001C..U+001F, unlike `str::trim`.
fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c))
}

/// Text of one of the two channels of an answer. May be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Channel {
    /// What the model thinks before it answers.
    Thought(String),
    /// The answer.
    Answer(String),
}

/// Parts `<unused94>thought\n`..`<unused95>` from the answer while tokens stream.
///
/// MedGemma 1.5 may think without having been asked to, so every answer goes through this.
#[derive(Debug, Clone)]
pub struct ThinkingSplit {
    start: Option<u32>,
    end: Option<u32>,
    state: State,
}

#[derive(Debug, Clone)]
enum State {
    Answer,
    /// After the mark: what may yet turn out to be the header.
    Header(String),
    Thought,
}

impl ThinkingSplit {
    /// At the beginning of an answer.
    pub fn new(tokenizer: &Tokenizer) -> Self {
        Self {
            start: tokenizer.token_id(START_OF_THOUGHT),
            end: tokenizer.token_id(END_OF_THOUGHT),
            state: State::Answer,
        }
    }

    /// Whether what comes next belongs to a thought.
    pub fn is_thinking(&self) -> bool {
        !matches!(self.state, State::Answer)
    }

    /// Takes the next token and the text that it completed, and returns what can be shown.
    pub fn push(&mut self, id: u32, text: &str) -> Channel {
        if Some(id) == self.start && !self.is_thinking() {
            self.state = State::Header(String::new());
            return Channel::Answer(text.to_owned());
        }
        if Some(id) == self.end && self.is_thinking() {
            let mut last = self.take_header();
            last.push_str(text);
            self.state = State::Answer;
            return Channel::Thought(last);
        }
        match &mut self.state {
            State::Answer => Channel::Answer(text.to_owned()),
            State::Thought => Channel::Thought(text.to_owned()),
            State::Header(held) => {
                held.push_str(text);
                if THOUGHT_HEADER.starts_with(held.as_str()) && held != THOUGHT_HEADER {
                    return Channel::Thought(String::new());
                }
                let thought = held.strip_prefix(THOUGHT_HEADER).unwrap_or(held).to_owned();
                self.state = State::Thought;
                Channel::Thought(thought)
            }
        }
    }

    /// What was held back when the answer ends, within a thought or not.
    pub fn finish(&mut self) -> Channel {
        match self.is_thinking() {
            true => Channel::Thought(self.take_header()),
            false => Channel::Answer(String::new()),
        }
    }

    /// Text that was held back as the beginning of a header but is not one.
    fn take_header(&mut self) -> String {
        match std::mem::replace(&mut self.state, State::Thought) {
            State::Header(held) if held.trim_end() != THOUGHT_HEADER.trim_end() => held,
            _ => String::new(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
