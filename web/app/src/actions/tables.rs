//! Bringing and removing tables of codes.

use js_sys::Array;
use leptos::task::spawn_local;
use outpost_protocol::{ClinicRequest, Event, Request, TableKind};
use web_sys::File;

use super::models::{follow, keep_storage};
use crate::client::Client;
use crate::state::App;

/// Lists tables anew. Whoever observes the client gets the list.
pub fn list_tables(client: &Client) {
    let ask = ClinicRequest::Tables;
    let _tables = client.call(Request::Clinic { ask }, &Array::new());
}

/// Makes a table of the files that a person chose.
///
/// # Errors
/// What happened and what to do.
pub async fn import_table(
    app: App,
    client: &Client,
    files: Vec<File>,
    kind: TableKind,
    release: String,
) -> Result<String, (String, String)> {
    let ask = ClinicRequest::ImportTable {
        kind: Some(kind),
        title: None,
        release: Some(release),
    };
    let answers = client.call(
        Request::Clinic { ask },
        &files.into_iter().collect::<Array>(),
    );
    match follow(app, answers).await {
        Event::TableImported { id, tables } => {
            keep_storage();
            let table = tables.into_iter().find(|table| table.id == id);
            let title = table.map_or_else(String::new, |table| table.title);
            Ok(format!("{title} is added, and used from now on."))
        }
        Event::Cancelled => Ok("Stopped. Nothing was changed.".to_owned()),
        Event::Failed { message, remedy } => Err((message, remedy)),
        _ => Ok(String::new()),
    }
}

/// Removes a table from this device.
pub fn remove_table(app: App, client: &Client, id: &str) {
    let ask = ClinicRequest::RemoveTable { id: id.to_owned() };
    let client = client.clone();
    spawn_local(async move {
        if let Event::Failed { message, remedy } = client.ask(Request::Clinic { ask }).await {
            app.fail(message, remedy);
        }
    });
}
