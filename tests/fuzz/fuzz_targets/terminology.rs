//! Tables of codes and indexes of them. The first byte says what the rest is: the body of an index, whose header is made to fit,
//! names and relations of RxNorm, an own list, or the tabular list and the codes of ICD-10-CM. Two files are parted by a zero.

#![no_main]

use libfuzzer_sys::fuzz_target;
use outpost_clinic::Result;
use outpost_clinic::terminology::{Index, choose, icd10cm, list, rxnorm};
use outpost_fuzz::opened;
use twox_hash::XxHash64;

/// Memory for a byte of the file, and for none. A word of an index costs a node of the FST, and building that a table.
const FACTOR: u64 = 256;
const BASE_BYTES: u64 = 16 << 20;

fuzz_target!(|data: &[u8]| {
    let Some((&kind, rest)) = data.split_first() else {
        return;
    };
    let limit = FACTOR * data.len() as u64 + BASE_BYTES;
    if kind % 4 == 0 {
        return search(&sealed(rest), limit);
    }
    let Ok(text) = std::str::from_utf8(rest) else {
        return;
    };
    let (first, second) = match text.split_once('\0') {
        Some((first, second)) => (first, Some(second)),
        None => (text, None),
    };
    if kind % 4 == 1 {
        let whole = opened(limit, || rxnorm::read(first, second, "1"));
        assert!(whole == in_pieces(kind, first, second).ok());
        if let Some(file) = whole {
            search(&file, limit);
        }
        return;
    }
    let table = opened(limit, || match kind % 4 {
        2 => list::read(text, "own", None),
        _ => icd10cm::read(first, second.unwrap_or_default(), "1"),
    });
    // What was read can be written, unless it is not sound, and then be searched.
    if let Some(Ok(bytes)) = table.map(|table| table.to_bytes()) {
        search(&bytes, limit);
    }
});

/// RxNorm's files in pieces, whose length the first byte says.
fn in_pieces(kind: u8, names: &str, relations: Option<&str>) -> Result<Vec<u8>> {
    let length = usize::from(kind / 4) + 1;
    let mut reader = rxnorm::Reader::of("1");
    for piece in names.as_bytes().chunks(length) {
        reader.names(piece)?;
    }
    for piece in relations.unwrap_or_default().as_bytes().chunks(length) {
        reader.relations(piece)?;
    }
    Ok(reader.finish()?.into_bytes())
}

fn search(bytes: &[u8], limit: u64) {
    let Some(index) = opened(limit, || Index::from_bytes(bytes)) else {
        return;
    };
    let (codes, complete) = index.counts();
    assert!(complete <= codes);
    let own = index.codes().next().map(|(code, _)| code);
    let display = own.as_deref().and_then(|code| index.lookup(code));
    let display = display.map(|coding| coding.display).unwrap_or_default();
    for query in [
        "marsh fever",
        "abc",
        "m01.1",
        &display,
        own.as_deref().unwrap_or_default(),
    ] {
        let found = index.search(query, 5);
        assert!(found.len() <= 5);
        assert!(found.iter().all(|one| (0.0..=1.0).contains(&one.score)));
        let _ = choose(&found);
    }
}

/// An index file with this body.
fn sealed(body: &[u8]) -> Vec<u8> {
    let mut bytes = b"OUTPOSTT\x01\0\0\0".to_vec();
    bytes.extend_from_slice(&XxHash64::oneshot(0, body).to_le_bytes());
    bytes.extend_from_slice(body);
    bytes
}
