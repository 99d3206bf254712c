//! CT slices from DICOM files, and files that are none. Every file here is written by hand: no patient is in it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use outpost_clinic::Error;
use outpost_clinic::ct::{MAX_SIDE, Series};
use outpost_clinic::dicom::{self, Geometry, order};
use proptest::prelude::*;

const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const IMPLICIT: &str = "1.2.840.10008.1.2";
const UNDEFINED: u32 = u32::MAX;

/// A file as its data elements: tag, value representation, value.
#[derive(Clone)]
struct File {
    syntax: &'static str,
    elements: Vec<((u16, u16), &'static str, Vec<u8>)>,
}

impl File {
    /// A slice of 3 x 2 pixels: 12 bits, unsigned, value - 1024 Hounsfield units.
    fn new(stored: [u16; 6]) -> Self {
        let pixels = stored
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let mut file = Self {
            syntax: EXPLICIT,
            elements: Vec::new(),
        };
        file.text((0x0008, 0x0060), "CS", "CT");
        file.text((0x0010, 0x0010), "PN", "Nobody^At^All");
        file.text((0x0020, 0x000E), "UI", "1.2.3");
        file.text((0x0020, 0x0013), "IS", "1");
        file.text((0x0020, 0x0032), "DS", "-10\\-20.5\\30");
        file.text((0x0020, 0x0037), "DS", "1\\0\\0\\0\\1\\0");
        file.short((0x0028, 0x0002), 1);
        file.text((0x0028, 0x0004), "CS", "MONOCHROME2");
        file.short((0x0028, 0x0010), 2);
        file.short((0x0028, 0x0011), 3);
        file.short((0x0028, 0x0100), 16);
        file.short((0x0028, 0x0101), 12);
        file.short((0x0028, 0x0102), 11);
        file.short((0x0028, 0x0103), 0);
        file.text((0x0028, 0x1052), "DS", "-1024");
        file.text((0x0028, 0x1053), "DS", "1");
        file.set((0x7FE0, 0x0010), "OW", pixels);
        file
    }

    /// A slice at a height along the patient, with a number.
    fn at(z: f64, number: i64) -> Self {
        let mut file = Self::new([1024 + number as u16; 6]);
        file.text((0x0020, 0x0032), "DS", &format!("0\\0\\{z}"));
        file.text((0x0020, 0x0013), "IS", &number.to_string());
        file
    }

    fn set(&mut self, tag: (u16, u16), representation: &'static str, value: Vec<u8>) {
        self.remove(tag);
        self.elements.push((tag, representation, value));
        self.elements.sort_by_key(|(tag, ..)| *tag);
    }

    fn text(&mut self, tag: (u16, u16), representation: &'static str, text: &str) {
        let mut value = text.as_bytes().to_vec();
        if value.len() % 2 == 1 {
            value.push(if representation == "UI" { 0 } else { b' ' });
        }
        self.set(tag, representation, value);
    }

    fn short(&mut self, tag: (u16, u16), value: u16) {
        self.set(tag, "US", value.to_le_bytes().to_vec());
    }

