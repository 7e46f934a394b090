//! A certificate authority for one test, and what it signs, as PEM files.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData as _, SanType,
};
use sha2::{Digest as _, Sha256};

use crate::{Failure, Outcome};

/// An authority whose key lives as long as the test.
pub struct Authority {
    directory: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    certificate: PathBuf,
}

/// A signed certificate and its key, as files.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The certificate.
    pub certificate: PathBuf,
    /// The private key (PKCS #8).
    pub key: PathBuf,
    /// Both in one file, as baresip wants them.
    pub combined: PathBuf,
    /// The base64 SHA-256 of the public key, for Chromium's `--ignore-certificate-errors-spki-list`.
    pub spki: String,
}

impl Authority {
    /// A new authority that writes into this directory.
    pub fn new(directory: &Path) -> Outcome<Self> {
        std::fs::create_dir_all(directory)?;
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Branchline test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = directory.join("ca.pem");
        std::fs::write(&certificate, params.self_signed(&key)?.pem())?;
        Ok(Self { directory: directory.to_owned(), issuer: Issuer::new(params, key), certificate })
    }

    /// The authority's certificate.
    pub fn certificate(&self) -> &Path {
        &self.certificate
    }

    /// Signs a certificate for a server or client of these names and addresses.
    pub fn issue(&self, name: &str, hosts: &[&str]) -> Outcome<Identity> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        for host in hosts {
            params.subject_alt_names.push(match host.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => {
                    SanType::DnsName(Ia5String::try_from(*host).map_err(|e| Failure::new(e.to_string()))?)
                }
            });
        }
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        let file = |suffix: &str| self.directory.join(format!("{name}{suffix}"));
        let identity = Identity {
            certificate: file(".pem"),
            key: file(".key"),
            combined: file(".both.pem"),
            spki: base64(&Sha256::digest(key.subject_public_key_info())),
        };
        std::fs::write(&identity.certificate, &certificate)?;
        std::fs::write(&identity.key, key.serialize_pem())?;
        std::fs::write(&identity.combined, format!("{certificate}{}", key.serialize_pem()))?;
        Ok(identity)
    }
}

/// The base64 SHA-256 of the public key of a private key's PEM file.
pub fn spki_of(key: &Path) -> Outcome<String> {
    let key = KeyPair::from_pem(&std::fs::read_to_string(key)?)?;
    Ok(base64(&Sha256::digest(key.subject_public_key_info())))
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let is_padding = place > chunk.len();
            text.push(if is_padding {
                '='
            } else {
                char::from(ALPHABET[(bits >> (18 - 6 * place)) as usize & 63])
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads_as_it_should() {
        for (bytes, text) in [("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
