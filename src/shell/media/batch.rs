//! Many packets with one system call.

use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg};

use crate::media::packet::Packet;

/// Packets in one batch.
pub(super) const BATCH: usize = 64;

/// The packet buffers of the worker, filled from sockets and sent from where they lie.
pub(super) struct Batch {
    pub(super) packets: Box<[Packet; BATCH]>,
}

impl Batch {
    pub(super) fn new() -> Self {
        let packets: Vec<Packet> = (0..BATCH).map(|_| Packet::new()).collect();
        let packets = packets.try_into().expect("invariant: a batch was collected");
        Self { packets }
    }
}

/// A socket that all ends of a kind share, read and written in batches.
pub(super) struct SharedSocket {
    socket: UdpSocket,
    family: Family,
    received: MultiHeaders<SockaddrStorage>,
    sent: MultiHeaders<SockaddrStorage>,
    /// Packets of the current batch that leave by this socket: position in the batch, and to whom.
    queue: heapless::Vec<(usize, SocketAddr), BATCH>,
}

impl SharedSocket {
    pub(super) fn new(socket: UdpSocket) -> Self {
        Self {
            family: Family::of(&socket),
            socket,
            received: MultiHeaders::preallocate(BATCH, None),
            sent: MultiHeaders::preallocate(BATCH, None),
            queue: heapless::Vec::new(),
        }
    }

    /// Sends one packet at once; false when the system would not take it.
    pub(super) fn send(&self, packet: &Packet, to: SocketAddr) -> bool {
        self.socket.send_to(packet.as_slice(), self.family.adapt(to)).is_ok()
    }

    /// Receives up to a whole batch; gives the senders of the packets now in the batch, in order.
    pub(super) fn receive(&mut self, batch: &mut Batch) -> heapless::Vec<SocketAddr, BATCH> {
        let mut lengths = [0_usize; BATCH];
        let mut senders = heapless::Vec::new();
        {
            let mut slices = batch.packets.each_mut().map(|packet| [IoSliceMut::new(packet.space())]);
            let flags = MsgFlags::MSG_DONTWAIT;
            let fd = self.socket.as_raw_fd();
            // An error (none is ready, or an ICMP message of an earlier packet) leaves the batch empty.
            let Ok(results) = recvmmsg(fd, &mut self.received, &mut slices, flags, None) else {
                return senders;
            };
            for (result, length) in results.zip(&mut lengths) {
                let from = result.address.as_ref().and_then(to_std);
                *length = if from.is_some() { result.bytes } else { 0 };
                senders.push(from.unwrap_or(NOWHERE)).ok();
            }
        }
        batch.packets.iter_mut().zip(lengths).for_each(|(packet, length)| packet.received(length));
        senders
    }

    /// Puts a packet of the batch in the queue of those to be sent.
    pub(super) fn queue(&mut self, position: usize, to: SocketAddr) {
        self.queue.push((position, to)).ok();
    }

    /// Sends what is queued; gives how many packets the system would not take.
    pub(super) fn flush(&mut self, batch: &Batch) -> usize {
        let mut failed = 0;
        let mut first = 0;
        while first < self.queue.len() {
            match self.send_from(first, batch) {
                Ok(sent) => first += sent.max(1),
                Err(Errno::EAGAIN) => {
                    failed += self.queue.len() - first;
                    break;
                }
                // The first packet is at fault; the others may still go.
                Err(_) => {
                    failed += 1;
                    first += 1;
                }
            }
        }
        self.queue.clear();
        failed
    }

    fn send_from(&mut self, first: usize, batch: &Batch) -> Result<usize, Errno> {
        let queue = self.queue.get(first..).unwrap_or_default();
        let mut slices: [_; BATCH] = std::array::from_fn(|_| [IoSlice::new(&[])]);
        let mut addresses = [const { None::<SockaddrStorage> }; BATCH];
        for (&(position, to), (slice, address)) in queue.iter().zip(slices.iter_mut().zip(&mut addresses)) {
            if let Some(packet) = batch.packets.get(position) {
                *slice = [IoSlice::new(packet.as_slice())];
                *address = Some(self.family.adapt(to).into());
            }
        }
        let addresses = addresses.get(..queue.len()).unwrap_or_default();
        let fd = self.socket.as_raw_fd();
        sendmmsg(fd, &mut self.sent, &slices, addresses, [], MsgFlags::MSG_DONTWAIT).map(Iterator::count)
    }
}

/// Stands for a sender whose address could not be read; no end can be there.
const NOWHERE: SocketAddr = SocketAddr::V4(SocketAddrV4::new(std::net::Ipv4Addr::UNSPECIFIED, 0));

/// Which addresses a socket takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    /// IPv4 peers appear, and are reached, as `::ffff:a.b.c.d`.
    V6,
}

impl Family {
    pub(super) fn of(socket: &UdpSocket) -> Self {
        match socket.local_addr() {
            Ok(SocketAddr::V6(_)) => Self::V6,
            _ => Self::V4,
        }
    }

    /// An address as the socket wants it.
    pub(super) fn adapt(self, to: SocketAddr) -> SocketAddr {
        match (self, to) {
            (Self::V6, SocketAddr::V4(v4)) => {
                SocketAddr::V6(SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0))
            }
            _ => to,
        }
    }
}

/// The address that signalling would name: IPv4 as such, even on a socket for both families.
pub(super) fn canonical(from: SocketAddr) -> SocketAddr {
    match from {
        SocketAddr::V4(_) => from,
        SocketAddr::V6(v6) => match v6.ip().to_canonical() {
            IpAddr::V4(v4) => SocketAddr::new(IpAddr::V4(v4), v6.port()),
            IpAddr::V6(_) => SocketAddr::V6(SocketAddrV6::new(*v6.ip(), v6.port(), 0, v6.scope_id())),
        },
    }
}

fn to_std(address: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(SocketAddr::V4(SocketAddrV4::from(*v4)));
    }
    address.as_sockaddr_in6().map(|v6| canonical(SocketAddr::V6(SocketAddrV6::from(*v6))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv4_peers_of_a_dual_socket_keep_their_ipv4_address() {
        let v4: SocketAddr = "192.0.2.1:5".parse().unwrap();
        let mapped: SocketAddr = "[::ffff:192.0.2.1]:5".parse().unwrap();
        let v6: SocketAddr = "[2001:db8::1]:5".parse().unwrap();
        assert_eq!(canonical(mapped), v4);
        assert_eq!(canonical(v6), v6);
        assert_eq!(Family::V6.adapt(v4), mapped);
        assert_eq!(Family::V6.adapt(v6), v6);
        assert_eq!(Family::V4.adapt(v4), v4);
    }
}
