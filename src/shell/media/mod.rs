//! The media worker: one thread that owns every media socket.
//!
//! Walk 3 (an RTP packet) happens here: socket batch → [`crate::media::relay`] → socket batch, with no engine,
//! lock, await or allocation in between.
//!
//! One turn of its loop, in this order: wait for sockets, commands or a timer; carry out commands (they may
//! answer packets of this turn); read each ready socket, a bounded number of packets each; send what is to
//! be sent; do what is due; tell the engine. What is not read in one turn stays readable for the next.

mod batch;
mod sockets;
#[cfg(test)]
mod tests;
mod worker;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;
use std::{io, thread};

use nix::sys::eventfd::{EfdFlags, EventFd};

pub use self::sockets::{BindFailure, MediaSockets, PhoneSockets, SocketSettings};
use self::worker::{Ends, Worker};
use crate::media::relay::{Relay, RelayCounts, RelaySettings};
use crate::media::{MediaCommand, MediaEvent};
use crate::time::{Now, WallTime};

/// Takes an event for the engine without waiting; gives it back when its queue is full.
pub type EventSink = Box<dyn FnMut(MediaEvent) -> Result<(), MediaEvent> + Send>;

/// Takes a STUN or DTLS packet that came to the WebRTC socket from the given address, without waiting;
/// false when its queue is full (the packet is dropped and counted). Connectivity answers through its own
/// clone of the socket.
pub type ConnectivitySink = Box<dyn FnMut(SocketAddr, &[u8]) -> bool + Send>;

/// How many commands may wait for the worker.
const COMMAND_CAPACITY: usize = 4096;

/// Orders for the worker; cheap to clone.
#[derive(Clone, Debug)]
pub struct MediaCommands {
    queue: SyncSender<MediaCommand>,
    wake: Arc<EventFd>,
}

/// Why an order was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandRefused {
    /// The worker is behind by 4096 commands; the call should be refused.
    #[error("the media worker's command queue is full")]
    QueueFull,
    /// The worker has stopped.
    #[error("the media worker has stopped")]
    Stopped,
}

impl MediaCommands {
    /// Gives an order, without waiting.
    pub fn send(&self, command: MediaCommand) -> Result<(), CommandRefused> {
        self.queue.try_send(command).map_err(|refused| match refused {
            TrySendError::Full(_) => CommandRefused::QueueFull,
            TrySendError::Disconnected(_) => CommandRefused::Stopped,
        })?;
        // The counter of an eventfd is full only when the worker has a wake-up waiting anyway.
        self.wake.write(1).ok();
        Ok(())
    }
}

/// Signs of life and figures of the worker, read by the watchdog and the metrics.
#[derive(Debug, Default)]
pub struct Pulse {
    turns: AtomicU64,
    open_ends: AtomicU64,
    counts: Mutex<RelayCounts>,
}

impl Pulse {
    /// Turns of the loop so far; it grows at least once a second while the worker lives.
    pub fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }

    /// Media ends that are open.
    pub fn open_ends(&self) -> u64 {
        self.open_ends.load(Ordering::Relaxed)
    }

    /// What the relay did, at most a second old.
    pub fn counts(&self) -> RelayCounts {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn beat(&self) {
        self.turns.fetch_add(1, Ordering::Relaxed);
    }

    /// Publishes the figures, unless a reader holds them right now.
    fn publish(&self, relay: &Relay) {
        self.open_ends.store(relay.open_ends() as u64, Ordering::Relaxed);
        if let Ok(mut counts) = self.counts.try_lock() {
            *counts = relay.counts();
        }
    }
}

/// The running worker; stops when dropped.
#[derive(Debug)]
pub struct MediaWorker {
    commands: MediaCommands,
    pulse: Arc<Pulse>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl MediaWorker {
    /// Starts the thread on sockets that are bound already. `settings.port_pairs` is taken from `sockets`.
    /// `seed` must come from the system's random source.
    pub fn start(
        sockets: MediaSockets,
        settings: RelaySettings,
        seed: [u8; 32],
        events: EventSink,
        connectivity: ConnectivitySink,
    ) -> io::Result<Self> {
        let (queue, orders) = sync_channel(COMMAND_CAPACITY);
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let wake = Arc::new(EventFd::from_flags(flags)?);
        let pulse = Arc::new(Pulse::default());
        let port_pairs = u16::try_from(sockets.phones.len()).unwrap_or(u16::MAX);
        let relay = Relay::new(RelaySettings { port_pairs, ..settings }, clocks(), seed);
        let stop = Arc::new(AtomicBool::new(false));
        let epoll = worker::watch(&sockets, &wake)?;
        let ends = Ends {
            orders,
            wake: Arc::clone(&wake),
            stop: Arc::clone(&stop),
            pulse: Arc::clone(&pulse),
            events,
            connectivity,
        };
        let thread = thread::Builder::new()
            .name("media".to_owned())
            .spawn(move || Worker::new(sockets, epoll, relay, ends).run())?;
        Ok(Self { commands: MediaCommands { queue, wake }, pulse, stop, thread: Some(thread) })
    }

    /// Where to send orders.
    pub fn commands(&self) -> MediaCommands {
        self.commands.clone()
    }

    /// Its signs of life.
    pub fn pulse(&self) -> Arc<Pulse> {
        Arc::clone(&self.pulse)
    }

    /// Stops the thread, after what was ordered before.
    pub fn stop(mut self) {
        self.finish();
    }

    fn finish(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.commands.wake.write(1).ok();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the media worker panicked");
        }
    }
}

impl Drop for MediaWorker {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Both clocks, for reports that carry the time of day.
fn clocks() -> Now {
    let wall = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    Now { instant: Instant::now(), wall: WallTime(wall) }
}
