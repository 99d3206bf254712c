//! A file of another host, fetched from its beginning to its end in pieces that storage keeps until they are used.
//!
//! Bytes of two versions of a file never meet: every answer must say the same of the file as the first one did, its tag
//! (ETag), its date and its length. A host that says nothing of the kind is asked once, and not for the rest.

use std::cell::Cell;

use outpost_engine::ports::ByteSource;
use outpost_protocol::{Stage, Unit};
use outpost_store::{Installation, ResumableSha256, Sha256};
use web_sys::{Response, Url};

use super::net::{
    ATTEMPTS, Body, FIRST_WAIT_MS, LONGEST_WAIT_MS, ask, broken, check_status, header, patiently,
    pause, refuse_page, request,
};
use crate::desk::Task;
use crate::models::Models;
use crate::opfs::Handle;
use crate::problem::{Problem, Result};
use crate::sources::PieceSource;

/// Length of all pieces but the last one of a file: so much is fetched again after a reload.
pub const PIECE_BYTES: u64 = 8 << 20;

/// Pieces of one file are numbered from a multiple of this one.
const NUMBERS: u32 = 1 << 20;

/// What must stand between an address and the hash of its file.
const HASH: &str = "#sha256=";

type Writer = outpost_store::Writer<Handle>;

/// How far all files of a model are.
pub struct Course<'t> {
    /// The call that wants them.
    pub task: &'t Task,
    /// Bytes that were fetched.
    pub done: Cell<u64>,
    /// Bytes that there are.
    pub total: Cell<u64>,
}

impl Course<'_> {
    fn advance(&self, bytes: u64) {
        self.done.set(self.done.get() + bytes);
        self.task.progress(
            Stage::Downloading,
            self.done.get(),
            self.total.get(),
            Unit::Bytes,
        );
    }
}

/// A file of another host.
pub struct RemoteFile<'t> {
    course: &'t Course<'t>,
    models: &'t Models,
    /// Where it lies, without a hash.
    pub address: String,
    /// What is there of it.
    pub source: PieceSource,
    /// What tells its bytes from those of another version; empty if the host does not say.
    pub version: String,
    /// What its bytes must come to, if anybody said.
    pub expected: Option<Sha256>,
    first_number: u32,
    /// Bytes that were fetched, in whole pieces, and their hash.
    fetched: u64,
    hash: ResumableSha256,
    /// An answer that goes on after these.
    arriving: Option<Arriving>,
}

/// What arrives, and what of it belongs to the next piece.
struct Arriving {
    body: Body,
    ahead: Vec<u8>,
    /// Bytes to pass over: a server that does not know ranges sends all of it.
    skip: u64,
}

impl<'t> RemoteFile<'t> {
    /// Asks for the file at `address`, the `index`th of a model.
    ///
    /// # Errors
    /// No such file, no leave to see it, and a hash that is not the one that the address asks for.
    pub async fn find(
        course: &'t Course<'t>,
        models: &'t Models,
        address: &str,
        index: u32,
    ) -> Result<Self> {
        let (address, wanted) = split(address)?;
        let response = patiently(course.task, async || request(&address, 0).await).await?;
        refuse_page(&response)?;
        let told = told_hash(&response);
        let name = name_of(&address);
        if let (Some(wanted), Some(told)) = (wanted, told)
            && wanted != told
        {
            return Err(other_hash(&name, told, wanted));
        }
        let bytes = header(&response, "Content-Length").and_then(|bytes| bytes.parse().ok());
        let bytes = bytes.ok_or_else(|| {
            Problem::new(
                format!("The host does not say how long \u{201c}{name}\u{201d} is."),
                "Fetch the files with the browser and add them from this device.",
            )
        })?;
        course.total.set(course.total.get() + bytes);
        Ok(Self {
            course,
            models,
            source: PieceSource::new(name, bytes, PIECE_BYTES),
            version: version_of(&response),
            expected: wanted.or(told),
            first_number: index * NUMBERS,
            fetched: 0,
            hash: ResumableSha256::default(),
            arriving: Some(Arriving::of(&response, 0)?),
            address,
        })
    }

