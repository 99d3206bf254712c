//! A backup: one file with everything, sealed by a passphrase of its own.
//!
//! ```text
//! header: "OUTPOST BACKUP\r\n" | version u8 = 1 | memory in KiB u32 | passes u32 | lanes u32 | salt 16 | prefix 7
//! frame:  length u32 | ciphertext | tag 16                                            numbers little-endian
//! plaintext of a frame, padded as records are: kind u8 | ...
//!   0 end:          conversations u32 | pictures u32
//!   1 conversation: id 16 | JSON
//!   2 picture:      id 16 | picture             those of a conversation stand before it
//! nonce:  prefix | number of the frame u32, big-endian | 1 for the last frame, else 0
//! associated: header
//! ```
//!
//! What a model has made of pictures is not in it: that can be made again.
//!
//! The nonces are those of the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár: "Online Authenticated-Encryption
//! and its Nonce-Reuse Misuse-Resistance", 2015): a frame opens only at its own place, and only the last one as the last,
//! so that frames that were removed, swapped or added are noticed. Reading goes twice over the file: nothing is taken in
//! before its last frame has been seen.

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::content::{self, Conversation, Picture};
use crate::conversations::{CONVERSATION, Finding};
use crate::error::{Error, Result};
use crate::id::RecordId;
use crate::index::{Entry, Kind};
use crate::kdf::{self, Cost, SALT_BYTES};
use crate::ports::{Cipher, NONCE_BYTES, Records, Sink, Source, TAG_BYTES};
use crate::sealed::{padded, unpadded};
use crate::vault::{ATTEMPTS, Vault};

const MAGIC: &[u8; 16] = b"OUTPOST BACKUP\r\n";
const VERSION: u8 = 1;
/// Random bytes of every nonce.
const PREFIX_BYTES: usize = 7;
const HEADER_BYTES: usize = MAGIC.len() + 1 + Cost::BYTES + SALT_BYTES + PREFIX_BYTES;
/// What frames are padded to.
const STEP: usize = 1024;
/// Longest frame: a picture of 32 MiB with what stands around it.
const MOST_FRAME_BYTES: usize = 33 << 20;
/// Longest pictures of one conversation together, which are held until it comes.
const MOST_PICTURES_BYTES: usize = 256 << 20;
/// What messages call it.
const WHAT: &str = "this backup";

const END: u8 = 0;
const CONVERSATION_FRAME: u8 = 1;
const PICTURE_FRAME: u8 = 2;

/// What went into a backup.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exported {
    /// Conversations.
    pub conversations: u32,
    /// Pictures.
    pub pictures: u32,
    /// What could not be read, and is not in it.
    pub left_out: Vec<Finding>,
}

/// What came out of a backup.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    /// Conversations that were not here, and those that went on in another way here: both are here now.
    pub added: u32,
    /// Conversations that went on in the backup.
    pub updated: u32,
    /// Conversations that are here as new or newer, and stay.
    pub kept: u32,
}

/// What a frame holds.
enum Frame {
    End { conversations: u32, pictures: u32 },
    Conversation(RecordId, Conversation),
    Picture(RecordId, Picture),
}

impl<R: Records, C: Cipher> Vault<R, C> {
    /// Writes everything to `sink`, record by record. What is changed meanwhile may be in it or not.
    ///
    /// # Errors
    /// [`Error::Locked`], and what the sink says. A record that cannot be read is left out and named.
    pub async fn export(
        &self,
        passphrase: &str,
        cost: Cost,
        sink: &mut impl Sink,
    ) -> Result<Exported> {
        let mut exported = Exported::default();
        let mut writer = Writer::begin(&self.cipher, passphrase, cost, sink).await?;
        for summary in self.list()? {
            match self.with_pictures(&summary.id).await {
                Ok((conversation, pictures)) => {
                    for (id, picture) in &pictures {
                        let content = picture.encode()?;
                        writer.frame(PICTURE_FRAME, id, &content).await?;
                    }
                    let content = content::encode(&conversation)?;
                    writer
                        .frame(CONVERSATION_FRAME, &summary.id, &content)
                        .await?;
                    exported.conversations += 1;
                    exported.pictures += pictures.len() as u32;
                }
                Err(Error::Locked) => return Err(Error::Locked),
                Err(error) => exported.left_out.push(Finding {
                    id: summary.id.to_string(),
                    error,
                }),
            }
        }
        writer
            .end(exported.conversations, exported.pictures)
            .await?;
        Ok(exported)
    }

