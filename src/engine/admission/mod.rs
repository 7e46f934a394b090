//! Whether a message is let in at all: before anything costs memory or a digest.
//!
//! | rule | verdict |
//! | --- | --- |
//! | from Asterisk's side | pass |
//! | a response, an ACK, a request in a dialog | pass: it must match something, or is dropped there |
//! | its source is locked out after failed digests | refuse, 403 on a connection; drop on UDP |
//! | its source sends faster than its share | drop (UDP repeats), or refuse with 503 on a connection |
//!
//! The table of sources is bounded; when it is full, the source that was quiet for longest makes room.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::flow::{Flow, Side};
use super::settings::{LockOutSettings, RateSettings, Settings};
use crate::sip::{Message, Method, Request, StatusCode};
use crate::time::Now;

/// Most sources that are remembered.
const MOST_SOURCES: usize = 20_000;

/// The verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admit {
    /// Let in.
    Pass,
    /// Dropped without an answer.
    Drop(&'static str),
    /// Refused with an answer that costs no state.
    Refuse {
        /// The status.
        status: StatusCode,
        /// The reason's stable word.
        reason: &'static str,
        /// Seconds.
        retry_after: u32,
    },
}

/// What is known of a source address.
#[derive(Debug)]
struct Source {
    tokens: f64,
    seen: Instant,
    failures: u32,
    window_began: Instant,
    locked_until: Option<Instant>,
}

/// Rates and lock-outs by source address.
#[derive(Debug)]
pub struct Admission {
    rate: RateSettings,
    lock_out: LockOutSettings,
    sources: HashMap<IpAddr, Source>,
}

impl Admission {
    /// Nobody is known yet.
    pub fn new(settings: &Settings) -> Self {
        Self { rate: settings.rate, lock_out: settings.lock_out, sources: HashMap::new() }
    }

    /// Whether a message is let in.
    pub fn admit(&mut self, now: Now, flow: Flow, message: &Message) -> Admit {
        let Message::Request(request) = message else { return Admit::Pass };
        if flow.side != Side::Site || request.method == Method::Ack {
            return Admit::Pass;
        }
        let is_in_dialog = request.to_tag().is_some();
        let rate = self.rate;
        let source = self.source(now.instant, flow.remote.ip());
        let is_locked = source.locked_until.is_some_and(|until| until > now.instant);
        if is_locked && !is_in_dialog {
            let left = source.locked_until.map_or(0, |until| (until - now.instant).as_secs() + 1);
            return refuse_or_drop(flow, StatusCode::FORBIDDEN, "locked-out", left);
        }
        let earned =
            now.instant.saturating_duration_since(source.seen).as_secs_f64() * f64::from(rate.per_second);
        source.tokens = (source.tokens + earned).min(f64::from(rate.burst));
        source.seen = now.instant;
        if source.tokens < 1.0 {
            return refuse_or_drop(flow, StatusCode::SERVICE_UNAVAILABLE, "rate", 1);
        }
        source.tokens -= 1.0;
        Admit::Pass
    }

    /// A digest was wrong. Enough of them within the window lock the source out.
    pub fn note_failure(&mut self, now: Now, flow: Flow, _request: &Request) {
        let rule = self.lock_out;
        let source = self.source(now.instant, flow.remote.ip());
        if now.instant.saturating_duration_since(source.window_began) > rule.window {
            source.window_began = now.instant;
            source.failures = 0;
        }
        source.failures += 1;
        if source.failures >= rule.failures {
            source.failures = 0;
            source.locked_until = now.instant.checked_add(rule.duration);
        }
    }

    /// The limits changed.
    pub fn set(&mut self, settings: &Settings) {
        self.rate = settings.rate;
        self.lock_out = settings.lock_out;
    }

    /// How many sources are remembered.
    pub fn len(&self) -> usize {
        self.sources.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    fn source(&mut self, now: Instant, address: IpAddr) -> &mut Source {
        if self.sources.len() >= MOST_SOURCES && !self.sources.contains_key(&address) {
            self.make_room(now);
        }
        let burst = f64::from(self.rate.burst);
        self.sources.entry(address).or_insert_with(|| Source {
            tokens: burst,
            seen: now,
            failures: 0,
            window_began: now,
            locked_until: None,
        })
    }

    /// Forgets who has been quiet for a minute and is not locked out; if nobody is, who has been quiet for longest.
    fn make_room(&mut self, now: Instant) {
        let quiet = Duration::from_secs(60);
        let is_kept = |source: &Source| {
            source.locked_until.is_some_and(|until| until > now)
                || now.saturating_duration_since(source.seen) < quiet
        };
        self.sources.retain(|_, source| is_kept(source));
        if self.sources.len() >= MOST_SOURCES {
            let oldest =
                self.sources.iter().min_by_key(|(_, source)| source.seen).map(|(address, _)| *address);
            if let Some(address) = oldest {
                self.sources.remove(&address);
            }
        }
    }
}

fn refuse_or_drop(flow: Flow, status: StatusCode, reason: &'static str, retry_after: u64) -> Admit {
    if flow.connection.is_none() {
        return Admit::Drop(reason);
    }
    Admit::Refuse { status, reason, retry_after: u32::try_from(retry_after).unwrap_or(u32::MAX) }
}

#[cfg(test)]
mod tests;
