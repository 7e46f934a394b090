//! The best device of a user: which ring, in which order, and why.
//!
//! | presence | ring first, alone | then | last | not at all |
//! | --- | --- | --- | --- | --- |
//! | online, busy | the preferred device | the others, by falling q; the same q together | | |
//! | away | the preferred device, then the page or soft phone used last | the others of that kind, by falling q | the desk phones, by falling q | |
//! | offline | the preferred device, if it is a desk phone | the desk phones, by falling q | | pages and soft phones |
//! | do not disturb | | | | all |
//!
//! Devices that cannot be rung at the moment are left out in any case. Of devices that ring together the one used last is
//! named first. A device is used when it places or answers a call; one that never did, when it first registered.
//!
//! A pure function of the bindings and of what the user says.

use std::cmp::Reverse;

use super::availability::{Availability, DeviceId, PresenceStatus};
use super::binding::{Binding, BindingKey, Reach};
use super::{Registrar, is_reachable};
use crate::engine::numbering::Extension;
use crate::sip::Transport;
use crate::time::{Now, WallTime};

/// What a device is, as far as its transport tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeviceKind {
    /// SIP over UDP, TCP or TLS.
    DeskPhone,
    /// SIP over WebSocket: a soft phone in a browser.
    SoftPhone,
    /// The phone page.
    Page,
}

impl DeviceKind {
    /// The stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DeskPhone => "desk-phone",
            Self::SoftPhone => "soft-phone",
            Self::Page => "page",
        }
    }
}

/// Why a device rings when it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// Its user prefers it.
    Preferred,
    /// Its user is away and used it last.
    UsedLast,
    /// By its q value (RFC 3261 §20.10).
    ByQ,
    /// It is the desk phone, and nothing better answered.
    Fallback,
}

impl Why {
    /// The stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Preferred => "preferred",
            Self::UsedLast => "used-last",
            Self::ByQ => "by-q",
            Self::Fallback => "desk-phone-fallback",
        }
    }
}

/// Why a device does not ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LeftOut {
    /// Its connection is gone.
    Unreachable,
    /// Its user is offline, and it is no desk phone.
    Offline,
    /// Its user does not want to be disturbed.
    DoNotDisturb,
}

impl LeftOut {
    /// The stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Offline => "offline",
            Self::DoNotDisturb => "do-not-disturb",
        }
    }
}

/// A device that rings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranked<'a> {
    /// The device.
    pub binding: &'a Binding,
    /// Why then.
    pub why: Why,
}

/// Which devices of a user ring.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RingOrder<'a> {
    /// One group after another; those of a group together.
    pub groups: Vec<Vec<Ranked<'a>>>,
    /// Those that do not.
    pub left_out: Vec<(&'a Binding, LeftOut)>,
}

impl Binding {
    /// What it is.
    pub const fn kind(&self) -> DeviceKind {
        match &self.reach {
            Reach::Web(_) => DeviceKind::Page,
            Reach::Sip { flow, .. } => match flow.transport {
                Transport::Ws | Transport::Wss => DeviceKind::SoftPhone,
                Transport::Udp | Transport::Tcp | Transport::Tls => DeviceKind::DeskPhone,
            },
        }
    }

    /// When it was used last.
    pub fn last_use(&self) -> WallTime {
        self.used.unwrap_or(self.created)
    }
}

impl Registrar {
    /// Which devices ring for a call, in which order, and why.
    pub fn ring_order(&self, extension: &Extension) -> RingOrder<'_> {
        ring_order(self.table.of(extension), self.availability(extension), is_reachable)
    }

    /// A device placed or answered a call.
    pub fn used(&mut self, device: &BindingKey, now: Now) {
        if let Some(binding) = self.table.get_mut(device) {
            binding.used = Some(now.wall);
        }
    }
}

