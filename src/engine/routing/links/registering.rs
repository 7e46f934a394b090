//! Registering with carriers that want it (RFC 3261 §10.2).
//!
//! | event | do |
//! | --- | --- |
//! | there is a way to the carrier | REGISTER |
//! | 200 | again at half of what was granted |
//! | refused, silent | again after [`RETRY`] |
//! | the way is gone | REGISTER on the next one |
//!
//! Whether calls can be placed is for probes and calls to say; a carrier that refuses to register us may still take them.

use std::sync::Arc;
use std::time::Duration;

use super::{Links, Timer, Way};
use crate::engine::routing::name::LinkId;
use crate::engine::routing::order::{LinkOrder, RegisterToken};
use crate::time::Now;

/// After a refusal or silence.
const RETRY: Duration = Duration::from_secs(30);
/// The shortest time between two REGISTERs, whatever was granted.
const LEAST: Duration = Duration::from_secs(15);

impl Links {
    /// A REGISTER was answered: how long it was granted for; `None`: refused or not answered.
    pub fn registered(&mut self, token: RegisterToken, granted: Option<Duration>, now: Now) {
        let Some(id) = self.registers.remove(&token) else { return };
        let Some(entry) = self.entries.get(&id).filter(|entry| !entry.retired) else { return };
        let wait = granted.map_or(RETRY, |granted| (granted / 2).max(LEAST));
        self.timers.set(Timer::Register(entry.number), now.instant + wait);
    }

    /// There is a way: time to register, if the carrier wants that.
    pub(super) fn register_soon(&mut self, id: &LinkId, now: Now) {
        let Some(entry) = self.entries.get(id) else { return };
        if entry.link.registration.is_some() && !entry.link.disabled {
            self.timers.set(Timer::Register(entry.number), now.instant);
        }
    }

    pub(super) fn register(&mut self, id: &LinkId) {
        let Some(entry) = self.entries.get(id).filter(|entry| !entry.retired) else { return };
        let (Some(expires), Way::Open(flows)) = (entry.link.registration, &entry.way) else { return };
        let Some(flow) = flows.front().copied() else { return };
        self.last += 1;
        let token = RegisterToken(self.last);
        let link = Arc::clone(&entry.link);
        self.registers.insert(token, id.clone());
        self.orders.push_back(LinkOrder::Register { token, link, flow, expires });
    }
}
