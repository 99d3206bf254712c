//! One connection: one request, one answer (RFC 9112).

use std::io::{Error, ErrorKind, Read, Result, Write, copy};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::time::Duration;

use super::files::{self, Answer, Conditions};

/// Longest head of a request that is read.
const MAX_HEAD_BYTES: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;

/// How long a browser may say nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reads a request and answers it from the files below `folder`.
pub fn answer(mut stream: &TcpStream, folder: &Path) -> Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let head = read_head(stream)?;
    let request = Request::parse(&head);
    let (answer, with_body) = match &request {
        None => (
            files::plain("400 Bad Request", "this is no HTTP request\n"),
            true,
        ),
        Some(request) => match request.method.as_str() {
            "GET" => (
                files::respond(folder, &request.target, &request.conditions),
                true,
            ),
            "HEAD" => (
                files::respond(folder, &request.target, &request.conditions),
                false,
            ),
            _ => (
                files::plain(
                    "405 Method Not Allowed",
                    "only GET and HEAD are answered here\n",
                ),
                true,
            ),
        },
    };
    send(stream, answer, with_body)?;
    stream.flush()?;
    stream.shutdown(Shutdown::Write)
}

struct Request {
    method: String,
    target: String,
    conditions: Conditions,
}

impl Request {
    fn parse(head: &[u8]) -> Option<Self> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        if !request.parse(head).ok()?.is_complete() {
            return None;
        }
        let header = |name: &str| {
            let found = request
                .headers
                .iter()
                .find(|header| header.name.eq_ignore_ascii_case(name))?;
            std::str::from_utf8(found.value).ok().map(str::to_owned)
        };
        let conditions = Conditions {
            range: header("Range"),
            if_none_match: header("If-None-Match"),
        };
        Some(Self {
            method: request.method?.to_owned(),
            target: request.path?.to_owned(),
            conditions,
        })
    }
}

/// Everything up to the empty line. GET and HEAD have no body.
fn read_head(mut stream: &TcpStream) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut piece = [0; 2048];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let count = stream.read(&mut piece)?;
        if count == 0 || head.len() + count > MAX_HEAD_BYTES {
            return Err(Error::from(ErrorKind::InvalidData));
        }
        head.extend_from_slice(&piece[..count]);
    }
    Ok(head)
}

fn send(mut stream: &TcpStream, answer: Answer, with_body: bool) -> Result<()> {
    let mut head = format!("HTTP/1.1 {}\r\n", answer.status);
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    // One request a connection: simple, and on one machine a new connection costs next to nothing.
    head.push_str(&format!(
        "Content-Length: {}\r\nConnection: close\r\n\r\n",
        answer.bytes
    ));
    stream.write_all(head.as_bytes())?;
    if with_body {
        copy(&mut answer.body.take(answer.bytes), &mut stream)?;
    }
    Ok(())
}
