//! The command line.
//!
//! | file | what is there |
//! | --- | --- |
//! | `arguments` | subcommands, flags and the help that teaches them |
//! | `check` | `branchline check` |
//! | `ca` | `branchline ca …`: a site's own CA |
//! | `extension` | `branchline extension …`: accounts |
//! | `mirror` | `branchline asterisk render` |
//! | `ask` | `status`, `calls`, `registrations`, `links`, `resolve`, `reload`: the running daemon is asked |
//! | `number` | `branchline extension parse` |
//! | `ops` | `branchline ops …`: route sets from central ops to the boxes |
//! | `credentials` | passwords and tokens, and what is stored of them |
//! | `controller` | `controller …`, with the feature `controller` |
//! | `failure` | why a command failed, and its exit code |
//! | `table` | text tables, dates and durations for people |
//!
//! What a command is asked for goes to standard output, everything else to standard error. Whatever prints a
//! table prints JSON with `--json`. Exit codes are those of sysexits(3).

mod arguments;
mod ask;
mod ca;
mod check;
#[cfg(feature = "controller")]
mod controller;
mod credentials;
mod extension;
mod failure;
mod mirror;
mod number;
mod ops;
mod table;

#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use crate::config::{self, Config, Environment};
pub use arguments::{Arguments, Command};
pub use failure::Failure;

/// The configuration of an installed Branchline.
const DEFAULT_CONFIG: &str = "/etc/branchline/branchline.toml";

/// What `branchline run` needs: the checked configuration and where it came from.
#[derive(Debug)]
pub struct RunOrder {
    /// The configuration.
    pub config: Config,
    /// Its file, to be read again at a reload; `None` where there was none and defaults are used.
    pub file: Option<PathBuf>,
    /// The process's environment as far as configuration depends on it.
    pub environment: Environment,
}

/// Carries out this process's arguments. `daemon` is what `branchline run` runs.
pub fn main(daemon: impl FnOnce(RunOrder) -> ExitCode) -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { failure::USAGE } else { 0 });
        }
    };
    let mut out = std::io::stdout().lock();
    let outcome = if matches!(arguments.command, Command::Run) {
        drop(out);
        return order(&arguments).map_or_else(|failure| report(&failure), daemon);
    } else {
        carry_out(&arguments, &mut out).and_then(|()| out.flush().map_err(Failure::from))
    };
    outcome.map_or_else(|failure| report(&failure), |()| ExitCode::SUCCESS)
}

fn order(arguments: &Arguments) -> Result<RunOrder, Failure> {
    let environment = Environment::of_process();
    let (config, file) = load(arguments.config.as_deref(), &environment)?;
    Ok(RunOrder { config, file, environment })
}

/// Carries out a command that needs no daemon of its own.
fn carry_out(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let environment = Environment::of_process();
    let config = || load(arguments.config.as_deref(), &environment).map(|(config, _)| config);
    let file = arguments.config.as_deref().unwrap_or(Path::new(DEFAULT_CONFIG));
    let socket = || config::load_paths(file, &environment).control_socket();
    let json = arguments.json;
    match &arguments.command {
        Command::Run => Ok(()),
        Command::Check(wish) => check::check(wish, arguments.config.as_deref(), &environment, json, out),
        Command::Ca(wish) => ca::ca(wish, json, out),
        Command::Extension(wish) => extension::extension(wish, &config()?, json, out),
        Command::Asterisk(wish) => mirror::asterisk(wish, &config()?, out),
        Command::Status => ask::status(&socket(), json, out),
        Command::Calls => ask::calls(&socket(), json, out),
        Command::Registrations => ask::registrations(&socket(), json, out),
        Command::Links => ask::links(&socket(), json, out),
        Command::Resolve(wish) => ask::resolve(&socket(), &wish.number, json, out),
        Command::Reload => ask::reload(&socket(), out),
        Command::Ops(wish) => ops::ops(wish, json, out),
        #[cfg(feature = "controller")]
        Command::Controller(wish) => controller::controller(wish, arguments.config.as_deref(), json, out),
        Command::Version => version(json, out),
    }
}

/// The configuration that was named, or the installed one, or defaults where there is none.
fn load(named: Option<&Path>, environment: &Environment) -> Result<(Config, Option<PathBuf>), Failure> {
    let path = named.unwrap_or(Path::new(DEFAULT_CONFIG));
    if named.is_none() && !path.exists() {
        let defaults = config::parse(path, "", environment)?;
        return Ok((defaults, None));
    }
    Ok((config::load(path, environment)?, Some(path.to_owned())))
}

fn version(json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let version = env!("CARGO_PKG_VERSION");
    if json {
        return table::print_json(out, &serde_json::json!({ "name": "branchline", "version": version }));
    }
    writeln!(out, "branchline {version}")?;
    Ok(())
}

/// Says why, and gives the exit code. A reader that has seen enough is no failure.
fn report(failure: &Failure) -> ExitCode {
    if matches!(failure, Failure::Io(error) if error.kind() == std::io::ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    let mut err = std::io::stderr().lock();
    let _ = writeln!(err, "branchline: {failure}");
    ExitCode::from(failure.exit_code())
}