    /// Takes in what a backup holds and this vault does not, or holds in an older state. What is here and newer stays, and
    /// so does what is older but says something that the backup does not: that of the backup is then stored beside it.
    ///
    /// # Errors
    /// [`Error::NotABackup`], [`Error::WrongSecret`], [`Error::Truncated`], [`Error::Tampered`] or
    /// [`Error::NewerVersion`]; then nothing was taken in.
    pub async fn import(&self, passphrase: &str, source: &impl Source) -> Result<Imported> {
        self.opened()?;
        let mut reader = Reader::begin(&self.cipher, passphrase, source).await?;
        let mut found = (0, 0);
        loop {
            match reader.next().await? {
                Frame::Conversation(..) => found.0 += 1,
                Frame::Picture(..) => found.1 += 1,
                Frame::End {
                    conversations,
                    pictures,
                } if found == (conversations, pictures) => break,
                Frame::End { .. } => return Err(Error::tampered(WHAT)),
            }
        }
        reader.rewind();
        let mut imported = Imported::default();
        let mut waiting: Vec<(RecordId, Picture)> = Vec::new();
        loop {
            match reader.next().await? {
                Frame::End { .. } => return Ok(imported),
                Frame::Picture(id, picture) => {
                    let held: usize = waiting.iter().map(|(_, held)| held.bytes.len()).sum();
                    if held + picture.bytes.len() > MOST_PICTURES_BYTES {
                        return Err(Error::TooLarge {
                            what: "size of a conversation's pictures in bytes",
                            value: (held + picture.bytes.len()) as u64,
                            limit: MOST_PICTURES_BYTES as u64,
                        });
                    }
                    waiting.push((id, picture));
                }
                Frame::Conversation(id, mut conversation) => {
                    without_features(&mut conversation);
                    let pictures = std::mem::take(&mut waiting);
                    self.merge(&id, &conversation, &pictures, &mut imported)
                        .await?;
                }
            }
        }
    }

    async fn merge(
        &self,
        id: &RecordId,
        conversation: &Conversation,
        pictures: &[(RecordId, Picture)],
        imported: &mut Imported,
    ) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let (base, updated_ms) = self.known(id)?;
            let count = match base {
                None => &mut imported.added,
                _ if updated_ms >= conversation.updated_ms => {
                    imported.kept += 1;
                    return Ok(());
                }
                Some(_) => match self.read_revision(id).await {
                    Ok((read, _)) if Some(read) != base => continue,
                    Ok((_, here)) if !conversation.contains(&here) => {
                        return self.beside(id, conversation, pictures, imported).await;
                    }
                    Ok(_) => &mut imported.updated,
                    // What is damaged is replaced.
                    Err(
                        Error::Missing { .. } | Error::Tampered { .. } | Error::Replayed { .. },
                    ) => &mut imported.updated,
                    Err(error) => return Err(error),
                },
            };
            match self.store(id, base, conversation, pictures, false).await {
                // Another page has written it since.
                Err(Error::Conflict) => continue,
                stored => {
                    *count += 1;
                    return stored.map(drop);
                }
            }
        }
        Err(Error::Busy)
    }

    /// Stores a conversation of a backup under an id of its own, which is the same whenever that backup is taken in.
    async fn beside(
        &self,
        id: &RecordId,
        conversation: &Conversation,
        pictures: &[(RecordId, Picture)],
        imported: &mut Imported,
    ) -> Result<()> {
        let copy = derived(id, &content::encode(conversation)?);
        if self.known(&copy)?.0.is_some() {
            imported.kept += 1;
            return Ok(());
        }
        let mut conversation = conversation.clone();
        for shown in conversation.pictures_mut() {
            shown.id = derived(&copy, shown.id.bytes());
        }
        let renamed =
            |(id, picture): &(RecordId, Picture)| (derived(&copy, id.bytes()), picture.clone());
        let pictures: Vec<_> = pictures.iter().map(renamed).collect();
        self.store(&copy, None, &conversation, &pictures, false)
            .await?;
        imported.added += 1;
        Ok(())
    }

    /// Revision and date of a conversation that is here.
    fn known(&self, id: &RecordId) -> Result<(Option<u64>, u64)> {
        let now = self.opened()?;
        Ok(match now.index.entries.get(id) {
            Some(Entry {
                revision,
                kind: Kind::Conversation { updated_ms, .. },
                ..
            }) => (Some(*revision), *updated_ms),
            Some(entry) => (Some(entry.revision), 0),
            None => (None, 0),
        })
    }

    async fn with_pictures(
        &self,
        id: &RecordId,
    ) -> Result<(Conversation, Vec<(RecordId, Picture)>)> {
        let mut conversation = self.read(id).await?;
        without_features(&mut conversation);
        let mut pictures: Vec<(RecordId, Picture)> = Vec::new();
        for shown in conversation.pictures() {
            if pictures.iter().all(|(known, _)| *known != shown.id) {
                pictures.push((shown.id, self.picture(&shown.id).await?));
            }
        }
        Ok((conversation, pictures))
    }
}

