//! The headers of every answer: what the page may load, and from where.

use std::path::Path;

/// Nothing from another host, no inline script, no string that becomes code or markup.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; \
     style-src 'self'; img-src 'self' blob:; manifest-src 'self'; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

/// Sent with every answer.
pub const ALWAYS: [(&str, &str); 8] = [
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Embedder-Policy", "require-corp"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    (
        "Permissions-Policy",
        "camera=(), microphone=(), geolocation=(), payment=(), usb=(), bluetooth=(), serial=(), hid=(), midi=(), \
         display-capture=(), browsing-topics=()",
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
