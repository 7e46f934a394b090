//! What the daemon stands on: log, metrics, health, store, certificates, and how they are reloaded.
//!
//! The listeners, the engine and the media workers are started on top of it in `run`.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tracing::{error, info, warn};

use super::control::{CertificateView, StatusView};
use super::journal::Journal;
use super::pki::{self, PkiError, Renewal, TlsEndpoint, TlsFiles};
use super::store::{Store, StoreOptions};
use crate::cli::RunOrder;
use crate::config::{self, Config, Environment, Transport};
use crate::observe::{Condition, Health, Metrics};
use crate::time::WallTime;

/// Changes that may wait for the disk.
const STORE_QUEUE: usize = 8192;
/// A certificate that ends within this is a condition.
const EXPIRING: Duration = Duration::from_secs(86_400 * 30);

/// The ground under everything else.
#[derive(Debug)]
pub struct Daemon {
    /// The configuration in force. A reload takes `[log]`, certificates, `[sip.limits]`, `[sip.registrar]`, `[numbers]`
    /// and `[calls]` but for its `max`; the rest takes effect at a restart.
    pub config: Config,
    /// Counters.
    pub metrics: Metrics,
    /// What is wrong.
    pub health: Health,
    /// What survives a restart.
    pub store: Store,
    /// Of the SIP/TLS listeners, if there are any.
    pub sip_tls: Option<TlsEndpoint>,
    /// Of the HTTPS listener, if there is one.
    pub https_tls: Option<TlsEndpoint>,
    /// Of the listener for other offices, if there is one.
    pub offices_tls: Option<TlsEndpoint>,
    file: Option<PathBuf>,
    environment: Environment,
    journal: Journal,
}

impl Daemon {
    /// Opens log, store and certificates. Only a certificate can fail: without one there is no listener.
    pub fn open(order: RunOrder) -> Result<Self, PkiError> {
        let RunOrder { config, file, environment } = order;
        let office = config.office.id.as_str();
        let (metrics, health) = (Metrics::new(office), Health::new());
        let journal = Journal::start(&config.log, environment.journal, office, &metrics, health.clone());
        info!(version = env!("CARGO_PKG_VERSION"), "starting");
        let store = Store::open(StoreOptions {
            directory: config.paths.state.clone(),
            queue: STORE_QUEUE,
            keep_calls: config.records.keep,
            max_call_age: config.records.max_age,
            metrics: metrics.clone(),
            health: health.clone(),
        });
        let opened = open_tls(&config);
        let (sip_tls, https_tls, offices_tls) =
            opened.inspect_err(|error| error!(reason = "certificate", "{error}"))?;
        let daemon = Self {
            config,
            metrics,
            health,
            store,
            sip_tls,
            https_tls,
            offices_tls,
            file,
            environment,
            journal,
        };
        daemon.look_at_certificates();
        Ok(daemon)
    }

    /// Reads configuration and certificates again. What cannot be read or is refused leaves the former in
    /// force and becomes a condition. Returns what was done, in words.
    pub fn reload(&mut self) -> String {
        let mut done = vec![self.reload_config(), self.reload_certificates()];
        self.look_at_certificates();
        done.retain(|words| !words.is_empty());
        done.join("; ")
    }

    /// Renews our own certificate and revocation list where it is time, and reads the others again: without it they
    /// would end while the daemon runs.
    pub fn renew_certificates(&mut self) {
        self.reload_certificates();
        self.look_at_certificates();
    }

    /// Raises or clears the conditions of certificates that end soon or have ended. To be called now and then.
    pub fn look_at_certificates(&self) {
        let now = wall_now();
        let first = self.certificates().into_iter().min_by_key(|certificate| certificate.expires_ms);
        let Some(CertificateView { listener, expires_ms }) = first else { return };
        let left = WallTime(expires_ms).since(now);
        let set = |condition, raised: bool, words: String| {
            if !raised {
                self.health.clear(condition);
            } else if self.health.raise(condition, &words) {
                warn!(reason = condition.as_str(), listener, "{words}");
            }
        };
        let days = left.as_secs() / 86_400;
        set(
            Condition::CertificateExpired,
            left.is_zero(),
            format!("the certificate of {listener} has ended"),
        );
        let expiring = left < EXPIRING && !left.is_zero();
        set(
            Condition::CertificateExpiring,
            expiring,
            format!("the certificate of {listener} ends in {days} days"),
        );
    }

