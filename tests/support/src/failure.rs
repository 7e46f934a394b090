//! What a test says when a peer did not do what the script expects.

use std::fmt;
use std::path::PathBuf;

/// Why a step of a test script failed, in words, often with the wire's transcript.
pub struct Failure(String);

/// The result of a step, and of a whole test.
pub type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// A failure with this explanation.
    pub fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }

    /// The same failure, with what was being done put before it.
    pub fn during(self, what: &str) -> Self {
        Self(format!("{what}: {}", self.0))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// As plain text, because the test harness prints a failed test's `Debug`.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// The path of a program in `PATH`, `/usr/sbin` or `/sbin`; the failure names the group that installs it.
pub fn require_program(name: &str, group: &str) -> Outcome<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(["/usr/sbin", "/sbin"])
        .map(|directory| PathBuf::from(directory).join(name))
        .find(|file| file.is_file())
        .ok_or_else(|| Failure::new(format!("{name} is not installed; run `scripts/prerequisites {group}`")))
}
