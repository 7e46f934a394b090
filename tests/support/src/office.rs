//! An office for one test: a private Asterisk, Branchline's daemon in front of it, and accounts to hand out.
//!
//! The daemon is the product's binary, known here only by its path, its command line and its configuration file.

mod configuration;
mod devices;
mod launch;

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::sleep;

use self::configuration::configuration;
use self::launch::launch;
use crate::asterisk::{self, Asterisk};
use crate::process::{Process, Scratch};
use crate::wan::Place;
use crate::{Failure, Outcome};

/// How long the daemon may take to be ready, on a machine that compiles beside it.
const START: Duration = Duration::from_secs(30);
const SOON: Duration = Duration::from_secs(10);
const REALM: &str = "branchline";

/// How an office is set up.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The office's id.
    pub office: &'static str,
    /// The Asterisk behind it, if there is one.
    pub asterisk: Option<asterisk::Setup>,
    /// The host of a [wide-area network](crate::wan) that it stands on; else this machine's loopback interface.
    pub place: Option<Place>,
    /// The extensions that get accounts.
    pub extensions: String,
    /// `off`, `optional` or `required`.
    pub client_certificates: &'static str,
    /// Names and their addresses as `/etc/hosts` has them, which the daemon sees instead of this machine's.
    pub hosts: Option<PathBuf>,
    /// Lines for tables of the configuration, such as `("sip.limits", "connections = 10")`.
    pub more: Vec<(&'static str, String)>,
}

impl Default for Setup {
    fn default() -> Self {
        let extensions = "1001-1060".to_owned();
        let asterisk = asterisk::Setup { extensions: extensions.clone(), ..asterisk::Setup::default() };
        Self {
            office: "BRU",
            asterisk: Some(asterisk),
            place: None,
            extensions,
            client_certificates: "off",
            hosts: None,
            more: Vec::new(),
        }
    }
}

impl Setup {
    /// Branchline alone.
    pub fn without_asterisk() -> Self {
        Self { asterisk: None, ..Self::default() }
    }

    /// On a host of its own, its Asterisk too.
    pub fn at(mut self, place: &Place) -> Self {
        self.place = Some(place.clone());
        if let Some(asterisk) = &mut self.asterisk {
            asterisk.place = Some(place.clone());
        }
        self
    }

    /// With a line in a table of the configuration.
    pub fn with(mut self, table: &'static str, line: impl Into<String>) -> Self {
        self.more.push((table, line.into()));
        self
    }
}

/// What the command line handed over for one extension.
#[derive(Debug, Clone)]
pub struct Account {
    /// The number.
    pub extension: String,
    /// The password of digest and of the page.
    pub password: String,
    /// The bearer token of the page.
    pub token: String,
}

/// A running office; dropped, all of it ends. An office that is not [closed](Self::close) prints its logs.
pub struct Office {
    scratch: Scratch,
    binary: PathBuf,
    places: Places,
    place: Option<Place>,
    hosts: Option<PathBuf>,
    accounts: Mutex<VecDeque<Account>>,
    daemon: Mutex<Process>,
    asterisk: Option<Asterisk>,
    closed: bool,
}

