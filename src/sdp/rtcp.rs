//! RTCP's place and feedback: `a=rtcp` (RFC 3605) and `a=rtcp-fb` (RFC 4585).

use std::fmt;
use std::str::FromStr;

use super::codec::PayloadType;
use super::connection::ConnectionAddress;

/// `a=rtcp:PORT [IN IP4 ADDRESS]`: where RTCP goes when it is not the port above RTP's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtcpAttribute {
    /// The port.
    pub port: u16,
    /// The address, when it is not the section's own.
    pub address: Option<ConnectionAddress>,
}

impl FromStr for RtcpAttribute {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut fields = text.split_ascii_whitespace();
        let port = fields.next().and_then(|port| port.parse().ok()).ok_or(())?;
        let address = match (fields.next(), fields.next(), fields.next()) {
            (None, ..) => None,
            (Some(network), Some(family), Some(address)) => {
                Some(ConnectionAddress::parse(network, family, address).ok_or(())?)
            }
            _ => return Err(()),
        };
        if fields.next().is_some() { Err(()) } else { Ok(Self { port, address }) }
    }
}

impl fmt::Display for RtcpAttribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Some(address) => write!(f, "{} {address}", self.port),
            None => write!(f, "{}", self.port),
        }
    }
}

/// `a=rtcp-fb:PT TYPE [PARAMETER]`: one kind of feedback that the writer understands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtcpFeedback {
    /// The payload type, or `None` for `*`: all of them.
    pub payload_type: Option<PayloadType>,
    /// `nack`, `transport-cc`, `ccm fir` and so on, with parameters.
    pub feedback: String,
}

impl FromStr for RtcpFeedback {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (scope, feedback) = text.trim_ascii().split_once([' ', '\t']).ok_or(())?;
        let payload_type = match scope {
            "*" => None,
            number => Some(number.parse()?),
        };
        Ok(Self { payload_type, feedback: feedback.trim_ascii().to_owned() })
    }
}

impl fmt::Display for RtcpFeedback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.payload_type {
            Some(payload_type) => write!(f, "{payload_type} {}", self.feedback),
            None => write!(f, "* {}", self.feedback),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rtcp_with_and_without_address() {
        for text in ["9 IN IP4 0.0.0.0", "53020"] {
            assert_eq!(text.parse::<RtcpAttribute>().unwrap().to_string(), text);
        }
        for text in ["", "70000", "9 IN IP4", "9 IN IP4 1.2.3.4 x"] {
            assert_eq!(text.parse::<RtcpAttribute>(), Err(()), "{text}");
        }
    }

    #[test]
    fn feedback_for_one_type_and_for_all() {
        assert_eq!("111 transport-cc".parse::<RtcpFeedback>().unwrap().to_string(), "111 transport-cc");
        let all: RtcpFeedback = "* ccm fir".parse().unwrap();
        assert_eq!((all.payload_type, all.feedback.as_str()), (None, "ccm fir"));
        assert_eq!("200 nack".parse::<RtcpFeedback>(), Err(()));
    }
}
