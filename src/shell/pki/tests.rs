//! A site's CA, the TLS it makes possible, and what is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};

use super::*;
use crate::config::ClientCertificates;
use crate::time::WallTime;

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("branchline-pki-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn now() -> WallTime {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    WallTime(u64::try_from(since_epoch.as_millis()).unwrap())
}

fn hosts(list: &[&str]) -> Vec<String> {
    list.iter().map(|host| (*host).to_owned()).collect()
}

fn files(own: &OwnCertificate, clients: ClientCertificates) -> TlsFiles {
    TlsFiles {
        certificate: own.certificate.clone(),
        key: own.key.clone(),
        clients,
        ca: own.ca.clone(),
        crl: Some(own.crl.clone()),
        alpn: Vec::new(),
    }
}

/// A client that trusts `ca` and shows `certificate`, if any.
fn client(ca: &Path, certificate: Option<&Issued>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    Arc::new(match certificate {
        Some(issued) => builder
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_file(&issued.certificate).unwrap()],
                PrivateKeyDer::from_pem_file(&issued.key).unwrap(),
            )
            .unwrap(),
        None => builder.with_no_client_auth(),
    })
}

/// A handshake in memory. Returns whether it was a resumption, or what either end said.
fn handshake(server: &Arc<ServerConfig>, client: &Arc<ClientConfig>, name: &str) -> Result<bool, String> {
    let mut client =
        ClientConnection::new(client.clone(), ServerName::try_from(name.to_owned()).unwrap()).unwrap();
    let mut server = ServerConnection::new(server.clone()).unwrap();
    for _ in 0..10 {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let mut input = bytes.as_slice();
        while !input.is_empty() {
            server.read_tls(&mut input).unwrap();
            server.process_new_packets().map_err(|error| format!("server: {error}"))?;
        }
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut input = bytes.as_slice();
        while !input.is_empty() {
            client.read_tls(&mut input).unwrap();
            client.process_new_packets().map_err(|error| format!("client: {error}"))?;
        }
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok(server.handshake_kind() == Some(rustls::HandshakeKind::Resumed))
}

#[test]
fn a_box_without_certificates_makes_its_own_and_keeps_them() {
    let scratch = Scratch::new("own");
    let names = hosts(&["bru.example", "127.0.0.1"]);
    let own = load_or_make_own(&scratch.0, &names, now()).unwrap();
    let first = fs::read(&own.certificate).unwrap();
    let again = load_or_make_own(&scratch.0, &names, now()).unwrap();
    assert_eq!(again, own);
    assert_eq!(fs::read(&own.certificate).unwrap(), first);
    for key in [&own.key, &scratch.0.join("ca.key")] {
        assert_eq!(fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let endpoint = TlsEndpoint::open(files(&own, ClientCertificates::Off)).unwrap();
    let server = endpoint.subscribe().borrow().clone();
    assert_eq!(handshake(&server, &client(&own.ca, None), "bru.example"), Ok(false));
    assert_eq!(handshake(&server, &client(&own.ca, None), "127.0.0.1"), Ok(false));
    assert!(handshake(&server, &client(&own.ca, None), "par.example").is_err());
}

#[test]
fn the_own_certificate_is_renewed_in_time_and_for_a_new_host() {
    let scratch = Scratch::new("renewed");
    let names = hosts(&["bru.example"]);
    let own = load_or_make_own(&scratch.0, &names, now()).unwrap();
    let first = fs::read(&own.certificate).unwrap();
    let in_a_year = now().plus(Duration::from_secs(86_400 * 370));
    load_or_make_own(&scratch.0, &names, in_a_year).unwrap();
    let second = fs::read(&own.certificate).unwrap();
    assert_ne!(first, second);
    load_or_make_own(&scratch.0, &hosts(&["bru.example", "192.0.2.7"]), in_a_year).unwrap();
    assert_ne!(second, fs::read(&own.certificate).unwrap());
}

#[test]
fn clients_show_certificates_as_the_configuration_asks() {
    let scratch = Scratch::new("clients");
    let own = load_or_make_own(&scratch.0, &hosts(&["bru.example"]), now()).unwrap();
    let ca = SiteCa::open(&scratch.0).unwrap();
    let phone = ca.issue("1001", Purpose::Client, &hosts(&["sip:1001@bru.example"]), now()).unwrap();
    let server_as_client = Issued { certificate: own.certificate.clone(), key: own.key.clone() };
    let (with, without) = (client(&own.ca, Some(&phone)), client(&own.ca, None));
    let wrong_purpose = client(&own.ca, Some(&server_as_client));
    let load = |clients| files(&own, clients).load().unwrap().config;

    let optional = load(ClientCertificates::Optional);
    assert!(handshake(&optional, &with, "bru.example").is_ok());
    assert!(handshake(&optional, &without, "bru.example").is_ok());
    assert!(handshake(&optional, &wrong_purpose, "bru.example").is_err());
    let required = load(ClientCertificates::Required);
    assert!(handshake(&required, &with, "bru.example").is_ok());
    assert!(handshake(&required, &without, "bru.example").unwrap_err().contains("peer sent no certificates"));
}

#[test]
fn a_revoked_client_neither_connects_nor_resumes_after_the_reload() {
    let scratch = Scratch::new("revoked");
    let own = load_or_make_own(&scratch.0, &hosts(&["bru.example"]), now()).unwrap();
    let ca = SiteCa::open(&scratch.0).unwrap();
    let phone = ca.issue("1001", Purpose::Client, &[], now()).unwrap();
    let mut endpoint = TlsEndpoint::open(files(&own, ClientCertificates::Required)).unwrap();
    let listener = endpoint.subscribe();
    let client = client(&own.ca, Some(&phone));
    assert_eq!(handshake(&listener.borrow().clone(), &client, "bru.example"), Ok(false));
    assert_eq!(handshake(&listener.borrow().clone(), &client, "bru.example"), Ok(true), "tickets work");

    ca.revoke("1001", now()).unwrap();
    let renewal = endpoint.reload(endpoint.files().clone()).unwrap();
    assert!(renewal.was == renewal.now && !renewal.replaced);
    let refused = handshake(&listener.borrow().clone(), &client, "bru.example").unwrap_err();
    assert!(refused.contains("Revoked"), "{refused}");
    assert!(ca.list().unwrap().iter().find(|report| report.name == "1001").unwrap().revoked);

    let other = ca.issue("1002", Purpose::Client, &[], now()).unwrap();
    let other = self::client(&own.ca, Some(&other));
    assert_eq!(handshake(&listener.borrow().clone(), &other, "bru.example"), Ok(false));
}

#[test]
fn an_expired_list_refuses_and_is_signed_anew_in_time() {
    let scratch = Scratch::new("crl");
    let long_ago = WallTime(now().0 - 86_400_000 * 100);
    let own = load_or_make_own(&scratch.0, &hosts(&["bru.example"]), now()).unwrap();
    let ca = SiteCa::open(&scratch.0).unwrap();
    let phone = ca.issue("1001", Purpose::Client, &[], now()).unwrap();
    ca.sign_crl(long_ago).unwrap();
    let expired = files(&own, ClientCertificates::Required).load().unwrap().config;
    let client = client(&own.ca, Some(&phone));
    let refused = handshake(&expired, &client, "bru.example").unwrap_err();
    assert!(refused.contains("revocation list expired"), "{refused}");
    assert!(ca.refresh_crl(now()).unwrap());
    assert!(!ca.refresh_crl(now()).unwrap(), "a fresh list stays");
    let fresh = files(&own, ClientCertificates::Required).load().unwrap().config;
    assert!(handshake(&fresh, &client, "bru.example").is_ok());
}

#[test]
fn files_that_do_not_fit_are_named() {
    let scratch = Scratch::new("bad");
    let own = load_or_make_own(&scratch.0, &hosts(&["bru.example"]), now()).unwrap();
    let ca = SiteCa::open(&scratch.0).unwrap();
    let other = ca.issue("other", Purpose::Server, &[], now()).unwrap();
    let empty = scratch.0.join("empty.pem");
    fs::write(&empty, "").unwrap();
    let good = files(&own, ClientCertificates::Required);
    let problem = |files: TlsFiles| files.load().unwrap_err().to_string();

    let text = problem(TlsFiles { key: other.key, ..good.clone() });
    assert!(text.contains("server.pem and") && text.contains("cannot be used together"), "{text}");
    let text = problem(TlsFiles { certificate: empty.clone(), ..good.clone() });
    assert!(text.contains("empty.pem: expected a certificate in PEM, found none"), "{text}");
    let text = problem(TlsFiles { crl: Some(own.ca.clone()), ..good.clone() });
    assert!(text.contains("expected a revocation list in PEM, found none"), "{text}");
    let text = problem(TlsFiles { key: scratch.0.join("none.key"), ..good.clone() });
    assert!(text.contains("none.key: No such file"), "{text}");
    fs::set_permissions(&own.key, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(problem(good).contains("lets others at this private key"));
}

#[test]
fn a_failed_reload_leaves_the_former_configuration_in_force() {
    let scratch = Scratch::new("keep");
    let own = load_or_make_own(&scratch.0, &hosts(&["bru.example"]), now()).unwrap();
    let mut endpoint = TlsEndpoint::open(files(&own, ClientCertificates::Off)).unwrap();
    let (listener, expires) = (endpoint.subscribe(), endpoint.expires());
    fs::write(&own.certificate, "garbage").unwrap();
    assert!(endpoint.reload(endpoint.files().clone()).is_err());
    assert_eq!(endpoint.expires(), expires);
    assert!(handshake(&listener.borrow().clone(), &client(&own.ca, None), "bru.example").is_ok());
}

#[test]
fn a_ca_is_not_overwritten_and_names_are_checked() {
    let scratch = Scratch::new("names");
    let ca = SiteCa::init(&scratch.0, "Brussels CA", now()).unwrap();
    assert!(matches!(SiteCa::init(&scratch.0, "x", now()), Err(PkiError::AlreadyThere(_))));
    for bad in ["", "..", "a/b", ".hidden", "a b", &"x".repeat(65)] {
        assert!(matches!(ca.issue(bad, Purpose::Client, &[], now()), Err(PkiError::BadName(_))), "{bad}");
    }
    let report = ca.report().unwrap();
    assert_eq!(report.subject, "CN=Brussels CA");
    assert!(ca.revoke("nobody", now()).is_err());
    assert!(ca.list().unwrap().is_empty());
}

#[test]
fn dtls_keys_survive_a_restart_until_they_age() {
    let scratch = Scratch::new("dtls");
    let first = load_or_make_dtls_keys(&scratch.0, now()).unwrap();
    let again = load_or_make_dtls_keys(&scratch.0, now()).unwrap();
    assert_eq!((&first.certificate, &first.key), (&again.certificate, &again.key));
    let aged = load_or_make_dtls_keys(&scratch.0, now().plus(Duration::from_secs(86_400 * 340))).unwrap();
    assert_ne!(first.certificate, aged.certificate);
    fs::write(scratch.0.join("dtls.key"), "garbage").unwrap();
    assert!(load_or_make_dtls_keys(&scratch.0, now()).is_ok(), "made anew");
}
