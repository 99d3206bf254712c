//! What a helper thread of the page computes with. `web/static/thread.js` calls it and carries bytes to and fro.
//!
//! All memory is owned here. An address that a function returns is where the caller may read or write until it calls
//! the next function, and no further than the length that it has asked for or been told. 0 means that there is no memory.
//! Natively, where only tests run, no name is exported: some are those of the C library.

mod store;

use std::cell::RefCell;

use store::Store;

/// Stands for a slot or a count where something failed.
const NONE: u32 = u32::MAX;

thread_local! {
    static STORE: RefCell<Store> = RefCell::default();
}

/// Makes a slot of so many bytes, which the caller fills -> the slot, or `u32::MAX` where there is no memory.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn reserve(bytes: usize) -> u32 {
    STORE.with_borrow_mut(|store| store.reserve(bytes).unwrap_or(NONE))
}

/// Where a slot's bytes are.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn kept(slot: u32) -> usize {
    STORE.with_borrow_mut(|store| {
        store
            .kept(slot)
            .map_or(0, |bytes| bytes.as_mut_ptr().addr())
    })
}

/// Frees a slot; it may be given to other bytes.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn release(slot: u32) {
    STORE.with_borrow_mut(|store| store.release(slot));
}

/// Where the caller writes the 16 words of the job.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn job() -> usize {
    STORE.with_borrow_mut(|store| store.job.as_mut_ptr().addr())
}

/// Where the caller writes so many numbers that go into the job.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn input(numbers: usize) -> usize {
    STORE.with_borrow_mut(|store| {
        store
            .input(numbers)
            .map_or(0, |input| input.as_mut_ptr().addr())
    })
}

/// Does the job on a slot -> how many numbers came out, or `u32::MAX` and then there is an error.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn run(slot: u32) -> u32 {
    STORE.with_borrow_mut(|store| store.run(slot).unwrap_or(NONE))
}

/// Where the numbers are that came out.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn output() -> usize {
    STORE.with_borrow(|store| store.output.as_ptr().addr())
}

/// Where the latest error's text is, in UTF-8.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn error() -> usize {
    STORE.with_borrow(|store| store.error.as_ptr().addr())
}

/// Bytes of the latest error's text.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn error_bytes() -> usize {
    STORE.with_borrow(|store| store.error.len())
}

/// Says that input and output are needed no more.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn finished() {
    STORE.with_borrow_mut(Store::finished);
}
