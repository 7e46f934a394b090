//! Connectivity: the thread that owns all browsers' ICE and DTLS, off the packet path.
//!
//! RTP never comes here, and a handshake's hundreds of microseconds never delay RTP.
//!
//! | it waits on | bound | when full |
//! | --- | --- | --- |
//! | commands from the engine | [`MAX_COMMANDS`] | [`Connectivity::command`] gives the command back |
//! | STUN and DTLS packets from the media worker | [`MAX_PACKETS`] | dropped and counted; peers repeat them |
//! | its next timer | | |
//! | events that the sink could not take | [`MAX_UNDELIVERED`] | commands and packets wait until it can |
//!
//! Each turn: undelivered events, then timers, then at most [`COMMANDS_A_TURN`] commands, then at most
//! [`PACKETS_A_TURN`] packets; after each of these everything that came of it is sent. It turns at least
//! once a second, and counts its turns for the watchdog.
//!
//! It sends through a clone of the media worker's socket, so from the one announced address. It never touches
//! RTP, a file, or the network otherwise.

mod identity;
mod status;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use ring::rand::{SecureRandom, SystemRandom};

use crate::media::webrtc::{CandidateVerdict, DtlsIdentity, EndSetup, EndTable, IceMode, PacketDrop};
use crate::media::{CommandRefused, ConnectivityCommand, ConnectivityEvent, EndId};
use crate::sdp::IceCredentials;

pub use identity::{IdentityError, new_credentials, new_identity};
pub use status::ConnectivityStatus;

/// Commands that may wait.
const MAX_COMMANDS: usize = 1024;
/// Packets that may wait; a handshake needs about ten.
const MAX_PACKETS: usize = 1024;
/// Events that wait for the sink before work stops.
const MAX_UNDELIVERED: usize = 1024;
const COMMANDS_A_TURN: usize = 256;
const PACKETS_A_TURN: usize = 64;
/// Longest sleep.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Between attempts to deliver an event.
const DELIVERY_RETRY: Duration = Duration::from_millis(5);

/// Takes an event without waiting; gives it back when its queue is full, to be offered again.
pub type ConnectivityEventSink = Box<dyn FnMut(ConnectivityEvent) -> Result<(), ConnectivityEvent> + Send>;

/// What connectivity needs to run.
pub struct ConnectivitySetup {
    /// A clone of the shared socket, which must not block: a datagram it has no room for is dropped and counted.
    pub socket: UdpSocket,
    /// The certificate; see [`new_identity`].
    pub identity: Arc<DtlsIdentity>,
    /// Addresses that SDP announces: the hosts', and the external one if configured.
    pub addresses: Vec<SocketAddr>,
    /// Full ICE instead of ICE-lite.
    pub full_ice: bool,
    /// Most ends at once.
    pub max_ends: usize,
    /// Where events go.
    pub sink: ConnectivityEventSink,
}

/// The running thread. Dropping it stops the thread without goodbyes; [`Connectivity::stop`] says them.
pub struct Connectivity {
    commands: SyncSender<ConnectivityCommand>,
    inlet: PacketInlet,
    thread: Option<JoinHandle<()>>,
}

/// Where the media worker puts STUN and DTLS packets. Cheap to clone.
#[derive(Clone)]
pub struct PacketInlet {
    packets: SyncSender<Packet>,
    thread: Thread,
    status: Arc<ConnectivityStatus>,
}

struct Packet {
    from: SocketAddr,
    bytes: Box<[u8]>,
}

impl Connectivity {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(setup: ConnectivitySetup) -> io::Result<Self> {
        let (commands, from_engine) = sync_channel(MAX_COMMANDS);
        let (packets, from_media) = sync_channel(MAX_PACKETS);
        let status = Arc::new(ConnectivityStatus::default());
        let mut worker = Worker {
            table: EndTable::new(setup.max_ends),
            undelivered: VecDeque::new(),
            status: Arc::clone(&status),
            random: SystemRandom::new(),
            setup,
        };
        let run = move || worker.run(&from_engine, &from_media);
        let thread = thread::Builder::new().name("connectivity".to_owned()).spawn(run)?;
        let inlet = PacketInlet { packets, thread: thread.thread().clone(), status };
        Ok(Self { commands, inlet, thread: Some(thread) })
    }

    /// Asks for something; the answer comes as an event.
    ///
    /// # Errors
    /// Gives the command back when too many wait or the thread has ended.
    pub fn command(&self, command: ConnectivityCommand) -> Result<(), ConnectivityCommand> {
        self.commands.try_send(command).map_err(|error| match error {
            TrySendError::Full(command) | TrySendError::Disconnected(command) => command,
        })?;
        self.inlet.thread.unpark();
        Ok(())
    }

    /// For the media worker.
    pub fn inlet(&self) -> PacketInlet {
        self.inlet.clone()
    }

    /// Heartbeat and counts.
    pub fn status(&self) -> Arc<ConnectivityStatus> {
        Arc::clone(&self.inlet.status)
    }

