//! WebRTC ends (ICE, DTLS, keys) as values: everything between an SDP that was agreed and SRTP that flows.
//!
//! Sans-IO. RTP and RTCP never come here: the media worker takes what starts with 128 to 191 and hands over
//! STUN and DTLS; [`shell::connectivity`](crate::shell::connectivity) owns the table and the clock.
//!
//! ```text
//! packet → EndTable (whose?) → WebRtcEnd → IceAgent  → paths, selected path ┐
//!                                        → DtlsAssociation → keys ──────────┴→ EndEvent::Connected
//! ```
//!
//! | file | concept | source |
//! | --- | --- | --- |
//! | [`table`] | ends by fragment, address, transaction | RFC 7983 |
//! | [`end`] | one end: ICE, then DTLS, then media | RFC 8842, RFC 5763 |
//! | [`ice`] | lite and full agent, consent | RFC 8445, RFC 7675 |
//! | [`dtls`] | handshake, its repeats, fingerprint, SRTP keys | RFC 6347, RFC 5764 |
//! | [`stun`] | binding messages | RFC 8489 |
//! | [`reason`] | failures and drops by name | |
//!
//! # What is bounded
//! Ends (the table's limit); remote addresses of an end (24, of which 16 from signalling); binding requests that cost a
//! HMAC (50 a second from validated addresses, 20 from others, for each end); bytes fed to a handshake (64 kB);
//! repeats of flights. Nothing is answered to a stranger: a response needs an authentic request and is shorter
//! than it, DTLS needs an address validated by ICE, so nothing amplifies.
//!
//! # Time and chance
//! Both are arguments, with one exception: rtc-dtls draws its randoms from ring (see [`DtlsIdentity`]). It
//! reads no clock.

mod budget;
pub mod dtls;
pub mod end;
pub mod ice;
pub mod reason;
pub mod stun;
pub mod table;
mod transmit;

#[cfg(test)]
mod tests;

pub use dtls::{DtlsIdentity, IdentityRefused};
pub use end::{EndEvent, EndSetup, MAX_PACKET, RemoteRefused, RemoteSetup, WebRtcEnd};
pub use ice::IceMode;
pub use reason::{CandidateVerdict, DropCounts, EndFailure, PacketDrop};
pub use table::{EndTable, OpenRefused, TableRefused};
pub use transmit::Transmit;

use crate::sdp::IceCredentials;

const ICE_CHARS: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/";

/// ICE credentials made of 36 random bytes: a fragment of 12 characters (72 bits), a password of 24 (144 bits).
/// The `None` is [`IceCredentials::new`]'s; lengths and characters made here are always right.
pub fn credentials_from_random(random: &[u8; 36]) -> Option<IceCredentials> {
    let text: String = random
        .iter()
        .filter_map(|byte| ICE_CHARS.get(usize::from(byte & 63)))
        .map(|c| char::from(*c))
        .collect();
    let (ufrag, password) = text.split_at_checked(12)?;
    IceCredentials::new(ufrag, password)
}
