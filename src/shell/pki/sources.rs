//! Which files a listener of the configuration takes its TLS from.

use std::path::PathBuf;

use super::{OwnCertificate, PkiError, TlsFiles, client_config, hosts_of, load_or_make_own};
use crate::config::{Certificate, ClientCertificates, Config};
use crate::time::WallTime;

/// HTTP/1.1 alone: WebSockets begin with it (RFC 6455 §4.1).
const HTTP_1_1: &[u8] = b"http/1.1";

/// What a section of the configuration says about TLS.
struct Section<'a> {
    certificate: &'a Certificate,
    clients: ClientCertificates,
    ca: Option<&'a PathBuf>,
    crl: Option<&'a PathBuf>,
    alpn: Vec<Vec<u8>>,
}

/// The files of the SIP/TLS listeners. Makes our own certificate where it is needed.
pub fn sip_files(config: &Config, now: WallTime) -> Result<TlsFiles, PkiError> {
    sip(config).files(|| load_or_make_own(&config.paths.pki(), &hosts_of(config), now))
}

/// The files of the HTTPS listener, if there is one. Makes our own certificate where it is needed.
pub fn https_files(config: &Config, now: WallTime) -> Result<Option<TlsFiles>, PkiError> {
    let own = || load_or_make_own(&config.paths.pki(), &hosts_of(config), now);
    https(config).map(|section| section.files(own)).transpose()
}

/// The files of the listener for other offices, if there is one: everyone must show a certificate of the federation.
pub fn offices_files(config: &Config) -> Option<TlsFiles> {
    let tls = config.federation.tls.as_ref()?;
    Some(TlsFiles {
        certificate: tls.certificate.clone(),
        key: tls.key.clone(),
        clients: ClientCertificates::Required,
        ca: tls.ca.clone(),
        crl: tls.crl.clone(),
        alpn: Vec::new(),
    })
}

/// Loads every file that the configuration names, and changes nothing: for `branchline check`. Returns what
/// is wrong.
pub fn check_files(config: &Config) -> Vec<PkiError> {
    let sections = [Some(sip(config)), https(config)];
    let listeners = sections.into_iter().flatten().filter_map(|section| section.check(config).err());
    let uplink = config.uplink.as_ref().and_then(|uplink| uplink.tls.as_ref());
    let uplink = uplink.and_then(|tls| client_config(&tls.ca, tls.own.as_ref()).err());
    let offices = offices_files(config).and_then(|files| files.load().err());
    listeners.chain(uplink).chain(offices).collect()
}

fn sip(config: &Config) -> Section<'_> {
    let tls = &config.sip.tls;
    Section {
        certificate: &tls.certificate,
        clients: tls.clients,
        ca: tls.ca.as_ref(),
        crl: tls.crl.as_ref(),
        alpn: Vec::new(),
    }
}

fn https(config: &Config) -> Option<Section<'_>> {
    config.https.as_ref().map(|https| Section {
        certificate: &https.certificate,
        clients: https.clients,
        ca: https.ca.as_ref(),
        crl: https.crl.as_ref(),
        alpn: vec![HTTP_1_1.to_vec()],
    })
}

impl Section<'_> {
    fn files(self, own: impl Fn() -> Result<OwnCertificate, PkiError>) -> Result<TlsFiles, PkiError> {
        let (certificate, key) = match self.certificate {
            Certificate::Files { certificate, key } => (certificate.clone(), key.clone()),
            Certificate::Own => own().map(|own| (own.certificate, own.key))?,
        };
        let (ca, crl) = match (self.clients, self.ca) {
            // Without client certificates neither is read.
            (ClientCertificates::Off, _) => (PathBuf::new(), None),
            (_, Some(ca)) => (ca.clone(), self.crl.cloned()),
            (_, None) => own().map(|own| (own.ca, Some(self.crl.cloned().unwrap_or(own.crl))))?,
        };
        Ok(TlsFiles { certificate, key, clients: self.clients, ca, crl, alpn: self.alpn })
    }

    /// Loads the files that are named. Our own CA is looked at only if it is there already.
    fn check(mut self, config: &Config) -> Result<(), PkiError> {
        let directory = config.paths.pki();
        let own = OwnCertificate {
            certificate: directory.join("issued/server.pem"),
            key: directory.join("issued/server.key"),
            ca: directory.join("ca.pem"),
            crl: directory.join("crl.pem"),
        };
        if *self.certificate == Certificate::Own && !own.certificate.exists() {
            return Ok(());
        }
        if self.ca.is_none() && !own.ca.exists() {
            self.clients = ClientCertificates::Off;
        }
        self.files(|| Ok(own.clone()))?.load().map(drop)
    }
}
