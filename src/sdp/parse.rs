//! Text to description (RFC 8866 §9), under the bounds of [`super::limits`].

use super::reason::ParseError;
use super::session_description::SessionDescription;

pub(super) fn session_description(text: &[u8]) -> Result<SessionDescription, ParseError> {
    let _ = text;
    todo!()
}
