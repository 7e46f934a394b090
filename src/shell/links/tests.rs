//! Links over real sockets: offices by TLS, strangers, silence, carriers.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Instant;

use bytes::Bytes;
use tokio::net::{TcpListener, UdpSocket};

use super::*;
use crate::config::ClientCertificates;
use crate::engine::routing::tests::link;
use crate::engine::routing::{DialTicket, FederationToken, LinkAddress};
use crate::observe::Metrics;
use crate::shell::clock;
use crate::shell::listen::{self, Acceptor, Limits, Peers, Security, UdpListener};
use crate::shell::pki::{Purpose, SiteCa, TlsEndpoint, TlsFiles};

const PATIENCE: Duration = Duration::from_secs(5);
const OPTIONS: &str = "OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
    From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";

/// A federation's CA.
struct Federation {
    directory: PathBuf,
    ca: SiteCa,
}

impl Federation {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("branchline-links-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        let ca = SiteCa::init(&directory, name, clock::wall()).unwrap();
        Self { directory, ca }
    }

    fn files(&self, office: &str) -> TlsFiles {
        let hosts = vec!["localhost".to_owned()];
        let issued = self.ca.issue(office, Purpose::Office, &hosts, clock::wall()).unwrap();
        TlsFiles {
            certificate: issued.certificate,
            key: issued.key,
            clients: ClientCertificates::Required,
            ca: self.ca.certificate(),
            crl: None,
            alpn: Vec::new(),
        }
    }

    fn credentials(&self, office: &str) -> Credentials {
        let files = self.files(office);
        Credentials::new(files.ca, files.certificate, files.key)
    }
}

impl Drop for Federation {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// The engine's end of a box's channels.
struct Site {
    shared: Shared,
    arrivals: mpsc::Receiver<Arrival>,
    _limits: watch::Sender<Limits>,
    _stop: watch::Sender<bool>,
}

impl Site {
    fn new() -> Self {
        let (inlet, arrivals) = mpsc::channel(64);
        let (stop, stopping) = watch::channel(false);
        let limits = Limits {
            connections: 100,
            connections_per_source: 100,
            handshake_time: Duration::from_secs(2),
            message_time: Duration::from_secs(2),
            idle_time: Duration::from_secs(30),
            message_size: 8192,
            send_queue: 8,
        };
        let (limits, in_force) = watch::channel(limits);
        let shared = Shared {
            inlet,
            limits: in_force,
            places: Arc::default(),
            names: Arc::default(),
            metrics: Metrics::new("BRU"),
            stop: stopping,
        };
        Self { shared, arrivals, _limits: limits, _stop: stop }
    }

    async fn next(&mut self) -> Arrival {
        timeout(PATIENCE, self.arrivals.recv()).await.expect("an arrival in time").unwrap()
    }

    /// Listens for other offices.
    async fn listen(&self, files: TlsFiles) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let endpoint = TlsEndpoint::open(files).unwrap();
        let security = Security::Tls {
            config: endpoint.subscribe(),
            revocations: watch::channel(Revocations::default()).1,
        };
        let acceptor = Acceptor {
            listener,
            peers: Peers::Offices,
            networks: vec![],
            security,
            shared: self.shared.clone(),
        };
        tokio::spawn(async move {
            listen::serve(acceptor).await;
            drop(endpoint);
        });
        address
    }

    fn dialler(&self, credentials: Option<Credentials>) -> mpsc::Sender<Box<Dial>> {
        self.dialler_with(credentials, None)
    }

    fn dialler_with(
        &self,
        credentials: Option<Credentials>,
        carriers: Option<Carriers>,
    ) -> mpsc::Sender<Box<Dial>> {
        let (dials, waiting) = mpsc::channel(8);
        let (lists, revocations) = watch::channel(Revocations::default());
        let office = "BRU".parse().unwrap();
        let dialler = Dialler { shared: self.shared.clone(), office, credentials, revocations, carriers };
        tokio::spawn(async move {
            serve(dialler, waiting).await;
            drop(lists);
        });
        dials
    }

    async fn failed(&mut self) -> DialFailure {
        match self.next().await {
            Arrival::Dialled { result: DialResult::Failed(failure), .. } => failure,
            other => panic!("expected a failure, got {other:?}"),
        }
    }
}

fn dial(text: &str, budget: u64) -> Dial {
    let link = link(text);
    let LinkAddress::Sip(address) = link.address else { panic!("a SIP address") };
    Dial {
        ticket: DialTicket(7),
        link: link.id,
        kind: link.kind,
        office: link.office,
        address: Arc::new(address),
        credentials: None,
        token: FederationToken::new("blf_secret"),
        budget: Duration::from_millis(budget),
    }
}

