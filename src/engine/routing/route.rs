//! Dial routes.

use super::name::LinkId;
use super::pattern::Pattern;
use crate::engine::numbering::OfficeId;

/// Most links of one route.
pub const MOST_LINKS_OF_A_ROUTE: usize = 16;
/// Most characters that a rewrite may put before a number.
pub const LONGEST_PREFIX: usize = 24;

/// What becomes of the dialled number on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rewrite {
    /// Takes characters off its beginning, then puts others there. Nothing and nothing: as it is.
    Edit {
        /// Characters taken off.
        strip: u8,
        /// What is put there.
        prefix: Box<str>,
    },
    /// Another number in its place.
    Replace(Box<str>),
}

impl Rewrite {
    /// The number as it is sent; nothing when nothing would be left of it.
    pub fn apply(&self, number: &str) -> Option<String> {
        let sent = match self {
            Self::Replace(other) => other.to_string(),
            Self::Edit { strip, prefix } => format!("{prefix}{}", number.get(usize::from(*strip)..)?),
        };
        (!sent.is_empty()).then_some(sent)
    }
}

impl Default for Rewrite {
    fn default() -> Self {
        Self::Edit { strip: 0, prefix: Box::default() }
    }
}

/// A dial route: which links carry the numbers of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Which numbers.
    pub pattern: Pattern,
    /// The office that has them; none for numbers outside.
    pub office: Option<OfficeId>,
    /// The links that reach it; the plan orders them.
    pub links: Vec<LinkId>,
    /// Less is tried first among routes of the same pattern.
    pub priority: u16,
    /// Added to the links' own.
    pub cost: u32,
    /// What a minute costs, in thousandths of the currency's unit; `None`: as the link says.
    pub price: Option<u32>,
    /// What becomes of the number.
    pub rewrite: Rewrite,
}
