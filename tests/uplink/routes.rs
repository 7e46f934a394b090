//! Route sets.
