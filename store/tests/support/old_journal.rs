//! A journal as it was written before shards had checksums.

use outpost_store::Sha256;

use super::disk::FakeDisk;

const HEADER_BYTES: usize = 36;
const SEAL_BYTES: usize = 16;

/// Writes the journal without checksums -> how many files had them.
pub fn take_sums(disk: &FakeDisk) -> usize {
    let journals = ["journal.1", "journal.2"].map(|path| (path, disk.content(path)));
    let counts = journals.into_iter().filter_map(|(path, bytes)| {
        let bytes = bytes.filter(|bytes| !bytes.is_empty())?;
        let (without, count) = without_sums(&bytes);
        disk.put(path, &without);
        Some(count)
    });
    counts.sum()
}

fn without_sums(journal: &[u8]) -> (Vec<u8>, usize) {
    let (header, mut rest) = journal.split_at(HEADER_BYTES);
    let mut written = header.to_vec();
    let mut count = 0;
    while let Some((bytes, after)) = rest.split_first_chunk::<4>() {
        let (payload, after) = after.split_at(u32::from_le_bytes(*bytes) as usize);
        let mut payload = String::from_utf8(payload.to_vec()).unwrap();
        while let Some(start) = payload.find(",\"sums\":\"") {
            let end = payload[start + 9..].find('"').unwrap() + start + 10;
            payload.replace_range(start..end, "");
            count += 1;
        }
        let seal = &written[written.len() - SEAL_BYTES..];
        let entry = [&(payload.len() as u32).to_le_bytes(), payload.as_bytes()].concat();
        let seal = Sha256::of(&[seal, &entry].concat()).0;
        written.extend(entry);
        written.extend(&seal[..SEAL_BYTES]);
        rest = &after[SEAL_BYTES..];
    }
    (written, count)
}
