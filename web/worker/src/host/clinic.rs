//! Clinical work: the loaded model, the tables of codes, and whether both are there.

use js_sys::Array;
use outpost_protocol::{ClinicRequest, Consultation, Event, Health, Imaging, ModelState, Trouble};
use serde_json::Value;
use wasm_bindgen::JsCast;
use web_sys::File;

use super::{Host, Loaded, Shown, nothing_loaded, pictures};
use crate::desk::Task;
use crate::event_loop::heap_bytes;
use crate::problem::Result;
use crate::tables::{Asked, Codes, Tables};
use crate::{consultation, evaluation, findings, fit, install, note};

impl Host {
    /// Does what is asked -> the final event.
    pub(super) async fn clinic(
        &mut self,
        task: &Task,
        ask: ClinicRequest,
        attachments: &Array,
    ) -> Result<Event> {
        match ask {
            ClinicRequest::Process { consultation } => {
                let processed = self.process(task, consultation).await;
                self.whole(task, processed).await
            }
            ClinicRequest::Review { review } => consultation::review(review),
            ClinicRequest::Health => Ok(Event::Healthy {
                health: self.health().await,
            }),
            ClinicRequest::Evaluate { options } => {
                let evaluated = self.evaluate(task, options, attachments).await;
                self.whole(task, evaluated).await
            }
            ClinicRequest::CompareEvaluations { metric } => {
                evaluation::compare(attachments, metric.as_deref())
            }
            ClinicRequest::Note { consultation } => {
                let noted = self.note(task, consultation).await;
                self.whole(task, noted).await
            }
            ClinicRequest::Findings { imaging } => {
                let described = self.findings(task, imaging, attachments).await;
                self.whole(task, described).await
            }
            ClinicRequest::Tables => Ok(Event::Tables {
                tables: Tables::list_existing(task).await?,
            }),
            ClinicRequest::ImportTable {
                kind,
                title,
                release,
            } => {
                let files = attachments
                    .iter()
                    .filter_map(|file| file.dyn_into().ok())
                    .collect();
                let asked = Asked {
                    kind,
                    title,
                    release,
                };
                // Memory does not hold the tables in use and the one that is made.
                self.codes = None;
                let imported = import(task, files, asked).await;
                self.restate(task, ModelState::Absent);
                imported
            }
            ClinicRequest::RemoveTable { id } => {
                Tables::open().await?.remove(&id).await?;
                Ok(Event::Tables {
                    tables: Tables::list_existing(task).await?,
                })
            }
        }
    }

    /// What came of work with the loaded model, or that its files are damaged.
    async fn whole(&mut self, task: &Task, outcome: Result<Event>) -> Result<Event> {
        let Some(Loaded { id, reading, .. }) = &self.loaded else {
            return outcome;
        };
        let (id, reading) = (id.clone(), reading.clone());
        self.unless_damaged(task, &id, &reading, outcome).await
    }

    async fn evaluate(
        &mut self,
        task: &Task,
        options: Value,
        attachments: &Array,
    ) -> Result<Event> {
        let Loaded {
            engine,
            in_use,
            digest,
            ..
        } = self.loaded.as_mut().ok_or_else(nothing_loaded)?;
        let examined = evaluation::Examined {
            engine,
            model: in_use,
            digest,
        };
        evaluation::evaluate(task, examined, options, attachments).await
    }

    async fn note(&mut self, task: &Task, asked: Consultation) -> Result<Event> {
        let codes = Codes::renew_in(&mut self.codes).await;
        let Loaded { engine, in_use, .. } = self.loaded.as_mut().ok_or_else(nothing_loaded)?;
        note::write(task, engine, in_use, codes, asked).await
    }

    async fn findings(
        &mut self,
        task: &Task,
        asked: Imaging,
        attachments: &Array,
    ) -> Result<Event> {
        let Loaded { engine, in_use, .. } = self.loaded.as_mut().ok_or_else(nothing_loaded)?;
        let shown = (0..attachments.length()).map(|picture| Shown {
            picture,
            features: None,
        });
        let pictures = pictures(engine, &shown.collect::<Vec<_>>(), attachments)?;
        findings::describe(task, engine, in_use, pictures, asked).await
    }

    async fn process(&mut self, task: &Task, asked: Consultation) -> Result<Event> {
        let codes = Codes::renew_in(&mut self.codes).await;
        let Loaded { engine, in_use, .. } = self.loaded.as_mut().ok_or_else(nothing_loaded)?;
        consultation::process(task, engine, in_use, codes, asked).await
    }

    async fn health(&mut self) -> Health {
        let codes = Codes::renew_in(&mut self.codes).await;
        let model = self.loaded.as_ref().map(|loaded| loaded.in_use.clone());
        let is_kept = fit::is_kept().await;
        let trouble = |(message, remedy): (&str, &str)| Trouble {
            message: message.to_owned(),
            remedy: remedy.to_owned(),
        };
        let no_model = model.is_none().then_some((
            "No model is loaded.",
            "Add a model, or choose one of those on this device.",
        ));
        let no_codes = (!codes.has_icd10cm()).then_some((
            "The codes of ICD-10-CM are not on this device.",
            "Open this page once with a network.",
        ));
        let not_kept = (!is_kept).then_some((
            "The browser may clear what is stored when space is short.",
            "Install this page, or add it to the home screen.",
        ));
        let ok = no_model.is_none() && no_codes.is_none();
        let troubles = [no_model, no_codes, not_kept].into_iter().flatten();
        let troubles = troubles.map(trouble).chain(codes.troubles()).collect();
        let terminology = consultation::tables(&codes.terminology);
        Health {
            ok,
            adapter: self.adapter().await,
            wasm_heap_bytes: heap_bytes(),
            free_bytes: install::free_bytes().await,
            is_kept,
            model,
            terminology,
            troubles,
        }
    }
}

async fn import(task: &Task, files: Vec<File>, asked: Asked) -> Result<Event> {
    let tables = Tables::open().await?;
    let id = tables.import(task, files, asked).await?;
    let tables = tables.list(task).await?;
    Ok(Event::TableImported { id, tables })
}