struct Writer<'a, C: Cipher, S> {
    cipher: &'a C,
    key: C::Key,
    header: [u8; HEADER_BYTES],
    number: u32,
    sink: &'a mut S,
}

impl<'a, C: Cipher, S: Sink> Writer<'a, C, S> {
    async fn begin(cipher: &'a C, passphrase: &str, cost: Cost, sink: &'a mut S) -> Result<Self> {
        let mut salt = [0; SALT_BYTES];
        cipher.random(&mut salt)?;
        let mut prefix = [0; PREFIX_BYTES];
        cipher.random(&mut prefix)?;
        let parts: [&[u8]; 5] = [MAGIC, &[VERSION], &cost.to_bytes(), &salt, &prefix];
        let mut header = [0; HEADER_BYTES];
        header.copy_from_slice(&parts.concat());
        let key = kdf::passphrase_key(passphrase, &salt, cost)?;
        sink.write(&header).await?;
        Ok(Self {
            cipher,
            key: cipher.key(&key).await?,
            header,
            number: 0,
            sink,
        })
    }

    async fn frame(&mut self, kind: u8, id: &RecordId, content: &[u8]) -> Result<()> {
        let parts = [&[kind][..], id.bytes(), content];
        self.write(&Zeroizing::new(parts.concat()), false).await
    }

    async fn end(&mut self, conversations: u32, pictures: u32) -> Result<()> {
        let counts = [conversations.to_le_bytes(), pictures.to_le_bytes()].concat();
        self.write(&[&[END][..], &counts].concat(), true).await
    }

    async fn write(&mut self, content: &[u8], last: bool) -> Result<()> {
        let nonce = nonce(&self.header, self.number, last);
        self.number = self.number.checked_add(1).ok_or(Error::KeyWorn)?;
        let plaintext = padded(content, STEP)?;
        let sealed = self
            .cipher
            .seal(&self.key, &nonce, &self.header, &plaintext)
            .await?;
        // A frame that could not be read again is not written.
        if sealed.len() > MOST_FRAME_BYTES {
            return Err(frame_too_large(sealed.len()));
        }
        self.sink
            .write(&(sealed.len() as u32).to_le_bytes())
            .await?;
        self.sink.write(&sealed).await
    }
}

struct Reader<'a, C: Cipher, S> {
    cipher: &'a C,
    key: C::Key,
    header: [u8; HEADER_BYTES],
    number: u32,
    offset: u64,
    source: &'a S,
}

impl<'a, C: Cipher, S: Source> Reader<'a, C, S> {
    async fn begin(cipher: &'a C, passphrase: &str, source: &'a S) -> Result<Self> {
        let read = source.read(0, HEADER_BYTES).await?;
        let rest = read.strip_prefix(&MAGIC[..]).ok_or(Error::NotABackup)?;
        match rest.first() {
            Some(version) if *version > VERSION => {
                return Err(Error::NewerVersion {
                    what: WHAT.to_owned(),
                    found: (*version).into(),
                    known: VERSION.into(),
                });
            }
            Some(version) if *version != VERSION => return Err(Error::NotABackup),
            _ => {}
        }
        let truncated = || Error::Truncated {
            bytes: source.len(),
        };
        let header = <[u8; HEADER_BYTES]>::try_from(read.as_slice()).map_err(|_| truncated())?;
        let rest = rest.get(1..).ok_or_else(truncated)?;
        let (cost, rest) = rest.split_first_chunk().ok_or_else(truncated)?;
        let (salt, _) = rest.split_first_chunk().ok_or_else(truncated)?;
        let key = kdf::passphrase_key(passphrase, salt, Cost::from_bytes(cost)?)?;
        Ok(Self {
            cipher,
            key: cipher.key(&key).await?,
            header,
            number: 0,
            offset: HEADER_BYTES as u64,
            source,
        })
    }

    /// Back to the first frame.
    fn rewind(&mut self) {
        self.number = 0;
        self.offset = HEADER_BYTES as u64;
    }

