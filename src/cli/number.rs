//! `branchline extension parse`: what a written number is, in this office.

use std::collections::HashSet;
use std::io::Write;

use super::{Failure, extension, table};
use crate::config::Config;
use crate::engine::numbering::{Extension, Meaning};
use crate::shell::settings::number_plan;

pub(super) fn parse(number: &str, config: &Config, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let rows = extension::open(config)?.accounts().wait()?;
    let ours: HashSet<Extension> = rows.iter().filter_map(|row| row.extension.parse().ok()).collect();
    let meaning = Meaning::of(number, &number_plan(config), |extension| ours.contains(extension));
    let meaning = meaning.map_err(|error| Failure::BadInput(format!("{number}: {error}")))?;
    if json {
        return table::print_json(out, &meaning);
    }
    let fact = |name: &str, words: String| [name.to_owned(), words];
    let mut facts = vec![fact("number", meaning.number), fact("kind", meaning.kind.to_owned())];
    let country = meaning.country_code.zip(meaning.country);
    facts.extend(country.map(|(code, name)| fact("country", format!("{code}, {name}"))));
    facts.extend(meaning.local.map(|local| fact("local", local)));
    facts.push(fact("dial", meaning.dial));
    facts.push(fact("ours", if meaning.exists { "yes" } else { "no" }.to_owned()));
    table::print_facts(out, &facts)
}
