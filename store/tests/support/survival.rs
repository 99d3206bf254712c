//! What a power failure leaves: the flushed bytes of every file, and of what was done since whatever chance has it.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::random::Random;

/// Names and files of a disk, and what of them is sure.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    names: BTreeMap<String, Name>,
    files: BTreeMap<usize, File>,
}

#[derive(Debug, Clone, Default)]
struct Name {
    /// The file that has the name.
    now: Option<usize>,
    /// What the name may be after a power failure.
    possible: Vec<Option<usize>>,
}

#[derive(Debug, Clone, Default)]
struct File {
    flushed: Rc<Vec<u8>>,
    now: Rc<Vec<u8>>,
    since: Vec<Change>,
}

/// What happens to a file.
#[derive(Debug, Clone)]
pub enum Change {
    Write { offset: usize, bytes: Rc<[u8]> },
    Truncate(usize),
}

/// How merciless a power failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survival {
    /// Only what was flushed is left.
    Flushed,
    /// Everything has happened.
    Everything,
    /// Anything may be left.
    Anything,
}

impl Snapshot {
    /// What is left of it after the power has gone; all of that is sure.
    pub fn left(&self, survival: Survival, random: &mut Random) -> Self {
        let names = self.names.iter().filter_map(|(path, name)| {
            let file = match survival {
                Survival::Flushed => name.possible[0],
                Survival::Everything => name.now,
                Survival::Anything => *random.pick(&name.possible),
            };
            file.map(|file| (path.clone(), Name::sure(file)))
        });
        let names: BTreeMap<_, _> = names.collect();
        let named: BTreeSet<usize> = names.values().filter_map(|name| name.now).collect();
        let files = self
            .files
            .iter()
            .filter(|(number, _)| named.contains(number));
        let files = files.map(|(number, file)| (*number, File::sure(file.left(survival, random))));
        Self {
            files: files.collect(),
            names,
        }
    }

    pub fn paths(&self) -> Vec<String> {
        let named = self.names.iter().filter(|(_, name)| name.now.is_some());
        named.map(|(path, _)| path.clone()).collect()
    }

    pub fn file(&self, path: &str) -> Option<usize> {
        self.names.get(path)?.now
    }

    pub fn content(&self, file: usize) -> &[u8] {
        &self.files[&file].now
    }

    /// A new and empty file under a name.
    pub fn make(&mut self, path: &str) -> usize {
        let number = self.insert(File::default());
        self.name(path, Some(number));
        number
    }

    /// Takes a name away.
    pub fn remove(&mut self, path: &str) {
        self.name(path, None);
    }

    pub fn change(&mut self, file: usize, change: Change) {
        self.files.get_mut(&file).unwrap().change(change);
    }

    /// Makes the bytes of a file sure, and the name if it still is the file's.
    pub fn flush(&mut self, file: usize, path: &str) {
        let flushed = self.files.get_mut(&file).unwrap();
        flushed.flushed = flushed.now.clone();
        flushed.since.clear();
        if self.file(path) == Some(file) {
            self.names.insert(path.to_owned(), Name::sure(file));
        }
    }

    /// Puts a file under a name, as if it had always been there.
    pub fn put(&mut self, path: &str, bytes: &[u8]) {
        let number = self.insert(File::sure(bytes.to_vec()));
        self.names.insert(path.to_owned(), Name::sure(number));
    }

    /// Takes a name away, as if it had never been there.
    pub fn take(&mut self, path: &str) {
        self.names.remove(path);
    }

    fn insert(&mut self, file: File) -> usize {
        let number = self.files.keys().last().map_or(0, |last| last + 1);
        self.files.insert(number, file);
        number
    }

    fn name(&mut self, path: &str, file: Option<usize>) {
        let name = self.names.entry(path.to_owned()).or_insert(Name {
            now: None,
            possible: vec![None],
        });
        name.now = file;
        name.possible.push(file);
    }
}

impl Name {
    fn sure(file: usize) -> Self {
        Self {
            now: Some(file),
            possible: vec![Some(file)],
        }
    }
}

impl File {
    fn sure(bytes: Vec<u8>) -> Self {
        let now = Rc::new(bytes);
        Self {
            flushed: now.clone(),
            now,
            since: Vec::new(),
        }
    }

    fn change(&mut self, change: Change) {
        change.apply(Rc::make_mut(&mut self.now));
        self.since.push(change);
    }

    /// Its bytes after a power failure.
    fn left(&self, survival: Survival, random: &mut Random) -> Vec<u8> {
        match survival {
            Survival::Flushed => return self.flushed.to_vec(),
            Survival::Everything => return self.now.to_vec(),
            Survival::Anything => {}
        }
        let mut happened = self.since.clone();
        if random.one_in(2) {
            random.shuffle(&mut happened);
        }
        happened.retain(|_| !random.one_in(3));
        let mut left = self.flushed.to_vec();
        for change in happened {
            let change = match random.one_in(2) {
                true => change.torn(random),
                false => change,
            };
            change.apply(&mut left);
        }
        left
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Truncate(bytes) => content.resize(*bytes, 0),
            Self::Write { offset, bytes } => {
                let end = offset + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*offset..end].copy_from_slice(bytes);
            }
        }
    }

    /// A write of which only a stretch happened.
    fn torn(self, random: &mut Random) -> Self {
        match self {
            Self::Truncate(_) => self,
            Self::Write { offset, bytes } => {
                let mut cuts = [random.below(bytes.len() + 1), random.below(bytes.len() + 1)];
                cuts.sort_unstable();
                let [from, to] = match random.below(3) {
                    0 => [0, cuts[1]],
                    1 => [cuts[0], bytes.len()],
                    _ => cuts,
                };
                Self::Write {
                    offset: offset + from,
                    bytes: bytes[from..to].into(),
                }
            }
        }
    }
}
