//! Clinical work that a page asks for.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::consultation::Consultation;
use crate::imaging::Imaging;
use crate::tables::TableKind;

/// One piece of clinical work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum ClinicRequest {
    /// Turn what was said in a consultation into facts with codes, a FHIR R4 Bundle and danger signs. Ends with `Processed`.
    Process {
        /// The consultation, and how.
        consultation: Consultation,
    },
    /// Change in a draft what a person wants changed, and make its Bundle anew. Ends with `Processed`.
    Review {
        /// The draft and the changes, as `Review` in TypeScript, which the Worker reads.
        review: Value,
    },
    /// Whether this device is ready to process consultations. Ends with `Healthy`.
    Health,
    /// Write a SOAP note about a consultation, each sentence with its evidence. Ends with `Processed`.
    Note {
        /// The consultation, and how.
        consultation: Consultation,
    },
    /// Describe the findings in the attached pictures. Ends with `Processed`.
    Findings {
        /// What is asked about them, and how.
        imaging: Imaging,
    },
    /// The tables of codes that a person brought. Ends with `Tables`.
    Tables,
    /// Make a table of the attached files (`File` objects). Ends with `TableImported`; then one of the same kind, title and
    /// system that was there is gone, and until then it stays.
    ImportTable {
        /// What it is of; by the files' names if not given.
        #[serde(default)]
        kind: Option<TableKind>,
        /// A name for people; the file's own if not given. RxNorm has a name.
        #[serde(default)]
        title: Option<String>,
        /// Which release it is, if that is known.
        #[serde(default)]
        release: Option<String>,
    },
    /// Remove a table. Ends with `Tables`.
    RemoveTable {
        /// Its id.
        id: String,
    },
    /// Ask the loaded model questions with known answers. The first attachment is the file of questions, the others are
    /// the pictures that it names. `Evaluating` tells how far it is; ends with `Processed`, whose result is an
    /// [`crate::Evaluated`] as text of JSON. What is answered is kept, and asked again it goes on.
    Evaluate {
        /// How: [`crate::EvaluationOptions`], which the Worker reads.
        options: Value,
    },
    /// Compare two logs, which are attached. Ends with `Processed`, whose result is text of JSON.
    CompareEvaluations {
        /// What to compare; the first metric that both have, if not given.
        metric: Option<String>,
    },
}
