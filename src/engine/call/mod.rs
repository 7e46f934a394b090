//! The B2BUA: calls and their legs.

mod id;

pub use id::CallId;
