//! A site's own CA, in a directory:
//!
//! | file | what is there |
//! | --- | --- |
//! | `ca.pem`, `ca.key` | the CA; `ca.pem` goes to phones and browsers, `ca.key` nowhere |
//! | `crl.pem` | what was revoked; signed anew at every revocation and before it expires |
//! | `revoked.json` | serial numbers and when they were revoked |
//! | `issued/NAME.pem`, `issued/NAME.key` | a certificate and its key |
//!
//! Keys are P-256. Keys are for their owner alone.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType,
    SerialNumber,
};
use ring::rand::{SecureRandom, SystemRandom};
use time::OffsetDateTime;

use super::{CertificateReport, PkiError, certificate};
use crate::config::{read_key, read_public};
use crate::shell::durable::{own_like, replace_file};
use crate::time::WallTime;

/// Life of the CA.
const CA_LIFE: Duration = Duration::from_secs(86_400 * 3652);
/// Life of a server's certificate; browsers take no more of a private CA than 825 days.
const SERVER_LIFE: Duration = Duration::from_secs(86_400 * 397);
/// Life of a client's certificate.
const CLIENT_LIFE: Duration = Duration::from_secs(86_400 * 825);
/// A revocation list is good for this long.
const CRL_LIFE: Duration = Duration::from_secs(86_400 * 90);
/// Certificates begin a little before now, for clients whose clocks are behind.
const BACKDATED: Duration = Duration::from_secs(3600);

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// This box, or another server of the site.
    Server,
    /// A phone, a browser or Asterisk.
    Client,
    /// An office of the federation: its Branchline connects to others with it, and is connected to.
    Office,
}

/// A fresh certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The certificate's file.
    pub certificate: PathBuf,
    /// Its key's file.
    pub key: PathBuf,
}

/// The CA of a directory.
#[derive(Debug)]
pub struct SiteCa {
    directory: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl SiteCa {
    /// Makes a CA called `name` in `directory`, which may not have one yet, and its first, empty CRL.
    pub fn init(directory: &Path, name: &str, now: WallTime) -> Result<Self, PkiError> {
        if Self::is_in(directory) {
            return Err(PkiError::AlreadyThere(directory.to_owned()));
        }
        make_directory(directory)?;
        make_directory(&directory.join("issued"))?;
        let mut params = params(name, &[], now, CA_LIFE)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.use_authority_key_identifier_extension = false;
        let key = KeyPair::generate().map_err(unusable)?;
        let certificate = params.self_signed(&key).map_err(unusable)?;
        write(&directory.join("ca.key"), key.serialize_pem().as_bytes(), 0o600)?;
        write(&directory.join("ca.pem"), certificate.pem().as_bytes(), 0o644)?;
        let ca = Self { directory: directory.to_owned(), issuer: Issuer::new(params, key) };
        ca.sign_crl(now)?;
        Ok(ca)
    }

    /// Opens the CA in `directory`.
    pub fn open(directory: &Path) -> Result<Self, PkiError> {
        let (key_path, path) = (directory.join("ca.key"), directory.join("ca.pem"));
        let pem = read_key(&key_path)?;
        let pem =
            std::str::from_utf8(&pem).map_err(|_| PkiError::content(&key_path, "expected a key in PEM"))?;
        let key = KeyPair::from_pem(pem).map_err(|error| PkiError::content(&key_path, error.to_string()))?;
        let chain = certificate::read_chain(&path)?;
        let own = chain.first().ok_or_else(|| PkiError::content(&path, "expected a certificate"))?;
        let issuer = Issuer::from_ca_cert_der(own, key)
            .map_err(|error| PkiError::content(&path, error.to_string()))?;
        Ok(Self { directory: directory.to_owned(), issuer })
    }

    /// Whether there is a CA in `directory`.
    pub fn is_in(directory: &Path) -> bool {
        directory.join("ca.key").exists()
    }

    /// The CA's certificate, for phones and browsers.
    pub fn certificate(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }

    /// The revocation list.
    pub fn crl(&self) -> PathBuf {
        self.directory.join("crl.pem")
    }

    /// Issues a certificate under `name`, in place of an older one of that name. `hosts` are host names,
    /// addresses and URIs (`sip:1001@realm`).
    pub fn issue(
        &self,
        name: &str,
        purpose: Purpose,
        hosts: &[String],
        now: WallTime,
    ) -> Result<Issued, PkiError> {
        let issued = self.paths(name)?;
        let life = if purpose == Purpose::Client { CLIENT_LIFE } else { SERVER_LIFE };
        let mut params = params(name, hosts, now, life)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = match purpose {
            Purpose::Server => vec![ExtendedKeyUsagePurpose::ServerAuth],
            Purpose::Client => vec![ExtendedKeyUsagePurpose::ClientAuth],
            Purpose::Office => {
                vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth]
            }
        };
        let key = KeyPair::generate().map_err(unusable)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(unusable)?;
        write(&issued.key, key.serialize_pem().as_bytes(), 0o600)?;
        write(&issued.certificate, certificate.pem().as_bytes(), 0o644)?;
        Ok(issued)
    }

