//! Listeners being opened: SIP's own, Asterisk's, and the web's.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tracing::info;

use super::failure::Failure;
use super::loading::RevocationLists;
use super::session_key;
use super::sockets::SipSocket;
use super::tasks::Tasks;
use super::vitals::Board;
use crate::api::{self, Api, ApiMetrics, Parts};
use crate::config::{Config, Network, Transport};
use crate::engine::flow::Side;
use crate::engine::routing::Dial;
use crate::shell::daemon::Daemon;
use crate::shell::https::{self, HttpsLimits};
use crate::shell::links;
use crate::shell::listen::{self, Acceptor, Limits, Peers, Shared, UdpListener};
use crate::shell::settings::{self, AccountBook};

/// Upgraded WebSockets that may wait for a task.
const UPGRADED: usize = 64;

/// What the HTTP listeners need.
pub(super) struct Web {
    pub(super) line: api::EngineLine,
    pub(super) book: Arc<AccountBook>,
    pub(super) board: Arc<Board>,
    pub(super) https: Option<std::net::TcpListener>,
    pub(super) metrics: Option<std::net::TcpListener>,
}

/// Listeners being opened.
pub(super) struct Listeners {
    pub(super) tasks: Tasks,
    shared: Shared,
    pub(super) limits: watch::Sender<Limits>,
    pub(super) senders: Vec<listen::UdpSender>,
}

impl Listeners {
    pub(super) fn new(daemon: &Daemon, inlet: listen::Inlet, stop: watch::Receiver<bool>) -> Self {
        let (limits, in_force) = watch::channel(Limits::from(&daemon.config.sip.limits));
        let metrics = daemon.metrics.clone();
        let shared =
            Shared { inlet, limits: in_force, places: Arc::default(), names: Arc::default(), metrics, stop };
        Self { tasks: Tasks::default(), shared, limits, senders: Vec::new() }
    }

    pub(super) fn open_sip(
        &mut self,
        daemon: &Daemon,
        sockets: Vec<(crate::config::Listen, SipSocket)>,
        revocations: &RevocationLists,
    ) -> Result<(), Failure> {
        for (listen, socket) in sockets {
            info!(name = listen.name, transport = listen.transport.as_str(), address = %listen.address, "listening");
            match socket {
                SipSocket::Udp(socket) => self.open_udp("sip-udp", socket, Side::Site, listen.networks)?,
                SipSocket::Tcp(socket) => {
                    let security = match (&daemon.sip_tls, listen.transport) {
                        (Some(endpoint), Transport::Tls) => listen::Security::Tls {
                            config: endpoint.subscribe(),
                            revocations: revocations.sip.subscribe(),
                        },
                        _ => listen::Security::Clear,
                    };
                    let acceptor = Acceptor {
                        listener: into_tokio(socket)?,
                        peers: Peers::On(Side::Site),
                        networks: listen.networks,
                        security,
                        shared: self.shared.clone(),
                    };
                    self.tasks.start("sip-tcp", listen::serve(acceptor));
                }
            }
        }
        Ok(())
    }

    /// Other offices' listener, the socket for carriers, and the task that dials links.
    pub(super) fn open_links(
        &mut self,
        daemon: &Daemon,
        offices: Option<std::net::TcpListener>,
        carriers: Option<std::net::UdpSocket>,
        revocations: &RevocationLists,
    ) -> Result<mpsc::Sender<Box<Dial>>, Failure> {
        if let (Some(socket), Some(endpoint)) = (offices, &daemon.offices_tls) {
            let config = endpoint.subscribe();
            let acceptor = Acceptor {
                listener: into_tokio(socket)?,
                peers: Peers::Offices,
                networks: Vec::new(),
                security: listen::Security::Tls { config, revocations: revocations.offices.subscribe() },
                shared: self.shared.clone(),
            };
            self.tasks.start("offices", listen::serve(acceptor));
        }
        let known = links::Known::default();
        let carriers = carriers.map(|socket| self.open_carriers(socket, known)).transpose()?;
        let tls = daemon.config.federation.tls.clone();
        let dialler = links::Dialler {
            shared: self.shared.clone(),
            office: daemon.config.office.id,
            credentials: tls.map(|tls| links::Credentials::new(tls.ca, tls.certificate, tls.key)),
            revocations: revocations.offices.subscribe(),
            carriers,
        };
        let (dials, waiting) = mpsc::channel(links::WAITING);
        self.tasks.start("links", links::serve(dialler, waiting));
        Ok(dials)
    }

