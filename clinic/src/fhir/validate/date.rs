//! Dates and times of FHIR R4: their form, whether they exist, and which of two is earlier.

use std::cmp::Ordering;

/// A date, with a time where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Year, month, day, hour, minute: as many as were given.
    parts: [u32; 5],
    given: usize,
    /// Milliseconds within the minute.
    milliseconds: u32,
    /// Minutes east of Greenwich.
    offset: i32,
}

/// Why a text is not a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// It does not have the form.
    Form,
    /// It has the form, and there is no such day.
    Day,
}

/// A `dateTime`: a year, a month, a day, or a day with time and time zone.
pub fn date_time(text: &str) -> Result<Moment, Wrong> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut moment = Moment {
        parts: [0; 5],
        given: 0,
        milliseconds: 0,
        offset: 0,
    };
    for (nth, part) in date.split('-').enumerate() {
        let length = if nth == 0 { 4 } else { 2 };
        let slot = moment
            .parts
            .get_mut(nth)
            .filter(|_| nth < 3)
            .ok_or(Wrong::Form)?;
        *slot = number(part, length).ok_or(Wrong::Form)?;
        moment.given = nth + 1;
    }
    let [year, month, day, ..] = moment.parts;
    if year == 0
        || (moment.given > 1 && !(1..=12).contains(&month))
        || (moment.given > 2 && !(1..=31).contains(&day))
    {
        return Err(Wrong::Form);
    }
    if let Some(time) = time {
        if moment.given != 3 {
            return Err(Wrong::Form);
        }
        let at = time.find(['Z', '+', '-']).ok_or(Wrong::Form)?;
        let (clock, zone) = time.split_at_checked(at).ok_or(Wrong::Form)?;
        let (hour, minute, milliseconds) = clock_time(clock).ok_or(Wrong::Form)?;
        (moment.parts, moment.given) = ([year, month, day, hour, minute], 5);
        (moment.milliseconds, moment.offset) = (milliseconds, offset(zone).ok_or(Wrong::Form)?);
    }
    if moment.given > 2 && day > days(year, month) {
        return Err(Wrong::Day);
    }
    Ok(moment)
}

/// A `date`: a [`date_time`] without time.
pub fn date(text: &str) -> Result<Moment, Wrong> {
    date_time(text).and_then(|moment| {
        if moment.given > 3 {
            Err(Wrong::Form)
        } else {
            Ok(moment)
        }
    })
}

/// An `instant`: a [`date_time`] with time.
pub fn instant(text: &str) -> Result<Moment, Wrong> {
    date_time(text).and_then(|moment| {
        if moment.given == 5 {
            Ok(moment)
        } else {
            Err(Wrong::Form)
        }
    })
}

/// A time of day, without zone.
pub fn is_time(text: &str) -> bool {
    clock_time(text).is_some()
}

impl Moment {
    /// Which is earlier; `None` where one is given less exactly and the other lies within it.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        if self.given == 5 && other.given == 5 {
            return Some(self.instant().cmp(&other.instant()));
        }
        let both = self.given.min(other.given).min(3);
        let (mine, theirs) = (self.parts.get(..both)?, other.parts.get(..both)?);
        match mine.cmp(theirs) {
            Ordering::Equal if self.given != other.given => None,
            order => Some(order),
        }
    }

    /// Milliseconds since the first day of year 0.
    fn instant(&self) -> i64 {
        let [year, month, day, hour, minute] = self.parts.map(i64::from);
        let before = year - i64::from(month <= 2);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day;
        let days = before * 365 + before / 4 - before / 100 + before / 400 + day_of_year;
        ((days * 24 + hour) * 60 + minute - i64::from(self.offset)) * 60_000
            + i64::from(self.milliseconds)
    }
}

