//! Topics: who says what to whom. Nothing else in Branchline writes or reads a topic as text.
//!
//! | topic | retained | from → to |
//! | --- | --- | --- |
//! | `branchline/v1/{office}/status` | yes | box → ops |
//! | `branchline/v1/{office}/health` | yes | box → ops |
//! | `branchline/v1/{office}/routes/desired` | yes | ops → box |
//! | `branchline/v1/{office}/routes/reported` | yes | box → ops |
//! | `branchline/v1/{office}/events` | no | box → ops |
//! | `branchline/v1/roaming/{extension}` | yes | box ↔ boxes |
//! | `branchline/v1/visitors/{extension}` | yes | home box → boxes |
//! | `branchline/v1/{office}/cmd/{kind}/{id}` | yes | both |
//!
//! All with quality of service 1. An office's id has capitals only, so none is `roaming` or `visitors`.

use std::fmt;
use std::str::FromStr;

use crate::engine::numbering::{Extension, OfficeId};

/// What every topic of this contract begins with.
pub const ROOT: &str = "branchline/v1";
/// Longest topic read, in bytes.
const LONGEST: usize = 160;
/// Longest kind and longest id of a command, in bytes.
const LONGEST_WORD: usize = 64;

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// Online or offline; the box's last will.
    Status(OfficeId),
    /// What is wrong, and figures.
    Health(OfficeId),
    /// The signed route set that ops want in force.
    RoutesDesired(OfficeId),
    /// What is in force, and what became of the desired one.
    RoutesReported(OfficeId),
    /// What happened.
    Events(OfficeId),
    /// Where an extension is now. The canonical form, with its country where it has one.
    Roaming(Extension),
    /// What verifies an extension's user in other offices, sealed. The same form.
    Visitor(Extension),
    /// A request and how far it is.
    Command {
        /// The office that shall do it.
        office: OfficeId,
        /// What.
        kind: CommandKind,
        /// The requester's name for this request.
        id: CommandId,
    },
}

/// What a command asks for: `update`, `diagnose`, `reload`, or a word that this software does not know yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommandKind(Box<str>);

/// A request's id: 1 to 64 letters, digits, `.`, `_` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommandId(Box<str>);

/// Why a text is no topic of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// Longer than 160 bytes.
    #[error("longer than a topic of Branchline can be")]
    TooLong,
    /// Not below `branchline/v1`.
    #[error("not below branchline/v1")]
    OtherRoot,
    /// Two to eight capital letters and digits were expected.
    #[error("not an office's id")]
    BadOffice,
    /// Not the canonical form of an extension.
    #[error("not an extension as it is written in topics (32-1001)")]
    BadExtension,
    /// The kind or id of a command.
    #[error("not a command's kind and id")]
    BadCommand,
    /// Nothing of this name is below an office.
    #[error("there is no such topic")]
    Unknown,
}

impl TopicError {
    /// The reason for metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "topic-too-long",
            Self::OtherRoot => "topic-root",
            Self::BadOffice => "topic-office",
            Self::BadExtension => "topic-extension",
            Self::BadCommand => "topic-command",
            Self::Unknown => "topic-unknown",
        }
    }
}

/// What to subscribe to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// The route set that a box should have.
    RoutesDesired(Whose),
    /// The route set that a box has.
    RoutesReported(Whose),
    /// Online or offline.
    Status(Whose),
    /// What is wrong.
    Health(Whose),
    /// What happens.
    Events(Whose),
    /// Requests.
    Commands(Whose),
    /// Where every extension is.
    Roaming,
    /// What verifies visitors.
    Visitors,
}

/// Of one office or of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// One.
    Office(OfficeId),
    /// All.
    All,
}

impl Topic {
    /// Whether the broker keeps its last message.
    pub const fn is_retained(&self) -> bool {
        !matches!(self, Self::Events(_))
    }

    /// The office below which it stands; a roaming extension stands below none.
    pub const fn office(&self) -> Option<OfficeId> {
        match self {
            Self::Status(office)
            | Self::Health(office)
            | Self::RoutesDesired(office)
            | Self::RoutesReported(office)
            | Self::Events(office)
            | Self::Command { office, .. } => Some(*office),
            Self::Roaming(_) | Self::Visitor(_) => None,
        }
    }
}

impl FromStr for Topic {
    type Err = TopicError;

