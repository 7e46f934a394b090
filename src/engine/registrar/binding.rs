//! Bindings: where a device of an extension is reached (RFC 3261 §10, RFC 5626 §6, RFC 3327).

use crate::engine::flow::Flow;
use crate::engine::numbering::Extension;
use crate::engine::web::WebSession;
use crate::sip::{NameAddr, Uri};
use crate::time::WallTime;

/// What makes a binding one binding: a new REGISTER with the same key replaces it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BindingKey {
    /// The address of record.
    pub extension: Extension,
    /// Which device.
    pub device: DeviceKey,
}

/// How a device is told from another of the same extension.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DeviceKey {
    /// `+sip.instance` and `reg-id` (RFC 5626 §6).
    Instance {
        /// The URN.
        instance: String,
        /// 0 when the device gave none.
        reg_id: u32,
    },
    /// The contact's URI, for devices without an instance.
    Contact(String),
    /// A browser signalled by REST: the instance kept in its storage.
    Web(String),
}

/// A device of an extension, reachable until it expires.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// Its key.
    pub key: BindingKey,
    /// How it is reached.
    pub reach: Reach,
    /// When it ends unless refreshed.
    pub expires: WallTime,
    /// When the device first registered it.
    pub created: WallTime,
    /// When it last placed or answered a call; `None` if it never did. On flash with its next refresh.
    pub used: Option<WallTime>,
    /// Preference among the devices, thousandths (RFC 3261 §20.10).
    pub q: u16,
    /// User agent, cut to 128 bytes.
    pub user_agent: String,
    /// Call-ID of the REGISTER that made it (§10.3 step 7).
    pub call_id: String,
    /// Its CSeq.
    pub cseq: u32,
}

/// How a device is reached.
#[derive(Clone, Debug, PartialEq)]
pub enum Reach {
    /// By SIP.
    Sip {
        /// The Request-URI for requests to it.
        contact: Box<Uri>,
        /// The connection or 5-tuple it registered on.
        flow: Flow,
        /// Proxies between us and it (RFC 3327).
        path: Vec<NameAddr>,
    },
    /// By the page's connection; `None` while it is away.
    Web(Option<WebSession>),
}

impl Reach {
    /// Whether a call can be offered to it now.
    pub const fn is_reachable(&self) -> bool {
        match self {
            Self::Sip { .. } => true,
            Self::Web(session) => session.is_some(),
        }
    }
}
