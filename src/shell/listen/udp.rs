//! Datagrams.
//!
//! A socket may be bound to a wildcard: the address that a datagram was sent to comes with it (IP_PKTINFO,
//! RFC 3542), stands in the flow, and answers leave from it. So `Flow::local` is always an address that the peer
//! can reach.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Arc;

use bytes::Bytes;
use nix::cmsg_space;
use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, SockaddrIn6, SockaddrLike, SockaddrStorage,
    recvmsg, sendmsg, setsockopt, sockopt,
};
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tracing::{debug, trace};

use super::accept::{canonical, is_allowed};
use super::{Arrival, Inlet, Shared, stopped, stun};
use crate::config::Network;
use crate::engine::flow::{Flow, Side};
use crate::shell::links::Known;
use crate::sip::Transport;
use crate::sip::parse::{ParseError, parse};

/// Longest datagram that UDP can carry, and one byte.
const BUFFER: usize = 65_536;
/// Datagrams received before other tasks have a turn.
const BUDGET: usize = 64;
/// What we ask of the system for bursts, in bytes; it gives what `net.core.rmem_max` allows.
const SYSTEM_BUFFER: usize = 4 * 1024 * 1024;

/// A bound UDP listener.
#[derive(Debug)]
pub struct UdpListener {
    socket: Arc<UdpSocket>,
    local: SocketAddr,
    side: Side,
    networks: Vec<Network>,
    known: Option<Known>,
}

/// Sends from a listener's socket. Cheap to clone.
#[derive(Clone, Debug)]
pub struct UdpSender {
    socket: Arc<UdpSocket>,
    local: SocketAddr,
}

/// A datagram as received.
struct Datagram {
    length: usize,
    local: SocketAddr,
    remote: SocketAddr,
}

impl UdpListener {
    /// Takes over a bound socket. Must be called within the runtime.
    pub fn new(socket: std::net::UdpSocket, side: Side, networks: Vec<Network>) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let local = socket.local_addr()?;
        let options = SockRef::from(&socket);
        // The system may give less; bursts are then dropped earlier, by the system.
        let _ = options.set_recv_buffer_size(SYSTEM_BUFFER).and(options.set_send_buffer_size(SYSTEM_BUFFER));
        if local.ip().is_unspecified() {
            match local {
                SocketAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?,
                SocketAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?,
            }
        }
        Ok(Self { socket: Arc::new(UdpSocket::from_std(socket)?), local, side, networks, known: None })
    }

    /// Takes datagrams from those that are known, and from nobody else.
    pub fn only_from(mut self, known: Known) -> Self {
        self.known = Some(known);
        self
    }

    /// Where it is bound.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// For whoever sends.
    pub fn sender(&self) -> UdpSender {
        UdpSender { socket: Arc::clone(&self.socket), local: self.local }
    }

    /// Receives until the daemon stops.
    pub async fn serve(self, shared: Shared) {
        let mut stop = shared.stop.clone();
        let mut buffer = vec![0; BUFFER];
        loop {
            let ready = tokio::select! {
                ready = self.socket.readable() => ready,
                () = stopped(&mut stop) => return,
            };
            if let Err(error) = ready {
                debug!(%error, "a UDP socket cannot be read");
            }
            let longest = shared.limits.borrow().message_size;
            for _ in 0..BUDGET {
                match self.receive(&mut buffer) {
                    Ok(datagram) => {
                        let bytes = buffer.get(..datagram.length).unwrap_or_default();
                        let taken = self.take(&datagram, bytes, &shared.inlet, longest);
                        taken.unwrap_or_else(|reason| shared.metrics.dropped("udp", reason));
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    // An ICMP message about something sent before.
                    Err(error) => trace!(%error, "a UDP socket reports"),
                }
            }
            tokio::task::yield_now().await;
        }
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<Datagram> {
        self.socket.try_io(Interest::READABLE, || {
            let mut control = cmsg_space!(libc::in6_pktinfo);
            let mut slices = [IoSliceMut::new(buffer)];
            let (fd, flags) = (self.socket.as_raw_fd(), MsgFlags::empty());
            let received = recvmsg::<SockaddrStorage>(fd, &mut slices, Some(&mut control), flags)?;
            let remote = received.address.and_then(address_of).ok_or(io::ErrorKind::InvalidData)?;
            let asked = received.cmsgs()?.find_map(|message| match message {
                ControlMessageOwned::Ipv4PacketInfo(info) => {
                    Some(IpAddr::V4(u32::from_be(info.ipi_addr.s_addr).into()))
                }
                ControlMessageOwned::Ipv6PacketInfo(info) => Some(IpAddr::V6(info.ipi6_addr.s6_addr.into())),
                _ => None,
            });
            let local = SocketAddr::new(asked.unwrap_or(self.local.ip()), self.local.port());
            Ok(Datagram { length: received.bytes, local: canonical(local), remote: canonical(remote) })
        })
    }

    fn take(
        &self,
        datagram: &Datagram,
        bytes: &[u8],
        inlet: &Inlet,
        longest: usize,
    ) -> Result<(), &'static str> {
        let Datagram { local, remote, .. } = *datagram;
        if !is_allowed(&self.networks, remote) {
            return Err("network-not-allowed");
        }
        if self.known.as_ref().is_some_and(|known| !known.contains(remote.ip())) {
            return Err("unknown-carrier");
        }
        if stun::is_stun(bytes) {
            let answer = stun::answer(bytes, remote).ok_or("stun-unusable")?;
            return self.sender().send(local, remote, &answer).map_err(|_| "send-failed");
        }
        if bytes.len() > longest {
            return Err("message-size");
        }
        let message = match parse(Bytes::copy_from_slice(bytes)) {
            Err(ParseError::KeepAlive) => return Ok(()),
            parsed => parsed,
        };
        let flow = Flow { transport: Transport::Udp, local, remote, connection: None, side: self.side };
        inlet.try_send(Arrival::Sip { flow, message }).map_err(|_| "engine-queue-full")
    }
}

