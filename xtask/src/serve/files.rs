//! From an address to the bytes of a file, whole or a range of it.

use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::ops::RangeInclusive;
use std::path::{Component, Path, PathBuf};

use tiny_http::{Header, Response, StatusCode};

use super::headers;

/// An answer whose body is read while it is sent.
pub type Answer = Response<Box<dyn Read + Send>>;

/// Answers with the file that `url` names below `folder`, or the part of it that `range` asks for.
pub fn respond(folder: &Path, url: &str, range: Option<&str>) -> Answer {
    let Some(path) = locate(folder, url) else {
        return plain(404, "there is no such file\n");
    };
    let opened = File::open(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
    let Ok((bytes, mut file)) = opened else {
        return plain(404, "there is no such file\n");
    };
    let content_type = headers::content_type(&path);
    match range.map_or(Part::Whole, |range| part(range, bytes)) {
        Part::Whole => answer(200, content_type, Box::new(file), bytes),
        Part::Range(range) => {
            let length = range.end() - range.start() + 1;
            if file.seek(SeekFrom::Start(*range.start())).is_err() {
                return plain(500, "the file cannot be read\n");
            }
            answer(206, content_type, Box::new(file.take(length)), length).with_header(header(
                "Content-Range",
                &format!("bytes {}-{}/{bytes}", range.start(), range.end()),
            ))
        }
        Part::Outside => plain(416, "the file has no such range\n")
            .with_header(header("Content-Range", &format!("bytes */{bytes}"))),
    }
}

/// A short text.
pub fn plain(status: u16, text: &'static str) -> Answer {
    answer(
        status,
        "text/plain; charset=utf-8",
        Box::new(Cursor::new(text)),
        text.len() as u64,
    )
}

fn answer(status: u16, content_type: &str, body: Box<dyn Read + Send>, bytes: u64) -> Answer {
    let fixed = headers::ALWAYS
        .iter()
        .map(|(name, value)| header(name, value));
    let own = [
        header("Content-Type", content_type),
        header("Accept-Ranges", "bytes"),
    ];
    Response::new(
        StatusCode(status),
        fixed.chain(own).collect(),
        body,
        usize::try_from(bytes).ok(),
        None,
    )
    // With a known length there is no reason to send in chunks.
    .with_chunked_threshold(usize::MAX)
}

#[allow(clippy::expect_used)]
fn header(name: &str, value: &str) -> Header {
    // Names and values are written in this module: ASCII without line breaks.
    Header::from_bytes(name, value).expect("headers of this server are ASCII")
}

/// The file for an address, if it lies below `folder`. A folder stands for its index.html.
fn locate(folder: &Path, url: &str) -> Option<PathBuf> {
    let address = url.split(['?', '#']).next().unwrap_or_default();
    let relative = percent_decode(address.strip_prefix('/')?)?;
    let relative = Path::new(&relative);
    if !relative
        .components()
        .all(|component| matches!(component, Component::Normal(_)))
    {
        return None;
    }
    let path = folder.join(relative);
    let path = if path.is_dir() {
        path.join("index.html")
    } else {
        path
    };
    path.is_file().then_some(path)
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            let digits = std::str::from_utf8(&digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes)
        .ok()
        .filter(|decoded| !decoded.contains('\0'))
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Whole,
    Range(RangeInclusive<u64>),
    Outside,
}

/// Reads a `Range` header (RFC 9110, section 14.2). What is not one single range of bytes gets the whole file.
fn part(header: &str, bytes: u64) -> Part {
    let Some((first, last)) = header
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
    else {
        return Part::Whole;
    };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    match (first.trim(), last.trim()) {
        ("", suffix) => match number(suffix) {
            Some(0) => Part::Outside,
            Some(count) if bytes > 0 => Part::Range(bytes.saturating_sub(count)..=bytes - 1),
            Some(_) => Part::Outside,
            None => Part::Whole,
        },
        (first, last) => match (
            number(first),
            if last.is_empty() {
                Some(u64::MAX)
            } else {
                number(last)
            },
        ) {
            (Some(first), Some(last)) if first > last => Part::Whole,
            (Some(first), Some(_)) if first >= bytes => Part::Outside,
            (Some(first), Some(last)) => Part::Range(first..=last.min(bytes - 1)),
            _ => Part::Whole,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_the_folder_is_reached() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        assert!(locate(&folder, "/main.rs").is_some());
        assert!(locate(&folder, "/serve/mod.rs?x=1").is_some());
        for url in [
            "/../Cargo.toml",
            "/serve/../../Cargo.toml",
            "/%2e%2e/Cargo.toml",
            "//etc/passwd",
            "/%",
            "main.rs",
            "/a%00",
        ] {
            assert!(locate(&folder, url).is_none(), "{url}");
        }
    }

    #[test]
    fn ranges_are_those_of_the_standard() {
        for (header, expected) in [
            ("bytes=0-3", Part::Range(0..=3)),
            ("bytes=4-", Part::Range(4..=9)),
            ("bytes=4-99", Part::Range(4..=9)),
            ("bytes=-3", Part::Range(7..=9)),
            ("bytes=-99", Part::Range(0..=9)),
            ("bytes=10-", Part::Outside),
            ("bytes=-0", Part::Outside),
            ("bytes=5-2", Part::Whole),
            ("bytes=0-1,4-5", Part::Whole),
            ("lines=0-1", Part::Whole),
            ("bytes=a-b", Part::Whole),
        ] {
            assert_eq!(part(header, 10), expected, "{header}");
        }
        assert_eq!(part("bytes=-1", 0), Part::Outside);
    }
}
