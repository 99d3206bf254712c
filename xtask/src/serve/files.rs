//! From an address to the bytes of a file, whole or a range of it.

use std::fs::{File, Metadata};
use std::io::{Read, Seek, SeekFrom};
use std::ops::RangeInclusive;
use std::path::{Component, Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::headers;

/// An answer whose body is read while it is sent.
pub struct Answer {
    /// Number and reason.
    pub status: &'static str,
    /// All but those of the connection itself.
    pub headers: Vec<(&'static str, String)>,
    /// What follows the head; may hold more than `bytes`.
    pub body: Box<dyn Read>,
    /// Length of the body.
    pub bytes: u64,
}

/// The headers of a request that change what is answered.
#[derive(Debug, Default)]
pub struct Conditions {
    /// `Range`: only a part is wanted.
    pub range: Option<String>,
    /// `If-None-Match`: nothing is wanted if the file is still this one.
    pub if_none_match: Option<String>,
}

/// Answers with the file that `target` names below `folder`, or the part of it that is asked for.
pub fn respond(folder: &Path, target: &str, conditions: &Conditions) -> Answer {
    let missing = || plain("404 Not Found", "there is no such file\n");
    let Some(path) = locate(folder, target) else {
        return missing();
    };
    let opened = File::open(&path).and_then(|file| Ok((file.metadata()?, file)));
    let Ok((metadata, mut file)) = opened else {
        return missing();
    };
    let tag = entity_tag(&metadata);
    let place = path.strip_prefix(folder).unwrap_or(&path);
    if conditions.if_none_match.as_ref() == Some(&tag) {
        return answer(place, "304 Not Modified", Box::new(std::io::empty()), 0).with("ETag", tag);
    }
    let bytes = metadata.len();
    let content_type = headers::content_type(&path);
    let found = match conditions
        .range
        .as_deref()
        .map_or(Part::Whole, |range| part(range, bytes))
    {
        Part::Whole => answer(place, "200 OK", Box::new(file), bytes),
        Part::Range(range) => {
            if file.seek(SeekFrom::Start(*range.start())).is_err() {
                return missing();
            }
            let length = range.end() - range.start() + 1;
            answer(place, "206 Partial Content", Box::new(file), length).with(
                "Content-Range",
                format!("bytes {}-{}/{bytes}", range.start(), range.end()),
            )
        }
        Part::Outside => {
            return plain("416 Range Not Satisfiable", "the file has no such range\n")
                .with("Content-Range", format!("bytes */{bytes}"));
        }
    };
    found
        .with("Content-Type", content_type.to_owned())
        .with("Accept-Ranges", "bytes".to_owned())
        .with("ETag", tag)
}

/// A short text.
pub fn plain(status: &'static str, text: &'static str) -> Answer {
    let place = Path::new("a.txt");
    answer(place, status, Box::new(text.as_bytes()), text.len() as u64)
        .with("Content-Type", headers::content_type(place).to_owned())
}

/// An answer about the file at `place`, below the folder that is served.
fn answer(place: &Path, status: &'static str, body: Box<dyn Read>, bytes: u64) -> Answer {
    let headers = headers::of(place);
    let headers = headers
        .into_iter()
        .map(|(name, value)| (name, value.to_owned()))
        .collect();
    Answer {
        status,
        headers,
        body,
        bytes,
    }
}

impl Answer {
    fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// Changes whenever a file is written anew.
fn entity_tag(metadata: &Metadata) -> String {
    let written = metadata
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    format!(
        "\"{:x}-{:x}\"",
        metadata.len(),
        written.map_or(0, |time| time.as_nanos())
    )
}

/// The file for a request's target, if it lies below `folder`. A folder stands for its index.html, if its address ends as
/// one: the page in it would take what lies beside it from the folder above.
fn locate(folder: &Path, target: &str) -> Option<PathBuf> {
    let address = target.split(['?', '#']).next().unwrap_or_default();
    let relative = percent_decode(address.strip_prefix('/')?)?;
    let relative = Path::new(&relative);
    if !relative
        .components()
        .all(|component| matches!(component, Component::Normal(_)))
    {
        return None;
    }
    let path = folder.join(relative);
    let path = if path.is_dir() && address.ends_with('/') {
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
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_the_folder_is_reached() {
        let folder = Path::new("src");
        assert!(locate(folder, "/main.rs").is_some());
        assert!(locate(folder, "/serve/mod.rs?x=1").is_some());
        for url in [
            "/../Cargo.toml",
            "/serve/../../Cargo.toml",
            "/%2e%2e/Cargo.toml",
            "//etc/passwd",
            "/%",
            "main.rs",
            "/a%00",
        ] {
            assert!(locate(folder, url).is_none(), "{url}");
        }
    }

    #[test]
    fn what_installs_has_headers_of_its_own_however_it_is_asked_for() {
        let folder = std::env::temp_dir().join(format!("outpost-answers-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("install")).unwrap();
        for name in ["index.html", "install/index.html", "install/worker.js"] {
            std::fs::write(folder.join(name), name).unwrap();
        }
        let policy = |target: &str| {
            let answer = respond(&folder, target, &Conditions::default());
            let headers = answer.headers.into_iter();
            let policies = headers.filter(|(name, _)| *name == "Content-Security-Policy");
            policies.map(|(_, value)| value).collect::<Vec<_>>()
        };
        let [installing, ..] = headers::INSTALLING;
        for target in ["/install/", "/install/worker.js?x", "/%69nstall/index.html"] {
            assert_eq!(policy(target), [installing.1], "{target}");
        }
        for target in ["/", "/index.html?/install/", "/install/gone", "/install"] {
            assert_eq!(
                policy(target),
                [headers::CONTENT_SECURITY_POLICY],
                "{target}"
            );
        }
        std::fs::remove_dir_all(folder).unwrap();
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
