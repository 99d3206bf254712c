//! Histories of a library, and how each goes on from whatever is left when the power has gone.

use pollster::block_on;

use super::disk::FakeDisk;
use super::models::Sample;
use super::random::Random;
use super::run::{Run, Told};
use super::survival::{Snapshot, Survival};

/// Something that a person does. Each number is that of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Takes over what lies there from before there was a journal.
    Adopt,
    /// Installs by manifest.
    Install(usize),
    /// Begins that, and stops in the middle of the part of this number.
    Begin(usize, usize),
    /// Installs by converting, with pieces of the raw file.
    Convert(usize),
    /// Begins that, and stops in the middle of the part of this number.
    BeginConversion(usize, usize),
    /// Deletes whatever there is of the model.
    Delete(usize),
    /// A bit of the part of this number flips; checking finds it, and the part is fetched again.
    SpoilAndRepair(usize, usize),
    CleanUp,
    Compact,
    /// The tab is closed and opened.
    Reload,
}

/// What happens on a disk, from its beginning.
#[derive(Debug, Clone)]
pub struct History {
    pub samples: Vec<Sample>,
    /// Samples that lie there before there is a journal.
    pub old: Vec<usize>,
    pub steps: Vec<Step>,
}

/// Shows a history if a check in it fails.
struct Shown<'h>(&'h History);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("in the history {:?} from {:?}", self.0.steps, self.0.old);
        }
    }
}

impl History {
    /// The disk before the first step.
    pub fn disk(&self) -> FakeDisk {
        let disk = FakeDisk::default();
        for sample in &self.old {
            let sample = &self.samples[*sample];
            for part in sample.plan() {
                let path = format!("{}/{}", sample.id(), part.name);
                disk.put(&path, sample.shard(&part.name));
            }
            let json = sample.manifest.to_json().unwrap();
            disk.put(&format!("{}/manifest.json", sample.id()), &json);
        }
        disk
    }

    /// Stops the history after every operation of the disk and goes on from whatever may be left, `survivals` times
    /// each -> after how many operations that was, and how many power failures.
    pub fn survives_every_crash(&self, survivals: usize, random: &mut Random) -> (usize, usize) {
        let _shown = Shown(self);
        let snapshots = Run::new(self, self.disk(), Told::default()).finish_in_snapshots();
        let mut failures = 0;
        for (snapshot, told) in &snapshots {
            for nth in 0..survivals {
                failures += self.survives(snapshot, told, nth, random);
            }
        }
        (snapshots.len(), failures)
    }

    /// Goes on from what is left of a disk, at times through another power failure -> how many failures that were.
    fn survives(&self, snapshot: &Snapshot, told: &Told, nth: usize, random: &mut Random) -> usize {
        let survival = match nth {
            0 => Survival::Flushed,
            1 if random.one_in(2) => Survival::Everything,
            _ => Survival::Anything,
        };
        let disk = FakeDisk::after_power_failure(snapshot, survival, random);
        let mut run = Run::new(self, disk, told.clone());
        run.open().unwrap();
        run.check();
        if random.one_in(2) {
            block_on(run.library().clean_up()).unwrap();
            run.check();
            run.check_rubbish();
        }
        if !random.one_in(16) {
            run.finish();
            return 1;
        }
        let again = run.finish_in_snapshots();
        let (snapshot, told) = random.pick(&again);
        let disk = FakeDisk::after_power_failure(snapshot, Survival::Anything, random);
        let mut run = Run::new(self, disk, told.clone());
        run.open().unwrap();
        run.check();
        run.finish();
        2
    }

    /// A history of random steps.
    pub fn random(samples: &[Sample], random: &mut Random) -> Self {
        let old: Vec<usize> = match random.one_in(4) {
            true => vec![random.below(samples.len())],
            false => Vec::new(),
        };
        let mut steps = vec![Step::Adopt];
        for _ in 0..3 + random.below(5) {
            let sample = random.below(samples.len());
            let part = random.below(samples[sample].shards.len());
            steps.push(match random.below(14) {
                0..=2 => Step::Install(sample),
                3 | 4 => Step::Begin(sample, part),
                5 | 6 => Step::Convert(sample),
                7 => Step::BeginConversion(sample, part),
                8 | 9 => Step::Delete(sample),
                10 => Step::SpoilAndRepair(sample, part),
                11 => Step::CleanUp,
                12 => Step::Compact,
                _ => Step::Reload,
            });
        }
        Self {
            samples: samples.to_vec(),
            old,
            steps,
        }
    }
}
