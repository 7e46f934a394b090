//! Raw → checked: defaults, the rules of single keys, and the rules that join several.
//!
//! Nothing stops at the first problem: a refused value is replaced by its default, so that the other rules
//! can still be looked at, and the file is refused at the end.

#![expect(clippy::ref_option, reason = "an absent key and a key without value are the same to every rule")]

mod federation;
mod media;
mod places;
mod policy;
mod sip;
mod uplink;

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use super::environment::Environment;
use super::problem::{Problem, Source};
use super::raw::{self, Key, Text};
use super::sections::{
    Certificate, Config, JournalChoice, Log, LogFormat, LogLevel, Metrics, Numbers, Office, Paths, Records,
};
use super::syntax::{Time, Written};

/// Where `/var/lib` and `/run` are used unless the file or systemd says otherwise.
const STATE: &str = "/var/lib/branchline";
const RUNTIME: &str = "/run/branchline";

/// Checks `file`. Returns the configuration, to be used only if there are no problems. In a file that is
/// not `complete`, because some of it could not be read, no key is said to be missing.
pub(super) fn check(
    source: &Source<'_>,
    file: &raw::File,
    complete: bool,
    environment: &Environment,
) -> (Config, Vec<Problem>) {
    let mut checker = Checker { source, environment, complete, problems: Vec::new() };
    let calls = checker.calls(&file.calls);
    let sip = checker.sip(&file.sip);
    let https = checker.https(&file.https, &sip.listen);
    let office = checker.office(&file.office);
    let config = Config {
        federation: checker.federation(&file.federation, &sip, &office),
        uplink: checker.uplink(&file.uplink, &office),
        office,
        paths: checker.paths(&file.paths),
        media: checker.media(&file.media, &calls),
        asterisk: checker.asterisk(&file.asterisk),
        records: checker.records(&file.records),
        numbers: checker.numbers(&file.numbers),
        log: log(&file.log),
        metrics: metrics(&file.metrics),
        sip,
        https,
        calls,
    };
    (config, checker.problems)
}

