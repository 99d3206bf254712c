//! Seeds that are DICOM files, written by hand: no patient is in them.

use crate::Seeds;

const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const IMPLICIT: &str = "1.2.840.10008.1.2";

type Tag = (u16, u16);

/// One file of each syntax, one with sequences, and two slices of one series.
pub fn all() -> Seeds {
    let second = slice(EXPLICIT, "2", "0\\0\\5", &[]);
    let nested = [
        (0x0008, 0x1140, "SQ", u32::MAX),
        (0xfffe, 0xe000, "", u32::MAX),
        (0x0009, 0x0001, "UN", u32::MAX),
        (0xfffe, 0xe0dd, "", 0),
        (0xfffe, 0xe00d, "", 0),
        (0xfffe, 0xe0dd, "", 0),
    ];
    let sequence: Vec<u8> = nested
        .iter()
        .flat_map(|&(group, element, kind, length)| header((group, element), kind, length))
        .collect();
    let first = slice(EXPLICIT, "1", "0\\0\\0", &[]);
    Seeds::from([
        ("two.dcm".to_owned(), [first.clone(), second].concat()),
        ("explicit.dcm".to_owned(), first),
        (
            "implicit.dcm".to_owned(),
            slice(IMPLICIT, "1", "0\\0\\0", &[]),
        ),
        (
            "nested.dcm".to_owned(),
            slice(EXPLICIT, "1", "0\\0\\0", &sequence),
        ),
    ])
}

/// 3 x 2 pixels of 12 bits, with `more` before them.
fn slice(syntax: &str, number: &str, position: &str, more: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 128];
    bytes.extend(b"DICM");
    let mut uid = syntax.as_bytes().to_vec();
    uid.resize(uid.len().next_multiple_of(2), 0);
    bytes.extend(element((0x0002, 0x0010), "UI", &uid));
    let mut add = |tag: Tag, kind: &str, value: &[u8]| match syntax {
        IMPLICIT => bytes.extend([header(tag, "", value.len() as u32), value.to_vec()].concat()),
        _ => bytes.extend(element(tag, kind, value)),
    };
    add((0x0008, 0x0060), "CS", b"CT");
    add((0x0020, 0x000e), "UI", b"1.2.3\0");
    add((0x0020, 0x0013), "IS", &even(number.as_bytes()));
    add((0x0020, 0x0032), "DS", &even(position.as_bytes()));
    add((0x0020, 0x0037), "DS", b"1\\0\\0\\0\\1\\0 ");
    add((0x0028, 0x0002), "US", &[1, 0]);
    add((0x0028, 0x0004), "CS", b"MONOCHROME2 ");
    add((0x0028, 0x0010), "US", &[2, 0]);
    add((0x0028, 0x0011), "US", &[3, 0]);
    add((0x0028, 0x0100), "US", &[16, 0]);
    add((0x0028, 0x0101), "US", &[12, 0]);
    add((0x0028, 0x0102), "US", &[11, 0]);
    add((0x0028, 0x0103), "US", &[0, 0]);
    add((0x0028, 0x1052), "DS", b"-1024 ");
    add((0x0028, 0x1053), "DS", b"1 ");
    add(
        (0x7fe0, 0x0010),
        "OW",
        &[0, 0, 0, 4, 0, 8, 255, 15, 1, 4, 2, 4],
    );
    let pixels = bytes.len() - if syntax == IMPLICIT { 20 } else { 24 };
    bytes.splice(pixels..pixels, more.iter().copied());
    bytes
}

fn element(tag: Tag, kind: &str, value: &[u8]) -> Vec<u8> {
    let value = even(value);
    [header(tag, kind, value.len() as u32), value].concat()
}

fn even(value: &[u8]) -> Vec<u8> {
    let mut value = value.to_vec();
    if value.len() % 2 == 1 {
        value.push(b' ');
    }
    value
}

/// PS3.5, 7.1.2 and 7.1.3; without a kind, as implicit files and delimiters have it.
fn header((group, number): Tag, kind: &str, length: u32) -> Vec<u8> {
    let tag = [group.to_le_bytes(), number.to_le_bytes()].concat();
    match kind {
        "" => [&tag[..], &length.to_le_bytes()].concat(),
        "OW" | "SQ" | "UN" => [&tag[..], kind.as_bytes(), &[0; 2], &length.to_le_bytes()].concat(),
        _ => [&tag[..], kind.as_bytes(), &(length as u16).to_le_bytes()].concat(),
    }
}
