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

/// Which end of the DTLS handshake we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DtlsRole {
    /// We send the `ClientHello`: our `a=setup` is `active`.
    Client,
    /// We wait for it: our `a=setup` is `passive`.
    Server,
}

impl DtlsRole {
    /// How an answer says it.
    pub const fn setup(self) -> SetupRole {
        match self {
            Self::Client => SetupRole::Active,
            Self::Server => SetupRole::Passive,
        }
    }

    /// Our role when we answer an offer. If it leaves the choice to us we keep the one we had, and at first wait:
    /// our end is reachable, and the peer's may not be. `None` if there can be no connection.
    pub const fn answering(offered: SetupRole, before: Option<Self>) -> Option<Self> {
        match (offered, before) {
            (SetupRole::ActPass, Some(role)) => Some(role),
            (SetupRole::ActPass | SetupRole::Active, _) => Some(Self::Server),
            (SetupRole::Passive, _) => Some(Self::Client),
            (SetupRole::HoldConn, _) => None,
        }
    }

    /// Our role once the peer answered `answered` to our `offered`; `None` if the two do not fit.
    pub const fn after_answer(offered: SetupRole, answered: SetupRole) -> Option<Self> {
        match (offered, answered) {
            (SetupRole::ActPass | SetupRole::Passive, SetupRole::Active) => Some(Self::Server),
            (SetupRole::ActPass | SetupRole::Active, SetupRole::Passive) => Some(Self::Client),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::DtlsRole::{Client, Server};
    use super::SetupRole::{ActPass, Active, HoldConn, Passive};
    use super::*;

    #[test]
    fn answers() {
        for (offered, before, role) in [
            (ActPass, None, Some(Server)),
            (ActPass, Some(Client), Some(Client)),
            (Active, Some(Client), Some(Server)),
            (Passive, None, Some(Client)),
            (HoldConn, None, None),
        ] {
            assert_eq!(DtlsRole::answering(offered, before), role, "{offered:?} {before:?}");
        }
    }

    #[test]
    fn roles_after_an_answer() {
        for (offered, answered, role) in [
            (ActPass, Active, Some(Server)),
            (ActPass, Passive, Some(Client)),
            (ActPass, ActPass, None),
            (Active, Active, None),
            (Passive, Passive, None),
            (ActPass, HoldConn, None),
        ] {
            assert_eq!(DtlsRole::after_answer(offered, answered), role, "{offered:?} {answered:?}");
        }
    }

    #[test]
    fn names_read_and_written() {
        for setup in [Active, Passive, ActPass, HoldConn] {
            assert_eq!(setup.as_str().parse(), Ok(setup));
        }
        assert_eq!("server".parse::<SetupRole>(), Err(()));
    }
}