    /// Takes up what an earlier attempt has stored of it.
    ///
    /// # Errors
    /// What storage refuses.
    pub async fn take_up(&mut self, installation: &Installation) -> Result<()> {
        let numbers = self.first_number..self.first_number + NUMBERS;
        let stored = self.models.0.pieces(installation);
        let stored = stored
            .into_iter()
            .filter(|piece| numbers.contains(&piece.number));
        for piece in stored {
            let index = u64::from(piece.number - self.first_number);
            let end = (index * PIECE_BYTES + piece.bytes).min(self.source.len());
            let Some(hash) = ResumableSha256::from_text(&piece.hash_state, end) else {
                return Err(self.unusable());
            };
            (self.fetched, self.hash) = (end, hash);
            let handle = self.models.0.read_piece(installation, piece.number).await?;
            self.source.put(index, handle);
        }
        if self.fetched > 0 {
            self.arriving = None;
            self.course.advance(self.fetched);
        }
        Ok(())
    }

    /// Fetches until the piece with byte `place` is there.
    ///
    /// # Errors
    /// The network, another version of the file, a piece that was there and is gone, and what storage refuses.
    pub async fn fetch_to(&mut self, installation: &Installation, place: u64) -> Result<()> {
        if place < self.fetched {
            return Err(self.unusable());
        }
        while self.fetched <= place {
            self.fetch_piece(installation).await?;
        }
        Ok(())
    }

    /// Whether all of it was fetched.
    pub fn is_fetched(&self) -> bool {
        self.fetched == self.source.len()
    }

    /// The hash of what was fetched.
    ///
    /// # Errors
    /// Another one than was promised.
    pub fn checked_hash(&self) -> Result<Sha256> {
        let found = self.hash.clone().finish();
        match self.expected {
            Some(expected) if expected != found => {
                Err(other_hash(self.source.label(), found, expected))
            }
            _ => Ok(found),
        }
    }

    /// Lets go of pieces of which all bytes lie in `header_bytes..needed`; the last one says how far the file is.
    ///
    /// # Errors
    /// What storage refuses.
    pub async fn drop_pieces(
        &self,
        installation: &Installation,
        header_bytes: u64,
        needed: u64,
    ) -> Result<()> {
        let last = self.fetched.saturating_sub(1) / PIECE_BYTES;
        let is_unwanted = |index: u64| {
            let (start, end) = (index * PIECE_BYTES, (index + 1) * PIECE_BYTES);
            start >= header_bytes && end <= needed && index != last
        };
        for index in self.source.take(is_unwanted) {
            // An index below the number of pieces that were numbered with an u32.
            let number = self.first_number + index as u32;
            self.models.0.drop_piece(installation, number).await?;
        }
        Ok(())
    }

    /// The connection is of no use until more is wanted.
    pub fn hang_up(&mut self) {
        self.arriving = None;
    }

    async fn fetch_piece(&mut self, installation: &Installation) -> Result<()> {
        let bytes = PIECE_BYTES.min(self.source.len() - self.fetched);
        let index = self.fetched / PIECE_BYTES;
        let number = u32::try_from(index).ok().filter(|index| *index < NUMBERS);
        let number = number
            .ok_or_else(|| Problem::new("The file is too large.", "Choose a smaller model."))?;
        let number = self.first_number + number;
        let mut writer = self.models.0.write_piece(installation, number).await?;
        let (mut fruitless, mut wait_ms) = (0, FIRST_WAIT_MS);
        while writer.written() < bytes {
            let before = writer.written();
            match self.append(&mut writer, bytes).await {
                Err(Problem::Network { .. }) if writer.written() > before => {
                    (fruitless, wait_ms) = (0, FIRST_WAIT_MS);
                }
                Err(Problem::Network { .. }) if fruitless + 1 < ATTEMPTS => {
                    fruitless += 1;
                    pause(self.course.task, wait_ms).await?;
                    wait_ms = (2 * wait_ms).min(LONGEST_WAIT_MS);
                }
                appended => appended?,
            }
        }
        self.models.0.finish_piece(writer, &self.hash.to_text())?;
        self.fetched += bytes;
        let handle = self.models.0.read_piece(installation, number).await?;
        self.source.put(index, handle);
        Ok(())
    }