impl UdpSender {
    /// Whether datagrams from `local` leave by this socket.
    pub fn serves(&self, local: SocketAddr) -> bool {
        local.port() == self.local.port()
            && (local.ip() == self.local.ip().to_canonical() || self.is_wildcard())
    }

    /// Sends without waiting, from the address `local` of this box. An error of the kind `WouldBlock` means that
    /// the system has no room; whoever sends repeats it.
    pub fn send(&self, local: SocketAddr, remote: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        let remote = self.of_our_family(remote);
        if !self.is_wildcard() {
            return self.socket.try_send_to(bytes, remote).map(drop);
        }
        self.socket.try_io(Interest::WRITABLE, || {
            let (fd, slices) = (self.socket.as_raw_fd(), [IoSlice::new(bytes)]);
            match (remote, self.of_our_family(local)) {
                (SocketAddr::V4(to), SocketAddr::V4(from)) => {
                    let s_addr = u32::from(*from.ip()).to_be();
                    let info = libc::in_pktinfo {
                        ipi_ifindex: 0,
                        ipi_spec_dst: libc::in_addr { s_addr },
                        ipi_addr: libc::in_addr { s_addr: 0 },
                    };
                    let control = [ControlMessage::Ipv4PacketInfo(&info)];
                    sendmsg(fd, &slices, &control, MsgFlags::empty(), Some(&SockaddrIn::from(to)))?;
                }
                (SocketAddr::V6(to), SocketAddr::V6(from)) => {
                    let info = libc::in6_pktinfo {
                        ipi6_addr: libc::in6_addr { s6_addr: from.ip().octets() },
                        ipi6_ifindex: 0,
                    };
                    let control = [ControlMessage::Ipv6PacketInfo(&info)];
                    sendmsg(fd, &slices, &control, MsgFlags::empty(), Some(&SockaddrIn6::from(to)))?;
                }
                _ => return Err(io::ErrorKind::InvalidInput.into()),
            }
            Ok(())
        })
    }

    fn is_wildcard(&self) -> bool {
        self.local.ip().is_unspecified()
    }

    /// `address` as this socket wants it: an IPv6 socket takes IPv4 in its mapped form.
    fn of_our_family(&self, address: SocketAddr) -> SocketAddr {
        match (self.local, address.ip()) {
            (SocketAddr::V6(_), IpAddr::V4(v4)) => (v4.to_ipv6_mapped(), address.port()).into(),
            _ => address,
        }
    }
}

fn address_of(storage: SockaddrStorage) -> Option<SocketAddr> {
    match storage.family()? {
        nix::sys::socket::AddressFamily::Inet => {
            storage.as_sockaddr_in().map(|v4| SocketAddr::new(IpAddr::V4(v4.ip()), v4.port()))
        }
        _ => storage.as_sockaddr_in6().map(|v6| SocketAddr::new(IpAddr::V6(v6.ip()), v6.port())),
    }
}