    async fn next(&mut self) -> Result<Frame> {
        let tampered = || Error::tampered(WHAT);
        let length = self.read(4).await?;
        let length: [u8; 4] = length.try_into().map_err(|_| tampered())?;
        let length = u32::from_le_bytes(length) as usize;
        if length > MOST_FRAME_BYTES {
            return Err(tampered());
        }
        if length < TAG_BYTES {
            return Err(tampered());
        }
        let sealed = self.read(length).await?;
        let ends = self.offset >= self.source.len();
        let nonce = nonce(&self.header, self.number, ends);
        let opened = self
            .cipher
            .open(&self.key, &nonce, &self.header, &sealed)
            .await?;
        let plaintext = match opened.map(Zeroizing::new) {
            Some(plaintext) => plaintext,
            None => return Err(self.why_not(&sealed, ends).await?),
        };
        self.number = self.number.checked_add(1).ok_or_else(tampered)?;
        let content = unpadded(&plaintext).ok_or_else(tampered)?;
        let frame = frame(&content)?;
        match (&frame, ends) {
            (Frame::End { .. }, true) => Ok(frame),
            (Frame::Conversation(..) | Frame::Picture(..), false) => Ok(frame),
            _ => Err(tampered()),
        }
    }

    /// Why a frame is not authentic at its place.
    async fn why_not(&self, sealed: &[u8], ends: bool) -> Result<Error> {
        // One that would be, were there more after it, says that the rest is missing.
        let nonce = nonce(&self.header, self.number, false);
        let cut = ends
            && self
                .cipher
                .open(&self.key, &nonce, &self.header, sealed)
                .await?
                .map(Zeroizing::new)
                .is_some();
        Ok(if cut {
            self.truncated()
        } else if self.number == 0 {
            Error::WrongSecret { what: WHAT }
        } else {
            Error::tampered(WHAT)
        })
    }

    async fn read(&mut self, len: usize) -> Result<Vec<u8>> {
        let bytes = self.source.read(self.offset, len).await?;
        if bytes.len() != len {
            return Err(self.truncated());
        }
        self.offset += len as u64;
        Ok(bytes)
    }

    fn truncated(&self) -> Error {
        Error::Truncated {
            bytes: self.source.len(),
        }
    }
}

fn frame(content: &[u8]) -> Result<Frame> {
    let tampered = || Error::tampered(WHAT);
    let (kind, rest) = content.split_first().ok_or_else(tampered)?;
    if *kind == END {
        let (conversations, rest) = rest.split_first_chunk().ok_or_else(tampered)?;
        let pictures = <[u8; 4]>::try_from(rest).map_err(|_| tampered())?;
        return Ok(Frame::End {
            conversations: u32::from_le_bytes(*conversations),
            pictures: u32::from_le_bytes(pictures),
        });
    }
    let (id, rest) = rest.split_first_chunk().ok_or_else(tampered)?;
    let id = RecordId::from_bytes(*id);
    match *kind {
        CONVERSATION_FRAME => Ok(Frame::Conversation(
            id,
            content::decode(CONVERSATION, rest)?,
        )),
        PICTURE_FRAME => Ok(Frame::Picture(id, Picture::decode(WHAT, rest)?)),
        _ => Err(tampered()),
    }
}

fn without_features(conversation: &mut Conversation) {
    for shown in conversation.pictures_mut() {
        shown.features = None;
    }
}

/// An id for a copy of something.
fn derived(id: &RecordId, of: &[u8]) -> RecordId {
    let hash = Sha256::new_with_prefix(b"outpost backup copy")
        .chain_update(id.bytes())
        .chain_update(of)
        .finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    RecordId::from_bytes(bytes)
}

/// The nonce of a frame.
fn nonce(header: &[u8; HEADER_BYTES], number: u32, last: bool) -> [u8; NONCE_BYTES] {
    let mut nonce = [0; NONCE_BYTES];
    let prefix = &header[HEADER_BYTES - PREFIX_BYTES..];
    nonce[..PREFIX_BYTES].copy_from_slice(prefix);
    nonce[PREFIX_BYTES..PREFIX_BYTES + 4].copy_from_slice(&number.to_be_bytes());
    nonce[NONCE_BYTES - 1] = last.into();
    nonce
}

fn frame_too_large(length: usize) -> Error {
    Error::TooLarge {
        what: "part of the backup in bytes",
        value: length as u64,
        limit: MOST_FRAME_BYTES as u64,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        // Who makes a backup with a passphrase of their own writes what they like into its frames.
        #[test]
        fn no_content_of_a_frame_makes_reading_panic(
            kind in 0..4_u8,
            rest in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            let content = [&[kind][..], &rest].concat();
            let _ = frame(&content);
            let _ = frame(&rest);
        }
    }
}
