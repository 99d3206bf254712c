//! The XHTML of a narrative: one `div`, well formed, of the elements and attributes that R4 allows (`txt-1`), with
//! something to see in it (`txt-2`). Scripts, forms, styles from elsewhere and events are not among them.

use crate::fhir::table::Table;

const MAX_OPEN: usize = 64;
const NAMESPACE: &str = "http://www.w3.org/1999/xhtml";

/// The rule that `text` breaks, and what it is that breaks it.
pub fn check(table: &Table, text: &str) -> Result<(), (&'static str, String)> {
    let wrong = |what: String| Err(("txt-1", what));
    let mut open: Vec<&str> = Vec::new();
    let (mut rest, mut seen, mut first) = (text.trim(), false, true);
    if !rest.starts_with('<') {
        return wrong("a narrative begins with <div>".to_owned());
    }
    while !rest.is_empty() {
        let Some(after) = rest.strip_prefix('<') else {
            let (words, after) = rest.split_at(rest.find('<').unwrap_or(rest.len()));
            if open.is_empty() {
                return wrong("there is text outside the <div>".to_owned());
            }
            if let Some(entity) = bad_entity(words) {
                return wrong(format!(
                    "`{entity}` is not an escaped character; `&` is written `&amp;`"
                ));
            }
            seen |= !words.trim().is_empty();
            rest = after;
            continue;
        };
        if let Some(comment) = after.strip_prefix("!--") {
            let Some((_, after)) = comment.split_once("-->") else {
                return wrong("a comment does not end".to_owned());
            };
            rest = after;
            continue;
        }
        let Some((tag, after)) = tag_end(after) else {
            return wrong("a tag does not end".to_owned());
        };
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name.trim_end()) {
                return wrong(format!("</{}> closes what is not open", shown(name)));
            }
            continue;
        }
        let (tag, closed) = tag
            .strip_suffix('/')
            .map_or((tag, false), |tag| (tag, true));
        let (name, attributes) = tag.split_at(tag.find(char::is_whitespace).unwrap_or(tag.len()));
        if (first && name != "div") || (!first && open.is_empty()) {
            return wrong("a narrative is one <div>".to_owned());
        }
        if !table.is_xhtml_element(name) {
            return wrong(format!("<{}> is not allowed in it", shown(name)));
        }
        check_attributes(table, attributes, first)?;
        seen |= name == "img";
        first = false;
        if !closed {
            open.push(name);
        }
        if open.len() > MAX_OPEN {
            return wrong(format!(
                "elements lie more than {MAX_OPEN} deep in one another"
            ));
        }
    }
    match open.last() {
        Some(name) => wrong(format!("<{name}> is not closed")),
        None if !seen => Err(("txt-2", "there is nothing to read in it".to_owned())),
        None => Ok(()),
    }
}

fn shown(name: &str) -> String {
    name.chars().take(20).collect()
}

/// What stands before the `>` that ends a tag, and what comes after it. A `>` within quotes ends nothing.
fn tag_end(text: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            (None, '>') => return Some((text.get(..at)?, text.get(at + 1..)?)),
            (None, '"' | '\'') => quote = Some(letter),
            (None, '<') => return None,
            (Some(open), _) if open == letter => quote = None,
            _ => {}
        }
    }
    None
}

fn check_attributes(
    table: &Table,
    mut rest: &str,
    first: bool,
) -> Result<(), (&'static str, String)> {
    let wrong = |what: String| Err(("txt-1", what));
    let mut namespace = None;
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            break;
        }
        let value = rest.split_once('=').and_then(|(name, after)| {
            let after = after.trim_start();
            let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
            let (value, after) = after.get(1..)?.split_once(quote)?;
            Some((name.trim(), value, after))
        });
        let Some((name, value, after)) = value else {
            return wrong(format!(
                "`{}` is not an attribute with a value in quotes",
                shown(rest)
            ));
        };
        rest = after;
        let scheme = value.trim_start().to_ascii_lowercase();
        match name {
            "xmlns" => namespace = Some(value),
            "xml:lang" => {}
            _ if !table.is_xhtml_attribute(name) => {
                return wrong(format!(
                    "the attribute `{}` is not allowed in it",
                    shown(name)
                ));
            }
            "href" | "src"
                if scheme.starts_with("javascript:") || scheme.starts_with("vbscript:") =>
            {
                return wrong("an address that is a script".to_owned());
            }
            _ => {}
        }
        if value.contains('<') || bad_entity(value).is_some() {
            return wrong(format!("the value of `{}` is not escaped", shown(name)));
        }
    }
    if first && namespace != Some(NAMESPACE) {
        return wrong(format!("<div> has no xmlns=\"{NAMESPACE}\""));
    }
    Ok(())
}