    fn from_str(text: &str) -> Result<Self, TopicError> {
        if text.len() > LONGEST {
            return Err(TopicError::TooLong);
        }
        let below = text.strip_prefix(ROOT).and_then(|rest| rest.strip_prefix('/'));
        let (first, rest) = below.and_then(|below| below.split_once('/')).ok_or(TopicError::OtherRoot)?;
        match first {
            "roaming" => return extension(rest).map(Self::Roaming),
            "visitors" => return extension(rest).map(Self::Visitor),
            _ => {}
        }
        let office: OfficeId = first.parse().map_err(|_| TopicError::BadOffice)?;
        Ok(match rest {
            "status" => Self::Status(office),
            "health" => Self::Health(office),
            "routes/desired" => Self::RoutesDesired(office),
            "routes/reported" => Self::RoutesReported(office),
            "events" => Self::Events(office),
            other => {
                let command = other.strip_prefix("cmd/").ok_or(TopicError::Unknown)?;
                let (kind, id) = command.split_once('/').ok_or(TopicError::BadCommand)?;
                Self::Command { office, kind: kind.parse()?, id: id.parse()? }
            }
        })
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(office) => write!(f, "{ROOT}/{office}/status"),
            Self::Health(office) => write!(f, "{ROOT}/{office}/health"),
            Self::RoutesDesired(office) => write!(f, "{ROOT}/{office}/routes/desired"),
            Self::RoutesReported(office) => write!(f, "{ROOT}/{office}/routes/reported"),
            Self::Events(office) => write!(f, "{ROOT}/{office}/events"),
            Self::Roaming(extension) => write!(f, "{ROOT}/roaming/{extension}"),
            Self::Visitor(extension) => write!(f, "{ROOT}/visitors/{extension}"),
            Self::Command { office, kind, id } => write!(f, "{ROOT}/{office}/cmd/{kind}/{id}"),
        }
    }
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Office(office) => office.fmt(f),
            Self::All => f.write_str("+"),
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RoutesDesired(whose) => write!(f, "{ROOT}/{whose}/routes/desired"),
            Self::RoutesReported(whose) => write!(f, "{ROOT}/{whose}/routes/reported"),
            Self::Status(whose) => write!(f, "{ROOT}/{whose}/status"),
            Self::Health(whose) => write!(f, "{ROOT}/{whose}/health"),
            Self::Events(whose) => write!(f, "{ROOT}/{whose}/events"),
            Self::Commands(whose) => write!(f, "{ROOT}/{whose}/cmd/+/+"),
            Self::Roaming => write!(f, "{ROOT}/roaming/+"),
            Self::Visitors => write!(f, "{ROOT}/visitors/+"),
        }
    }
}

impl CommandKind {
    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl CommandId {
    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CommandKind {
    type Err = TopicError;

    fn from_str(text: &str) -> Result<Self, TopicError> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
        word(text, allowed).map(Self)
    }
}

impl FromStr for CommandId {
    type Err = TopicError;

    fn from_str(text: &str) -> Result<Self, TopicError> {
        word(text, |byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)).map(Self)
    }
}

impl fmt::Display for CommandKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn extension(text: &str) -> Result<Extension, TopicError> {
    let extension: Extension = text.parse().map_err(|_| TopicError::BadExtension)?;
    if extension.as_str() == text { Ok(extension) } else { Err(TopicError::BadExtension) }
}

fn word(text: &str, allowed: impl Fn(u8) -> bool) -> Result<Box<str>, TopicError> {
    if (1..=LONGEST_WORD).contains(&text.len()) && text.bytes().all(allowed) {
        Ok(text.into())
    } else {
        Err(TopicError::BadCommand)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_of_the_contract_is_read_and_written_alike() {
        for text in [
            "branchline/v1/BRU/status",
            "branchline/v1/BRU/health",
            "branchline/v1/BRU/routes/desired",
            "branchline/v1/BRU/routes/reported",
            "branchline/v1/BRU/events",
            "branchline/v1/roaming/32-1001",
            "branchline/v1/visitors/32-1001",
            "branchline/v1/BRU/cmd/update/2026-11-21.a_1",
        ] {
            let topic: Topic = text.parse().unwrap();
            assert_eq!(topic.to_string(), text);
            assert_eq!(topic.is_retained(), !text.ends_with("events"));
            assert_eq!(topic.office().is_none(), !text.contains("BRU"));
        }
    }

    #[test]
    fn every_refusal_has_its_name() {
        let long = format!("branchline/v1/BRU/cmd/update/{}", "a".repeat(200));
        let long_id = format!("branchline/v1/BRU/cmd/update/{}", "a".repeat(65));
        for (text, error) in [
            (long.as_str(), TopicError::TooLong),
            (&long_id, TopicError::BadCommand),
            ("", TopicError::OtherRoot),
            ("branchline/v2/BRU/status", TopicError::OtherRoot),
            ("branchline/v1/BRU", TopicError::OtherRoot),
            ("branchline/v1/bru/status", TopicError::BadOffice),
            ("branchline/v1/+/status", TopicError::BadOffice),
            ("branchline/v1//status", TopicError::BadOffice),
            ("branchline/v1/roaming/+321001", TopicError::BadExtension),
            ("branchline/v1/roaming/112", TopicError::BadExtension),
            ("branchline/v1/roaming/32-1001/x", TopicError::BadExtension),
            ("branchline/v1/BRU/cmd/update", TopicError::BadCommand),
            ("branchline/v1/BRU/cmd/UPDATE/1", TopicError::BadCommand),
            ("branchline/v1/BRU/cmd/update/", TopicError::BadCommand),
            ("branchline/v1/BRU/cmd/update/a/b", TopicError::BadCommand),
            ("branchline/v1/BRU/routes", TopicError::Unknown),
            ("branchline/v1/BRU/status/", TopicError::Unknown),
        ] {
            assert_eq!(text.parse::<Topic>(), Err(error), "{text}");
            assert!(error.as_str().starts_with("topic-"));
        }
    }

    #[test]
    fn filters_name_one_office_or_all() {
        let office = "BRU".parse().unwrap();
        let one = Filter::Commands(Whose::Office(office));
        assert_eq!(one.to_string(), "branchline/v1/BRU/cmd/+/+");
        assert_eq!(Filter::Status(Whose::All).to_string(), "branchline/v1/+/status");
        assert_eq!(Filter::Roaming.to_string(), "branchline/v1/roaming/+");
    }
}
