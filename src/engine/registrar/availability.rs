//! What users say of how they want to be reached: presence, and the device that they prefer.
//!
//! Held for those who have an account or a device here, so no more than there are of them. It counts in the office in which
//! it was said.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Registrar;
use super::binding::DeviceKey;
use crate::engine::numbering::Extension;
use crate::time::WallTime;

/// Whether a user can be reached, as they say themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PresenceStatus {
    /// Reachable.
    #[default]
    Online,
    /// Not at the desk.
    Away,
    /// Has something else to do, and may be called.
    Busy,
    /// Not at work: pages and soft phones stay silent.
    Offline,
    /// Nothing rings.
    DoNotDisturb,
}

impl PresenceStatus {
    /// The word in REST.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Away => "away",
            Self::Busy => "busy",
            Self::Offline => "offline",
            Self::DoNotDisturb => "do_not_disturb",
        }
    }
}

/// Names a device of an extension towards its user: the first 48 bits of a digest of its key, so that nobody learns
/// addresses from it. The same after a restart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId([u8; 6]);

impl DeviceId {
    /// The name of a device.
    pub fn of(device: &DeviceKey) -> Self {
        let mut digest = Sha256::new();
        match device {
            DeviceKey::Instance { instance, reg_id } => {
                digest.update(b"instance|");
                digest.update(reg_id.to_be_bytes());
                digest.update(instance);
            }
            DeviceKey::Contact(contact) => {
                digest.update(b"contact|");
                digest.update(contact);
            }
            DeviceKey::Web(instance) => {
                digest.update(b"web|");
                digest.update(instance);
            }
        }
        let digest: [u8; 32] = digest.finalize().into();
        let mut id = [0; 6];
        for (to, from) in id.iter_mut().zip(digest) {
            *to = from;
        }
        Self(id)
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceId({self})")
    }
}

/// A text that names no device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoDeviceId;

impl fmt::Display for NoDeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a device is named by 12 hexadecimal digits")
    }
}

impl FromStr for DeviceId {
    type Err = NoDeviceId;

    fn from_str(text: &str) -> Result<Self, NoDeviceId> {
        if text.len() != 12 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NoDeviceId);
        }
        let number = u64::from_str_radix(text, 16).map_err(|_| NoDeviceId)?;
        let [_, _, id @ ..] = number.to_be_bytes();
        Ok(Self(id))
    }
}

impl Serialize for DeviceId {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DeviceId {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What a user says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Availability {
    /// Presence.
    #[serde(default)]
    pub presence: PresenceStatus,
    /// Since when; milliseconds since 1970, 0 for what was never said.
    #[serde(default)]
    pub since: u64,
    /// The device that rings before all others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred: Option<DeviceId>,
}

/// What a user changes about it; what is absent stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AvailabilityChange {
    /// Presence.
    pub presence: Option<PresenceStatus>,
    /// The preferred device.
    pub preferred: Preferred,
}

/// What a user changes about the preferred device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preferred {
    /// Nothing.
    #[default]
    Unchanged,
    /// None is preferred any more.
    Nothing,
    /// It is this one.
    Device(DeviceId),
}

impl Availability {
    /// With a change made at `now`.
    pub fn changed(self, change: AvailabilityChange, now: WallTime) -> Self {
        let presence = change.presence.unwrap_or(self.presence);
        Self {
            presence,
            since: if presence == self.presence { self.since } else { now.0 },
            preferred: match change.preferred {
                Preferred::Unchanged => self.preferred,
                Preferred::Nothing => None,
                Preferred::Device(device) => Some(device),
            },
        }
    }
}

impl Registrar {
    /// What a user says of how to be reached.
    pub fn availability(&self, extension: &Extension) -> Availability {
        self.availability.get(extension).copied().unwrap_or_default()
    }

    /// Whether a user does not want to be called at all.
    pub fn is_undisturbed(&self, extension: &Extension) -> bool {
        self.availability(extension).presence == PresenceStatus::DoNotDisturb
    }

    /// A user says how to be reached. Whether that is new; nothing changes for who has no account and no device here.
    pub fn set_availability(&mut self, extension: &Extension, says: Availability) -> bool {
        if self.availability(extension) == says || !self.serves(extension) {
            return false;
        }
        if says == Availability::default() {
            self.availability.remove(extension);
        } else {
            self.availability.insert(extension.clone(), says);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_devices_name_is_stable_and_can_be_read_back() {
        let web = DeviceId::of(&DeviceKey::Web("tab".to_owned()));
        assert_eq!(web.to_string().parse(), Ok(web));
        assert_ne!(web, DeviceId::of(&DeviceKey::Contact("tab".to_owned())));
        for bad in ["", "00000000000", "0000000000000", "00000000000g", "+00000000000"] {
            assert_eq!(bad.parse::<DeviceId>(), Err(NoDeviceId), "{bad}");
        }
    }

    #[test]
    fn what_is_not_changed_stays() {
        let device = DeviceId::of(&DeviceKey::Web("tab".to_owned()));
        let away =
            AvailabilityChange { presence: Some(PresenceStatus::Away), preferred: Preferred::Device(device) };
        let first = Availability::default().changed(away, WallTime(5));
        assert_eq!(first, Availability { presence: PresenceStatus::Away, since: 5, preferred: Some(device) });
        assert_eq!(first.changed(AvailabilityChange::default(), WallTime(9)), first);
        let none = AvailabilityChange { presence: Some(PresenceStatus::Away), preferred: Preferred::Nothing };
        assert_eq!(first.changed(none, WallTime(9)), Availability { preferred: None, ..first });
        let json = r#"{"presence":"do_not_disturb","since":7}"#;
        let read: Availability = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), json);
    }
}
