//! Numbers as people read them, the same on the page and in what the Worker reports.

/// Bytes with a unit, in powers of 1000 as storage is sold.
pub fn bytes(count: u64) -> String {
    const UNITS: [(&str, f64); 3] = [("GB", 1e9), ("MB", 1e6), ("kB", 1e3)];
    let value = count as f64;
    // A value that would round up to 1000 belongs to the next unit.
    match UNITS.iter().find(|(_, size)| value >= size * 0.9995) {
        Some((unit, size)) if value / size < 99.5 => format!("{:.1} {unit}", value / size),
        Some((unit, size)) => format!("{:.0} {unit}", value / size),
        None => format!("{count} B"),
    }
}

/// `done` of `total` bytes, the unit said once where it is the same.
pub fn bytes_of(done: u64, total: u64) -> String {
    let (done, total) = (bytes(done), bytes(total));
    match (done.split_once(' '), total.split_once(' ')) {
        (Some((value, unit)), Some((_, of_unit))) if unit == of_unit => {
            format!("{value} of {total}")
        }
        _ => format!("{done} of {total}"),
    }
}

/// A duration, to the precision that matters to someone who waits.
pub fn duration(milliseconds: f64) -> String {
    let seconds = milliseconds / 1000.0;
    match seconds {
        s if s < 9.95 => format!("{s:.1} s"),
        s if s < 99.5 => format!("{s:.0} s"),
        s => format!("{:.0} min", s / 60.0),
    }
}

/// How long until work is done, judged by what it took so far; `None` while that says nothing.
pub fn remaining(elapsed_ms: f64, done: u64, total: u64) -> Option<String> {
    if elapsed_ms < 1500.0 || done == 0 || done >= total {
        return None;
    }
    let left_s = elapsed_ms / done as f64 * (total - done) as f64 / 1000.0;
    Some(match left_s {
        s if s < 60.0 => format!("about {:.0} s left", (s / 5.0).ceil() * 5.0),
        s => format!("about {:.0} min left", (s / 60.0).ceil()),
    })
}

/// Tokens a second.
pub fn rate(tokens_per_second: f64) -> String {
    match tokens_per_second {
        r if r < 99.5 => format!("{r:.1} tokens/s"),
        r => format!("{r:.0} tokens/s"),
    }
}

/// A count with its noun.
pub fn count(number: u32, singular: &str) -> String {
    match number {
        1 => format!("1 {singular}"),
        n => format!("{n} {singular}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_keep_three_digits_at_most() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(5_400_000), "5.4 MB");
        assert_eq!(bytes(99_600_000), "100 MB");
        assert_eq!(bytes(999_900_000), "1.0 GB");
        assert_eq!(bytes(2_430_000_000), "2.4 GB");
    }

    #[test]
    fn a_unit_is_said_once() {
        assert_eq!(bytes_of(3_100_000, 5_400_000), "3.1 of 5.4 MB");
        assert_eq!(bytes_of(310_000, 5_400_000), "310 kB of 5.4 MB");
    }

    #[test]
    fn waiting_time_is_said_once_it_means_something() {
        assert_eq!(remaining(1000.0, 50, 100), None);
        assert_eq!(
            remaining(10_000.0, 50, 100),
            Some("about 10 s left".to_owned())
        );
        assert_eq!(
            remaining(10_000.0, 1, 100),
            Some("about 17 min left".to_owned())
        );
        assert_eq!(remaining(10_000.0, 100, 100), None);
    }

    #[test]
    fn one_of_a_thing_is_singular() {
        assert_eq!(count(1, "token"), "1 token");
        assert_eq!(count(12, "token"), "12 tokens");
    }
}