/// Where it listens.
#[derive(Debug, Clone, Copy)]
pub struct Places {
    /// SIP over UDP, and over TCP on the same port.
    pub udp: SocketAddr,
    /// SIP over TLS.
    pub tls: SocketAddr,
    /// HTTPS: the page, `/ws/auth`, `/sip`.
    pub https: SocketAddr,
    /// Prometheus.
    pub metrics: SocketAddr,
    /// The port of all browsers' media.
    pub webrtc: SocketAddr,
    /// The first of the phones' media ports.
    pub phone_ports: u16,
    trunk: u16,
    uplink: SocketAddr,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Office {
    /// Starts Asterisk, writes the configuration, makes the site's CA and accounts by the command line of
    /// `binary`, starts its daemon, and waits until it is ready and Asterisk is reached.
    pub async fn open(binary: &str, setup: Setup) -> Outcome<Self> {
        let scratch = Scratch::new("office")?;
        let places = Places::choose(setup.place.as_ref())?;
        let asterisk = match setup.asterisk.clone() {
            Some(wanted) => {
                let wanted = asterisk::Setup { branchline: places.uplink, ..wanted };
                Some(Asterisk::start_with(wanted).await?)
            }
            None => None,
        };
        let config = configuration(&scratch, &places, asterisk.as_ref().map(Asterisk::sip), &setup);
        std::fs::write(scratch.join("branchline.toml"), config)?;
        let binary = PathBuf::from(binary);
        let ca = scratch.join("ca").display().to_string();
        let address = places.tls.ip().to_string();
        let init = ["ca", "init", &ca, "--server", &address, "--server", "localhost"];
        run(&binary, &scratch, &init).await?;
        let handed = run(&binary, &scratch, &["extension", "add", &setup.extensions, "--json"]).await?;
        let accounts = Mutex::new(accounts_of(&handed)?);
        let daemon = Mutex::new(launch(&binary, &scratch, setup.place.as_ref(), setup.hosts.as_deref())?);
        let (place, hosts) = (setup.place, setup.hosts);
        let office =
            Self { scratch, binary, places, place, hosts, accounts, daemon, asterisk, closed: false };
        office.ready().await?;
        Ok(office)
    }

    /// Where it listens.
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// The Asterisk behind it.
    pub fn asterisk(&self) -> &Asterisk {
        self.asterisk.as_ref().expect("this office has an Asterisk")
    }

    /// An account that nobody else has been given.
    pub fn account(&self) -> Outcome<Account> {
        locked(&self.accounts).pop_front().ok_or_else(|| Failure::new("all accounts are taken"))
    }

    /// The certificate of the site's CA.
    pub fn authority(&self) -> PathBuf {
        self.scratch.join("ca/ca.pem")
    }

    /// A path in the office's directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.scratch.join(name)
    }

    // ---- the daemon -------------------------------------------------------------------------------------------

    /// Runs a command of the product's command line on this office; returns what it printed.
    pub async fn cli(&self, words: &[&str]) -> Outcome<String> {
        run(&self.binary, &self.scratch, words).await
    }

    /// The same with `--json`.
    pub async fn json(&self, words: &[&str]) -> Outcome<Value> {
        let words: Vec<&str> = words.iter().copied().chain(["--json"]).collect();
        Ok(serde_json::from_str(&self.cli(&words).await?)?)
    }