/// Orders a user's devices, by the table above.
pub(super) fn ring_order<'a>(
    devices: impl Iterator<Item = &'a Binding>,
    says: Availability,
    is_reachable: impl Fn(&Binding) -> bool,
) -> RingOrder<'a> {
    let mut order = RingOrder::default();
    let mut rings: Vec<&Binding> = Vec::new();
    for device in devices {
        match left_out(device, says.presence, is_reachable(device)) {
            Some(why) => order.left_out.push((device, why)),
            None => rings.push(device),
        }
    }
    let used_last = rings.iter().filter(|one| one.kind() != DeviceKind::DeskPhone);
    let used_last = used_last.max_by_key(|one| one.last_use()).map(|one| &one.key);
    let why = |device: &Binding| {
        let is_desk_phone = device.kind() == DeviceKind::DeskPhone;
        if says.preferred == Some(DeviceId::of(&device.key.device)) {
            Why::Preferred
        } else if says.presence != PresenceStatus::Away {
            Why::ByQ
        } else if is_desk_phone {
            Why::Fallback
        } else if used_last == Some(&device.key) {
            Why::UsedLast
        } else {
            Why::ByQ
        }
    };
    let mut ranked: Vec<_> = rings.into_iter().map(|binding| Ranked { binding, why: why(binding) }).collect();
    let key = |one: &Ranked<'_>| (one.why, Reverse(one.binding.q));
    ranked.sort_by_key(|one| (key(one), Reverse(one.binding.last_use()), Reverse(one.binding.created)));
    order.groups = ranked.chunk_by(|one, next| key(one) == key(next)).map(<[_]>::to_vec).collect();
    order
}

