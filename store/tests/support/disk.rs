//! A disk that keeps nothing it has not promised.
//!
//! Of every file it knows the bytes that were flushed, and the writes and truncations since then. After a power failure
//! any subset of these has happened, in any order, each write whole or torn at any byte. A name is sure once its file has
//! been flushed; until then, and after a removal for ever, the name may be there with any file that it ever had since,
//! or not. Nothing else is ever made sure by flushing another file.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use outpost_store::{Disk, DiskError, DiskFile};

use super::random::Random;

/// A disk; clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct FakeDisk(Rc<RefCell<World>>);

/// What would be left if the power went at once.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    names: BTreeMap<String, Name>,
    files: BTreeMap<usize, File>,
}

#[derive(Debug, Default)]
struct World {
    now: Snapshot,
    next_file: usize,
    open: BTreeSet<usize>,
    /// Operations that change something, so far.
    operations: usize,
    /// What was there after each operation.
    taken: Option<Vec<Snapshot>>,
    /// The operation that fails, and how.
    fails: Option<(usize, Failure)>,
    /// Bytes that fit.
    capacity: Option<usize>,
    /// Bytes of files that were ever read, for tests of what is not read.
    read_bytes: u64,
    largest_read: usize,
}

/// How an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Nothing of it happens.
    Before,
    /// It happens, and is reported as failed.
    After,
    /// Of a write half happens; anything else as `Before`. There is no space.
    Full,
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

#[derive(Debug, Clone)]
enum Change {
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

impl FakeDisk {
    /// What is left of a disk after the power has gone.
    pub fn after_power_failure(of: &Snapshot, survival: Survival, random: &mut Random) -> Self {
        let mut files = BTreeMap::new();
        for (number, file) in &of.files {
            let left = Rc::new(file.left(survival, random));
            files.insert(
                *number,
                File {
                    flushed: left.clone(),
                    now: left,
                    since: Vec::new(),
                },
            );
        }
        let names = of.names.iter().filter_map(|(path, name)| {
            let file = match survival {
                Survival::Flushed => name.possible[0],
                Survival::Everything => name.now,
                Survival::Anything => *random.pick(&name.possible),
            };
            file.map(|file| (path.clone(), Name::sure(file)))
        });
        let names: BTreeMap<_, _> = names.collect();
        let named: BTreeSet<usize> = names.values().filter_map(|name| name.now).collect();
        files.retain(|number, _| named.contains(number));
        let next_file = files.keys().last().map_or(0, |last| last + 1);
        Self(Rc::new(RefCell::new(World {
            now: Snapshot { names, files },
            next_file,
            ..World::default()
        })))
    }

    /// A copy as it is, with everything on it sure.
    pub fn copy(&self) -> Self {
        Self::after_power_failure(&self.snapshot(), Survival::Everything, &mut Random::new(0))
    }

    /// The same disk after the tab was closed: nothing is open any more, and nothing more is sure than before.
    pub fn after_reload(&self) -> Self {
        self.0.borrow_mut().open.clear();
        self.clone()
    }

    pub fn snapshot(&self) -> Snapshot {
        self.0.borrow().now.clone()
    }

    /// From here on, every operation leaves a snapshot.
    pub fn take_snapshots(&self) {
        self.0.borrow_mut().taken = Some(Vec::new());
    }

    pub fn taken(&self) -> Vec<Snapshot> {
        self.0.borrow_mut().taken.take().unwrap_or_default()
    }

    pub fn operations(&self) -> usize {
        self.0.borrow().operations
    }

    /// Lets the operation of this number fail, once.
    pub fn fail_at(&self, operation: usize, failure: Failure) {
        self.0.borrow_mut().fails = Some((operation, failure));
    }

    /// Limits the bytes of all files.
    pub fn set_capacity(&self, bytes: Option<usize>) {
        self.0.borrow_mut().capacity = bytes;
    }

    pub fn used(&self) -> usize {
        self.0.borrow().used()
    }

