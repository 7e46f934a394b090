//! The table of bindings: bounded, by extension and device, with an expiry each.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use super::binding::{Binding, BindingKey, DeviceKey, Reach};
use crate::engine::flow::{ConnectionId, Flow};
use crate::engine::numbering::Extension;
use crate::engine::timers::Timers;
use crate::engine::web::WebSession;
use crate::time::Now;

/// A binding's name in the timers: bindings are numbered because timers want small keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Number(u64);

/// All bindings.
#[derive(Debug, Default)]
pub(super) struct Table {
    bindings: HashMap<Extension, BTreeMap<DeviceKey, (Number, Binding)>>,
    numbers: HashMap<Number, BindingKey>,
    by_connection: HashMap<ConnectionId, Vec<Number>>,
    by_page: HashMap<WebSession, BindingKey>,
    timers: Timers<Number>,
    last: u64,
    len: usize,
}

impl Table {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn of(&self, extension: &Extension) -> impl Iterator<Item = &Binding> {
        self.bindings
            .get(extension)
            .into_iter()
            .flat_map(|devices| devices.values().map(|(_, binding)| binding))
    }

    pub(super) fn get(&self, key: &BindingKey) -> Option<&Binding> {
        self.bindings.get(&key.extension)?.get(&key.device).map(|(_, binding)| binding)
    }

    pub(super) fn get_mut(&mut self, key: &BindingKey) -> Option<&mut Binding> {
        self.bindings.get_mut(&key.extension)?.get_mut(&key.device).map(|(_, binding)| binding)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Binding> {
        self.bindings.values().flat_map(|devices| devices.values().map(|(_, binding)| binding))
    }

    pub(super) fn extensions(&self) -> impl Iterator<Item = &Extension> {
        self.bindings.keys()
    }

    pub(super) fn has(&self, extension: &Extension) -> bool {
        self.bindings.contains_key(extension)
    }

    /// Puts a binding in the place of the one with its key; it leaves when its time has come.
    pub(super) fn put(&mut self, binding: Binding, now: Now) {
        self.remove(&binding.key);
        self.last += 1;
        let number = Number(self.last);
        let span = binding.expires.since(now.wall);
        if let Some(at) = now.instant.checked_add(span) {
            self.timers.set(number, at);
        }
        if let Reach::Sip { flow: Flow { connection: Some(connection), .. }, .. } = &binding.reach {
            self.by_connection.entry(*connection).or_default().push(number);
        }
        if let Reach::Web(Some(session)) = &binding.reach {
            self.by_page.insert(*session, binding.key.clone());
        }
        self.numbers.insert(number, binding.key.clone());
        let devices = self.bindings.entry(binding.key.extension.clone()).or_default();
        devices.insert(binding.key.device.clone(), (number, binding));
        self.len += 1;
    }

    pub(super) fn remove(&mut self, key: &BindingKey) -> Option<Binding> {
        let devices = self.bindings.get_mut(&key.extension)?;
        let (number, binding) = devices.remove(&key.device)?;
        if devices.is_empty() {
            self.bindings.remove(&key.extension);
        }
        self.numbers.remove(&number);
        self.timers.cancel(&number);
        if let Reach::Web(Some(session)) = &binding.reach {
            self.by_page.remove(session);
        }
        if let Reach::Sip { flow: Flow { connection: Some(connection), .. }, .. } = &binding.reach
            && let Some(numbers) = self.by_connection.get_mut(connection)
        {
            numbers.retain(|one| *one != number);
            if numbers.is_empty() {
                self.by_connection.remove(connection);
            }
        }
        self.len -= 1;
        Some(binding)
    }

    /// The connection is gone: the bindings that were made on it.
    pub(super) fn leave_connection(&mut self, connection: ConnectionId) -> Vec<BindingKey> {
        let numbers = self.by_connection.remove(&connection).unwrap_or_default();
        numbers.into_iter().filter_map(|number| self.numbers.get(&number).cloned()).collect()
    }

    /// The binding of a page.
    pub(super) fn of_page(&self, session: WebSession) -> Option<BindingKey> {
        self.by_page.get(&session).cloned()
    }

    /// The next binding whose time has come; it is removed.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Binding> {
        let number = self.timers.pop(now)?;
        let key = self.numbers.get(&number)?.clone();
        self.remove(&key)
    }

    pub(super) fn next_expiry(&mut self) -> Option<Instant> {
        self.timers.next_deadline()
    }
}
