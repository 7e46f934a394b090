//! A carrier behind a `PstnGateway`: SIPp, which takes calls by address and sends back what it hears.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::process::{Process, Scratch, dying_with_us};
use crate::{Outcome, ports, require_program};

/// SIPp takes the media port and the three after it.
const MEDIA_PORTS: u16 = 4;
const START: Duration = Duration::from_secs(5);

/// A running carrier.
pub struct Carrier {
    scratch: Scratch,
    process: Process,
    sip: SocketAddr,
}

impl Carrier {
    /// Starts one at this address of the test's own network.
    pub async fn start(address: IpAddr) -> Outcome<Self> {
        let scratch = Scratch::new("carrier")?;
        let sip = SocketAddr::new(address, ports::free_port(address)?);
        let scenario =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../peers/sipp/carrier.xml").canonicalize()?;
        let mut command = dying_with_us(&require_program("sipp", "phones")?);
        command.args(["-nostdin", "-rtp_echo", "-trace_err", "-trace_logs", "-log_file", "calls.log", "-sf"]);
        command.arg(scenario).args(["-i", &address.to_string(), "-p", &sip.port().to_string()]);
        command.args(["-mp", &ports::free_block(address, MEDIA_PORTS)?.to_string()]);
        command.current_dir(scratch.path());
        let process = Process::start("carrier", command, &scratch.join("carrier.log"))?;
        let carrier = Self { scratch, process, sip };
        let end = std::time::Instant::now() + START;
        // Its port cannot be bound any more when it has it.
        while std::net::UdpSocket::bind(sip).is_ok() && std::time::Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(carrier)
    }

    /// Where it takes calls by UDP.
    pub fn sip(&self) -> SocketAddr {
        self.sip
    }

    /// A line for each call: who called whom.
    pub fn calls(&self) -> String {
        std::fs::read_to_string(self.scratch.join("calls.log")).unwrap_or_default()
    }

    /// When each call came.
    pub fn noted(&self) -> Vec<SystemTime> {
        let calls = self.calls();
        let seconds = calls.lines().filter_map(|line| line.rsplit_once('\t')?.1.trim().parse().ok());
        let since = seconds.filter_map(|seconds: f64| Duration::try_from_secs_f64(seconds).ok());
        since.map(|since| SystemTime::UNIX_EPOCH + since).collect()
    }

    /// What it said.
    pub fn log(&self) -> String {
        self.process.log()
    }
}
