//! Whether a model's files still are what they were when they were stored.

use std::collections::BTreeSet;

use crate::disk::{Disk, DiskError, DiskFile};
use crate::error::{At, Error, Result};
use crate::hash::{Course, Sha256, Watch};
use crate::library::{Library, path};
use crate::state::{Change, Stored};

impl<D: Disk> Library<D> {
    /// Hashes all files of a model, its manifest among them -> the names of those that are missing or wrong. These are
    /// recorded as missing and removed: the model is damaged, and [`install`](Self::install) or
    /// [`resume`](Self::resume) ask for them alone.
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
            let path = path(folder, file);
            let right = self.is_right(&path, stored, &mut course).await?;
            course.done_bytes = before + stored.bytes;
            if !right && self.folder(folder)?.is_recorded(file) {
                self.record(vec![Change::Lost {
                    folder: folder.to_owned(),
                    files: vec![file.clone()],
                }])?;
                // One that is open is left; it counts for nothing, and is hashed if it is written on.
                self.remove(&path).await?;
                wrong.insert(file.clone());
            }
        }
        Ok(wrong.into_iter().collect())
    }

    async fn is_right<W: Watch>(
        &self,
        path: &str,
        stored: &Stored,
        course: &mut Course<'_, W>,
    ) -> Result<bool> {
        let file = match self.disk.open(path).await {
            Ok(file) => file,
            Err(DiskError::Missing) => return Ok(false),
            Err(error) => return Err(Error::disk(path, error)),
        };
        if file.bytes().at(path)? != stored.bytes {
            return Ok(false);
        }
        let hash = course.hash(&file, path, stored.bytes).await?;
        Ok(Sha256(hash.finish()) == stored.sha256)
    }
}
