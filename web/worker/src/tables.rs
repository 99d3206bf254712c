//! Tables of codes that a person brought: on a shelf of their own in OPFS, and in use beside ICD-10-CM.

mod import;

use outpost_clinic::terminology::{Index, Terminology};
use outpost_protocol::{TableInfo, TableKind, TableStatus, Trouble};
use outpost_store::{Error, Item, Note, Shelf, Stopped, Watch};
use serde::{Deserialize, Serialize};

use crate::consultation;
use crate::desk::Task;
use crate::opfs::{Folder, FolderDisk};
use crate::problem::{Problem, Result};

pub use import::Asked;

/// The folder of all tables.
const FOLDER: &str = "tables";

/// What to do about a table that cannot be used.
const ADD_AGAIN: &str = "Open Models, then Tables of codes: remove it, and add it again.";

/// The tables on this device.
pub struct Tables(Shelf<FolderDisk>);

/// What is noted of a table.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct About {
    kind: TableKind,
    title: String,
    release: String,
    system: String,
    codes: u64,
    source: String,
    added_ms: u64,
}

impl About {
    fn of(note: &Note) -> Option<Self> {
        serde_json::from_str(&note.about).ok()
    }

    /// Whether the one takes the place of the other.
    fn is_the_same(&self, other: &Self) -> bool {
        (self.kind, &self.title, &self.system) == (other.kind, &other.title, &other.system)
    }
}

impl Tables {
    /// Opens the tables, and takes away what was only begun.
    ///
    /// # Errors
    /// What storage refuses.
    pub async fn open() -> Result<Self> {
        let folder = Folder::root().await?.folder(FOLDER).await?;
        let tables = Self(Shelf::on(FolderDisk(folder)));
        tables.clean_up().await?;
        Ok(tables)
    }

    /// Every table, the oldest first; of a device that never had any, nothing is made to list them.
    ///
    /// # Errors
    /// As [`open`](Self::open) and [`list`](Self::list).
    pub async fn list_existing(task: &Task) -> Result<Vec<TableInfo>> {
        match Self::existing().await? {
            None => Ok(Vec::new()),
            Some(tables) => {
                tables.clean_up().await?;
                tables.list(task).await
            }
        }
    }

    async fn clean_up(&self) -> Result<()> {
        self.0.clean_up().await?;
        self.remove_replaced().await
    }

    /// The tables, if there ever were any.
    async fn existing() -> Result<Option<Self>> {
        let folder = Folder::root().await?.existing_folder(FOLDER).await?;
        Ok(folder.map(|folder| Self(Shelf::on(FolderDisk(folder)))))
    }

    /// Every table, the oldest first, compared with what was stored.
    ///
    /// # Errors
    /// [`Problem::Cancelled`], and what storage refuses.
    pub async fn list(&self, task: &Task) -> Result<Vec<TableInfo>> {
        let mut tables = Vec::new();
        for item in self.0.list().await? {
            let status = match self.0.check(&item, &mut Checking(task)).await {
                Ok(()) => TableStatus::Installed,
                Err(Error::Changed { .. } | Error::Gone { .. }) => TableStatus::Changed,
                Err(error) => return Err(error.into()),
            };
            tables.push(info(&item, status));
        }
        Ok(tables)
    }

    /// Removes a table. What is not there is fine.
    ///
    /// # Errors
    /// What storage refuses.
    pub async fn remove(&self, id: &str) -> Result<()> {
        match id.parse() {
            Ok(number) => Ok(self.0.remove(number).await?),
            Err(_) => Ok(()),
        }
    }

    /// Of tables that take one another's place the last one counts, whenever the one before it could not be removed.
    async fn remove_replaced(&self) -> Result<()> {
        let items = self.0.list().await?;
        let known: Vec<(u64, About)> = items
            .iter()
            .filter_map(|item| Some((item.number, About::of(item.note.as_ref()?)?)))
            .collect();
        for (place, (number, about)) in known.iter().enumerate() {
            let mut later = known.iter().skip(place + 1);
            if later.any(|(_, other)| about.is_the_same(other)) {
                self.0.remove(*number).await?;
            }
        }
        Ok(())
    }
}