fn to_par(host: &str, port: u16) -> Dial {
    dial(&format!("par SipTrunk PAR sips:{host}:{port}"), 2_000)
}

#[tokio::test]
async fn offices_know_each_other_by_their_certificates() {
    let federation = Federation::new("both");
    let (mut bru, mut par) = (Site::new(), Site::new());
    let address = par.listen(federation.files("PAR")).await;
    let dials = bru.dialler(Some(federation.credentials("BRU")));
    dials.send(Box::new(to_par("localhost", address.port()))).await.unwrap();
    let Arrival::Opened { flow, identity, line } = bru.next().await else { panic!("it opens first") };
    assert_eq!((flow.side, flow.transport), (Side::Office("PAR".parse().unwrap()), Transport::Tls));
    assert_eq!(identity.unwrap().common_name, "PAR");
    let Arrival::Dialled { ticket, result: DialResult::Open { flow: same, others } } = bru.next().await
    else {
        panic!("then the dial is answered")
    };
    assert_eq!((ticket, same, others.len()), (DialTicket(7), flow, 0));
    let Arrival::Opened { flow: theirs, line: back, .. } = par.next().await else { panic!("it opens there") };
    assert_eq!(theirs.side, Side::Office("BRU".parse().unwrap()));

    line.outgoing.send(Bytes::from_static(OPTIONS.as_bytes())).await.unwrap();
    let Arrival::Sip { flow, message } = par.next().await else { panic!("a message") };
    assert!(flow == theirs && message.is_ok());
    back.outgoing.send(Bytes::from_static(OPTIONS.as_bytes())).await.unwrap();
    assert!(matches!(bru.next().await, Arrival::Sip { message: Ok(_), .. }));
    assert!(line.close.send(crate::engine::flow::FlowFailure::Closed).is_ok());
    assert!(matches!(bru.next().await, Arrival::Closed { .. }));
    assert!(matches!(par.next().await, Arrival::Closed { .. }));
}

#[tokio::test]
async fn another_office_than_the_one_meant_is_not_taken() {
    let federation = Federation::new("other");
    let (mut bru, nyc) = (Site::new(), Site::new());
    let address = nyc.listen(federation.files("NYC")).await;
    let dials = bru.dialler(Some(federation.credentials("BRU")));
    dials.send(Box::new(to_par("localhost", address.port()))).await.unwrap();
    assert_eq!(bru.failed().await, DialFailure::Certificate);
}

#[tokio::test]
async fn a_stranger_and_a_wrong_name_are_not_taken() {
    let (federation, strangers) = (Federation::new("ours"), Federation::new("theirs"));
    let (mut bru, par) = (Site::new(), Site::new());
    let address = par.listen(strangers.files("PAR")).await;
    let dials = bru.dialler(Some(federation.credentials("BRU")));
    dials.send(Box::new(to_par("localhost", address.port()))).await.unwrap();
    assert_eq!(bru.failed().await, DialFailure::Certificate, "signed by somebody else");
    let address = par.listen(federation.files("PAR")).await;
    dials.send(Box::new(to_par("127.0.0.1", address.port()))).await.unwrap();
    assert_eq!(bru.failed().await, DialFailure::Certificate, "the certificate names localhost");
}

#[tokio::test]
async fn a_certificate_that_names_no_office_does_not_get_in() {
    let federation = Federation::new("phone");
    let (mut bru, mut par) = (Site::new(), Site::new());
    let address = par.listen(federation.files("PAR")).await;
    let dials = bru.dialler(Some(federation.credentials("phone-1001")));
    dials.send(Box::new(to_par("localhost", address.port()))).await.unwrap();
    // Over TLS 1.3 the client learns of it when the connection ends.
    assert!(matches!(bru.next().await, Arrival::Opened { .. }));
    assert!(matches!(bru.next().await, Arrival::Dialled { .. }));
    assert!(matches!(bru.next().await, Arrival::Closed { .. }));
    assert!(par.arrivals.try_recv().is_err(), "the engine hears nothing of it");
}

#[tokio::test]
async fn a_handshake_that_stalls_ends_with_its_budget() {
    let federation = Federation::new("stall");
    let mut bru = Site::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let dials = bru.dialler(Some(federation.credentials("BRU")));
    let began = Instant::now();
    dials.send(Box::new(dial(&format!("par SipTrunk PAR sips:localhost:{port}"), 300))).await.unwrap();
    assert_eq!(bru.failed().await, DialFailure::TimedOut);
    assert!(began.elapsed() < Duration::from_secs(2));
    drop(listener);
}

