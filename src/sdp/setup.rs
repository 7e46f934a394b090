//! `a=setup`: who opens the DTLS handshake (RFC 4145 §4, RFC 5763 §5, RFC 8842).

use std::str::FromStr;

/// A side's wish or decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SetupRole {
    /// It sends the `ClientHello`.
    Active,
    /// It waits for it.
    Passive,
    /// An offerer that leaves the choice to the answerer.
    ActPass,
    /// No connection yet; not used with DTLS-SRTP.
    HoldConn,
}

impl SetupRole {
    /// The value on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::ActPass => "actpass",
            Self::HoldConn => "holdconn",
        }
    }

    /// What to answer to an offer's role: passive to actpass, because our end is reachable and the peer may not be.
    /// `None` if there can be no connection.
    pub const fn answer_to(offered: Self) -> Option<Self> {
        match offered {
            Self::ActPass | Self::Active => Some(Self::Passive),
            Self::Passive => Some(Self::Active),
            Self::HoldConn => None,
        }
    }

    /// Our own role once the other side answered `answered` to our `offered`; `None` if the two do not fit.
    pub const fn after_answer(offered: Self, answered: Self) -> Option<Self> {
        match (offered, answered) {
            (Self::ActPass | Self::Passive, Self::Active) => Some(Self::Passive),
            (Self::ActPass | Self::Active, Self::Passive) => Some(Self::Active),
            _ => None,
        }
    }
}

impl FromStr for SetupRole {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.trim_ascii() {
            "active" => Ok(Self::Active),
            "passive" => Ok(Self::Passive),
            "actpass" => Ok(Self::ActPass),
            "holdconn" => Ok(Self::HoldConn),
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SetupRole::{ActPass, Active, HoldConn, Passive};
    use super::*;

    #[test]
    fn answers() {
        assert_eq!(SetupRole::answer_to(ActPass), Some(Passive));
        assert_eq!(SetupRole::answer_to(Active), Some(Passive));
        assert_eq!(SetupRole::answer_to(Passive), Some(Active));
        assert_eq!(SetupRole::answer_to(HoldConn), None);
    }

    #[test]
    fn roles_after_an_answer() {
        assert_eq!(SetupRole::after_answer(ActPass, Active), Some(Passive));
        assert_eq!(SetupRole::after_answer(ActPass, Passive), Some(Active));
        assert_eq!(SetupRole::after_answer(ActPass, ActPass), None);
        assert_eq!(SetupRole::after_answer(Active, Active), None);
        assert_eq!(SetupRole::after_answer(Passive, Passive), None);
    }
}