fn left_out(device: &Binding, presence: PresenceStatus, is_reachable: bool) -> Option<LeftOut> {
    match presence {
        _ if !is_reachable => Some(LeftOut::Unreachable),
        PresenceStatus::DoNotDisturb => Some(LeftOut::DoNotDisturb),
        PresenceStatus::Offline if device.kind() != DeviceKind::DeskPhone => Some(LeftOut::Offline),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::flow::{Flow, Side};
    use crate::engine::registrar::{BindingKey, DeviceKey};
    use crate::engine::web::WebSession;

    fn device(name: &str, transport: Option<Transport>, q: u16, used: Option<u64>) -> Binding {
        let reach = match transport {
            None => Reach::Web(Some(WebSession(1))),
            Some(transport) => Reach::Sip {
                contact: Box::new("sip:1001@192.0.2.7".parse().unwrap()),
                flow: Flow {
                    transport,
                    local: "192.0.2.1:5061".parse().unwrap(),
                    remote: "192.0.2.7:5061".parse().unwrap(),
                    connection: None,
                    side: Side::Site,
                },
                path: Vec::new(),
            },
        };
        Binding {
            key: BindingKey { extension: "1001".parse().unwrap(), device: DeviceKey::Web(name.to_owned()) },
            reach,
            expires: WallTime(1_000_000),
            created: WallTime(10),
            used: used.map(WallTime),
            q,
            user_agent: name.to_owned(),
            call_id: String::new(),
            cseq: 0,
        }
    }

    fn office() -> [Binding; 5] {
        [
            device("desk", Some(Transport::Udp), 1000, Some(99)),
            device("second desk", Some(Transport::Tls), 500, None),
            device("soft", Some(Transport::Wss), 1000, Some(20)),
            device("page", None, 1000, Some(30)),
            device("gone", None, 1000, Some(90)),
        ]
    }

    /// `name:why` of each device, group by group, and who does not ring.
    fn ordered(says: Availability) -> (Vec<String>, Vec<String>) {
        let office = office();
        let order = ring_order(office.iter(), says, |one| one.user_agent != "gone");
        let one = |one: &Ranked<'_>| format!("{}:{}", one.binding.user_agent, one.why.as_str());
        let group = |group: &Vec<Ranked<'_>>| group.iter().map(one).collect::<Vec<_>>().join("+");
        let out = order.left_out.iter().map(|(one, why)| format!("{}:{}", one.user_agent, why.as_str()));
        (order.groups.iter().map(group).collect(), out.collect())
    }

    fn says(presence: PresenceStatus, preferred: Option<&str>) -> Availability {
        let preferred = preferred.map(|name| DeviceId::of(&DeviceKey::Web(name.to_owned())));
        Availability { presence, since: 0, preferred }
    }

    #[test]
    fn each_row_of_the_table() {
        use PresenceStatus::{Away, Busy, DoNotDisturb, Offline, Online};
        for presence in [Online, Busy] {
            let (rings, out) = ordered(says(presence, None));
            assert_eq!(rings, ["desk:by-q+page:by-q+soft:by-q", "second desk:by-q"]);
            assert_eq!(out, ["gone:unreachable"]);
            let (rings, _) = ordered(says(presence, Some("second desk")));
            assert_eq!(rings, ["second desk:preferred", "desk:by-q+page:by-q+soft:by-q"]);
        }
        let (rings, _) = ordered(says(Online, Some("gone")));
        assert_eq!(rings.len(), 2, "a preferred device that is not there changes nothing");
        let (rings, _) = ordered(says(Away, None));
        let desks = ["desk:desk-phone-fallback", "second desk:desk-phone-fallback"];
        assert_eq!(rings, ["page:used-last", "soft:by-q", desks[0], desks[1]]);
        let (rings, _) = ordered(says(Away, Some("desk")));
        assert_eq!(rings, ["desk:preferred", "page:used-last", "soft:by-q", desks[1]]);
        let (rings, out) = ordered(says(Offline, Some("page")));
        assert_eq!(rings, ["desk:by-q", "second desk:by-q"]);
        assert_eq!(out, ["soft:offline", "page:offline", "gone:unreachable"]);
        let (rings, out) = ordered(says(DoNotDisturb, Some("page")));
        assert!(rings.is_empty() && out.len() == 5);
    }

    fn any_presence() -> impl Strategy<Value = PresenceStatus> {
        use PresenceStatus::{Away, Busy, DoNotDisturb, Offline, Online};
        prop::sample::select(vec![Online, Away, Busy, Offline, DoNotDisturb])
    }

    proptest! {
        #[test]
        fn every_device_rings_once_or_is_left_out_and_a_desk_phone_that_works_rings_unless_all_is_silent(
            devices in prop::collection::vec((0..4_usize, 0..3_u16, prop::option::of(0..9_u64), any::<bool>()), 0..8),
            presence in any_presence(),
            preferred in prop::option::of(0..8_usize),
        ) {
            let transports = [None, Some(Transport::Udp), Some(Transport::Wss), Some(Transport::Tls)];
            let devices: Vec<_> = devices.into_iter().enumerate().map(|(at, (transport, q, used, there))| {
                let name = format!("{at}{}", if there { "" } else { " gone" });
                device(&name, transports[transport], q * 500, used)
            }).collect();
            let is_there = |one: &Binding| !one.user_agent.ends_with("gone");
            let preferred = preferred.map(|at| at.to_string());
            let says = says(presence, preferred.as_deref());
            let order = ring_order(devices.iter(), says, is_there);
            let rings: Vec<_> = order.groups.iter().flatten().collect();
            prop_assert_eq!(rings.len() + order.left_out.len(), devices.len());
            prop_assert!(order.groups.iter().all(|group| !group.is_empty()));
            prop_assert!(rings.iter().all(|one| is_there(one.binding)));
            let first_is_preferred = rings.first().is_none_or(|one| one.why == Why::Preferred);
            prop_assert!(first_is_preferred || rings.iter().all(|one| one.why != Why::Preferred));
            let desk = devices.iter().any(|one| is_there(one) && one.kind() == DeviceKind::DeskPhone);
            prop_assert!(!desk || presence == PresenceStatus::DoNotDisturb || !rings.is_empty());
        }
    }
}
