//! Pictures that questions name, found among the attached files.

use js_sys::{Array, Reflect};
use outpost_clinic::eval::{self, Evaluation, Question};
use outpost_engine::image::{self, RgbImage};
use outpost_engine::session::Engine;
use wasm_bindgen::JsCast;
use web_sys::File;

use crate::host::MAX_PICTURE_BYTES;
use crate::problem::{Problem, Result};
use crate::sources;

/// The pictures beside the questions, with their names.
pub struct Pictures(Vec<(String, File)>);

impl Pictures {
    /// Every attachment but the first.
    pub fn of(attachments: &Array) -> Self {
        let files = attachments.iter().skip(1);
        let files = files.filter_map(|file| file.dyn_into::<File>().ok());
        Self(files.map(|file| (file.name(), file)).collect())
    }

    /// Whether everything that these questions show is there.
    ///
    /// # Errors
    /// A picture that is not, and a model that sees none.
    pub fn check(&self, questions: &[Question], engine: &Engine) -> Result<()> {
        for question in questions {
            let Some(name) = &question.image else {
                continue;
            };
            if !engine.sees_images() {
                return Err(Problem::new(
                    format!(
                        "Question {} shows a picture, and this model cannot look at pictures.",
                        question.id
                    ),
                    "Add the model again together with its picture file (mmproj).",
                ));
            }
            self.named(name, question)?;
        }
        Ok(())
    }

    /// The file that a question means: of several with its name, the one that lies where it says.
    fn named(&self, path: &str, question: &Question) -> Result<&File> {
        let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
        let with_name = self.0.iter().filter(|(own, _)| own == name);
        let with_name: Vec<_> = with_name.map(|(_, file)| file).collect();
        if let [file] = with_name[..] {
            return Ok(file);
        }
        let lies_there = |file: &&&File| {
            let place = Reflect::get(file, &"webkitRelativePath".into()).ok();
            let place = place.and_then(|place| place.as_string());
            place.is_some_and(|place| place.ends_with(path))
        };
        let mut there = with_name.iter().filter(lies_there);
        match (there.next(), there.next(), with_name.is_empty()) {
            (Some(file), None, _) => Ok(file),
            (_, _, true) => Err(Problem::new(
                format!(
                    "Question {} shows the picture {path}, which was not chosen.",
                    question.id
                ),
                "Choose the pictures together with the questions.",
            )),
            _ => Err(Problem::new(
                format!(
                    "Question {} shows the picture {path}, and several have this name.",
                    question.id
                ),
                "Give each picture a name of its own.",
            )),
        }
    }

    /// What a question shows.
    ///
    /// # Errors
    /// A picture that cannot be read.
    pub fn of_question(&self, question: &Question) -> Result<Vec<RgbImage>> {
        let Some(path) = &question.image else {
            return Ok(Vec::new());
        };
        let file = self.named(path, question)?;
        let bytes = sources::read_whole(file, "picture", MAX_PICTURE_BYTES)?;
        Ok(vec![image::decode(&bytes)?])
    }

    /// Tells other pictures by the same names from these, as far as their lengths do.
    pub fn digest(&self, evaluation: &Evaluation) -> Option<String> {
        let shown = evaluation.questions().iter().filter_map(|question| {
            let file = self.named(question.image.as_deref()?, question).ok()?;
            Some(format!("{} {}\n", file.name(), file.size()))
        });
        let shown: String = shown.collect();
        (!shown.is_empty()).then(|| eval::digest(&shown))
    }
}