    /// Revokes the certificate issued under `name` and signs a new list.
    pub fn revoke(&self, name: &str, now: WallTime) -> Result<(), PkiError> {
        let report = certificate::report(&self.paths(name)?.certificate, |_| false)?;
        let mut revoked = self.revoked()?;
        revoked.entry(report.serial).or_insert(now.0);
        let json =
            serde_json::to_vec_pretty(&revoked).map_err(|error| PkiError::Unusable(error.to_string()))?;
        write(&self.directory.join("revoked.json"), &json, 0o644)?;
        self.sign_crl(now)
    }

    /// Signs the revocation list anew.
    pub fn sign_crl(&self, now: WallTime) -> Result<(), PkiError> {
        let revoked = self.revoked()?;
        let revoked_certs =
            revoked.iter().map(|(serial, when)| revocation(serial, WallTime(*when))).collect();
        let params = CertificateRevocationListParams {
            this_update: date(now),
            next_update: date(now.plus(CRL_LIFE)),
            crl_number: SerialNumber::from_slice(&now.0.to_be_bytes()),
            issuing_distribution_point: None,
            revoked_certs,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = params.signed_by(&self.issuer).map_err(unusable)?;
        write(&self.crl(), list.pem().map_err(unusable)?.as_bytes(), 0o644)
    }

    /// Signs the revocation list anew if it has less than a third of its life left. Returns whether it did.
    pub fn refresh_crl(&self, now: WallTime) -> Result<bool, PkiError> {
        let left = read_public(&self.crl()).ok().and_then(|pem| next_update(&pem)).map(|end| end.since(now));
        if left.is_some_and(|left| left > CRL_LIFE / 3) {
            return Ok(false);
        }
        self.sign_crl(now).map(|()| true)
    }

    /// Every certificate that was issued, by name.
    pub fn list(&self) -> Result<Vec<CertificateReport>, PkiError> {
        let revoked = self.revoked()?;
        let directory = self.directory.join("issued");
        let mut paths: Vec<PathBuf> = fs::read_dir(&directory)
            .map_err(|error| PkiError::content(&directory, error.to_string()))?
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "pem"))
            .collect();
        paths.sort();
        paths.iter().map(|path| certificate::report(path, |serial| revoked.contains_key(serial))).collect()
    }

    /// The CA's own certificate, for people.
    pub fn report(&self) -> Result<CertificateReport, PkiError> {
        certificate::report(&self.certificate(), |_| false)
    }

    /// Where the certificate called `name` is or would be.
    pub(super) fn paths(&self, name: &str) -> Result<Issued, PkiError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if !(1..=64).contains(&name.len()) || name.starts_with('.') || !name.chars().all(allowed) {
            return Err(PkiError::BadName(name.to_owned()));
        }
        let issued = self.directory.join("issued");
        Ok(Issued {
            certificate: issued.join(format!("{name}.pem")),
            key: issued.join(format!("{name}.key")),
        })
    }

    /// Serial numbers that were revoked, and when.
    fn revoked(&self) -> Result<BTreeMap<String, u64>, PkiError> {
        let path = self.directory.join("revoked.json");
        if !path.exists() {
            return Ok(BTreeMap::new());
        }
        let json = read_public(&path)?;
        serde_json::from_slice(&json).map_err(|error| PkiError::content(&path, error.to_string()))
    }
}

