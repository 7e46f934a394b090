//! Which offices there are, and who may call whom: what the database said last.

use std::collections::{BTreeMap, BTreeSet};

use crate::controller::store::{Rows, StoreError, offices, permissions};
use crate::uplink::OfficeId;

/// Offices and permissions. Bounded by the offices that there may be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Directory(BTreeMap<OfficeId, MayCall>);

/// Whom an office may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum MayCall {
    /// All offices of the federation.
    All,
    /// These.
    Only(BTreeSet<OfficeId>),
}

impl Directory {
    /// Reads it.
    pub(super) fn read(rows: &Rows<'_>) -> Result<Self, StoreError> {
        let mut only = permissions::all(rows)?;
        let offices = offices::all(rows)?.into_iter().map(|row| {
            let may_call = only.remove(&row.id).map_or(MayCall::All, MayCall::Only);
            (row.id, may_call)
        });
        Ok(Self(offices.collect()))
    }

    /// Whether there is such an office.
    pub(super) fn knows(&self, office: OfficeId) -> bool {
        self.0.contains_key(&office)
    }

    /// Whether an office may call another.
    pub(super) fn may_call(&self, from: OfficeId, to: OfficeId) -> bool {
        self.knows(to)
            && match self.0.get(&from) {
                None => false,
                Some(MayCall::All) => true,
                Some(MayCall::Only(offices)) => offices.contains(&to),
            }
    }

    /// Whether the two may be in a call, whoever began it.
    pub(super) fn may_talk(&self, one: OfficeId, other: OfficeId) -> bool {
        self.may_call(one, other) || self.may_call(other, one)
    }
}

#[cfg(test)]
impl FromIterator<(OfficeId, MayCall)> for Directory {
    fn from_iter<I: IntoIterator<Item = (OfficeId, MayCall)>>(offices: I) -> Self {
        Self(offices.into_iter().collect())
    }
}
