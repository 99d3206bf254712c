//! Rust source as the paths and macros that it uses, by tokens: comments and strings do not count.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Something that the code names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// A path such as `std::fs::read`, a lone identifier, or a macro or attribute such as `todo!` or `#[ignore]`.
    pub text: String,
    /// Line, from 1.
    pub line: usize,
}

/// The names in `code`; `None` where it is not Rust.
pub fn names(code: &str, with_tests: bool) -> Option<Vec<Name>> {
    let stream: TokenStream = code.parse().ok()?;
    let mut found = Vec::new();
    walk(stream, "", with_tests, &mut found);
    Some(found)
}

/// Collects names; `prefix` is the path before a group, as in `std::{fs, io}`.
fn walk(stream: TokenStream, prefix: &str, with_tests: bool, found: &mut Vec<Name>) {
    let tokens: Vec<TokenTree> = stream.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                let (attribute, next) = attribute(&tokens, at);
                if let Some(name) = &attribute {
                    found.push(name.clone());
                }
                let is_test = attribute.is_some_and(|name| is_test_attribute(&name.text));
                at = if is_test && !with_tests {
                    end_of_item(&tokens, next)
                } else {
                    at + 1
                };
            }
            TokenTree::Ident(_) => at = path(&tokens, at, prefix, with_tests, found),
            TokenTree::Group(group) => {
                // Elements of an import list continue the path before it; in any other group there is no prefix.
                walk(group.stream(), prefix, with_tests, found);
                at += 1;
            }
            _ => at += 1,
        }
    }
}

/// Reads a path that begins at `at`; returns where what follows it begins.
fn path(
    tokens: &[TokenTree],
    mut at: usize,
    prefix: &str,
    with_tests: bool,
    found: &mut Vec<Name>,
) -> usize {
    let line = tokens[at].span().start().line;
    let mut text = format!("{prefix}{}", tokens[at]);
    at += 1;
    while is_path_separator(tokens, at) {
        match tokens.get(at + 2) {
            Some(TokenTree::Ident(ident)) => {
                text = format!("{text}::{ident}");
                at += 3;
            }
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                walk(group.stream(), &format!("{text}::"), with_tests, found);
                return at + 3;
            }
            _ => {
                at += 2;
                break;
            }
        }
    }
    let is_macro = matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == '!')
        && matches!(tokens.get(at + 1), Some(TokenTree::Group(_)));
    if is_macro {
        text.push('!');
    }
    found.push(Name { text, line });
    at
}

fn is_path_separator(tokens: &[TokenTree], at: usize) -> bool {
    let colon = |token: Option<&TokenTree>| matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    colon(tokens.get(at)) && colon(tokens.get(at + 1))
}

/// The attribute whose `#` is at `at`, and where what follows it begins.
fn attribute(tokens: &[TokenTree], at: usize) -> (Option<Name>, usize) {
    let inner =
        matches!(tokens.get(at + 1), Some(TokenTree::Punct(punct)) if punct.as_char() == '!');
    let group_at = at + 1 + usize::from(inner);
    match tokens.get(group_at) {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Bracket => {
            let text: String = group.stream().to_string().split_whitespace().collect();
            let line = tokens[at].span().start().line;
            (
                Some(Name {
                    text: format!("#[{text}]"),
                    line,
                }),
                group_at + 1,
            )
        }
        _ => (None, at + 1),
    }
}

fn is_test_attribute(attribute: &str) -> bool {
    attribute == "#[test]"
        || attribute.starts_with("#[cfg(test")
        || attribute.starts_with("#[cfg(all(test")
}

/// Where the item that begins at `at` ends: after its first brace group, or its semicolon.
fn end_of_item(tokens: &[TokenTree], mut at: usize) -> usize {
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => break,
            TokenTree::Punct(punct) if punct.as_char() == ';' => break,
            _ => {}
        }
    }
    at
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn texts(code: &str) -> Vec<String> {
        names(code, false)
            .unwrap()
            .into_iter()
            .map(|name| name.text)
            .collect()
    }

    #[test]
    fn an_import_list_is_read_as_its_paths() {
        let found = texts("use std::{fs, io::{self, Read}};");
        assert!(found.contains(&"std::fs".to_owned()), "{found:?}");
        assert!(found.contains(&"std::io::Read".to_owned()), "{found:?}");
    }

    #[test]
    fn comments_and_strings_name_nothing() {
        let found = texts("// std::fs\nfn f() -> &'static str { \"std::fs\" /* todo!() */ }");
        assert!(
            !found
                .iter()
                .any(|text| text.contains("fs") || text.contains("todo")),
            "{found:?}"
        );
    }

    #[test]
    fn paths_are_found_in_bodies_and_macros_with_their_lines() {
        let found = names(
            "fn f() {\n    vec![std :: time :: Instant::now()];\n}",
            false,
        )
        .unwrap();
        assert!(
            found.contains(&Name {
                text: "std::time::Instant::now".to_owned(),
                line: 2
            }),
            "{found:?}"
        );
        assert!(found.iter().any(|name| name.text == "vec!"), "{found:?}");
    }

    #[test]
    fn test_code_is_left_out_and_what_follows_is_not() {
        let code = "#[cfg(test)]\n#[allow(unused)]\nmod tests { use std::fs; }\nuse std::net;";
        let found = texts(code);
        assert!(!found.contains(&"std::fs".to_owned()), "{found:?}");
        assert!(found.contains(&"std::net".to_owned()), "{found:?}");
        let with_tests = names(code, true).unwrap();
        assert!(with_tests.iter().any(|name| name.text == "std::fs"));
    }

    #[test]
    fn attributes_are_names_too() {
        assert!(
            names("#[test]\n#[ignore = \"slow\"]\nfn f() {}", true)
                .unwrap()
                .iter()
                .any(|name| name.text.starts_with("#[ignore"))
        );
    }
}
