//! Helper threads on a workstation: the engine's port `Helpers` by `std::thread`.
//!
//! Each helper has a mailbox that belongs to one side at a time: to the engine until a job is begun, to the helper until
//! the job is done. An answer wakes the engine some hundred times a token, so both sides look for a while before they
//! sleep.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use outpost_engine::error::{Error, Result};
use outpost_engine::kernels::simd::job::Job;
use outpost_engine::ports::{Helpers, JobWords};

/// How long either side looks before it sleeps: about as long as waking a sleeper can take.
const SPIN: Duration = Duration::from_micros(50);

/// A sleeper looks again after this long, whether it was woken or not.
const NAP: Duration = Duration::from_millis(100);

/// Most threads besides the engine's own: each of them has a copy of every input.
const MOST: usize = 15;

/// Numbers of a job's input and output that are kept allocated between jobs.
const KEPT_NUMBERS: usize = 2 << 20;

/// Threads that keep rows of weights and multiply with them.
#[derive(Debug)]
pub struct Threads(Vec<Helper>);

#[derive(Debug)]
struct Helper {
    mailbox: Arc<Mailbox>,
    thread: JoinHandle<()>,
}

/// What passes between the engine and one helper.
#[derive(Debug)]
struct Mailbox {
    turn: AtomicU8,
    letter: Mutex<Letter>,
}

/// Whose turn it is: a value of [`Mailbox::turn`].
mod turn {
    /// The helper has nothing to do; the mailbox is the engine's.
    pub const ENGINE: u8 = 0;
    /// The helper computes; the mailbox is the helper's.
    pub const HELPER: u8 = 1;
    /// The helper is to end.
    pub const END: u8 = 2;
    /// The helper has ended.
    pub const ENDED: u8 = 3;
}

#[derive(Debug, Default)]
struct Letter {
    slots: Vec<Option<Vec<u8>>>,
    job: JobWords,
    slot: u32,
    input: Vec<f32>,
    /// What came of the job, until it is taken.
    outcome: Option<Result<Vec<f32>>>,
    /// An output's memory, to be used again.
    spare: Vec<f32>,
    /// Who waits for the job.
    engine: Option<Thread>,
}

impl Threads {
    /// Starts `count` threads, at most [`MOST`]; fewer where the system gives no more.
    pub fn spawn(count: usize) -> Self {
        Self((0..count.min(MOST)).map_while(Helper::spawn).collect())
    }

    /// Starts a thread for each processor core but the one that the engine has.
    pub fn for_this_machine() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self::spawn(cores - 1)
    }

    fn helper(&self, helper: usize) -> Result<&Helper> {
        self.0.get(helper).ok_or_else(|| {
            request(format!(
                "there is no helper thread {helper}, only {}",
                self.0.len()
            ))
        })
    }
}

impl Helpers for Threads {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn keep(&self, helper: usize, bytes: &[u8]) -> Result<u32> {
        let mut letter = self.helper(helper)?.settled()?;
        let mut kept = Vec::new();
        kept.try_reserve_exact(bytes.len())
            .map_err(|_| no_memory(bytes.len()))?;
        kept.extend_from_slice(bytes);
        let slot = letter.slots.iter().position(Option::is_none);
        let slot = slot.unwrap_or_else(|| {
            letter.slots.push(None);
            letter.slots.len() - 1
        });
        letter.slots[slot] = Some(kept);
        u32::try_from(slot).map_err(|_| request("too many pieces are kept"))
    }

    fn release(&self, helper: usize, slot: u32) {
        // A helper that has ended keeps nothing that is ever used again.
        if let Ok(mut letter) = self.helper(helper).and_then(Helper::settled)
            && let Some(kept) = letter.slots.get_mut(slot as usize)
        {
            *kept = None;
        }
    }

    fn begin(&self, helper: usize, slot: u32, job: &JobWords, input: &[f32]) -> Result<()> {
        let helper = self.helper(helper)?;
        let mut letter = helper.settled()?;
        letter.slot = slot;
        letter.job = *job;
        letter.input.clear();
        letter
            .input
            .try_reserve(input.len())
            .map_err(|_| no_memory(size_of_val(input)))?;
        letter.input.extend_from_slice(input);
        letter.engine = Some(thread::current());
        drop(letter);
        helper.hand_over(turn::HELPER)
    }

