//! What a conversation is, and how it is written down: JSON with a version, pictures as bytes with their media type.

use std::io;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::error::{Error, Result};
use crate::id::RecordId;

/// The version of conversations and of the index that is written here.
pub(crate) const VERSION: u32 = 1;
/// The version of pictures.
const PICTURE_VERSION: u8 = 1;
/// Largest picture, in bytes.
pub const MOST_PICTURE_BYTES: usize = 32 << 20;
/// Largest conversation, written down.
pub(crate) const MOST_CONVERSATION_BYTES: usize = 16 << 20;
/// Longest title.
const TITLE_CHARS: usize = 48;

/// Questions, answers, and what is being typed.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct Conversation {
    /// When it was begun, in milliseconds since 1970.
    pub created_ms: u64,
    /// When it was changed last, in milliseconds since 1970.
    pub updated_ms: u64,
    /// In order.
    pub turns: Vec<Turn>,
    /// What has not been sent.
    pub draft: Draft,
}

/// One thing said.
#[derive(Clone, PartialEq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct Turn {
    /// By whom.
    pub role: Role,
    /// The words.
    pub text: String,
    /// A model's reasoning.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub thought: String,
    /// When, in milliseconds since 1970.
    pub time_ms: u64,
    /// What was shown with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pictures: Vec<PictureRef>,
    /// How an answer ended; `None` for one that was cut off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
}

/// Who said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Zeroize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A person.
    User,
    /// The model.
    Assistant,
}

/// How an answer ended.
#[derive(Clone, PartialEq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct Ended {
    /// Why, by the host's name for it.
    pub reason: String,
    /// What it cost.
    pub figures: Figures,
}

/// What an answer cost.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, Zeroize)]
pub struct Figures {
    /// Tokens of the conversation, pictures included.
    pub prompt_tokens: u32,
    /// Tokens of the answer.
    pub completion_tokens: u32,
    /// Until the first token.
    pub prefill_ms: f64,
    /// From the first token to the last.
    pub decode_ms: f64,
}

/// What is being typed.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct Draft {
    /// The words.
    pub text: String,
    /// What is shown with them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pictures: Vec<PictureRef>,
}

/// Which picture, and what it is called.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct PictureRef {
    /// Its record.
    #[zeroize(skip)]
    pub id: RecordId,
    /// Its name, for people.
    pub name: String,
    /// A record like a picture's with what a model has made of it, which is a model's to read. It goes with the picture; a
    /// conversation is whole without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[zeroize(skip)]
    pub features: Option<RecordId>,
}

/// A picture's bytes.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Picture {
    /// Such as `image/png`; at most 255 bytes.
    pub media_type: String,
    /// The file.
    pub bytes: Vec<u8>,
}

impl Conversation {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.turns.is_empty() && self.draft.text.trim().is_empty() && self.draft.pictures.is_empty()
    }

    /// The first words that a person wrote.
    pub fn title(&self) -> String {
        let asked = self.turns.iter().filter(|turn| turn.role == Role::User);
        let texts = asked.map(|turn| &turn.text).chain([&self.draft.text]);
        for text in texts {
            let title = first_words(text);
            if !title.is_empty() {
                return title;
            }
        }
        match self.pictures().next() {
            Some(_) => "Picture".to_owned(),
            None => "Empty".to_owned(),
        }
    }

    /// Every picture that it names.
    pub fn pictures(&self) -> impl Iterator<Item = &PictureRef> {
        let shown = self.turns.iter().flat_map(|turn| &turn.pictures);
        shown.chain(&self.draft.pictures)
    }

    /// Every picture that it names, to be named otherwise.
    pub(crate) fn pictures_mut(&mut self) -> impl Iterator<Item = &mut PictureRef> {
        let shown = self.turns.iter_mut().flat_map(|turn| &mut turn.pictures);
        shown.chain(&mut self.draft.pictures)
    }

    /// The records of its pictures, and of what was made of them.
    pub fn records(&self) -> impl Iterator<Item = RecordId> {
        let of = |shown: &PictureRef| [Some(shown.id), shown.features];
        self.pictures().flat_map(of).flatten()
    }

    /// Those records, to be named otherwise.
    pub fn records_mut(&mut self) -> impl Iterator<Item = &mut RecordId> {
        fn of(shown: &mut PictureRef) -> [Option<&mut RecordId>; 2] {
            [Some(&mut shown.id), shown.features.as_mut()]
        }
        self.pictures_mut().flat_map(of).flatten()
    }

    /// Whether everything of `other` is in this one: its turns came first, and what was being typed was said.
    pub(crate) fn contains(&self, other: &Self) -> bool {
        let said = |(turn, earlier): (&Turn, &Turn)| {
            // An answer may have been cut off.
            let begun = turn.role == Role::Assistant && turn.text.starts_with(&earlier.text);
            turn.role == earlier.role && (turn.text == earlier.text || begun)
        };
        let typed = other.draft.text.trim();
        let mut texts = self
            .turns
            .iter()
            .map(|turn| &turn.text)
            .chain([&self.draft.text]);
        self.turns.len() >= other.turns.len()
            && self.turns.iter().zip(&other.turns).all(said)
            && texts.any(|text| text.contains(typed))
    }
}

/// Whole words, as many as a title holds; a longer first word is cut.
fn first_words(text: &str) -> String {
    let mut title = String::new();
    let mut chars = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if chars == 0 && length > TITLE_CHARS {
            title.extend(word.chars().take(TITLE_CHARS));
            title.push('\u{2026}');
            break;
        }
        if chars + length > TITLE_CHARS {
            title.push('\u{2026}');
            break;
        }
        if chars > 0 {
            title.push(' ');
        }
        title.push_str(word);
        chars += length + 1;
    }
    title
}

