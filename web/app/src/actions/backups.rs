//! Backups: everything in one encrypted file, and back; and whether everything still can be read.

use leptos::prelude::*;
use outpost_vault::{Cost, Error};
use web_sys::{Blob, File, Url};

use super::locking::{PAINT_MS, Passphrase};
use super::{keeping, pause};
use crate::browser;
use crate::keep::{Download, Upload};
use crate::state::App;

/// Gives a backup to the browser to be saved -> what to say about it.
///
/// # Errors
/// What happened and what to do.
pub async fn save(app: App, passphrase: &Passphrase) -> Result<String, (String, String)> {
    pause(PAINT_MS).await;
    keeping::stored(app).await;
    let keeper = app.keeper.get_value();
    let Some(vault) = keeper.vault.as_ref().filter(|vault| vault.is_open()) else {
        return Err((
            "There is nothing to save yet.".to_owned(),
            "Ask something first.".to_owned(),
        ));
    };
    let mut download = Download::default();
    let exported = vault
        .export(passphrase.words(), Cost::default(), &mut download)
        .await
        .map_err(|error| keeping::explain(app, &error))?;
    let file = download.finish().map_err(|error| keeping::said(&error))?;
    offer(&file);
    let missing = match exported.left_out.len() {
        0 => String::new(),
        count => format!(" {count} could not be read and are not in it."),
    };
    Ok(format!(
        "Saved: {}.{missing}",
        outpost_protocol::format::count(exported.conversations, "conversation")
    ))
}

/// Takes in a backup -> what to say about it.
///
/// # Errors
/// What happened and what to do.
pub async fn restore(
    app: App,
    passphrase: &Passphrase,
    file: File,
) -> Result<String, (String, String)> {
    pause(PAINT_MS).await;
    keeping::stored(app).await;
    let keeper = app.keeper.get_value();
    let Some(vault) = &keeper.vault else {
        return Ok(String::new());
    };
    let imported = async {
        if !vault.is_open() {
            keeping::ensure(vault).await?;
        }
        vault.import(passphrase.words(), &Upload(file.into())).await
    };
    let imported = imported.await.map_err(|error| match error {
        Error::WrongSecret { .. } => (
            "The backup did not open.".to_owned(),
            "Check its passphrase and try again. If you are sure of it, the file is damaged."
                .to_owned(),
        ),
        error => keeping::explain(app, &error),
    })?;
    keeping::refresh(app);
    // What is on the page is read again if it went on in the backup, and nobody is at work on it.
    if let Some(current) = app.current.get_untracked()
        && app.answering.get_untracked().is_none()
        && let Some(known) = keeper.revision(current.id)
        && vault.revision(&current.id) != Ok(Some(known))
    {
        let page = keeper.turn_page();
        keeping::load(app, current.id, false, page).await;
    }
    let taken = imported.added + imported.updated;
    Ok(format!(
        "Restored: {}. {} here already.",
        outpost_protocol::format::count(taken, "conversation"),
        imported.kept
    ))
}

/// Reads everything that is stored -> what to say about it.
///
/// # Errors
/// What is not as it should be, and what to do.
pub async fn check(app: App) -> Result<String, (String, String)> {
    pause(PAINT_MS).await;
    keeping::stored(app).await;
    let keeper = app.keeper.get_value();
    let Some(vault) = keeper.vault.as_ref().filter(|vault| vault.is_open()) else {
        return Ok("Nothing is stored yet.".to_owned());
    };
    let explain = |error: Error| keeping::explain(app, &error);
    // Another tab may have written since.
    vault.refresh().await.map_err(explain)?;
    let list = vault.list().map_err(explain)?;
    let findings = vault.verify().await.map_err(explain)?;
    let count = |number: usize, what: &str| {
        outpost_protocol::format::count(u32::try_from(number).unwrap_or(u32::MAX), what)
    };
    match findings.first() {
        None => Ok(format!(
            "Checked: {}, and all of it can be read.",
            count(list.len(), "conversation")
        )),
        Some(first) => {
            let (what, remedy) = keeping::said(&first.error);
            let mut titles = list.iter().filter(|known| known.id.to_string() == first.id);
            let title = titles
                .next()
                .map(|known| format!("\u{201c}{}\u{201d}: ", known.title));
            let title = title.unwrap_or_default();
            let more = match findings.len() {
                1 => String::new(),
                all => format!(
                    " In all, {} are not as they were stored.",
                    count(all, "record")
                ),
            };
            Err((format!("{title}{what}{more}"), remedy))
        }
    }
}

/// Has the browser save a file under the date.
fn offer(file: &Blob) {
    let date = String::from(js_sys::Date::new_0().to_iso_string());
    let day = date.get(..10).unwrap_or_default();
    if let Ok(address) = Url::create_object_url_with_blob(file) {
        browser::save(&address, &format!("outpost-{day}.backup"));
    }
}
