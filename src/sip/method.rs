//! Request methods.

use std::fmt;

use super::{Flaw, limits, scan};

/// A request method. Names are case-sensitive (RFC 3261 §7.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method {
    /// Opens or changes a session (RFC 3261 §13, §14).
    Invite,
    /// Confirms the final answer to an INVITE (RFC 3261 §13.2.2.4, §17.1.1.3).
    Ack,
    /// Ends a session (RFC 3261 §15).
    Bye,
    /// Withdraws a pending request (RFC 3261 §9).
    Cancel,
    /// Binds contacts to an address of record (RFC 3261 §10).
    Register,
    /// Asks what the other side can do (RFC 3261 §11).
    Options,
    /// Acknowledges a reliable provisional answer (RFC 3262).
    Prack,
    /// Changes a session that is not yet, or already, confirmed (RFC 3311).
    Update,
    /// Carries application matter inside a session (RFC 6086).
    Info,
    /// Asks the other side to call a third (RFC 3515).
    Refer,
    /// Tells a subscriber of an event (RFC 6665).
    Notify,
    /// Asks to be told of events (RFC 6665).
    Subscribe,
    /// Deposits event state (RFC 3903).
    Publish,
    /// Carries a message outside of a session (RFC 3428).
    Message,
    /// A method we have no name for, as written; at most [`limits::METHOD`] bytes.
    Other(Box<str>),
}

impl Method {
    /// The methods with a variant of their own.
    pub const KNOWN: [Self; 14] = [
        Self::Invite,
        Self::Ack,
        Self::Bye,
        Self::Cancel,
        Self::Register,
        Self::Options,
        Self::Prack,
        Self::Update,
        Self::Info,
        Self::Refer,
        Self::Notify,
        Self::Subscribe,
        Self::Publish,
        Self::Message,
    ];

    /// Reads a method name: a token.
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        Ok(match text {
            "INVITE" => Self::Invite,
            "ACK" => Self::Ack,
            "BYE" => Self::Bye,
            "CANCEL" => Self::Cancel,
            "REGISTER" => Self::Register,
            "OPTIONS" => Self::Options,
            "PRACK" => Self::Prack,
            "UPDATE" => Self::Update,
            "INFO" => Self::Info,
            "REFER" => Self::Refer,
            "NOTIFY" => Self::Notify,
            "SUBSCRIBE" => Self::Subscribe,
            "PUBLISH" => Self::Publish,
            "MESSAGE" => Self::Message,
            other if other.len() > limits::METHOD => return Err(Flaw::TooLong),
            other if scan::is_token(other) => Self::Other(other.into()),
            _ => return Err(Flaw::Method),
        })
    }

    /// The name as it stands on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Invite => "INVITE",
            Self::Ack => "ACK",
            Self::Bye => "BYE",
            Self::Cancel => "CANCEL",
            Self::Register => "REGISTER",
            Self::Options => "OPTIONS",
            Self::Prack => "PRACK",
            Self::Update => "UPDATE",
            Self::Info => "INFO",
            Self::Refer => "REFER",
            Self::Notify => "NOTIFY",
            Self::Subscribe => "SUBSCRIBE",
            Self::Publish => "PUBLISH",
            Self::Message => "MESSAGE",
            Self::Other(name) => name,
        }
    }

    /// A name for metric labels: unknown methods share one, so that a stranger cannot make labels.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Invite => "INVITE",
            Self::Ack => "ACK",
            Self::Bye => "BYE",
            Self::Cancel => "CANCEL",
            Self::Register => "REGISTER",
            Self::Options => "OPTIONS",
            Self::Prack => "PRACK",
            Self::Update => "UPDATE",
            Self::Info => "INFO",
            Self::Refer => "REFER",
            Self::Notify => "NOTIFY",
            Self::Subscribe => "SUBSCRIBE",
            Self::Publish => "PUBLISH",
            Self::Message => "MESSAGE",
            Self::Other(_) => "other",
        }
    }

    /// Whether a dialog's remote target follows the Contact of this request (RFC 3261 §12.2.1.1, 3311,
    /// 6665): INVITE, UPDATE, SUBSCRIBE, NOTIFY, REFER.
    pub const fn refreshes_target(&self) -> bool {
        matches!(self, Self::Invite | Self::Update | Self::Subscribe | Self::Notify | Self::Refer)
    }

    /// Whether this request can create a dialog: INVITE, SUBSCRIBE, REFER.
    pub const fn creates_dialog(&self) -> bool {
        matches!(self, Self::Invite | Self::Subscribe | Self::Refer)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_method_reads_as_it_is_written() {
        for method in Method::KNOWN {
            assert_eq!(Method::parse(method.as_str()), Ok(method));
        }
    }

    #[test]
    fn case_counts_and_tokens_are_checked() {
        assert_eq!(Method::parse("invite"), Ok(Method::Other("invite".into())));
        assert_eq!(Method::parse("IN VITE"), Err(Flaw::Method));
        assert_eq!(Method::parse(""), Err(Flaw::Method));
        assert_eq!(Method::parse(&"A".repeat(65)), Err(Flaw::TooLong));
    }
}
