//! `[federation]`, checked.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::engine::routing::{CredentialName, Link, Places};

/// `[federation]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Federation {
    /// Where other offices connect, by TLS; `None` without certificates.
    pub address: Option<SocketAddr>,
    /// The socket for carriers reached by UDP.
    pub udp_address: Option<SocketAddr>,
    /// This office's certificate, and who signs those of all.
    pub tls: Option<FederationTls>,
    /// The number that parties outside see.
    pub main_number: Option<String>,
    /// The site's own links.
    pub links: Vec<Arc<Link>>,
    /// With what we answer challenges of links' peers.
    pub credentials: Vec<LinkPassword>,
    /// Where the site's devices are.
    pub places: Places,
}

/// The certificates of `[federation]`: shown to whoever connects, and to whom we connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FederationTls {
    /// This office's certificate; its common name is the office's id.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Who signs all offices' certificates.
    pub ca: PathBuf,
    /// What of these was revoked.
    pub crl: Option<PathBuf>,
}

/// `[[federation.credential]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkPassword {
    /// Its name in routes.
    pub name: CredentialName,
    /// The user name.
    pub username: String,
    /// The file that holds the password.
    pub password: PathBuf,
}
