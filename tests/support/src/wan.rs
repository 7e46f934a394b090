//! A wide-area network of the test's own: hosts with a namespace and an address each, joined by a bridge.
//!
//! All of it belongs to the processes in it: when the last of them is gone, so is the network.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sched::{CloneFlags, unshare};

use crate::process::{Process, Scratch, dying_with_us};
use crate::{Failure, Outcome, require_program};

/// Nobody's hardware address: what is sent there is never answered.
const NOBODY: &str = "02:ff:ff:ff:ff:ff";
const GROUP: &str = "phones";

/// The test's own address.
pub const TEST: Ipv4Addr = Ipv4Addr::new(10, 81, 0, 1);
/// Where brokers are, which is the test's own too: a host can lose them and keep its phones.
pub const BROKERS: Ipv4Addr = Ipv4Addr::new(10, 81, 0, 2);

/// The network, and the test's own place in it.
pub struct Wan {
    scratch: Scratch,
    hosts: u8,
}

/// A host. Its address is known to everybody; its loopback interface is its own.
pub struct Host {
    place: Place,
    /// Keeps the namespace.
    _keeper: Process,
}

/// Where a process runs.
#[derive(Clone, Debug)]
pub struct Place {
    address: Ipv4Addr,
    namespace: PathBuf,
}

impl Wan {
    /// Moves the calling thread, and every thread and process that it starts from now on, into a new network. To be
    /// called before a runtime is built. Needs root.
    pub fn enter() -> Outcome<Self> {
        let scratch = Scratch::new("wan")?;
        unshare(CloneFlags::CLONE_NEWNET)
            .map_err(|error| Failure::new(format!("no network namespace: {error}; run the tests as root")))?;
        for words in [
            "link set lo up",
            "link add wan type bridge stp_state 0 forward_delay 0",
            "address add 10.81.0.1/16 dev wan",
            "address add 10.81.0.2/16 dev wan",
            "link set wan up",
        ] {
            ip(words)?;
        }
        Ok(Self { scratch, hosts: 0 })
    }

    /// One more host.
    pub fn host(&mut self) -> Outcome<Host> {
        self.hosts += 1;
        let number = self.hosts;
        let mut command = dying_with_us(&require_program("unshare", GROUP)?);
        command.args(["--net", "sh", "-c", "ip link set lo up && echo up && exec sleep infinity"]);
        let log = self.scratch.join(&format!("host-{number}.log"));
        let mut keeper = Process::start("host", command, &log)?;
        let namespace = PathBuf::from(format!("/proc/{}/ns/net", keeper.pid()));
        wait_for(&mut keeper, &log)?;
        let place = Place { address: Ipv4Addr::new(10, 81, number, 1), namespace };
        ip(&format!("link add host{number} type veth peer name eth0 netns {}", keeper.pid()))?;
        ip(&format!("link set host{number} master wan up"))?;
        place.ip(&format!("address add {}/16 dev eth0", place.address))?;
        place.ip("link set eth0 up")?;
        Ok(Host { place, _keeper: keeper })
    }
}

impl Host {
    /// Where its processes run.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Its address.
    pub fn address(&self) -> IpAddr {
        self.place.address()
    }

    /// From now on the two hear nothing of each other, and nothing tells them so.
    pub fn loses(&self, other: &Self) -> Outcome {
        for (here, there) in [(self, other), (other, self)] {
            here.place.ip(&format!(
                "neigh replace {} lladdr {NOBODY} dev eth0 nud permanent",
                there.place.address
            ))?;
        }
        Ok(())
    }

    /// The two hear each other again.
    pub fn finds(&self, other: &Self) -> Outcome {
        for (here, there) in [(self, other), (other, self)] {
            here.place.ip(&format!("neigh del {} dev eth0", there.place.address))?;
        }
        Ok(())
    }

    /// The same with all brokers.
    pub fn loses_the_brokers(&self) -> Outcome {
        self.place.ip(&format!("neigh replace {BROKERS} lladdr {NOBODY} dev eth0 nud permanent"))
    }

    /// Heals [`loses_the_brokers`](Self::loses_the_brokers).
    pub fn finds_the_brokers(&self) -> Outcome {
        self.place.ip(&format!("neigh del {BROKERS} dev eth0"))
    }
}

impl Place {
    /// Its address.
    pub fn address(&self) -> IpAddr {
        IpAddr::V4(self.address)
    }

    /// The command, run there; it dies with the thread that starts it.
    pub fn dying_with_us(&self, program: &Path) -> Command {
        let mut command = dying_with_us(Path::new("nsenter"));
        command.arg(format!("--net={}", self.namespace.display())).arg("--").arg(program);
        command
    }

    /// The command, run there.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.namespace.display())).arg("--").arg(program);
        command
    }

    fn ip(&self, words: &str) -> Outcome {
        let mut command = self.command(Path::new("ip"));
        done(command.args(words.split(' ')), words)
    }
}

fn ip(words: &str) -> Outcome {
    done(Command::new(require_program("ip", GROUP)?).args(words.split(' ')), words)
}

fn done(command: &mut Command, words: &str) -> Outcome {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(Failure::new(format!("ip {words}: {}", String::from_utf8_lossy(&output.stderr).trim())))
}

/// Its first word comes when the namespace is there.
fn wait_for(keeper: &mut Process, log: &Path) -> Outcome {
    for _ in 0..500 {
        if std::fs::read_to_string(log).is_ok_and(|said| said.contains("up")) {
            return Ok(());
        }
        if !keeper.is_running() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    Err(keeper.failure("no namespace for a host"))
}
