//! A disk that keeps nothing it has not promised.
//!
//! Of every file it knows the bytes that were flushed, and the writes and truncations since then. After a power failure
//! any subset of these has happened, in any order, each write whole or torn at any byte. A name is sure once its file has
//! been flushed; until then, and after a removal for ever, the name may be there with any file that it ever had since,
//! or not. Nothing else is ever made sure by flushing another file.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use outpost_store::{Disk, DiskError, DiskFile};

use super::random::Random;
use super::survival::{Change, Snapshot, Survival};

/// A disk; clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct FakeDisk(Rc<RefCell<World>>);

#[derive(Debug, Default)]
struct World {
    now: Snapshot,
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

impl FakeDisk {
    /// What is left of a disk after the power has gone.
    pub fn after_power_failure(of: &Snapshot, survival: Survival, random: &mut Random) -> Self {
        Self(Rc::new(RefCell::new(World {
            now: of.left(survival, random),
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
        self.0.borrow().now.paths()
    }

    pub fn content(&self, path: &str) -> Option<Vec<u8>> {
        let world = self.0.borrow();
        Some(world.now.content(world.now.file(path)?).to_vec())
    }

    /// Puts bytes into a file behind the library's back.
    pub fn put(&self, path: &str, bytes: &[u8]) {
        self.0.borrow_mut().now.put(path, bytes);
    }

    /// Takes a file away behind the library's back.
    pub fn take(&self, path: &str) {
        self.0.borrow_mut().now.take(path);
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
        let file = world.now.file(path);
        Ok(file.map(|file| world.now.content(file).len() as u64))
    }

    async fn open(&self, path: &str) -> Result<FakeFile, DiskError> {
        let file = self.0.borrow().now.file(path);
        self.handle(path, file.ok_or(DiskError::Missing)?)
    }

    async fn create(&self, path: &str) -> Result<FakeFile, DiskError> {
        let known = self.0.borrow().now.file(path);
        let file = match known {
            Some(file) => file,
            None => self.0.borrow_mut().operation(|now| now.make(path))?,
        };
        self.handle(path, file)
    }

    async fn remove(&self, path: &str) -> Result<(), DiskError> {
        let inside = format!("{path}/");
        let of = |name: &String| *name == path || name.starts_with(&inside);
        let paths: Vec<String> = self.paths().into_iter().filter(of).collect();
        let world = &mut *self.0.borrow_mut();
        for path in paths {
            let file = world.now.file(&path);
            if file.is_some_and(|file| world.open.contains(&file)) {
                return Err(DiskError::Held);
            }
            world.operation(|now| now.remove(&path))?;
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
        Ok(self.disk.0.borrow().now.content(self.file).len() as u64)
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), DiskError> {
        let world = &mut *self.disk.0.borrow_mut();
        world.read_bytes += buf.len() as u64;
        world.largest_read = world.largest_read.max(buf.len());
        let start = offset as usize;
        match world.now.content(self.file).get(start..start + buf.len()) {
            Some(bytes) => {
                buf.copy_from_slice(bytes);
                Ok(())
            }
            None => Err(DiskError::Other("the file ends too early".to_owned())),
        }
    }

    fn write_all_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let (file, offset) = (self.file, offset as usize);
        let write = |bytes: &[u8]| Change::Write {
            offset,
            bytes: bytes.into(),
        };
        let world = &mut *self.disk.0.borrow_mut();
        let fits = world.room(file, offset, bytes.len());
        if world.is_to_fail(Failure::Full) || fits < bytes.len() {
            let half = &bytes[..fits.min(bytes.len() / 2)];
            world.operation(|now| now.change(file, write(half)))?;
            return Err(DiskError::Full);
        }
        world.operation(|now| now.change(file, write(bytes)))
    }

    fn truncate(&mut self, bytes: u64) -> Result<(), DiskError> {
        let (file, change) = (self.file, Change::Truncate(bytes as usize));
        let world = &mut *self.disk.0.borrow_mut();
        world.operation(|now| now.change(file, change))
    }

    fn flush(&mut self) -> Result<(), DiskError> {
        let (file, path) = (self.file, self.path.as_str());
        let world = &mut *self.disk.0.borrow_mut();
        world.operation(|now| now.flush(file, path))
    }
}

impl World {
    fn operation<T>(&mut self, happen: impl FnOnce(&mut Snapshot) -> T) -> Result<T, DiskError> {
        let failure = self.fails.filter(|(at, _)| *at == self.operations);
        self.operations += 1;
        let failed = Err(DiskError::Other("the disk does not answer".to_owned()));
        let happened = match failure.map(|(_, failure)| failure) {
            None => Ok(happen(&mut self.now)),
            Some(Failure::After) => {
                happen(&mut self.now);
                failed
            }
            Some(Failure::Before) => failed,
            Some(Failure::Full) => Err(DiskError::Full),
        };
        if let Some(taken) = &mut self.taken {
            taken.push(self.now.clone());
        }
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
        let paths = self.now.paths();
        let files = paths.iter().filter_map(|path| self.now.file(path));
        files.map(|file| self.now.content(file).len()).sum()
    }

    /// How many of `bytes` can be written.
    fn room(&self, file: usize, offset: usize, bytes: usize) -> usize {
        let Some(capacity) = self.capacity else {
            return bytes;
        };
        let grows = (offset + bytes).saturating_sub(self.now.content(file).len());
        let free = capacity.saturating_sub(self.used());
        bytes - grows.saturating_sub(free).min(bytes)
    }
}
