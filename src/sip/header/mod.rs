//! Typed views on header values: each reads from [`Text`] and writes itself as text.
//!
//! | file | what lies there |
//! | --- | --- |
//! | [`name`] | [`HeaderName`], long and compact forms |
//! | [`via`] | [`Via`] |
//! | [`address`] | [`NameAddr`] (From, To, Contact, Route, …), [`Contacts`] |
//! | [`sequence`] | [`CSeq`], [`RSeq`], [`RAck`] |
//! | [`number`] | [`MaxForwards`], [`Expires`], [`MinExpires`], [`RetryAfter`] |
//! | [`session_timer`] | [`SessionExpires`], [`MinSe`] (RFC 4028) |
//! | [`tags`] | [`Tags`]: option tags and methods |
//! | [`reason`] | [`Reason`] (RFC 3326) |
//! | [`replaces`] | [`Replaces`] (RFC 3891) |
//! | [`event`] | [`Event`], [`SubscriptionState`] (RFC 6665) |
//! | [`content`] | [`ContentType`] |
//! | [`auth`] | [`Challenge`], [`Credentials`], [`AuthenticationInfo`] |

pub mod address;
pub mod auth;
pub mod content;
pub mod event;
pub mod name;
pub mod number;
pub mod reason;
pub mod replaces;
pub mod sequence;
pub mod session_timer;
pub mod tags;
pub mod via;

pub use address::{Contacts, NameAddr};
pub use auth::{AuthenticationInfo, Challenge, Credentials};
pub use content::ContentType;
pub use event::{Event, SubscriptionState};
pub use name::HeaderName;
pub use number::{Expires, MaxForwards, MinExpires, RetryAfter};
pub use reason::Reason;
pub use replaces::Replaces;
pub use sequence::{CSeq, RAck, RSeq};
pub use session_timer::{MinSe, Refresher, SessionExpires};
pub use tags::Tags;
pub use via::Via;

use super::{Flaw, Text};

/// A header of which a message has one, or of which the first counts.
pub trait Typed: Sized + std::fmt::Display {
    /// The header it is the value of.
    const NAME: HeaderName;

    /// Reads one value.
    fn parse(value: &Text) -> Result<Self, Flaw>;
}

/// Makes a value that can be displayed a header value.
macro_rules! into_text {
    ($($type:ty),*) => {
        $(
            impl From<&$type> for $crate::sip::Text {
                fn from(value: &$type) -> Self {
                    Self::from(value.to_string())
                }
            }
            impl From<$type> for $crate::sip::Text {
                fn from(value: $type) -> Self {
                    Self::from(value.to_string())
                }
            }
        )*
    };
}

into_text!(
    Via,
    NameAddr,
    CSeq,
    RSeq,
    RAck,
    MaxForwards,
    Expires,
    MinExpires,
    RetryAfter,
    SessionExpires,
    MinSe,
    Tags,
    Reason,
    Replaces,
    Event,
    SubscriptionState,
    ContentType,
    Challenge,
    Credentials,
    AuthenticationInfo
);