/// `hh:mm:ss` with a fraction: hour, minute, milliseconds.
fn clock_time(text: &str) -> Option<(u32, u32, u32)> {
    let mut parts = text.split(':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let (second, fraction) = second.split_once('.').unwrap_or((second, "0"));
    if fraction.is_empty() || !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let (hour, minute, second) = (number(hour, 2)?, number(minute, 2)?, number(second, 2)?);
    let thousandths = fraction
        .bytes()
        .chain(*b"00")
        .take(3)
        .fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    // 60 is a leap second.
    (hour < 24 && minute < 60 && second <= 60).then_some((
        hour,
        minute,
        second * 1000 + thousandths,
    ))
}

fn offset(zone: &str) -> Option<i32> {
    if zone == "Z" {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let (hour, minute) = zone.get(1..)?.split_once(':')?;
    let (hour, minute) = (number(hour, 2)?, number(minute, 2)?);
    let minutes = i32::try_from(hour * 60 + minute).ok()?;
    (minute < 60 && minutes <= 14 * 60).then_some(sign * minutes)
}

fn number(text: &str, length: usize) -> Option<u32> {
    (text.len() == length && text.bytes().all(|digit| digit.is_ascii_digit()))
        .then(|| text.parse().ok())?
}

fn days(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_day_has_to_exist() {
        assert!(date("2024-02-29").is_ok());
        assert_eq!(date("2023-02-29"), Err(Wrong::Day));
        assert_eq!(date("1900-02-29"), Err(Wrong::Day));
        assert!(date("2000-02-29").is_ok());
        assert_eq!(date("2023-04-31"), Err(Wrong::Day));
        assert_eq!(date_time("2023-06-31T00:00:00Z"), Err(Wrong::Day));
    }

    #[test]
    fn the_form_is_that_of_r4() {
        for good in [
            "1970",
            "1970-01",
            "1970-01-01",
            "2015-02-07T13:28:17-05:00",
            "2015-02-07T13:28:60.25+14:00",
        ] {
            assert!(date_time(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "70",
            "0000",
            "1970-1",
            "1970-13",
            "1970-00",
            "1970-01-00",
            "1970-01-32",
            "1970-01-01T",
            "1970-01-01T10Z",
            "1970-01-01T10:00Z",
            "1970-01-01T10:00:00",
            "1970-01-01T24:00:00Z",
            "1970-01-01T10:00:00+15:00",
            "1970-01-01T10:00:00.Z",
            "1970-01-01T10:00:00+1:00",
            "1970-01-01 10:00:00Z",
            "1970-01-01T10:00:61Z",
            "é",
            "1970-01T10:00:00Z",
            "1970-01-01-01",
            "+970",
        ] {
            assert_eq!(date_time(bad), Err(Wrong::Form), "{bad}");
        }
        assert_eq!(date("1970-01-01T10:00:00Z"), Err(Wrong::Form));
        assert_eq!(instant("1970-01-01"), Err(Wrong::Form));
        assert!(
            is_time("23:59:59.999")
                && !is_time("24:00:00")
                && !is_time("23:59")
                && !is_time("23:59:59Z")
        );
    }

    #[test]
    fn the_earlier_of_two_is_known_where_it_can_be() {
        let compare = |a: &str, b: &str| date_time(a).unwrap().compare(&date_time(b).unwrap());
        assert_eq!(compare("2020", "2021"), Some(Ordering::Less));
        assert_eq!(compare("2020", "2020-05"), None);
        assert_eq!(compare("2020-06-01", "2020-05"), Some(Ordering::Greater));
        assert_eq!(
            compare("2020-01-01T00:00:00+02:00", "2019-12-31T22:00:00Z"),
            Some(Ordering::Equal)
        );
        assert_eq!(
            compare("2020-03-01T00:00:00Z", "2020-02-29T23:59:59.999Z"),
            Some(Ordering::Greater)
        );
        assert_eq!(
            compare("2020-01-01T00:00:00+01:00", "2019-12-31T23:30:00Z"),
            Some(Ordering::Less)
        );
    }
}
