//! Reading a certificate: dates, serial, names.

use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::Serialize;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::X509Certificate;

use super::PkiError;
use crate::config::read_public;
use crate::shell::hex::hex;
use crate::time::WallTime;

/// A certificate as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CertificateReport {
    /// The name it was issued under; the file's stem.
    pub name: String,
    /// The subject (`CN=…`).
    pub subject: String,
    /// Alternative names and addresses.
    pub hosts: Vec<String>,
    /// The serial number, hexadecimal.
    pub serial: String,
    /// When it ends; milliseconds since 1970 UTC.
    pub expires_ms: u64,
    /// Whether it has been revoked.
    pub revoked: bool,
}

/// The certificates in a PEM file, leaf first; at least one.
pub(super) fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    let pem = read_public(path)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|error| PkiError::content(path, format!("expected certificates in PEM: {error}")))?;
    if chain.is_empty() {
        return Err(PkiError::content(path, "expected a certificate in PEM, found none"));
    }
    Ok(chain)
}

/// When the certificate ends.
pub(super) fn expiry(path: &Path, der: &CertificateDer<'_>) -> Result<WallTime, PkiError> {
    parse(path, der).map(|certificate| end_of(&certificate))
}

/// The certificate in a PEM file, for people.
pub(super) fn report(path: &Path, is_revoked: impl Fn(&str) -> bool) -> Result<CertificateReport, PkiError> {
    let chain = read_chain(path)?;
    let leaf = chain.first().ok_or_else(|| PkiError::content(path, "expected a certificate"))?;
    let certificate = parse(path, leaf)?;
    let serial = serial_of(&certificate);
    Ok(CertificateReport {
        name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        subject: certificate.subject().to_string(),
        hosts: hosts_in(&certificate),
        revoked: is_revoked(&serial),
        serial,
        expires_ms: end_of(&certificate).0,
    })
}

fn parse<'a>(path: &Path, der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, PkiError> {
    let parsed = x509_parser::parse_x509_certificate(der);
    parsed.map(|(_, certificate)| certificate).map_err(|error| PkiError::content(path, error.to_string()))
}

fn end_of(certificate: &X509Certificate<'_>) -> WallTime {
    let seconds = certificate.validity().not_after.timestamp();
    WallTime(u64::try_from(seconds).unwrap_or(0).saturating_mul(1000))
}

fn serial_of(certificate: &X509Certificate<'_>) -> String {
    hex(certificate.raw_serial())
}

fn hosts_in(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return Vec::new() };
    let shown = names.value.general_names.iter().map(|name| match name {
        GeneralName::DNSName(host) => (*host).to_owned(),
        GeneralName::URI(uri) => (*uri).to_owned(),
        GeneralName::IPAddress(bytes) => address(bytes),
        other => other.to_string(),
    });
    shown.collect()
}

fn address(bytes: &[u8]) -> String {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return std::net::Ipv4Addr::from(four).to_string();
    }
    <[u8; 16]>::try_from(bytes)
        .map(|sixteen| std::net::Ipv6Addr::from(sixteen).to_string())
        .unwrap_or_default()
}
