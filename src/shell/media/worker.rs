//! The worker's loop.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::EventFd;

use super::batch::{BATCH, Batch, Family, SharedSocket, canonical};
use super::{ConnectivitySink, EventSink, MediaSockets, Pulse};
use crate::media::MediaCommand;
use crate::media::event::DropReason;
use crate::media::packet::Packet;
use crate::media::ports::{PortPair, SocketId};
use crate::media::relay::{Relay, Transmit, Verdict};

/// The longest wait, so that the pulse shows life.
const IDLE: Duration = Duration::from_secs(1);

/// How soon events that found the engine's queue full are offered again.
const EVENT_RETRY: Duration = Duration::from_millis(20);

/// Commands carried out in one turn.
const COMMAND_BUDGET: usize = 256;

/// Batches read from one shared socket in one turn.
const BATCH_BUDGET: usize = 4;

/// Sockets that may report in one turn; the others report in the next.
const READY_SOCKETS: usize = 256;

/// What epoll reports a socket as. Phones' sockets follow the fixed ones, two for each pair.
const COMMANDS: u64 = 0;
const WEBRTC: u64 = 1;
const TRUNK: u64 = 2;
const PHONES: u64 = 3;

/// What ties the worker to the rest of the daemon.
pub(super) struct Ends {
    pub(super) orders: Receiver<MediaCommand>,
    pub(super) wake: Arc<EventFd>,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) events: EventSink,
    pub(super) connectivity: ConnectivitySink,
}

pub(super) struct Worker {
    relay: Relay,
    epoll: Epoll,
    batch: Batch,
    own: Box<Packet>,
    webrtc: SharedSocket,
    trunk: SharedSocket,
    phones: Vec<(Family, UdpSocket)>,
    ends: Ends,
    events_waiting: bool,
    published: Instant,
    running: bool,
}

/// Waits for all of them; fails only when the system is out of resources.
pub(super) fn watch(sockets: &MediaSockets, wake: &EventFd) -> io::Result<Epoll> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    let readable = |token| EpollEvent::new(EpollFlags::EPOLLIN, token);
    epoll.add(wake, readable(COMMANDS))?;
    epoll.add(&sockets.webrtc, readable(WEBRTC))?;
    epoll.add(&sockets.trunk, readable(TRUNK))?;
    let pairs = sockets.phones.iter().flat_map(|pair| [&pair.rtp, &pair.rtcp]);
    for (socket, token) in pairs.zip(PHONES..) {
        epoll.add(socket, readable(token))?;
    }
    Ok(epoll)
}

impl Worker {
    /// To be made on the thread it runs on: its message headers stay there.
    pub(super) fn new(sockets: MediaSockets, epoll: Epoll, relay: Relay, ends: Ends) -> Self {
        let pairs = sockets.phones.into_iter().flat_map(|pair| [pair.rtp, pair.rtcp]);
        Self {
            relay,
            epoll,
            batch: Batch::new(),
            own: Box::new(Packet::new()),
            webrtc: SharedSocket::new(sockets.webrtc),
            trunk: SharedSocket::new(sockets.trunk),
            phones: pairs.map(|socket| (Family::of(&socket), socket)).collect(),
            ends,
            events_waiting: false,
            published: Instant::now(),
            running: true,
        }
    }

    /// Turns until it is told to stop, or every holder of [`MediaCommands`](super::MediaCommands) is gone.
    pub(super) fn run(&mut self) {
        let mut ready = [EpollEvent::empty(); READY_SOCKETS];
        while self.running {
            let timeout = self.timeout();
            let count = match self.epoll.wait(&mut ready, timeout) {
                Ok(count) => count,
                Err(Errno::EINTR) => 0,
                Err(error) => {
                    tracing::error!(%error, "the media worker cannot wait for its sockets");
                    return;
                }
            };
            self.turn(ready.get(..count).unwrap_or_default());
        }
    }

    fn turn(&mut self, ready: &[EpollEvent]) {
        self.ends.pulse.beat();
        if ready.iter().any(|event| event.data() == COMMANDS) {
            self.take_commands();
        }
        let mut used = 0;
        for event in ready {
            match event.data() {
                COMMANDS => {}
                WEBRTC => self.read_shared(SocketId::WebRtc, &mut used),
                TRUNK => self.read_shared(SocketId::Trunk, &mut used),
                phone => self.read_phone(phone - PHONES, &mut used),
            }
        }
        self.flush(&mut used);
        self.do_what_is_due();
        self.tell_engine();
    }

    fn timeout(&mut self) -> EpollTimeout {
        let now = Instant::now();
        let due = self.relay.poll_timeout(now).map(|due| due.saturating_duration_since(now));
        let wait = due.unwrap_or(IDLE).min(if self.events_waiting { EVENT_RETRY } else { IDLE });
        // Rounded up: waking early would find nothing due and turn in vain.
        EpollTimeout::try_from(wait + Duration::from_micros(999)).unwrap_or(EpollTimeout::ZERO)
    }