    fn remove(&mut self, tag: (u16, u16)) {
        self.elements.retain(|(known, ..)| *known != tag);
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = begin(self.syntax);
        for (tag, representation, value) in &self.elements {
            let explicit = (self.syntax != IMPLICIT).then_some(*representation);
            bytes.extend(header(*tag, explicit, value.len() as u32));
            bytes.extend(value);
        }
        bytes
    }
}

/// Preamble and the file's own header.
fn begin(syntax: &str) -> Vec<u8> {
    let mut bytes = vec![0; 128];
    bytes.extend(b"DICM");
    let mut uid = syntax.as_bytes().to_vec();
    uid.resize(uid.len().next_multiple_of(2), 0);
    bytes.extend(header((0x0002, 0x0010), Some("UI"), uid.len() as u32));
    bytes.extend(uid);
    bytes
}

fn header(tag: (u16, u16), representation: Option<&str>, length: u32) -> Vec<u8> {
    let mut bytes = [tag.0.to_le_bytes(), tag.1.to_le_bytes()].concat();
    match representation {
        None => bytes.extend(length.to_le_bytes()),
        Some(long @ ("OB" | "OW" | "SQ" | "UN")) => {
            bytes.extend(long.as_bytes());
            bytes.extend([0; 2]);
            bytes.extend(length.to_le_bytes());
        }
        Some(short) => {
            bytes.extend(short.as_bytes());
            bytes.extend((length as u16).to_le_bytes());
        }
    }
    bytes
}

fn hounsfield(bytes: &[u8]) -> Vec<f32> {
    let slice = dicom::read(bytes).unwrap().slice().unwrap();
    assert_eq!((slice.width(), slice.height()), (3, 2));
    slice.hounsfield().to_vec()
}

fn refusal(bytes: &[u8]) -> Error {
    dicom::read(bytes).map(|_| ()).unwrap_err()
}

#[test]
fn stored_values_become_hounsfield_units_in_both_syntaxes() {
    let mut file = File::new([0, 1024, 1025, 1064, 4095, 24]);
    let expected = [-1024.0, 0.0, 1.0, 40.0, 3071.0, -1000.0];
    for syntax in [EXPLICIT, IMPLICIT] {
        file.syntax = syntax;
        assert_eq!(hounsfield(&file.bytes()), expected);
    }
    file.text((0x0028, 0x0004), "CS", "MONOCHROME1");
    assert_eq!(
        hounsfield(&file.bytes()),
        expected,
        "a polarity is for showing"
    );
}

#[test]
fn signed_and_narrow_values_keep_their_sign_and_lose_what_lies_above_them() {
    let mut file = File::new([0xF801, 0x07FF, 0x0800, 0x0FFF, 0xA001, 0]);
    file.short((0x0028, 0x0103), 1);
    file.text((0x0028, 0x1052), "DS", "0.5");
    file.text((0x0028, 0x1053), "DS", " 2e0 ");
    let stored = [-2047.0, 2047.0, -2048.0, -1.0, 1.0, 0.0];
    assert_eq!(
        hounsfield(&file.bytes()),
        stored.map(|value| value * 2.0 + 0.5)
    );

    file.short((0x0028, 0x0101), 16);
    file.short((0x0028, 0x0102), 15);
    let stored = [-2047.0, 2047.0, 2048.0, 4095.0, -24_575.0, 0.0];
    assert_eq!(
        hounsfield(&file.bytes()),
        stored.map(|value| value * 2.0 + 0.5)
    );
}

#[test]
fn geometry_is_read_and_no_name() {
    let bytes = File::new([0; 6]).bytes();
    let image = dicom::read(&bytes).unwrap();
    let geometry = image.geometry();
    assert_eq!(geometry.instance, Some(1));
    assert_eq!(geometry.position, Some([-10.0, -20.5, 30.0]));
    assert_eq!(geometry.along_normal(), Some(30.0));
    assert_eq!(image.slice().unwrap().position_mm(), Some(30.0));
    assert!(!format!("{geometry:?}").contains("Nobody"));
}

#[test]
fn sequences_are_skipped_however_their_ends_are_marked() {
    let item = |length| header((0xFFFE, 0xE000), None, length);
    let item_end = header((0xFFFE, 0xE00D), None, 0);
    let sequence_end = header((0xFFFE, 0xE0DD), None, 0);
    // What must not be taken for the slice's own: rows in a sequence.
    let rows = |explicit| [header((0x0028, 0x0010), explicit, 2), vec![9, 0]].concat();
    let us = Some("US");
    let sequence = |representation, length| header((0x0008, 0x1140), representation, length);
    let nested = [
        sequence(Some("SQ"), UNDEFINED),
        item(UNDEFINED),
        rows(us),
        item_end.clone(),
        sequence_end.clone(),
    ]
    .concat();
    let sequences = [
        [sequence(Some("SQ"), 18), item(10), rows(us)].concat(),
        [
            sequence(Some("SQ"), UNDEFINED),
            item(10),
            rows(us),
            sequence_end.clone(),
        ]
        .concat(),
        [
            sequence(Some("SQ"), UNDEFINED),
            item(UNDEFINED),
            nested,
            rows(us),
            item_end.clone(),
            sequence_end.clone(),
        ]
        .concat(),
        // Of unknown kind and length: implicit inside, and explicit again behind it.
        [
            sequence(Some("UN"), UNDEFINED),
            item(UNDEFINED),
            rows(None),
            item_end,
            sequence_end,
        ]
        .concat(),
    ];
    let file = File::new([1024; 6]);
    let at = begin(EXPLICIT).len();
    for sequence in sequences {
        let mut bytes = file.bytes();
        bytes.splice(at..at, sequence);
        assert_eq!(hounsfield(&bytes), [0.0; 6]);
    }
}

#[test]
fn deep_nesting_costs_nothing() {
    let mut bytes = begin(IMPLICIT);
    for _ in 0..200_000 {
        bytes.extend(header((0x0008, 0x1140), None, UNDEFINED));
        bytes.extend(header((0xFFFE, 0xE000), None, UNDEFINED));
    }
    let error = refusal(&bytes);
    assert!(
        error.to_string().contains("ends within a sequence"),
        "{error}"
    );
}

#[test]
fn a_length_beyond_the_file_is_refused_before_anything_is_allocated() {
    let mut bytes = begin(IMPLICIT);
    bytes.extend(header((0x0008, 0x0018), None, 0xFFFF_FFF0));
    bytes.extend(b"1.2");
    let error = refusal(&bytes);
    assert!(
        error
            .to_string()
            .contains("4294967280 bytes, and 3 are left"),
        "{error}"
    );
}

#[test]
fn a_file_that_ends_early_is_refused_wherever_it_ends() {
    let bytes = File::new([1024; 6]).bytes();
    assert!(dicom::read(&bytes).is_ok());
    for length in 0..bytes.len() {
        let error = refusal(&bytes[..length]);
        assert!(matches!(error, Error::Dicom { .. }), "{length}: {error}");
    }
}

#[test]
fn every_needed_element_is_missed_by_name() {
    for (tag, name) in [
        ((0x0008, 0x0060), "modality (0008,0060)"),
        ((0x0028, 0x0002), "samples per pixel (0028,0002)"),
        ((0x0028, 0x0010), "number of rows (0028,0010)"),
        ((0x0028, 0x0011), "number of columns (0028,0011)"),
        ((0x0028, 0x0100), "bits allocated (0028,0100)"),
        ((0x0028, 0x0101), "bits stored (0028,0101)"),
        ((0x0028, 0x0102), "high bit (0028,0102)"),
        ((0x0028, 0x0103), "pixel representation (0028,0103)"),
        ((0x0028, 0x1052), "rescale intercept (0028,1052)"),
        ((0x0028, 0x1053), "rescale slope (0028,1053)"),
        ((0x7FE0, 0x0010), "pixel data (7FE0,0010)"),
    ] {
        let mut file = File::new([0; 6]);
        file.remove(tag);
        let error = refusal(&file.bytes());
        assert!(matches!(error, Error::Dicom { .. }), "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn compressed_files_are_refused_by_the_name_of_their_syntax() {
    for (syntax, name) in [
        ("1.2.840.10008.1.2.4.70", "JPEG Lossless"),
        ("1.2.840.10008.1.2.4.90", "JPEG 2000 Lossless"),
        ("1.2.840.10008.1.2.5", "RLE Lossless"),
        ("1.2.840.10008.1.2.1.99", "Deflated"),
        ("1.2.840.10008.1.2.2", "Big Endian"),
        ("1.2.3.4", "1.2.3.4"),
    ] {
        let mut file = File::new([0; 6]);
        file.syntax = syntax;
        let error = refusal(&file.bytes());
        assert!(matches!(error, Error::Unsupported { .. }), "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
    // Fragments under a name that promises none.
    let mut bytes = File::new([0; 6]).bytes();
    let at = bytes.len() - 16;
    bytes[at..at + 4].copy_from_slice(&UNDEFINED.to_le_bytes());
    let error = refusal(&bytes);
    assert!(error.to_string().contains("fragments"), "{error}");
}

#[test]
fn what_is_no_single_ct_slice_is_refused() {
    type Change = fn(&mut File);
    let changes: [(Change, &str); 8] = [
        (|file| file.text((0x0008, 0x0060), "CS", "MR"), "\"MR\""),
        (|file| file.text((0x0028, 0x1054), "LO", "US"), "\"US\""),
        (
            |file| file.text((0x0028, 0x0008), "IS", "40"),
            "\"40\" frames",
        ),
        (|file| file.text((0x0028, 0x0004), "CS", "RGB"), "\"RGB\""),
        (|file| file.short((0x0028, 0x0002), 3), "3 samples"),
        (|file| file.short((0x0028, 0x0100), 8), "of 8"),
        (|file| file.short((0x0028, 0x0101), 17), "17 bits"),
        (|file| file.short((0x0028, 0x0102), 15), "up to bit 15"),
    ];
    for (change, says) in changes {
        let mut file = File::new([0; 6]);
        change(&mut file);
        let error = refusal(&file.bytes());
        assert!(matches!(error, Error::Unsupported { .. }), "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn contradictions_are_refused() {
    type Change = fn(&mut File);
    let changes: [(Change, &str); 9] = [
        (|file| file.short((0x0028, 0x0010), 3), "need 18 bytes"),
        (|file| file.short((0x0028, 0x0010), 0), "need 0 bytes"),
        (|file| file.short((0x0028, 0x0103), 2), "is 2"),
        (
            |file| file.text((0x0028, 0x0010), "IS", "long"),
            "has 4 bytes for 2",
        ),
        (|file| file.text((0x0028, 0x1053), "DS", "0"), "is 0"),
        (|file| file.text((0x0028, 0x1053), "DS", "one"), "\"one\""),
        (|file| file.text((0x0028, 0x1052), "DS", "inf"), "\"inf\""),
        (|file| file.text((0x0028, 0x1052), "DS", "1\\2"), "1\\\\2"),
        (
            |file| file.text((0x0020, 0x0032), "DS", "1\\2"),
            "image position",
        ),
    ];
    for (change, says) in changes {
        let mut file = File::new([0; 6]);
        change(&mut file);
        let error = refusal(&file.bytes());
        assert!(matches!(error, Error::Dicom { .. }), "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
    let mut file = File::new([0; 6]);
    file.short((0x0028, 0x0011), MAX_SIDE as u16 + 1);
    let error = refusal(&file.bytes());
    assert!(matches!(error, Error::LimitExceeded { .. }), "{error}");
    // A product beyond f32 is found where it is made.
    let mut file = File::new([4095; 6]);
    file.text((0x0028, 0x1053), "DS", "1e300");
    assert!(dicom::read(&file.bytes()).unwrap().slice().is_err());
}

/// A wrong length makes one element swallow those after it; what is in there is nobody's business.
#[test]
fn an_element_that_swallowed_others_is_refused_without_being_quoted() {
    for tag in [(0x0008, 0x0060), (0x0020, 0x0032)] {
        let mut file = File::at(0.0, 1);
        let swallowed = format!("0\\0\\0{}DOE^JANE", " ".repeat(200));
        file.text(tag, "LO", &swallowed);
        let message = refusal(&file.bytes()).to_string();
        assert!(!message.contains("DOE"), "{message}");
        assert!(message.len() < 300, "{message}");
    }
}

#[test]
fn no_dicom_at_all_is_refused() {
    for bytes in [&b""[..], b"DICM", &[0; 200], b"\x89PNG\r\n\x1a\n"] {
        let error = refusal(bytes);
        assert!(error.to_string().contains("does not begin"), "{error}");
    }
    let mut bytes = vec![0; 128];
    bytes.extend(b"DICM");
    assert!(refusal(&bytes).to_string().contains("transfer syntax"));
    let stray = [begin(EXPLICIT), header((0xFFFE, 0xE0DD), None, 0)].concat();
    assert!(
        refusal(&stray)
            .to_string()
            .contains("outside of a sequence")
    );
    let unnamed = [begin(EXPLICIT), header((0x0008, 0x0060), None, 0)].concat();
    assert!(
        refusal(&unnamed)
            .to_string()
            .contains("no value representation")
    );
}

/// First values of the slices of a series.
fn first_values(series: &Series) -> Vec<f32> {
    let slices = series.slices().iter();
    slices.map(|slice| slice.hounsfield()[0]).collect()
}

fn read_series(files: &[File], most: usize) -> Result<Vec<f32>, Error> {
    let files: Vec<_> = files.iter().map(File::bytes).collect();
    dicom::series(&files, most).map(|series| first_values(&series))
}

#[test]
fn slices_follow_their_places_in_the_direction_of_their_numbers() {
    let up = [File::at(10.0, 3), File::at(-5.0, 1), File::at(2.5, 2)];
    assert_eq!(read_series(&up, 85).unwrap(), [1.0, 2.0, 3.0]);
    let down = [File::at(10.0, 1), File::at(-5.0, 3), File::at(2.5, 2)];
    assert_eq!(read_series(&down, 85).unwrap(), [1.0, 2.0, 3.0]);
    // Numbers that contradict places between the ends: places are measured, numbers are counted.
    let mixed = [
        File::at(0.0, 1),
        File::at(1.0, 3),
        File::at(2.0, 2),
        File::at(3.0, 4),
    ];
    assert_eq!(read_series(&mixed, 85).unwrap(), [1.0, 3.0, 2.0, 4.0]);
}

#[test]
fn without_places_the_numbers_count_and_without_both_nothing_does() {
    let mut files = [File::at(0.0, 2), File::at(0.0, 10), File::at(0.0, 1)];
    for file in &mut files {
        file.remove((0x0020, 0x0037));
    }
    assert_eq!(read_series(&files, 85).unwrap(), [1.0, 2.0, 10.0]);
    files[1].remove((0x0020, 0x0013));
    let error = read_series(&files, 85).unwrap_err();
    assert!(
        error.to_string().contains("neither places nor numbers"),
        "{error}"
    );
    assert!(
        read_series(&files[1..2], 85).is_ok(),
        "one slice needs no order"
    );
}

#[test]
fn a_series_is_sampled_after_it_is_ordered() {
    let files: Vec<_> = (0..10)
        .rev()
        .map(|n| File::at(f64::from(n), i64::from(n)))
        .collect();
    assert_eq!(read_series(&files, 4).unwrap(), [2.0, 4.0, 7.0, 9.0]);
    assert!(read_series(&[], 4).is_err());
}

#[test]
fn files_that_are_not_one_series_are_refused() {
    let change = |tag, representation, text: &str| {
        let mut file = File::at(1.0, 2);
        file.text(tag, representation, text);
        file
    };
    for (other, says) in [
        (change((0x0020, 0x000E), "UI", "1.2.4"), "several series"),
        (
            change((0x0020, 0x0037), "DS", "0\\1\\0\\0\\0\\1"),
            "not parallel",
        ),
        (File::at(0.0, 2), "same place"),
    ] {
        let error = read_series(&[File::at(0.0, 1), other], 85).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
    let mut twins = [File::at(0.0, 1), File::at(1.0, 1)];
    twins
        .iter_mut()
        .for_each(|file| file.remove((0x0020, 0x0032)));
    let error = read_series(&twins, 85).unwrap_err();
    assert!(error.to_string().contains("same number"), "{error}");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), syntax in 0..3) {
        let begun = match syntax {
            0 => begin(EXPLICIT),
            1 => begin(IMPLICIT),
            _ => Vec::new(),
        };
        let _ = dicom::read(&[begun, bytes].concat());
    }

    #[test]
    fn no_damage_makes_it_panic(
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), implicit: bool,
    ) {
        let mut file = File::new([7; 6]);
        file.syntax = if implicit { IMPLICIT } else { EXPLICIT };
        let mut bytes = file.bytes();
        for (place, byte) in places {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Ok(image) = dicom::read(&bytes) {
            let _ = image.slice();
        }
    }

    #[test]
    fn an_order_holds_every_slice_once_and_its_places_run_one_way(
        heights in prop::collection::btree_set(-10_000_i32..10_000, 1..40), seed: u64, upside_down: bool,
    ) {
        let sign = if upside_down { -1.0 } else { 1.0 };
        let mut slices: Vec<Geometry> = heights
            .iter()
            .map(|&height| Geometry {
                series: 0,
                instance: None,
                position: Some([3.0, 4.0, f64::from(height) / 10.0]),
                orientation: Some([[1.0, 0.0, 0.0], [0.0, sign, 0.0]]),
            })
            .collect();
        slices.sort_by_key(|slice| slice.position.map(|p| (p[2].to_bits().wrapping_mul(seed | 1)).rotate_left(17)));
        let slices: Vec<&Geometry> = slices.iter().collect();
        let found = order(&slices).unwrap();
        let places: Vec<f64> = found.iter().map(|&i| slices[i].along_normal().unwrap()).collect();
        prop_assert_eq!(places.len(), heights.len());
        prop_assert!(places.is_sorted_by(|a, b| a < b));
    }
}
