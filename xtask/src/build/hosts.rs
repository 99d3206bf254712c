//! What static hosts need to be told so that they serve the page as `cargo xtask serve` does.
//!
//! Every file is made from the one list of headers (`serve::headers`), so none can say something else.

use std::path::Path;

use super::files;
use crate::error::{Failure, Result};
use crate::serve::headers::{ALWAYS, content_type};

/// Names of files whose type a host may not know, and browsers insist on.
const TYPED: [&str; 3] = ["wasm", "webmanifest", "js"];

/// A file's name and what makes its text.
type Made = (&'static str, fn() -> String);

const FILES: [Made; 5] = [
    ("_headers", underscore_headers),
    (".htaccess", apache),
    ("nginx.conf", nginx),
    ("Caddyfile", caddy),
    ("README.md", readme),
];

/// Writes one file for each kind of host.
pub fn write(folder: &Path) -> Result<()> {
    files::create_folder(folder)?;
    for (name, text) in FILES {
        let path = folder.join(name);
        std::fs::write(&path, text()).map_err(|error| Failure::file("write", &path, &error))?;
    }
    Ok(())
}

/// Lines of `form`, with `NAME` and `VALUE` of each header.
fn each_header(form: &str) -> String {
    let line = |(name, value): &(&str, &str)| form.replace("NAME", name).replace("VALUE", value);
    ALWAYS.iter().map(line).collect()
}

/// Lines of `form`, with `END` and `TYPE` of each kind of file.
fn each_type(form: &str) -> String {
    let line = |end: &&str| {
        let kind = content_type(Path::new(&format!("a.{end}")));
        let kind = kind.split(';').next().unwrap_or(kind);
        form.replace("END", end).replace("TYPE", kind)
    };
    TYPED.iter().map(line).collect()
}

fn underscore_headers() -> String {
    format!("/*\n{}", each_header("  NAME: VALUE\n"))
}

fn apache() -> String {
    format!(
        "# Needs mod_headers; without it Apache refuses this file, rather than serve the page unprotected.\n{}{}\
         DirectoryIndex index.html\nErrorDocument 404 default\n",
        each_header("Header always set NAME \"VALUE\"\n"),
        each_type("AddType TYPE .END\n"),
    )
}

fn nginx() -> String {
    format!(
        "# Inside the `server` that serves the page. An `add_header` in a `location` would drop all of these there.\n\
         {}{}index index.html;\n",
        each_header("add_header NAME \"VALUE\" always;\n"),
        each_type("location ~ \\.END$ { types {} default_type TYPE; }\n"),
    )
}

fn caddy() -> String {
    format!(
        "# Inside the site that serves the page, beside `root` and `file_server`.\nheader {{\n{}}}\n{}",
        each_header("\tNAME \"VALUE\"\n"),
        each_type("header *.END Content-Type TYPE\n"),
    )
}

fn readme() -> String {
    let names: String = each_header("- `NAME: VALUE`\n");
    format!(
        "# Serving the page\n\n\
         The folder `dist` is all there is to serve: plain files, over HTTPS (a browser has no service worker and no\n\
         WebGPU without), from the root of a host or from a folder. Every answer needs these headers:\n\n{names}\n\
         | host | file here | where it goes |\n| --- | --- | --- |\n\
         | Netlify, Cloudflare Pages | `_headers` | into the folder that is published |\n\
         | Apache | `.htaccess` | beside `index.html` |\n\
         | nginx | `nginx.conf` | included in `server` |\n\
         | Caddy | `Caddyfile` | imported in the site |\n\n\
         Nothing may change a file on its way: the page compares what it stores with hashes, and keeps its old version if\n\
         a host minifies, adds a script or answers a missing file with another page. Compression changes nothing.\n\n\
         ## GitHub Pages\n\n\
         It sends no headers of one's own. The page works there and loses what headers give: the content security\n\
         policy, Trusted Types and the connection allowlist that keep it from ever speaking with another host, protection\n\
         from being framed, and shared memory, so that the processor computes on one thread only. A `<meta>` element could\n\
         bring back part of the policy (not `frame-ancestors`), and a service worker could add the isolation headers from\n\
         the second visit on; neither covers the first visit. For patients' data take a host that sends headers.\n"
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Name and value where a line is `before NAME between VALUE after`.
    fn read(text: &str, before: &str, between: &str, after: &str) -> Vec<(String, String)> {
        let pair = |line: &str| {
            let inner = line.strip_prefix(before)?.strip_suffix(after)?;
            let (name, value) = inner.split_once(between)?;
            Some((name.to_owned(), value.to_owned()))
        };
        text.lines().filter_map(pair).collect()
    }

    #[test]
    fn every_host_is_told_exactly_the_headers_that_the_server_sends() {
        let sent: Vec<(String, String)> = ALWAYS
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        assert_eq!(read(&underscore_headers(), "  ", ": ", ""), sent);
        assert_eq!(read(&apache(), "Header always set ", " \"", "\""), sent);
        assert_eq!(read(&nginx(), "add_header ", " \"", "\" always;"), sent);
        assert_eq!(read(&caddy(), "\t", " \"", "\""), sent);
        assert_eq!(read(&readme(), "- `", ": ", "`"), sent);
    }

    #[test]
    fn no_header_holds_what_would_end_its_quotation() {
        for (name, value) in ALWAYS {
            assert!(
                !value.contains(['"', '\\', '\n', '$', '{', '%']),
                "{name}: {value}"
            );
        }
    }

    #[test]
    fn hosts_learn_the_types_that_browsers_insist_on() {
        for line in [
            "AddType application/wasm .wasm",
            "AddType application/manifest+json .webmanifest",
            "AddType text/javascript .js",
        ] {
            assert!(apache().lines().any(|found| found == line), "{line}");
        }
    }

    #[test]
    fn all_files_are_written() {
        let folder = std::env::temp_dir().join(format!("outpost-hosts-{}", std::process::id()));
        write(&folder).unwrap();
        for (name, text) in FILES {
            assert_eq!(std::fs::read_to_string(folder.join(name)).unwrap(), text());
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
