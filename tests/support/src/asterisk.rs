//! A private Asterisk 22, as `scripts/asterisk` runs it.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::process::Scratch;
use crate::wan::Place;
use crate::{Failure, Outcome, ports};

/// RTP ports of one instance.
const RTP_PORTS: u16 = 100;

/// How an instance is set up.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The loopback address of SIP and RTP.
    pub address: IpAddr,
    /// Extensions, such as `1001-1006`; empty for none.
    pub extensions: String,
    /// `hangup` or `voicemail`.
    pub fallback: &'static str,
    /// Where Branchline takes SIP from it.
    pub branchline: SocketAddr,
    /// The host that it runs on, at its loopback address; else this machine.
    pub place: Option<Place>,
    /// How long an extension rings.
    pub ring_time: Duration,
    /// More of its configuration, for tests that meet Asterisk without Branchline: names (`pjsip`, `extensions`,
    /// `modules`, `http`) of `*_local.conf` files and their text.
    pub local: Vec<(&'static str, String)>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            address: IpAddr::from([127, 0, 0, 1]),
            extensions: "1001-1006".to_owned(),
            fallback: "hangup",
            branchline: SocketAddr::from(([127, 0, 0, 1], 5070)),
            place: None,
            ring_time: Duration::from_secs(30),
            local: Vec::new(),
        }
    }
}

/// A running instance; dropped, it is stopped and its directory removed.
#[derive(Debug)]
pub struct Asterisk {
    scratch: Scratch,
    sip: SocketAddr,
    place: Option<Place>,
}

/// The path of a script of this repository.
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts").join(name)
}

async fn run(place: Option<&Place>, arguments: &[&str]) -> Outcome<String> {
    let script = script("asterisk");
    let mut command = place.map_or_else(|| Command::new(&script), |place| place.command(&script));
    command.args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Failure::new(format!("scripts/asterisk {}: {}\n{said}", arguments.join(" "), output.status)))
}

impl Asterisk {
    /// Boots one with the extensions 1001 to 1006, on ports that are free.
    pub async fn start() -> Outcome<Self> {
        Self::start_with(Setup::default()).await
    }

    /// Boots one as told.
    pub async fn start_with(setup: Setup) -> Outcome<Self> {
        let scratch = Scratch::new("asterisk")?;
        std::fs::create_dir_all(scratch.join("etc"))?;
        for (name, text) in &setup.local {
            std::fs::write(scratch.join(&format!("etc/{name}_local.conf")), text)?;
        }
        let sip = SocketAddr::new(setup.address, ports::free_port(setup.address)?);
        let rtp = ports::free_block(setup.address, RTP_PORTS)?;
        let instance = Self { scratch, sip, place: setup.place.clone() };
        let range = format!("{rtp}-{}", rtp + RTP_PORTS - 1);
        let (port, address, ring) =
            (sip.port().to_string(), setup.address.to_string(), setup.ring_time.as_secs().to_string());
        let pid = std::process::id().to_string();
        let branchline = setup.branchline.to_string();
        let mut arguments = vec!["start", instance.directory(), "--address", &address, "--sip-port", &port];
        arguments.extend([
            "--rtp",
            &range,
            "--fallback",
            setup.fallback,
            "--ring-time",
            &ring,
            "--branchline",
            &branchline,
            "--while",
            &pid,
        ]);
        if !setup.extensions.is_empty() {
            arguments.extend(["--extensions", &setup.extensions]);
        }
        run(instance.place.as_ref(), &arguments).await?;
        Ok(instance)
    }

    /// Where it takes SIP over UDP.
    pub fn sip(&self) -> SocketAddr {
        self.sip
    }

    /// Its state directory; configuration is in `etc`.
    pub fn directory(&self) -> &str {
        self.scratch.path().to_str().unwrap_or_default()
    }

    /// Runs a command of its command line.
    pub async fn cli(&self, command: &str) -> Outcome<String> {
        run(self.place.as_ref(), &["cli", self.directory(), command]).await
    }

    /// Runs a command until its output pleases.
    pub async fn cli_until(
        &self,
        command: &str,
        within: Duration,
        is_right: impl Fn(&str) -> bool,
    ) -> Outcome<String> {
        let start = Instant::now();
        loop {
            let output = self.cli(command).await?;
            if is_right(&output) {
                return Ok(output);
            }
            if start.elapsed() > within {
                return Err(Failure::new(format!("`{command}` still said after {within:?}:\n{output}")));
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// The URIs at which an extension is registered.
    pub async fn contacts(&self, extension: &str) -> Outcome<Vec<String>> {
        let output = self.cli("pjsip show contacts").await?;
        let start = format!("{extension}/");
        Ok(output
            .split_whitespace()
            .filter_map(|word| word.strip_prefix(&start))
            .map(str::to_owned)
            .collect())
    }

    /// How many channels exist.
    pub async fn channels(&self) -> Outcome<usize> {
        let output = self.cli("core show channels count").await?;
        let count = output.lines().find_map(|line| line.split_once(" active channel")?.0.trim().parse().ok());
        count.ok_or_else(|| Failure::new(format!("no count of channels in: {output}")))
    }

    /// Waits until no channel is left.
    pub async fn idle(&self, within: Duration) -> Outcome {
        self.cli_until("core show channels count", within, |output| output.contains("0 active channels"))
            .await?;
        Ok(())
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        let file = self.scratch.join("log/full.log");
        std::fs::read(file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Waits until its log contains `text`.
    pub async fn wait_for_log(&self, text: &str, within: Duration) -> Outcome {
        let start = Instant::now();
        while !self.log().contains(text) {
            if start.elapsed() > within {
                let log = self.log();
                let tail: Vec<&str> = log.lines().rev().take(30).collect();
                let tail: Vec<&str> = tail.into_iter().rev().collect();
                return Err(Failure::new(format!("no {text:?} in Asterisk's log:\n{}", tail.join("\n"))));
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Kills it, as a crash would.
    pub async fn kill(&self) -> Outcome {
        run(self.place.as_ref(), &["kill", self.directory()]).await.map(drop)
    }

    /// Starts it again after [`Self::kill`], or stops and starts it, on the same ports.
    pub async fn restart(&self) -> Outcome {
        run(self.place.as_ref(), &["restart", self.directory()]).await.map(drop)
    }

    /// Replaces its extensions.
    pub async fn provision(&self, extensions: &str) -> Outcome {
        run(self.place.as_ref(), &["provision", self.directory(), extensions]).await.map(drop)
    }
}

impl Drop for Asterisk {
    fn drop(&mut self) {
        let mut command = Command::new(script("asterisk"));
        command.args(["stop", self.directory()]);
        if !matches!(command.status(), Ok(status) if status.success()) {
            eprintln!("asterisk in {} was not stopped", self.directory());
        }
    }
}
