//! What is done with the conversations of an unlocked vault.

use zeroize::Zeroizing;

use crate::content::{self, Conversation, MOST_CONVERSATION_BYTES, Picture};
use crate::error::{Error, Result};
use crate::id::{INDEX, KEYS, RecordId};
use crate::index::{Index, Kind};
use crate::ports::{Cipher, Records};
use crate::sealed;
use crate::vault::{Edit, Put, Read, Vault};

/// What conversations are padded to.
const TEXT_STEP: usize = 1024;
/// What pictures are padded to.
const PICTURE_STEP: usize = 16 * 1024;

/// What messages call a conversation.
pub(crate) const CONVERSATION: &str = "this conversation";
/// What messages call a picture.
const PICTURE: &str = "a picture of this conversation";

/// A conversation in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Its record.
    pub id: RecordId,
    /// Its first words.
    pub title: String,
    /// When it was changed last, in milliseconds since 1970.
    pub updated_ms: u64,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The record's id in the store.
    pub id: String,
    /// What is wrong with it.
    pub error: Error,
}

impl<R: Records, C: Cipher> Vault<R, C> {
    /// Every conversation, the one that was changed last first.
    ///
    /// # Errors
    /// [`Error::Locked`].
    pub fn list(&self) -> Result<Vec<Summary>> {
        let now = self.opened()?;
        let entries = now.index.entries.iter();
        let mut all: Vec<Summary> = entries
            .filter_map(|(id, entry)| match &entry.kind {
                Kind::Conversation {
                    title, updated_ms, ..
                } => Some(Summary {
                    id: *id,
                    title: title.clone(),
                    updated_ms: *updated_ms,
                }),
                Kind::Picture { .. } => None,
            })
            .collect();
        all.sort_by(|a, b| b.updated_ms.cmp(&a.updated_ms).then(a.id.cmp(&b.id)));
        Ok(all)
    }

    /// The conversation that was open last, if it is still there.
    ///
    /// # Errors
    /// [`Error::Locked`].
    pub fn last_open(&self) -> Result<Option<RecordId>> {
        let now = self.opened()?;
        let there = |id: &RecordId| now.index.entries.contains_key(id);
        Ok(now.index.open.filter(there))
    }

    /// Which write has stored a conversation last, as far as this page knows; `None` where there is none.
    ///
    /// # Errors
    /// [`Error::Locked`].
    pub fn revision(&self, id: &RecordId) -> Result<Option<u64>> {
        Ok(revision(&self.opened()?.index, id))
    }

    /// Takes in what other pages have written.
    ///
    /// # Errors
    /// [`Error::ProtectionChanged`] where they changed the keys, [`Error::Wiped`] where they removed everything: it is
    /// locked then.
    pub async fn refresh(&self) -> Result<()> {
        self.reload().await.map(|_| ())
    }

    /// Remembers which conversation is open.
    ///
    /// # Errors
    /// [`Error::Locked`], and what the store says.
    pub async fn set_open(&self, id: Option<RecordId>) -> Result<()> {
        if self.opened()?.index.open == id {
            return Ok(());
        }
        self.commit(|_| {
            Ok(Edit {
                open: Some(id),
                ..Edit::default()
            })
        })
        .await
        .map(drop)
    }

    /// An id for something that is to be stored.
    ///
    /// # Errors
    /// What the source of randomness says.
    pub fn new_id(&self) -> Result<RecordId> {
        RecordId::random(&self.cipher)
    }

    /// Reads a conversation.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Tampered`], [`Error::Replayed`] or [`Error::NewerVersion`].
    pub async fn read(&self, id: &RecordId) -> Result<Conversation> {
        Ok(self.read_revision(id).await?.1)
    }

    /// Reads a conversation, with the revision that [`Vault::save`] wants to know.
    ///
    /// # Errors
    /// Those of [`Vault::read`].
    pub async fn read_revision(&self, id: &RecordId) -> Result<(u64, Conversation)> {
        let (revision, content) = self.raw(id, CONVERSATION).await?;
        Ok((revision, content::decode(CONVERSATION, &content)?))
    }

    /// Reads a picture.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Tampered`], [`Error::Replayed`] or [`Error::NewerVersion`].
    pub async fn picture(&self, id: &RecordId) -> Result<Picture> {
        Picture::decode(PICTURE, &self.raw(id, PICTURE).await?.1)
    }

