//! The thread that writes, and where.

use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use tracing::Level;

use super::layer::Entry;
use super::line::Line;
use super::render;
use crate::observe::{Condition, Health};

/// Where journald listens.
const JOURNAL_SOCKET: &str = "/run/systemd/journal/socket";
/// After a loss the condition stays this long, so that somebody sees it.
const SHOWN: Duration = Duration::from_secs(60);

/// Where lines go.
#[derive(Debug)]
pub(super) enum Sink {
    /// Standard error, for people.
    Text,
    /// Standard error, for tools.
    Json,
    /// journald.
    Journal(UnixDatagram),
}

impl Sink {
    /// journald, if it is there.
    pub(super) fn journal() -> Option<Self> {
        let socket = UnixDatagram::unbound().ok()?;
        socket.connect(JOURNAL_SOCKET).ok()?;
        Some(Self::Journal(socket))
    }

    fn write(&self, line: &Line, office: &str) {
        let bytes = match self {
            Self::Text => render::text(line),
            Self::Json => render::json(line, office),
            Self::Journal(socket) => {
                if socket.send(&render::journal(line, office)).is_ok() {
                    return;
                }
                // systemd reads a priority in angle brackets from a unit's standard error (sd-daemon(3)).
                format!("<{}>{}", render::priority(line.level), render::text(line))
            }
        };
        let _ = std::io::stderr().lock().write_all(bytes.as_bytes());
    }
}

/// The thread's state.
#[derive(Debug)]
pub(super) struct Writer {
    sink: Sink,
    office: String,
    dropped: Arc<AtomicU64>,
    dropped_seen: u64,
    last_loss: Option<Instant>,
    health: Health,
}

impl Writer {
    pub(super) fn new(sink: Sink, office: String, dropped: Arc<AtomicU64>, health: Health) -> Self {
        Self { sink, office, dropped, dropped_seen: 0, last_loss: None, health }
    }

    /// Writes until every sender is gone or says so.
    pub(super) fn run(mut self, lines: &Receiver<Entry>) {
        while let Ok(Entry::Line(line)) = lines.recv() {
            self.sink.write(&line, &self.office);
            self.report_loss(Instant::now());
        }
    }

    /// Says so, once for each time that lines were lost.
    fn report_loss(&mut self, now: Instant) {
        let dropped = self.dropped.load(Ordering::Relaxed);
        let lost = dropped.wrapping_sub(self.dropped_seen);
        if lost > 0 {
            self.dropped_seen = dropped;
            self.last_loss = Some(now);
            let message = format!("{lost} lines of the log were dropped: the queue was full");
            self.health.raise(Condition::JournalDropping, &message);
            self.sink.write(&Line::own(Level::WARN, message), &self.office);
        } else if self.last_loss.is_some_and(|at| now.saturating_duration_since(at) > SHOWN) {
            self.last_loss = None;
            self.health.clear(Condition::JournalDropping);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_a_condition_for_a_while() {
        let (health, dropped) = (Health::new(), Arc::new(AtomicU64::new(0)));
        let mut writer = Writer::new(Sink::Text, "BRU".to_owned(), dropped.clone(), health.clone());
        let start = Instant::now();
        writer.report_loss(start);
        assert!(!health.is_raised(Condition::JournalDropping));
        dropped.store(7, Ordering::Relaxed);
        writer.report_loss(start);
        assert!(health.is_raised(Condition::JournalDropping));
        assert!(health.snapshot()[0].last_error.starts_with("7 lines"));
        writer.report_loss(start + SHOWN + Duration::from_secs(1));
        assert!(!health.is_raised(Condition::JournalDropping));
    }
}
