//! `branchline check`: the daemon's own loader, and the files that the configuration names.

use std::io::Write;
use std::path::Path;

use serde::Serialize;

use super::arguments::Check;
use super::{DEFAULT_CONFIG, Failure, table};
use crate::config::{self, Environment, Problem};
use crate::shell::pki;

#[derive(Serialize)]
struct Report<'a> {
    file: &'a Path,
    ok: bool,
    problems: &'a [Problem],
}

/// Checks the file, says what is wrong with it.
pub(super) fn check(
    wish: &Check,
    named: Option<&Path>,
    environment: &Environment,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let file = wish.file.as_deref().or(named).unwrap_or(Path::new(DEFAULT_CONFIG));
    let problems = problems_of(file, wish.no_files, environment);
    if json {
        table::print_json(out, &Report { file, ok: problems.is_empty(), problems: &problems })?;
    } else if problems.is_empty() {
        writeln!(out, "{}: ok", file.display())?;
    } else {
        for problem in &problems {
            writeln!(out, "{problem}")?;
        }
    }
    out.flush()?;
    if problems.is_empty() { Ok(()) } else { Err(Failure::ProblemsFound(problems.len())) }
}

fn problems_of(file: &Path, no_files: bool, environment: &Environment) -> Vec<Problem> {
    let config = match config::load(file, environment) {
        Err(error) => return error.problems,
        Ok(_) if no_files => return Vec::new(),
        Ok(config) => config,
    };
    let named = |error: pki::PkiError| Problem {
        file: file.to_owned(),
        line: None,
        column: None,
        key: String::new(),
        message: error.to_string(),
    };
    pki::check_files(&config).into_iter().map(named).collect()
}
