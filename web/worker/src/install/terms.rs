//! Models that are given only to those who accept terms: before any of their weights is kept, the person is asked.

use outpost_engine::weights::shards::{HAI_DEF, Manifest, is_hai_def};
use outpost_protocol::Consent;
use outpost_store::{Installation, Model};

use crate::models::{Models, now_ms};
use crate::problem::{Problem, Result};

/// What a model says of its terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Its name for people.
    pub name: String,
    /// Its terms, as it says them.
    pub terms: String,
    /// What its maker wants to be said.
    pub notice: String,
    /// Where it comes from: an address or names of files.
    pub source: String,
}

impl Terms {
    /// What a manifest says.
    pub fn of(manifest: &Manifest, source: &str) -> Self {
        Self {
            name: manifest.name.clone(),
            terms: manifest.terms.clone(),
            notice: manifest.notice.clone(),
            source: source.to_owned(),
        }
    }

    /// The terms that must be accepted, if there are any.
    fn to_accept(&self) -> Option<&'static str> {
        let Self {
            name,
            terms,
            notice,
            source,
        } = self;
        is_hai_def(&format!("{name} {terms} {notice} {source}")).then_some(HAI_DEF)
    }
}

/// Whether the person accepts the model's terms with this call, which is then to be [noted](note). `is_this` knows the
/// model among those on the device, finished or not: who has accepted once is not asked again.
///
/// # Errors
/// [`Problem::Terms`] if they are to be asked first.
pub fn ask(
    models: &Models,
    consent: Consent,
    said: &Terms,
    is_this: impl Fn(&Model) -> bool,
) -> Result<bool> {
    let Some(terms) = said.to_accept() else {
        return Ok(false);
    };
    let accepted = |model: &Model| is_this(model) && model.accepted_at_ms.is_some();
    match consent {
        Consent::NotAsked => Ok(false),
        Consent::Given => Ok(true),
        Consent::Ask if models.0.list().iter().any(accepted) => Ok(true),
        Consent::Ask => Err(Problem::Terms {
            name: said.name.clone(),
            terms: terms.to_owned(),
            notice: said.notice.clone(),
        }),
    }
}

/// Remembers with what is being installed that its terms were accepted.
///
/// # Errors
/// What storage refuses.
pub fn note(models: &Models, installation: &Installation, accepted: bool) -> Result<()> {
    if accepted {
        models.0.accept(installation, now_ms())?;
    }
    Ok(())
}