    fn finish(&self, helper: usize, output: &mut [f32]) -> Result<()> {
        let mut letter = self.helper(helper)?.waited_for()?;
        let begun = letter.outcome.take();
        let came_out =
            begun.ok_or_else(|| request("a result is asked for, but no job was begun"))??;
        if came_out.len() != output.len() {
            return Err(request(format!(
                "a job gave {} numbers where {} are expected",
                came_out.len(),
                output.len()
            )));
        }
        output.copy_from_slice(&came_out);
        if came_out.capacity() <= KEPT_NUMBERS {
            letter.spare = came_out;
        }
        Ok(())
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        for helper in &self.0 {
            // One that has ended by itself needs no telling.
            if helper.waited_for().is_ok() {
                let _ = helper.hand_over(turn::END);
            }
        }
        for helper in self.0.drain(..) {
            // A thread that panicked has said so when it did.
            let _ = helper.thread.join();
        }
    }
}

impl Helper {
    fn spawn(index: usize) -> Option<Self> {
        let mailbox = Arc::new(Mailbox {
            turn: AtomicU8::new(turn::ENGINE),
            letter: Mutex::default(),
        });
        let its = Arc::clone(&mailbox);
        let thread = thread::Builder::new()
            .name(format!("outpost-{}", index + 1))
            .spawn(move || its.work())
            .ok()?;
        Some(Self { mailbox, thread })
    }

    /// Waits until it is the engine's turn.
    fn waited_for(&self) -> Result<MutexGuard<'_, Letter>> {
        match self.mailbox.wait_while(turn::HELPER) {
            turn::ENGINE => Ok(self.mailbox.letter()),
            _ => Err(self.has_ended()),
        }
    }

    /// The same; a result that nobody took is thrown away.
    fn settled(&self) -> Result<MutexGuard<'_, Letter>> {
        let mut letter = self.waited_for()?;
        letter.outcome = None;
        Ok(letter)
    }

    fn hand_over(&self, to: u8) -> Result<()> {
        let (done, failed) = (Ordering::AcqRel, Ordering::Acquire);
        self.mailbox
            .turn
            .compare_exchange(turn::ENGINE, to, done, failed)
            .map_err(|_| self.has_ended())?;
        self.thread.thread().unpark();
        Ok(())
    }

    fn has_ended(&self) -> Error {
        let name = self.thread.thread().name().unwrap_or("helper");
        Error::Device {
            device: "CPU".to_owned(),
            detail: format!("thread {name} has ended"),
        }
    }
}

impl Mailbox {
    /// The helper's life.
    fn work(&self) {
        let _ended = Ended(self);
        while self.wait_while(turn::ENGINE) == turn::HELPER {
            let mut letter = self.letter();
            let outcome = letter.compute();
            letter.outcome = Some(outcome);
            if letter.input.capacity() > KEPT_NUMBERS {
                letter.input = Vec::new();
            }
            let engine = letter.engine.take();
            drop(letter);
            self.turn.store(turn::ENGINE, Ordering::Release);
            if let Some(engine) = engine {
                engine.unpark();
            }
        }
    }

    /// Waits while the turn is `turn` -> whose it is then.
    fn wait_while(&self, turn: u8) -> u8 {
        let look = || Some(self.turn.load(Ordering::Acquire)).filter(|found| *found != turn);
        if let Some(found) = look() {
            return found;
        }
        let begun = Instant::now();
        while begun.elapsed() < SPIN {
            for _ in 0..64 {
                if let Some(found) = look() {
                    return found;
                }
                std::hint::spin_loop();
            }
            // Where there are more threads than free cores, the other side may need this one.
            thread::yield_now();
        }
        loop {
            if let Some(found) = look() {
                return found;
            }
            thread::park_timeout(NAP);
        }
    }

    /// A panic while a job was computed ends the helper, so a letter is never used half written.
    fn letter(&self) -> MutexGuard<'_, Letter> {
        self.letter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says that a helper has ended, however that came.
struct Ended<'a>(&'a Mailbox);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.turn.store(turn::ENDED, Ordering::Release);
        if let Some(engine) = self.0.letter().engine.take() {
            engine.unpark();
        }
    }
}

