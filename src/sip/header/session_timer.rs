//! Session timers: Session-Expires and Min-SE (RFC 4028).

use std::fmt;

use super::number::delta_seconds;
use super::{HeaderName, Typed};
use crate::sip::{Flaw, Params, Text};

/// Which side refreshes the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refresher {
    /// The side that sent the request.
    Uac,
    /// The side that answered it.
    Uas,
}

/// For how long the session stands without a refresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionExpires {
    /// Seconds.
    pub seconds: u32,
    /// Who refreshes, if it is said.
    pub refresher: Option<Refresher>,
}

/// The shortest session interval that is accepted, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinSe(pub u32);

impl Typed for SessionExpires {
    const NAME: HeaderName = HeaderName::SessionExpires;

    fn parse(value: &Text) -> Result<Self, Flaw> {
        let (seconds, params) = number_and_params(value)?;
        let refresher = match params.get("refresher") {
            Some(who) if who.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
            Some(who) if who.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
            Some(_) => return Err(Flaw::Param),
            None => None,
        };
        Ok(Self { seconds, refresher })
    }
}

impl Typed for MinSe {
    const NAME: HeaderName = HeaderName::MinSe;

    fn parse(value: &Text) -> Result<Self, Flaw> {
        number_and_params(value).map(|(seconds, _)| Self(seconds))
    }
}

impl fmt::Display for SessionExpires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.refresher {
            Some(Refresher::Uac) => write!(f, "{};refresher=uac", self.seconds),
            Some(Refresher::Uas) => write!(f, "{};refresher=uas", self.seconds),
            None => self.seconds.fmt(f),
        }
    }
}

impl fmt::Display for MinSe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn number_and_params(value: &Text) -> Result<(u32, Params), Flaw> {
    let at = value.find(';').unwrap_or(value.len());
    let (number, params) = value.split_at_checked(at).ok_or(Flaw::Param)?;
    Ok((delta_seconds(number)?, Params::parse_slice(value, params)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_and_written() {
        let got = SessionExpires::parse(&Text::from("1800 ; Refresher=UAS;x=y")).unwrap();
        assert_eq!(got, SessionExpires { seconds: 1800, refresher: Some(Refresher::Uas) });
        assert_eq!(got.to_string(), "1800;refresher=uas");
        assert_eq!(MinSe::parse(&Text::from("90;x")), Ok(MinSe(90)));
        assert!(SessionExpires::parse(&Text::from("1800;refresher=me")).is_err());
        assert!(SessionExpires::parse(&Text::from("soon")).is_err());
    }
}
