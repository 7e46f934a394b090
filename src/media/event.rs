//! What the media worker tells the engine.

use std::time::{Duration, Instant};

use super::dtmf::Digit;
use super::end::EndId;

/// News from the media worker.
///
/// The queue to the engine is bounded. When it is full, `Sample` and `Dtmf` are dropped and counted; the
/// others wait in the worker, where a later `Silent` or `Resumed` of the same end replaces an earlier one.
#[derive(Clone, Debug)]
pub enum MediaEvent {
    /// The first valid RTP packet of the end arrived.
    FirstPacket {
        /// Which end.
        end: EndId,
    },
    /// The peer pressed a key, as telephone event (RFC 4733) or as tone; told once, when the key was let go (or its
    /// end was lost).
    Dtmf {
        /// Which end it came from.
        end: EndId,
        /// Which key.
        digit: Digit,
        /// How long it was held.
        duration: Duration,
        /// The other end of the bridge can be sent it neither as event nor as tone: signalling must carry it.
        needs_signalling: bool,
    },
    /// Nothing valid came for the configured time. While the end may send us audio only RTP counts; on hold
    /// (`Flow::receive` false) RTCP counts too and the time-out for held ends applies. On trunk ends RTCP
    /// always counts: Asterisk sends no audio while it records.
    Silent {
        /// Which end.
        end: EndId,
        /// When the last sign of life came (or the end was set up).
        since: Instant,
    },
    /// Life came back after `Silent`.
    Resumed {
        /// Which end.
        end: EndId,
    },
    /// Answer to [`MediaCommand::Sample`](super::MediaCommand::Sample).
    Sample {
        /// Which end.
        end: EndId,
        /// The figures up to now.
        report: Box<Report>,
    },
    /// The end is gone; its id may be released.
    Closed {
        /// Which end.
        end: EndId,
        /// The final figures.
        report: Box<Report>,
    },
    /// A command changed nothing.
    Refused {
        /// The end it named.
        end: EndId,
        /// Why.
        reason: RefusalReason,
    },
}

impl MediaEvent {
    /// The end it is about.
    pub fn end(&self) -> EndId {
        match self {
            Self::FirstPacket { end }
            | Self::Dtmf { end, .. }
            | Self::Silent { end, .. }
            | Self::Resumed { end }
            | Self::Sample { end, .. }
            | Self::Closed { end, .. }
            | Self::Refused { end, .. } => *end,
        }
    }
}

/// Why a command was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalReason {
    /// No such end is open (any more).
    UnknownEnd,
    /// The index lies beyond the table.
    TableFull,
    /// The id is open already.
    AlreadyOpen,
    /// The port pair carries another end.
    PortInUse,
    /// No such port pair was bound.
    NoSuchPort,
    /// An end cannot be bridged to itself.
    SameEnd,
    /// The end's session has no telephone-event type, and no G.711 for tones (the hook flash has none).
    NoDtmfPayload,
    /// The end has as many sources as it may have, or is none of a browser.
    NoMoreSources,
    /// Too many digits are waiting to be sent.
    DtmfQueueFull,
}

impl RefusalReason {
    /// For metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownEnd => "unknown-end",
            Self::TableFull => "table-full",
            Self::AlreadyOpen => "already-open",
            Self::PortInUse => "port-in-use",
            Self::NoSuchPort => "no-such-port",
            Self::SameEnd => "same-end",
            Self::NoDtmfPayload => "no-dtmf-payload",
            Self::NoMoreSources => "no-more-sources",
            Self::DtmfQueueFull => "dtmf-queue-full",
        }
    }
}

/// The figures of one end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// What came from the peer, as measured here.
    pub received: StreamReport,
    /// What went to the peer; loss, jitter and quality as the peer's RTCP reports say.
    pub sent: StreamReport,
    /// Round trip between us and the peer (RFC 3550 §6.4.1), the latest; `None` before the peer's first report.
    pub round_trip: Option<Duration>,
    /// Packets of this end that were dropped, by reason.
    pub drops: DropCounts,
}

