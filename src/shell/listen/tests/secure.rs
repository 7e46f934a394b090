//! TLS: with and without client certificates, revoked, expired, swapped, stalled, and thousands at rest.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::harness::{Bench, PATIENCE, limits, options};
use crate::config::ClientCertificates;
use crate::engine::flow::FlowFailure;
use crate::shell::clock;
use crate::shell::listen::{Limits, Revocations, Security, revocations};
use crate::shell::pki::{Issued, Purpose, SiteCa, TlsEndpoint, TlsFiles};
use crate::sip::Transport;

/// A CA, a listener's endpoint, and what it revokes.
struct Site {
    directory: PathBuf,
    ca: SiteCa,
    endpoint: TlsEndpoint,
    revocations: watch::Sender<Revocations>,
}

impl Site {
    fn new(name: &str, clients: ClientCertificates) -> Self {
        let directory = std::env::temp_dir().join(format!("branchline-listen-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        let ca = SiteCa::init(&directory, &format!("CA of {name}"), clock::wall()).unwrap();
        ca.sign_crl(clock::wall()).unwrap();
        let endpoint = TlsEndpoint::open(files(&ca, "server", clients)).unwrap();
        Self { directory, ca, endpoint, revocations: watch::Sender::default() }
    }

    fn security(&self) -> Security {
        Security::Tls { config: self.endpoint.subscribe(), revocations: self.revocations.subscribe() }
    }

    fn phone(&self, name: &str) -> Issued {
        self.ca.issue(name, Purpose::Client, &[], clock::wall()).unwrap()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn files(ca: &SiteCa, name: &str, clients: ClientCertificates) -> TlsFiles {
    let hosts = vec!["localhost".to_owned()];
    let Issued { certificate, key } = ca.issue(name, Purpose::Server, &hosts, clock::wall()).unwrap();
    TlsFiles { certificate, key, clients, ca: ca.certificate(), crl: Some(ca.crl()), alpn: Vec::new() }
}

fn connector(ca: &Path, shown: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    TlsConnector::from(Arc::new(match shown {
        Some((certificate, key)) => builder.with_client_auth_cert(vec![certificate], key).unwrap(),
        None => builder.with_no_client_auth(),
    }))
}

fn shown(issued: &Issued) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let certificate = CertificateDer::from_pem_file(&issued.certificate).unwrap();
    (certificate, PrivateKeyDer::from_pem_file(&issued.key).unwrap())
}

async fn dial(bench: &Bench, connector: &TlsConnector) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from("localhost").unwrap();
    timeout(PATIENCE, connector.connect(name, bench.dial().await)).await.expect("a handshake in time")
}

/// Whether the server ends the connection before it says anything.
async fn is_refused(bench: &Bench, connector: &TlsConnector) -> bool {
    match dial(bench, connector).await {
        Err(_) => true,
        // In TLS 1.3 the client hears of it after its own part of the handshake.
        Ok(mut stream) => {
            let read = timeout(PATIENCE, stream.read(&mut [0; 16])).await.expect("an end in time");
            !matches!(read, Ok(count) if count > 0)
        }
    }
}

#[tokio::test]
async fn without_certificates_a_phone_talks_and_is_nobody_yet() {
    let site = Site::new("plain", ClientCertificates::Off);
    let mut bench = Bench::stream(limits(), site.security()).await;
    let connector = connector(&site.ca.certificate(), None);
    let mut phone = dial(&bench, &connector).await.unwrap();
    let (flow, identity, line) = bench.opened().await;
    assert_eq!((flow.transport, identity), (Transport::Tls, None));
    phone.write_all(&options(5)).await.unwrap();
    assert_eq!(bench.number().await, 5);
    line.outgoing.send("answer".into()).await.unwrap();
    let mut answer = [0; 6];
    timeout(PATIENCE, phone.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"answer");
    bench.counted("listener=\"sip\",result=\"full\"", 1).await;
    drop(phone);
    assert_eq!(bench.closed().await, FlowFailure::Closed);
}

#[tokio::test]
async fn a_client_certificate_says_who_it_is_and_its_lack_is_refused_where_required() {
    let site = Site::new("required", ClientCertificates::Required);
    let mut bench = Bench::stream(limits(), site.security()).await;
    let ca = site.ca.certificate();
    assert!(is_refused(&bench, &connector(&ca, None)).await);
    bench.counted("result=\"no-client-certificate\"", 1).await;
    let _phone = dial(&bench, &connector(&ca, Some(shown(&site.phone("phone-1"))))).await.unwrap();
    let (_, identity, _line) = bench.opened().await;
    let identity = identity.expect("an identity");
    assert_eq!(identity.common_name, "phone-1");
    assert!(identity.not_after > clock::wall().seconds());
    let stranger = Site::new("stranger", ClientCertificates::Off);
    assert!(is_refused(&bench, &connector(&ca, Some(shown(&stranger.phone("phone-1"))))).await);
    bench.counted("result=\"client-certificate-unknown-issuer\"", 1).await;
}

#[tokio::test]
async fn a_revoked_phone_is_closed_and_does_not_come_back() {
    let mut site = Site::new("revoked", ClientCertificates::Required);
    let mut bench = Bench::stream(limits(), site.security()).await;
    let ca = site.ca.certificate();
    let (good, bad) =
        (connector(&ca, Some(shown(&site.phone("good")))), connector(&ca, Some(shown(&site.phone("bad")))));
    let _good_phone = dial(&bench, &good).await.unwrap();
    let (good_flow, _, _good_line) = bench.opened().await;
    let _bad_phone = dial(&bench, &bad).await.unwrap();
    let (bad_flow, _, _bad_line) = bench.opened().await;
    site.ca.revoke("bad", clock::wall()).unwrap();
    site.endpoint.reload(site.endpoint.files().clone()).unwrap();
    let lists = revocations(&site.ca.crl()).unwrap();
    assert_eq!(lists.len(), 1);
    site.revocations.send_replace(lists);
    match bench.next().await {
        crate::shell::listen::Arrival::Closed { flow, reason } => {
            assert_eq!((flow, reason), (bad_flow, FlowFailure::Certificate));
        }
        other => panic!("{other:?}, the good one is {good_flow:?}"),
    }
    bench.counted("reason=\"certificate-revoked\"", 1).await;
    assert!(is_refused(&bench, &bad).await, "not even by its ticket");
    bench.counted("result=\"client-certificate-revoked\"", 1).await;
    assert!(dial(&bench, &good).await.is_ok());
}

/// A CA of our own making and a certificate that ends in `life`.
fn short_lived(
    directory: &Path,
    life: Duration,
) -> (PathBuf, CertificateDer<'static>, PrivateKeyDer<'static>) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "Brief CA");
    let key = KeyPair::generate().unwrap();
    let own = params.self_signed(&key).unwrap();
    let path = directory.join("brief.pem");
    std::fs::write(&path, own.pem()).unwrap();
    let issuer = Issuer::new(params, key);
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "brief");
    params.not_after = time::OffsetDateTime::now_utc() + life;
    let key = KeyPair::generate().unwrap();
    let leaf = params.signed_by(&key, &issuer).unwrap();
    (path, leaf.der().clone(), PrivateKeyDer::try_from(key.serialize_der()).unwrap())
}

