//! What is kept of an evaluation while it goes on: a file in OPFS, a line for each answer.

use outpost_clinic::Error as ClinicError;
use outpost_clinic::eval::Evaluation;
use outpost_protocol::EVALUATIONS;
use outpost_store::DiskFile;

use super::MAX_BYTES;
use crate::opfs::{Folder, Handle};
use crate::problem::{Problem, Result};

/// Logs that are kept; the oldest go.
const MOST_LOGS: usize = 16;

/// A log in OPFS.
pub struct Log {
    file: Handle,
    bytes: u64,
}

impl Log {
    /// The log of this run, begun if need be; `again`: anew.
    ///
    /// # Errors
    /// What storage refuses.
    pub async fn open(run: &str, again: bool) -> Result<Self> {
        let folder = Folder::root().await?.folder(EVALUATIONS).await?;
        let name = format!("{run}.jsonl");
        make_room(&folder, &name).await?;
        let mut file = folder.create(&name).await?;
        if again {
            file.truncate(0)?;
        }
        let bytes = file.bytes()?;
        Ok(Self { file, bytes })
    }

    /// Has `evaluation` go on behind what is answered.
    ///
    /// # Errors
    /// A log that is damaged.
    pub fn resume(&mut self, evaluation: &mut Evaluation) -> Result<()> {
        let log = self.text()?;
        let kept = evaluation.resume(&log).map_err(|error| match error {
            ClinicError::Question { line, problem, .. } => Problem::new(
                format!("What is kept of this evaluation is damaged (line {line}): {problem}."),
                "Begin it again.",
            ),
            other => other.into(),
        })?;
        self.bytes = kept as u64;
        // What was being written when it was interrupted.
        self.file.truncate(self.bytes)?;
        Ok(())
    }

    /// Adds a line; it is on the disk when this returns.
    ///
    /// # Errors
    /// What storage refuses.
    pub fn add(&mut self, line: &str) -> Result<()> {
        self.file.write_all_at(self.bytes, line.as_bytes())?;
        self.file.flush()?;
        self.bytes += line.len() as u64;
        Ok(())
    }

    /// All whole lines.
    ///
    /// # Errors
    /// What storage refuses; more than is read.
    pub fn text(&self) -> Result<String> {
        if self.bytes > MAX_BYTES {
            return Err(Problem::new(
                "What is kept of this evaluation is too long.",
                "Put the questions into several files.",
            ));
        }
        let mut bytes = vec![0; self.bytes as usize];
        self.file.read_exact_at(0, &mut bytes)?;
        let end = bytes.iter().rposition(|byte| *byte == b'\n');
        bytes.truncate(end.map_or(0, |end| end + 1));
        String::from_utf8(bytes).map_err(|_| {
            Problem::new(
                "What is kept of this evaluation is damaged.",
                "Begin it again.",
            )
        })
    }
}

/// Has the oldest logs go, if there are too many beside this one.
async fn make_room(folder: &Folder, name: &str) -> Result<()> {
    let mut others = Vec::new();
    for other in folder.names().await? {
        if other != name
            && let Some(file) = folder.file(&other).await?
        {
            others.push((file.last_modified(), other));
        }
    }
    others.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    for (_, other) in others.iter().skip(MOST_LOGS - 1) {
        folder.remove(other).await?;
    }
    Ok(())
}