impl Letter {
    fn compute(&mut self) -> Result<Vec<f32>> {
        let job = Job::from_words(&self.job)?;
        let kept = self.slots.get(self.slot as usize).and_then(Option::as_ref);
        let kept = kept.ok_or_else(|| request(format!("nothing is kept in slot {}", self.slot)))?;
        let mut output = std::mem::take(&mut self.spare);
        let length = job.output_len();
        output.clear();
        output
            .try_reserve_exact(length)
            .map_err(|_| no_memory(length.saturating_mul(size_of::<f32>())))?;
        output.resize(length, 0.0);
        job.run(kept, &self.input, &mut output)?;
        Ok(output)
    }
}

fn request(problem: impl Into<String>) -> Error {
    Error::Request {
        problem: problem.into(),
        remedy: "compute on the engine's own thread".to_owned(),
    }
}

fn no_memory(bytes: usize) -> Error {
    Error::Device {
        device: "CPU".to_owned(),
        detail: format!("a helper thread has no memory for {bytes} bytes"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use outpost_engine::kernels::params::{EmbedParams, LinearParams, Planes};
    use outpost_engine::weights::BlockType;

    use super::*;

    const COLS: usize = 96;

    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        let mix = |i: u32| (i ^ seed).wrapping_mul(2_654_435_761) >> 8;
        (0..count as u32)
            .map(|i| mix(i) as f32 / (1 << 23) as f32 - 1.0)
            .collect()
    }

    fn bytes(numbers: &[f32]) -> Vec<u8> {
        numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect()
    }

    fn linear(tokens: usize, rows: usize) -> Job {
        Job::Linear(LinearParams {
            block: BlockType::F32,
            planes: Planes::default(),
            tokens,
            rows,
            cols: COLS,
            first_row: 0,
            out_cols: rows,
        })
    }

    fn alone(job: &Job, kept: &[u8], input: &[f32]) -> Vec<f32> {
        let mut output = vec![0.0; job.output_len()];
        job.run(kept, input, &mut output).unwrap();
        output
    }

    fn bits(numbers: &[f32]) -> Vec<u32> {
        numbers.iter().map(|number| number.to_bits()).collect()
    }

    #[test]
    fn helpers_compute_what_one_thread_does_bit_for_bit() {
        let threads = Threads::spawn(3);
        assert_eq!(threads.count(), 3);
        for (tokens, rows) in [(1, 1), (1, 64), (7, 33), (64, 128)] {
            let input = numbers(tokens * COLS, 7);
            let job = linear(tokens, rows);
            let pieces: Vec<Vec<u8>> = (0..3)
                .map(|helper| bytes(&numbers(rows * COLS, helper)))
                .collect();
            for (helper, piece) in pieces.iter().enumerate() {
                let slot = threads.keep(helper, piece).unwrap();
                threads.begin(helper, slot, &job.words(), &input).unwrap();
            }
            for (helper, piece) in pieces.iter().enumerate() {
                let mut output = vec![0.0; tokens * rows];
                threads.finish(helper, &mut output).unwrap();
                assert_eq!(bits(&output), bits(&alone(&job, piece, &input)));
            }
        }
    }

    #[test]
    fn rows_that_a_piece_does_not_hold_are_zeros_whatever_was_computed_before() {
        let threads = Threads::spawn(1);
        let kept = bytes(&numbers(4 * COLS, 1));
        let slot = threads.keep(0, &kept).unwrap();
        let mut output = vec![0.0; 2 * COLS];
        let begin = |job: &Job, input: &[f32]| threads.begin(0, slot, &job.words(), input).unwrap();
        begin(&linear(2 * COLS / 4, 4), &numbers(2 * COLS / 4 * COLS, 2));
        threads.finish(0, &mut output).unwrap();

        let embed = Job::Embed(EmbedParams {
            block: BlockType::F32,
            planes: Planes::default(),
            tokens: 2,
            rows: 4,
            cols: COLS,
            first_row: 10,
            scale: 1.0,
        });
        begin(&embed, &[f32::from_bits(9), f32::from_bits(12)]);
        threads.finish(0, &mut output).unwrap();
        assert_eq!(output[..COLS], [0.0; COLS]);
        assert_eq!(bytes(&output[COLS..]), kept[2 * COLS * 4..3 * COLS * 4]);
    }

    #[test]
    fn a_job_that_makes_no_sense_is_an_error_and_the_helper_goes_on() {
        let threads = Threads::spawn(1);
        let kept = bytes(&numbers(COLS, 1));
        let slot = threads.keep(0, &kept).unwrap();
        let (job, input) = (linear(1, 1), numbers(COLS, 2));
        let mut output = [0.0];

        assert!(threads.finish(0, &mut output).is_err());
        threads.begin(0, slot, &[u32::MAX; 16], &input).unwrap();
        assert!(threads.finish(0, &mut output).is_err());
        threads.begin(0, slot + 1, &job.words(), &input).unwrap();
        assert!(threads.finish(0, &mut output).is_err());
        threads.begin(0, slot, &job.words(), &input[1..]).unwrap();
        assert!(threads.finish(0, &mut output).is_err());
        threads.begin(0, slot, &job.words(), &input).unwrap();
        assert!(threads.finish(0, &mut [0.0; 2]).is_err());
        assert!(threads.keep(1, &kept).is_err());
        assert!(threads.begin(1, slot, &job.words(), &input).is_err());

        threads.begin(0, slot, &job.words(), &input).unwrap();
        threads.finish(0, &mut output).unwrap();
        assert_eq!(bits(&output), bits(&alone(&job, &kept, &input)));
    }

    #[test]
    fn a_result_that_nobody_took_is_thrown_away() {
        let threads = Threads::spawn(1);
        let kept = bytes(&numbers(COLS, 1));
        let slot = threads.keep(0, &kept).unwrap();
        let (job, input) = (linear(1, 1), numbers(COLS, 2));
        threads
            .begin(0, slot, &job.words(), &numbers(COLS, 3))
            .unwrap();
        threads.begin(0, slot, &job.words(), &input).unwrap();
        let mut output = [0.0];
        threads.finish(0, &mut output).unwrap();
        assert_eq!(bits(&output), bits(&alone(&job, &kept, &input)));
        assert!(threads.finish(0, &mut output).is_err());
    }

    #[test]
    fn what_is_released_is_freed_and_its_slot_used_again() {
        let threads = Threads::spawn(1);
        let kept_bytes = || -> usize {
            let letter = threads.0[0].mailbox.letter();
            letter.slots.iter().flatten().map(Vec::capacity).sum()
        };
        let slots = [(); 3].map(|()| threads.keep(0, &[0; 4096]).unwrap());
        assert_eq!(slots, [0, 1, 2]);
        assert_eq!(kept_bytes(), 3 * 4096);
        threads.release(0, 1);
        threads.release(0, 1);
        threads.release(0, 99);
        assert_eq!(kept_bytes(), 2 * 4096);
        assert_eq!(threads.keep(0, &[0; 16]).unwrap(), 1);
        assert_eq!(kept_bytes(), 2 * 4096 + 16);
    }

    /// A helper that panics with its first job.
    fn doomed() -> Threads {
        let mailbox = Arc::new(Mailbox {
            turn: AtomicU8::new(turn::ENGINE),
            letter: Mutex::default(),
        });
        let its = Arc::clone(&mailbox);
        let thread = thread::spawn(move || {
            let _ended = Ended(&its);
            its.wait_while(turn::ENGINE);
            let _letter = its.letter();
            panic!("on purpose");
        });
        Threads(vec![Helper { mailbox, thread }])
    }

    #[test]
    fn a_helper_that_panics_gives_errors_and_no_hang() {
        let threads = doomed();
        let (job, input) = (linear(1, 1), numbers(COLS, 2));
        threads.begin(0, 0, &job.words(), &input).unwrap();
        let error = threads.finish(0, &mut [0.0]).unwrap_err();
        assert!(error.to_string().contains("has ended"), "{error}");
        assert!(threads.begin(0, 0, &job.words(), &input).is_err());
        assert!(threads.finish(0, &mut [0.0]).is_err());
        assert!(threads.keep(0, &[0]).is_err());
        threads.release(0, 0);
    }

    #[test]
    fn helpers_end_with_their_owner_in_the_middle_of_a_job_too() {
        let threads = Threads::spawn(2);
        let mailbox = Arc::downgrade(&threads.0[0].mailbox);
        let slot = threads.keep(0, &bytes(&numbers(64 * COLS, 1))).unwrap();
        let input = numbers(64 * COLS, 2);
        threads
            .begin(0, slot, &linear(64, 64).words(), &input)
            .unwrap();
        drop(threads);
        assert!(mailbox.upgrade().is_none());
    }
}
