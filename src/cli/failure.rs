//! Why a command failed, and its exit code (sysexits(3)).

use crate::config::ConfigError;
use crate::shell::pki::PkiError;
use crate::shell::store::StoreError;

/// Something was found that was asked for.
const FOUND: u8 = 1;
/// Wrong usage.
pub(super) const USAGE: u8 = 64;
const BAD_INPUT: u8 = 65;
const NO_INPUT: u8 = 66;
const UNAVAILABLE: u8 = 69;
const CANNOT_CREATE: u8 = 73;
const IO_FAILED: u8 = 74;
const NOT_ALLOWED: u8 = 77;
const BAD_CONFIG: u8 = 78;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The arguments contradict each other or are not what they should be.
    #[error("{0}")]
    Usage(String),
    /// An input is not what it should be.
    #[error("{0}")]
    BadInput(String),
    /// Something that was named is not there.
    #[error("{0}")]
    Missing(String),
    /// The daemon does not run or does not answer.
    #[error("{0}")]
    Unavailable(String),
    /// Reading or writing failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// We may not.
    #[error("{0}")]
    NotAllowed(String),
    /// The configuration is bad.
    #[error("the configuration was refused\n{0}")]
    Config(#[from] ConfigError),
    /// A certificate or key.
    #[error("{0}")]
    Pki(#[from] PkiError),
    /// The database.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// Nothing failed, but something was found: sets differ, an office is not well.
    #[error("{0}")]
    Finding(String),
    /// What was found has been printed already.
    #[error("{0} problems")]
    ProblemsFound(usize),
}

impl Failure {
    /// The exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Pki(PkiError::BadName(_)) => USAGE,
            Self::Finding(_) => FOUND,
            Self::BadInput(_) | Self::Pki(PkiError::Content { .. } | PkiError::Unusable(_)) => BAD_INPUT,
            Self::Unavailable(_) => UNAVAILABLE,
            Self::Pki(PkiError::Write { .. } | PkiError::AlreadyThere(_)) => CANNOT_CREATE,
            Self::NotAllowed(_) => NOT_ALLOWED,
            Self::Io(error) if error.kind() == std::io::ErrorKind::PermissionDenied => NOT_ALLOWED,
            Self::Missing(_) | Self::Pki(PkiError::File(_)) => NO_INPUT,
            Self::Io(_) | Self::Store(_) => IO_FAILED,
            Self::Config(_) | Self::ProblemsFound(_) => BAD_CONFIG,
        }
    }
}