    /// Our certificates and when they end.
    pub fn certificates(&self) -> Vec<CertificateView> {
        let view = |listener: &str, endpoint: &TlsEndpoint| CertificateView {
            listener: listener.to_owned(),
            expires_ms: endpoint.expires().0,
        };
        let sip = self.sip_tls.iter().map(|endpoint| view("sip", endpoint));
        let https = self.https_tls.iter().map(|endpoint| view("https", endpoint));
        let offices = self.offices_tls.iter().map(|endpoint| view("offices", endpoint));
        sip.chain(https).chain(offices).collect()
    }

    /// The part of the status that this ground knows; whoever knows counts fills them in.
    pub fn status(&self) -> StatusView {
        let sip = self.config.sip.listen.iter();
        let mut listeners: Vec<String> =
            sip.map(|listen| format!("{} {}", listen.transport.as_str(), listen.address)).collect();
        listeners.extend(self.config.federation.address.iter().map(|address| format!("offices {address}")));
        listeners.extend(self.config.https.iter().map(|https| format!("https {}", https.address)));
        StatusView {
            office: self.config.office.id.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_seconds: self.metrics.uptime().as_secs(),
            state: "ready".to_owned(),
            asterisk: self.asterisk_state().to_owned(),
            listeners,
            certificates: self.certificates(),
            conditions: self.health.snapshot().into_iter().map(Into::into).collect(),
            ..StatusView::default()
        }
    }

    fn asterisk_state(&self) -> &'static str {
        if self.config.asterisk.is_none() {
            "off"
        } else if self.health.is_raised(Condition::AsteriskDown) {
            "down"
        } else {
            "up"
        }
    }

    fn reload_config(&mut self) -> String {
        let Some(file) = &self.file else { return "no configuration file: defaults stay".to_owned() };
        let fresh = match config::load(file, &self.environment) {
            Ok(fresh) => fresh,
            Err(error) => {
                self.health.raise(Condition::ConfigRefused, error.to_string());
                for problem in &error.problems {
                    error!(reason = "config-refused", "{problem}");
                }
                return format!("the configuration was refused, the former stays: {error}");
            }
        };
        self.health.clear(Condition::ConfigRefused);
        self.journal.set_level(fresh.log.level);
        let waiting = sections_that_wait(&self.config, &fresh);
        self.config.log = fresh.log;
        self.config.sip.tls = fresh.sip.tls;
        (self.config.sip.limits, self.config.sip.registrar) = (fresh.sip.limits, fresh.sip.registrar);
        self.config.calls = config::Calls { max: self.config.calls.max, ..fresh.calls };
        self.config.numbers = fresh.numbers;
        if let (Some(own), Some(fresh)) = (&mut self.config.https, fresh.https) {
            (own.certificate, own.clients) = (fresh.certificate, fresh.clients);
            (own.ca, own.crl) = (fresh.ca, fresh.crl);
        }
        if waiting.is_empty() {
            return "configuration read".to_owned();
        }
        let words = format!("configuration read; a restart is needed for {}", waiting.join(", "));
        warn!(reason = "restart-needed", "{words}");
        words
    }

    fn reload_certificates(&mut self) -> String {
        let now = wall_now();
        let https = pki::https_files(&self.config, now);
        let mut outcomes = Vec::new();
        if let Some(endpoint) = &mut self.sip_tls {
            outcomes.push(("sip", renew(endpoint, pki::sip_files(&self.config, now))));
        }
        if let (Some(endpoint), Some(files)) = (&mut self.https_tls, https.transpose()) {
            outcomes.push(("https", renew(endpoint, files)));
        }
        if let (Some(endpoint), Some(files)) = (&mut self.offices_tls, pki::offices_files(&self.config)) {
            outcomes.push(("offices", endpoint.reload(files)));
        }
        let mut words = Vec::new();
        let mut refused = None;
        for (listener, outcome) in outcomes {
            match outcome {
                Ok(Renewal { replaced: false, .. }) => {}
                Ok(Renewal { was, now, .. }) => {
                    info!(listener, was_ms = was.0, now_ms = now.0, "a certificate was replaced");
                    words.push(format!("{listener} has a new certificate"));
                }
                Err(error) => {
                    error!(reason = "certificate-refused", listener, "the former stays in force: {error}");
                    words.push(format!("the certificate of {listener} was refused: {error}"));
                    refused = Some(error.to_string());
                }
            }
        }
        match refused {
            Some(error) => drop(self.health.raise(Condition::CertificateRefused, error)),
            None => drop(self.health.clear(Condition::CertificateRefused)),
        }
        words.join("; ")
    }
}

