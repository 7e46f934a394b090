//! `branchline ops sign`

use std::io::Write;

use serde_json::Value;

use super::arguments::Sign;
use super::{bad_input, keys, sets};
use crate::cli::{Failure, table};
use crate::shell::durable::replace_file;
use crate::uplink::route_set::{RouteSet, check};

pub(super) fn sign(wish: &Sign, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let key = keys::needed_key(&wish.signing)?;
    let name = wish.file.display().to_string();
    let mut fields = sets::read_fields(&wish.file)?;
    if let Some(revision) = wish.revision {
        fields.insert("revision".to_owned(), revision.into());
    }
    fields.entry("v").or_insert_with(|| 1.into());
    fields.entry("issued").or_insert_with(|| sets::issued_now().to_text().into());
    let refused = |refusal| bad_input(&name, &refusal);
    let set = RouteSet::new(fields).map_err(refused)?;
    check(&set).map_err(refused)?;
    let set = set.signed(&key).map_err(refused)?;
    let text =
        serde_json::to_string_pretty(&Value::Object(set.fields().clone())).map_err(std::io::Error::from)?;
    let Some(file) = &wish.out else {
        writeln!(out, "{text}")?;
        return Ok(());
    };
    replace_file(&absolute(file)?, format!("{text}\n").as_bytes(), 0o644)?;
    let digest = set.digest().map_err(refused)?;
    if json {
        let value = serde_json::json!({
            "file": file, "office": set.office().as_str(), "revision": set.revision(), "digest": digest,
            "kid": key.id().as_str(),
        });
        return table::print_json(out, &value);
    }
    let rows = [
        ["office".to_owned(), set.office().to_string()],
        ["revision".to_owned(), set.revision().to_string()],
        ["digest".to_owned(), digest.to_string()],
        ["kid".to_owned(), key.id().to_string()],
        ["file".to_owned(), file.display().to_string()],
    ];
    table::print_facts(out, &rows)
}

/// With a directory before it, where the temporary file goes.
fn absolute(file: &std::path::Path) -> Result<std::path::PathBuf, Failure> {
    Ok(std::path::absolute(file)?)
}
