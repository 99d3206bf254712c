//! Pictures that go with the next question, or belong to a consultation.

use std::sync::atomic::{AtomicU32, Ordering};

use leptos::prelude::*;
use outpost_protocol::format;
use outpost_vault::MOST_PICTURE_BYTES;
use web_sys::{Blob, Url};

use crate::state::{App, Features, Picture};

/// Picture files that the engine reads.
pub const ACCEPTED: &str = "image/jpeg,image/png,image/webp";

/// Most pictures with one question: each takes hundreds of tokens of the context.
const MOST: usize = 4;

/// A number that no other picture of this page has, nor what was made of one.
pub(super) fn next_id() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Pictures that are chosen together.
pub type Pictures = RwSignal<Vec<Picture>, LocalStorage>;

/// Adds a picture to the next question. What is not a picture is refused with a reason.
pub fn attach(app: App, blob: Blob, name: &str) {
    if let Err((message, remedy)) = add(app.pictures, blob, name) {
        app.fail(message, remedy);
    }
}

/// Adds a picture, or says what is wrong and what to do.
pub(super) fn add(
    pictures: Pictures,
    blob: Blob,
    name: &str,
) -> Result<(), (String, &'static str)> {
    if !ACCEPTED.split(',').any(|kind| kind == blob.type_()) {
        return Err((
            format!("\u{201c}{name}\u{201d} is not a picture that can be read."),
            "Choose a JPEG, PNG or WebP file.",
        ));
    }
    if blob.size() > MOST_PICTURE_BYTES as f64 {
        let most = format::bytes(MOST_PICTURE_BYTES as u64);
        return Err((
            format!("\u{201c}{name}\u{201d} is larger than {most}."),
            "Make it smaller first.",
        ));
    }
    if pictures.with_untracked(Vec::len) >= MOST {
        return Err((
            format!("There are already {MOST} pictures."),
            "Remove one to add another.",
        ));
    }
    let url = Url::create_object_url_with_blob(&blob).map_err(|_| {
        let message = "The picture could not be opened.".to_owned();
        (message, "Choose it again.")
    })?;
    pictures.update(|pictures| {
        pictures.push(Picture {
            id: next_id(),
            blob,
            name: name.to_owned(),
            url,
            features: Features::default(),
        });
    });
    Ok(())
}

/// Takes a picture away.
pub fn detach(pictures: Pictures, id: u32) {
    remove(pictures, |picture| picture.id == id);
}

/// Takes pictures away, and lets go of what showed them.
pub(super) fn remove(pictures: Pictures, which: impl Fn(&Picture) -> bool) {
    pictures.update(|pictures| {
        pictures.retain(|picture| {
            let goes = which(picture);
            if goes {
                let _ = Url::revoke_object_url(&picture.url);
            }
            !goes
        });
    });
}
