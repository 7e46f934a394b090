//! Stored rows ⇄ the registrar's values.
//!
//! Of a connection only the fact remains: a binding on one comes back with `connection: None`, and its device is
//! away until it registers again. A row that cannot be read is left out with its flaw.

use crate::engine::Change;
use crate::engine::flow::{Flow, Side};
use crate::engine::numbering::Extension;
use crate::engine::policy::TallyRow;
use crate::engine::registrar::{Account, Availability, Binding, BindingKey, DeviceKey, Reach};
use crate::shell::store::{AccountRow, BindingRow, CallRow, FlowRow, Write};
use crate::sip::digest::{Algorithm, Ha1, UserKeys};
use crate::sip::{NameAddr, Text, Transport};
use crate::time::WallTime;

/// What stands before the names of rules' counts among the store's named values.
pub const TALLY: &str = "tally/";
/// What separates the instance from the reg-id in a stored key; neither holds one.
const SEPARATOR: char = '\u{1f}';

/// Begins the names of what users say of how to be reached.
pub const AVAILABILITY: &str = "availability/";

/// What is wrong with a stored row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowFlaw {
    /// The extension is no number.
    Extension,
    /// A digest is not one.
    Digest,
    /// The hash of the token is not one.
    Token,
    /// The hashes were made for another realm: nobody can sign in with them.
    Realm,
    /// The contact is no URI.
    Contact,
    /// The flow's addresses or transport cannot be read.
    Flow,
    /// A Path is no address.
    Path,
}

impl RowFlaw {
    /// The label in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Extension => "bad-extension",
            Self::Digest => "bad-digest",
            Self::Token => "bad-token",
            Self::Realm => "other-realm",
            Self::Contact => "bad-contact",
            Self::Flow => "bad-flow",
            Self::Path => "bad-path",
        }
    }
}

/// The account in a row; `realm` is ours.
pub fn account(row: &AccountRow, realm: &str) -> Result<Account, RowFlaw> {
    if row.realm != realm {
        return Err(RowFlaw::Realm);
    }
    let key = |algorithm, text: &str| Ha1::from_hex(algorithm, text).ok_or(RowFlaw::Digest);
    let name = row.display_name.trim();
    Ok(Account {
        extension: row.extension.parse().map_err(|_| RowFlaw::Extension)?,
        display_name: (!name.is_empty()).then(|| name.to_owned()),
        keys: UserKeys {
            sha256: key(Algorithm::Sha256, &row.ha1_sha256.0)?,
            md5: key(Algorithm::Md5, &row.ha1_md5.0)?,
        },
        token_hash: unhex(&row.token_sha256.0).ok_or(RowFlaw::Token)?,
    })
}

/// What a user said, from the extension and the value; `None` for what cannot be read.
pub fn availability(extension: &str, value: &str) -> Option<(Extension, Availability)> {
    Some((extension.parse().ok()?, serde_json::from_str(value).ok()?))
}

/// The binding in a row.
pub fn binding(row: BindingRow) -> Result<Binding, RowFlaw> {
    let extension = row.extension.parse().map_err(|_| RowFlaw::Extension)?;
    let device = match (row.instance, row.reg_id) {
        (Some(instance), reg_id) => DeviceKey::Instance { instance, reg_id: reg_id.unwrap_or(0) },
        (None, _) => DeviceKey::Contact(row.key),
    };
    let path: Result<Vec<_>, _> =
        row.path.into_iter().map(|value| NameAddr::parse(&Text::from(value))).collect();
    let reach = Reach::Sip {
        contact: row.contact.parse().map(Box::new).map_err(|_| RowFlaw::Contact)?,
        flow: flow(&row.flow).ok_or(RowFlaw::Flow)?,
        path: path.map_err(|_| RowFlaw::Path)?,
    };
    Ok(Binding {
        key: BindingKey { extension, device },
        reach,
        expires: row.expires,
        created: row.created,
        used: row.used.map(WallTime),
        q: row.q_thousandths,
        user_agent: row.user_agent.unwrap_or_default(),
        call_id: row.call_id,
        cseq: row.cseq,
    })
}

/// The row of a binding; `None` for a page's, which lives as long as its connection.
pub fn binding_row(binding: &Binding) -> Option<BindingRow> {
    let Reach::Sip { contact, flow, path } = &binding.reach else { return None };
    let (instance, reg_id) = match &binding.key.device {
        DeviceKey::Instance { instance, reg_id } => (Some(instance.clone()), Some(*reg_id)),
        DeviceKey::Contact(_) | DeviceKey::Web(_) => (None, None),
    };
    Some(BindingRow {
        extension: binding.key.extension.to_string(),
        key: stored_key(&binding.key.device),
        contact: contact.to_string(),
        instance,
        reg_id,
        flow: FlowRow {
            transport: flow.transport.via_token().to_ascii_lowercase(),
            local: flow.local.to_string(),
            remote: flow.remote.to_string(),
            connection: flow.connection.map(|connection| connection.0),
        },
        path: path.iter().map(ToString::to_string).collect(),
        user_agent: (!binding.user_agent.is_empty()).then(|| binding.user_agent.clone()),
        call_id: binding.call_id.clone(),
        cseq: binding.cseq,
        q_thousandths: binding.q,
        expires: binding.expires,
        created: binding.created,
        used: binding.used.map(|used| used.0),
    })
}

/// What to write for a change; `None` when it concerns nothing that is kept.
pub fn write_of(change: Change) -> Option<Write> {
    match change {
        Change::PutBinding(binding) => binding_row(&binding).map(Write::PutBinding),
        Change::RemoveBinding(key) => {
            let (extension, key) = (key.extension.to_string(), stored_key(&key.device));
            Some(Write::RemoveBinding { extension, key })
        }
        Change::Tally(TallyRow { key, counts }) => {
            let name = format!("{TALLY}{key}");
            Some(match counts {
                Some(value) => Write::PutMeta { name, value },
                None => Write::RemoveMeta { name },
            })
        }
        Change::Availability { extension, says } => {
            let value = serde_json::to_string(&says).ok()?;
            Some(Write::PutMeta { name: format!("{AVAILABILITY}{extension}"), value })
        }
        Change::CallRecord(record) => {
            let document = serde_json::to_string(&record).ok()?;
            Some(Write::PutCall(CallRow { id: record.id, ended: WallTime(record.ended), document }))
        }
    }
}

fn stored_key(device: &DeviceKey) -> String {
    match device {
        DeviceKey::Instance { instance, reg_id } => format!("{instance}{SEPARATOR}{reg_id}"),
        DeviceKey::Contact(contact) => contact.clone(),
        DeviceKey::Web(instance) => format!("web{SEPARATOR}{instance}"),
    }
}

fn flow(row: &FlowRow) -> Option<Flow> {
    Some(Flow {
        transport: Transport::from_token(&row.transport)?,
        local: row.local.parse().ok()?,
        remote: row.remote.parse().ok()?,
        connection: None,
        side: Side::Site,
    })
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 2 * bytes.len() || !text.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}
