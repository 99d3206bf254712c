//! A run of a history: does each step as a caller would, remembers what it was told, and checks that it stays true.

use std::collections::{BTreeMap, BTreeSet};

use outpost_store::{Conversion, Error, Installation, Library, Model, Result, Status, Writer};
use pollster::block_on;

use super::disk::{FakeDisk, FakeFile};
use super::histories::{History, Step};
use super::models::Sample;
use super::survival::Snapshot;

/// What the caller was told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    opened: bool,
    /// Steps that were done.
    pub(super) done: usize,
    /// Samples that are installed, by id.
    pub(super) installed: BTreeMap<String, usize>,
    /// Parts that were stored, by sample, and whether they were converted.
    stored: BTreeMap<(usize, bool), BTreeSet<String>>,
}

/// A run.
pub struct Run<'h> {
    pub(super) history: &'h History,
    pub(super) disk: FakeDisk,
    library: Option<Library<FakeDisk>>,
    pub(super) told: Told,
    /// What the caller had been told, after how many operations of the disk.
    log: Vec<(usize, Told)>,
    in_snapshots: bool,
}

impl<'h> Run<'h> {
    pub fn new(history: &'h History, disk: FakeDisk, told: Told) -> Self {
        Self {
            history,
            disk,
            library: None,
            log: Vec::new(),
            told,
            in_snapshots: false,
        }
    }

    pub fn is_open(&self) -> bool {
        self.library.is_some()
    }

