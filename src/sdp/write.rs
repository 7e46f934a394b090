//! Description to text (RFC 8866 §9).

use std::fmt;

use super::session_description::SessionDescription;

pub(super) fn session_description(
    description: &SessionDescription,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let _ = (description, f);
    todo!()
}
