//! What a helper keeps, and what it computes from that.

use outpost_engine::error::{Error, Result};
use outpost_engine::kernels::simd::job::Job;
use outpost_engine::ports::JobWords;

/// Numbers of a job's input and output that are kept allocated between jobs; more than that is freed for weights.
const KEPT_NUMBERS: usize = 2 << 20;

/// The pieces of weights, and the job at hand.
#[derive(Debug, Default)]
pub struct Store {
    slots: Vec<Option<Vec<u8>>>,
    /// What is to be done.
    pub job: JobWords,
    input: Vec<f32>,
    /// What came out.
    pub output: Vec<f32>,
    /// Why nothing came out.
    pub error: String,
}

impl Store {
    /// A slot of so many bytes. `None`, with an error, where there is no memory.
    pub fn reserve(&mut self, bytes: usize) -> Option<u32> {
        let index = self.slots.iter().position(Option::is_none);
        let index = index.unwrap_or(self.slots.len());
        let piece = zeros(bytes);
        let piece = self.told(piece)?;
        let slot = u32::try_from(index).ok()?;
        match self.slots.get_mut(index) {
            Some(free) => *free = Some(piece),
            None => self.slots.push(Some(piece)),
        }
        Some(slot)
    }

    /// A slot's bytes.
    pub fn kept(&mut self, slot: u32) -> Option<&mut [u8]> {
        self.slots.get_mut(slot as usize)?.as_deref_mut()
    }

    /// Frees a slot.
    pub fn release(&mut self, slot: u32) {
        if let Some(kept) = self.slots.get_mut(slot as usize) {
            *kept = None;
        }
    }

    /// The input, made so many numbers long. `None`, with an error, where there is no memory.
    pub fn input(&mut self, numbers: usize) -> Option<&mut [f32]> {
        let enough = resize(&mut self.input, numbers);
        self.told(enough)?;
        Some(&mut self.input)
    }

    /// Does the job -> how many numbers came out. `None`, with an error, if it cannot be done.
    pub fn run(&mut self, slot: u32) -> Option<u32> {
        let done = self.compute(slot);
        self.told(done)?;
        u32::try_from(self.output.len()).ok()
    }

    /// Frees input and output that are large.
    pub fn finished(&mut self) {
        for numbers in [&mut self.input, &mut self.output] {
            if numbers.capacity() > KEPT_NUMBERS {
                *numbers = Vec::new();
            }
        }
    }

    fn compute(&mut self, slot: u32) -> Result<()> {
        let job = Job::from_words(&self.job)?;
        let kept = self.slots.get(slot as usize).and_then(Option::as_ref);
        let kept = kept.ok_or_else(|| Error::Request {
            problem: format!("a helper keeps nothing in slot {slot}"),
            remedy: "load the model again".to_owned(),
        })?;
        self.output.clear();
        resize(&mut self.output, job.output_len())?;
        job.run(kept, &self.input, &mut self.output)
    }

    /// Keeps an error's text.
    fn told<T>(&mut self, result: Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.error = error.to_string();
                None
            }
        }
    }
}

fn zeros(bytes: usize) -> Result<Vec<u8>> {
    let mut piece = Vec::new();
    piece
        .try_reserve_exact(bytes)
        .map_err(|_| no_memory(bytes))?;
    piece.resize(bytes, 0);
    Ok(piece)
}

fn resize(numbers: &mut Vec<f32>, length: usize) -> Result<()> {
    numbers
        .try_reserve_exact(length.saturating_sub(numbers.len()))
        .map_err(|_| no_memory(length.saturating_mul(size_of::<f32>())))?;
    numbers.resize(length, 0.0);
    Ok(())
}

fn no_memory(bytes: usize) -> Error {
    Error::Request {
        problem: format!("a helper thread has no memory for {bytes} bytes"),
        remedy: "close other tabs, or use a smaller model".to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use outpost_engine::kernels::params::{LinearParams, Planes};
    use outpost_engine::weights::BlockType;

    use super::*;

    /// One row `w` of two columns, and a product with it.
    fn product(store: &mut Store, slot: u32, x: [f32; 2]) -> Option<f32> {
        store.job = Job::Linear(LinearParams {
            block: BlockType::F32,
            planes: Planes::default(),
            tokens: 1,
            rows: 1,
            cols: 2,
            first_row: 0,
            out_cols: 1,
        })
        .words();
        store.input(2)?.copy_from_slice(&x);
        let count = store.run(slot)?;
        assert_eq!(count, 1);
        Some(store.output[0])
    }

    fn keep(store: &mut Store, w: [f32; 2]) -> u32 {
        // A piece takes whole quads of 16 bytes.
        let slot = store.reserve(16).unwrap();
        let bytes = w.map(f32::to_le_bytes).concat();
        store.kept(slot).unwrap()[..8].copy_from_slice(&bytes);
        slot
    }

    #[test]
    fn jobs_are_done_on_the_slot_that_they_name() {
        let mut store = Store::default();
        let (one, two) = (keep(&mut store, [1.0, 2.0]), keep(&mut store, [3.0, 4.0]));
        assert_eq!(product(&mut store, one, [5.0, 6.0]), Some(17.0));
        assert_eq!(product(&mut store, two, [5.0, 6.0]), Some(39.0));
    }

    #[test]
    fn a_released_slot_is_freed_and_used_again() {
        let mut store = Store::default();
        let (one, two) = (keep(&mut store, [1.0, 2.0]), keep(&mut store, [3.0, 4.0]));
        store.release(one);
        store.release(one);
        store.release(99);
        assert!(store.kept(one).is_none());
        assert_eq!(product(&mut store, one, [5.0, 6.0]), None);
        assert!(store.error.contains("nothing in slot 0"), "{}", store.error);
        assert_eq!(keep(&mut store, [7.0, 0.0]), one);
        assert_eq!(product(&mut store, two, [5.0, 6.0]), Some(39.0));
    }

    #[test]
    fn what_cannot_be_done_leaves_an_error_and_a_store_that_works() {
        let mut store = Store::default();
        let slot = keep(&mut store, [1.0, 2.0]);
        store.job = [u32::MAX; 16];
        assert_eq!(store.run(slot), None);
        assert!(!store.error.is_empty());
        assert_eq!(store.reserve(usize::MAX), None);
        assert!(store.error.contains("no memory"), "{}", store.error);
        assert!(store.input(usize::MAX).is_none());
        assert_eq!(product(&mut store, slot, [5.0, 6.0]), Some(17.0));
    }

    #[test]
    fn only_large_inputs_and_outputs_are_freed_between_jobs() {
        let mut store = Store::default();
        store.input(KEPT_NUMBERS).unwrap();
        store.finished();
        assert_eq!(store.input.capacity(), KEPT_NUMBERS);
        store.input(KEPT_NUMBERS + 1).unwrap();
        store.finished();
        assert_eq!(store.input.capacity(), 0);
    }
}
