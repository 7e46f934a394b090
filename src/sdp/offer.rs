//! The offerer's half of RFC 3264 §5 and §8.

use super::agreed::AgreedMedia;
use super::local::LocalMedia;
use super::origin::Origin;
use super::reason::MediaRefusal;
use super::session_description::SessionDescription;

/// Describes `local` as an offer. In a session that was described before, `previous` is our last description:
/// its sections keep their number and order, and those that are not the audio stay rejected.
pub fn offer(
    local: &LocalMedia,
    previous: Option<&SessionDescription>,
    origin: Origin,
) -> SessionDescription {
    let _ = (local, previous, origin);
    todo!()
}

/// Reads the `answer` to our `offer`, which described `local`.
///
/// # Errors
/// What in the answer does not fit the offer: acknowledge it and end the dialog.
pub fn read_answer(
    offer: &SessionDescription,
    local: &LocalMedia,
    answer: &SessionDescription,
) -> Result<AgreedMedia, MediaRefusal> {
    let _ = (offer, local, answer);
    todo!()
}