/// Parameters common to all certificates.
pub(super) fn params(
    name: &str,
    hosts: &[String],
    now: WallTime,
    life: Duration,
) -> Result<CertificateParams, PkiError> {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    let mut params = CertificateParams::default();
    params.subject_alt_names = hosts.iter().map(|host| alternative_name(host)).collect::<Result<_, _>>()?;
    params.distinguished_name = subject;
    params.serial_number = Some(random_serial()?);
    params.not_before =
        date(WallTime(now.0.saturating_sub(u64::try_from(BACKDATED.as_millis()).unwrap_or(0))));
    params.not_after = date(now.plus(life));
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn alternative_name(host: &str) -> Result<SanType, PkiError> {
    if let Ok(address) = host.parse() {
        return Ok(SanType::IpAddress(address));
    }
    let refused = |_| PkiError::Unusable(format!("\"{host}\": expected a host name, an address or a URI"));
    if host.contains(':') {
        return host.try_into().map(SanType::URI).map_err(refused);
    }
    host.try_into().map(SanType::DnsName).map_err(refused)
}

/// 16 random bytes, positive and without a leading zero (RFC 5280 §4.1.2.2).
fn random_serial() -> Result<SerialNumber, PkiError> {
    let mut serial = [0; 16];
    let filled = SystemRandom::new().fill(&mut serial);
    filled.map_err(|_| PkiError::Unusable("the system gives no random numbers".to_owned()))?;
    serial[0] = serial[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&serial))
}

fn revocation(serial: &str, when: WallTime) -> RevokedCertParams {
    let pairs = serial.as_bytes().chunks(2);
    let bytes: Vec<u8> =
        pairs.filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect();
    RevokedCertParams {
        serial_number: SerialNumber::from_slice(&bytes),
        revocation_time: date(when),
        reason_code: None,
        invalidity_date: None,
    }
}

fn next_update(pem: &[u8]) -> Option<WallTime> {
    let (_, pem) = x509_parser::pem::parse_x509_pem(pem).ok()?;
    let (_, list) = x509_parser::parse_x509_crl(&pem.contents).ok()?;
    let seconds = list.next_update()?.timestamp();
    Some(WallTime(u64::try_from(seconds).ok()?.saturating_mul(1000)))
}

/// The calendar's date, at most in the year 9999, which is where certificates end.
fn date(time: WallTime) -> OffsetDateTime {
    const LAST: u64 = 253_402_300_799;
    OffsetDateTime::UNIX_EPOCH + Duration::from_secs(time.seconds().min(LAST))
}

pub(super) fn make_directory(directory: &Path) -> Result<(), PkiError> {
    let failed = |error| PkiError::Write { file: directory.to_owned(), error };
    let is_new = !directory.exists();
    fs::DirBuilder::new().recursive(true).mode(0o755).create(directory).map_err(failed)?;
    match directory.parent() {
        Some(parent) if is_new => own_like(directory, parent).map_err(failed),
        _ => Ok(()),
    }
}

pub(super) fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), PkiError> {
    replace_file(path, bytes, mode).map_err(|error| PkiError::Write { file: path.to_owned(), error })
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
pub(super) fn unusable(error: rcgen::Error) -> PkiError {
    PkiError::Unusable(error.to_string())
}
