//! Numbers in a text: digits, words, fractions, ranges, pairs such as `120/80`, dates and names with digits.

use super::quantity::{Number, Quantity, Value};
use super::units::Unit;
use crate::record::Span;

/// Most digits of a number that is read as one. A longer one is compared as it is written.
const MAX_DIGITS: usize = 15;

const ONES: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 8] = [
    "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
];
const TIMES: [&str; 3] = ["once", "twice", "thrice"];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// Every number of a text, in its order.
pub fn quantities(text: &str) -> Vec<Quantity> {
    let reader = Reader { text };
    let mut found: Vec<Quantity> = Vec::new();
    let mut at = 0;
    while let Some(next) = reader.char(at) {
        let quantity = match next {
            _ if is_digit(next) || fraction(next).is_some() => reader.digits(at),
            _ if next.is_alphabetic() => reader.word_quantity(at),
            _ => None,
        };
        at = match quantity {
            Some(quantity) => {
                let end = quantity.span.end;
                found.push(quantity);
                end
            }
            None if next.is_alphabetic() => reader.word_end(at),
            None => at + next.len_utf8(),
        };
    }
    found
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

fn fraction(c: char) -> Option<Number> {
    let (top, bottom) = match c {
        '½' => (1, 2),
        '⅓' => (1, 3),
        '⅔' => (2, 3),
        '¼' => (1, 4),
        '¾' => (3, 4),
        '⅛' => (1, 8),
        _ => return None,
    };
    Number::new(top, bottom)
}

/// Spaces that group digits. A plain space does not: `1 500 mg tablet` is one tablet.
fn is_group_space(c: char) -> bool {
    matches!(c, '\u{a0}' | '\u{202f}' | '\u{2009}')
}

struct Reader<'a> {
    text: &'a str,
}

