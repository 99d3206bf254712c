//! A model as one file: a tar archive of its manifest and its shards, so that one device can hand it to the next without a
//! network. What `tar` unpacks from one is a shard set as a server would offer it.
//!
//! The archive is never in memory. Whoever writes one puts [`header`], the bytes and [`padding`] of each member after one
//! another, and [`END`] last; whoever reads one finds out by [`members`] where each lies.

use std::collections::BTreeSet;
use std::io::{self, Read, Seek, SeekFrom};

use outpost_engine::ports::ByteSource;
use outpost_engine::weights::limits::MAX_SHARDS;
use tar::{EntryType, Header};

use crate::error::{Error, Result};

/// The manifest's name in an archive, and beside the shards on a server.
pub const MANIFEST: &str = "manifest.json";
/// The terms and the notice of a model, for people.
pub const NOTICE: &str = "NOTICE.txt";

/// What tar counts in.
const BLOCK_BYTES: u64 = 512;
/// Where a header says that it is one.
const MAGIC_AT: u64 = 257;
const MAGIC: &[u8; 5] = b"ustar";
/// Most members that are looked at: every shard, and what somebody may have put beside them.
const MAX_MEMBERS: u64 = MAX_SHARDS + 64;

/// What ends an archive.
pub const END: [u8; 2 * BLOCK_BYTES as usize] = [0; 2 * BLOCK_BYTES as usize];

/// A file in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name, without the folders that it lies in.
    pub name: String,
    /// Where its bytes begin.
    pub offset: u64,
    /// How many they are.
    pub bytes: u64,
}

/// What precedes a member's bytes.
///
/// # Errors
/// [`Error::Request`] for a name that is none or too long.
pub fn header(name: &str, bytes: u64, modified_s: u64) -> Result<Vec<u8>> {
    let mut header = Header::new_ustar();
    header.set_path(name).map_err(|error| Error::Request {
        problem: format!("\"{}\" cannot be archived: {error}", name.escape_debug()),
        remedy: "use a shorter name",
    })?;
    header.set_entry_type(EntryType::Regular);
    header.set_size(bytes);
    header.set_mode(0o644);
    header.set_mtime(modified_s);
    header.set_cksum();
    Ok(header.as_bytes().to_vec())
}

/// How many zeros follow a member's bytes.
pub fn padding(bytes: u64) -> u64 {
    bytes.next_multiple_of(BLOCK_BYTES) - bytes
}

/// Whether a file begins like an archive.
pub fn is_archive(source: &impl ByteSource) -> bool {
    let mut magic = [0; MAGIC.len()];
    source.read_exact_at(MAGIC_AT, &mut magic).is_ok() && &magic == MAGIC
}

/// The files in an archive, in its order. Only headers are read.
///
/// # Errors
/// [`Error::Archive`] for one that is cut, damaged or no archive.
pub fn members(source: &impl ByteSource) -> Result<Vec<Member>> {
    let unusable = |problem: String| Error::Archive {
        name: source.label().to_owned(),
        problem,
    };
    let failed = |error: io::Error| unusable(error.to_string());
    let mut archive = tar::Archive::new(Reader { source, at: 0 });
    let mut members: Vec<Member> = Vec::new();
    let mut names = BTreeSet::new();
    // Raw: a name or a size that is written elsewhere than in its header may be of any length, and ours never are.
    for entry in archive.entries_with_seek().map_err(failed)?.raw(true) {
        let entry = entry.map_err(failed)?;
        if entry.header().entry_type() != EntryType::Regular {
            continue;
        }
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        let (offset, bytes) = (entry.raw_file_position(), entry.size());
        if offset
            .checked_add(bytes)
            .is_none_or(|end| end > source.len())
        {
            return Err(unusable(format!("it ends within {name}")));
        }
        if !names.insert(name.clone()) {
            return Err(unusable(format!("{name} is in it twice")));
        }
        if members.len() as u64 == MAX_MEMBERS {
            return Err(unusable(format!("it holds more than {MAX_MEMBERS} files")));
        }
        members.push(Member {
            name,
            offset,
            bytes,
        });
    }
    Ok(members)
}

/// A source as a stream that can jump.
struct Reader<'s, S> {
    source: &'s S,
    at: u64,
}

