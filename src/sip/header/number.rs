//! Headers that are one number: Max-Forwards, Expires, Min-Expires, Retry-After (RFC 3261 §20).

use std::fmt;

use super::{HeaderName, Typed};
use crate::sip::{Flaw, Text, scan};

/// How many more hops a request may go: 0 to 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MaxForwards(pub u8);

impl Typed for MaxForwards {
    const NAME: HeaderName = HeaderName::MaxForwards;

    fn parse(value: &Text) -> Result<Self, Flaw> {
        let number = scan::number(scan::trim(value), u64::from(u8::MAX)).ok_or(Flaw::Number)?;
        u8::try_from(number).map(Self).map_err(|_| Flaw::Number)
    }
}

macro_rules! seconds {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
            pub struct $name(pub u32);

            impl Typed for $name {
                const NAME: HeaderName = HeaderName::$name;

                fn parse(value: &Text) -> Result<Self, Flaw> {
                    delta_seconds(first_word(value)).map(Self)
                }
            }

            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    self.0.fmt(f)
                }
            }
        )*
    };
}

seconds! {
    /// For how many seconds a binding, subscription or invitation stands.
    Expires;
    /// The least number of seconds that the registrar accepts (423).
    MinExpires;
    /// After how many seconds to try again. Comment and parameters are not kept.
    RetryAfter;
}

impl fmt::Display for MaxForwards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Seconds; more than 2^32 - 1 is read as that (RFC 3261 §20.19 names it as the largest).
pub(super) fn delta_seconds(text: &str) -> Result<u32, Flaw> {
    let text = scan::trim(text);
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Flaw::Number);
    }
    Ok(scan::number_u32(text, u32::MAX).unwrap_or(u32::MAX))
}

/// What stands before a comment or parameters.
fn first_word(text: &str) -> &str {
    let text = scan::trim(text);
    text.split([' ', '\t', '(', ';']).next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        assert_eq!(MaxForwards::parse(&Text::from(" 0068 ")), Ok(MaxForwards(68)));
        assert_eq!(MaxForwards::parse(&Text::from("300")), Err(Flaw::Number));
        assert_eq!(Expires::parse(&Text::from("3600")), Ok(Expires(3600)));
        assert_eq!(Expires::parse(&Text::from("1".repeat(99).as_str())), Ok(Expires(u32::MAX)));
        assert_eq!(Expires::parse(&Text::from("Thu, 01 Dec")), Err(Flaw::Number));
        assert_eq!(RetryAfter::parse(&Text::from("120 (busy);duration=3")), Ok(RetryAfter(120)));
    }
}