#[tokio::test]
async fn a_certificate_that_ends_while_connected_ends_the_connection() {
    let mut site = Site::new("expires", ClientCertificates::Off);
    let (ca, certificate, key) = short_lived(&site.directory, Duration::from_secs(2));
    let files =
        TlsFiles { clients: ClientCertificates::Required, ca, crl: None, ..site.endpoint.files().clone() };
    site.endpoint.reload(files).unwrap();
    let mut bench = Bench::stream(limits(), site.security()).await;
    let connector = connector(&site.ca.certificate(), Some((certificate, key)));
    let _phone = dial(&bench, &connector).await.unwrap();
    let (_, identity, _line) = bench.opened().await;
    assert_eq!(identity.unwrap().common_name, "brief");
    assert_eq!(bench.closed().await, FlowFailure::Certificate);
    bench.counted("reason=\"certificate-expired\"", 1).await;
}

#[tokio::test]
async fn a_new_certificate_is_for_new_connections_and_the_old_ones_stay() {
    let mut site = Site::new("swap", ClientCertificates::Off);
    let mut bench = Bench::stream(limits(), site.security()).await;
    let connector = connector(&site.ca.certificate(), None);
    let serial = |phone: &TlsStream<TcpStream>| {
        phone.get_ref().1.peer_certificates().and_then(|chain| chain.first()).map(|leaf| leaf.to_vec())
    };
    let mut before = dial(&bench, &connector).await.unwrap();
    let (_, _, _line) = bench.opened().await;
    let fresh = files(&site.ca, "fresh", ClientCertificates::Off);
    site.endpoint.reload(fresh).unwrap();
    let after = dial(&bench, &connector).await.unwrap();
    let (_, _, _other_line) = bench.opened().await;
    assert_ne!(serial(&before), serial(&after));
    before.write_all(&options(6)).await.unwrap();
    assert_eq!(bench.number().await, 6, "the old connection lives");
}

#[tokio::test]
async fn handshakes_that_stall_or_are_none_end_by_name() {
    let site = Site::new("stall", ClientCertificates::Off);
    let bench = Bench::stream(limits(), site.security()).await;
    let _silent = bench.dial().await;
    bench.counted("result=\"timeout\"", 1).await;
    let mut clear = bench.dial().await;
    clear.write_all(&options(1)).await.unwrap();
    bench.counted("result=\"not-tls\"", 1).await;
    drop(bench.dial().await);
    bench.counted("result=\"closed\"", 1).await;
    for _ in 0..250 {
        if bench.shared.places.taken() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("places are held by the dead");
}

#[tokio::test]
async fn thousands_rest_while_one_talks() {
    const WANTED: usize = 2000;
    let (_, hard) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).unwrap();
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    // Both ends are ours.
    let count = WANTED.min(usize::try_from(hard).unwrap_or(WANTED).saturating_sub(200) / 2);
    let site = Site::new("thousands", ClientCertificates::Off);
    let limits = Limits {
        connections: count + 1,
        connections_per_source: count + 1,
        handshake_time: Duration::from_secs(20),
        ..limits()
    };
    let mut bench = Bench::stream(limits, site.security()).await;
    let connector = connector(&site.ca.certificate(), None);
    let mut resting = Vec::with_capacity(count);
    let mut lines = Vec::with_capacity(count);
    for _ in 0..count {
        resting.push(dial(&bench, &connector).await.unwrap());
        lines.push(bench.opened().await);
    }
    let mut talker = dial(&bench, &connector).await.unwrap();
    let _line = bench.opened().await;
    talker.write_all(&options(8)).await.unwrap();
    assert_eq!(bench.number().await, 8);
    assert!(is_refused(&bench, &connector).await, "one too many");
    bench.counted("reason=\"connections-full\"", 1).await;
    drop(resting);
    for _ in 0..count {
        // Who goes without reading its session ticket resets.
        assert!(matches!(bench.closed().await, FlowFailure::Closed | FlowFailure::Refused));
    }
}
