//! What identifies a dialog (RFC 3261 §12).

use crate::sip::{Request, Response, Text};

/// Call-ID, our tag, the peer's tag. The peer of RFC 2543 that has no tag has an empty one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DialogId {
    /// Call-ID.
    pub call_id: Text,
    /// Our tag.
    pub local_tag: Text,
    /// The peer's tag; may be empty.
    pub remote_tag: Text,
}

impl DialogId {
    /// The dialog that a request of the peer belongs to; `None` without a To tag: it is in none.
    pub fn of_request(request: &Request) -> Option<Self> {
        Some(Self {
            call_id: request.call_id()?.clone(),
            local_tag: request.to_tag()?,
            remote_tag: request.from_tag().unwrap_or_default(),
        })
    }

    /// The dialog that a response to a request of ours belongs to; `None` without a From tag.
    pub fn of_response(response: &Response) -> Option<Self> {
        Some(Self {
            call_id: response.call_id()?.clone(),
            local_tag: response.from_tag()?,
            remote_tag: response.to_tag().unwrap_or_default(),
        })
    }

    /// A copy that keeps no datagram alive.
    pub fn detached(&self) -> Self {
        Self {
            call_id: self.call_id.detached(),
            local_tag: self.local_tag.detached(),
            remote_tag: self.remote_tag.detached(),
        }
    }
}
