//! Counts what goes to the GPU, as cubecl's stream hands it over.

use std::cell::Cell;

/// GPU commands that are collected before they are submitted on their own: more than a decoded token has. Prefill and the
/// image encoder submit earlier, by the time they take.
pub const TASKS_MAX: usize = 1024;

thread_local! {
    // An engine works on one thread, and another engine's work is not its own.
    static SO_FAR: Cell<Traffic> = const { Cell::new(Traffic { dispatches: 0, submits: 0 }) };
    /// Dispatches that wait for the next submit.
    static WAITING: Cell<u64> = const { Cell::new(0) };
}

/// What went from this thread to the GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traffic {
    /// Kernels dispatched.
    pub dispatches: u64,
    /// Submits to its queue.
    pub submits: u64,
}

impl Traffic {
    /// What went there so far.
    pub fn so_far() -> Self {
        SO_FAR.get()
    }

    /// What went there after `earlier`.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            dispatches: self.dispatches - earlier.dispatches,
            submits: self.submits - earlier.submits,
        }
    }
}

fn submit(submits: u64) {
    let so_far = SO_FAR.get();
    SO_FAR.set(Traffic {
        submits: so_far.submits + submits,
        ..so_far
    });
}

/// `count` dispatches were encoded.
pub fn dispatched(count: u64) {
    let so_far = SO_FAR.get();
    SO_FAR.set(Traffic {
        dispatches: so_far.dispatches + count,
        ..so_far
    });
    let waiting = WAITING.get() + count;
    submit(waiting / TASKS_MAX as u64);
    WAITING.set(waiting % TASKS_MAX as u64);
}

/// The dispatches after `before` were recorded and not done.
pub fn recorded_since(before: Traffic) -> u64 {
    let count = SO_FAR.get().since(before).dispatches;
    SO_FAR.set(before);
    WAITING.set(0);
    count
}

/// What waits was submitted; so is a copy to the host, where there is one.
pub fn submitted(with_copy: bool) {
    if WAITING.replace(0) > 0 || with_copy {
        submit(1);
    }
}
