//! The media sockets, all bound before READY.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::media::ports::PortNumbers;

/// Room for a burst of every call on a shared socket, in bytes.
const SHARED_BUFFER: usize = 4 << 20;

/// Room for a second of one call, in bytes.
const PHONE_BUFFER: usize = 64 << 10;

/// Where to bind.
#[derive(Clone, Debug)]
pub struct SocketSettings {
    /// All browsers' port.
    pub webrtc: SocketAddr,
    /// The port towards Asterisk, on loopback.
    pub trunk: SocketAddr,
    /// The address phones send to.
    pub phone_address: IpAddr,
    /// Their ports: pairs of an even port and the next. Pairs that others use are left out.
    pub phone_ports: RangeInclusive<u16>,
    /// The differentiated services code point of what is sent, 0 to 63 (RFC 2474).
    pub dscp: u8,
}

/// A phone's pair of sockets.
#[derive(Debug)]
pub struct PhoneSockets {
    /// Even: RTP, and RTCP when muxed.
    pub rtp: UdpSocket,
    /// Odd: RTCP.
    pub rtcp: UdpSocket,
    /// Their ports.
    pub numbers: PortNumbers,
}

/// All media sockets.
#[derive(Debug)]
pub struct MediaSockets {
    /// All browsers'.
    pub webrtc: UdpSocket,
    /// Towards Asterisk.
    pub trunk: UdpSocket,
    /// Phones', in the order of [`PortPair`](crate::media::PortPair).
    pub phones: Vec<PhoneSockets>,
    /// Pairs of the range that others use.
    pub pairs_left_out: usize,
}

/// Why the media sockets could not be had.
#[derive(Debug, thiserror::Error)]
pub enum BindFailure {
    /// One of the shared sockets.
    #[error("media socket {address}: {error}")]
    Shared {
        /// What was to be bound.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// Not one pair of the range.
    #[error("no pair of ports in {}..={} on {address} could be bound: {error}", ports.start(), ports.end())]
    NoPhonePorts {
        /// On which address.
        address: IpAddr,
        /// The range.
        ports: RangeInclusive<u16>,
        /// What the system said last.
        error: io::Error,
    },
}

impl MediaSockets {
    /// Binds them all. An empty range of phone ports gives none.
    pub fn bind(settings: &SocketSettings) -> Result<Self, BindFailure> {
        let shared = |address| {
            udp(address, SHARED_BUFFER, settings.dscp).map_err(|error| BindFailure::Shared { address, error })
        };
        let webrtc = shared(settings.webrtc)?;
        let trunk = shared(settings.trunk)?;
        let mut phones = Vec::new();
        let mut last_error = None;
        let mut pairs_left_out = 0;
        for even in settings.phone_ports.clone().filter(|port| port % 2 == 0) {
            let numbers = PortNumbers { rtp: even, rtcp: even + 1 };
            if !settings.phone_ports.contains(&numbers.rtcp) {
                continue;
            }
            match phone_pair(settings.phone_address, numbers, settings.dscp) {
                Ok(pair) => phones.push(pair),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    pairs_left_out += 1;
                    last_error = Some(error);
                }
                Err(error) => return Err(no_phone_ports(settings, error)),
            }
        }
        match last_error {
            Some(error) if phones.is_empty() => Err(no_phone_ports(settings, error)),
            _ => Ok(Self { webrtc, trunk, phones, pairs_left_out }),
        }
    }

    /// The bound pairs, for [`PortPool`](crate::media::PortPool).
    pub fn pairs(&self) -> Vec<PortNumbers> {
        self.phones.iter().map(|phone| phone.numbers).collect()
    }
}

fn no_phone_ports(settings: &SocketSettings, error: io::Error) -> BindFailure {
    let ports = settings.phone_ports.clone();
    BindFailure::NoPhonePorts { address: settings.phone_address, ports, error }
}

fn phone_pair(address: IpAddr, numbers: PortNumbers, dscp: u8) -> io::Result<PhoneSockets> {
    let bind = |port| udp(SocketAddr::new(address, port), PHONE_BUFFER, dscp);
    Ok(PhoneSockets { rtp: bind(numbers.rtp)?, rtcp: bind(numbers.rtcp)?, numbers })
}

fn udp(address: SocketAddr, buffer: usize, dscp: u8) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    let socket = UdpSocket::from(socket);
    prefer(&socket, address, buffer, dscp);
    Ok(socket)
}

/// Buffer sizes and priority; a system that grants less still carries calls.
fn prefer(socket: &UdpSocket, address: SocketAddr, buffer: usize, dscp: u8) {
    let options = SockRef::from(socket);
    let class = u32::from(dscp) << 2;
    let marked = if address.is_ipv4() { options.set_tos_v4(class) } else { options.set_tclass_v6(class) };
    for (option, result) in [
        ("receive buffer", options.set_recv_buffer_size(buffer)),
        ("send buffer", options.set_send_buffer_size(buffer)),
        ("traffic class", marked),
    ] {
        if let Err(error) = result {
            tracing::debug!(%address, option, %error, "a media socket option was not granted");
        }
    }
}
