//! Which models were on this device, as far as the page remembers: what the browser has cleared since is said once.
//!
//! The list lies in localStorage, which browsers clear last, and which the Worker that has the models cannot see. It holds
//! names, and nothing that a person typed.

use std::collections::BTreeMap;

use leptos::prelude::*;
use outpost_protocol::{ModelInfo, ModelStatus, decode, encode};

use super::models::{keep, kept};
use crate::state::App;

/// Where the browser keeps the names of models, by their ids.
const MODELS: &str = "outpost.models";

/// Names of models, by their ids.
type Names = BTreeMap<String, String>;

/// The models that were here when somebody looked last.
pub fn remembered() -> Names {
    let text = kept(MODELS).unwrap_or_default();
    decode(&text).unwrap_or_default()
}

/// These are all models that are here.
pub fn remember(models: &[ModelInfo]) {
    write(&names(models));
}

/// This one is here too. Others may have been removed by another tab, so nothing is said of them.
pub fn remember_one(app: App, model: &ModelInfo) {
    let mut names = remembered();
    names.insert(model.id.clone(), model.name.clone());
    write(&names);
    app.evicted.update(|evicted| {
        evicted.remove(&model.id);
    });
}

/// Says which of the models that were here `before` are not among those that are.
pub fn compare(app: App, before: Names, models: &[ModelInfo]) {
    let here = names(models);
    let gone = before.into_iter().filter(|(id, _)| !here.contains_key(id));
    app.evicted.set(gone.collect());
}

/// What has begun to be added and never was here whole is not missed.
fn names(models: &[ModelInfo]) -> Names {
    let whole = models
        .iter()
        .filter(|model| !matches!(model.status, ModelStatus::Unfinished { .. }));
    whole
        .map(|model| (model.id.clone(), model.name.clone()))
        .collect()
}

fn write(names: &Names) {
    if let Ok(text) = encode(names) {
        keep(MODELS, &text);
    }
}
