//! What exists, as the journal tells it: changes, and the state that they lead to. Nothing here touches a disk.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::hash::Sha256;
use crate::sums::Sums;

/// Folders that this library makes are named so, and a number. No id of a model has a dot.
const FOLDER: &str = "model.";
/// Pieces of a raw file are named so, and a number. No shard has a tilde.
const PIECE: &str = "raw~";

/// Something that became true. An entry of the journal is a list of these that become true together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Change {
    /// All folders of a smaller number were made, and those that are not named are gone.
    Numbered { next: u64 },
    /// A folder is there for an installation, or what is known about it is something else.
    Begun { folder: String, about: About },
    /// A manifest is on the disk, and it is the one of the folder.
    Described {
        folder: String,
        file: String,
        stored: Stored,
    },
    /// A shard or a piece is on the disk.
    Stored {
        folder: String,
        file: String,
        stored: Stored,
    },
    /// Files no longer are what they were, or are not needed.
    Lost { folder: String, files: Vec<String> },
    /// The folder holds the model of its id, and no other folder does.
    Installed { folder: String, at_ms: u64 },
    /// The folder belongs to nobody.
    Removed { folder: String },
}

/// What is known about an installation from its beginning.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct About {
    /// The model's id, once it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    /// What is being converted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    /// Name for people.
    pub(crate) name: String,
    /// Where it comes from.
    pub(crate) source: String,
    /// Bytes of all shards, 0 while nobody knows.
    pub(crate) total_bytes: u64,
    /// When the person accepted the model's terms, in milliseconds of the caller's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) accepted_at_ms: Option<u64>,
    /// Whether it was there before the journal, and its shards wait to be hashed.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) to_adopt: bool,
}

/// A file that is on the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stored {
    pub(crate) bytes: u64,
    pub(crate) sha256: Sha256,
    /// Checksums of its blocks. A manifest has none, and what was stored before there were any has none until it is
    /// checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sums: Option<Sums>,
    /// Of a piece of a raw file: what its caller needs to go on hashing after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hash_state: Option<String>,
}

/// Everything that exists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) folders: BTreeMap<String, Folder>,
    next: u64,
    /// Folders of other names that belong to nobody.
    removed: BTreeSet<String>,
}

/// A folder and what is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Folder {
    pub(crate) about: About,
    /// Name of the manifest's file, and the file.
    pub(crate) manifest: Option<(String, Stored)>,
    /// Shards and pieces.
    pub(crate) files: BTreeMap<String, Stored>,
    /// What an installed model should have, and has not; with what it was, if that is known.
    pub(crate) lost: BTreeMap<String, Option<Stored>>,
    /// When it was installed, in milliseconds of the caller's clock.
    pub(crate) installed_at_ms: Option<u64>,
}

impl Folder {
    /// Whether it holds a model that can be used.
    pub(crate) fn is_whole(&self) -> bool {
        self.installed_at_ms.is_some() && self.lost.is_empty()
    }

    /// Whether a file is on the disk and belongs to it.
    pub(crate) fn is_recorded(&self, file: &str) -> bool {
        self.files.contains_key(file)
            || self.manifest.as_ref().is_some_and(|(name, _)| name == file)
    }

    /// The shards that are stored.
    pub(crate) fn shards(&self) -> impl Iterator<Item = (&String, &Stored)> {
        self.files
            .iter()
            .filter(|(file, _)| piece_number(file).is_none())
    }

    /// The pieces of a raw file that are stored.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = (u32, &Stored)> {
        self.files
            .iter()
            .filter_map(|(file, stored)| Some((piece_number(file)?, stored)))
    }
}

