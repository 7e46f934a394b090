//! Events → lines → queue, on the thread that logs.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use prometheus_client::metrics::counter::Counter;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::flood::{Floods, Verdict};
use super::line::{Fields, Line};
use crate::observe::Metrics;

/// What goes through the queue.
#[derive(Debug)]
pub(super) enum Entry {
    Line(Line),
    Close,
}

/// The least that is logged: of our own code by configuration, of libraries only warnings and errors, unless
/// the configuration wants everything.
#[derive(Debug)]
pub(super) struct Threshold(AtomicUsize);

const LEVELS: [Level; 5] = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];

impl Threshold {
    pub(super) fn new(level: Level) -> Self {
        Self(AtomicUsize::new(Self::index(level)))
    }

    pub(super) fn set(&self, level: Level) {
        self.0.store(Self::index(level), Ordering::Relaxed);
        tracing::callsite::rebuild_interest_cache();
    }

    fn level(&self) -> Level {
        LEVELS.get(self.0.load(Ordering::Relaxed)).copied().unwrap_or(Level::TRACE)
    }

    fn lets_through(&self, metadata: &Metadata<'_>) -> bool {
        let level = self.level();
        let is_own = metadata.target().starts_with("branchline");
        let least = if is_own || level == Level::TRACE { level } else { level.min(Level::WARN) };
        *metadata.level() <= least
    }

    fn index(level: Level) -> usize {
        LEVELS.iter().position(|own| *own == level).unwrap_or(LEVELS.len() - 1)
    }
}

/// The layer that fills the queue.
pub(super) struct QueueLayer {
    threshold: Arc<Threshold>,
    queue: SyncSender<Entry>,
    floods: Mutex<Floods>,
    dropped: Arc<AtomicU64>,
    full: Counter,
    flooded: Counter,
}

impl QueueLayer {
    pub(super) fn new(threshold: Arc<Threshold>, queue: SyncSender<Entry>, metrics: &Metrics) -> Self {
        Self {
            threshold,
            queue,
            floods: Mutex::default(),
            dropped: Arc::default(),
            full: metrics.journal_dropped("queue-full"),
            flooded: metrics.journal_dropped("flood"),
        }
    }

    /// How many lines found the queue full.
    pub(super) fn dropped(&self) -> Arc<AtomicU64> {
        self.dropped.clone()
    }

    fn judge(&self, metadata: &Metadata<'_>) -> Verdict {
        if *metadata.level() > Level::INFO {
            return Verdict::Write { left_out: 0 };
        }
        let mut floods = self.floods.lock().unwrap_or_else(PoisonError::into_inner);
        floods.judge(metadata.callsite(), Instant::now())
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for QueueLayer {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.threshold.lets_through(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.threshold.lets_through(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::from_level(self.threshold.level().max(Level::WARN)))
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let Verdict::Write { left_out } = self.judge(event.metadata()) else {
            self.flooded.inc();
            return;
        };
        let mut line = Line::new(event.metadata());
        event.record(&mut line);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(fields) = span.extensions().get::<Fields>() {
                line.fields.extend(fields.0.iter().cloned());
            }
        }
        if left_out > 0 {
            line.add("left_out", &left_out);
        }
        if let Err(TrySendError::Full(_)) = self.queue.try_send(Entry::Line(line)) {
            self.full.inc();
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}
