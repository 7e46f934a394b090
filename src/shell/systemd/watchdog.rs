//! The watchdog: a thread of its own that looks at every part's heartbeat.
//!
//! systemd is told that we live only when all parts have turned since it was last told. A part that stalls
//! is named in the health conditions and the journal; if it stays so, systemd kills and restarts us.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tracing::{error, info};

use super::notify;
use crate::observe::{Condition, Health};

/// How often we look where systemd sets no watchdog.
const UNWATCHED: Duration = Duration::from_secs(5);
/// We look this many times in the time systemd allows.
const LOOKS: u32 = 4;

/// A part's sign of life. A part that turns calls [`Heartbeat::beat`] at least once a second, also when it has
/// nothing to do.
#[derive(Clone, Debug, Default)]
pub struct Heartbeat(Arc<AtomicU64>);

impl Heartbeat {
    /// "I turned."
    pub fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
struct Part {
    stalls_as: Condition,
    heartbeat: Heartbeat,
    seen: u64,
}

/// The parts that must turn. Dropping it ends the watch.
#[derive(Debug)]
pub struct Watchdog {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Begins to watch `parts`: the condition raised when one stalls, and its heartbeat.
    pub fn start(parts: Vec<(Condition, Heartbeat)>, health: Health) -> Self {
        let period = match systemd::daemon::watchdog_enabled() {
            Ok(micros) if micros > 0 => Duration::from_micros(micros) / LOOKS,
            _ => UNWATCHED,
        };
        let watch = Watch::new(parts, health);
        let (stop, stopped) = channel();
        let watching = move || {
            let mut watch = watch;
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(period) {
                if watch.all_turned() {
                    notify::feed_watchdog();
                }
            }
        };
        let thread = std::thread::Builder::new().name("watchdog".to_owned()).spawn(watching).ok();
        Self { stop: Some(stop), thread }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[derive(Debug)]
struct Watch {
    parts: Vec<Part>,
    health: Health,
}

impl Watch {
    fn new(parts: Vec<(Condition, Heartbeat)>, health: Health) -> Self {
        let part = |(stalls_as, heartbeat): (Condition, Heartbeat)| {
            let seen = heartbeat.count();
            Part { stalls_as, heartbeat, seen }
        };
        Self { parts: parts.into_iter().map(part).collect(), health }
    }

    /// Whether every part has turned since the last look.
    fn all_turned(&mut self) -> bool {
        let mut all = true;
        for part in &mut self.parts {
            let count = part.heartbeat.count();
            let name = part.stalls_as.as_str();
            if count == part.seen {
                all = false;
                if self.health.raise(part.stalls_as, "no heartbeat") {
                    error!(reason = name, "a part of the daemon has stopped turning");
                }
            } else if self.health.clear(part.stalls_as) {
                info!(reason = name, "turning again");
            }
            part.seen = count;
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_is_fed_only_while_all_parts_turn() {
        let (engine, media, health) = (Heartbeat::default(), Heartbeat::default(), Health::new());
        let parts =
            vec![(Condition::EngineStalled, engine.clone()), (Condition::MediaStalled, media.clone())];
        let mut watch = Watch::new(parts, health.clone());
        engine.beat();
        media.beat();
        assert!(watch.all_turned());
        engine.beat();
        assert!(!watch.all_turned(), "media did not turn");
        assert!(health.is_raised(Condition::MediaStalled) && !health.is_raised(Condition::EngineStalled));
        engine.beat();
        media.beat();
        assert!(watch.all_turned());
        assert!(!health.is_raised(Condition::MediaStalled));
        assert!(!watch.all_turned(), "nobody turned since");
    }

    #[test]
    fn the_watch_ends_when_dropped() {
        drop(Watchdog::start(vec![(Condition::EngineStalled, Heartbeat::default())], Health::new()));
    }
}