/// What the page is told of a table.
fn info(item: &Item, status: TableStatus) -> TableInfo {
    let about = item.note.as_ref().and_then(About::of);
    let status = match about {
        Some(_) => status,
        None => TableStatus::Changed,
    };
    let about = about.unwrap_or_else(|| About {
        kind: TableKind::RxNorm,
        title: "A table".to_owned(),
        release: String::new(),
        system: String::new(),
        codes: 0,
        source: String::new(),
        added_ms: 0,
    });
    TableInfo {
        id: item.number.to_string(),
        kind: about.kind,
        title: about.title,
        release: about.release,
        system: about.system,
        codes: about.codes,
        bytes: item.note.as_ref().map_or(0, |note| note.bytes),
        source: about.source,
        added_ms: about.added_ms,
        status,
    }
}

/// The tables in use: ICD-10-CM, and those that a person brought.
#[derive(Debug, Default)]
pub struct Codes {
    /// ICD-10-CM is the first of its conditions, if it is there.
    pub terminology: Terminology,
    has_icd10cm: bool,
    /// Which tables of the shelf were there.
    numbers: Vec<u64>,
    /// Titles of tables that are there and cannot be used.
    refused: Vec<String>,
}

impl Codes {
    /// The tables as they are now, whichever tab has changed them. What still is there is not read again.
    pub async fn renew_in(known: &mut Option<Self>) -> &mut Self {
        let codes = known.get_or_insert_default();
        if !codes.has_icd10cm {
            match consultation::icd10cm().await {
                Ok(index) => {
                    codes.terminology.conditions.insert(0, index);
                    codes.has_icd10cm = true;
                }
                // The result says that there are no codes.
                Err(problem) => log::warn!("no codes of ICD-10-CM: {problem:?}"),
            }
        }
        if let Err(problem) = codes.renew().await {
            log::warn!("no tables of codes: {problem:?}");
        }
        codes
    }

    async fn renew(&mut self) -> Result<()> {
        let tables = Tables::existing().await?;
        let numbers = match &tables {
            Some(tables) => tables.0.noted().await?,
            None => Vec::new(),
        };
        if numbers == self.numbers {
            return Ok(());
        }
        let own = usize::from(self.has_icd10cm);
        self.terminology.conditions.truncate(own);
        self.terminology.medications.clear();
        self.numbers.clear();
        self.refused.clear();
        if let Some(tables) = &tables {
            for item in tables.0.list().await? {
                self.add(tables, &item).await;
            }
        }
        self.numbers = numbers;
        Ok(())
    }

    async fn add(&mut self, tables: &Tables, item: &Item) {
        let table = info(item, TableStatus::Installed);
        let index = match tables.0.read(item, &mut ()).await {
            Ok(bytes) => Index::from_bytes(&bytes).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match (index, table.kind) {
            (Ok(index), TableKind::Conditions) => self.terminology.conditions.push(index),
            (Ok(index), _) => self.terminology.medications.push(index),
            (Err(why), _) => {
                log::warn!("{}: {why}", table.title);
                self.refused.push(table.title);
            }
        }
    }

    /// Whether ICD-10-CM is among them.
    pub fn has_icd10cm(&self) -> bool {
        self.has_icd10cm
    }

    /// What a person should know.
    pub fn notices(&self) -> Vec<String> {
        let said = |trouble: Trouble| format!("{} {}", trouble.message, trouble.remedy);
        self.troubles().map(said).collect()
    }

    /// What is wrong, and what to do.
    pub fn troubles(&self) -> impl Iterator<Item = Trouble> {
        self.refused.iter().map(|title| Trouble {
            message: changed(title),
            remedy: ADD_AGAIN.to_owned(),
        })
    }
}

/// What to say of a table that is not what it was.
fn changed(title: &str) -> String {
    format!(
        "The table \u{201c}{title}\u{201d} was changed on this device after it was stored, and is not used."
    )
}

/// Lets the person stop it.
struct Checking<'t>(&'t Task);

impl Watch for Checking<'_> {
    async fn piece(&mut self, _done_bytes: u64, _total_bytes: u64) -> Result<(), Stopped> {
        self.0.check().await.map_err(|_: Problem| Stopped)
    }
}
