//! The daemon's own certificate: for a site that has none, made by the site's CA, which is made too if it
//! is not there. Renewed by itself.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::info;

use super::{Issued, PkiError, Purpose, SiteCa, certificate};
use crate::config::Config;
use crate::time::WallTime;

/// The name under which the CA issues it.
const NAME: &str = "server";
/// Renewed when less than this is left.
const RENEWED: Duration = Duration::from_secs(86_400 * 30);

/// The files of our own certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnCertificate {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The site's CA.
    pub ca: PathBuf,
    /// The CA's revocation list.
    pub crl: PathBuf,
}

/// Takes our own certificate from the CA in `directory`; makes or renews CA, certificate and revocation list
/// as needed. A certificate that lacks one of `hosts` is renewed too.
pub fn load_or_make_own(
    directory: &Path,
    hosts: &[String],
    now: WallTime,
) -> Result<OwnCertificate, PkiError> {
    let ca = if SiteCa::is_in(directory) {
        SiteCa::open(directory)?
    } else {
        info!(directory = %directory.display(), "no certificate is configured: making a CA for this site");
        SiteCa::init(directory, "Branchline site CA", now)?
    };
    ca.refresh_crl(now)?;
    let Issued { certificate, key } = ca.paths(NAME)?;
    if let Some(reason) = renewal(&certificate, &key, hosts, now) {
        info!(reason, "issuing this box's own certificate");
        ca.issue(NAME, Purpose::Server, hosts, now)?;
    }
    Ok(OwnCertificate { certificate, key, ca: ca.certificate(), crl: ca.crl() })
}

/// The names and addresses by which devices may know this box.
pub fn hosts_of(config: &Config) -> Vec<String> {
    let mut hosts = BTreeSet::from(["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()]);
    hosts.insert(config.sip.realm.clone());
    hosts.extend(config.sip.domains.iter().cloned());
    hosts.extend(nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()));
    let listened = config.sip.listen.iter().map(|listen| listen.address.ip());
    let listened = listened.chain(config.https.iter().map(|https| https.address.ip()));
    let addresses = listened.chain(config.media.external_address).chain(addresses_of_interfaces());
    hosts.extend(addresses.filter(|address| !address.is_unspecified()).map(|address| address.to_string()));
    hosts.retain(|host| is_certifiable(host));
    hosts.into_iter().collect()
}

/// Why a new certificate is needed, if it is.
fn renewal(path: &Path, key: &Path, hosts: &[String], now: WallTime) -> Option<&'static str> {
    let Ok(report) = certificate::report(path, |_| false) else { return Some("none-yet") };
    if !key.exists() {
        Some("key-missing")
    } else if WallTime(report.expires_ms).since(now) < RENEWED {
        Some("expiring")
    } else if hosts.iter().any(|host| !report.hosts.contains(host)) {
        Some("new-host")
    } else {
        None
    }
}

fn addresses_of_interfaces() -> Vec<IpAddr> {
    let Ok(interfaces) = nix::ifaddrs::getifaddrs() else { return Vec::new() };
    let addresses = interfaces.filter_map(|interface| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
    });
    addresses.filter(|address| !is_link_local(*address)).collect()
}

/// Link-local addresses need a zone, which a certificate cannot hold.
fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

/// What the name syntax of certificates takes: an address, or a host name in ASCII.
fn is_certifiable(host: &str) -> bool {
    let is_name = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
    host.parse::<IpAddr>().is_ok() || (!host.is_empty() && is_name(host))
}
