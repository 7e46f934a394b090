//! Branchline on a machine with systemd, its files where a package puts them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use peers::machine::{Machine, Tree};
use peers::phone::{Algorithm, Settings};
use peers::{Failure, Outcome};
use serde_json::Value;

/// The service.
pub(crate) const UNIT: &str = "branchline.service";
/// Its drop-in of one test.
pub(crate) const DROP_IN: &str = "/etc/systemd/system/branchline.service.d/test.conf";
/// The configuration.
pub(crate) const CONFIG: &str = "/etc/branchline/branchline.toml";
/// What each test's configuration begins with: phones without TLS, from the machine itself only.
pub(crate) const BASE_CONFIG: &str = "\
[office]
id = \"BRU\"
[[sip.listen]]
transport = \"tls\"
address = \"0.0.0.0:5061\"
[[sip.listen]]
transport = \"udp\"
address = \"127.0.0.1:5060\"
networks = [\"127.0.0.0/8\"]
";
/// Longest time for anything that systemd does on request; the machine may be busy with other tests.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A machine with Branchline installed, and not started.
#[derive(Debug)]
pub(crate) struct Installed {
    pub(crate) machine: Machine,
}

/// A file of this repository.
pub(crate) fn shipped(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The shipped units.
pub(crate) const UNITS: [&str; 3] =
    ["branchline.service", "branchline-sip-tls.socket", "branchline-https.socket"];

/// The files of a package and a configuration, still without a machine.
pub(crate) fn package(name: &str, config: &str) -> Outcome<Tree> {
    let tree = Tree::new(&format!("systemd-{name}"))?;
    tree.copy(Path::new(env!("CARGO_BIN_EXE_branchline")), "/usr/bin/branchline")?;
    for unit in UNITS {
        tree.copy(&shipped("systemd").join(unit), &format!("/usr/lib/systemd/system/{unit}"))?;
    }
    tree.copy(&shipped("systemd/branchline.sysusers"), "/usr/lib/sysusers.d/branchline.conf")?;
    tree.copy(&shipped("systemd/branchline.tmpfiles"), "/usr/lib/tmpfiles.d/branchline.conf")?;
    tree.write(CONFIG, &format!("{BASE_CONFIG}{config}"))?;
    Ok(tree)
}

impl Installed {
    /// Boots a machine with the package.
    pub(crate) fn boot(name: &str) -> Outcome<Self> {
        Self::boot_with(package(name, "")?)
    }

    /// Boots a machine with these files.
    pub(crate) fn boot_with(tree: Tree) -> Outcome<Self> {
        let machine = tree.boot()?;
        println!("booted in {:?}", machine.booted_in());
        Ok(Self { machine })
    }

    /// `systemctl …`
    pub(crate) fn systemctl(&self, words: &[&str]) -> Outcome<String> {
        let command = [&["systemctl"], words].concat();
        self.machine.run(&command).map_err(|failure| self.explain(&failure))
    }

    /// Starts the service; returns when it is ready.
    pub(crate) fn start(&self) -> Outcome {
        self.systemctl(&["start", UNIT]).map(drop)
    }

    /// A property of the service.
    pub(crate) fn property(&self, name: &str) -> Outcome<String> {
        Ok(self.systemctl(&["show", "--property", name, "--value", UNIT])?.trim().to_owned())
    }

    /// Waits until a property of the service is right.
    pub(crate) fn property_until(&self, name: &str, is_right: impl Fn(&str) -> bool) -> Outcome<String> {
        let command = ["systemctl", "show", "--property", name, "--value", UNIT];
        let value = self.machine.run_until(&command, SOON, |value| is_right(value.trim()));
        Ok(value.map_err(|failure| self.explain(&failure))?.trim().to_owned())
    }

    /// Waits until the service runs again after `restarts` restarts by systemd; its pid in the machine.
    pub(crate) fn restarted(&self, restarts: u32) -> Outcome<String> {
        let restarts = restarts.to_string();
        self.property_until("NRestarts", |count| count == restarts)?;
        self.property_until("SubState", |state| state == "running")?;
        self.property("MainPID")
    }

    /// What the journal has of the service, by systemd itself or by a process of it.
    pub(crate) fn journal(&self) -> Outcome<Vec<Value>> {
        let text = self
            .machine
            .run(&["journalctl", "--sync"])
            .and_then(|_| self.machine.run(&["journalctl", "--no-pager", "--output=json", "--unit", UNIT]))?;
        text.lines().map(|line| serde_json::from_str(line).map_err(Failure::from)).collect()
    }

    /// The messages of the journal.
    pub(crate) fn messages(&self) -> Outcome<String> {
        let text = |entry: &Value| entry["MESSAGE"].as_str().unwrap_or_default().to_owned();
        Ok(self.journal()?.iter().map(text).collect::<Vec<_>>().join("\n"))
    }

    /// Creates extensions as an operator does; their phones, by UDP, in that order.
    pub(crate) fn extensions(&self, numbers: &[&str]) -> Outcome<Vec<Settings>> {
        let command = [&["branchline", "--json", "extension", "add"], numbers].concat();
        let made: Value = serde_json::from_str(&self.machine.run(&command)?)?;
        let phone = |one: &Value| {
            let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
            let server = SocketAddr::from(([127, 0, 0, 1], 5060));
            let mut settings =
                Settings::new(&text("extension"), server).with_password(&text("password"), Algorithm::Sha256);
            if let Some(credentials) = &mut settings.credentials {
                credentials.username = text("username");
            }
            settings
        };
        Ok(made.as_array().map(|all| all.iter().map(phone).collect()).unwrap_or_default())
    }

    /// Adds to the unit file as `systemctl edit` would.
    pub(crate) fn edit(&self, text: &str) -> Outcome {
        self.machine.run(&["mkdir", "-p", "/etc/systemd/system/branchline.service.d"])?;
        self.machine.write(DROP_IN, text)?;
        self.systemctl(&["daemon-reload"]).map(drop)
    }

    /// Sends a signal to the daemon's process.
    pub(crate) fn kill(&self, signal: &str) -> Outcome {
        self.systemctl(&["kill", "--kill-whom=main", "--signal", signal, UNIT]).map(drop)
    }

    /// A line of `/proc/PID/status` of the daemon.
    pub(crate) fn process_status(&self, name: &str) -> Outcome<String> {
        let pid = self.property("MainPID")?;
        let text = self.machine.run(&["cat", &format!("/proc/{pid}/status")])?;
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
        line.map(|value| value.trim().to_owned()).ok_or_else(|| Failure::new(format!("no {name} in {text}")))
    }

    /// A TLS handshake with a port of the machine; what `openssl s_client` says of it.
    pub(crate) fn handshake(&self, port: u16, options: &[&str]) -> Outcome<Output> {
        let mut command = self.machine.in_network("openssl");
        command.args(["s_client", "-connect", &format!("127.0.0.1:{port}"), "-brief"]);
        Ok(command.args(options).stdin(Stdio::null()).output()?)
    }

    /// A failure with the service's journal behind it.
    pub(crate) fn explain(&self, failure: &Failure) -> Failure {
        let journal = ["journalctl", "--no-pager", "--lines=40", "--unit", UNIT];
        let journal = self.machine.run(&journal).unwrap_or_default();
        Failure::new(format!("{failure}\n---- journal\n{journal}"))
    }
}
