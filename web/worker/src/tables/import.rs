//! From the files of a table to its index on the shelf. The files go through memory in pieces: a full RXNCONSO.RRF has more
//! bytes than the page may hold.

use outpost_clinic::Error as ClinicError;
use outpost_clinic::terminology::{Index, IndexFile, list, rxnorm};
use outpost_engine::ports::ByteSource;
use outpost_protocol::{Stage, TableKind, Unit, format};
use outpost_store::Error as StoreError;
use web_sys::File;

use super::{About, Tables};
use crate::desk::Task;
use crate::models::now_ms;
use crate::problem::{Problem, Result};
use crate::sources::FileSource;

/// Bytes that are read at once.
const PIECE_BYTES: u64 = 1 << 20;

/// Largest file of RxNorm. Only names that count take memory.
const MOST_RRF_BYTES: u64 = 2 << 30;

/// Largest list.
const MOST_CSV_BYTES: u64 = 64 << 20;

/// Longest title or release, in characters.
const MOST_CHARS: usize = 120;

/// First bytes of an archive, from the specification of ZIP.
const ZIP: &[u8] = b"PK\x03\x04";

/// What was said about a table.
pub struct Asked {
    /// What it is of; by the files' names if not given.
    pub kind: Option<TableKind>,
    /// A name for people.
    pub title: Option<String>,
    /// Which release.
    pub release: Option<String>,
}

impl Tables {
    /// Makes a table of files -> its id. One that is there and of the same kind, title and system is removed then; until then
    /// nothing is.
    ///
    /// # Errors
    /// Files of another kind or form, [`Problem::Cancelled`], and what storage refuses.
    pub async fn import(&self, task: &Task, files: Vec<File>, asked: Asked) -> Result<String> {
        let kind = kind_of(&files, asked.kind)?;
        let said = |text: Option<String>| {
            let text: String = text
                .unwrap_or_default()
                .trim()
                .chars()
                .take(MOST_CHARS)
                .collect();
            Some(text).filter(|text| !text.is_empty())
        };
        let (title, release) = (said(asked.title), said(asked.release));
        let source = names(&files);
        let file = match kind {
            TableKind::RxNorm => rxnorm_of(task, files, release.as_deref()).await?,
            TableKind::Conditions | TableKind::Medications => {
                list_of(task, files, title, release.as_deref()).await?
            }
        };
        task.check().await?;
        let mut item = self.0.begin().await?;
        for piece in file.into_pieces() {
            if let Err(error) = item.write(&piece) {
                self.0.give_up(item).await?;
                return Err(no_space_or(error));
            }
        }
        // What cannot be read back would be of no use at the next visit.
        let checked = item.read_back().map_err(Problem::from);
        let index = checked.and_then(|bytes| Ok(Index::from_bytes(&bytes)?));
        let (index, stop) = (index, task.check().await);
        let index = match (index, stop) {
            (Ok(index), Ok(())) => index,
            (Err(problem), _) | (_, Err(problem)) => {
                self.0.give_up(item).await?;
                return Err(problem);
            }
        };
        let about = About {
            kind,
            title: index.title().to_owned(),
            release: index.release().to_owned(),
            system: index.system().to_owned(),
            codes: index.counts().0 as u64,
            source,
            added_ms: now_ms(),
        };
        drop(index);
        let about = serde_json::to_string(&about).unwrap_or_default();
        let number = self.0.finish(item, &about).await.map_err(no_space_or)?;
        self.remove_replaced().await?;
        Ok(number.to_string())
    }
}

/// What the files are of.
fn kind_of(files: &[File], asked: Option<TableKind>) -> Result<TableKind> {
    let is_rrf = |file: &File| file.name().to_ascii_lowercase().ends_with(".rrf");
    match (files, asked) {
        ([], _) => Err(Problem::new(
            "No file was given.",
            "Choose RXNCONSO.RRF of RxNorm, or a list of your own as CSV.",
        )),
        (_, Some(kind)) => Ok(kind),
        (files, None) if files.iter().any(is_rrf) => Ok(TableKind::RxNorm),
        _ => Err(Problem::new(
            format!("It is not known what {} lists.", names(files)),
            "Say whether it is a list of conditions or of medications.",
        )),
    }
}

async fn rxnorm_of(task: &Task, files: Vec<File>, release: Option<&str>) -> Result<IndexFile> {
    let is_relations = |file: &File| file.name().to_ascii_uppercase().contains("RXNREL");
    let (relations, names): (Vec<File>, Vec<File>) = files.into_iter().partition(is_relations);
    let ([names], [] | [_]) = (names.as_slice(), relations.as_slice()) else {
        return Err(Problem::new(
            "RxNorm is one file of names, and beside it one of relations.",
            "Choose RXNCONSO.RRF and, if you want brands to lead to ingredients, RXNREL.RRF with it.",
        ));
    };
    let mut reader = rxnorm::Reader::of(release.unwrap_or_default());
    let mut reading = Reading {
        task,
        done: 0,
        total: relations.iter().map(bytes_of).sum::<u64>() + bytes_of(names),
    };
    let wrong = |name: String| move |error| in_file(&name, error, REMEDY_RXNORM, REMEDY_SMALLER);
    reading
        .each_piece(names, MOST_RRF_BYTES, |piece| {
            reader.names(piece).map_err(wrong(names.name()))
        })
        .await?;
    for file in &relations {
        reading
            .each_piece(file, MOST_RRF_BYTES, |piece| {
                reader.relations(piece).map_err(wrong(file.name()))
            })
            .await?;
    }
    reader.finish().map_err(wrong(names.name()))
}

