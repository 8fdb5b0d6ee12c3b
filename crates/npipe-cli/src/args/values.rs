//! What stands behind an option, as values.

use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;

/// The two processes of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    Server,
    Client,
}

/// How an end reads, or what a pipe is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReadMode {
    Byte,
    Message,
}

/// What a client does at the end of its stdin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtEof {
    /// Closes once the server has read everything.
    Close,
    /// Goes on printing until the server closes.
    Half,
    /// Sends an empty message, and goes on printing until the server closes.
    ZeroMessage,
    /// Goes on printing until nothing has come for so long.
    Linger(Limit),
}

impl FromStr for AtEof {
    type Err = String;

    fn from_str(text: &str) -> Result<AtEof, String> {
        match text {
            "close" => Ok(AtEof::Close),
            "half" => Ok(AtEof::Half),
            "zero-message" => Ok(AtEof::ZeroMessage),
            _ => match text.strip_prefix("linger=") {
                Some(limit) => limit.parse().map(AtEof::Linger),
                None => Err("close, half, zero-message or linger=DURATION".to_owned()),
            },
        }
    }
}

/// Permissions as in chmod, in octal: who may read and write.
pub(super) fn octal(text: &str) -> Result<u32, String> {
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| mode & !0o666 == 0)
        .ok_or_else(|| "three octal digits of reading and writing, such as 660".to_owned())
}

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    For(Duration),
    Forever,
}

impl Limit {
    /// The duration, or nothing for a wait without end.
    pub(crate) fn duration(self) -> Option<Duration> {
        match self {
            Limit::For(duration) => Some(duration),
            Limit::Forever => None,
        }
    }
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Limit, String> {
        if text == "forever" {
            return Ok(Limit::Forever);
        }
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (count, unit) = text.split_at(digits);
        let unit_ms: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "" => return Err("the unit is missing: 500ms, 2s, 1m or forever".to_owned()),
            _ => return Err("a duration is 500ms, 2s, 1m or forever".to_owned()),
        };
        let count: u64 = count
            .parse()
            .map_err(|_| "a duration is a whole number and a unit: 500ms, 2s, 1m".to_owned())?;
        // Win32 counts a wait in 32 bits of milliseconds; more is for ever.
        let ms = count.checked_mul(unit_ms).filter(|ms| *ms < u64::from(u32::MAX));
        ms.map(|ms| Limit::For(Duration::from_millis(ms)))
            .ok_or_else(|| "longer than 49 days: type forever".to_owned())
    }
}

/// A duration that is neither nothing nor for ever.
pub(super) fn finite(text: &str) -> Result<Duration, String> {
    match text.parse()? {
        Limit::For(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("at least 1ms, and not forever".to_owned()),
    }
}

/// A duration of microseconds and more, a second at most.
pub(super) fn brief(text: &str) -> Result<Duration, String> {
    const MOST: Duration = Duration::from_secs(1);
    let duration = match text.strip_suffix("us").or(text.strip_suffix("µs")) {
        Some(count) => count.parse().ok().map(Duration::from_micros),
        None => text.parse().ok().and_then(Limit::duration),
    };
    duration
        .filter(|duration| !duration.is_zero() && *duration <= MOST)
        .ok_or_else(|| "a whole number and a unit, from 1us to 1s: 20us, 5ms".to_owned())
}

/// The limit of instances (semantics 22-23).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MaxInstances {
    Limited(usize),
    Unlimited,
}

impl FromStr for MaxInstances {
    type Err = String;

    fn from_str(text: &str) -> Result<MaxInstances, String> {
        if text == "unlimited" {
            return Ok(MaxInstances::Unlimited);
        }
        match text.parse() {
            Ok(count @ 1..=254) => Ok(MaxInstances::Limited(count)),
            _ => Err("1 to 254, or unlimited".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// And nothing but whole numbers of them.
    #[test]
    fn durations_have_units() {
        assert_eq!("500ms".parse(), Ok(Limit::For(Duration::from_millis(500))));
        assert_eq!("2s".parse(), Ok(Limit::For(Duration::from_secs(2))));
        assert_eq!("1m".parse(), Ok(Limit::For(Duration::from_secs(60))));
        assert_eq!("0s".parse(), Ok(Limit::For(Duration::ZERO)));
        assert_eq!("forever".parse(), Ok(Limit::Forever));
        for bad in [
            "",
            "5",
            "ms",
            "-1s",
            "1.5s",
            "2h",
            "1 s",
            "99999999999999999999s",
            "50000000s",
        ] {
            assert!(bad.parse::<Limit>().is_err(), "{bad}");
        }
    }

    /// What passes between two messages.
    #[test]
    fn brief_durations_are_a_second_at_most() {
        assert_eq!(brief("20us"), Ok(Duration::from_micros(20)));
        assert_eq!(brief("20µs"), brief("20us"));
        assert_eq!(brief("1ms"), Ok(Duration::from_millis(1)));
        assert_eq!(brief("1s"), brief("1000ms"));
        for bad in ["", "us", "0us", "20", "-1us", "1.5us", "1001ms", "1000001us", "forever"] {
            assert!(brief(bad).is_err(), "{bad}");
        }
    }

    /// semantics 22-23: what the command line lets through.
    #[test]
    fn instances_are_limited_to_254_or_not_at_all() {
        assert_eq!("1".parse(), Ok(MaxInstances::Limited(1)));
        assert_eq!("254".parse(), Ok(MaxInstances::Limited(254)));
        assert_eq!("unlimited".parse(), Ok(MaxInstances::Unlimited));
        for bad in ["0", "255", "-1", "many", ""] {
            assert!(bad.parse::<MaxInstances>().is_err(), "{bad}");
        }
    }

    /// Each word, and the one with a duration.
    #[test]
    fn ends_of_stdin() {
        assert_eq!("half".parse(), Ok(AtEof::Half));
        assert_eq!("zero-message".parse(), Ok(AtEof::ZeroMessage));
        assert_eq!("linger=forever".parse(), Ok(AtEof::Linger(Limit::Forever)));
        for bad in ["", "linger", "linger=", "linger=5", "Half"] {
            assert!(bad.parse::<AtEof>().is_err(), "{bad}");
        }
    }

    /// As chmod has them.
    #[test]
    fn permissions_are_octal() {
        assert_eq!(octal("660"), Ok(0o660));
        for bad in ["", "888", "755", "1666", "rw", "-1"] {
            assert!(octal(bad).is_err(), "{bad}");
        }
    }
}
