//! Which offices an office may call through the gateway. An office without a row may call all.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{OptionalExtension, params};

use super::{Rows, StoreError, column};
use crate::uplink::OfficeId;

/// The offices that an office may call; nothing: all.
pub(in crate::controller) fn get(
    rows: &Rows<'_>,
    office: OfficeId,
) -> Result<Option<BTreeSet<OfficeId>>, StoreError> {
    let mut query = rows.prepare_cached("SELECT may_call FROM permission WHERE office = ?1")?;
    let found = query.query_row([office.as_str()], |row| read(&row.get::<_, String>(0)?)).optional()?;
    Ok(found)
}

/// All rows.
pub(in crate::controller) fn all(
    rows: &Rows<'_>,
) -> Result<BTreeMap<OfficeId, BTreeSet<OfficeId>>, StoreError> {
    let mut query = rows.prepare_cached("SELECT office, may_call FROM permission")?;
    let found = query.query_map([], |row| {
        Ok((column(row.get::<_, String>(0)?.parse())?, read(&row.get::<_, String>(1)?)?))
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// From now on an office may call these; nothing: all.
pub(in crate::controller) fn set(
    rows: &Rows<'_>,
    office: OfficeId,
    may_call: Option<&BTreeSet<OfficeId>>,
) -> Result<(), StoreError> {
    let Some(may_call) = may_call else {
        rows.execute("DELETE FROM permission WHERE office = ?1", [office.as_str()])?;
        return Ok(());
    };
    let words = may_call.iter().map(OfficeId::as_str).collect::<Vec<_>>().join(" ");
    rows.execute(
        "INSERT INTO permission (office, may_call) VALUES (?1, ?2) \
         ON CONFLICT (office) DO UPDATE SET may_call = excluded.may_call",
        params![office.as_str(), words],
    )?;
    Ok(())
}

fn read(words: &str) -> rusqlite::Result<BTreeSet<OfficeId>> {
    words.split_whitespace().map(|word| column(word.parse())).collect()
}