    /// Bytes read since the last time, and the most at once.
    pub fn take_read(&self) -> (u64, usize) {
        let world = &mut *self.0.borrow_mut();
        (
            std::mem::take(&mut world.read_bytes),
            std::mem::take(&mut world.largest_read),
        )
    }

    /// All files, by path.
    pub fn paths(&self) -> Vec<String> {
        let world = self.0.borrow();
        let names = world.now.names.iter();
        names
            .filter(|(_, name)| name.now.is_some())
            .map(|(path, _)| path.clone())
            .collect()
    }

    pub fn content(&self, path: &str) -> Option<Vec<u8>> {
        let world = self.0.borrow();
        let file = world.now.names.get(path)?.now?;
        Some(world.now.files[&file].now.to_vec())
    }

    /// Puts bytes into a file behind the library's back.
    pub fn put(&self, path: &str, bytes: &[u8]) {
        let world = &mut *self.0.borrow_mut();
        let number = world.next_file;
        world.next_file += 1;
        let content = Rc::new(bytes.to_vec());
        world.now.files.insert(
            number,
            File {
                flushed: content.clone(),
                now: content,
                since: Vec::new(),
            },
        );
        world.now.names.insert(path.to_owned(), Name::sure(number));
    }

    /// Takes a file away behind the library's back.
    pub fn take(&self, path: &str) {
        self.0.borrow_mut().now.names.remove(path);
    }
}

impl Disk for FakeDisk {
    type File = FakeFile;

    async fn names(&self, folder: &str) -> Result<Vec<String>, DiskError> {
        let paths = self.paths();
        let inside = paths.iter().filter_map(|path| match folder {
            "" => path.split('/').next(),
            _ => path.strip_prefix(folder)?.strip_prefix('/'),
        });
        let names: BTreeSet<String> = inside.map(str::to_owned).collect();
        Ok(names.into_iter().collect())
    }

    async fn bytes(&self, path: &str) -> Result<Option<u64>, DiskError> {
        let world = self.0.borrow();
        let file = world.now.names.get(path).and_then(|name| name.now);
        Ok(file.map(|file| world.now.files[&file].now.len() as u64))
    }

    async fn open(&self, path: &str) -> Result<FakeFile, DiskError> {
        let file = {
            let world = self.0.borrow();
            world.now.names.get(path).and_then(|name| name.now)
        };
        self.handle(path, file.ok_or(DiskError::Missing)?)
    }

    async fn create(&self, path: &str) -> Result<FakeFile, DiskError> {
        let known = {
            let world = self.0.borrow();
            world.now.names.get(path).and_then(|name| name.now)
        };
        let file = match known {
            Some(file) => file,
            None => self.0.borrow_mut().operation(|world| {
                let number = world.next_file;
                world.next_file += 1;
                world.now.files.insert(number, File::default());
                world.now.name(path, Some(number));
                Ok(number)
            })?,
        };
        self.handle(path, file)
    }

    async fn remove(&self, path: &str) -> Result<(), DiskError> {
        let inside = format!("{path}/");
        let of = |name: &String| *name == path || name.starts_with(&inside);
        let paths: Vec<String> = self.paths().into_iter().filter(of).collect();
        let world = &mut *self.0.borrow_mut();
        for path in paths {
            let held = |file: usize| world.open.contains(&file);
            if world.now.names[&path].now.is_some_and(held) {
                return Err(DiskError::Held);
            }
            world.operation(|world| {
                world.now.name(&path, None);
                Ok(())
            })?;
        }
        Ok(())
    }
}

impl FakeDisk {
    fn handle(&self, path: &str, file: usize) -> Result<FakeFile, DiskError> {
        match self.0.borrow_mut().open.insert(file) {
            false => Err(DiskError::Held),
            true => Ok(FakeFile {
                disk: self.clone(),
                path: path.to_owned(),
                file,
            }),
        }
    }
}

/// An open file.
#[derive(Debug)]
pub struct FakeFile {
    disk: FakeDisk,
    path: String,
    file: usize,
}

impl Drop for FakeFile {
    fn drop(&mut self) {
        self.disk.0.borrow_mut().open.remove(&self.file);
    }
}

impl DiskFile for FakeFile {
    fn bytes(&self) -> Result<u64, DiskError> {
        Ok(self.disk.0.borrow().now.files[&self.file].now.len() as u64)
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), DiskError> {
        let world = &mut *self.disk.0.borrow_mut();
        world.read_bytes += buf.len() as u64;
        world.largest_read = world.largest_read.max(buf.len());
        let content = &world.now.files[&self.file].now;
        let start = offset as usize;
        match content.get(start..start + buf.len()) {
            Some(bytes) => {
                buf.copy_from_slice(bytes);
                Ok(())
            }
            None => Err(DiskError::Other("the file ends too early".to_owned())),
        }
    }

