//! What a first visit fetches, compressed as a server would.

use std::io::Write;
use std::path::Path;

use flate2::{Compression, write::GzEncoder};

use super::files;
use crate::error::{Failure, Result};

/// Compressed bytes of everything that the first visit fetches but weights.
const APPLICATION_LIMIT_BYTES: u64 = 4 * 1024 * 1024;

/// Compressed bytes of the page's own module and its JavaScript: what a first visit waits for before it shows anything.
const PAGE_LIMIT_BYTES: u64 = 580 * 1024;

/// Compressed bytes of the indexes of codes, which are fetched when they are first asked.
const TERMINOLOGY_LIMIT_BYTES: u64 = 768 * 1024;

/// Compressed sizes of what was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    application_bytes: u64,
    page_bytes: u64,
    terminology_bytes: u64,
}

impl Sizes {
    /// Weighs `dist` and prints what weighs most.
    pub fn measure(dist: &Path) -> Result<Self> {
        let mut sizes = Self {
            application_bytes: 0,
            page_bytes: 0,
            terminology_bytes: 0,
        };
        for name in files::list(dist)? {
            if name.starts_with("models/") {
                continue;
            }
            let bytes = files::read(&dist.join(&name))?;
            let compressed = gzip_bytes(&bytes)?;
            if name.starts_with("terminology/") {
                sizes.terminology_bytes += compressed;
                continue;
            }
            sizes.application_bytes += compressed;
            if name.starts_with("app/") {
                sizes.page_bytes += compressed;
            }
            if name.ends_with(".wasm") {
                eprintln!(
                    "    {name}: {}, {} compressed",
                    kib(bytes.len() as u64),
                    kib(compressed)
                );
            }
        }
        eprintln!(
            "    compressed: application {}, of it the page {}; indexes of codes {}",
            kib(sizes.application_bytes),
            kib(sizes.page_bytes),
            kib(sizes.terminology_bytes)
        );
        Ok(sizes)
    }

    /// Fails where a size is over its budget.
    pub fn check(self) -> Result<()> {
        within_budget(
            "the application",
            self.application_bytes,
            APPLICATION_LIMIT_BYTES,
        )?;
        within_budget("the page's module", self.page_bytes, PAGE_LIMIT_BYTES)?;
        within_budget(
            "the indexes of codes",
            self.terminology_bytes,
            TERMINOLOGY_LIMIT_BYTES,
        )
    }
}

fn within_budget(what: &str, bytes: u64, limit: u64) -> Result<()> {
    if bytes <= limit {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{what} is {} compressed, over its budget of {}",
        kib(bytes),
        kib(limit)
    ))
    .remedy("take out what made it larger"))
}

fn gzip_bytes(bytes: &[u8]) -> Result<u64> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .map(|compressed| compressed.len() as u64)
        .map_err(|error| Failure::new(format!("cannot compress: {error}")))
}

fn kib(bytes: u64) -> String {
    format!("{} KiB", bytes.div_ceil(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_a_limit_that_may_be_reached_and_not_passed() {
        assert!(within_budget("x", 1024, 1024).is_ok());
        assert!(within_budget("x", 1025, 1024).is_err());
    }
}