    /// Stores a conversation, with those of its pictures that are not stored yet, as a whole -> its revision. `base` is the
    /// one that the caller has read or stored last, `None` for a conversation that is not stored yet. Pictures that it no
    /// longer names are removed. It becomes the one that is open.
    ///
    /// # Errors
    /// [`Error::Conflict`] where what is stored is not `base`: then it stays as it is. [`Error::Request`] for a picture that is neither given nor stored; [`Error::TooLarge`]; [`Error::NewerVersion`]
    /// where a newer version of this application wrote the conversation: it stays as it is.
    pub async fn save(
        &self,
        id: &RecordId,
        base: Option<u64>,
        conversation: &Conversation,
        pictures: &[(RecordId, Picture)],
    ) -> Result<u64> {
        self.store(id, base, conversation, pictures, true).await
    }

    pub(crate) async fn store(
        &self,
        id: &RecordId,
        base: Option<u64>,
        conversation: &Conversation,
        pictures: &[(RecordId, Picture)],
        open: bool,
    ) -> Result<u64> {
        let written = content::encode(conversation)?;
        if written.len() > MOST_CONVERSATION_BYTES {
            return Err(Error::TooLarge {
                what: "conversation in bytes",
                value: written.len() as u64,
                limit: MOST_CONVERSATION_BYTES as u64,
            });
        }
        let encoded = pictures
            .iter()
            .map(|(id, picture)| Ok((*id, picture.encode()?)))
            .collect::<Result<Vec<_>>>()?;
        let mut named: Vec<RecordId> = conversation.records().collect();
        named.sort();
        named.dedup();
        self.commit(|index| {
            unchanged(index, id, base)?;
            may_store(index, id, &named, pictures)?;
            let deletes = pictures_of(index, id)
                .into_iter()
                .filter(|known| named.binary_search(known).is_err())
                .collect();
            let mut puts = vec![Put {
                id: *id,
                kind: Kind::Conversation {
                    title: conversation.title(),
                    updated_ms: conversation.updated_ms,
                    version: content::VERSION,
                    pictures: named.clone(),
                },
                content: &written,
                step: TEXT_STEP,
            }];
            puts.extend(encoded.iter().map(|(picture, content)| Put {
                id: *picture,
                kind: Kind::Picture { of: *id },
                content,
                step: PICTURE_STEP,
            }));
            Ok(Edit {
                puts,
                deletes,
                open: open.then_some(Some(*id)),
            })
        })
        .await
    }

    /// Removes a conversation with its pictures.
    ///
    /// # Errors
    /// [`Error::Locked`], and what the store says.
    pub async fn delete(&self, id: &RecordId) -> Result<()> {
        self.commit(|index| Ok(removal(index, id))).await.map(drop)
    }

    /// Removes a conversation that nobody has changed since.
    ///
    /// # Errors
    /// [`Error::Conflict`] where somebody has; [`Error::Locked`], and what the store says.
    pub async fn delete_revision(&self, id: &RecordId, base: u64) -> Result<()> {
        self.commit(|index| {
            unchanged(index, id, Some(base))?;
            Ok(removal(index, id))
        })
        .await
        .map(drop)
    }

    /// Removes every conversation. Keys and protection stay.
    ///
    /// # Errors
    /// [`Error::Locked`], and what the store says.
    pub async fn delete_all(&self) -> Result<()> {
        self.commit(|index| {
            Ok(Edit {
                deletes: index.entries.keys().copied().collect(),
                open: Some(None),
                ..Edit::default()
            })
        })
        .await
        .map(drop)
    }