/// One direction of one end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamReport {
    /// RTP packets.
    pub packets: u64,
    /// RTP bytes as on the wire, without UDP and IP.
    pub bytes: u64,
    /// Packets lost since the start; late and repeated ones make it smaller, never below zero.
    pub lost: u64,
    /// Share lost in the latest interval, 0 to 1; `None` before the first interval ended.
    pub interval_loss: Option<f32>,
    /// Interarrival jitter (RFC 3550 §6.4.1), in milliseconds.
    pub jitter_ms: f32,
    /// Transmission rating R (ITU-T G.107) of the latest interval, 0 to 100.
    pub r_factor: Option<f32>,
    /// Mean opinion score of the latest interval, 1 to 4.5.
    pub mos: Option<f32>,
    /// Mean of all intervals' scores.
    pub mos_average: Option<f32>,
    /// The worst interval's score.
    pub mos_worst: Option<f32>,
}

macro_rules! drop_reasons {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)+) => {
        /// Why a packet was dropped.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum DropReason {
            $($(#[$doc])* $name,)+
        }

        impl DropReason {
            /// Every reason, in the order of its number.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// For metrics labels.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

drop_reasons! {
    /// Not RTP, RTCP, STUN or DTLS by its first byte (RFC 7983), or of a kind the socket does not carry.
    NotMedia = "not-media",
    /// Too short, wrong version, or lengths that do not add up.
    Malformed = "malformed",
    /// Longer than any packet we carry (1500 bytes).
    TooLong = "too-long",
    /// From an address that no end named.
    UnknownSource = "unknown-source",
    /// To a port pair that carries no end: resting after a call, or never used.
    PortResting = "port-resting",
    /// From another address than the end's source.
    WrongSource = "wrong-source",
    /// The end has no keys yet.
    NoKeys = "no-keys",
    /// Authentication failed.
    AuthFailed = "auth-failed",
    /// Seen before.
    Replayed = "replayed",
    /// Too old for the replay window.
    TooOld = "too-old",
    /// The first packet of a new plain stream while another is alive: it must show a second one in order.
    Probation = "probation",
    /// Of a stream that another has taken over from.
    StaleStream = "stale-stream",
    /// Its payload type has no meaning for the other end.
    PayloadType = "payload-type",
    /// The end is bridged to nothing.
    NotBridged = "not-bridged",
    /// Held: the end may not send, or the other end may not be sent to.
    OnHold = "on-hold",
    /// Audio that made way for digits being sent.
    DtmfTurn = "dtmf-turn",
    /// A key to be passed on, while too many digits wait to be sent.
    DtmfQueueFull = "dtmf-queue-full",
    /// Digits that were to be sent when a new session left no way to.
    DtmfNoWay = "dtmf-no-way",
    /// The other end has no remote address or no keys yet.
    PeerNotReady = "peer-not-ready",
    /// The SRTP index of a key is used up (RFC 3711 §9.2).
    KeyExhausted = "key-exhausted",
    /// STUN or DTLS for which connectivity's queue had no room.
    ConnectivityFull = "connectivity-full",
    /// The socket would not take it.
    SendFailed = "send-failed",
}

/// Packets by [`DropReason`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropCounts {
    counts: [u64; DropReason::ALL.len()],
}

impl DropCounts {
    /// Counts one.
    pub fn add(&mut self, reason: DropReason) {
        if let Some(count) = self.counts.get_mut(reason as usize) {
            *count += 1;
        }
    }

    /// How many were dropped for `reason`.
    pub fn get(&self, reason: DropReason) -> u64 {
        self.counts.get(reason as usize).copied().unwrap_or(0)
    }

    /// How many in all.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The reasons that occurred, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL.iter().map(|&reason| (reason, self.get(reason))).filter(|(_, count)| *count > 0)
    }
}

impl Default for DropCounts {
    fn default() -> Self {
        Self { counts: [0; DropReason::ALL.len()] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_drop_reason_has_its_own_name_and_count() {
        let mut names: Vec<_> = DropReason::ALL.iter().map(|one| one.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), DropReason::ALL.len());
        let mut counts = DropCounts::default();
        counts.add(DropReason::Replayed);
        counts.add(DropReason::Replayed);
        counts.add(DropReason::SendFailed);
        assert_eq!(counts.total(), 3);
        let listed: Vec<_> = counts.iter().collect();
        assert_eq!(listed, [(DropReason::Replayed, 2), (DropReason::SendFailed, 1)]);
    }
}