    pub fn history(&self) -> &'h History {
        self.history
    }

    pub fn library(&self) -> &Library<FakeDisk> {
        self.library.as_ref().unwrap()
    }

    /// Does all steps that are not done, and checks everything again after another start.
    pub fn finish(&mut self) {
        self.try_finish().unwrap();
    }

    /// The same, where the disk may fail; may be called again.
    ///
    /// # Errors
    /// Those of the library.
    pub fn try_finish(&mut self) -> Result<()> {
        if self.library.is_none() {
            self.open()?;
        }
        while self.told.done < self.history.steps.len() {
            self.next()?;
        }
        self.check();
        block_on(self.library().clean_up())?;
        self.check_rubbish();
        self.reload()?;
        self.check();
        self.check_rubbish();
        Ok(())
    }

    /// The same -> what is on the disk after each of its operations, with what the caller had been told by then.
    pub fn finish_in_snapshots(&mut self) -> Vec<(Snapshot, Told)> {
        let first = self.disk.snapshot();
        self.disk.take_snapshots();
        self.in_snapshots = true;
        self.told(|_| {});
        let before = self.disk.operations();
        self.finish();
        let snapshots = [vec![first], self.disk.taken()].concat();
        let told = |operations: usize| {
            let known = self.log.iter().rev();
            let mut known = known.filter(|(at, _)| *at <= operations);
            known.next().map(|(_, told)| told.clone()).unwrap()
        };
        let snapshots = snapshots.into_iter().enumerate();
        snapshots
            .map(|(nth, snapshot)| (snapshot, told(before + nth)))
            .collect()
    }

    /// Opens the library, as after a start.
    pub fn open(&mut self) -> Result<()> {
        self.library = None;
        let (library, found) = block_on(Library::open(self.disk.clone(), self.told.opened))?;
        assert!(!found.journal_gone, "the journal is lost");
        assert_eq!(found.gone, [], "files are gone");
        self.library = Some(library);
        self.told(|told| told.opened = true);
        Ok(())
    }

    /// Closes the tab and opens it.
    pub fn reload(&mut self) -> Result<()> {
        self.library = None;
        self.disk = self.disk.after_reload();
        self.open()
    }

    /// Leaves the next step out if it only helps: who was refused that does something else.
    pub fn skip_help(&mut self) {
        let next = self.history.steps.get(self.told.done);
        if matches!(next, Some(Step::Compact | Step::CleanUp)) {
            self.told(|told| told.done += 1);
        }
    }

    /// Does the next step, from its beginning or from where it was interrupted.
    ///
    /// # Errors
    /// Those of the library.
    fn next(&mut self) -> Result<()> {
        match self.history.steps[self.told.done] {
            Step::Adopt => self.adopt()?,
            Step::Install(sample) => self.install(sample, None)?,
            Step::Begin(sample, part) => self.install(sample, Some(part))?,
            Step::Convert(sample) => self.convert(sample, None)?,
            Step::BeginConversion(sample, part) => self.convert(sample, Some(part))?,
            Step::Delete(sample) => self.delete(sample)?,
            Step::SpoilAndRepair(sample, part) => self.spoil_and_repair(sample, part)?,
            Step::CleanUp => block_on(self.library().clean_up()).map(|_| ())?,
            Step::Compact => block_on(self.library().compact())?,
            Step::Reload => self.reload()?,
        }
        self.told(|told| told.done += 1);
        Ok(())
    }

    fn adopt(&mut self) -> Result<()> {
        block_on(self.library().adopt(1, &mut ()))?;
        for sample in self.history.old.clone() {
            self.told_installed(sample);
        }
        Ok(())
    }

    fn install(&mut self, number: usize, stop_in: Option<usize>) -> Result<()> {
        let sample = self.begin(number);
        let manifest = &sample.manifest;
        let installation = block_on(self.library().install(manifest, "elsewhere"))?;
        if self.write_missing(number, false, &installation, stop_in)? {
            block_on(self.library().complete(&installation, manifest, 2))?;
            self.told_installed(number);
        }
        Ok(())
    }

    fn convert(&mut self, number: usize, stop_in: Option<usize>) -> Result<()> {
        let sample = self.begin(number);
        let plan = sample.plan();
        let conversion = Conversion {
            key: &sample.key,
            name: &sample.manifest.name,
            source: "a file",
            shards: &[],
        };
        let installation = block_on(self.library().convert(conversion))?;
        let converted = Conversion {
            shards: &plan,
            ..conversion
        };
        let planned = block_on(self.library().convert(converted))?;
        if !self.library().missing(&planned).is_empty() {
            self.fetch_pieces(sample, &installation)?;
        }
        if self.write_missing(number, true, &planned, stop_in)? {
            for piece in self.library().pieces(&planned) {
                block_on(self.library().drop_piece(&planned, piece.number))?;
            }
            block_on(self.library().complete(&planned, &sample.manifest, 3))?;
            self.told_installed(number);
        }
        Ok(())
    }

    fn fetch_pieces(&self, sample: &Sample, installation: &Installation) -> Result<()> {
        let library = self.library();
        for (number, bytes) in sample.pieces.iter().enumerate() {
            let number = number as u32;
            let stored = library.pieces(installation);
            if let Some(piece) = stored.iter().find(|piece| piece.number == number) {
                assert_eq!(piece.hash_state, format!("after {number}"));
                let path = format!("{}/raw~{number:05}", installation.folder);
                assert_eq!(self.disk.content(&path).as_ref(), Some(bytes), "{path}");
                continue;
            }
            let mut writer = block_on(library.write_piece(installation, number))?;
            assert_eq!(writer.written(), 0);
            writer.write(bytes)?;
            library.finish_piece(writer, &format!("after {number}"))?;
        }
        Ok(())
    }

    fn delete(&mut self, number: usize) -> Result<()> {
        let sample: &'h Sample = &self.history.samples[number];
        self.forget(|_, other| other.id() == sample.id() || other.key == sample.key);
        let of_this = |model: &Model| {
            model.id.as_deref() == Some(sample.id()) || model.key.as_ref() == Some(&sample.key)
        };
        for model in self.library().list() {
            if of_this(&model) {
                block_on(self.library().delete(&model.folder))?;
            }
        }
        self.told(|told| {
            told.installed.remove(sample.id());
        });
        Ok(())
    }

    fn spoil_and_repair(&mut self, number: usize, part: usize) -> Result<()> {
        let sample: &'h Sample = &self.history.samples[number];
        let name = sample.plan()[part].name.clone();
        let Some(model) = self.library().installed(sample.id()) else {
            return Ok(());
        };
        if self.told.installed.get(sample.id()) != Some(&number) {
            return Ok(());
        }
        self.told(|told| {
            for stored in told.stored.values_mut() {
                stored.remove(&name);
            }
        });
        let mut spoiled = sample.shard(&name).to_vec();
        spoiled[part] ^= 0x10;
        let path = format!("{}/{name}", model.folder);
        if model.status == Status::Installed {
            self.disk.put(&path, &spoiled);
        }
        let found = block_on(self.library().verify(&model.folder, &mut ()))?;
        assert_eq!(
            found,
            std::slice::from_ref(&name),
            "checking found something else"
        );
        let installation = block_on(self.library().resume(&model.folder))?;
        let whole = self.write_missing(number, false, &installation, None)?;
        assert!(whole);
        block_on(self.library().complete(&installation, &sample.manifest, 4))?;
        self.told_installed(number);
        Ok(())
    }

    /// Begins to install a sample: what another one of its id has is not spoken of any more.
    fn begin(&mut self, number: usize) -> &'h Sample {
        let sample: &'h Sample = &self.history.samples[number];
        self.forget(|_, other| {
            other.id() == sample.id() && other.manifest.files != sample.manifest.files
        });
        sample
    }

    /// Writes what is missing, two parts at once, and stops in the middle of one if asked to -> whether that is all.
    fn write_missing(
        &mut self,
        number: usize,
        converted: bool,
        installation: &Installation,
        stop_in: Option<usize>,
    ) -> Result<bool> {
        let sample: &'h Sample = &self.history.samples[number];
        let missing = self.library().missing(installation);
        let known = self.told.stored.get(&(number, converted));
        for part in &missing {
            let again = known.is_some_and(|known| known.contains(&part.name));
            assert!(!again, "{} was stored and is asked for again", part.name);
        }
        for pair in missing.chunks(2) {
            let mut writers = Vec::new();
            for part in pair {
                writers.push((part, self.writer(installation, &part.name)?));
            }
            for (part, writer) in &mut writers {
                let rest = &sample.shard(&part.name)[writer.written() as usize..];
                writer.write(&rest[..rest.len() / 2])?;
            }
            for (part, mut writer) in writers.into_iter().rev() {
                if stop_in.is_some_and(|stop| sample.plan()[stop].name == part.name) {
                    return Ok(false);
                }
                write_rest(sample, &part.name, &mut writer)?;
                match self.library().finish(writer) {
                    Err(Error::WrongPart { .. }) => {
                        let mut writer = self.writer(installation, &part.name)?;
                        assert_eq!(writer.written(), 0, "a wrong part is emptied");
                        write_rest(sample, &part.name, &mut writer)?;
                        self.library().finish(writer)?;
                    }
                    finished => {
                        finished?;
                    }
                }
                self.told(|told| {
                    let stored = told.stored.entry((number, converted)).or_default();
                    stored.insert(part.name.clone());
                });
            }
        }
        Ok(self.library().missing(installation).is_empty())
    }

    fn writer(&self, installation: &Installation, name: &str) -> Result<Writer<FakeFile>> {
        block_on(self.library().write(installation, name, &mut ()))
    }

    /// From here on a sample is installed: nobody asks for its parts again.
    fn told_installed(&mut self, number: usize) {
        let sample: &'h Sample = &self.history.samples[number];
        let of_this_key = self
            .library()
            .installed(sample.id())
            .is_some_and(|model| model.key.as_ref() == Some(&sample.key));
        let (id, plan) = (sample.id().to_owned(), sample.plan());
        if !of_this_key {
            let key = sample.key.clone();
            self.forget(|converted, other| converted && other.key == key);
        }
        self.told(|told| {
            let all: BTreeSet<String> = plan.into_iter().map(|part| part.name).collect();
            told.installed.insert(id, number);
            if of_this_key {
                told.stored.insert((number, true), all.clone());
            }
            told.stored.insert((number, false), all);
        });
    }

    fn forget(&mut self, which: impl Fn(bool, &Sample) -> bool) {
        let samples = &self.history.samples;
        let stored = std::mem::take(&mut self.told.stored).into_iter();
        let kept = stored.filter(|((number, converted), _)| !which(*converted, &samples[*number]));
        let kept = kept.collect();
        self.told(|told| told.stored = kept);
    }

    /// Remembers what the caller was told.
    fn told(&mut self, tell: impl FnOnce(&mut Told)) {
        tell(&mut self.told);
        if self.in_snapshots {
            self.log.push((self.disk.operations(), self.told.clone()));
        }
    }
}

fn write_rest(sample: &Sample, name: &str, writer: &mut Writer<FakeFile>) -> Result<()> {
    let rest = &sample.shard(name)[writer.written() as usize..];
    writer.write(rest)
}