/// Collects what is refused.
struct Checker<'a> {
    source: &'a Source<'a>,
    environment: &'a Environment,
    complete: bool,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    /// Notes a problem at `place`, or with the absent `key`.
    fn refuse(&mut self, place: Option<Range<usize>>, key: &str, message: impl Into<String>) {
        self.problems.push(match place {
            Some(span) => self.source.problem_at(&span, message.into()),
            None => self.source.problem_without_place(key, message.into()),
        });
    }

    fn office(&mut self, raw: &raw::Office) -> Office {
        let id = match &raw.id {
            Some(id) => id.get_ref().0,
            None => "LOCAL".parse().expect("invariant: the default office id is valid"),
        };
        let name = self.words(&raw.name, "office.name", id.as_str());
        let country_code = raw.country_code.as_ref().map(|code| code.get_ref().0.clone());
        Office { id, name, country_code }
    }

    fn paths(&mut self, raw: &raw::Paths) -> Paths {
        let state = self.environment.state.clone().unwrap_or_else(|| STATE.into());
        let runtime = self.environment.runtime.clone().unwrap_or_else(|| RUNTIME.into());
        Paths {
            state: self.directory(&raw.state_dir, "paths.state-dir", state),
            runtime: self.directory(&raw.runtime_dir, "paths.runtime-dir", runtime),
        }
    }

    fn records(&mut self, raw: &raw::Records) -> Records {
        Records {
            keep: self.number(&raw.keep, "records.keep", 10_000, 1, 1_000_000),
            max_age: self.time(&raw.max_age, "records.max-age", days(90), hours(1), days(3650)),
        }
    }

    fn numbers(&mut self, raw: &raw::Numbers) -> Numbers {
        let Some(emergency) = &raw.emergency else {
            return Numbers { emergency: vec!["112".to_owned(), "911".to_owned()] };
        };
        for number in emergency {
            let digits = number.get_ref();
            let valid = (2..=6).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
            if !valid {
                let message = format!("expected two to six digits, as in \"112\", found \"{digits}\"");
                self.refuse(Some(number.span()), "numbers.emergency", message);
            }
        }
        Numbers { emergency: emergency.iter().map(|number| number.get_ref().clone()).collect() }
    }

    /// An absolute path.
    fn directory(&mut self, key: &Key<String>, name: &str, default: PathBuf) -> PathBuf {
        let Some(written) = key else { return default };
        let path = PathBuf::from(written.get_ref());
        if !path.is_absolute() {
            let message = format!("expected an absolute path, found \"{}\"", written.get_ref());
            self.refuse(Some(written.span()), name, message);
        }
        path
    }

    /// The path of a certificate, key or list: an absolute path or `credential:NAME`.
    fn file(&mut self, key: &Key<String>, name: &str) -> Option<PathBuf> {
        let written = key.as_ref()?;
        match self.environment.resolve(written.get_ref()) {
            Ok(path) => Some(path),
            Err(expected) => {
                self.refuse(Some(written.span()), name, expected);
                None
            }
        }
    }

    /// Certificate and key, which come both or not at all.
    fn certificate(&mut self, section: &str, certificate: &Key<String>, key: &Key<String>) -> Certificate {
        let certificate_name = format!("{section}.certificate");
        let key_name = format!("{section}.key");
        let paths = (self.file(certificate, &certificate_name), self.file(key, &key_name));
        match (certificate, key, paths) {
            (Some(_), Some(_), (Some(certificate), Some(key))) => Certificate::Files { certificate, key },
            (Some(alone), None, _) if self.complete => {
                let message = format!("a certificate needs its private key: set {key_name} too");
                self.refuse(Some(alone.span()), &certificate_name, message);
                Certificate::Own
            }
            (None, Some(alone), _) if self.complete => {
                let message = format!("a private key needs its certificate: set {certificate_name} too");
                self.refuse(Some(alone.span()), &key_name, message);
                Certificate::Own
            }
            _ => Certificate::Own,
        }
    }

    /// Printable text of 1 to 64 characters.
    fn words(&mut self, key: &Key<String>, name: &str, default: &str) -> String {
        let Some(written) = key else { return default.to_owned() };
        let text = written.get_ref();
        if !(1..=64).contains(&text.chars().count()) || text.chars().any(char::is_control) {
            self.refuse(Some(written.span()), name, "expected 1 to 64 printable characters");
        }
        text.clone()
    }

    /// A number within bounds.
    fn number<N>(&mut self, key: &Key<N>, name: &str, default: N, least: N, most: N) -> N
    where
        N: Copy + PartialOrd + std::fmt::Display,
    {
        let Some(written) = key else { return default };
        let number = *written.get_ref();
        if number >= least && number <= most {
            return number;
        }
        let message = format!("expected a number from {least} to {most}, found {number}");
        self.refuse(Some(written.span()), name, message);
        default
    }

    /// A time within bounds.
    fn time(
        &mut self,
        key: &Text<Time>,
        name: &str,
        default: Duration,
        least: Duration,
        most: Duration,
    ) -> Duration {
        let Some(written) = key else { return default };
        let Written(Time(time)) = written.get_ref();
        if (least..=most).contains(time) {
            return *time;
        }
        let message =
            format!("expected a time from {} to {}, found {}", show(least), show(most), show(*time));
        self.refuse(Some(written.span()), name, message);
        default
    }
}

fn log(raw: &raw::Log) -> Log {
    Log {
        level: plain(&raw.level, LogLevel::Info),
        format: plain(&raw.format, LogFormat::Text),
        journal: plain(&raw.journal, JournalChoice::Auto),
    }
}

fn metrics(raw: &raw::Metrics) -> Option<Metrics> {
    let enabled = raw.enabled.as_ref().is_none_or(|enabled| *enabled.get_ref());
    let address = plain(&raw.address, ([127, 0, 0, 1], 9464).into());
    enabled.then_some(Metrics { address })
}

/// A value whose syntax is its only rule.
fn plain<T: Copy>(key: &Text<T>, default: T) -> T {
    key.as_ref().map_or(default, |written| written.get_ref().0)
}

/// Where a key stands, if it is in the file.
fn place<T>(key: &Key<T>) -> Option<Range<usize>> {
    key.as_ref().map(toml::Spanned::span)
}

const fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

const fn hours(number: u64) -> Duration {
    seconds(number * 3600)
}

const fn days(number: u64) -> Duration {
    hours(number * 24)
}

/// A time as one would write it in the file.
fn show(time: Duration) -> String {
    let millis = time.as_millis();
    [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")]
        .into_iter()
        .find(|(each, _)| millis > 0 && millis.is_multiple_of(*each))
        .map_or_else(|| format!("\"{millis}ms\""), |(each, unit)| format!("\"{}{unit}\"", millis / each))
}
