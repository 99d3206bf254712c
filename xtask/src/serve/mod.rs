//! A small static server for localhost, with the security headers of a real one.

mod files;
mod headers;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tiny_http::{Method, Request, Server};

use crate::build;
use crate::error::{Failure, Result};
use crate::places::Places;

/// The port where one is not named: the first free one from here on.
const FIRST_PORT: u16 = 8787;
const PORTS_TRIED: u16 = 20;

/// A browser opens six connections to one address.
const THREADS: usize = 6;

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
    let (server, port) = listen(options.port)?;
    println!("http://localhost:{port}");
    eprintln!("    serving {}; Ctrl-C stops it", folder.display());
    serve(&Arc::new(server), &folder);
    Ok(())
}

fn listen(port: Option<u16>) -> Result<(Server, u16)> {
    let candidates = match port {
        Some(port) => port..=port,
        None => FIRST_PORT..=FIRST_PORT + PORTS_TRIED,
    };
    let mut refusal = String::new();
    for port in candidates {
        // Localhost alone: what is served here is for this machine.
        match Server::http(SocketAddr::from((Ipv4Addr::LOCALHOST, port))) {
            Ok(server) => {
                let port = server
                    .server_addr()
                    .to_ip()
                    .map_or(port, |address| address.port());
                return Ok((server, port));
            }
            Err(error) => refusal = format!("port {port} cannot be used: {error}"),
        }
    }
    Err(Failure::new(refusal).remedy("choose another with --port"))
}

fn serve(server: &Arc<Server>, folder: &Path) {
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Ok(request) = server.recv() {
                    answer(request, folder);
                }
            });
        }
    });
}

fn answer(request: Request, folder: &Path) {
    let header = |name: &'static str| {
        request
            .headers()
            .iter()
            .find(|header| header.field.equiv(name))
            .map(|header| header.value.as_str().to_owned())
    };
    let response = match request.method() {
        Method::Get | Method::Head => {
            files::respond(folder, request.url(), header("Range").as_deref())
        }
        _ => files::plain(405, "only GET and HEAD are answered here\n"),
    };
    // A browser that goes away in the middle of an answer is no error of the server.
    let _ = request.respond(response);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn a_real_connection_gets_headers_and_body() {
        let folder = std::env::temp_dir().join(format!("outpost-serve-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("index.html"), "hello").unwrap();
        let (server, port) = listen(Some(0)).unwrap();
        let server = Arc::new(server);
        let serving = Arc::clone(&server);
        let page = folder.clone();
        let thread = std::thread::spawn(move || serve(&serving, &page));

        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(
            answer.contains("Cross-Origin-Opener-Policy: same-origin"),
            "{answer}"
        );
        assert!(answer.contains("Content-Length: 5"), "{answer}");
        assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");

        for _ in 0..THREADS {
            server.unblock();
        }
        thread.join().unwrap();
        std::fs::remove_dir_all(folder).unwrap();
    }
}
