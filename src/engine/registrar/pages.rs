//! Browsers as devices: a page that subscribed as a phone is a binding while its connection lasts.

use std::time::Duration;

use super::binding::{Binding, BindingKey, DeviceKey, Reach};
use super::{Changed, Registrar, What, forgotten};
use crate::engine::numbering::Extension;
use crate::engine::web::{ReachView, WebSession};
use crate::time::Now;

/// Longer than any connection; a page's binding ends with its connection.
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 86_400);

impl Registrar {
    /// A page is there. The same browser's older page is replaced. Nothing changes when the extension has as many devices
    /// as it may: the page can call, but is not called.
    pub fn web_opened(
        &mut self,
        now: Now,
        session: WebSession,
        extension: &Extension,
        instance: &str,
        user_agent: &str,
    ) -> Vec<Changed> {
        let key = BindingKey { extension: extension.clone(), device: DeviceKey::Web(cut(instance)) };
        let known = self.table.get(&key);
        let (is_known, used) = (known.is_some(), known.and_then(|known| known.used));
        let has_room = self.table.of(extension).count() < self.limits.per_extension
            && self.table.len() < self.limits.max_bindings;
        let is_user = self.has_account(extension) || self.visitors.has(extension);
        if !is_user || !(is_known || has_room) {
            return Vec::new();
        }
        let what = if is_known { What::Replaced } else { What::Registered };
        let binding = Binding {
            key,
            reach: Reach::Web(Some(session)),
            expires: now.wall.plus(FOR_EVER),
            created: now.wall,
            used,
            q: 1000,
            user_agent: cut(user_agent),
            call_id: String::new(),
            cseq: 0,
        };
        self.table.put(binding, now);
        let signs_in = what == What::Registered;
        vec![Changed { extension: extension.clone(), what, forget: None, signs_in }]
    }

    /// Whether calls reach an extension, for the office's directory.
    pub fn reach(&self, extension: &Extension) -> ReachView {
        ReachView {
            registered: self.is_registered(extension),
            reachable: self.is_there(extension),
            devices: self.table.of(extension).count(),
        }
    }

    /// A page is gone.
    pub fn web_closed(&mut self, _now: Now, session: WebSession) -> Vec<Changed> {
        let key = self.table.of_page(session);
        let removed = key.and_then(|key| self.table.remove(&key));
        removed.map(|binding| forgotten(binding.key, What::Unregistered)).into_iter().collect()
    }
}

/// What a stranger may make us keep.
pub(super) fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(128).collect()
}
