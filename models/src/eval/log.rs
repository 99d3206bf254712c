//! A run's files: `run_TASK.json` (of what it is), `samples_TASK.jsonl` (a line for each answer, on the disk before the next
//! question is asked) and `results_TASK.json`.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use outpost_clinic::eval::Evaluation;
use outpost_clinic::eval::run::Head;
use serde_json::json;

use crate::error::{Error, Result};

const OTHER_FOLDER: &str = "log to another folder, or delete this log to begin anew";

/// An open log.
pub struct Log {
    folder: PathBuf,
    task: String,
    path: PathBuf,
    file: File,
}

impl Log {
    /// Begins a log, or has `evaluation` go on behind the one that is there.
    pub fn open(
        folder: &Path,
        task: &str,
        head: &Head,
        evaluation: &mut Evaluation,
    ) -> Result<Self> {
        fs::create_dir_all(folder).map_err(|error| Error::write(folder, &error))?;
        let head_path = folder.join(format!("run_{task}.json"));
        let path = folder.join(format!("samples_{task}.jsonl"));
        match (head_path.exists(), path.exists()) {
            (true, _) => {
                let found = read(&head_path)?;
                let found: Head = serde_json::from_str(&found).map_err(|error| {
                    Error::file(&head_path, format!("is damaged ({error})"), OTHER_FOLDER)
                })?;
                head.admits(&found).map_err(Error::questions(&head_path))?;
            }
            (false, true) => {
                let problem = format!(
                    "lacks the file {} that says of what it is",
                    head_path.display()
                );
                return Err(Error::file(&path, problem, OTHER_FOLDER));
            }
            (false, false) => write(&head_path, &json!(head))?,
        }
        let log = match path.exists() {
            true => read(&path)?,
            false => String::new(),
        };
        let bytes = evaluation.resume(&log).map_err(Error::questions(&path))?;
        let failed = |error| Error::write(&path, &error);
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(failed)?;
        // What was being written when the run was interrupted.
        file.set_len(bytes as u64).map_err(failed)?;
        Ok(Self {
            folder: folder.to_owned(),
            task: task.to_owned(),
            path,
            file,
        })
    }

    /// Adds a line.
    pub fn add(&mut self, line: &str) -> Result<()> {
        let written = self.file.write_all(line.as_bytes());
        written
            .and_then(|()| self.file.sync_data())
            .map_err(|error| Error::write(&self.path, &error))
    }

    /// Writes what came out.
    pub fn results(&self, evaluation: &Evaluation, head: &Head) -> Result<()> {
        let path = self.folder.join(format!("results_{}.json", self.task));
        write(&path, &evaluation.results(&self.task, &json!(head)))
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| Error::read(path, &error))
}

/// Writes a whole file or none.
fn write(path: &Path, value: &serde_json::Value) -> Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(std::io::Error::from)?;
    let half = path.with_extension("json.part");
    fs::write(&half, text + "\n")
        .and_then(|()| fs::rename(&half, path))
        .map_err(|error| Error::write(path, &error))
}

/// A file's or folder's own name.
pub fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

/// What a file of questions is called in the names of its logs.
pub fn task(questions: &Path) -> String {
    let stem = questions.file_stem().unwrap_or_default().to_string_lossy();
    stem.replace(
        |c: char| !c.is_alphanumeric() && !matches!(c, '-' | '.'),
        "_",
    )
}