/// The listeners' endpoints: SIP's, the web's, and other offices'.
type Endpoints = (Option<TlsEndpoint>, Option<TlsEndpoint>, Option<TlsEndpoint>);

fn open_tls(config: &Config) -> Result<Endpoints, PkiError> {
    let now = wall_now();
    let speaks_tls = config.sip.listen.iter().any(|listen| listen.transport == Transport::Tls);
    let sip = if speaks_tls { Some(TlsEndpoint::open(pki::sip_files(config, now)?)?) } else { None };
    let https = pki::https_files(config, now)?.map(TlsEndpoint::open).transpose()?;
    let offices = pki::offices_files(config).map(TlsEndpoint::open).transpose()?;
    Ok((sip, https, offices))
}

fn renew(endpoint: &mut TlsEndpoint, files: Result<TlsFiles, PkiError>) -> Result<Renewal, PkiError> {
    endpoint.reload(files?)
}

/// The sections that differ and cannot be changed while calls are up.
fn sections_that_wait(own: &Config, fresh: &Config) -> Vec<&'static str> {
    let config::Sip { tls, limits, registrar, .. } = fresh.sip.clone();
    let sip = config::Sip { tls, registrar, limits, ..own.sip.clone() };
    let https_differs = own.https.as_ref().map(|https| (https.address, &https.origins))
        != fresh.https.as_ref().map(|https| (https.address, &https.origins));
    let differ = [
        ("[office]", own.office != fresh.office),
        ("[paths]", own.paths != fresh.paths),
        ("[sip]", sip != fresh.sip),
        ("[https]", https_differs),
        ("[media]", own.media != fresh.media),
        ("[asterisk]", own.asterisk != fresh.asterisk),
        ("[calls] max", own.calls.max != fresh.calls.max),
        ("[federation]", own.federation != fresh.federation),
        ("[uplink]", own.uplink != fresh.uplink),
        ("[records]", own.records != fresh.records),
        ("[metrics]", own.metrics != fresh.metrics),
    ];
    differ.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
}

fn wall_now() -> WallTime {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    WallTime(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn order(directory: &Path, text: &str) -> RunOrder {
        let file = directory.join("branchline.toml");
        let state = directory.join("state");
        let text = format!("[paths]\nstate-dir = \"{}\"\n{text}", state.display());
        fs::write(&file, text).unwrap();
        let environment = Environment::default();
        let config = config::load(&file, &environment).unwrap();
        RunOrder { config, file: Some(file), environment }
    }

    #[test]
    fn a_reload_takes_what_it_can_and_says_what_must_wait() {
        let directory = std::env::temp_dir().join(format!("branchline-daemon-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let mut daemon = Daemon::open(order(&directory, "")).unwrap();
        assert_eq!(daemon.reload(), "configuration read");
        assert_eq!(daemon.status().certificates.len(), 2);
        assert_eq!(daemon.status().asterisk, "off");

        order(&directory, "[media]\ndscp = 0\n[log]\nlevel = \"warn\"\n[calls]\nring-timeout = \"9s\"\n");
        assert_eq!(daemon.reload(), "configuration read; a restart is needed for [media]");
        assert_eq!(daemon.config.media.dscp, 46, "calls are not disturbed");
        assert_eq!(daemon.config.calls.ring_timeout, Duration::from_secs(9), "the next call takes it");

        fs::write(directory.join("branchline.toml"), "[media]\ndcsp = 0\n").unwrap();
        assert!(daemon.reload().contains("did you mean `dscp`?"));
        assert!(daemon.health.is_raised(Condition::ConfigRefused));

        order(&directory, "");
        fs::write(directory.join("state/pki/issued/server.key"), "garbage").unwrap();
        assert!(daemon.reload().contains("the certificate of sip was refused"));
        assert!(!daemon.health.is_raised(Condition::ConfigRefused));
        assert!(daemon.health.is_raised(Condition::CertificateRefused));
        fs::remove_file(directory.join("state/pki/issued/server.key")).unwrap();
        assert!(daemon.reload().contains("sip has a new certificate"), "made anew");
        assert!(!daemon.health.is_raised(Condition::CertificateRefused));
        daemon.store.close();
        fs::remove_dir_all(directory).unwrap();
    }
}
