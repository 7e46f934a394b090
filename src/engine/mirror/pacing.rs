//! One request after another: what waits, what is asked, what the answers mean.

use std::time::Duration;

use super::super::numbering::Extension;
use super::super::settings::AsteriskSettings;
use super::{About, INTERVAL, Mirror, MirrorRequest, MirrorToken, Now, RETRY, State, Timer};

impl Mirror {
    pub(super) fn answered(
        &mut self,
        now: Now,
        token: MirrorToken,
        extension: &Extension,
        is_ok: bool,
        is_unknown: bool,
    ) {
        let Some(entry) = self.entries.get_mut(extension).filter(|entry| entry.latest == Some(token)) else {
            return;
        };
        entry.latest = None;
        let wait = match (entry.state, is_ok) {
            (State::Leaving, _) if is_ok || is_unknown => return self.forget(extension),
            (State::Asked, true) => {
                entry.state = State::Told;
                INTERVAL / 2
            }
            (_, _) => {
                if entry.state == State::Asked {
                    entry.state = State::Wanted;
                }
                RETRY
            }
        };
        let number = entry.number;
        self.set(Timer::Extension(number), now, wait);
    }

    fn forget(&mut self, extension: &Extension) {
        if let Some(entry) = self.entries.remove(extension) {
            self.numbers.remove(&entry.number);
            self.timers.cancel(&Timer::Extension(entry.number));
            self.timers.cancel(&Timer::Away(entry.number));
        }
    }

    pub(super) fn enqueue(&mut self, extension: Extension, now: Now) {
        let Some(entry) = self.entries.get_mut(&extension) else { return };
        if entry.queued {
            return;
        }
        entry.queued = true;
        self.queue.push_back(extension);
        if !self.timers.is_set(&Timer::Pace) {
            self.timers.set(Timer::Pace, now.instant);
        }
    }

    pub(super) fn send_next(&mut self, now: Now) {
        let Some(link) = self.link else { return };
        if self.up == Some(false) {
            // The queue waits until the link is up.
            return self.set(Timer::Pace, now, link.probe_timeout);
        }
        let Some(extension) = self.queue.pop_front() else { return };
        if let Some(entry) = self.entries.get_mut(&extension) {
            entry.queued = false;
            self.timers.cancel(&Timer::Extension(entry.number));
            if matches!(entry.state, State::Wanted | State::Leaving) {
                if entry.state == State::Wanted {
                    entry.state = State::Asked;
                }
                let token = self.ask(About::Extension(extension.clone()), link, None);
                if let Some(entry) = self.entries.get_mut(&extension) {
                    entry.latest = Some(token);
                }
            }
        }
        if !self.queue.is_empty() {
            self.set(Timer::Pace, now, Duration::from_secs(1) / link.mirror_rate.max(1));
        }
    }

    pub(super) fn ask(
        &mut self,
        about: About,
        link: AsteriskSettings,
        patience: Option<Duration>,
    ) -> MirrorToken {
        self.last += 1;
        let token = MirrorToken(self.last);
        let request = self.write(&about, link);
        self.asked.insert(token, about);
        self.requests.push_back(MirrorRequest { token, request, patience });
        token
    }

    pub(super) fn set(&mut self, timer: Timer, now: Now, after: Duration) {
        if let Some(at) = now.instant.checked_add(after) {
            self.timers.set(timer, at);
        }
    }
}
