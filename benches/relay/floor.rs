//! The bare loop: batched receive, cipher, batched send; no end, no bridge, no timer.

use std::collections::HashMap;
use std::io::{IoSlice, IoSliceMut};
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use branchline::media::packet::Packet;
use branchline::media::rtp::RtpHeader;
use branchline::media::srtp::{SrtpReceiver, SrtpSender};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg};
use std::os::fd::AsFd;

use crate::{Case, key};

const BATCH: usize = 64;

struct Leg {
    receiver: Option<SrtpReceiver>,
    sender: Option<SrtpSender>,
    to: SockaddrIn,
}

/// Relays from `input` by `output` until told to stop, counting packets.
pub(super) fn run(
    case: &Case,
    [input, output]: [UdpSocket; 2],
    routes: &[(SocketAddr, SocketAddr)],
    stop: &AtomicBool,
    relayed: &Arc<AtomicU64>,
) {
    let mut legs: HashMap<SocketAddr, Leg> = routes
        .iter()
        .filter_map(|(from, to)| {
            let SocketAddr::V4(to) = *to else { return None };
            let receiver = case.from.map(|profile| SrtpReceiver::new(key(profile, 1)));
            let sender = case.to.map(|profile| SrtpSender::new(key(profile, 2)));
            Some((*from, Leg { receiver, sender, to: to.into() }))
        })
        .collect();
    let mut packets: Box<[Packet; BATCH]> =
        vec![Packet::new(); BATCH].try_into().expect("invariant: a batch");
    let mut received = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
    let mut sent = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
    while !stop.load(Ordering::Relaxed) {
        poll(&mut [PollFd::new(input.as_fd(), PollFlags::POLLIN)], PollTimeout::from(100_u8)).ok();
        let arrived = receive(&input, &mut packets, &mut received);
        let mut out = heapless::Vec::<(usize, SockaddrIn), BATCH>::new();
        for (position, (length, from)) in arrived.into_iter().enumerate() {
            let packet = &mut packets[position];
            packet.received(length);
            let Some(leg) = legs.get_mut(&from) else { continue };
            let Some(header) = RtpHeader::parse(packet.as_slice()) else { continue };
            let opened = leg.receiver.as_mut().is_none_or(|one| one.unprotect_rtp(packet, &header).is_ok());
            let sealed = leg.sender.as_mut().is_none_or(|one| one.protect_rtp(packet, &header).is_ok());
            if opened && sealed {
                out.push((position, leg.to)).ok();
            }
        }
        send(&output, &packets, &out, &mut sent);
        relayed.fetch_add(out.len() as u64, Ordering::Relaxed);
    }
}

fn receive(
    socket: &UdpSocket,
    packets: &mut [Packet; BATCH],
    headers: &mut MultiHeaders<SockaddrIn>,
) -> heapless::Vec<(usize, SocketAddr), BATCH> {
    let mut slices = packets.each_mut().map(|packet| [IoSliceMut::new(packet.space())]);
    let results = recvmmsg(socket.as_raw_fd(), headers, &mut slices, MsgFlags::MSG_DONTWAIT, None);
    let Ok(results) = results else { return heapless::Vec::new() };
    results
        .filter_map(|one| one.address.map(|from| (one.bytes, SocketAddr::V4(SocketAddrV4::from(from)))))
        .collect()
}

fn send(
    socket: &UdpSocket,
    packets: &[Packet; BATCH],
    out: &[(usize, SockaddrIn)],
    headers: &mut MultiHeaders<SockaddrIn>,
) {
    if out.is_empty() {
        return;
    }
    let slices: [_; BATCH] = std::array::from_fn(|n| {
        [IoSlice::new(out.get(n).map_or(&[][..], |(position, _)| packets[*position].as_slice()))]
    });
    let addresses: heapless::Vec<Option<SockaddrIn>, BATCH> = out.iter().map(|(_, to)| Some(*to)).collect();
    sendmmsg(socket.as_raw_fd(), headers, &slices, &addresses, [], MsgFlags::MSG_DONTWAIT).ok();
}
