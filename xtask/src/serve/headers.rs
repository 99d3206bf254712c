//! The headers of every answer: what the page may load, and from where.
//!
//! The only list of them: the server sends it, and `build::hosts` writes it for other hosts.
//!
//! The page that installs models, everything below [`INSTALLING_FOLDER`], holds nothing of a patient and may fetch from
//! other hosts. The other pages can neither frame it, nor keep a hold of its window (it has another opener policy), nor
//! start its Worker (a page that requires embedder policies starts none whose script has none).

use std::path::Path;

/// Below it lie the page that installs models and the script of its Worker.
pub const INSTALLING_FOLDER: &str = "install";

/// Nothing from another host, no inline script, no string that becomes code or markup; no policy of Trusted Types but
/// those of the page (`web/app/src/trusted.rs`, `web/static/install/engine.js`) and of its Worker
/// (`web/worker/src/helpers/start.rs`).
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; \
     style-src 'self'; img-src 'self' blob:; manifest-src 'self'; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'; trusted-types outpost outpost-helpers; require-trusted-types-for 'script'";

/// Where connections may go at all, whatever asks for them: back to where this answer came from. It stops what a content
/// security policy knows nothing of: navigations, WebRTC, preconnects and look-ups of names, and every redirect
/// (<https://wicg.github.io/connection-allowlists>, Chromium 152 and later).
pub const CONNECTION_ALLOWLIST: &str = "(response-origin)";

/// What the answers below [`INSTALLING_FOLDER`] have instead of their like in [`ALWAYS`]: connections to any host over
/// HTTPS and to this machine, and a window and a Worker that no other page reaches.
pub const INSTALLING: [(&str, &str); 4] = [
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; \
         img-src 'self'; manifest-src 'self'; connect-src 'self' https: http://localhost:*; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'; trusted-types outpost outpost-helpers; require-trusted-types-for 'script'",
    ),
    (
        "Connection-Allowlist",
        "(response-origin \"https://*:*\" \"http://localhost:*\"); redirects=allow",
    ),
    // Whoever opened it is told nothing of it, of the same origin or not; browsers that do not know the word take it for
    // `unsafe-none`, which parts it from the other pages as well.
    ("Cross-Origin-Opener-Policy", "noopener-allow-popups"),
    ("Cross-Origin-Embedder-Policy", "unsafe-none"),
];

/// The headers of the answer about a file, by its path below the folder that is served.
pub fn of(path: &Path) -> Vec<(&'static str, &'static str)> {
    let installs = path.starts_with(INSTALLING_FOLDER);
    let instead = |name: &str| INSTALLING.iter().find(|(other, _)| *other == name);
    let header = |(name, value)| match instead(name) {
        Some((_, other)) if installs => (name, *other),
        _ => (name, value),
    };
    ALWAYS.into_iter().map(header).collect()
}

/// Sent with every answer but those below [`INSTALLING_FOLDER`].
pub const ALWAYS: [(&str, &str); 10] = [
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("Connection-Allowlist", CONNECTION_ALLOWLIST),
    // For browsers without the list above: links on the page are not looked up before they are followed.
    ("X-DNS-Prefetch-Control", "off"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Embedder-Policy", "require-corp"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    (
        "Permissions-Policy",
        "camera=(), microphone=(), geolocation=(), payment=(), usb=(), bluetooth=(), serial=(), hid=(), midi=(), \
         display-capture=(), browsing-topics=(), accelerometer=(), gyroscope=(), magnetometer=(), idle-detection=(), \
         local-fonts=(), clipboard-read=(), xr-spatial-tracking=(), window-management=(), otp-credentials=(), \
         storage-access=(), attribution-reporting=()",
    ),
    // Files have no hash in their names, so a copy must be asked about before it is used again.
    ("Cache-Control", "no-cache"),
];

