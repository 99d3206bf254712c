//! What static hosts need to be told so that they serve the page as `cargo xtask serve` does.
//!
//! Every file is made from the one list of headers (`serve::headers`), so none can say something else.

use std::path::Path;

use super::files;
use crate::error::{Failure, Result};
use crate::serve::headers::{ALWAYS, INSTALLING, INSTALLING_FOLDER, content_type, of};

/// Names of files whose type a host may not know, and browsers insist on.
const TYPED: [&str; 3] = ["wasm", "webmanifest", "js"];

/// A file's name and what makes its text.
type Made = (&'static str, fn() -> String);

const FILES: [Made; 7] = [
    ("_headers", netlify),
    ("cloudflare/_headers", cloudflare),
    (".htaccess", apache),
    ("install/.htaccess", apache_installing),
    ("nginx.conf", nginx),
    ("Caddyfile", caddy),
    ("README.md", readme),
];

/// Writes one file for each kind of host.
pub fn write(folder: &Path) -> Result<()> {
    for (name, text) in FILES {
        let path = folder.join(name);
        files::create_folder(path.parent().unwrap_or(folder))?;
        std::fs::write(&path, text()).map_err(|error| Failure::file("write", &path, &error))?;
    }
    Ok(())
}

/// Lines of `form`, with `NAME` and `VALUE` of each header.
fn each(headers: &[(&str, &str)], form: &str) -> String {
    let line = |(name, value): &(&str, &str)| form.replace("NAME", name).replace("VALUE", value);
    headers.iter().map(line).collect()
}

/// The same where values stand in quotation marks.
fn each_quoted(headers: &[(&str, &str)], form: &str) -> String {
    let line = |(name, value): &(&str, &str)| {
        let value = value.replace('"', "\\\"");
        form.replace("NAME", name).replace("VALUE", &value)
    };
    headers.iter().map(line).collect()
}

/// All headers of what installs.
fn installing() -> Vec<(&'static str, &'static str)> {
    of(&Path::new(INSTALLING_FOLDER).join("index.html"))
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

/// Of two rules for one address Netlify takes the later one.
fn netlify() -> String {
    format!(
        "/*\n{}/{INSTALLING_FOLDER}/*\n{}",
        each(&ALWAYS, "  NAME: VALUE\n"),
        each(&INSTALLING, "  NAME: VALUE\n")
    )
}

/// Cloudflare Pages adds them up, where the first one is not taken away.
fn cloudflare() -> String {
    format!(
        "/*\n{}/{INSTALLING_FOLDER}/*\n{}{}",
        each(&ALWAYS, "  NAME: VALUE\n"),
        each(&INSTALLING, "  ! NAME\n"),
        each(&INSTALLING, "  NAME: VALUE\n")
    )
}

fn apache() -> String {
    format!(
        "# Needs mod_headers; without it Apache refuses this file, rather than serve the page unprotected.\n{}{}\
         DirectoryIndex index.html\nErrorDocument 404 default\n",
        each_quoted(&ALWAYS, "Header always set NAME \"VALUE\"\n"),
        each_type("AddType TYPE .END\n"),
    )
}

fn apache_installing() -> String {
    format!(
        "# The page that installs models; the rest is in the folder above.\n{}",
        each_quoted(&INSTALLING, "Header always set NAME \"VALUE\"\n"),
    )
}

fn nginx() -> String {
    format!(
        "# Inside the `server` that serves the page. An `add_header` in another `location` would drop all of these there.\n\
         # If the page lies in a folder, that folder's name stands before `/{INSTALLING_FOLDER}/`.\n\
         {}{}index index.html;\nlocation ^~ /{INSTALLING_FOLDER}/ {{\n{}}}\n",
        each_quoted(&ALWAYS, "add_header NAME \"VALUE\" always;\n"),
        each_type("location ~ \\.END$ { types {} default_type TYPE; }\n"),
        each_quoted(&installing(), "\tadd_header NAME \"VALUE\" always;\n"),
    )
}

fn caddy() -> String {
    format!(
        "# Inside the site that serves the page, beside `root` and `file_server`.\n\
         # If the page lies in a folder, that folder's name stands before `/{INSTALLING_FOLDER}/*`.\n\
         @page not path /{INSTALLING_FOLDER}/*\nheader @page {{\n{}}}\n\
         @installing path /{INSTALLING_FOLDER}/*\nheader @installing {{\n{}}}\n{}",
        each_quoted(&ALWAYS, "\tNAME \"VALUE\"\n"),
        each_quoted(&installing(), "\tNAME \"VALUE\"\n"),
        each_type("header *.END Content-Type TYPE\n"),
    )
}

fn readme() -> String {
    format!(
        "# Serving the page\n\n\
         The folder `dist` is all there is to serve: plain files, over HTTPS (a browser has no service worker and no\n\
         WebGPU without), from the root of a host or from a folder. Every answer needs these headers:\n\n{}\n\
         But those below `{INSTALLING_FOLDER}/`, the page that installs models and holds nothing else, have in place of\n\
         the same names:\n\n{}\n\
         | host | file here | where it goes |\n| --- | --- | --- |\n\
         | Netlify | `_headers` | into the folder that is published |\n\
         | Cloudflare Pages | `cloudflare/_headers` | into the folder that is published |\n\
         | Apache | `.htaccess`, `install/.htaccess` | beside `index.html` of the page, and of `install` |\n\
         | nginx | `nginx.conf` | included in `server` |\n\
         | Caddy | `Caddyfile` | imported in the site |\n\n\
         Nothing may change a file on its way: the page compares what it stores with hashes, and keeps its old version if\n\
         a host minifies, adds a script or answers a missing file with another page. Compression changes nothing.\n\
         A host that gives what installs the headers of the page takes nothing from it but that: models then come from\n\
         files and from this host alone.\n\n\
         ## GitHub Pages\n\n\
         It sends no headers of one's own. The page works there and loses what headers give: the content security\n\
         policy, Trusted Types and the connection allowlist that keep it from ever speaking with another host, protection\n\
         from being framed, and shared memory, so that the processor computes on one thread only. A `<meta>` element could\n\
         bring back part of the policy (not `frame-ancestors`), and a service worker could add the isolation headers from\n\
         the second visit on; neither covers the first visit. For patients' data take a host that sends headers.\n",
        each(&ALWAYS, "- `NAME: VALUE`\n"),
        each(&INSTALLING, "- `NAME: VALUE`\n"),
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

    fn sent(headers: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        headers.iter().map(owned).collect()
    }

    fn unquoted(headers: Vec<(String, String)>) -> Vec<(String, String)> {
        let unquoted = |(name, value): (String, String)| (name, value.replace("\\\"", "\""));
        headers.into_iter().map(unquoted).collect()
    }

    #[test]
    fn every_host_is_told_exactly_the_headers_that_the_server_sends() {
        let (page, instead) = (sent(&ALWAYS), sent(&INSTALLING));
        let both = [page.clone(), instead.clone()].concat();
        assert_eq!(read(&netlify(), "  ", ": ", ""), both);
        assert_eq!(read(&cloudflare(), "  ", ": ", ""), both);
        assert_eq!(read(&readme(), "- `", ": ", "`"), both);
        let quoted = |text: &str, before: &str, between: &str, after: &str| {
            unquoted(read(text, before, between, after))
        };
        assert_eq!(quoted(&apache(), "Header always set ", " \"", "\""), page);
        assert_eq!(
            quoted(&apache_installing(), "Header always set ", " \"", "\""),
            instead
        );
        let installing = sent(&installing());
        assert_eq!(quoted(&nginx(), "add_header ", " \"", "\" always;"), page);
        assert_eq!(
            quoted(&nginx(), "\tadd_header ", " \"", "\" always;"),
            installing
        );
        assert_eq!(
            quoted(&caddy(), "\t", " \"", "\""),
            [page, installing].concat()
        );
    }

    #[test]
    fn cloudflare_takes_away_what_it_would_add_up() {
        let removed: Vec<String> = cloudflare()
            .lines()
            .filter_map(|line| Some(line.strip_prefix("  ! ")?.to_owned()))
            .collect();
        assert_eq!(removed, INSTALLING.map(|(name, _)| name.to_owned()));
    }

    #[test]
    fn no_header_holds_what_would_end_its_quotation() {
        for (name, value) in [&ALWAYS[..], &INSTALLING[..]].concat() {
            assert!(
                !value.contains(['\\', '\n', '$', '{', '%', '`']),
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