impl<'a> Reader<'a> {
    fn rest(&self, at: usize) -> &'a str {
        self.text.get(at..).unwrap_or_default()
    }

    fn char(&self, at: usize) -> Option<char> {
        self.rest(at).chars().next()
    }

    fn end_of(&self, at: usize, test: impl Fn(char) -> bool) -> usize {
        let rest = self.rest(at);
        at + rest.find(|c| !test(c)).unwrap_or(rest.len())
    }

    /// The end of the letters and digits at `at`.
    fn word_end(&self, at: usize) -> usize {
        self.end_of(at, char::is_alphanumeric)
    }

    fn word(&self, at: usize) -> String {
        self.text
            .get(at..self.word_end(at))
            .unwrap_or_default()
            .to_lowercase()
    }

    fn skip_spaces(&self, at: usize) -> usize {
        self.end_of(at, |c| c == ' ')
    }

    /// Digits only, from `at` on: their number and their end.
    fn plain(&self, at: usize) -> Option<(u64, usize)> {
        let end = self.end_of(at, is_digit);
        if end - at > MAX_DIGITS {
            return None;
        }
        Some((self.text.get(at..end)?.parse().ok()?, end))
    }

    /// What begins with a digit or a fraction at `at`.
    fn digits(&self, at: usize) -> Option<Quantity> {
        let quantity = self.date(at).or_else(|| self.number_or_pair(at));
        // Letters that are no unit make it a name, and so does a number that is too long.
        quantity.or_else(|| {
            let end = self
                .word_end(at)
                .max(self.end_of(at, |c| is_digit(c) || fraction(c).is_some()));
            Some(self.name(at, end))
        })
    }

    fn name(&self, at: usize, end: usize) -> Quantity {
        Quantity {
            value: Value::Name(self.text.get(at..end).unwrap_or_default().to_lowercase()),
            unit: None,
            span: Span { start: at, end },
            in_words: false,
        }
    }

    /// `12/03/2024`, `2024-03-12`, `12.03.24`, `10:30`, `12 March 2024`.
    fn date(&self, at: usize) -> Option<Quantity> {
        let (first, end) = self.plain(at)?;
        let four_digits = end - at == 4;
        let made = |parts: Vec<u64>, end: usize| {
            let ends = self.char(end).is_none_or(|c| !c.is_alphanumeric());
            ends.then_some(Quantity {
                value: Value::Parts(parts),
                unit: None,
                span: Span { start: at, end },
                in_words: false,
            })
        };
        let mark = self.char(end)?;
        if matches!(mark, '/' | '-' | '.' | ':') {
            let (second, second_end) = self.plain(end + 1)?;
            if second_end - end > 3 {
                return None;
            }
            if self.char(second_end) == Some(mark)
                && let Some((third, third_end)) = self.plain(second_end + 1)
            {
                return match four_digits {
                    true => made(vec![third, second, first], third_end),
                    false => made(vec![first, second, third], third_end),
                };
            }
            return match mark {
                ':' => made(vec![first, second], second_end),
                _ => None,
            };
        }
        let ordinal = ["st", "nd", "rd", "th"]
            .iter()
            .find(|ending| self.rest(end).starts_with(**ending));
        let end = end + ordinal.map_or(0, |ending| ending.len());
        let month_at = self.skip_spaces(end);
        let month =
            month(&self.word(month_at)).filter(|_| month_at > end && (1..=31).contains(&first))?;
        let month_end = self.word_end(month_at);
        let mut parts = vec![first, month];
        let mut last = month_end;
        if let Some((year, end)) = self.year(month_end) {
            parts.push(year);
            last = end;
        }
        made(parts, last)
    }

    /// Four digits after a space and perhaps a comma.
    fn year(&self, at: usize) -> Option<(u64, usize)> {
        let after_comma = if self.char(at) == Some(',') {
            at + 1
        } else {
            at
        };
        let start = self.skip_spaces(after_comma);
        let (year, end) = self.plain(start)?;
        let sound = start > after_comma && end - start == 4;
        sound.then_some((year, end))
    }

    fn number_or_pair(&self, at: usize) -> Option<Quantity> {
        let (first, end) = self.number(at)?;
        self.finish(at, first, end, false)
    }

    /// A number with what belongs to it: a second one, and a unit.
    fn finish(&self, at: usize, first: Number, end: usize, in_words: bool) -> Option<Quantity> {
        let (value, end) = match self.second(end) {
            Some((second, end)) => (Value::Pair(first, second), end),
            None => (Value::Number(first), end),
        };
        let unit = self.unit(end);
        let attached = self.char(end).is_some_and(char::is_alphabetic);
        let (unit, end) = match unit {
            Some((unit, end)) => (Some(unit), end),
            None if attached => {
                let end_word = self.word_end(end);
                let ordinal = matches!(
                    self.text.get(end..end_word),
                    Some("st" | "nd" | "rd" | "th" | "s" | "x")
                );
                (ordinal.then_some(())).map(|()| (None, end_word))?
            }
            None => (None, end),
        };
        Some(Quantity {
            value,
            unit,
            span: Span { start: at, end },
            in_words,
        })
    }

    /// The second number of `2-3`, `2 to 3`, `120/80` or `120 over 80`.
    fn second(&self, end: usize) -> Option<(Number, usize)> {
        // A first number with its unit, as in `5 mg - 10 mg`, is two numbers.
        let mark_at = self.skip_spaces(end);
        let mark = self.char(mark_at)?;
        let spaced = mark_at > end;
        let start = match mark {
            '-' | '–' | '—' => self.skip_spaces(mark_at + mark.len_utf8()),
            '/' if !spaced => mark_at + 1,
            't' | 'o' if spaced && matches!(self.word(mark_at).as_str(), "to" | "or" | "over") => {
                self.skip_spaces(self.word_end(mark_at))
            }
            _ => return None,
        };
        match self.char(start)? {
            c if is_digit(c) || fraction(c).is_some() => {
                self.date(start).is_none().then(|| self.number(start))?
            }
            c if c.is_alphabetic() && mark != '/' => self.in_words(start),
            _ => None,
        }
    }

    /// A number in digits: with groups, decimals and fractions.
    fn number(&self, at: usize) -> Option<(Number, usize)> {
        if let Some(part) = self
            .char(at)
            .and_then(|c| Some((fraction(c)?, at + c.len_utf8())))
        {
            return Some(part);
        }
        let mut end = self.end_of(at, is_digit);
        let mut digits = self.text.get(at..end)?.to_owned();
        let may_group = digits.len() <= 3 && !digits.starts_with('0');
        let mut grouped = None;
        loop {
            let groups = |c: &char| may_group && (matches!(c, ',' | '.') || is_group_space(*c));
            let Some(mark) = self.char(end).filter(groups) else {
                break;
            };
            let from = end + mark.len_utf8();
            let to = self.end_of(from, is_digit);
            // One point is a decimal point; two of them group.
            let point = mark == '.' && grouped.is_none() && !self.groups_twice(to, mark);
            if to - from != 3 || point || grouped.is_some_and(|grouped| grouped != mark) {
                break;
            }
            digits.push_str(self.text.get(from..to)?);
            grouped = Some(mark);
            end = to;
        }
        let mut places = 0;
        if let Some(mark) = self
            .char(end)
            .filter(|c| matches!(c, '.' | ',') && grouped != Some(*c))
        {
            let from = end + mark.len_utf8();
            let to = self.end_of(from, is_digit);
            if to > from {
                digits.push_str(self.text.get(from..to)?);
                places = to - from;
                end = to;
            }
        }
        if digits.len() > MAX_DIGITS {
            return None;
        }
        let power = 10_i128.checked_pow(u32::try_from(places).ok()?)?;
        let number = Number::new(digits.parse().ok()?, power)?;
        match places == 0 && grouped.is_none() {
            true => Some(self.with_fraction(at, number, end)),
            false => Some((number, end)),
        }
    }

    fn groups_twice(&self, at: usize, mark: char) -> bool {
        self.char(at) == Some(mark) && self.end_of(at + 1, is_digit) == at + 4
    }

    /// `1/2`, `2½`, `2 1/2`; a whole number stays as it is.
    fn with_fraction(&self, at: usize, number: Number, end: usize) -> (Number, usize) {
        let whole_end = end;
        if let Some((bottom, end)) = self.denominator(end)
            && number.is_below(bottom)
            && let Some(number) = number.times(1, bottom)
        {
            return (number, end);
        }
        let next = self
            .char(end)
            .and_then(|c| Some((fraction(c)?, end + c.len_utf8())));
        let spaced = || {
            let start = self.skip_spaces(end);
            if let Some(part) = self
                .char(start)
                .and_then(|c| Some((fraction(c)?, start + c.len_utf8())))
            {
                return Some(part);
            }
            let (top, top_end) = self.plain(start).filter(|_| start > at && start > end)?;
            let (bottom, end) = self.denominator(top_end)?;
            let part = Number::new(i128::from(top), bottom)?;
            (i128::from(top) < bottom).then_some((part, end))
        };
        next.or_else(spaced)
            .and_then(|(part, end)| Some((number.plus(part)?, end)))
            .unwrap_or((number, whole_end))
    }

    /// `/2` and the like after a whole number: only the fractions that tablets are broken into.
    fn denominator(&self, end: usize) -> Option<(i128, usize)> {
        (self.char(end) == Some('/')).then_some(())?;
        let (bottom, end) = self.plain(end + 1)?;
        let closed = !matches!(self.char(end), Some('/' | '.' | ','))
            || self.char(end + 1).is_none_or(|c| !is_digit(c));
        (matches!(bottom, 2 | 3 | 4 | 8) && closed).then_some((i128::from(bottom), end))
    }

    /// A unit after a number, with the units it is for each of: `mg`, `mg/kg/day`, `per minute` follows one.
    fn unit(&self, at: usize) -> Option<(Unit, usize)> {
        let hyphen =
            self.char(at) == Some('-') && self.char(at + 1).is_some_and(char::is_alphabetic);
        let start = if hyphen {
            at + 1
        } else {
            self.end_of(at, |c| c == ' ' || is_group_space(c))
        };
        let (mut unit, mut end) = self.unit_name(start)?;
        loop {
            let next = match self.char(end) {
                Some('/') => Some(end + 1),
                Some(' ') if self.word(end + 1) == "per" => Some(self.skip_spaces(end + 4)),
                _ => None,
            };
            let Some((per, per_end)) = next.and_then(|next| self.unit_name(next)) else {
                break;
            };
            unit = unit.per(per);
            end = per_end;
        }
        Some((unit, end))
    }

    fn unit_name(&self, at: usize) -> Option<(Unit, usize)> {
        let end = match self.char(at)? {
            '%' => at + 1,
            '°' => self.end_of(at + '°'.len_utf8(), char::is_alphabetic),
            _ => self.end_of(at, |c| c.is_alphabetic()),
        };
        let followed =
            self.char(end).is_some_and(char::is_alphanumeric) && self.char(at) != Some('%');
        let unit = Unit::named(self.text.get(at..end)?).filter(|_| !followed)?;
        Some((unit, end))
    }

    /// What begins with a letter at `at`: a number in words, a date, or a name with digits.
    fn word_quantity(&self, at: usize) -> Option<Quantity> {
        let end = self.word_end(at);
        let word = self.word(at);
        if word.chars().any(|c| c.is_ascii_digit()) {
            // `x3` is three times.
            if word.starts_with('x')
                && let Some((number, digits_end)) = self.plain(at + 1)
                && digits_end == end
            {
                return self.finish(at, Number::whole(number), digits_end, false);
            }
            return Some(self.name(at, end));
        }
        if let Some(month) = month(&word) {
            let day_at = self.skip_spaces(end);
            let (day, day_end) = self.plain(day_at).filter(|_| day_at > end)?;
            if !(1..=31).contains(&day) || self.char(day_end).is_some_and(char::is_alphanumeric) {
                return None;
            }
            let (parts, end) = match self.year(day_end) {
                Some((year, end)) => (vec![day, month, year], end),
                None => (vec![day, month], day_end),
            };
            return Some(Quantity {
                value: Value::Parts(parts),
                unit: None,
                span: Span { start: at, end },
                in_words: false,
            });
        }
        if let Some(index) = TIMES.iter().position(|times| *times == word) {
            return Some(Quantity {
                value: Value::Number(Number::whole(index as u64 + 1)),
                unit: Unit::named("times"),
                span: Span { start: at, end },
                in_words: false,
            });
        }
        let (number, end) = self.in_words(at)?;
        self.finish(at, number, end, true)
    }

    /// `two`, `twenty-five`, `one hundred and twenty`, `thirty-eight point five`, `one and a half`, `half`.
    fn in_words(&self, at: usize) -> Option<(Number, usize)> {
        if self.word(at) == "half" {
            let end = self.word_end(at);
            let article = self.skip_spaces(end);
            let end = match self.word(article).as_str() {
                "a" | "an" => self.word_end(article),
                _ => end,
            };
            return Some((Number::new(1, 2)?, end));
        }
        let (mut whole, mut end) = self.below_hundred(at)?;
        for (word, size) in [("hundred", 100), ("thousand", 1_000)] {
            let next = self.skip_spaces(end);
            if self.word(next) == word {
                whole *= size;
                end = self.word_end(next);
                let after = self.skip_spaces(end);
                let after = if self.word(after) == "and" {
                    self.skip_spaces(self.word_end(after))
                } else {
                    after
                };
                if let Some((rest, rest_end)) = self.below_hundred(after) {
                    whole += rest;
                    end = rest_end;
                    break;
                }
            }
        }
        let number = Number::whole(whole);
        let next = self.skip_spaces(end);
        let mut words = self.rest(next).splitn(4, ' ');
        if (words.next(), words.next()) == (Some("and"), Some("a")) {
            let half = next + "and a ".len();
            if self.word(half) == "half" {
                return Some((number.plus(Number::new(1, 2)?)?, self.word_end(half)));
            }
        }
        if self.word(next) != "point" {
            return Some((number, end));
        }
        let (mut number, mut place, mut digit_at, mut last) =
            (number, 1_i128, self.skip_spaces(self.word_end(next)), end);
        while let Some(digit) = ONES
            .iter()
            .take(10)
            .position(|one| *one == self.word(digit_at))
        {
            place = place.checked_mul(10)?;
            number = number.plus(Number::new(i128::try_from(digit).ok()?, place)?)?;
            last = self.word_end(digit_at);
            digit_at = self.skip_spaces(last);
        }
        Some((number, last))
    }

    fn below_hundred(&self, at: usize) -> Option<(u64, usize)> {
        let word = self.word(at);
        let end = self.word_end(at);
        if let Some(one) = ONES.iter().position(|one| *one == word) {
            return Some((one as u64, end));
        }
        let ten = (TENS.iter().position(|ten| *ten == word)? as u64 + 2) * 10;
        let next = match self.char(end) {
            Some('-') => end + 1,
            _ => self.skip_spaces(end),
        };
        let one = ONES
            .iter()
            .take(10)
            .skip(1)
            .position(|one| *one == self.word(next));
        Some(one.map_or((ten, end), |one| {
            (ten + one as u64 + 1, self.word_end(next))
        }))
    }
}

fn month(word: &str) -> Option<u64> {
    let found = MONTHS.iter().position(|month| {
        *month == word
            || (word.len() >= 3 && word != "may" && month.get(..3) == Some(word))
            || word == "sept" && *month == "september"
    })?;
    Some(found as u64 + 1)
}
