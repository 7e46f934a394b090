//! What the daemon says about itself.
//!
//! | file | what is there |
//! | --- | --- |
//! | `metrics` | [`Metrics`]: counters, gauges and histograms for Prometheus |
//! | `exposition` | the same for readers that do not know OpenMetrics |
//! | `health` | [`Health`]: named conditions with since-when, count and last error |
//! | `redact` | [`Redacted`] and [`Person`]: secrets never, people only at DEBUG |
//!
//! All of it is cheap to touch from any thread: counters are atomics, conditions change rarely.

mod exposition;
mod health;
mod metrics;
mod redact;

pub use exposition::older_format;
pub use health::{Condition, ConditionReport, Health};
pub use metrics::{Counters, Metrics, PacketDirection};
pub use redact::{Person, Redacted, show_people};
