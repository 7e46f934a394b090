//! The answerer's half of RFC 3264 §6, with BUNDLE (RFC 9143 §7.3), SDES (RFC 4568 §5.1.2) and DTLS (RFC 8842 §5.3).

use super::agreed::Answer;
use super::local::LocalCapabilities;
use super::origin::Origin;
use super::reason::MediaRefusal;
use super::session_description::SessionDescription;

/// Answers `offer` with what `local` can do. Every section of the offer has one in the answer, in order; the first
/// audio section that works is accepted, all others are rejected with port 0.
///
/// # Errors
/// Why no audio section could be accepted: reply `488 Not Acceptable Here`.
pub fn answer(
    offer: &SessionDescription,
    local: &LocalCapabilities,
    origin: Origin,
) -> Result<Answer, MediaRefusal> {
    let _ = (offer, local, origin);
    todo!()
}
