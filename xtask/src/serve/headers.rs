//! The headers of every answer: what the page may load, and from where.
//!
//! The only list of them: the server sends it, and `build::hosts` writes it for other hosts.

use std::path::Path;

/// Nothing from another host, no inline script, no string that becomes code or markup; no policy of Trusted Types but
/// those of the page (`web/app/src/trusted.rs`) and of its Worker (`web/worker/src/helpers/start.rs`).
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; \
     style-src 'self'; img-src 'self' blob:; manifest-src 'self'; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'; trusted-types outpost outpost-helpers; require-trusted-types-for 'script'";

/// Where connections may go at all, whatever asks for them: back to where this answer came from. It stops what a content
/// security policy knows nothing of: navigations, WebRTC, preconnects and look-ups of names, and every redirect
/// (<https://wicg.github.io/connection-allowlists>, Chromium 152 and later).
pub const CONNECTION_ALLOWLIST: &str = "(response-origin)";

/// Sent with every answer.
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
