//! DICOM files: one or two slices of a CT, whose pixels and order are asked for. The second begins where the input says
//! `DICM` again.

#![no_main]
// Of the clinic only these files are compiled: the crate as a whole needs the engine's `compute`.
#![allow(dead_code)]

#[path = "../../../clinic/src"]
mod clinic {
    pub mod ct;
    pub mod dicom;
    pub mod error;
}

use clinic::{ct, dicom, error};
use libfuzzer_sys::fuzz_target;
use outpost_fuzz::{check_error, opened};

/// Memory for a byte of the file, and for none. A stored pixel has two bytes, in Hounsfield units four.
const FACTOR: u64 = 8;
const BASE_BYTES: u64 = 64 << 10;

/// Bytes before `DICM`.
const PREAMBLE_BYTES: usize = 128;

fuzz_target!(|data: &[u8]| {
    let limit = FACTOR * data.len() as u64 + BASE_BYTES;
    if let Some(image) = opened(limit, || dicom::read(data)) {
        match image.slice() {
            Ok(slice) => check_picture(&slice, data.len()),
            Err(error) => check_error(&error),
        }
    }
    let again = data.windows(4).skip(2 * PREAMBLE_BYTES);
    let second = again.clone().position(|bytes| bytes == b"DICM");
    let files = match second {
        Some(at) => {
            let (first, second) = data.split_at(at + PREAMBLE_BYTES);
            vec![first, second]
        }
        None => vec![data],
    };
    for most in [1, ct::MAX_SLICES] {
        if let Some(series) = opened(limit, || dicom::series(&files, most)) {
            assert!((1..=most.min(files.len())).contains(&series.slices().len()));
        }
    }
});

fn check_picture(slice: &ct::Slice, bytes: usize) {
    let picture = slice.picture(&ct::Windows::MEDGEMMA_1_5);
    let pixels = u64::from(picture.width) * u64::from(picture.height);
    assert!(picture.width.max(picture.height) <= ct::MAX_SIDE);
    assert!(pixels > 0 && 2 * pixels < bytes as u64);
    assert_eq!(picture.pixels.len() as u64, 3 * pixels);
}