    fn write_all_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let (file, offset) = (self.file, offset as usize);
        let world = &mut *self.disk.0.borrow_mut();
        let write = |world: &mut World, bytes: &[u8]| {
            let change = Change::Write {
                offset,
                bytes: bytes.into(),
            };
            world.now.files.get_mut(&file).unwrap().change(change);
        };
        let fits = world.room(file, offset, bytes.len());
        if world.is_to_fail(Failure::Full) || fits < bytes.len() {
            let half = &bytes[..fits.min(bytes.len() / 2)];
            let _ = world.operation(|world| {
                write(world, half);
                Ok(())
            });
            return Err(DiskError::Full);
        }
        world.operation(|world| {
            write(world, bytes);
            Ok(())
        })
    }

    fn truncate(&mut self, bytes: u64) -> Result<(), DiskError> {
        let file = self.file;
        self.disk.0.borrow_mut().operation(|world| {
            let file = world.now.files.get_mut(&file).unwrap();
            file.change(Change::Truncate(bytes as usize));
            Ok(())
        })
    }

    fn flush(&mut self) -> Result<(), DiskError> {
        let (number, path) = (self.file, &self.path);
        self.disk.0.borrow_mut().operation(|world| {
            let file = world.now.files.get_mut(&number).unwrap();
            file.flushed = file.now.clone();
            file.since.clear();
            let name = world.now.names.get_mut(path).unwrap();
            if name.now == Some(number) {
                *name = Name::sure(number);
            }
            Ok(())
        })
    }
}

impl World {
    fn operation<T>(
        &mut self,
        happen: impl FnOnce(&mut Self) -> Result<T, DiskError>,
    ) -> Result<T, DiskError> {
        let failure = self.fails.filter(|(at, _)| *at == self.operations);
        self.operations += 1;
        let failed = DiskError::Other("the disk does not answer".to_owned());
        let happened = match failure.map(|(_, failure)| failure) {
            None => happen(self),
            Some(Failure::After) => happen(self).and(Err(failed)),
            Some(Failure::Before) => Err(failed),
            Some(Failure::Full) => Err(DiskError::Full),
        };
        let now = &self.now;
        self.taken
            .as_mut()
            .map(|taken| taken.push(now.clone()))
            .unwrap_or_default();
        happened
    }

    fn is_to_fail(&mut self, failure: Failure) -> bool {
        let fails = self.fails == Some((self.operations, failure));
        if fails {
            self.fails = None;
        }
        fails
    }

    fn used(&self) -> usize {
        let files = self.now.names.values().filter_map(|name| name.now);
        files.map(|file| self.now.files[&file].now.len()).sum()
    }

    /// How many of `bytes` can be written.
    fn room(&self, file: usize, offset: usize, bytes: usize) -> usize {
        let length = self.now.files[&file].now.len();
        let grows = (offset + bytes).saturating_sub(length);
        let free = match self.capacity {
            Some(capacity) => capacity.saturating_sub(self.used()),
            None => grows,
        };
        bytes - grows.saturating_sub(free)
    }
}

impl Snapshot {
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
