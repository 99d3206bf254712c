//! Which models are on a device's storage, how one gets there, and how it is checked, repaired and removed: in such an
//! order that a model is never half there, whenever the power goes.
//!
//! A journal says what exists; files alone mean nothing. What it says was on the disk before it said so, and what it
//! no longer says is only then taken away. So at every moment:
//!
//! 1. a model that is [installed](Status::Installed) has every byte that its manifest promises;
//! 2. a part that was stored is not fetched again, unless checking finds that it is no longer what it was;
//! 3. a model that was deleted does not come back;
//! 4. a file that the journal does not name belongs to nobody, and [`Library::clean_up`] removes it.
//!
//! Single files that a person brought, such as tables of codes, lie on a [`Shelf`] in a folder of their own.
//!
//! ```text
//! journal.1, journal.2        what exists: one of them, the other while it is written anew
//! model.<number>/             the folder of one installation, from its first byte on; never moved or renamed
//!     text-00001-of-00040.bin   shards, named by the manifest
//!     manifest~1.json           the manifest, or ~2: a new one is written beside the old one
//!     raw~00001                 a piece of a file that is being converted
//! <id>/                       a model from before there was a journal, with a manifest.json
//! ```
//!
//! A host brings a [`Disk`]. Installing what is known, a shard set, from wherever its bytes come:
//!
//! ```
//! # use outpost_engine::weights::shards::Manifest;
//! # use outpost_store::{Disk, Error, Library, Model, Result};
//! # trait Source { async fn bytes(&mut self, shard: &str, offset: u64) -> Vec<u8>; }
//! async fn install<D: Disk>(
//!     library: &Library<D>, manifest: &Manifest, address: &str, source: &mut impl Source, now_ms: u64,
//! ) -> Result<Model> {
//!     let installation = library.install(manifest, address).await?;
//!     for part in library.missing(&installation) {
//!         loop {
//!             let mut writer = library.write(&installation, &part.name, &mut ()).await?;
//!             while writer.written() < part.bytes {
//!                 let bytes = source.bytes(&part.name, writer.written()).await;
//!                 writer.write(&bytes)?;
//!             }
//!             match library.finish(writer) {
//!                 Err(Error::WrongPart { .. }) => continue, // it is empty again
//!                 Err(error) => return Err(error),
//!                 Ok(_) => break,
//!             }
//!         }
//!     }
//!     library.complete(&installation, manifest, now_ms).await
//! }
//! ```

pub mod archive;
mod convert;
pub mod disk;
pub mod error;
mod hash;
mod install;
mod journal;
mod library;
mod part;
mod recovery;
mod resumable;
mod shard;
mod shelf;
mod state;
mod sums;
mod verify;
mod write;

pub use convert::{Conversion, Piece};
pub use disk::{Disk, DiskError, DiskFile};
pub use error::{Error, Result};
pub use hash::{PIECE_BYTES, Sha256, Stopped, Watch};
pub use install::Installation;
pub use library::{Library, Model, Status};
pub use part::Part;
pub use recovery::{Found, Gone};
pub use resumable::ResumableSha256;
pub use shard::{Reading, Shard};
pub use shelf::{Item, NewItem, Note, Shelf};
pub use write::Writer;