/// What is written down, with its version.
#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    version: u32,
    content: T,
}

/// Only the version, whatever else there is.
#[derive(Deserialize)]
struct JustVersion {
    version: u32,
}

/// Writes something down with its version.
pub(crate) fn encode<T: Serialize>(content: &T) -> Result<Zeroizing<Vec<u8>>> {
    let mut written = Written::default();
    let versioned = Versioned {
        version: VERSION,
        content,
    };
    serde_json::to_writer(&mut written, &versioned).map_err(|error| Error::Storage {
        detail: error.to_string(),
    })?;
    Ok(written.0)
}

/// Reads what [`encode`] wrote; something newer is refused.
pub(crate) fn decode<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T> {
    let just: JustVersion = serde_json::from_slice(bytes).map_err(|_| Error::tampered(what))?;
    if just.version > VERSION {
        return Err(Error::NewerVersion {
            what: what.to_owned(),
            found: just.version,
            known: VERSION,
        });
    }
    let versioned: Versioned<T> =
        serde_json::from_slice(bytes).map_err(|_| Error::tampered(what))?;
    Ok(versioned.content)
}

impl Picture {
    /// `version u8 | length u8 | media type | bytes`.
    pub(crate) fn encode(&self) -> Result<Zeroizing<Vec<u8>>> {
        if self.bytes.len() > MOST_PICTURE_BYTES {
            return Err(Error::TooLarge {
                what: "picture in bytes",
                value: self.bytes.len() as u64,
                limit: MOST_PICTURE_BYTES as u64,
            });
        }
        let length = u8::try_from(self.media_type.len()).map_err(|_| Error::TooLarge {
            what: "media type in bytes",
            value: self.media_type.len() as u64,
            limit: u8::MAX.into(),
        })?;
        let head = [PICTURE_VERSION, length];
        let parts = [&head[..], self.media_type.as_bytes(), &self.bytes];
        Ok(Zeroizing::new(parts.concat()))
    }

    pub(crate) fn decode(what: &str, encoded: &[u8]) -> Result<Self> {
        let tampered = || Error::tampered(what);
        let (&[version, length], rest) = encoded.split_first_chunk::<2>().ok_or_else(tampered)?;
        if version > PICTURE_VERSION {
            return Err(Error::NewerVersion {
                what: what.to_owned(),
                found: version.into(),
                known: PICTURE_VERSION.into(),
            });
        }
        let (media_type, bytes) = rest.split_at_checked(length.into()).ok_or_else(tampered)?;
        Ok(Self {
            media_type: String::from_utf8(media_type.to_vec()).map_err(|_| tampered())?,
            bytes: bytes.to_vec(),
        })
    }
}

/// Bytes that leave no copy of themselves behind when they grow.
#[derive(Default)]
struct Written(Zeroizing<Vec<u8>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity((2 * needed).max(1024)));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn asked(text: &str) -> Conversation {
        let mut conversation = Conversation::default();
        conversation.draft.text = text.to_owned();
        conversation
    }

    #[test]
    fn a_title_is_the_first_words() {
        for (text, title) in [
            ("Write a SOAP note.\nA woman", "Write a SOAP note. A woman"),
            ("  \n what\t is  it ", "what is it"),
            (
                "one two three four five six seven eight nine ten eleven",
                "one two three four five six seven eight nine ten\u{2026}",
            ),
            ("", "Empty"),
        ] {
            assert_eq!(asked(text).title(), title, "{text}");
        }
        let long = asked(&"\u{e4}".repeat(60)).title();
        assert_eq!(long.chars().count(), TITLE_CHARS + 1);
    }

    #[test]
    fn the_first_question_gives_the_title_not_the_draft() {
        let mut conversation = asked("later");
        conversation.turns.push(Turn {
            role: Role::User,
            text: "first".into(),
            thought: String::new(),
            time_ms: 0,
            pictures: Vec::new(),
            ended: None,
        });
        assert_eq!(conversation.title(), "first");
    }

    #[test]
    fn what_is_written_down_reads_the_same() {
        let conversation = asked("a \u{1F4A1} \"b\"\n");
        let written = encode(&conversation).unwrap();
        assert!(decode::<Conversation>("x", &written).unwrap() == conversation);
        let picture = Picture {
            media_type: "image/png".into(),
            bytes: vec![0, 1, 2],
        };
        assert!(Picture::decode("x", &picture.encode().unwrap()).unwrap() == picture);
    }

    #[test]
    fn a_picture_of_which_nothing_was_made_is_written_without_a_word_for_it() {
        let id = RecordId::from_bytes([0; 16]);
        let shown = format!(r#"{{"id":"{id}","name":"b"}}"#);
        let text = format!(
            r#"{{"version":1,"content":{{"created_ms":1,"updated_ms":2,"turns":[],"draft":{{"text":"a","pictures":[{shown}]}}}}}}"#
        );
        let read: Conversation = decode("x", text.as_bytes()).unwrap();
        assert_eq!(read.draft.pictures[0].features, None);
        assert_eq!(encode(&read).unwrap().as_slice(), text.as_bytes());
        assert_eq!(read.records().collect::<Vec<_>>(), [id]);
    }

    #[test]
    fn something_newer_is_refused_whatever_it_looks_like() {
        let newer = br#"{"version":2,"content":{"turns":"elsewhere"},"more":1}"#;
        let error = decode::<Conversation>("the conversation", newer).err();
        assert!(matches!(
            error,
            Some(Error::NewerVersion {
                found: 2,
                known: 1,
                ..
            })
        ));
        let error = Picture::decode("the picture", &[2, 0]).err();
        assert!(matches!(error, Some(Error::NewerVersion { .. })));
    }
}
