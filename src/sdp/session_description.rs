//! A whole description (RFC 8866 §5).

use std::fmt;

use super::attribute::Attribute;
use super::connection::Connection;
use super::group::Group;
use super::media_description::MediaDescription;
use super::origin::Origin;
use super::parse;
use super::reason::ParseError;
use super::write;

/// A line that Branchline does not interpret: `i=`, `u=`, `e=`, `p=`, `b=`, `t=`, `r=`, `z=`, `k=`, further `c=`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Line {
    /// The letter before `=`.
    pub letter: char,
    /// What follows it.
    pub value: String,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = if self.letter == 'k' { "<redacted>" } else { &self.value };
        write!(f, "{}={value}", self.letter)
    }
}

/// A description, read or to be written. `Display` writes it with CRLF line ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionDescription {
    /// `o=`
    pub origin: Origin,
    /// `s=`; `-` when the peer left it out.
    pub session_name: String,
    /// The session's `c=`.
    pub connection: Option<Connection>,
    /// Lines that are not interpreted, in order within each letter.
    pub lines: Vec<Line>,
    /// The session's attributes in order.
    pub attributes: Vec<Attribute>,
    /// The media sections in order.
    pub media: Vec<MediaDescription>,
}

impl SessionDescription {
    /// An empty description: `s=-`, `t=0 0`.
    pub fn new(origin: Origin) -> Self {
        Self {
            origin,
            session_name: "-".to_owned(),
            connection: None,
            lines: vec![Line { letter: 't', value: "0 0".to_owned() }],
            attributes: Vec::new(),
            media: Vec::new(),
        }
    }

    /// Reads a description. Bare LF, a missing last line end, lines out of order and missing `s=` and `t=` are
    /// taken as they come; everything else that RFC 8866 forbids, or above [`super::limits`], is refused.
    ///
    /// # Errors
    /// The first line that was wrong, and why.
    pub fn parse(text: &[u8]) -> Result<Self, ParseError> {
        parse::session_description(text)
    }

    /// The first session attribute of that name.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    /// All `a=group` lines that could be read (RFC 5888).
    pub fn groups(&self) -> impl Iterator<Item = Group> {
        self.attributes.iter().filter(|a| a.name == "group").filter_map(|a| a.text().parse().ok())
    }

    /// The first BUNDLE group that names this media section (RFC 9143).
    pub fn bundle_of(&self, mid: &str) -> Option<Group> {
        self.groups().find(|group| group.is_bundle() && group.contains(mid))
    }

    /// An attribute of a section, or else of the session: for those that RFCs allow on both levels.
    pub fn attribute_for<'a>(&'a self, media: &'a MediaDescription, name: &str) -> Option<&'a Attribute> {
        media.attribute(name).or_else(|| self.attribute(name))
    }

    /// The connection address in force for a section.
    pub fn connection_for<'a>(&'a self, media: &'a MediaDescription) -> Option<&'a Connection> {
        media.connection.as_ref().or(self.connection.as_ref())
    }
}

impl fmt::Display for SessionDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write::session_description(self, f)
    }
}
