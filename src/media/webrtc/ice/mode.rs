//! Lite or full.

/// How an end takes part in ICE.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum IceMode {
    /// ICE-lite (RFC 8445 §2.5): right where peers can reach our announced addresses.
    Lite,
    /// A full agent.
    Full {
        /// True for the side that offered.
        controlling: bool,
        /// 32 unpredictable bytes; transaction ids and the tie-breaker are made of them.
        seed: [u8; 32],
    },
}

impl std::fmt::Debug for IceMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lite => f.write_str("Lite"),
            Self::Full { controlling, .. } => {
                f.debug_struct("Full").field("controlling", controlling).finish_non_exhaustive()
            }
        }
    }
}
