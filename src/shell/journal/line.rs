//! An event as a bounded value.

use std::fmt::{self, Write};
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::{Level, Metadata};

/// Longest message, in bytes.
const LONGEST_MESSAGE: usize = 4096;
/// Longest field, in bytes.
const LONGEST_FIELD: usize = 1024;
/// Most fields of a line.
const MOST_FIELDS: usize = 32;

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) at: SystemTime,
    pub(super) level: Level,
    pub(super) target: &'static str,
    pub(super) place: Option<(&'static str, u32)>,
    pub(super) message: String,
    pub(super) fields: Vec<(&'static str, String)>,
}

impl Line {
    /// A line without text yet.
    pub(super) fn new(metadata: &'static Metadata<'static>) -> Self {
        Self {
            at: SystemTime::now(),
            level: *metadata.level(),
            target: metadata.target(),
            place: metadata.file().zip(metadata.line()),
            message: String::new(),
            fields: Vec::new(),
        }
    }

    /// A line of the log about itself.
    pub(super) fn own(level: Level, message: String) -> Self {
        Self {
            at: SystemTime::now(),
            level,
            target: module_path!(),
            place: None,
            message,
            fields: Vec::new(),
        }
    }

    /// Adds a field, unless there are too many.
    pub(super) fn add(&mut self, name: &'static str, value: &dyn fmt::Debug) {
        if name == "message" {
            write_bounded(&mut self.message, LONGEST_MESSAGE, value);
        } else if self.fields.len() < MOST_FIELDS {
            let mut text = String::new();
            write_bounded(&mut text, LONGEST_FIELD, value);
            self.fields.push((name, text));
        }
    }
}

/// Collects fields, of a line or of a span.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(pub(super) Vec<(&'static str, String)>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if self.0.len() < MOST_FIELDS {
            let mut text = String::new();
            write_bounded(&mut text, LONGEST_FIELD, value);
            self.0.push((field.name(), text));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field.name(), value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field.name(), &format_args!("{value}"));
    }
}

/// Writes `value` up to `longest` bytes; what was cut shows as an ellipsis.
fn write_bounded(into: &mut String, longest: usize, value: &dyn fmt::Debug) {
    let mut bounded = Bounded { into, longest };
    let _ = write!(bounded, "{value:?}");
}

struct Bounded<'a> {
    into: &'a mut String,
    longest: usize,
}

impl Write for Bounded<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.longest.saturating_sub(self.into.len());
        if text.len() <= room {
            self.into.push_str(text);
            return Ok(());
        }
        let fits = text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= room).last();
        self.into.push_str(text.get(..fits.unwrap_or(0)).unwrap_or_default());
        self.into.push('…');
        Err(fmt::Error)
    }
}