    /// Waits until the daemon is ready, and Asterisk is reached if there is one.
    pub async fn ready(&self) -> Outcome {
        let end = Instant::now() + START;
        let wanted = if self.asterisk.is_some() { "up" } else { "off" };
        loop {
            let status = self.json(&["status"]).await;
            if let Ok(status) = &status
                && status["state"] == "ready"
                && status["asterisk"] == wanted
            {
                return Ok(());
            }
            if Instant::now() > end || !locked(&self.daemon).is_running() {
                return Err(Failure::new(format!("the daemon is not ready: {status:?}\n{}", self.tail())));
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// The daemon's process id.
    pub fn pid(&self) -> u32 {
        locked(&self.daemon).pid()
    }

    /// Whether the daemon still runs.
    pub fn is_running(&self) -> bool {
        locked(&self.daemon).is_running()
    }

    /// `kill -9`.
    pub fn kill(&self) {
        locked(&self.daemon).kill();
    }

    /// Starts the daemon again, and waits until it is ready.
    pub async fn restart(&self) -> Outcome {
        *locked(&self.daemon) =
            launch(&self.binary, &self.scratch, self.place.as_ref(), self.hosts.as_deref())?;
        self.ready().await
    }

    /// Writes the configuration anew with these lines besides, and has the daemon read it.
    pub async fn reload(&self, setup: &Setup) -> Outcome {
        let sip = self.asterisk.as_ref().map(Asterisk::sip);
        let config = configuration(&self.scratch, &self.places, sip, setup);
        std::fs::write(self.scratch.join("branchline.toml"), config)?;
        self.cli(&["reload"]).await.map(drop)
    }

    /// What the daemon has logged.
    pub fn log(&self) -> String {
        locked(&self.daemon).log()
    }

    /// Resident memory of the daemon in KiB.
    pub fn memory(&self) -> Outcome<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok())
            .ok_or_else(|| Failure::new("no VmRSS of the daemon"))
    }

    // ---- what it counts ---------------------------------------------------------------------------------------

    /// The metrics as text.
    pub async fn metrics(&self) -> Outcome<String> {
        let mut stream = TcpStream::connect(self.places.metrics).await?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: office\r\nConnection: close\r\n\r\n").await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        Ok(text)
    }

    /// The sum of a metric's series whose text holds every one of `labels`.
    pub async fn metric(&self, name: &str, labels: &[&str]) -> Outcome<f64> {
        let text = self.metrics().await?;
        let series = text.lines().filter(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
                && labels.iter().all(|label| line.contains(label))
        });
        Ok(series.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }

    /// Waits until a metric pleases.
    pub async fn metric_until(
        &self,
        name: &str,
        labels: &[&str],
        within: Duration,
        is_right: impl Fn(f64) -> bool,
    ) -> Outcome<f64> {
        let end = Instant::now() + within;
        loop {
            let value = self.metric(name, labels).await?;
            if is_right(value) {
                return Ok(value);
            }
            if Instant::now() > end {
                let text = self.metrics().await?;
                return Err(Failure::new(format!("{name} {labels:?} is {value} after {within:?}\n{text}")));
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until no call, no port of one and no Asterisk channel is left.
    pub async fn idle(&self) -> Outcome {
        for gauge in ["branchline_calls_active", "branchline_media_ports"] {
            self.metric_until(gauge, &[], SOON, |left| left == 0.0).await?;
        }
        match &self.asterisk {
            Some(asterisk) => asterisk.idle(SOON).await,
            None => Ok(()),
        }
    }

    /// The URIs at which Asterisk sees an extension, waited for until there are `count`.
    pub async fn seen_by_asterisk(&self, extension: &str, count: usize, within: Duration) -> Outcome {
        let end = Instant::now() + within;
        loop {
            let contacts = self.asterisk().contacts(extension).await?;
            if contacts.len() == count {
                return Ok(());
            }
            if Instant::now() > end {
                let why = format!("Asterisk has contacts {contacts:?} of {extension}, not {count}");
                return Err(Failure::new(why));
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    // ---- the end ----------------------------------------------------------------------------------------------

    /// The test went well: nothing is left of its calls, and the daemon never panicked.
    pub async fn close(mut self) -> Outcome {
        self.idle().await?;
        let log = self.log();
        if let Some(panic) = log.lines().find(|line| line.contains("panicked")) {
            return Err(Failure::new(format!("the daemon said: {panic}")));
        }
        self.closed = true;
        Ok(())
    }

    fn tail(&self) -> String {
        let end = |text: String, lines: usize| {
            let tail: Vec<&str> = text.lines().rev().take(lines).collect();
            tail.into_iter().rev().collect::<Vec<_>>().join("\n")
        };
        let mut text = format!("---- daemon\n{}\n", end(self.log(), 60));
        if let Some(asterisk) = &self.asterisk {
            let _ = write!(text, "---- Asterisk\n{}\n", end(asterisk.log(), 25));
        }
        text
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        if !self.closed {
            println!("{}", self.tail());
        }
    }
}

async fn run(binary: &Path, scratch: &Scratch, words: &[&str]) -> Outcome<String> {
    let mut command = Command::new(binary);
    command.args(words).arg("--config").arg(scratch.join("branchline.toml"));
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Failure::new(format!("branchline {}: {}\n{said}", words.join(" "), output.status)))
}

fn accounts_of(handed: &str) -> Outcome<VecDeque<Account>> {
    let rows: Vec<Value> = serde_json::from_str(handed)?;
    let word = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let accounts = rows.iter().map(|row| Account {
        extension: word(row, "extension"),
        password: word(row, "password"),
        token: word(row, "token"),
    });
    Ok(accounts.collect())
}
