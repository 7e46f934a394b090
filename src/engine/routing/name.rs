//! Names of links and of credentials.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Longest name.
const LONGEST: usize = 64;
/// What a name looks like, for people.
const EXPECTED: &str = "expected 1 to 64 of a-z, A-Z, 0-9, `-`, `_` and `.`, a letter or digit first";

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = &'static str;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                if is_name(text) { Ok(Self(text.into())) } else { Err(EXPECTED) }
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

name! {
    /// A link's name, such as `par-sip`; unique in an office. Cheap to clone.
    LinkId
}

name! {
    /// The name of credentials that the box has; the value never stands in a route set.
    CredentialName
}

name! {
    /// The name of a rule for calls that go out.
    RuleName
}

name! {
    /// The name that the site's Asterisk gives a peer of its own (an IAX2 peer, a PJSIP trunk).
    PeerName
}

fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let begins_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    begins_well && text.len() <= LONGEST && text.bytes().all(allowed)
}