/// An `&` that begins no entity.
fn bad_entity(text: &str) -> Option<String> {
    text.match_indices('&').find_map(|(at, _)| {
        let after = text.get(at + 1..)?;
        let name = after.get(..after.bytes().take(12).position(|c| c == b';').unwrap_or(0))?;
        let number = name
            .strip_prefix('#')
            .is_some_and(|digits| match digits.strip_prefix('x') {
                Some(digits) => !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_hexdigit()),
                None => !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit()),
            });
        let named = !name.is_empty() && name.bytes().all(|c| c.is_ascii_alphanumeric());
        (!number && !named).then(|| {
            after
                .chars()
                .take(10)
                .fold("&".to_owned(), |text, c| text + c.encode_utf8(&mut [0; 4]))
        })
    })
}

/// `text` as a narrative: a paragraph for each line that has something in it.
pub fn escaped(text: &str) -> String {
    let text: String = text
        .chars()
        .filter(|c| matches!(c, '\n' | '\t') || !c.is_control())
        .collect();
    let text = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| format!("<p>{line}</p>"));
    format!(
        "<div xmlns=\"{NAMESPACE}\">{}</div>",
        lines.collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::fhir::table::table;

    fn div(inner: &str) -> String {
        format!("<div xmlns=\"{NAMESPACE}\">{inner}</div>")
    }

    #[test]
    fn what_r4_allows_is_allowed() {
        for inner in [
            "a",
            "<p>a &amp; b &#233; &#xe9;</p>",
            "<table border='1'><tr><td colspan=\"2\">x</td></tr></table>",
            "a<br/>b",
            "<a href=\"http://a?b=1&amp;c\">l</a>",
            "<img src=\"#p\" alt=\"a > b\"/>",
            "<!-- c --><b>x</b>",
        ] {
            assert_eq!(check(table(), &div(inner)), Ok(()), "{inner}");
        }
    }

    #[test]
    fn scripts_and_broken_markup_are_refused() {
        for inner in [
            "<script>x</script>",
            "<p onclick=\"x\">a</p>",
            "<p>a",
            "a</p>",
            "<p>a</b></p>",
            "a & b",
            "<a href=\"javascript:x\">a</a>",
            "<iframe src=\"a\"/>",
            "<p class=a>x</p>",
            "<p",
            "<P>a</P>",
            "<form>a</form>",
            "<style>a</style>",
            "<![CDATA[a]]>",
            "<p class=\"a<b\">x</p>",
            "<!-- a",
        ] {
            assert_eq!(
                check(table(), &div(inner)).unwrap_err().0,
                "txt-1",
                "{inner}"
            );
        }
        for text in [
            "",
            "a",
            "<p>a</p>",
            "<div>a</div>",
            &format!("{}{}", div("a"), div("b")),
            &format!("{} a", div("a")),
        ] {
            assert_eq!(check(table(), text).unwrap_err().0, "txt-1", "{text}");
        }
        assert_eq!(check(table(), &div("<p> </p>")).unwrap_err().0, "txt-2");
        assert!(check(table(), &div(&"<b>".repeat(100_000))).is_err());
    }

    #[test]
    fn any_text_can_be_a_narrative() {
        assert_eq!(
            check(
                table(),
                &escaped("a < b & \"c\" > d\n\n<script>\u{0}\u{1b}")
            ),
            Ok(())
        );
    }
}
