//! Policy: what other offices and visitors may do here, and what calls that go out may cost.
//!
//! | file | what |
//! | --- | --- |
//! | `mask` | [`Mask`]: numbers by a text with `*` |
//! | `permission` | [`Permissions`]: what an office's calls and its users who visit us may reach |
//! | `rule` | [`Rules`]: numbers that may not be called, and how much, how long, how dear the others may be |
//! | `tally` | [`Tally`]: what was used of the rules' limits, kept on flash |
//!
//! Emergency calls are asked nothing here.

mod mask;
mod permission;
mod rule;
mod tally;
#[cfg(test)]
mod tests;

pub use mask::{LONGEST_MASK, Mask};
pub use permission::{Destination, Destinations, Guest, MOST_PERMISSIONS, Permission, Permissions};
pub use rule::{Action, Barrier, Caller, MOST_NUMBERS, MOST_RULES, Per, Rule, Rules, Source};
pub use tally::{MOST_COUNTS, Tally, TallyKey, TallyRow, WRITE_EVERY};

/// What is wrong with a list of permissions or rules: which entry, which field of it, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFlaw {
    /// The entry's place in its list.
    pub place: usize,
    /// The field.
    pub field: &'static str,
    /// What was expected there.
    pub reason: String,
}
