//! SIPp: an old UDP phone, or thousands of them, by the scenarios in `tests/peers/sipp`.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process::Scratch;
use crate::{Failure, Outcome, ports, require_program};

/// UDP ports for media of one run.
const MEDIA_PORTS: u16 = 4;

/// What SIPp plays.
#[derive(Debug, Clone)]
pub enum Scenario {
    /// Registers for this many seconds; 0 un-registers.
    Register(u32),
    /// Calls this number and hangs up after the time.
    Call(String, Duration),
    /// A scenario file of the test's own.
    File(PathBuf),
}

/// A run of SIPp.
#[derive(Debug, Clone)]
pub struct Run {
    /// The server, reached by UDP.
    pub server: SocketAddr,
    /// SIPp's own address.
    pub local: SocketAddr,
    /// The extension that it is.
    pub extension: String,
    /// Its password; empty for none.
    pub password: String,
    /// How many times the scenario is played.
    pub count: u32,
    /// How many times a second it begins.
    pub rate: u32,
    /// How long the whole run may take.
    pub within: Duration,
}

impl Run {
    /// One call or registration, from a free port of 127.0.0.1.
    pub fn once(server: SocketAddr, extension: &str, password: &str) -> Outcome<Self> {
        let address = IpAddr::from([127, 0, 0, 1]);
        Ok(Self {
            server,
            local: (address, ports::free_port(address)?).into(),
            extension: extension.to_owned(),
            password: password.to_owned(),
            count: 1,
            rate: 10,
            within: Duration::from_secs(30),
        })
    }

    /// Plays a scenario; every single call must succeed.
    pub async fn play(&self, scenario: &Scenario) -> Outcome {
        let scratch = Scratch::new("sipp")?;
        let mut command = Command::new(require_program("sipp", "phones")?);
        command.arg(self.server.to_string()).args([
            "-nostdin",
            "-rtp_echo",
            "-trace_err",
            "-trace_msg",
            "-m",
        ]);
        command.args([&self.count.to_string(), "-r", &self.rate.to_string(), "-s", &self.extension]);
        command.args(["-i", &self.local.ip().to_string(), "-p", &self.local.port().to_string()]);
        // SIPp takes the media port and the three after it.
        let media = ports::free_block(self.local.ip(), MEDIA_PORTS)?;
        command.args(["-mp", &media.to_string()]);
        command.args(["-timeout", &self.within.as_secs().to_string(), "-timeout_error"]);
        if !self.password.is_empty() {
            command.args(["-au", &self.extension, "-ap", &self.password]);
        }
        command.args(scenario.arguments()).current_dir(scratch.path());
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(Failure::new(format!("sipp {scenario:?}: {}\n{said}\n{}", output.status, traces(scratch.path()))))
    }
}

impl Scenario {
    fn arguments(&self) -> Vec<String> {
        let file = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("../peers/sipp").join(name);
        let (file, more) = match self {
            // Debian's SIPp takes one -key and no more.
            Self::Register(expires) => {
                (file("register.xml"), vec!["-key".into(), "expires".into(), expires.to_string()])
            }
            Self::Call(number, time) => {
                let time = time.as_millis().to_string();
                (file("call.xml"), vec!["-d".into(), time, "-key".into(), "number".into(), number.clone()])
            }
            Self::File(file) => (file.clone(), Vec::new()),
        };
        [vec!["-sf".into(), file.to_string_lossy().into_owned()], more].concat()
    }
}

/// The end of what SIPp wrote about errors and messages.
fn traces(directory: &Path) -> String {
    let files = std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let logs = files.filter(|path| path.extension().is_some_and(|ending| ending == "log"));
    logs.fold(String::new(), |text, path| {
        let log = std::fs::read(&path).unwrap_or_default();
        let end = String::from_utf8_lossy(&log[log.len().saturating_sub(4_000)..]).into_owned();
        text + &format!("{}:\n{end}\n", path.display())
    })
}