impl<S: ByteSource> Read for Reader<'_, S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = self.source.len().saturating_sub(self.at);
        let count = left.min(buf.len() as u64) as usize;
        let buf = buf.get_mut(..count).unwrap_or_default();
        self.source
            .read_exact_at(self.at, buf)
            .map_err(io::Error::other)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl<S: ByteSource> Seek for Reader<'_, S> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(to) => Some(to),
            SeekFrom::End(by) => self.source.len().checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = to.ok_or_else(|| io::Error::other("a place before the beginning"))?;
        Ok(self.at)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, content) in files {
            bytes.extend(header(name, content.len() as u64, 1_700_000_000).unwrap());
            bytes.extend_from_slice(content);
            bytes.resize(bytes.len() + padding(content.len() as u64) as usize, 0);
        }
        bytes.extend(END);
        bytes
    }

    #[test]
    fn the_tar_of_others_finds_every_member_as_it_was_written() {
        let files: [(&str, &[u8]); 3] = [
            ("manifest.json", b"{}"),
            ("empty", b""),
            ("text-1.bin", &[7; 1500]),
        ];
        let bytes = archive(&files);
        let mut found = Vec::new();
        for entry in tar::Archive::new(&bytes[..]).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            found.push((entry.path().unwrap().display().to_string(), content));
        }
        let written = files.map(|(name, content)| (name.to_owned(), content.to_vec()));
        assert_eq!(found, written);
    }

    #[test]
    fn folders_in_names_are_left_out_and_other_entries_passed_over() {
        let mut builder = tar::Builder::new(Vec::new());
        let mut folder = Header::new_gnu();
        folder.set_entry_type(EntryType::Directory);
        folder.set_size(0);
        builder.append_data(&mut folder, "a/", &[][..]).unwrap();
        let mut file = Header::new_gnu();
        file.set_size(3);
        builder
            .append_data(&mut file, "a/../b.bin", &b"abc"[..])
            .unwrap_err();
        builder
            .append_data(&mut file, "a/b.bin", &b"abc"[..])
            .unwrap();
        let bytes = builder.into_inner().unwrap();
        let found = members(&bytes).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].name.as_str(), found[0].bytes), ("b.bin", 3));
        let at = found[0].offset as usize;
        assert_eq!(&bytes[at..at + 3], b"abc");
    }

    #[test]
    fn a_file_that_is_there_twice_makes_the_archive_unusable() {
        let problem = members(&archive(&[("a", b"1"), ("a", b"2")])).unwrap_err();
        assert!(
            problem.to_string().contains("a is in it twice"),
            "{problem}"
        );
    }

    #[test]
    fn a_cut_archive_says_so() {
        let bytes = archive(&[("text-1.bin", &[7; 1500])]);
        let problem = members(&bytes[..1000].to_vec()).unwrap_err();
        assert!(matches!(problem, Error::Archive { .. }), "{problem}");
    }

    #[test]
    fn other_files_are_no_archives() {
        assert!(is_archive(&archive(&[("a", b"1")])));
        assert!(!is_archive(&b"GGUF".to_vec()));
        assert!(!is_archive(&vec![0; 4096]));
    }

    proptest! {
        #[test]
        fn members_lie_where_they_were_put(
            contents in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..2000), 0..6),
        ) {
            let named: Vec<_> = contents.iter().enumerate().map(|(i, content)| (format!("f{i}"), content)).collect();
            let files: Vec<_> = named.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect();
            let bytes = archive(&files);
            let found = members(&bytes).unwrap();
            prop_assert_eq!(found.len(), files.len());
            for (member, (name, content)) in found.iter().zip(&files) {
                let at = member.offset as usize;
                prop_assert_eq!(&member.name, name);
                prop_assert_eq!(&bytes[at..at + member.bytes as usize], *content);
            }
        }

        #[test]
        fn nothing_makes_reading_panic(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
            let _ = members(&bytes);
        }

        #[test]
        fn a_damaged_byte_is_noticed_or_harmless(at in 0_usize..3072, bit in 0_u8..8) {
            let mut bytes = archive(&[("manifest.json", b"{}"), ("text-1.bin", &[7; 700])]);
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            for member in members(&bytes).unwrap_or_default() {
                prop_assert!(member.offset + member.bytes <= bytes.len() as u64);
            }
        }
    }
}