    fn take_commands(&mut self) {
        self.ends.wake.read().ok();
        self.running &= !self.ends.stop.load(Ordering::Relaxed);
        let now = Instant::now();
        for _ in 0..COMMAND_BUDGET {
            match self.ends.orders.try_recv() {
                Ok(command) => self.relay.handle_command(now, command),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    self.running = false;
                    return;
                }
            }
        }
        // The budget is used up: come back at once.
        self.ends.wake.write(1).ok();
    }

    /// Reads a shared socket, batch by batch; each batch needs all buffers.
    fn read_shared(&mut self, socket: SocketId, used: &mut usize) {
        for _ in 0..BATCH_BUDGET {
            self.flush(used);
            let shared = if socket == SocketId::WebRtc { &mut self.webrtc } else { &mut self.trunk };
            let senders = shared.receive(&mut self.batch);
            let now = Instant::now();
            *used = senders.len();
            for (position, from) in senders.iter().enumerate() {
                self.relay_one(now, socket, *from, position);
            }
            if senders.len() < BATCH {
                return;
            }
        }
    }

    /// Reads one packet of a phone's socket; it shares the batch with those of other phones. A phone sends one every
    /// 20 ms, so asking for a second would be a system call in vain; if there is one, the next turn finds it.
    fn read_phone(&mut self, position: u64, used: &mut usize) {
        let pair = PortPair((position / 2) as u16);
        let id =
            if position.is_multiple_of(2) { SocketId::PhoneRtp(pair) } else { SocketId::PhoneRtcp(pair) };
        let Ok(position) = usize::try_from(position) else { return };
        let now = Instant::now();
        if *used == BATCH {
            self.flush(used);
        }
        let Some((_, socket)) = self.phones.get(position) else { return };
        let Some(packet) = self.batch.packets.get_mut(*used) else { return };
        let Ok((length, from)) = socket.recv_from(packet.space()) else { return };
        packet.received(length);
        self.relay_one(now, id, canonical(from), *used);
        *used += 1;
    }

    /// Gives one packet of the batch to the relay, and carries out what it says.
    fn relay_one(&mut self, now: Instant, socket: SocketId, from: SocketAddr, position: usize) {
        let Some(packet) = self.batch.packets.get_mut(position) else { return };
        match self.relay.relay(now, socket, from, packet) {
            Verdict::Send(transmit) => self.send(transmit, position),
            Verdict::ToConnectivity => {
                if !(self.ends.connectivity)(from, packet.as_slice()) {
                    self.relay.count_drop(DropReason::ConnectivityFull);
                }
            }
            Verdict::Consumed | Verdict::Drop(_) => {}
        }
    }

    fn send(&mut self, transmit: Transmit, position: usize) {
        match transmit.socket {
            SocketId::WebRtc => self.webrtc.queue(position, transmit.to),
            SocketId::Trunk => self.trunk.queue(position, transmit.to),
            SocketId::PhoneRtp(_) | SocketId::PhoneRtcp(_) => {
                let Some(packet) = self.batch.packets.get(position) else { return };
                if !send_now(&self.phones, transmit, packet) {
                    self.relay.count_drop(DropReason::SendFailed);
                }
            }
        }
    }

    /// Sends what the shared sockets have queued; the batch is empty then.
    fn flush(&mut self, used: &mut usize) {
        let failed = self.webrtc.flush(&self.batch) + self.trunk.flush(&self.batch);
        (0..failed).for_each(|_| self.relay.count_drop(DropReason::SendFailed));
        *used = 0;
    }

    /// Timers, and packets of our own: few, so they go one by one.
    fn do_what_is_due(&mut self) {
        let now = Instant::now();
        self.relay.handle_timer(now);
        while let Some(transmit) = self.relay.poll_transmit(now, &mut self.own) {
            let sent = match transmit.socket {
                SocketId::WebRtc => self.webrtc.send(&self.own, transmit.to),
                SocketId::Trunk => self.trunk.send(&self.own, transmit.to),
                SocketId::PhoneRtp(_) | SocketId::PhoneRtcp(_) => send_now(&self.phones, transmit, &self.own),
            };
            if !sent {
                self.relay.count_drop(DropReason::SendFailed);
            }
        }
        if now.saturating_duration_since(self.published) >= IDLE / 2 || !self.running {
            self.published = now;
            self.ends.pulse.publish(&self.relay);
        }
    }

    fn tell_engine(&mut self) {
        self.events_waiting = false;
        while let Some(event) = self.relay.poll_event() {
            if let Err(event) = (self.ends.events)(event) {
                self.relay.return_event(event);
                self.events_waiting = true;
                return;
            }
        }
    }
}

fn send_now(phones: &[(Family, UdpSocket)], transmit: Transmit, packet: &Packet) -> bool {
    let position = match transmit.socket {
        SocketId::PhoneRtp(PortPair(pair)) => 2 * usize::from(pair),
        SocketId::PhoneRtcp(PortPair(pair)) => 2 * usize::from(pair) + 1,
        SocketId::WebRtc | SocketId::Trunk => return false,
    };
    let Some((family, socket)) = phones.get(position) else { return false };
    socket.send_to(packet.as_slice(), family.adapt(transmit.to)).is_ok()
}