    fn open_carriers(
        &mut self,
        socket: std::net::UdpSocket,
        known: links::Known,
    ) -> Result<links::Carriers, Failure> {
        let listener = UdpListener::new(socket, Side::Gateway, Vec::new()).map_err(Failure::system)?;
        let listener = listener.only_from(known.clone());
        let local = listener.local();
        self.senders.push(listener.sender());
        self.tasks.start("carriers", listener.serve(self.shared.clone()));
        Ok(links::Carriers { local, known })
    }

    pub(super) fn open_asterisk(
        &mut self,
        config: &Config,
        socket: Option<std::net::UdpSocket>,
    ) -> Result<(), Failure> {
        let (Some(socket), Some(asterisk)) = (socket, &config.asterisk) else { return Ok(()) };
        let only: Network = asterisk.address.ip().to_string().parse().map_err(Failure::configuration)?;
        self.open_udp("sip-asterisk", socket, Side::Asterisk, vec![only])
    }

    fn open_udp(
        &mut self,
        name: &'static str,
        socket: std::net::UdpSocket,
        side: Side,
        networks: Vec<Network>,
    ) -> Result<(), Failure> {
        let listener = UdpListener::new(socket, side, networks).map_err(Failure::system)?;
        self.senders.push(listener.sender());
        self.tasks.start(name, listener.serve(self.shared.clone()));
        Ok(())
    }

    pub(super) fn open_web(
        &mut self,
        daemon: &Daemon,
        web: Web,
        revocations: &RevocationLists,
    ) -> Result<(), Failure> {
        let metrics = ApiMetrics::with_handshakes(daemon.metrics.handshakes());
        daemon.metrics.register(|registry| metrics.register(registry));
        let (upgraded, websockets) = mpsc::channel(UPGRADED);
        let Web { line, book, board, https, metrics: plain } = web;
        let api = Api::new(Parts {
            settings: settings::api_settings(
                &daemon.config,
                session_key::load_or_make(&daemon.config.paths.state)?,
            ),
            directory: Arc::<AccountBook>::clone(&book),
            accounts: book,
            records: Arc::new(daemon.store.clone()),
            vitals: board,
            line,
            sip: Some(upgraded),
            metrics: metrics.clone(),
            shutdown: self.shared.stop.clone(),
        });
        if let (Some(socket), Some(endpoint)) = (https, &daemon.https_tls) {
            let security = https::Security::Tls(endpoint.subscribe());
            self.open_http("https", socket, security, api::router(api.clone()), &metrics)?;
        }
        if let Some(socket) = plain {
            let router = api::metrics_router(api.clone());
            self.open_http("metrics", socket, https::Security::Clear, router, &metrics)?;
        }
        let serving =
            listen::serve_websockets(websockets, revocations.https.subscribe(), self.shared.clone());
        self.tasks.start("sip-websocket", async move {
            serving.await;
            // Without HTTPS nobody else holds the sender, and the task would end before the daemon does.
            drop(api);
        });
        Ok(())
    }

    fn open_http(
        &mut self,
        name: &'static str,
        socket: std::net::TcpListener,
        security: https::Security,
        router: axum::Router,
        metrics: &ApiMetrics,
    ) -> Result<(), Failure> {
        let limits = *self.shared.limits.borrow();
        let limits = HttpsLimits {
            connections: limits.connections,
            connections_per_source: limits.connections_per_source,
            ..HttpsLimits::default()
        };
        let stop = self.shared.stop.clone();
        self.tasks
            .start(name, https::serve(into_tokio(socket)?, security, router, limits, metrics.clone(), stop));
        Ok(())
    }
}

fn into_tokio(socket: std::net::TcpListener) -> Result<tokio::net::TcpListener, Failure> {
    socket.set_nonblocking(true).map_err(Failure::system)?;
    tokio::net::TcpListener::from_std(socket).map_err(Failure::system)
}
