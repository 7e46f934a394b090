//! The sockets: taken over from systemd by name, or bound.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::close;
use socket2::{Domain, Protocol, Socket, Type};
use tracing::{debug, info, warn};

use super::failure::Failure;
use crate::config::{Config, Listen, Transport};
use crate::observe::{Condition, Health};
use crate::shell::media::{MediaSockets, SocketSettings};
use crate::shell::systemd::Activated;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// A SIP listener's socket.
#[derive(Debug)]
pub(super) enum SipSocket {
    Udp(UdpSocket),
    Tcp(TcpListener),
}

/// Everything bound before READY.
#[derive(Debug)]
pub(super) struct Sockets {
    /// In the order of the configuration.
    pub(super) sip: Vec<(Listen, SipSocket)>,
    /// Our end of the signalling with Asterisk.
    pub(super) asterisk: Option<UdpSocket>,
    /// Where other offices connect.
    pub(super) offices: Option<TcpListener>,
    /// For carriers by UDP.
    pub(super) carriers: Option<UdpSocket>,
    pub(super) https: Option<TcpListener>,
    /// `None` when off, or when the port is taken: that is a condition, not the end.
    pub(super) metrics: Option<TcpListener>,
    pub(super) media: MediaSockets,
}

impl Sockets {
    /// Binds all that the configuration names.
    pub(super) fn open(config: &Config, health: &Health) -> Result<Self, Failure> {
        let mut activated = Activated::of_process()?;
        let mut sip = Vec::with_capacity(config.sip.listen.len());
        for listen in &config.sip.listen {
            sip.push((listen.clone(), sip_socket(listen, &mut activated)?));
        }
        let https =
            config.https.as_ref().map(|https| tcp(&mut activated, "https", https.address, "[https] address"));
        let asterisk = config.asterisk.as_ref().map(|asterisk| {
            UdpSocket::bind(asterisk.local).map_err(|error| {
                Failure::socket(&format!("udp {}", asterisk.local), "[asterisk] local", &error)
            })
        });
        let federation = &config.federation;
        let offices =
            federation.address.map(|address| tcp(&mut activated, "offices", address, "[federation] address"));
        let carriers = federation.udp_address.map(|address| {
            let failed =
                |error| Failure::socket(&format!("udp {address}"), "[federation] udp-address", &error);
            UdpSocket::bind(address).map_err(failed)
        });
        let sockets = Self {
            sip,
            offices: offices.transpose()?,
            carriers: carriers.transpose()?,
            asterisk: asterisk.transpose()?,
            https: https.transpose()?,
            metrics: metrics(config, &mut activated, health)?,
            media: media(config)?,
        };
        for name in activated.left_over() {
            warn!(reason = "socket-not-used", "systemd hands over a socket \"{name}\" that no listener has");
        }
        Ok(sockets)
    }

    /// Where we listen, for people: `tls 0.0.0.0:5061`.
    pub(super) fn listeners(&self) -> Vec<String> {
        let sip = self.sip.iter().map(|(listen, socket)| {
            let local = match socket {
                SipSocket::Udp(socket) => socket.local_addr(),
                SipSocket::Tcp(socket) => socket.local_addr(),
            };
            (listen.transport.as_str(), local)
        });
        let offices = self.offices.iter().map(|socket| ("offices", socket.local_addr()));
        let carriers = self.carriers.iter().map(|socket| ("carriers", socket.local_addr()));
        let sip = sip.chain(offices).chain(carriers);
        let web = self.https.iter().map(|socket| ("https", socket.local_addr()));
        let metrics = self.metrics.iter().map(|socket| ("metrics", socket.local_addr()));
        let bound = sip.chain(web).chain(metrics).filter_map(|(name, local)| Some((name, local.ok()?)));
        bound.map(|(name, local)| format!("{name} {local}")).collect()
    }
}

/// Lets the process have as many descriptors as the system allows it: each connection and media port takes one.
pub(super) fn raise_descriptor_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        debug!(soft, hard, "descriptors");
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
    });
    if let Err(error) = raised {
        warn!(reason = "descriptor-limit", "the limit of descriptors cannot be raised: {error}");
    }
}

/// Makes room in the table of descriptors for all that can be open, before there are threads: the table grows by
/// doubling, and a process with threads waits ten milliseconds each time until no processor uses the old one.
pub(super) fn make_room_for_descriptors(config: &Config) {
    let ports = usize::from(config.media.phone_ports.pairs()) * 2;
    let wanted = i32::try_from(ports + config.sip.limits.connections).unwrap_or(i32::MAX);
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard))
        .and_then(|()| fcntl(io::stderr(), FcntlArg::F_DUPFD_CLOEXEC(wanted)));
    // If it is refused the table grows when it must, and the limit is reported once there is a log.
    if let Ok(highest) = raised {
        let _ = close(highest);
    }
}

fn sip_socket(listen: &Listen, activated: &mut Activated) -> Result<SipSocket, Failure> {
    let (name, address) = (&listen.name, listen.address);
    let key = format!("address of the [[sip.listen]] named \"{name}\"");
    if listen.transport != Transport::Udp {
        return tcp(activated, name, address, &key).map(SipSocket::Tcp);
    }
    if let Some(socket) = activated.take_udp(name)? {
        return Ok(SipSocket::Udp(socket));
    }
    let bound = UdpSocket::bind(address);
    bound.map(SipSocket::Udp).map_err(|error| Failure::socket(&format!("udp {address}"), &key, &error))
}

fn tcp(
    activated: &mut Activated,
    name: &str,
    address: SocketAddr,
    key: &str,
) -> Result<TcpListener, Failure> {
    if let Some(socket) = activated.take_tcp(name)? {
        return Ok(socket);
    }
    bind_tcp(address).map_err(|error| Failure::socket(&format!("tcp {address}"), key, &error))
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Connections of the process before us may linger.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn metrics(
    config: &Config,
    activated: &mut Activated,
    health: &Health,
) -> Result<Option<TcpListener>, Failure> {
    let Some(wanted) = &config.metrics else { return Ok(None) };
    if let Some(socket) = activated.take_tcp("metrics")? {
        return Ok(Some(socket));
    }
    match bind_tcp(wanted.address) {
        Ok(socket) => Ok(Some(socket)),
        Err(error) => {
            let words = format!("cannot listen on {} for metrics: {error}", wanted.address);
            health.raise(Condition::ListenerFailed, &words);
            warn!(reason = Condition::ListenerFailed.as_str(), "{words}");
            Ok(None)
        }
    }
}

fn media(config: &Config) -> Result<MediaSockets, Failure> {
    let media = &config.media;
    let settings = SocketSettings {
        webrtc: SocketAddr::new(media.address, media.webrtc_port),
        trunk: SocketAddr::new(media.trunk_address, media.trunk_port),
        phone_address: media.address,
        phone_ports: media.phone_ports.first()..=media.phone_ports.last(),
        dscp: media.dscp,
    };
    let sockets = MediaSockets::bind(&settings)
        .map_err(|error| Failure::system(format!("{error}; free the ports, or change [media]")))?;
    if sockets.pairs_left_out > 0 {
        let missing = sockets.pairs_left_out;
        warn!(reason = "media-ports-missing", missing, "other processes use ports of [media] phone-ports");
    } else {
        info!(pairs = sockets.phones.len(), "media ports bound");
    }
    Ok(sockets)
}
