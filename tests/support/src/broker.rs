//! A real Mosquitto with TLS and client certificates, and its own client programs as ops.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::time::sleep;

use crate::certs::{Authority, Identity};
use crate::process::{Process, Scratch, dying_with_us};
use crate::{Failure, Outcome, ports, require_program};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const START: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(50);
const GROUP: &str = "mosquitto";

/// A broker, which may be killed and started again on the same port; what was retained stays.
pub struct Broker {
    name: String,
    directory: PathBuf,
    address: IpAddr,
    port: u16,
    authority: PathBuf,
    ops: Identity,
    process: Option<Process>,
}

/// A message as `mosquitto_sub` heard it.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// When, since 1970.
    pub at: Duration,
    /// Its topic.
    pub topic: String,
    /// Whether the broker had kept it.
    pub retained: bool,
    /// Its document; null when it is empty or no JSON.
    pub document: Value,
}

/// A subscriber to everything, which writes down what it hears.
pub struct Ear {
    process: Process,
}

impl Broker {
    /// Prepares a broker in a directory of its own below `scratch`. Its certificate is signed by `authority`, and so must
    /// those of clients be.
    pub fn prepare(name: &str, scratch: &Scratch, authority: &Authority) -> Outcome<Self> {
        Self::prepare_at(LOOPBACK, name, scratch, authority)
    }

    /// The same at another address of this machine.
    pub fn prepare_at(
        address: IpAddr,
        name: &str,
        scratch: &Scratch,
        authority: &Authority,
    ) -> Outcome<Self> {
        let directory = scratch.join(name);
        std::fs::create_dir_all(&directory)?;
        let own = authority.issue(&format!("{name}-broker"), &[&address.to_string(), "localhost"])?;
        let ops = authority.issue(&format!("{name}-ops"), &["ops"])?;
        let port = ports::free_port(address)?;
        let authority = authority.certificate().to_owned();
        let broker = Self { name: name.to_owned(), directory, address, port, authority, ops, process: None };
        std::fs::write(broker.directory.join("mosquitto.conf"), broker.configuration(&own))?;
        Ok(broker)
    }

    /// The same, started.
    pub async fn start(name: &str, scratch: &Scratch, authority: &Authority) -> Outcome<Self> {
        let mut broker = Self::prepare(name, scratch, authority)?;
        broker.run().await?;
        Ok(broker)
    }

    /// Starts it, or starts it again.
    pub async fn run(&mut self) -> Outcome {
        let mut command = dying_with_us(&require_program("mosquitto", GROUP)?);
        command.arg("-c").arg(self.directory.join("mosquitto.conf"));
        let log = self.directory.join("mosquitto.log");
        let mut process = Process::start(&self.name, command, &log)?;
        process.wait_for_log("running", START).await?;
        self.process = Some(process);
        Ok(())
    }

