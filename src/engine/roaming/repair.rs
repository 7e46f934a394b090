//! What is put right: older entries that were said, leases that run out, users who are here although another office says
//! otherwise. Each is a new entry or an old one said again, never an exception to the order of entries.

use std::time::Duration;

use super::aor::Aor;
use super::cache::Roaming;
use super::entry::{Presence, RoamingEntry, Second};

impl Roaming {
    /// Something older was said: whoever wrote the newer one, or is home, says it again at once, others when nobody did.
    /// So does this office when it hears an echo of its own: what it said since is most likely on its way.
    pub(super) fn correct(&mut self, heard: &RoamingEntry, known: RoamingEntry, now: Second) {
        let is_ours = known.version.office == self.own() || known.aor.home == self.own();
        let is_echo = heard.version.office == self.own();
        if is_ours && !is_echo && self.doubts.may_correct(&known.aor, now) {
            self.publish(known);
        } else {
            self.doubts.raise(known.aor, self.own(), now);
        }
    }

    /// A newer entry was recorded: is it true of this office?
    pub(super) fn answer_for(&mut self, entry: &RoamingEntry, now: Second) {
        match self.signed_in.get(&entry.aor).copied() {
            Some(_) if self.is_mine(entry) => {}
            Some(since) => {
                if !entry.is_present(now, self.settings().skew) {
                    self.reclaim(&entry.aor, now, now);
                } else if since > entry.version.registered.plus(self.settings().skew) {
                    self.reclaim(&entry.aor, since, now);
                }
            }
            None if self.is_mine(entry) => {
                let _ = self.claim(&entry.aor, Presence::Gone, now, now);
            }
            None => {}
        }
    }

    /// Claims a user who is here although another office says otherwise. It was `registered` at the sign-in when that was
    /// later than the other's, and now when the other has let go: so two offices whose clocks differ by more than a lease
    /// do not contradict each other without end, because each step of such a quarrel needs a faster clock.
    pub(super) fn reclaim(&mut self, aor: &Aor, registered: Second, now: Second) {
        if self.claim(aor, Presence::Here, registered, now).is_ok() {
            self.counts.reclaimed += 1;
        }
    }

    /// Renews the lease of a user who has a device here when half of it is left.
    pub(super) fn renew(&mut self, aor: &Aor, now: Second) {
        match self.known(aor).map(|(entry, _)| entry) {
            Some(mut entry) if self.is_mine(&entry) && entry.is_present(now, Duration::ZERO) => {
                if entry.expires.since(now) < self.settings().lease / 2 {
                    entry.expires = now.plus(self.settings().lease);
                    let _ = self.tell(&entry, now);
                }
            }
            Some(entry) if entry.is_present(now, self.settings().skew) => {}
            _ => self.reclaim(aor, now, now),
        }
    }
}
