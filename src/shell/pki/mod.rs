//! Certificates, keys and revocation lists: from files to what TLS needs.
//!
//! | file | what is there |
//! | --- | --- |
//! | `server` | [`TlsEndpoint`]: a listener's TLS configuration, swapped whole when its files change |
//! | `site_ca` | [`SiteCa`]: a site's own CA: issue, revoke, list |
//! | `own` | the daemon's own certificate from that CA, made and renewed by itself |
//! | `dtls` | the certificate of our DTLS ends, kept over restarts |
//! | `client` | TLS towards servers that we connect to |
//! | `sources` | which files a listener of the configuration takes |
//! | `certificate` | reading a certificate's dates, serial and names |
//!
//! Provider ring, TLS 1.2 and 1.3.

mod certificate;
mod client;
mod dtls;
mod own;
mod server;
mod site_ca;
mod sources;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

pub use certificate::CertificateReport;
pub use client::client_config;
pub use dtls::{DtlsKeys, load_or_make_dtls_keys};
pub use own::{OwnCertificate, hosts_of, load_or_make_own};
pub use server::{Loaded, Renewal, TlsEndpoint, TlsFiles};
pub use site_ca::{Issued, Purpose, SiteCa};
pub use sources::{check_files, https_files, offices_files, sip_files};

use crate::config::SecretError;

/// Why a certificate, key or list was not taken.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file could not be read, or lets others at a key.
    #[error(transparent)]
    File(#[from] SecretError),
    /// A file could not be written.
    #[error("cannot write {}: {error}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{}: {problem}", file.display())]
    Content {
        /// The file.
        file: PathBuf,
        /// What was expected or found.
        problem: String,
    },
    /// Certificate and key do not belong together, or a CA or list is not usable.
    #[error("{0}")]
    Unusable(String),
    /// A name for a certificate that cannot be a file name.
    #[error("\"{0}\": expected a name of 1 to 64 letters, digits, dots, hyphens and underscores")]
    BadName(String),
    /// There is already a CA.
    #[error("{}: there is already a CA here", .0.display())]
    AlreadyThere(PathBuf),
}

impl PkiError {
    fn content(file: impl Into<PathBuf>, problem: impl Into<String>) -> Self {
        Self::Content { file: file.into(), problem: problem.into() }
    }
}
