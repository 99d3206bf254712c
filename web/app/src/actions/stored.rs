//! What is on the page as the vault has it, and back.

use js_sys::{Array, Uint8Array};
use leptos::prelude::*;
use outpost_protocol::{Figures, FinishReason};
use outpost_vault::{
    Conversation, Draft, Ended, Error, MOST_PICTURE_BYTES, Picture as Stored, PictureRef, RecordId,
    Role,
};
use web_sys::{Blob, BlobPropertyBag, Url};

use super::answering;
use super::keeping::said;
use super::pictures::next_id;
use crate::keep::{self, Content, Keeper, PageVault, Snapshot};
use crate::state::{App, Current, Features, Picture, Turn, TurnStatus};

/// The media type of what the image encoder has made of a picture.
const FEATURES: &str = "application/x-outpost-features";

/// Reads a conversation -> its revision, what is stored, its turns, and the pictures of its draft.
///
/// # Errors
/// What the vault says.
pub async fn read(
    app: App,
    vault: &PageVault,
    id: RecordId,
) -> Result<(u64, Conversation, Vec<Turn>, Vec<Picture>), Error> {
    let (revision, conversation) = vault.read_revision(&id).await?;
    let mut turns: Vec<Turn> = Vec::new();
    for said in &conversation.turns {
        match (said.role, turns.last()) {
            (Role::Assistant, Some(turn)) => {
                turn.answer.set(said.text.clone());
                turn.thought.set(said.thought.clone());
                turn.status.set(status(said.ended.as_ref()));
            }
            // An answer to nothing is not shown: no version writes one.
            (Role::Assistant, None) => {}
            (Role::User, _) => turns.push(Turn {
                id: answering::next_id(),
                question: said.text.clone(),
                asked_ms: said.time_ms,
                pictures: pictures(app, vault, id, &said.pictures).await?,
                answer: RwSignal::new(String::new()),
                thought: RwSignal::new(String::new()),
                status: RwSignal::new(TurnStatus::Failed),
            }),
        }
    }
    let draft = pictures(app, vault, id, &conversation.draft.pictures).await?;
    Ok((revision, conversation, turns, draft))
}

/// Pictures of a conversation. One that is lost for good is left out, and the page says so.
async fn pictures(
    app: App,
    vault: &PageVault,
    of: RecordId,
    references: &[PictureRef],
) -> Result<Vec<Picture>, Error> {
    let keeper = app.keeper.get_value();
    let mut pictures = Vec::with_capacity(references.len());
    for reference in references {
        let stored = match vault.picture(&reference.id).await {
            Ok(stored) => stored,
            Err(
                error @ (Error::Missing { .. } | Error::Tampered { .. } | Error::Replayed { .. }),
            ) => {
                let (message, remedy) = said(&error);
                app.fail(message, remedy);
                continue;
            }
            Err(error) => return Err(error),
        };
        let options = BlobPropertyBag::new();
        options.set_type(&stored.media_type);
        let parts = Array::of1(&Uint8Array::from(stored.bytes.as_slice()));
        let shown = Blob::new_with_u8_array_sequence_and_options(&parts, &options)
            .and_then(|blob| Ok((Url::create_object_url_with_blob(&blob)?, blob)));
        if let Ok((url, blob)) = shown {
            let id = next_id();
            keeper.know_picture(of, id, reference.id);
            pictures.push(Picture {
                id,
                blob,
                name: reference.name.clone(),
                url,
                features: features(&keeper, vault, of, reference).await?,
            });
        }
    }
    Ok(pictures)
}

/// What was made of a picture, as far as it is stored. What is lost of it can be made again, so nobody is told.
async fn features(
    keeper: &Keeper,
    vault: &PageVault,
    of: RecordId,
    reference: &PictureRef,
) -> Result<Features, Error> {
    let features = Features::default();
    let Some(record) = reference.features else {
        return Ok(features);
    };
    match vault.picture(&record).await {
        Ok(mut stored) => {
            let id = next_id();
            keeper.know_picture(of, id, record);
            features.set(id, std::mem::take(&mut stored.bytes));
        }
        Err(error @ (Error::Locked | Error::Wiped | Error::ProtectionChanged)) => {
            return Err(error);
        }
        Err(_) => {}
    }
    Ok(features)
}

