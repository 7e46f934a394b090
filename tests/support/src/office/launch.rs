//! The daemon's process.

use std::path::Path;

use crate::Outcome;
use crate::process::{Process, Scratch, dying_with_us};
use crate::wan::Place;

/// Starts it on its host, with its own names if it has some.
pub(super) fn launch(
    binary: &Path,
    scratch: &Scratch,
    place: Option<&Place>,
    hosts: Option<&Path>,
) -> Outcome<Process> {
    let program = if hosts.is_some() { Path::new("unshare") } else { binary };
    let mut command = place.map_or_else(|| dying_with_us(program), |place| place.dying_with_us(program));
    if let Some(hosts) = hosts {
        let script = "mount --bind \"$0\" /etc/hosts && exec \"$@\"";
        command.args(["--mount", "sh", "-c", script]).arg(hosts).arg(binary);
    }
    command.args(["run", "--config"]).arg(scratch.join("branchline.toml"));
    let log = scratch.join("daemon.log");
    // A daemon that is started again writes its own file; the former one's stays beside it.
    if log.exists() {
        std::fs::rename(&log, scratch.join("daemon.before.log"))?;
    }
    Process::start("branchline", command, &log)
}