/// The media type by the name's extension.
pub fn content_type(path: &Path) -> &'static str {
    match path
        .extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or_default()
    {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "wasm" => "application/wasm",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "svg" => "image/svg+xml",
        "ico" => "image/x-icon",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_names_no_other_host() {
        for word in [
            "http:",
            "https:",
            "ws:",
            "wss:",
            "*",
            "data:",
            "'unsafe-inline'",
            "'unsafe-eval'",
        ] {
            assert!(
                !CONTENT_SECURITY_POLICY
                    .split([' ', ';'])
                    .any(|part| part.starts_with(word)),
                "{word}"
            );
        }
    }

    #[test]
    fn what_has_no_rule_of_its_own_is_forbidden() {
        let directives: Vec<&str> = CONTENT_SECURITY_POLICY.split("; ").collect();
        assert!(directives.contains(&"default-src 'none'"));
        // These do not fall back to `default-src`.
        for name in ["base-uri", "form-action", "frame-ancestors"] {
            assert!(directives.contains(&format!("{name} 'none'").as_str()));
        }
        assert!(directives.contains(&"trusted-types outpost outpost-helpers"));
        assert!(directives.contains(&"require-trusted-types-for 'script'"));
    }

    #[test]
    fn connections_go_back_to_where_the_page_came_from_and_redirects_and_webrtc_stay_blocked() {
        // Parameters could only allow more: `redirects=allow`, `webrtc=allow`.
        assert_eq!(CONNECTION_ALLOWLIST, "(response-origin)");
        assert!(ALWAYS.contains(&("Connection-Allowlist", CONNECTION_ALLOWLIST)));
    }

    #[test]
    fn the_page_is_isolated_which_shared_memory_needs() {
        for header in [
            ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Cross-Origin-Embedder-Policy", "require-corp"),
        ] {
            assert!(ALWAYS.contains(&header), "{header:?}");
        }
    }

    #[test]
    fn the_page_that_installs_may_fetch_over_https_and_is_as_strict_otherwise() {
        let of = |path| of(Path::new(path));
        let policy = |headers: Vec<(_, &'static str)>| {
            let policy = headers
                .into_iter()
                .find(|(name, _)| *name == "Content-Security-Policy");
            let policy = policy.map_or("", |(_, value)| value);
            policy.split("; ").map(str::trim).collect::<Vec<_>>()
        };
        let (page, installing) = (policy(of("index.html")), policy(of("install/index.html")));
        assert_eq!(page, policy(ALWAYS.to_vec()));
        let others: Vec<_> = installing
            .iter()
            .filter(|rule| !page.contains(rule))
            .collect();
        // It shows no picture of a person, so it needs no `blob:`.
        let expected = [
            "img-src 'self'",
            "connect-src 'self' https: http://localhost:*",
        ];
        assert_eq!(others, expected.iter().collect::<Vec<_>>());
        assert_eq!(page.len(), installing.len());
    }

    #[test]
    fn no_other_page_gets_a_hold_of_the_one_that_installs_or_of_its_worker() {
        for path in ["install/index.html", "install/worker.js"] {
            let headers = of(Path::new(path));
            assert_eq!(headers.len(), ALWAYS.len(), "{path}");
            for header in [
                ("Cross-Origin-Opener-Policy", "noopener-allow-popups"),
                ("Cross-Origin-Embedder-Policy", "unsafe-none"),
                ("X-Content-Type-Options", "nosniff"),
            ] {
                assert!(headers.contains(&header), "{path}: {header:?}");
            }
        }
        for path in [
            "index.html",
            "worker.js",
            "installed.js",
            "app/install/x.js",
        ] {
            assert_eq!(of(Path::new(path)), ALWAYS, "{path}");
        }
    }

    #[test]
    fn what_is_said_of_the_page_that_installs_is_said_of_all_others_too() {
        for (name, _) in INSTALLING {
            assert!(ALWAYS.iter().any(|(other, _)| *other == name), "{name}");
        }
    }

    #[test]
    fn modules_and_scripts_have_the_types_that_browsers_insist_on() {
        assert_eq!(content_type(Path::new("a/b_bg.wasm")), "application/wasm");
        assert_eq!(
            content_type(Path::new("sw.js")),
            "text/javascript; charset=utf-8"
        );
        assert_eq!(
            content_type(Path::new("shard-0.bin")),
            "application/octet-stream"
        );
    }
}
