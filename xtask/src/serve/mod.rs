//! A small static server for localhost, with the security headers of a real one.

mod connection;
mod files;
pub mod headers;

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use crate::build;
use crate::error::{Failure, Result};
use crate::places::Places;

/// The port where one is not named: the first free one from here on.
const FIRST_PORT: u16 = 8787;
const PORTS_TRIED: u16 = 20;

/// How to serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The port; 0 takes any free one.
    pub port: Option<u16>,
    /// Whether to build first.
    pub build: bool,
    /// Another folder than the one that was built.
    pub dir: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: None,
            build: true,
            dir: None,
        }
    }
}

/// Builds the page unless told otherwise, prints its address on stdout, and serves it until stopped.
pub fn run(places: &Places, options: &Options) -> Result<()> {
    if options.build && options.dir.is_none() {
        build::dist(places)?;
    }
    let folder = options.dir.clone().unwrap_or_else(|| places.dist());
    if !folder.join("index.html").is_file() {
        return Err(Failure::new(format!("{} holds no page", folder.display()))
            .remedy("run `cargo xtask build` first"));
    }
    let (listener, port) = listen(options.port)?;
    println!("http://localhost:{port}");
    eprintln!("    serving {}; Ctrl-C stops it", folder.display());
    serve(&listener, folder);
    Ok(())
}

fn listen(port: Option<u16>) -> Result<(TcpListener, u16)> {
    let candidates = match port {
        Some(port) => port..=port,
        None => FIRST_PORT..=FIRST_PORT + PORTS_TRIED,
    };
    let mut refusal = String::new();
    for port in candidates {
        // Localhost alone: what is served here is for this machine.
        let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        match bound.and_then(|listener| Ok((listener.local_addr()?.port(), listener))) {
            Ok((port, listener)) => return Ok((listener, port)),
            Err(error) => refusal = format!("port {port} cannot be used: {error}"),
        }
    }
    Err(Failure::new(refusal).remedy("choose another with --port"))
}

/// A thread for each connection, so that no browser that reads slowly keeps another one waiting.
fn serve(listener: &TcpListener, folder: PathBuf) {
    let folder = Arc::new(folder);
    for stream in listener.incoming().flatten() {
        let folder = Arc::clone(&folder);
        std::thread::spawn(move || {
            // A browser that goes away in the middle of an answer is no error of the server.
            let _ = connection::answer(&stream, &folder);
        });
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;

    fn ask(port: u16, request: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn a_real_connection_gets_status_headers_and_body() {
        let folder = std::env::temp_dir().join(format!("outpost-serve-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("index.html"), "hello").unwrap();
        let (listener, port) = listen(Some(0)).unwrap();
        let page = folder.clone();
        std::thread::spawn(move || serve(&listener, page));

        // A connection that says nothing keeps nobody waiting.
        let _silent: Vec<TcpStream> = (0..20)
            .map(|_| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap())
            .collect();

        let whole = ask(port, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert!(whole.starts_with("HTTP/1.1 200 OK\r\n"), "{whole}");
        assert!(
            whole.contains("Cross-Origin-Opener-Policy: same-origin\r\n"),
            "{whole}"
        );
        assert!(whole.contains("Content-Length: 5\r\n"), "{whole}");
        assert!(whole.ends_with("\r\n\r\nhello"), "{whole}");

        let tag = whole
            .lines()
            .find_map(|line| line.strip_prefix("ETag: "))
            .unwrap();
        let known = ask(
            port,
            &format!("GET / HTTP/1.1\r\nIf-None-Match: {tag}\r\n\r\n"),
        );
        assert!(
            known.starts_with("HTTP/1.1 304 Not Modified\r\n"),
            "{known}"
        );
        assert!(known.ends_with("\r\n\r\n"), "{known}");

        let part = ask(port, "GET /index.html HTTP/1.1\r\nRange: bytes=1-3\r\n\r\n");
        assert!(
            part.starts_with("HTTP/1.1 206 Partial Content\r\n"),
            "{part}"
        );
        assert!(part.contains("Content-Range: bytes 1-3/5\r\n"), "{part}");
        assert!(part.ends_with("\r\n\r\nell"), "{part}");

        let head = ask(port, "HEAD / HTTP/1.1\r\n\r\n");
        assert!(
            head.contains("Content-Length: 5\r\n") && head.ends_with("\r\n\r\n"),
            "{head}"
        );

        for (request, status) in [
            ("POST / HTTP/1.1\r\n\r\n", "405"),
            ("GET /../secret HTTP/1.1\r\n\r\n", "404"),
            ("GET /index.html HTTP/1.1\r\nRange: bytes=9-\r\n\r\n", "416"),
            ("nonsense\r\n\r\n", "400"),
        ] {
            let answer = ask(port, request);
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status} ")),
                "{request}: {answer}"
            );
            assert!(
                answer.contains("Content-Security-Policy: "),
                "{request}: {answer}"
            );
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
