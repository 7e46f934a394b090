//! Secrets and people in logs.
//!
//! Law: secrets are never shown; numbers and addresses of people only at DEBUG and below. So a secret
//! lives in [`Redacted`], and a line at INFO or above names a person through [`Person`], which shows the
//! person only while [`show_people`] is on (the journal switches it with the level).

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

static PEOPLE_SHOWN: AtomicBool = AtomicBool::new(false);

/// Lets [`Person`] show itself, or not. Set once from the log level.
pub fn show_people(shown: bool) {
    PEOPLE_SHOWN.store(shown, Ordering::Relaxed);
}

/// A secret; `Debug` prints `<redacted>` and there is no `Display`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Redacted<T>(pub T);

impl<T> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

/// A number, address or name of a person, for a log line at INFO or above.
#[derive(Clone, Copy)]
pub struct Person<'a>(pub &'a str);

impl fmt::Display for Person<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if PEOPLE_SHOWN.load(Ordering::Relaxed) { self.0 } else { "<person>" })
    }
}

impl fmt::Debug for Person<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_never_show_and_people_only_when_asked_for() {
        assert_eq!(format!("{:?}", Redacted("hunter2")), "<redacted>");
        show_people(false);
        assert_eq!(format!("{} {:?}", Person("+3225550100"), Person("x")), "<person> <person>");
        show_people(true);
        assert_eq!(Person("+3225550100").to_string(), "+3225550100");
        show_people(false);
    }
}