impl State {
    /// The state that a journal's entries lead to.
    pub(crate) fn of<'c>(changes: impl IntoIterator<Item = &'c Change>) -> Self {
        let mut state = Self::default();
        for change in changes {
            state.apply(change);
        }
        state
    }

    /// Makes a change true. One that speaks of an unknown folder changes nothing.
    pub(crate) fn apply(&mut self, change: &Change) {
        match change {
            Change::Numbered { next } => self.next = self.next.max(*next),
            Change::Begun { folder, about } => {
                if let Some(number) = number_of(folder) {
                    self.next = self.next.max(number.saturating_add(1));
                }
                self.removed.remove(folder);
                let known = self.folders.entry(folder.clone()).or_default();
                let before = std::mem::replace(&mut known.about, about.clone());
                if known.installed_at_ms.is_some() {
                    known.about.id = before.id;
                    known.about.to_adopt = false;
                }
            }
            Change::Removed { folder } => self.remove(folder),
            Change::Installed { folder, at_ms } => self.install(folder, *at_ms),
            Change::Described {
                folder,
                file,
                stored,
            } => {
                if let Some(folder) = self.folders.get_mut(folder) {
                    if let Some((before, _)) = &folder.manifest {
                        folder.lost.remove(before);
                    }
                    folder.manifest = Some((file.clone(), stored.clone()));
                }
            }
            Change::Stored {
                folder,
                file,
                stored,
            } => {
                if let Some(folder) = self.folders.get_mut(folder) {
                    folder.lost.remove(file);
                    folder.files.insert(file.clone(), stored.clone());
                }
            }
            Change::Lost { folder, files } => {
                if let Some(folder) = self.folders.get_mut(folder) {
                    files.iter().for_each(|file| folder.lose(file));
                }
            }
        }
    }

    /// Changes that lead to this state from nothing.
    pub(crate) fn changes(&self) -> Vec<Change> {
        let mut changes = vec![Change::Numbered { next: self.next }];
        let removed = self.removed.iter().cloned();
        changes.extend(removed.map(|folder| Change::Removed { folder }));
        // What is installed comes first: it takes its id from every folder before it.
        let (installed, unfinished): (Vec<_>, Vec<_>) = self
            .folders
            .iter()
            .partition(|(_, folder)| folder.installed_at_ms.is_some());
        for (name, folder) in installed.into_iter().chain(unfinished) {
            folder.changes(name, &mut changes);
        }
        changes
    }

    /// The name of the next folder.
    pub(crate) fn next_folder(&self) -> String {
        format!("{FOLDER}{}", self.next)
    }

    /// Whether there was ever such a folder. What a journal has not heard of it has lost, or it is older than the journal.
    pub(crate) fn has_heard_of(&self, folder: &str) -> bool {
        self.folders.contains_key(folder)
            || self.removed.contains(folder)
            || number_of(folder).is_some_and(|number| number < self.next)
    }

    /// The folder of an installed model.
    pub(crate) fn installed(&self, id: &str) -> Option<(&String, &Folder)> {
        self.folders.iter().find(|(_, folder)| {
            folder.installed_at_ms.is_some() && folder.about.id.as_deref() == Some(id)
        })
    }

    /// The first folder of an installation that is not finished and is what `wanted` says.
    pub(crate) fn unfinished(&self, wanted: impl Fn(&About) -> bool) -> Option<(&String, &Folder)> {
        self.folders
            .iter()
            .find(|(_, folder)| folder.installed_at_ms.is_none() && wanted(&folder.about))
    }

    fn install(&mut self, folder: &str, at_ms: u64) {
        let Some(installed) = self.folders.get_mut(folder) else {
            return;
        };
        installed.installed_at_ms = Some(at_ms);
        installed.lost.clear();
        installed.about.to_adopt = false;
        let id = installed.about.id.clone();
        let of_this_id = |(name, other): &(&String, &Folder)| {
            *name != folder && id.is_some() && other.about.id == id
        };
        let others = self.folders.iter().filter(of_this_id);
        let others: Vec<String> = others.map(|(name, _)| name.clone()).collect();
        others.iter().for_each(|other| self.remove(other));
    }

    fn remove(&mut self, folder: &str) {
        self.folders.remove(folder);
        // The others are known by their numbers.
        if number_of(folder).is_none() {
            self.removed.insert(folder.to_owned());
        }
    }
}

impl Folder {
    fn lose(&mut self, file: &str) {
        let stored = self.files.remove(file);
        if self.installed_at_ms.is_some() {
            if piece_number(file).is_none() && !self.lost.contains_key(file) {
                self.lost.insert(file.to_owned(), stored);
            }
        } else if self.manifest.as_ref().is_some_and(|(name, _)| name == file) {
            self.manifest = None;
        }
    }

