//! An office with an uplink, and the authority that signs for it and its brokers.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use peers::broker::Broker;
use peers::certs::{Authority, Identity};
use peers::office::{Office, Setup};
use peers::process::Scratch;
use peers::{Failure, Outcome};
use serde_json::Value;
use tokio::time::sleep;

use crate::BINARY;

/// Long enough for a machine that compiles beside the test.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Where everything about the brokers lies.
pub(crate) struct Site {
    pub(crate) scratch: Scratch,
    pub(crate) authority: Authority,
}

impl Site {
    pub(crate) fn new() -> Outcome<Self> {
        let scratch = Scratch::new("uplink")?;
        let authority = Authority::new(&scratch.join("ca"))?;
        Ok(Self { scratch, authority })
    }

    /// A broker that runs.
    pub(crate) async fn broker(&self, name: &str) -> Outcome<Broker> {
        Broker::start(name, &self.scratch, &self.authority).await
    }

    /// An office without Asterisk that knows these brokers, with these lines of `[uplink]` besides.
    pub(crate) fn setup(&self, brokers: &[&Broker], lines: &str) -> Outcome<Setup> {
        let box_ = self.authority.issue("box", &["box"])?;
        Ok(setup(brokers, self.authority.certificate(), &box_, lines))
    }

    /// The same, opened.
    pub(crate) async fn office(&self, brokers: &[&Broker], lines: &str) -> Outcome<Office> {
        Office::open(BINARY, self.setup(brokers, lines)?).await
    }
}

/// An office's configuration with an uplink that shows this identity and trusts this CA.
pub(crate) fn setup(brokers: &[&Broker], ca: &Path, own: &Identity, lines: &str) -> Setup {
    let urls: Vec<String> = brokers.iter().map(|broker| format!("{:?}", broker.url())).collect();
    let _ = std::fs::set_permissions(&own.key, std::fs::Permissions::from_mode(0o600));
    let (ca, certificate, key) = (ca.display(), own.certificate.display(), own.key.display());
    Setup { extensions: "1001-1008".to_owned(), ..Setup::without_asterisk() }.with(
        "uplink",
        format!(
            "brokers = [{}]\nca = \"{ca}\"\ncertificate = \"{certificate}\"\nkey = \"{key}\"\nkeep-alive = \"5s\"\n\
             retry-min = \"200ms\"\nretry-max = \"1s\"\nconnect-time = \"5s\"\n{lines}",
            urls.join(", ")
        ),
    )
}

/// A topic of the office.
pub(crate) fn topic(name: &str) -> String {
    format!("branchline/v1/BRU/{name}")
}

/// A condition as `branchline status` shows it, once it pleases.
pub(crate) async fn condition(
    office: &Office,
    name: &str,
    is_right: impl Fn(&Value) -> bool,
) -> Outcome<Value> {
    let mut status = Value::Null;
    for _ in 0..200 {
        status = office.json(&["status"]).await?;
        let conditions = status["conditions"].as_array().into_iter().flatten();
        if let Some(found) = conditions.into_iter().find(|one| one["name"] == name && is_right(one)) {
            return Ok(found.clone());
        }
        sleep(Duration::from_millis(100)).await;
    }
    Err(Failure::new(format!("{name} is not as it should be: {status:#}")))
}

/// Stops the daemon as systemd does.
pub(crate) async fn stop(office: &Office) -> Outcome {
    let mut kill = std::process::Command::new("kill");
    kill.args(["-TERM", &office.pid().to_string()]).status()?;
    for _ in 0..200 {
        if !office.is_running() {
            return Ok(());
        }
        sleep(Duration::from_millis(100)).await;
    }
    Err(Failure::new("the daemon does not stop"))
}
