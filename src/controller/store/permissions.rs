//! Which offices an office may call through the gateway. An office without a row may call all.

use std::collections::{BTreeMap, BTreeSet};

use super::StoreError;
use super::rows::Rows;
use crate::uplink::OfficeId;

/// The offices that an office may call; nothing: all.
pub(in crate::controller) fn get(
    rows: &Rows<'_>,
    office: OfficeId,
) -> Result<Option<BTreeSet<OfficeId>>, StoreError> {
    let sql = "SELECT may_call FROM permission WHERE office = ?1";
    rows.find(sql, &[(&office).into()], |row| row.words(0))
}

/// All rows.
pub(in crate::controller) fn all(
    rows: &Rows<'_>,
) -> Result<BTreeMap<OfficeId, BTreeSet<OfficeId>>, StoreError> {
    let sql = "SELECT office, may_call FROM permission";
    Ok(rows.list(sql, &[], |row| Ok((row.parsed(0)?, row.words(1)?)))?.into_iter().collect())
}

/// From now on an office may call these; nothing: all.
pub(in crate::controller) fn set(
    rows: &Rows<'_>,
    office: OfficeId,
    may_call: Option<&BTreeSet<OfficeId>>,
) -> Result<(), StoreError> {
    let Some(may_call) = may_call else {
        return rows.change("DELETE FROM permission WHERE office = ?1", &[(&office).into()]).map(drop);
    };
    let words = may_call.iter().map(OfficeId::as_str).collect::<Vec<_>>().join(" ");
    rows.change(
        "INSERT INTO permission (office, may_call) VALUES (?1, ?2) \
         ON CONFLICT (office) DO UPDATE SET may_call = excluded.may_call",
        &[(&office).into(), (&words).into()],
    )?;
    Ok(())
}