/// The conversation that is on the page, and its pictures with what was made of them, each with its record.
pub fn shown(
    app: App,
    keeper: &Keeper,
    vault: &PageVault,
    current: Current,
    with_draft: bool,
) -> (Conversation, Vec<(RecordId, Content)>) {
    let mut shown: Vec<(RecordId, Content)> = Vec::new();
    // The same in every snapshot, whether the one before has been written by then or not.
    let record_of = |id: u32| match keeper.picture(current.id, id) {
        Some(record) => Some(record),
        None => {
            let record = vault.new_id().ok()?;
            keeper.know_picture(current.id, id, record);
            Some(record)
        }
    };
    let mut reference = |picture: &Picture| {
        let record = record_of(picture.id)?;
        shown.push((record, Content::File(picture.blob.clone())));
        let features = picture.features.get().and_then(|known| {
            let record = record_of(known.id)?;
            shown.push((record, Content::Features(known)));
            Some(record)
        });
        Some(PictureRef {
            id: record,
            name: picture.name.clone(),
            features,
        })
    };
    let mut conversation = Conversation {
        created_ms: current.created_ms,
        updated_ms: js_sys::Date::now() as u64,
        turns: Vec::new(),
        draft: Draft::default(),
    };
    for turn in app.turns.get_untracked() {
        let pictures = turn.pictures.iter().filter_map(&mut reference).collect();
        conversation.turns.extend(to_vault(&turn, pictures));
    }
    if with_draft {
        let pictures = app.pictures.get_untracked();
        conversation.draft = Draft {
            text: app.draft.get_untracked(),
            pictures: pictures.iter().filter_map(&mut reference).collect(),
        };
    }
    (conversation, shown)
}

/// What of a snapshot can be stored, and those of its pictures that are not stored yet. One whose file cannot be read any
/// more is left out, and the page says so.
pub async fn storable(
    app: App,
    keeper: &Keeper,
    snapshot: &Snapshot,
) -> (Conversation, Vec<(RecordId, Stored)>) {
    let id = snapshot.current.id;
    let mut pictures: Vec<(RecordId, Stored)> = Vec::new();
    let mut lost: Vec<RecordId> = Vec::new();
    for (record, content) in &snapshot.pictures {
        let known = pictures.iter().any(|(known, _)| known == record) || lost.contains(record);
        if known || keeper.has_stored(id, *record) {
            continue;
        }
        let (media_type, bytes) = match content {
            Content::File(blob) => (blob.type_(), keep::bytes(blob).await.ok()),
            Content::Features(known) => (FEATURES.to_owned(), Some(known.bytes.to_vec())),
        };
        match bytes.filter(|bytes| bytes.len() <= MOST_PICTURE_BYTES) {
            Some(bytes) => pictures.push((*record, Stored { media_type, bytes })),
            None => lost.push(*record),
        }
    }
    let mut conversation = snapshot.conversation.clone();
    if !lost.is_empty() {
        let is_there = |shown: &PictureRef| !lost.contains(&shown.id);
        for turn in &mut conversation.turns {
            turn.pictures.retain(is_there);
        }
        conversation.draft.pictures.retain(is_there);
        // What was made of a picture goes with it.
        pictures.retain(|(record, _)| conversation.records().any(|named| named == *record));
    }
    lost.retain(|record| keeper.know_lost(*record));
    if !lost.is_empty() {
        app.fail(
            "A picture was not stored: its file cannot be read any more. The words are.",
            "Attach it again if it is to be kept.",
        );
    }
    (conversation, pictures)
}

/// A turn as the vault has it: a question, and an answer if there is any of it.
fn to_vault(turn: &Turn, pictures: Vec<PictureRef>) -> Vec<outpost_vault::Turn> {
    let question = outpost_vault::Turn {
        role: Role::User,
        text: turn.question.clone(),
        thought: String::new(),
        time_ms: turn.asked_ms,
        pictures,
        ended: None,
    };
    let answer = outpost_vault::Turn {
        role: Role::Assistant,
        text: turn.answer.get_untracked(),
        thought: turn.thought.get_untracked(),
        time_ms: turn.asked_ms,
        pictures: Vec::new(),
        ended: match turn.status.get_untracked() {
            TurnStatus::Ended(reason, figures) => Some(ended(reason, figures)),
            _ => None,
        },
    };
    let begun = !answer.text.is_empty() || !answer.thought.is_empty() || answer.ended.is_some();
    std::iter::once(question)
        .chain(begun.then_some(answer))
        .collect()
}

fn ended(reason: FinishReason, figures: Figures) -> Ended {
    Ended {
        reason: outpost_protocol::encode(&reason).unwrap_or_default(),
        figures: outpost_vault::Figures {
            prompt_tokens: figures.prompt_tokens,
            completion_tokens: figures.completion_tokens,
            prefill_ms: figures.prefill_ms,
            decode_ms: figures.decode_ms,
        },
    }
}

fn status(ended: Option<&Ended>) -> TurnStatus {
    let read = |ended: &Ended| Some((outpost_protocol::decode(&ended.reason).ok()?, ended.figures));
    match ended.and_then(read) {
        None => TurnStatus::Failed,
        Some((reason, figures)) => TurnStatus::Ended(
            reason,
            Figures {
                prompt_tokens: figures.prompt_tokens,
                completion_tokens: figures.completion_tokens,
                prefill_ms: figures.prefill_ms,
                decode_ms: figures.decode_ms,
            },
        ),
    }
}