    /// Reads every record, those that the index does not know among them -> what is not as it should be.
    ///
    /// # Errors
    /// [`Error::Locked`], and what the store says.
    pub async fn verify(&self) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        let now = self.opened()?;
        for (id, entry) in &now.index.entries {
            let found = match entry.kind {
                Kind::Conversation { .. } => self.read(id).await.err(),
                Kind::Picture { .. } => self.picture(id).await.err(),
            };
            findings.extend(found.map(|error| Finding {
                id: id.to_string(),
                error,
            }));
        }
        for id in self.records.list().await? {
            let known = RecordId::parse(&id).is_some_and(|id| now.index.entries.contains_key(&id));
            if known || [KEYS, INDEX].contains(&id.as_str()) {
                continue;
            }
            let Some(record) = self.records.get(&id).await? else {
                continue;
            };
            let what = "a record that does not belong here";
            // One that opens was deleted, and somebody put it back; or the index is an older one.
            let error = match sealed::open(&self.cipher, &now.ring, &id, what, &record).await {
                Ok((found, _)) => Error::Replayed {
                    what: what.to_owned(),
                    found,
                    expected: now.index.counter,
                },
                Err(error) => error,
            };
            findings.push(Finding { id, error });
        }
        Ok(findings)
    }

    /// A record's content, at the revision that the index says -> both.
    async fn raw(&self, id: &RecordId, what: &'static str) -> Result<(u64, Zeroizing<Vec<u8>>)> {
        let mut again = true;
        loop {
            let now = self.opened()?;
            let missing = || Error::Missing {
                what: what.to_owned(),
            };
            let found = match now.index.entries.get(id) {
                None => Err(missing()),
                Some(entry) => match self.content(&now, id, entry, what).await {
                    Ok(Read::Content(content)) => return Ok((entry.revision, content)),
                    Ok(Read::Missing) => Err(missing()),
                    Ok(Read::Revision(found)) => Err(Error::Replayed {
                        what: what.to_owned(),
                        found,
                        expected: entry.revision,
                    }),
                    Err(error) => Err(error),
                },
            };
            // Perhaps another page has written it since.
            if !again || !self.reload().await? {
                return found;
            }
            again = false;
        }
    }
}

fn revision(index: &Index, id: &RecordId) -> Option<u64> {
    index.entries.get(id).map(|entry| entry.revision)
}

/// Whether a conversation is still what the caller knows.
fn unchanged(index: &Index, id: &RecordId, base: Option<u64>) -> Result<()> {
    match revision(index, id) == base {
        true => Ok(()),
        false => Err(Error::Conflict),
    }
}

fn removal<'a>(index: &Index, id: &RecordId) -> Edit<'a> {
    let mut deletes = pictures_of(index, id);
    deletes.push(*id);
    Edit {
        deletes,
        ..Edit::default()
    }
}

/// Records of the pictures of a conversation.
fn pictures_of(index: &Index, id: &RecordId) -> Vec<RecordId> {
    match index.entries.get(id).map(|entry| &entry.kind) {
        Some(Kind::Conversation { pictures, .. }) => pictures.clone(),
        _ => Vec::new(),
    }
}

/// Whether a conversation may be stored under this id, with these pictures.
fn may_store(
    index: &Index,
    id: &RecordId,
    named: &[RecordId],
    given: &[(RecordId, Picture)],
) -> Result<()> {
    let refused = |problem: &str| {
        Err(Error::Request {
            problem: problem.to_owned(),
            remedy: "attach the picture again".to_owned(),
        })
    };
    match index.entries.get(id).map(|entry| &entry.kind) {
        Some(Kind::Conversation { version, .. }) if *version > content::VERSION => {
            return Err(Error::NewerVersion {
                what: CONVERSATION.to_owned(),
                found: *version,
                known: content::VERSION,
            });
        }
        Some(Kind::Picture { .. }) => return refused("this id is that of a picture"),
        _ => {}
    }
    for picture in named {
        let stored = match index.entries.get(picture).map(|entry| &entry.kind) {
            Some(Kind::Picture { of }) if of == id => true,
            Some(_) => return refused("a picture belongs to another conversation"),
            None => false,
        };
        if !stored && !given.iter().any(|(known, _)| known == picture) {
            return Err(Error::Missing {
                what: "a picture of the conversation".to_owned(),
            });
        }
    }
    match given.iter().all(|(known, _)| named.contains(known)) {
        true => Ok(()),
        false => refused("a picture is not named by the conversation"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::index::Entry;

    #[test]
    fn a_conversation_of_a_newer_version_is_not_overwritten() {
        let id = RecordId::from_bytes([1; 16]);
        let index = |version| Index {
            id,
            keys: [0; 32],
            sealed: 0,
            open: None,
            entries: BTreeMap::from([(
                id,
                Entry {
                    revision: 1,
                    key: 1,
                    kind: Kind::Conversation {
                        title: String::new(),
                        updated_ms: 0,
                        version,
                        pictures: Vec::new(),
                    },
                },
            )]),
            counter: 1,
        };
        assert_eq!(may_store(&index(content::VERSION), &id, &[], &[]), Ok(()));
        let newer = may_store(&index(content::VERSION + 1), &id, &[], &[]);
        assert!(matches!(newer, Err(Error::NewerVersion { found: 2, .. })));
    }
}
