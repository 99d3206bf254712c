//! How every source file looks: its length, its first line, and nothing left undone.

use super::{Breach, source, tree::SourceFile};

/// A file is a room with one purpose.
const MOST_LINES: usize = 600;

/// Checks one file.
pub fn check(file: &SourceFile) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let mut breach = |line: usize, message: String| {
        breaches.push(Breach {
            file: file.path.clone(),
            line,
            message,
        });
    };
    let lines = file.text.lines().count();
    if lines > MOST_LINES {
        breach(
            0,
            format!("{lines} lines, more than {MOST_LINES}: split it by purpose"),
        );
    }
    if file.is_rust() {
        if !file.text.starts_with("//!") {
            breach(
                1,
                "a source file begins with `//!` and what it is for".to_owned(),
            );
        }
        match source::names(&file.text, true) {
            None => breach(0, "this is not Rust: the compiler says where".to_owned()),
            Some(names) => {
                for name in names {
                    if let Some(message) = unfinished(&name.text) {
                        breach(name.line, message.to_owned());
                    }
                }
            }
        }
    }
    if file.path.ends_with(".test.mjs") {
        for (index, line) in file.text.lines().enumerate() {
            if [".skip(", ".only(", ".todo(", "skip: true", "todo: true"]
                .iter()
                .any(|word| line.contains(word))
            {
                breach(index + 1, "every browser test runs every time".to_owned());
            }
        }
    }
    breaches
}

fn unfinished(name: &str) -> Option<&'static str> {
    let last = name.rsplit("::").next().unwrap_or(name);
    if last == "todo!" || last == "unimplemented!" {
        Some("what is not done is not there: return an error, or leave the function out")
    } else if name.starts_with("#[ignore") {
        Some("a test that does not run proves nothing: make it run, or remove it")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaches(path: &str, text: &str) -> usize {
        check(&SourceFile {
            path: path.to_owned(),
            text: text.to_owned(),
        })
        .len()
    }

    #[test]
    fn a_plain_file_passes() {
        assert_eq!(
            breaches("engine/src/a.rs", "//! What it is for.\n\nfn f() {}\n"),
            0
        );
    }

    #[test]
    fn a_long_file_is_a_breach_in_any_language() {
        let long = "a\n".repeat(MOST_LINES + 1);
        assert_eq!(breaches("web/static/a.js", &long), 1);
        assert_eq!(breaches("web/static/a.js", &long[2..]), 0);
    }

    #[test]
    fn a_file_that_does_not_say_what_it_is_for_is_a_breach() {
        assert_eq!(breaches("engine/src/a.rs", "fn f() {}\n"), 1);
        assert_eq!(
            breaches("engine/src/a.rs", "// not a module comment\nfn f() {}\n"),
            1
        );
    }

    #[test]
    fn what_is_left_undone_is_a_breach() {
        for code in [
            "fn f() { todo!() }",
            "fn f() { core::unimplemented!(\"later\") }",
            "#[test]\n#[ignore]\nfn f() {}",
        ] {
            assert_eq!(
                breaches("engine/src/a.rs", &format!("//! x\n{code}\n")),
                1,
                "{code}"
            );
        }
        assert_eq!(
            breaches("engine/src/a.rs", "//! no todo!() in a comment counts\n"),
            0
        );
    }

    #[test]
    fn a_browser_test_that_is_skipped_is_a_breach() {
        assert_eq!(
            breaches(
                "tests/browser/specs/a.test.mjs",
                "test.skip('x', () => {});\n"
            ),
            1
        );
        assert_eq!(
            breaches(
                "tests/browser/specs/a.test.mjs",
                "test('x', { skip: true }, f);\n"
            ),
            1
        );
        assert_eq!(
            breaches("tests/browser/specs/a.test.mjs", "test('x', f);\n"),
            0
        );
    }

    #[test]
    fn code_that_is_not_rust_is_a_breach() {
        assert_eq!(breaches("engine/src/a.rs", "//! x\nfn f( {\n"), 1);
    }
}
