//! Numbers that order requests and answers: CSeq (RFC 3261 §20.16), RSeq and RAck (RFC 3262 §7).

use std::fmt;

use super::{HeaderName, Typed};
use crate::sip::{Flaw, Method, Text, limits, scan};

/// A request's place in its dialog or registration.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CSeq {
    /// The number; below 2^31.
    pub number: u32,
    /// The method of the request.
    pub method: Method,
}

impl Typed for CSeq {
    const NAME: HeaderName = HeaderName::CSeq;

    fn parse(value: &Text) -> Result<Self, Flaw> {
        let text = scan::trim(value);
        let (number, method) = text.split_once([' ', '\t']).ok_or(Flaw::Missing)?;
        Ok(Self {
            number: scan::number_u32(number, limits::CSEQ)?,
            method: Method::parse(scan::trim(method))?,
        })
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}

/// The number of a reliable provisional answer: 1 to 2^32 - 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RSeq(pub u32);

impl Typed for RSeq {
    const NAME: HeaderName = HeaderName::RSeq;

    fn parse(value: &Text) -> Result<Self, Flaw> {
        match scan::number_u32(scan::trim(value), u32::MAX)? {
            0 => Err(Flaw::Number),
            number => Ok(Self(number)),
        }
    }
}

impl fmt::Display for RSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which reliable provisional answer a PRACK acknowledges.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RAck {
    /// The answer's RSeq.
    pub rseq: u32,
    /// The answer's CSeq.
    pub cseq: CSeq,
}

impl Typed for RAck {
    const NAME: HeaderName = HeaderName::RAck;

    fn parse(value: &Text) -> Result<Self, Flaw> {
        let text = scan::trim(value);
        let (rseq, cseq) = text.split_once([' ', '\t']).ok_or(Flaw::Missing)?;
        Ok(Self { rseq: RSeq::parse(&value.slice_of(rseq))?.0, cseq: CSeq::parse(&value.slice_of(cseq))? })
    }
}

impl fmt::Display for RAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.rseq, self.cseq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_and_written() {
        let cseq = CSeq::parse(&Text::from("0009 \t INVITE")).unwrap();
        assert_eq!(cseq, CSeq { number: 9, method: Method::Invite });
        assert_eq!(cseq.to_string(), "9 INVITE");
        let rack = RAck::parse(&Text::from("776656  1 INVITE")).unwrap();
        assert_eq!((rack.rseq, rack.cseq.number), (776_656, 1));
        assert_eq!(RAck::parse(&Text::from(&rack)), Ok(rack));
    }

    #[test]
    fn out_of_range_is_refused() {
        for text in
            ["36893488147419103232 REGISTER", "2147483648 INVITE", "1", "x INVITE", "1 IN VITE", "-1 ACK"]
        {
            assert!(CSeq::parse(&Text::from(text)).is_err(), "{text}");
        }
        assert!(RSeq::parse(&Text::from("0")).is_err());
        assert!(RAck::parse(&Text::from("1 1")).is_err());
    }
}
