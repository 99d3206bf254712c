//! Texts as the words that they are found by: in lower case, without accents, possessives and plural endings.
//!
//! A term of a table and what somebody typed go through the same function, so that they meet.

/// Longest word that is looked for, in bytes; what is longer is cut.
pub const MOST_WORD_BYTES: usize = 40;

/// Words that say only that nothing more is known.
const UNSPECIFIED: [&str; 2] = ["nos", "unspecified"];

/// Words that hold sentences together.
const SMALL: [&str; 16] = [
    "a", "an", "and", "as", "at", "by", "due", "for", "from", "in", "my", "of", "on", "or", "the",
    "to",
];

/// The words of `text`, in its order.
pub fn words(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    each(text, |word| found.push(word.to_owned()));
    found
}

/// Calls `use_word` with each word of `text`, in its order.
///
/// `not specified` is the word `unspecified`, which tables write as well.
pub fn each(text: &str, mut use_word: impl FnMut(&str)) {
    let mut denied = false;
    each_alone(text, |word| match (denied, word) {
        (false, "not") => denied = true,
        (true, "specified") => {
            denied = false;
            use_word("unspecified");
        }
        (true, word) => {
            use_word("not");
            denied = word == "not";
            if !denied {
                use_word(word);
            }
        }
        (false, word) => use_word(word),
    });
    if denied {
        use_word("not");
    }
}

fn each_alone(text: &str, mut use_word: impl FnMut(&str)) {
    let mut word = String::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if matches!(character, '\'' | '\u{2019}') {
            // `Hansen's` is found by `hansen`, and `O'Brien` by `obrien`.
            if matches!(characters.peek(), Some('s' | 'S')) {
                characters.next();
                if characters.peek().is_some_and(|next| next.is_alphanumeric()) {
                    word.push('s');
                }
            }
        } else if character.is_alphanumeric() {
            push_folded(character, &mut word);
        } else {
            finish(&mut word, &mut use_word);
        }
    }
    finish(&mut word, &mut use_word);
}

/// How much a word counts, apart from how rare it is.
pub fn importance(word: &str) -> f32 {
    if is_unspecified(word) {
        0.05
    } else if SMALL.contains(&word) {
        0.2
    } else {
        1.0
    }
}

/// Whether a word says only that nothing more is known.
pub fn is_unspecified(word: &str) -> bool {
    UNSPECIFIED.contains(&word)
}

fn finish(word: &mut String, use_word: &mut impl FnMut(&str)) {
    if !word.is_empty() {
        cut(word);
        use_word(singular(word));
        word.clear();
    }
}

fn cut(word: &mut String) {
    if word.len() > MOST_WORD_BYTES {
        let end = (0..=MOST_WORD_BYTES)
            .rev()
            .find(|&end| word.is_char_boundary(end))
            .unwrap_or(0);
        word.truncate(end);
    }
}

/// Without the ending of an English plural; the result need not be a word, only the same for both.
fn singular(word: &mut String) -> &str {
    let ends = |ending: &str| word.ends_with(ending);
    if word.len() < 5 || !ends("s") || ["ss", "us", "is"].iter().any(|ending| ends(ending)) {
        return word;
    }
    if word.len() > 5 && ends("ies") {
        word.truncate(word.len() - 3);
        word.push('y');
    } else {
        word.truncate(word.len() - 1);
    }
    word
}

fn push_folded(character: char, word: &mut String) {
    let plain = match character {
        'a'..='z' | '0'..='9' => return word.push(character),
        'A'..='Z' => return word.push(character.to_ascii_lowercase()),
        'à'..='å' | 'À'..='Å' => "a",
        'ç' | 'Ç' => "c",
        'è'..='ë' | 'È'..='Ë' => "e",
        'ì'..='ï' | 'Ì'..='Ï' => "i",
        'ñ' | 'Ñ' => "n",
        'ò'..='ö' | 'ø' | 'Ò'..='Ö' | 'Ø' => "o",
        'ù'..='ü' | 'Ù'..='Ü' => "u",
        'ý' | 'ÿ' | 'Ý' => "y",
        'æ' | 'Æ' => "ae",
        'œ' | 'Œ' => "oe",
        'ß' => "ss",
        other => return word.extend(other.to_lowercase()),
    };
    word.push_str(plain);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_accents_and_punctuation_do_not_matter() {
        assert_eq!(
            words("Ménière's disease, [left] EAR"),
            ["meniere", "disease", "left", "ear"]
        );
        assert_eq!(words("Gastro-esophageal"), ["gastro", "esophageal"]);
        assert_eq!(words("O\u{2019}Brien\u{2019}s"), ["obrien"]);
    }

    #[test]
    fn what_is_not_specified_is_unspecified() {
        assert_eq!(words("site not specified"), ["site", "unspecified"]);
        assert_eq!(words("not elsewhere"), ["not", "elsewhere"]);
        assert_eq!(
            words("not not specified, not"),
            ["not", "unspecified", "not"]
        );
    }

    #[test]
    fn one_and_many_are_the_same_word() {
        assert_eq!(words("fractures"), words("fracture"));
        assert_eq!(words("injuries"), words("injury"));
        for kept in ["virus", "sepsis", "abscess", "gas"] {
            assert_eq!(words(kept), [kept]);
        }
    }

    #[test]
    fn a_long_word_is_cut_between_characters() {
        let long = "ж".repeat(100);
        assert_eq!(words(&long), ["ж".repeat(MOST_WORD_BYTES / 2)]);
    }

    #[test]
    fn nothing_has_no_words() {
        assert!(words(" -'' \u{0} ").is_empty());
    }
}
