//! Route sets in files: reading, signing, and the archive of those that were sent.
//!
//! The archive is `STATE/OFFICE/REVISION.json`, as it was sent. A set that a box refused or rolled back is set aside as
//! `REVISION.json.bad`, so that no roll-back finds it.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::arguments::StateArguments;
use super::bad_input;
use crate::cli::{Failure, table};
use crate::config::Environment;
use crate::shell::durable::replace_file;
use crate::uplink::route_set::{LONGEST_SET, RouteSet, check};
use crate::uplink::{JsonBounds, Moment, OfficeId, Revision, SigningKey, parse_json};

/// As those of a route set.
const BOUNDS: JsonBounds = JsonBounds { bytes: LONGEST_SET, depth: 16, values: 400_000 };

/// The JSON object in a file; - is standard input.
pub(super) fn read_fields(file: &Path) -> Result<Map<String, Value>, Failure> {
    let name = file.display().to_string();
    let mut text = Vec::new();
    let longest = LONGEST_SET as u64 + 1;
    if name == "-" {
        std::io::stdin().lock().take(longest).read_to_end(&mut text)?;
    } else {
        let open = fs::File::open(file).map_err(|error| Failure::Missing(format!("{name}: {error}")))?;
        open.take(longest).read_to_end(&mut text)?;
    }
    match parse_json(&text, &BOUNDS).map_err(|refusal| bad_input(&name, &refusal))? {
        Value::Object(fields) => Ok(fields),
        _ => Err(Failure::BadInput(format!("{name}: expected a JSON object"))),
    }
}

/// The set in a file, checked as a box would.
pub(super) fn read(file: &Path) -> Result<RouteSet, Failure> {
    let name = file.display().to_string();
    let set = RouteSet::new(read_fields(file)?).map_err(|refusal| bad_input(&name, &refusal))?;
    check(&set).map_err(|refusal| bad_input(&name, &refusal))?;
    Ok(set)
}

/// The sets in files and directories, one for each office, ready to be sent: signed by `key` where they are not yet.
pub(super) fn read_all(files: &[PathBuf], key: Option<&SigningKey>) -> Result<Vec<RouteSet>, Failure> {
    let mut offices = BTreeSet::new();
    let mut sets = Vec::new();
    for file in list(files)? {
        let set = read(&file)?;
        let name = file.display();
        if !offices.insert(set.office()) {
            return Err(Failure::BadInput(format!("{name}: another file is for {} too", set.office())));
        }
        sets.push(match key {
            _ if set.is_signed() => set,
            Some(key) => set.signed(key).map_err(|refusal| bad_input(&name.to_string(), &refusal))?,
            None => {
                let words = "it is not signed; `branchline ops sign` does it, or --signing-key here";
                return Err(Failure::BadInput(format!("{name}: {words}")));
            }
        });
    }
    Ok(sets)
}

/// Files, and the *.json of directories in the order of their names.
fn list(files: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut all = Vec::new();
    for file in files {
        if !file.is_dir() {
            all.push(file.clone());
            continue;
        }
        let mut inside = Vec::new();
        for entry in fs::read_dir(file)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                inside.push(path);
            }
        }
        if inside.is_empty() {
            return Err(Failure::Missing(format!("{}: no *.json in this directory", file.display())));
        }
        inside.sort();
        all.extend(inside);
    }
    Ok(all)
}

/// Now, to the second: what a person can read in `issued`.
pub(super) fn issued_now() -> Moment {
    Moment(crate::time::WallTime(table::now().seconds() * 1000))
}

/// The archive of sets that were sent.
pub(super) struct Archive {
    root: PathBuf,
}

impl Archive {
    pub(super) fn open(wish: &StateArguments) -> Result<Self, Failure> {
        let home = || Environment::user_state().map(|state| state.join("branchline/ops"));
        let root = wish.state.clone().or_else(home);
        let missing = "expected --state DIR: neither XDG_STATE_HOME nor HOME is set";
        Ok(Self { root: root.ok_or_else(|| Failure::Usage(missing.to_owned()))? })
    }

    /// Keeps a set that is about to be sent.
    pub(super) fn keep(&self, set: &RouteSet) -> Result<(), Failure> {
        let file = self.file(set.office(), set.revision());
        fs::create_dir_all(file.parent().unwrap_or(&self.root))?;
        Ok(replace_file(&file, &set.write(), 0o600)?)
    }

    /// A box would not have it, or ops took it back.
    pub(super) fn set_aside(&self, office: OfficeId, revision: Revision) {
        let file = self.file(office, revision);
        let _ = fs::rename(&file, file.with_extension("json.bad"));
    }

    /// The set of a revision, if it is there.
    pub(super) fn get(&self, office: OfficeId, revision: Revision) -> Result<Option<RouteSet>, Failure> {
        let file = self.file(office, revision);
        if file.exists() { read(&file).map(Some) } else { Ok(None) }
    }

    /// The revisions that are there, the highest first.
    pub(super) fn revisions(&self, office: OfficeId) -> Vec<Revision> {
        let Ok(entries) = fs::read_dir(self.root.join(office.as_str())) else { return Vec::new() };
        let number = |name: &str| name.strip_suffix(".json")?.parse().ok().map(Revision);
        let names = entries.filter_map(Result::ok).filter_map(|entry| entry.file_name().into_string().ok());
        let mut found: Vec<Revision> = names.filter_map(|name| number(&name)).collect();
        found.sort_by(|a, b| b.cmp(a));
        found
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    fn file(&self, office: OfficeId, revision: Revision) -> PathBuf {
        self.root.join(office.as_str()).join(format!("{revision}.json"))
    }
}

/// What a set says, without what every issue of it changes.
pub(super) fn content(set: &RouteSet) -> Map<String, Value> {
    let mut fields = set.fields().clone();
    for key in ["signature", "revision", "issued"] {
        fields.remove(key);
    }
    fields
}
