//! Points in time as documents write them: RFC 3339 in UTC, `2026-11-21T09:00:00Z`, milliseconds where there are any.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

use crate::time::WallTime;

/// A point in time, of the years 1970 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub WallTime);

impl Moment {
    /// Reads `2026-11-21T09:00:00Z` or `2026-11-21T09:00:00.250Z`. Other offsets than `Z` are not read: a document has one
    /// way to write a time.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.strip_suffix('Z')?.as_bytes();
        let (whole, fraction) = bytes.split_at_checked(19)?;
        let number = |from: usize, to: usize| digits(whole.get(from..to)?);
        let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
        if separators.iter().any(|(place, byte)| whole.get(*place) != Some(byte)) {
            return None;
        }
        let month = Month::try_from(u8::try_from(number(5, 7)?).ok()?).ok()?;
        let year = i32::try_from(number(0, 4)?).ok()?;
        let date = Date::from_calendar_date(year, month, small(number(8, 10)?)?).ok()?;
        let time = Time::from_hms(small(number(11, 13)?)?, small(number(14, 16)?)?, small(number(17, 19)?)?);
        let seconds = PrimitiveDateTime::new(date, time.ok()?).assume_utc().unix_timestamp();
        let millis = match fraction {
            [] => 0,
            [b'.', rest @ ..] if rest.len() == 3 => digits(rest)?,
            _ => return None,
        };
        Some(Self(WallTime(u64::try_from(seconds).ok()?.checked_mul(1000)?.checked_add(millis)?)))
    }

    /// As documents write it. A point after the year 9999 is written as that year's last second.
    pub fn to_text(self) -> String {
        const LAST: i64 = 253_402_300_799;
        let seconds = i64::try_from(self.0.seconds()).map_or(LAST, |seconds| seconds.min(LAST));
        let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (year, month, day) = at.to_calendar_date();
        let (hour, minute, second) = at.to_hms();
        let month = u8::from(month);
        let whole = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
        match self.0.0 % 1000 {
            0 => format!("{whole}Z"),
            millis => format!("{whole}.{millis:03}Z"),
        }
    }
}

impl From<WallTime> for Moment {
    fn from(at: WallTime) -> Self {
        Self(at)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_text())
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| serde::de::Error::custom("expected a time as in 2026-11-21T09:00:00Z"))
    }
}

fn digits(bytes: &[u8]) -> Option<u64> {
    bytes.iter().try_fold(0_u64, |sum, byte| {
        byte.is_ascii_digit().then(|| sum.saturating_mul(10).saturating_add(u64::from(byte - b'0')))
    })
}

fn small(number: u64) -> Option<u8> {
    u8::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_written_one_way() {
        let at = Moment::parse("2026-11-21T09:00:00Z").unwrap();
        assert_eq!(at.0, WallTime(1_795_251_600_000));
        assert_eq!(at.to_text(), "2026-11-21T09:00:00Z");
        assert_eq!(Moment(WallTime(250)).to_text(), "1970-01-01T00:00:00.250Z");
        for bad in [
            "",
            "Z",
            "2026-11-21T09:00:00",
            "2026-11-21 09:00:00Z",
            "2026-11-21T09:00:00+01:00",
            "2026-13-21T09:00:00Z",
            "2026-02-30T09:00:00Z",
            "2026-11-21T25:00:00Z",
            "1969-12-31T23:59:59Z",
            "2026-11-21T09:00:00.1Z",
            "2026-11-21T09:00:00.12345Z",
            "2026-11-2éT09:00:00Z",
        ] {
            assert_eq!(Moment::parse(bad), None, "{bad}");
        }
        assert!(Moment(WallTime(u64::MAX)).to_text().starts_with("9999-12-31T23:59:59"));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(at in 0..253_402_300_799_999_u64) {
            let moment = Moment(WallTime(at));
            prop_assert_eq!(Moment::parse(&moment.to_text()), Some(moment));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,30}Z?") {
            let _ = Moment::parse(&text);
        }
    }
}
