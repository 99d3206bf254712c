//! Pictures that go with the next question.

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

/// Adds a picture to the next question. What is not a picture is refused with a reason.
pub fn attach(app: App, blob: Blob, name: &str) {
    if !ACCEPTED.split(',').any(|kind| kind == blob.type_()) {
        app.fail(
            format!("\u{201c}{name}\u{201d} is not a picture that can be read."),
            "Choose a JPEG, PNG or WebP file.",
        );
        return;
    }
    if blob.size() > MOST_PICTURE_BYTES as f64 {
        let most = format::bytes(MOST_PICTURE_BYTES as u64);
        app.fail(
            format!("\u{201c}{name}\u{201d} is larger than {most}."),
            "Make it smaller first.",
        );
        return;
    }
    if app.pictures.with_untracked(Vec::len) >= MOST {
        app.fail(
            format!("There are already {MOST} pictures."),
            "Remove one to add another.",
        );
        return;
    }
    let Ok(url) = Url::create_object_url_with_blob(&blob) else {
        return app.fail("The picture could not be opened.", "Choose it again.");
    };
    app.pictures.update(|pictures| {
        pictures.push(Picture {
            id: next_id(),
            blob,
            name: name.to_owned(),
            url,
            features: Features::default(),
        });
    });
}

/// Takes a picture off the next question.
pub fn detach(app: App, id: u32) {
    app.pictures.update(|pictures| {
        pictures.retain(|picture| {
            if picture.id == id {
                let _ = Url::revoke_object_url(&picture.url);
            }
            picture.id != id
        });
    });
}
