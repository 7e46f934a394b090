//! Why the daemon did not start, or did not go on: what failed, what to do, and the exit code of sysexits(3).

use std::io;

use crate::shell::pki::PkiError;
use crate::shell::systemd::ActivationError;

/// A service that we need is not available: a port is taken.
const UNAVAILABLE: u8 = 69;
/// Our own fault.
const SOFTWARE: u8 = 70;
/// The system refuses us something.
const SYSTEM: u8 = 71;
/// We may not.
const NOT_PERMITTED: u8 = 77;
/// The configuration or what it names is bad.
const CONFIGURATION: u8 = 78;

/// What failed.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(super) struct Failure {
    what: String,
    code: u8,
}

impl Failure {
    /// A socket could not be had. `what` is the listener, `key` where it is configured.
    pub(super) fn socket(what: &str, key: &str, error: &io::Error) -> Self {
        let (advice, code) = match error.kind() {
            io::ErrorKind::AddrInUse => ("another process has the port: stop it, or change", UNAVAILABLE),
            io::ErrorKind::PermissionDenied => {
                ("ports below 1024 need CAP_NET_BIND_SERVICE: grant it, or change", NOT_PERMITTED)
            }
            io::ErrorKind::AddrNotAvailable => ("this box does not have the address: change", CONFIGURATION),
            _ => ("look at", SYSTEM),
        };
        Self { what: format!("cannot listen on {what}: {error}; {advice} {key}"), code }
    }

    /// The system refuses something else.
    pub(super) fn system(what: impl std::fmt::Display) -> Self {
        Self { what: what.to_string(), code: SYSTEM }
    }

    /// The configuration or a file that it names is bad.
    pub(super) fn configuration(what: impl std::fmt::Display) -> Self {
        Self { what: what.to_string(), code: CONFIGURATION }
    }

    /// A task ended that must not.
    pub(super) fn task(name: &str, how: &str) -> Self {
        Self {
            what: format!("the task \"{name}\" {how}; the daemon ends so that it is started anew"),
            code: SOFTWARE,
        }
    }

    /// For the process.
    pub(super) const fn code(&self) -> u8 {
        self.code
    }
}

impl From<PkiError> for Failure {
    fn from(error: PkiError) -> Self {
        Self::configuration(format!("certificates: {error}; see branchline check"))
    }
}

impl From<ActivationError> for Failure {
    fn from(error: ActivationError) -> Self {
        Self::configuration(error)
    }
}