    /// Asks it to end: it writes down what is retained.
    pub async fn stop(&mut self) -> Outcome {
        if let Some(mut process) = self.process.take() {
            process.terminate(START).await?;
        }
        Ok(())
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Where boxes reach it.
    pub fn url(&self) -> String {
        format!("mqtts://{}:{}", self.address, self.port)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.process.as_ref().map(Process::log).unwrap_or_default()
    }

    /// Listens to everything from now on. The subscriber has a session of its own and comes back by itself: while it or a
    /// broker that was [stopped](Self::stop) is away, it misses nothing.
    pub async fn listen(&self) -> Outcome<Ear> {
        let mut command = dying_with_us(&require_program("stdbuf", GROUP)?);
        command.arg("-oL").arg(require_program("mosquitto_sub", GROUP)?).args(self.client());
        let name = format!("ear-{}", nanoseconds());
        command.args([
            "-d",
            "-c",
            "-x",
            "3600",
            "-i",
            &name,
            "-t",
            "branchline/v1/#",
            "-F",
            "heard %U %r %t %p",
        ]);
        let log = self.directory.join(format!("{name}.log"));
        let mut process = Process::start("mosquitto_sub", command, &log)?;
        process.wait_for_log("Subscribed (mid", START).await?;
        Ok(Ear { process })
    }

    /// Publishes a document, or an empty message, with QoS 1 and waits until the broker has it.
    pub async fn publish(&self, topic: &str, document: &str, retain: bool) -> Outcome {
        let mut command = Command::new(require_program("mosquitto_pub", GROUP)?);
        let from = if document.is_empty() { "-n" } else { "-s" };
        command.args(self.client()).args(["-t", topic, from]).stdin(Stdio::piped()).stdout(Stdio::piped());
        if retain {
            command.arg("-r");
        }
        let document = document.to_owned();
        let output = tokio::task::spawn_blocking(move || {
            let mut child = command.stderr(Stdio::piped()).spawn()?;
            if let Some(mut input) = child.stdin.take() {
                std::io::Write::write_all(&mut input, document.as_bytes())?;
            }
            child.wait_with_output()
        });
        let output = output.await??;
        if output.status.success() {
            return Ok(());
        }
        Err(Failure::new(format!("mosquitto_pub: {}", String::from_utf8_lossy(&output.stderr))))
    }

    fn client(&self) -> Vec<String> {
        let file = |path: &Path| path.display().to_string();
        let port = self.port.to_string();
        [
            "-h",
            &self.address.to_string(),
            "-p",
            &port,
            "-V",
            "5",
            "-q",
            "1",
            "--cafile",
            &file(&self.authority),
        ]
        .into_iter()
        .chain(["--cert", &file(&self.ops.certificate), "--key", &file(&self.ops.key)])
        .map(str::to_owned)
        .collect()
    }

    fn configuration(&self, own: &Identity) -> String {
        let mut text = String::from(
            "user root\nlog_dest stderr\nlog_type all\nallow_anonymous false\npersistence true\nmax_queued_messages 0\n",
        );
        let _ = writeln!(text, "persistence_location {}/", self.directory.display());
        let _ = writeln!(text, "listener {} {}", self.port, self.address);
        let _ = writeln!(text, "cafile {}", self.authority.display());
        let _ = writeln!(text, "certfile {}\nkeyfile {}", own.certificate.display(), own.key.display());
        text.push_str("require_certificate true\nuse_identity_as_username true\n");
        text
    }
}

impl Ear {
    /// Everything heard so far, in order.
    pub fn heard(&self) -> Vec<Heard> {
        let log = self.process.log();
        let lines = log.lines().filter_map(|line| line.strip_prefix("heard "));
        let heard = lines.filter_map(|line| {
            let mut words = line.splitn(4, ' ');
            let at = Duration::try_from_secs_f64(words.next()?.parse().ok()?).ok()?;
            let (retained, topic) = (words.next()? == "1", words.next()?.to_owned());
            let document = serde_json::from_str(words.next().unwrap_or_default()).unwrap_or(Value::Null);
            Some(Heard { at, topic, retained, document })
        });
        heard.collect()
    }

    /// The documents of a topic, in order.
    pub fn documents(&self, topic: &str) -> Vec<Value> {
        self.heard().into_iter().filter(|one| one.topic == topic).map(|one| one.document).collect()
    }

    /// Waits until a document of this topic pleases; returns it.
    pub async fn until(
        &mut self,
        topic: &str,
        within: Duration,
        is_right: impl Fn(&Value) -> bool,
    ) -> Outcome<Value> {
        let end = Instant::now() + within;
        loop {
            let documents = self.documents(topic);
            if let Some(found) = documents.iter().rev().find(|document| is_right(document)) {
                return Ok(found.clone());
            }
            if Instant::now() > end {
                return Err(Failure::new(format!(
                    "nothing right on {topic} within {within:?}: {documents:#?}"
                )));
            }
            sleep(POLL).await;
        }
    }
}

fn nanoseconds() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_nanos())
}
