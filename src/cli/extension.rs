//! `branchline extension …`: works on the store itself, and tells a running daemon.

use std::io::Write;

use serde::Serialize;

use super::arguments::Extension;
use super::credentials::Credentials;
use super::{Failure, ask, table};
use crate::config::Config;
use crate::observe::{Health, Metrics};
use crate::shell::store::{AccountRow, Store, StoreOptions, Write as Change};

/// Extensions that one command takes at most.
const MOST: usize = 10_000;

/// What is handed over, once.
#[derive(Serialize)]
struct HandedOver {
    extension: String,
    username: String,
    password: String,
    token: String,
}

#[derive(Serialize)]
struct Listed<'a> {
    extension: &'a str,
    username: &'a str,
    name: &'a str,
    realm: &'a str,
    created_ms: u64,
}

/// Carries out a command on extensions.
pub(super) fn extension(
    wish: &Extension,
    config: &Config,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    match wish {
        Extension::Add(wish) => {
            let numbers = expand(&wish.numbers)?;
            refuse_emergency(&numbers, config)?;
            add(&numbers, wish.name.as_deref(), config, json, out)
        }
        Extension::List => list(config, json, out),
        Extension::Parse(wish) => super::number::parse(&wish.number, config, json, out),
        Extension::Remove(wish) => remove(&expand(&wish.numbers)?, config),
        Extension::Password(wish) => password(&expand(&wish.numbers)?, config, json, out),
    }
}

/// The store, for a while. Fails where the daemon would go on in memory.
pub(super) fn open(config: &Config) -> Result<Store, Failure> {
    let options = StoreOptions {
        directory: config.paths.state.clone(),
        queue: 16,
        keep_calls: config.records.keep,
        max_call_age: config.records.max_age,
        metrics: Metrics::new(config.office.id.as_str()),
        health: Health::new(),
    };
    Ok(Store::open_strictly(options)?)
}

fn add(
    numbers: &[String],
    name: Option<&str>,
    config: &Config,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let store = open(config)?;
    let known = store.accounts().wait()?;
    if let Some(taken) = numbers.iter().find(|number| known.iter().any(|row| row.extension == **number)) {
        let advice =
            format!("{taken} is there already; for new credentials: branchline extension password {taken}");
        return Err(Failure::BadInput(advice));
    }
    let fresh = numbers.iter().map(|number| {
        let name = name.map_or_else(|| format!("Extension {number}"), str::to_owned);
        (number.as_str(), name)
    });
    hand_over(fresh, &store, config, json, out)
}

fn password(numbers: &[String], config: &Config, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let store = open(config)?;
    let known = store.accounts().wait()?;
    let names: Vec<_> = numbers
        .iter()
        .map(|number| find(&known, number).map(|row| (number.as_str(), row.display_name.clone())))
        .collect::<Result<_, _>>()?;
    hand_over(names.into_iter(), &store, config, json, out)
}

fn remove(numbers: &[String], config: &Config) -> Result<(), Failure> {
    let store = open(config)?;
    let known = store.accounts().wait()?;
    for number in numbers {
        find(&known, number)?;
    }
    store
        .write_all(numbers.iter().map(|number| Change::RemoveAccount { extension: number.clone() }).collect())
        .wait()?;
    store.close();
    ask::tell_accounts_changed(config);
    Ok(())
}

fn list(config: &Config, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let rows = open(config)?.accounts().wait()?;
    if json {
        let listed: Vec<_> = rows
            .iter()
            .map(|row| Listed {
                extension: &row.extension,
                username: &row.username,
                name: &row.display_name,
                realm: &row.realm,
                created_ms: row.created.0,
            })
            .collect();
        return table::print_json(out, &listed);
    }
    let cells: Vec<_> = rows
        .iter()
        .map(|row| {
            [row.extension.clone(), row.display_name.clone(), table::date(row.created), note(row, config)]
        })
        .collect();
    table::print_table(out, ["EXTENSION", "NAME", "CREATED", ""], &cells)
}

/// What keeps an account from working.
fn note(row: &AccountRow, config: &Config) -> String {
    if row.realm == config.sip.realm {
        return String::new();
    }
    format!("made for the realm {}: needs a new password", row.realm)
}

/// Makes credentials, stores their hashes, and shows them only when that is durable.
fn hand_over<'a>(
    accounts: impl Iterator<Item = (&'a str, String)>,
    store: &Store,
    config: &Config,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut handed_over = Vec::new();
    let mut changes = Vec::new();
    for (number, name) in accounts {
        let credentials = Credentials::make()?;
        let row = credentials.account(number, &name, &config.sip.realm, table::now());
        handed_over.push(HandedOver {
            extension: row.extension.clone(),
            username: row.username.clone(),
            password: credentials.password.to_string(),
            token: credentials.token.to_string(),
        });
        changes.push(Change::PutAccount(row));
    }
    store.write_all(changes).wait()?;
    store.close();
    ask::tell_accounts_changed(config);
    if json {
        return table::print_json(out, &handed_over);
    }
    let rows: Vec<_> =
        handed_over.into_iter().map(|one| [one.extension, one.username, one.password, one.token]).collect();
    table::print_table(out, ["EXTENSION", "USERNAME", "PASSWORD", "TOKEN"], &rows)
}

fn find<'a>(known: &'a [AccountRow], number: &str) -> Result<&'a AccountRow, Failure> {
    let found = known.iter().find(|row| row.extension == number);
    found.ok_or_else(|| Failure::Missing(format!("there is no extension {number}")))
}

fn refuse_emergency(numbers: &[String], config: &Config) -> Result<(), Failure> {
    match numbers.iter().find(|number| config.numbers.emergency.contains(number)) {
        Some(number) => Err(Failure::BadInput(format!("{number} is an emergency number and no extension"))),
        None => Ok(()),
    }
}

/// Numbers and ranges of them (`1001-1006`, both ends as long), each number once, in their order.
pub(super) fn expand(written: &[String]) -> Result<Vec<String>, Failure> {
    let mut numbers: Vec<String> = Vec::new();
    for one in written {
        let (first, last) = one.split_once('-').unwrap_or((one, one));
        let bounds = [first, last].map(number_of);
        let (Some(low), Some(high), true) = (bounds[0], bounds[1], first.len() == last.len()) else {
            let expected = format!("{one}: expected a number of 2 to 10 digits, or a range as in 1001-1006");
            return Err(Failure::Usage(expected));
        };
        for number in low..=high {
            let number = format!("{number:0width$}", width = first.len());
            if !numbers.contains(&number) {
                numbers.push(number);
            }
            if numbers.len() > MOST {
                return Err(Failure::Usage(format!("more than {MOST} extensions at once")));
            }
        }
    }
    if numbers.is_empty() {
        return Err(Failure::Usage("no extensions: the range is empty".to_owned()));
    }
    Ok(numbers)
}

fn number_of(digits: &str) -> Option<u64> {
    let valid = (2..=10).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    valid.then(|| digits.parse().ok()).flatten()
}
