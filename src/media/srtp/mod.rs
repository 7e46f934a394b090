//! SRTP and SRTCP in place (RFC 3711; AES-GCM by RFC 7714).

mod key;

pub use key::{KeyLength, SrtpKey, SrtpProfile};