async fn list_of(
    task: &Task,
    files: Vec<File>,
    title: Option<String>,
    release: Option<&str>,
) -> Result<IndexFile> {
    let [file] = files.as_slice() else {
        return Err(Problem::new(
            "A list is one file.",
            "Add your lists one after the other.",
        ));
    };
    let name = file.name();
    let stem = name
        .rsplit_once('.')
        .map_or(name.as_str(), |(stem, _)| stem);
    let title = title.unwrap_or_else(|| stem.to_owned());
    let mut reader = list::Reader::of(&title, release);
    let mut reading = Reading {
        task,
        done: 0,
        total: bytes_of(file),
    };
    let wrong = |error| in_file(&name, error, REMEDY_LIST, REMEDY_PARTS);
    reading
        .each_piece(file, MOST_CSV_BYTES, |piece| {
            reader.push(piece).map_err(wrong)
        })
        .await?;
    let table = reader.finish().map_err(wrong)?;
    table.to_file().map_err(wrong)
}

const REMEDY_RXNORM: &str = "Choose RXNCONSO.RRF as it was published, unpacked from the folder rrf of the release. What was here stays.";
const REMEDY_SMALLER: &str =
    "Take RxNorm's Current Prescribable Content, which is smaller. What was here stays.";
const REMEDY_LIST: &str = "A list is CSV in UTF-8 and begins with system,code,display and any number of columns synonym. Correct that line and add it again. What was here stays.";
const REMEDY_PARTS: &str = "Part the list in two. What was here stays.";

/// What is wrong with a file, and what to do.
fn in_file(name: &str, error: ClinicError, remedy: &str, if_too_large: &str) -> Problem {
    match error {
        ClinicError::Table { line, detail, .. } => {
            Problem::new(format!("{name}, line {line}: {detail}."), remedy)
        }
        ClinicError::LimitExceeded { what, value, limit } => Problem::new(
            format!("{name} is too large: {what} is {value}, above the limit of {limit}."),
            if_too_large,
        ),
        ClinicError::Index { detail } => Problem::new(format!("{name}: {detail}."), remedy),
        other => other.into(),
    }
}

fn no_space_or(error: StoreError) -> Problem {
    match error {
        StoreError::Full { .. } => Problem::new(
            "There is not enough space on this device for the table.",
            "Free some space, or remove a model or a table that is not used, and try again. What was here stays.",
        ),
        error => error.into(),
    }
}

/// Files on their way through memory.
struct Reading<'t> {
    task: &'t Task,
    done: u64,
    total: u64,
}

impl Reading<'_> {
    async fn each_piece(
        &mut self,
        file: &File,
        most_bytes: u64,
        mut use_piece: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let (name, bytes) = (file.name(), bytes_of(file));
        if bytes == 0 {
            return Err(Problem::new(
                format!("{name} is empty."),
                "Choose it again where it came from. What was here stays.",
            ));
        }
        if bytes > most_bytes {
            return Err(Problem::new(
                format!("{name} has {}.", format::bytes(bytes)),
                format!(
                    "Use a file of at most {}. What was here stays.",
                    format::bytes(most_bytes)
                ),
            ));
        }
        let source = FileSource::new(file.clone())?;
        let mut buffer = vec![0; bytes.min(PIECE_BYTES) as usize];
        let mut offset = 0;
        while offset < bytes {
            let count = (bytes - offset).min(PIECE_BYTES);
            let piece = buffer.get_mut(..count as usize).unwrap_or_default();
            source.read_exact_at(offset, piece)?;
            if offset == 0 && piece.starts_with(ZIP) {
                return Err(Problem::new(
                    format!("{name} is an archive."),
                    "Unpack it first. Of RxNorm choose RXNCONSO.RRF in its folder rrf.",
                ));
            }
            use_piece(piece)?;
            offset += count;
            self.done += count;
            self.task
                .progress(Stage::Table, self.done, self.total, Unit::Bytes);
            self.task.check().await?;
        }
        Ok(())
    }
}

fn bytes_of(file: &File) -> u64 {
    // Lengths of files are whole and far below 2^53.
    file.size() as u64
}

/// Names of files, for people.
fn names(files: &[File]) -> String {
    let mut names: Vec<_> = files.iter().map(File::name).collect();
    names.sort();
    names.join(", ")
}