    fn changes(&self, folder: &str, changes: &mut Vec<Change>) {
        let folder = || folder.to_owned();
        changes.push(Change::Begun {
            folder: folder(),
            about: self.about.clone(),
        });
        if let Some((file, stored)) = self.manifest.clone() {
            changes.push(Change::Described {
                folder: folder(),
                file,
                stored,
            });
        }
        let lost = self.lost.iter();
        let lost = lost.filter_map(|(file, stored)| Some((file.clone(), stored.clone()?)));
        let files = self.files.clone().into_iter().chain(lost);
        changes.extend(files.map(|(file, stored)| Change::Stored {
            folder: folder(),
            file,
            stored,
        }));
        if let Some(at_ms) = self.installed_at_ms {
            changes.push(Change::Installed {
                folder: folder(),
                at_ms,
            });
        }
        if !self.lost.is_empty() {
            changes.push(Change::Lost {
                folder: folder(),
                files: self.lost.keys().cloned().collect(),
            });
        }
    }
}

/// The name of a piece of a raw file.
pub(crate) fn piece_name(number: u32) -> String {
    format!("{PIECE}{number:05}")
}

/// Which piece has this name.
pub(crate) fn piece_number(file: &str) -> Option<u32> {
    file.strip_prefix(PIECE)?.parse().ok()
}

/// The number in a folder's name.
pub(crate) fn number_of(folder: &str) -> Option<u64> {
    folder.strip_prefix(FOLDER)?.parse().ok()
}

fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::sums::SumStream;

    fn change() -> impl Strategy<Value = Change> {
        let folder = || prop::sample::select(vec!["model.0", "model.1", "model.2", "demo"]);
        let folder = move || folder().prop_map(str::to_owned);
        let file = || prop::sample::select(vec!["a.bin", "b.bin", "raw~00001", "manifest~1.json"]);
        let file = move || file().prop_map(str::to_owned);
        let stored = || {
            (0u64..9).prop_map(|bytes| Stored {
                bytes,
                sha256: Sha256([7; 32]),
                sums: bytes.is_multiple_of(2).then(|| {
                    let mut sums = SumStream::new();
                    sums.update(&[3; 8][..bytes as usize]);
                    sums.finish()
                }),
                hash_state: None,
            })
        };
        let id = prop::option::of(prop::sample::select(vec!["demo", "other"]));
        let about = (id, any::<bool>()).prop_map(|(id, to_adopt)| About {
            id: id.map(str::to_owned),
            to_adopt,
            ..About::default()
        });
        prop_oneof![
            (folder(), about).prop_map(|(folder, about)| Change::Begun { folder, about }),
            (folder(), file(), stored()).prop_map(|(folder, file, stored)| Change::Stored {
                folder,
                file,
                stored
            }),
            (folder(), stored()).prop_map(|(folder, stored)| Change::Described {
                folder,
                file: "manifest~1.json".to_owned(),
                stored
            }),
            (folder(), file()).prop_map(|(folder, file)| Change::Lost {
                folder,
                files: vec![file]
            }),
            folder().prop_map(|folder| Change::Installed { folder, at_ms: 5 }),
            folder().prop_map(|folder| Change::Removed { folder }),
        ]
    }

    proptest! {
        #[test]
        fn a_journal_written_anew_leads_to_the_same_state(
            changes in prop::collection::vec(change(), 0..40),
        ) {
            let state = State::of(&changes);
            let anew = state.changes();
            prop_assert_eq!(State::of(&anew), state);
            let json = serde_json::to_vec(&anew).unwrap();
            prop_assert_eq!(serde_json::from_slice::<Vec<Change>>(&json).unwrap(), anew);
        }

        #[test]
        fn an_id_has_one_installed_folder(changes in prop::collection::vec(change(), 0..40)) {
            let state = State::of(&changes);
            for id in ["demo", "other"] {
                let of_this_id = |folder: &&Folder| {
                    folder.installed_at_ms.is_some() && folder.about.id.as_deref() == Some(id)
                };
                prop_assert!(state.folders.values().filter(of_this_id).count() <= 1);
            }
        }
    }

    #[test]
    fn a_folder_that_was_removed_is_remembered_by_its_number_or_its_name() {
        let about = About::default();
        let begun = |folder: &str| Change::Begun {
            folder: folder.to_owned(),
            about: about.clone(),
        };
        let removed = |folder: &str| Change::Removed {
            folder: folder.to_owned(),
        };
        let changes = ["model.4", "demo"].map(begun);
        let state = State::of(changes.iter().chain(&["model.4", "demo"].map(removed)));
        assert!(state.folders.is_empty());
        for known in ["model.4", "model.0", "demo"] {
            assert!(state.has_heard_of(known), "{known}");
        }
        for unknown in ["model.5", "other"] {
            assert!(!state.has_heard_of(unknown), "{unknown}");
        }
        assert_eq!(state.next_folder(), "model.5");
    }
}
