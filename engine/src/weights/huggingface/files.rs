//! The safetensors files of a folder as one set of tensors, and the index that says which file holds which.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::super::limits::MAX_SPLITS;
use super::super::table;
use super::super::{Part, Safetensors, TensorInfo, WeightSource};
use super::names::{Row, Section};
use super::{INDEX, WEIGHTS, damaged, request};
use crate::error::{Error, Result};
use crate::ports::ByteSource;

/// All files with weights.
#[derive(Debug)]
pub(super) struct Files<S> {
    files: Vec<(String, Safetensors<S>)>,
    /// The file that holds each tensor, by its name.
    holders: BTreeMap<String, usize>,
}

/// A tensor as it is stored.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub(super) file: usize,
    pub(super) info: TensorInfo,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Index {
    fn read(json: &[u8]) -> Result<Self> {
        serde_json::from_slice(json).map_err(|error| damaged(format!("{INDEX}: {error}")))
    }
}

/// The files that an index names, or the one of a folder without an index. Their names are safe as names of files.
pub(super) fn weight_files(index: Option<&[u8]>) -> Result<Vec<String>> {
    let Some(index) = index else {
        return Ok(vec![WEIGHTS.to_owned()]);
    };
    let index = Index::read(index)?;
    let names: BTreeSet<String> = index.weight_map.into_values().collect();
    if names.is_empty() {
        return Err(damaged(format!("{INDEX} names no files")));
    }
    if names.len() as u64 > MAX_SPLITS {
        return Err(Error::LimitExceeded {
            what: format!("the number of files that {INDEX} names"),
            value: names.len() as u64,
            limit: MAX_SPLITS,
        });
    }
    // Whoever wrote the index must not choose another folder.
    let letter = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let safe = |name: &&String| {
        name.chars().all(letter) && !name.starts_with('.') && name.ends_with(".safetensors")
    };
    match names.iter().find(|name| !safe(name)) {
        None => Ok(names.into_iter().collect()),
        Some(name) => Err(damaged(format!(
            "{INDEX} names `{}`, which is no safetensors file of this folder",
            name.chars().take(64).collect::<String>().escape_debug()
        ))),
    }
}

impl<S: ByteSource> Files<S> {
    /// files: each with its name in the folder.
    pub(super) fn new(files: Vec<(String, Safetensors<S>)>, index: Option<&[u8]>) -> Result<Self> {
        let mut holders = BTreeMap::new();
        for (number, (file, weights)) in files.iter().enumerate() {
            for entry in weights.entries() {
                if let Some(other) = holders.insert(entry.name.clone(), number) {
                    let other = files.get(other).map_or("", |(name, _)| name);
                    let name = &entry.name;
                    return Err(damaged(format!(
                        "tensor `{name}` is in `{other}` and `{file}`"
                    )));
                }
            }
        }
        table::check_count(holders.len() as u64)?;
        let files = Self { files, holders };
        match index {
            Some(index) => files.check_index(&Index::read(index)?)?,
            None if files.files.len() == 1 => {}
            None if files.files.is_empty() => {
                return Err(request(
                    format!("the folder has neither {WEIGHTS} nor {INDEX}"),
                    "choose the whole folder of a model in safetensors",
                ));
            }
            None => {
                return Err(request(
                    format!("{} files of weights have no {INDEX}", files.files.len()),
                    "choose the whole folder, its index among the files",
                ));
            }
        }
        Ok(files)
    }

    fn check_index(&self, index: &Index) -> Result<()> {
        for (tensor, file) in &index.weight_map {
            if !self.files.iter().any(|(name, _)| name == file) {
                return Err(request(
                    format!("{INDEX} names `{file}`, which is not there"),
                    "fetch the file as well",
                ));
            }
            let holder = self.holders.get(tensor).and_then(|&n| self.files.get(n));
            if holder.is_none_or(|(name, _)| name != file) {
                return Err(damaged(format!(
                    "{INDEX} says that tensor `{tensor}` is in `{file}`, and it is not"
                )));
            }
        }
        Ok(())
    }

    /// Names of all tensors.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.holders.keys().map(String::as_str)
    }

    /// The name that the tensor of `row` has in these files, under any prefix of its section. middle: `layers.7.` or
    /// nothing.
    pub(super) fn name_of(&self, section: &Section, middle: &str, row: &Row) -> Result<String> {
        let names = section.prefixes.iter();
        let mut names = names.map(|prefix| format!("{prefix}{middle}{}", row.0));
        let missing = names.clone().next().unwrap_or_default();
        let found = names.find(|name| self.holders.contains_key(name));
        found.ok_or(Error::MissingTensor { name: missing })
    }

    /// Where the tensor called `name` is, which must have `shape`.
    pub(super) fn origin(&self, name: &str, shape: &[u64]) -> Result<Origin> {
        let holder = self.holders.get(name);
        let holder = holder.and_then(|&file| Some((file, &self.files.get(file)?.1)));
        let Some((file, weights)) = holder else {
            let name = name.to_owned();
            return Err(Error::MissingTensor { name });
        };
        let info = weights.require(name, shape)?.clone();
        Ok(Origin { file, info })
    }

    /// Rows of the tensor called `name`.
    pub(super) fn rows(&self, name: &str) -> Result<u64> {
        let missing = || Error::MissingTensor {
            name: name.to_owned(),
        };
        let file = self.holders.get(name).ok_or_else(missing)?;
        let (_, weights) = self.files.get(*file).ok_or_else(missing)?;
        Ok(weights.tensor(name).ok_or_else(missing)?.rows())
    }

    /// Fills `buf` with the stored elements of a tensor from byte `offset`: whole words.
    pub(super) fn read(&self, origin: &Origin, offset: u64, buf: &mut [u8]) -> Result<()> {
        match self.files.get(origin.file) {
            Some((_, weights)) => weights.read_part(&origin.info, Part::Values, offset, buf),
            None => Err(Error::MissingTensor {
                name: origin.info.name.clone(),
            }),
        }
    }
}
