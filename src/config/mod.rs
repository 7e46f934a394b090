//! Configuration: the only reader of files, environment and credentials.
//!
//! | file | what is there |
//! | --- | --- |
//! | `sections`, `federation`, `uplink` | [`Config`] and its sections: checked, immutable, what the rest of the daemon sees |
//! | `values` | newtypes with their own syntax: office id, network, port range, time, size |
//! | `syntax` | values written as strings: what is expected where |
//! | `raw` | the TOML file as serde sees it: kebab-case, unknown keys refused |
//! | `check` | raw → checked: defaults, and the rules that join several keys |
//! | `problem` | what is wrong, where (file, line, column, key) and what was expected |
//! | `recover` | finds all the problems of a file in one pass, suggests the nearest key |
//! | `environment` | what systemd hands over: directories, `credential:NAME` |
//! | `secret` | reads keys; refuses those that others may read |
//!
//! A bad file is refused as a whole and every problem in it is reported at once. The daemon and
//! `branchline check` use the same [`load`].

mod check;
mod environment;
mod federation;
mod problem;
mod raw;
mod recover;
mod secret;
mod sections;
mod syntax;
mod uplink;
mod values;

#[cfg(test)]
mod tests;

use std::path::Path;

pub use environment::Environment;
pub use federation::{Federation, FederationTls, LinkPassword, LinkToken};
pub use problem::{ConfigError, Problem};
pub use secret::{SecretError, read_key, read_public};
pub use sections::{
    Asterisk, Calls, Certificate, ClientCertificates, Config, Https, Ice, JournalChoice, Listen, Log,
    LogFormat, LogLevel, Media, Metrics, Numbers, Office, Paths, Records, Registrar, Sip, SipLimits, SipTls,
    Transport,
};
pub use uplink::{Broker, RouteKey, Uplink, UplinkTls};
pub(crate) use values::parse_time;
pub use values::{CountryCode, Network, OfficeId, PortRange};

/// Longest configuration file, in bytes.
const LONGEST: u64 = 1 << 20;

/// Reads and checks the file at `path`. Does not open the certificates it names.
pub fn load(path: &Path, environment: &Environment) -> Result<Config, ConfigError> {
    let text = read(path).map_err(|error| {
        let message = format!("cannot be read: {error}");
        let (file, key) = (path.to_owned(), String::new());
        ConfigError { problems: vec![Problem { file, line: None, column: None, key, message }] }
    })?;
    parse(path, &text, environment)
}

/// The directories that the file at `path` names, whatever else is wrong with it: a daemon that runs on an
/// older version of the file can still be asked.
pub fn load_paths(path: &Path, environment: &Environment) -> Paths {
    let text = read(path).unwrap_or_default();
    read_and_check(path, &text, environment).0.paths
}

/// Checks `text` as if it stood in the file at `path`.
pub fn parse(path: &Path, text: &str, environment: &Environment) -> Result<Config, ConfigError> {
    let (config, mut problems) = read_and_check(path, text, environment);
    if problems.is_empty() {
        return Ok(config);
    }
    problems.sort_by_key(|problem| (problem.line.unwrap_or(usize::MAX), problem.column));
    Err(ConfigError { problems })
}

/// The configuration as far as it could be read, and what could not.
fn read_and_check(path: &Path, text: &str, environment: &Environment) -> (Config, Vec<Problem>) {
    let (raw, tree, mut problems) = recover::read(path, text);
    let source = problem::Source { file: path, text, tree: tree.get_ref() };
    let (config, refused) = check::check(&source, &raw, problems.is_empty(), environment);
    problems.extend(refused);
    (config, problems)
}

fn read(path: &Path) -> std::io::Result<String> {
    match std::fs::metadata(path)?.len() {
        0..=LONGEST => std::fs::read_to_string(path),
        _ => Err(std::io::Error::other("longer than 1 MiB")),
    }
}

impl Default for Config {
    /// What an empty file gives.
    fn default() -> Self {
        parse(Path::new(""), "", &Environment::default()).expect("invariant: an empty file is valid")
    }
}
