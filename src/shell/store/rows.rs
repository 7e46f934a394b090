//! The persisted rows, as plain values.

use serde::{Deserialize, Serialize};

use crate::observe::Redacted;
use crate::time::WallTime;

/// An extension's account. Holds hashes only; the password and the token themselves are shown once,
/// when they are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRow {
    /// The number that is dialled (`1001`); the key.
    pub extension: String,
    /// The digest user name; the same as the extension unless set.
    pub username: String,
    /// A name for people.
    pub display_name: String,
    /// `MD5(username:realm:password)`, 32 hex digits (RFC 7616 §3.4.2).
    pub ha1_md5: Redacted<String>,
    /// `SHA-256(username:realm:password)`, 64 hex digits.
    pub ha1_sha256: Redacted<String>,
    /// The realm that both hashes were made for.
    pub realm: String,
    /// SHA-256 of the token for the page and REST, 64 hex digits.
    pub token_sha256: Redacted<String>,
    /// When it was made.
    pub created: WallTime,
}

/// A registration that survives a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindingRow {
    /// Whose binding it is (`1001`); half of the key.
    pub extension: String,
    /// What tells this binding from the extension's others: instance id and reg-id where the device gave
    /// them (RFC 5626), its contact URI otherwise; the other half of the key.
    pub key: String,
    /// The contact's URI as the device wrote it.
    pub contact: String,
    /// `+sip.instance`, without brackets.
    pub instance: Option<String>,
    /// `reg-id`.
    pub reg_id: Option<u32>,
    /// On what the device is reached.
    pub flow: FlowRow,
    /// The Path headers' URIs, topmost first (RFC 3327).
    pub path: Vec<String>,
    /// The device's `User-Agent`.
    pub user_agent: Option<String>,
    /// The REGISTER's Call-ID.
    pub call_id: String,
    /// The REGISTER's sequence number.
    pub cseq: u32,
    /// The contact's q value in thousandths.
    pub q_thousandths: u16,
    /// When it ends.
    #[serde(with = "millis")]
    pub expires: WallTime,
    /// When the device first bound it.
    #[serde(with = "millis")]
    pub created: WallTime,
    /// When the device last placed or answered a call; milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<u64>,
}

/// The flow of a binding as it was when it was stored. Of a connection only the fact remains: after a
/// restart such a flow is dead until the device comes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowRow {
    /// `udp`, `tcp`, `tls`, `ws` or `wss`.
    pub transport: String,
    /// Our address and port.
    pub local: String,
    /// The device's address and port.
    pub remote: String,
    /// The connection's number within its boot; `None` for UDP.
    pub connection: Option<u64>,
}

/// A call's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRow {
    /// The call's id; the key.
    pub id: String,
    /// When the call ended.
    pub ended: WallTime,
    /// The record as JSON.
    pub document: String,
}

/// A [`WallTime`] as its number of milliseconds.
mod millis {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::time::WallTime;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(super) fn serialize<S: Serializer>(time: &WallTime, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_u64(time.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<WallTime, D::Error> {
        u64::deserialize(input).map(WallTime)
    }
}