    /// Appends what arrives until the piece has `bytes` bytes.
    async fn append(&mut self, writer: &mut Writer, bytes: u64) -> Result<()> {
        let mut arriving = match self.arriving.take() {
            Some(arriving) => arriving,
            None => self.go_on(self.fetched + writer.written()).await?,
        };
        while writer.written() < bytes {
            let chunk = arriving.next().await?;
            let room = (bytes - writer.written()).min(chunk.len() as u64);
            let (of_this, ahead) = chunk.split_at(room as usize);
            writer.write(of_this)?;
            self.hash.update(of_this);
            self.course.advance(room);
            arriving.ahead = ahead.to_vec();
            self.course.task.check().await?;
        }
        self.arriving = Some(arriving);
        Ok(())
    }

    /// Asks for the rest from byte `place` on.
    async fn go_on(&self, place: u64) -> Result<Arriving> {
        if self.version.is_empty() && place > 0 {
            return Err(Problem::new(
                "The connection broke, and the host does not say whether its file is still the same, so the rest cannot be added.",
                "Begin again, or fetch the files with the browser and add them from this device.",
            ));
        }
        let response = ask(&self.address, place).await?;
        // It has become shorter.
        if response.status() == 416 {
            return Err(self.changed());
        }
        check_status(&self.address, &response)?;
        if refuse_page(&response).is_err() {
            return Err(broken("the server sent a web page in its place"));
        }
        if version_of(&response) != self.version {
            return Err(self.changed());
        }
        let skip = if response.status() == 206 { 0 } else { place };
        Arriving::of(&response, skip)
    }

    fn changed(&self) -> Problem {
        Problem::Replaced {
            message: format!(
                "\u{201c}{}\u{201d} was replaced on its host while it was fetched. What there was of the other one is removed.",
                self.source.label()
            ),
        }
    }

    fn unusable(&self) -> Problem {
        Problem::Replaced {
            message: format!(
                "What was stored of \u{201c}{}\u{201d} is damaged, and is removed.",
                self.source.label()
            ),
        }
    }
}

impl Arriving {
    fn of(response: &Response, skip: u64) -> Result<Self> {
        Ok(Self {
            body: Body::of(response)?,
            ahead: Vec::new(),
            skip,
        })
    }

    /// The next bytes that are wanted, one at least.
    async fn next(&mut self) -> Result<Vec<u8>> {
        loop {
            let mut chunk = match self.ahead.is_empty() {
                false => std::mem::take(&mut self.ahead),
                true => match self.body.next().await? {
                    Some(chunk) => chunk,
                    None => return Err(broken("the server ended it too early")),
                },
            };
            let known = self.skip.min(chunk.len() as u64);
            self.skip -= known;
            chunk.drain(..known as usize);
            if !chunk.is_empty() {
                return Ok(chunk);
            }
        }
    }
}

/// An address without a hash, and the hash.
fn split(address: &str) -> Result<(String, Option<Sha256>)> {
    match address.split_once('#') {
        None => Ok((address.to_owned(), None)),
        Some((bare, _)) => {
            let hash = address
                .get(bare.len()..)
                .and_then(|end| end.strip_prefix(HASH));
            let hash = hash
                .map(|hash| hash.to_ascii_lowercase().parse())
                .transpose()?;
            Ok((bare.to_owned(), hash))
        }
    }
}

/// An address with the hash of its file.
pub fn with_hash(address: &str, hash: Sha256) -> String {
    format!("{address}{HASH}{hash}")
}

/// The last part of an address's path.
pub fn name_of(address: &str) -> String {
    let path = Url::new(address)
        .map(|url| url.pathname())
        .unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    let plain = js_sys::decode_uri_component(name).map(String::from);
    plain.unwrap_or_else(|_| name.to_owned())
}

/// What a host says of a file so that its versions can be told apart.
fn version_of(response: &Response) -> String {
    let said = ["ETag", "Last-Modified"].map(|name| header(response, name));
    said.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// The hash of the file, where the host gives it as its tag. Hugging Face does.
fn told_hash(response: &Response) -> Option<Sha256> {
    let tags = ["X-Linked-ETag", "ETag"].map(|name| header(response, name));
    let mut tags = tags.into_iter().flatten();
    tags.find_map(|tag| tag.trim_matches('"').to_ascii_lowercase().parse().ok())
}

fn other_hash(name: &str, found: Sha256, expected: Sha256) -> Problem {
    Problem::Replaced {
        message: format!(
            "\u{201c}{name}\u{201d} is another file than was asked for: its SHA-256 is {found}, not {expected}. Nothing of it is kept."
        ),
    }
}
