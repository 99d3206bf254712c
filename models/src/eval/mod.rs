//! `outpost eval`: questions with known answers, and the share that comes out right.

mod ask;
mod compare;
mod fingerprint;
mod log;
mod predictions;
mod print;

use std::fs;
use std::path::{Path, PathBuf};

use outpost_clinic::Error as ClinicError;
use outpost_clinic::eval::{self, CopBase, Kind};

use crate::args::{EvalArgs, ModelArgs};
use crate::error::{Error, Result};
use crate::load::{self, Compute, Loaded};

/// What is asked, and of which model.
pub struct Asking<'a> {
    /// The command line.
    pub args: &'a EvalArgs,
    /// The file of the questions.
    pub questions: &'a Path,
    /// What computes.
    pub compute: Compute,
}

impl Asking<'_> {
    /// The model's files.
    pub fn model(&self) -> Result<ModelArgs> {
        let model = self.args.model.clone().ok_or_else(|| {
            let problem = "no model is named";
            Error::file(self.questions, problem, "name one with `--model`")
        })?;
        Ok(ModelArgs {
            model,
            mmproj: self.args.mmproj.clone(),
            context_tokens: self.args.context_tokens,
        })
    }

    /// Loads the model.
    pub fn load(&self) -> Result<Loaded> {
        load::engine(&self.model()?, self.compute)
    }

    /// A path that is relative to the file of the questions.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.questions.parent().unwrap_or(Path::new("")).join(name)
    }
}

/// Asks questions, or compares two logs of answers.
pub fn run(args: &EvalArgs, compute: Compute) -> Result<()> {
    if let [a, b] = args.compare.as_slice() {
        return compare::run(a, b, args.metric.as_deref(), args.json);
    }
    let path = args.questions.as_deref().unwrap_or(Path::new(""));
    let asking = Asking {
        args,
        questions: path,
        compute,
    };
    let text = fs::read_to_string(path).map_err(|error| Error::read(path, &error))?;
    let cop = args.cop_from.map(|from| match from {
        0 => CopBase::Zero,
        _ => CopBase::One,
    });
    let questions = eval::read(&text, cop).map_err(Error::questions(path))?;
    let Some(predictions) = &args.predictions else {
        return ask::run(&asking, &text, questions);
    };
    match questions.first().map(|question| &question.kind) {
        Some(Kind::Facts { .. }) => predictions::run(&asking, predictions, &questions),
        _ => Err(Error::Questions {
            path: path.display().to_string(),
            source: ClinicError::Questions {
                problem: "the file has no transcripts".to_owned(),
                remedy: "leave `--predictions` out, or name the transcripts that they are of",
            },
        }),
    }
}
