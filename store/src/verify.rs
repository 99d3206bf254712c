//! Whether a model's files still are what they were when they were stored.

use std::collections::BTreeSet;

use crate::disk::{Disk, DiskError, DiskFile};
use crate::error::{At, Error, Result};
use crate::hash::{Course, Watch};
use crate::library::{Library, path};
use crate::state::{Change, Stored};
use crate::sums::Sums;

impl<D: Disk> Library<D> {
    /// Hashes all files of a model, its manifest among them -> the names of those that are missing or wrong. These are
    /// recorded as missing and removed: the model is damaged, and [`install`](Self::install) or
    /// [`resume`](Self::resume) ask for them alone. Shards that have no checksums yet are given them.
    ///
    /// # Errors
    /// [`Error::NotHere`], [`Error::Stopped`], and what storage refuses; what was found until then is recorded.
    pub async fn verify(&self, folder: &str, watch: &mut impl Watch) -> Result<Vec<String>> {
        let known = self.folder(folder)?;
        let manifest = known.manifest.iter().map(|(name, stored)| (name, stored));
        let there = manifest.filter(|(name, _)| !known.lost.contains_key(*name));
        let recorded: Vec<_> = there.chain(&known.files).collect();
        let mut course = Course {
            watch,
            done_bytes: 0,
            total_bytes: recorded.iter().map(|(_, stored)| stored.bytes).sum(),
        };
        let mut wrong: BTreeSet<String> = known.lost.keys().cloned().collect();
        for (file, stored) in recorded {
            let before = course.done_bytes;
            let sums = self
                .sums_if_right(&path(folder, file), stored, &mut course)
                .await?;
            course.done_bytes = before + stored.bytes;
            match sums {
                Some(sums) => self.give_sums(folder, file, stored, sums)?,
                None => {
                    if self.lose(folder, file).await? {
                        wrong.insert(file.clone());
                    }
                }
            }
        }
        Ok(wrong.into_iter().collect())
    }

    /// Whether each shard of a model that is there has checksums, so that [`shard`](Self::shard) can read it. If not,
    /// [`verify`](Self::verify) gives them.
    ///
    /// # Errors
    /// [`Error::NotHere`].
    pub fn has_sums(&self, folder: &str) -> Result<bool> {
        let known = self.folder(folder)?;
        let has_sums = |stored: &Stored| stored.sums().is_some();
        Ok(known.shards().all(|(_, stored)| has_sums(stored)))
    }

    /// Makes files damaged ones that somebody found to be so while [reading](crate::Reading) them, as
    /// [`verify`](Self::verify) does.
    ///
    /// # Errors
    /// [`Error::NotHere`], and what storage refuses.
    pub async fn lose_all(&self, folder: &str, files: &[String]) -> Result<()> {
        for file in files {
            self.lose(folder, file).await?;
        }
        Ok(())
    }

    /// Records a file as missing and removes it -> whether it was there by the journal's account.
    async fn lose(&self, folder: &str, file: &str) -> Result<bool> {
        if !self.folder(folder)?.is_recorded(file) {
            return Ok(false);
        }
        self.record(vec![Change::Lost {
            folder: folder.to_owned(),
            files: vec![file.to_owned()],
        }])?;
        // One that is open is left; it counts for nothing, and is hashed if it is written on.
        self.remove(&path(folder, file)).await?;
        Ok(true)
    }

    /// Records the checksums of a file that was found to be right, unless it has them or is a manifest.
    fn give_sums(&self, folder: &str, file: &str, right: &Stored, sums: Sums) -> Result<()> {
        let known = self.folder(folder)?;
        // It may have been stored anew while it was hashed.
        if right.sums().is_some() || known.files.get(file) != Some(right) {
            return Ok(());
        }
        self.record(vec![Change::Stored {
            folder: folder.to_owned(),
            file: file.to_owned(),
            stored: Stored {
                sums: Some(sums),
                ..right.clone()
            },
        }])
    }

    /// The checksums of a file, if its SHA-256 is the one that was recorded.
    async fn sums_if_right<W: Watch>(
        &self,
        path: &str,
        stored: &Stored,
        course: &mut Course<'_, W>,
    ) -> Result<Option<Sums>> {
        let file = match self.disk.open(path).await {
            Ok(file) => file,
            Err(DiskError::Missing) => return Ok(None),
            Err(error) => return Err(Error::disk(path, error)),
        };
        if file.bytes().at(path)? != stored.bytes {
            return Ok(None);
        }
        let (sha256, sums) = course.hash(&file, path, stored.bytes).await?.finish();
        Ok((sha256 == stored.sha256).then_some(sums))
    }
}
