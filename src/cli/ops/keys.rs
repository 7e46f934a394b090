//! `branchline ops keygen`, and reading of keys.

use std::io::Write;
use std::path::Path;

use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use super::arguments::{Keygen, SigningArguments};
use crate::cli::{Failure, table};
use crate::config::read_key;
use crate::shell::durable::replace_file;
use crate::uplink::{KeyId, SigningKey};

pub(super) fn keygen(wish: &Keygen, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let id = key_id(&wish.name)?;
    let mut seed = Zeroizing::new([0; 32]);
    let filled = SystemRandom::new().fill(&mut *seed);
    filled.map_err(|_| std::io::Error::other("the system gives no random numbers"))?;
    let key = SigningKey::from_seed(id, seed).map_err(|error| Failure::BadInput(error.to_string()))?;
    let [private, public] = ["key", "pub"].map(|kind| wish.out.join(format!("{}.{kind}", wish.name)));
    for file in [&private, &public] {
        if file.exists() {
            return Err(Failure::BadInput(format!(
                "{} is there already; a key has one name",
                file.display()
            )));
        }
    }
    std::fs::create_dir_all(&wish.out)?;
    replace_file(&private, key.to_pem().as_bytes(), 0o600)?;
    replace_file(&public, key.public().to_pem().as_bytes(), 0o644)?;
    let pem = key.public().to_pem();
    let line = pem.lines().nth(1).unwrap_or_default();
    if json {
        let value =
            serde_json::json!({ "kid": wish.name, "private": private, "public": public, "route-key": line });
        return table::print_json(out, &value);
    }
    let show = |file: &Path| file.display().to_string();
    let rows = [
        ["kid".to_owned(), wish.name.clone()],
        ["private".to_owned(), format!("{}  (signs; keep it here)", show(&private))],
        ["public".to_owned(), show(&public)],
    ];
    table::print_facts(out, &rows)?;
    writeln!(out, "\nIn the configuration of every box that shall take its signatures:\n")?;
    writeln!(out, "[uplink.route-keys]\n{} = \"{line}\"", wish.name)?;
    Ok(())
}

/// The key that was named, if one was.
pub(super) fn signing_key(wish: &SigningArguments) -> Result<Option<SigningKey>, Failure> {
    let Some(file) = wish.signing_key.as_deref() else { return Ok(None) };
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let id = key_id(wish.kid.as_deref().unwrap_or(stem))?;
    let pem = read_key(file).map_err(|error| Failure::BadInput(error.to_string()))?;
    let key = SigningKey::from_pem(id, &pem);
    key.map(Some).map_err(|error| Failure::BadInput(format!("{}: {error}", file.display())))
}

/// The key that was named; one must be.
pub(super) fn needed_key(wish: &SigningArguments) -> Result<SigningKey, Failure> {
    let missing = "expected --signing-key FILE; `branchline ops keygen NAME` makes one";
    signing_key(wish)?.ok_or_else(|| Failure::Usage(missing.to_owned()))
}

fn key_id(text: &str) -> Result<KeyId, Failure> {
    text.parse().map_err(|error| Failure::Usage(format!("{text}: {error}")))
}
