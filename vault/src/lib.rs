//! Conversations, kept encrypted on the device.
//!
//! A [`Vault`] stands on two ports: [`Records`] keeps opaque bytes by id, [`Cipher`] is AES-256-GCM and randomness. What
//! the records hold, and how:
//!
//! - `keys`: the ring of data keys, once for each way to open it (`slots.rs`): wrapped by a passphrase, by a passkey, or
//!   in the clear where there is neither.
//! - `index`: which records there are and at which revision (`index.rs`), with the counter of all writes.
//! - everything else: a conversation or a picture under a random id, sealed with its id and revision (`sealed.rs`).
//!
//! Every change is one atomic write of the records that it concerns and the index, so a crash leaves the state before it
//! or after it. A write is refused by the store if the index is not what it was when the change was made up: another page
//! has written, and the change is made up again from what is there now. A conversation is only overwritten by who has read
//! what is stored of it. A wipe removes keys and index first, so that no other page writes anything after it.
//!
//! What this keeps from whoever reads or changes the stored bytes: contents, titles, dates and exact lengths; putting a
//! record in the place of another, an older one in the place of a newer one, or taking one away. What it does not: how many
//! records there are and in which order they were written; and a whole store put back to an earlier day is only noticed
//! where the host keeps [`Vault::counter`] in another place ([`Vault::expect`]). Storage may keep overwritten bytes for a
//! while, so each change of protection begins a new data key: what is written from then on was never under a key that lay
//! in the clear, or under an earlier passphrase.
//!
//! Invariants: no browser, no file system, no clock; nothing leaves but through the ports; keys and decrypted contents are
//! overwritten with zeros when they are dropped.

mod backup;
mod content;
mod conversations;
mod error;
mod id;
mod index;
mod kdf;
mod ports;
mod sealed;
mod slots;
mod vault;

pub use backup::{Exported, Imported};
pub use content::{
    Conversation, Draft, Ended, Figures, MOST_PICTURE_BYTES, Picture, PictureRef, Role, Turn,
};
pub use conversations::{Finding, Summary};
pub use error::{Error, Result};
pub use id::RecordId;
pub use kdf::Cost;
pub use ports::{Change, Cipher, Guard, KEY_BYTES, NONCE_BYTES, Records, Sink, Source, TAG_BYTES};
pub use slots::{PRF_BYTES, Passkey, Protection, Secret};
pub use vault::{State, Vault};