#[tokio::test]
async fn a_closed_port_an_unknown_name_and_missing_certificates_say_so() {
    let federation = Federation::new("none");
    let mut bru = Site::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let dials = bru.dialler(Some(federation.credentials("BRU")));
    dials.send(Box::new(to_par("127.0.0.1", port))).await.unwrap();
    assert_eq!(bru.failed().await, DialFailure::Refused);
    dials.send(Box::new(to_par("no-such-host.invalid", port))).await.unwrap();
    assert_eq!(bru.failed().await, DialFailure::Unresolved);
    let dials = bru.dialler(None);
    dials.send(Box::new(to_par("127.0.0.1", port))).await.unwrap();
    assert_eq!(bru.failed().await, DialFailure::NotEquipped);
    dials.send(Box::new(dial(&format!("own PstnGateway - sip:127.0.0.1:{port}"), 500))).await.unwrap();
    assert_eq!(bru.failed().await, DialFailure::NotEquipped, "no socket for carriers");
}

#[tokio::test]
async fn the_socket_for_carriers_takes_datagrams_of_those_it_was_sent_to() {
    let mut bru = Site::new();
    let known = Known::default();
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let listener = UdpListener::new(socket, Side::Gateway, vec![]).unwrap().only_from(known.clone());
    let (local, sender) = (listener.local(), listener.sender());
    tokio::spawn(listener.serve(bru.shared.clone()));
    let dials = bru.dialler_with(None, Some(Carriers { local, known }));

    let carrier = UdpSocket::bind("127.0.0.7:0").await.unwrap();
    let remote = carrier.local_addr().unwrap();
    carrier.send_to(OPTIONS.as_bytes(), local).await.unwrap();
    let text = format!("own PstnGateway - sip:127.0.0.7:{}", remote.port());
    dials.send(Box::new(dial(&text, 500))).await.unwrap();
    let Arrival::Dialled { result: DialResult::Open { flow, .. }, .. } = bru.next().await else {
        panic!("nothing of a stranger was heard")
    };
    assert_eq!((flow.local, flow.remote, flow.side), (local, remote, Side::Gateway));
    assert!(sender.serves(flow.local));
    carrier.send_to(OPTIONS.as_bytes(), local).await.unwrap();
    let Arrival::Sip { flow: heard, .. } = bru.next().await else { panic!("a message") };
    assert_eq!(heard, flow, "what comes back is of the link's own flow");
}

/// A gateway that upgrades to `protocol` and sends one message.
async fn gateway(files: TlsFiles, protocol: &'static str) -> SocketAddr {
    use futures_util::SinkExt;
    use tokio_tungstenite::accept_hdr_async;
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(files.load().unwrap().config);
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let stream = acceptor.accept(stream).await.unwrap();
        #[expect(clippy::result_large_err, reason = "the library's own type")]
        let agree = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
            assert_eq!(request.uri().path(), "/sip");
            assert_eq!(request.headers()["Sec-WebSocket-Protocol"], "sip");
            assert_eq!(request.headers()["X-Federation-Office"], "BRU");
            assert_eq!(request.headers()["Authorization"], "Bearer blf_secret");
            response.headers_mut().insert("Sec-WebSocket-Protocol", protocol.parse().unwrap());
            Ok(response)
        };
        let Ok(mut socket) = accept_hdr_async(stream, agree).await else { return };
        socket.send(Message::text(OPTIONS)).await.unwrap();
        tokio::time::sleep(PATIENCE).await;
    });
    address
}

#[tokio::test]
async fn the_gateway_is_spoken_to_by_websocket() {
    let federation = Federation::new("gateway");
    let mut bru = Site::new();
    let address = gateway(federation.files("GW"), "sip").await;
    let dials = bru.dialler(Some(federation.credentials("BRU")));
    let text = format!("gw ApiGateway PAR wss://localhost:{}/sip", address.port());
    dials.send(Box::new(dial(&text, 2_000))).await.unwrap();
    let Arrival::Opened { flow, .. } = bru.next().await else { panic!("it opens") };
    assert_eq!((flow.side, flow.transport), (Side::Gateway, Transport::Wss));
    assert!(matches!(bru.next().await, Arrival::Dialled { result: DialResult::Open { .. }, .. }));
    assert!(matches!(bru.next().await, Arrival::Sip { message: Ok(_), .. }));
}

#[tokio::test]
async fn a_server_that_speaks_something_else_is_no_gateway() {
    let federation = Federation::new("chat");
    let mut bru = Site::new();
    let address = gateway(federation.files("GW"), "chat").await;
    let dials = bru.dialler(Some(federation.credentials("BRU")));
    let text = format!("gw ApiGateway - wss://localhost:{}/sip", address.port());
    dials.send(Box::new(dial(&text, 2_000))).await.unwrap();
    assert_eq!(bru.failed().await, DialFailure::Handshake);
}
