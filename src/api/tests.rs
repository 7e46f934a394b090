//! The room over real HTTP.
