//! The log: to systemd's journal, or to standard error for people and tools.
//!
//! Whoever logs never waits: a line goes into a bounded queue, and a thread of its own writes it. A full
//! queue drops and counts; a line that repeats in a flood is cut off and counted, per place in the code.
//!
//! | file | what is there |
//! | --- | --- |
//! | `line` | an event as a bounded value |
//! | `flood` | how many lines one place in the code may write |
//! | `layer` | events → lines → queue |
//! | `render` | a line as text, as JSON, as the journal's own format |
//! | `writer` | the thread and where it writes |

mod flood;
mod layer;
mod line;
mod render;
mod writer;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{JournalChoice, Log, LogFormat, LogLevel};
use crate::observe::{Health, Metrics, show_people};
use layer::{Entry, QueueLayer, Threshold};
use writer::{Sink, Writer};

/// Lines that may wait.
const QUEUE: usize = 4096;

/// The running log. Dropping it writes what waits.
#[derive(Debug)]
pub struct Journal {
    threshold: Arc<Threshold>,
    queue: SyncSender<Entry>,
    thread: Option<JoinHandle<()>>,
}

impl Journal {
    /// Becomes the process's log. `under_systemd` says whether the journal is behind standard error. Does
    /// nothing to a process that has a log already.
    pub fn start(log: &Log, under_systemd: bool, office: &str, metrics: &Metrics, health: Health) -> Self {
        let (queue, lines) = sync_channel(QUEUE);
        let threshold = Arc::new(Threshold::new(level_of(log.level)));
        show_people(matches!(log.level, LogLevel::Debug | LogLevel::Trace));
        let layer = QueueLayer::new(threshold.clone(), queue.clone(), metrics);
        let dropped = layer.dropped();
        let _ = tracing_subscriber::registry().with(layer).try_init();
        let writer = Writer::new(sink_of(log, under_systemd), office.to_owned(), dropped, health);
        let thread = std::thread::Builder::new().name("journal".to_owned());
        let thread = thread.spawn(move || writer.run(&lines)).ok();
        Self { threshold, queue, thread }
    }

    /// Takes another level into use: the least that is logged from now on.
    pub fn set_level(&self, level: LogLevel) {
        show_people(matches!(level, LogLevel::Debug | LogLevel::Trace));
        self.threshold.set(level_of(level));
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        let asked = self.queue.send(Entry::Close).is_ok();
        if let Some(thread) = self.thread.take()
            && asked
        {
            let _ = thread.join();
        }
    }
}

fn level_of(level: LogLevel) -> tracing::Level {
    match level {
        LogLevel::Error => tracing::Level::ERROR,
        LogLevel::Warn => tracing::Level::WARN,
        LogLevel::Info => tracing::Level::INFO,
        LogLevel::Debug => tracing::Level::DEBUG,
        LogLevel::Trace => tracing::Level::TRACE,
    }
}

fn sink_of(log: &Log, under_systemd: bool) -> Sink {
    let wants_journal = match log.journal {
        JournalChoice::On => true,
        JournalChoice::Auto => under_systemd,
        JournalChoice::Off => false,
    };
    let journal = if wants_journal { Sink::journal() } else { None };
    journal.unwrap_or(match log.format {
        LogFormat::Text => Sink::Text,
        LogFormat::Json => Sink::Json,
    })
}