    /// Closes every end with a goodbye and waits for the thread, at most a turn.
    pub fn stop(mut self) {
        self.inlet.status.request_stop();
        self.inlet.thread.unpark();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Connectivity {
    fn drop(&mut self) {
        self.inlet.status.request_stop();
        self.inlet.thread.unpark();
    }
}

impl PacketInlet {
    /// Hands over a packet without waiting; false when it was dropped (and counted) because the queue is full.
    pub fn offer(&self, from: SocketAddr, packet: &[u8]) -> bool {
        let taken = self.packets.try_send(Packet { from, bytes: packet.into() }).is_ok();
        if taken {
            self.thread.unpark();
        } else {
            self.status.count_drop(PacketDrop::QueueFull);
        }
        taken
    }
}

struct Worker {
    table: EndTable,
    undelivered: VecDeque<ConnectivityEvent>,
    status: Arc<ConnectivityStatus>,
    random: SystemRandom,
    setup: ConnectivitySetup,
}

impl Worker {
    fn run(&mut self, commands: &Receiver<ConnectivityCommand>, packets: &Receiver<Packet>) {
        while !self.status.is_stopping() {
            self.status.beat();
            self.deliver();
            self.table.handle_timeout(Instant::now());
            self.flush();
            let more = self.undelivered.len() < MAX_UNDELIVERED && self.work(commands, packets);
            self.status.set_ends(self.table.len());
            if !more {
                self.sleep();
            }
        }
        self.say_goodbye();
    }

    /// Takes what waits, within a turn's budget; true if more may wait.
    fn work(&mut self, commands: &Receiver<ConnectivityCommand>, packets: &Receiver<Packet>) -> bool {
        let mut ordered = 0;
        for command in commands.try_iter().take(COMMANDS_A_TURN) {
            self.carry_out(command);
            ordered += 1;
        }
        self.flush();
        for _ in 0..PACKETS_A_TURN {
            let Ok(packet) = packets.try_recv() else { return ordered == COMMANDS_A_TURN };
            if let Err(reason) = self.table.handle_packet(Instant::now(), packet.from, &packet.bytes) {
                self.status.count_drop(reason);
            }
            self.flush();
        }
        true
    }

    fn carry_out(&mut self, command: ConnectivityCommand) {
        let now = Instant::now();
        let (end, outcome) = match command {
            ConnectivityCommand::Open { end, local, offerer } => (end, self.open(now, end, local, offerer)),
            ConnectivityCommand::SetRemote { end, remote } => {
                (end, self.table.set_remote(now, end, *remote).map_err(CommandRefused::End))
            }
            ConnectivityCommand::AddCandidate { end, candidate } => {
                let verdict = self.table.add_remote_candidate(end, &candidate);
                self.status.count_candidate(verdict.unwrap_or(CandidateVerdict::Unusable));
                (end, verdict.map(drop).map_err(CommandRefused::End))
            }
            ConnectivityCommand::Restart { end, local } => {
                (end, self.table.restart(now, end, local).map_err(CommandRefused::End))
            }
            ConnectivityCommand::Close { end } => {
                self.table.close(now, end);
                (end, Ok(()))
            }
        };
        if let Err(why) = outcome {
            self.undelivered.push_back(ConnectivityEvent::Refused { end, why });
        }
    }

    fn open(
        &mut self,
        now: Instant,
        end: EndId,
        local: IceCredentials,
        offerer: bool,
    ) -> Result<(), CommandRefused> {
        let mut seed = [0; 32];
        let seeded = self.random.fill(&mut seed).is_ok();
        let full = self.setup.full_ice && seeded;
        let mode = if full { IceMode::Full { controlling: offerer, seed } } else { IceMode::Lite };
        let (identity, addresses) = (Arc::clone(&self.setup.identity), self.setup.addresses.clone());
        Ok(self.table.open(now, end, EndSetup { local, mode, identity, addresses })?)
    }

    /// Sends what the table wants sent, and collects and delivers its events.
    fn flush(&mut self) {
        while let Some(out) = self.table.poll_transmit() {
            if self.setup.socket.send_to(&out.bytes, out.to).is_err() {
                self.status.count_unsent();
            }
        }
        let events = std::iter::from_fn(|| self.table.poll_event());
        self.undelivered.extend(events.map(|(end, event)| ConnectivityEvent::End { end, event }));
        self.deliver();
    }

    fn deliver(&mut self) {
        while let Some(event) = self.undelivered.pop_front() {
            if let Err(event) = (self.setup.sink)(event) {
                self.undelivered.push_front(event);
                return;
            }
        }
    }

    fn sleep(&self) {
        let due = self.table.poll_timeout().map(|at| at.saturating_duration_since(Instant::now()));
        let retry = (!self.undelivered.is_empty()).then_some(DELIVERY_RETRY);
        let span = due.into_iter().chain(retry).min().unwrap_or(HEARTBEAT).min(HEARTBEAT);
        if !span.is_zero() {
            thread::park_timeout(span);
        }
    }

    fn say_goodbye(&mut self) {
        self.table.close_all(Instant::now());
        self.flush();
    }
}
