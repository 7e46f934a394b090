//! Accounts and bindings: who may register, and where each device is.

mod account;
mod binding;

use std::collections::{BTreeMap, HashMap};

pub use account::{Account, Accounts};
pub use binding::{Binding, BindingKey, DeviceKey, Reach};

use crate::engine::numbering::Extension;

/// All accounts and bindings.
#[derive(Debug, Default)]
pub struct Registrar {
    accounts: Accounts,
    bindings: HashMap<Extension, BTreeMap<DeviceKey, Binding>>,
}

impl Registrar {
    /// Whether the extension is one of ours.
    pub fn has_account(&self, extension: &Extension) -> bool {
        self.accounts.get(extension).is_some()
    }

    /// The name shown to called parties.
    pub fn display_name(&self, extension: &Extension) -> Option<String> {
        self.accounts.get(extension)?.display_name.clone()
    }

    /// The devices that can be rung now, the preferred and then the newest first.
    pub fn location(&self, extension: &Extension) -> Vec<&Binding> {
        let bindings = self.bindings.get(extension).into_iter().flat_map(BTreeMap::values);
        let mut reachable: Vec<_> = bindings.filter(|binding| binding.reach.is_reachable()).collect();
        reachable.sort_by_key(|binding| (std::cmp::Reverse(binding.q), std::cmp::Reverse(binding.created)));
        reachable
    }
}
