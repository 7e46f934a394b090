//! The DTLS 1.2 handshake that keys SRTP (RFC 6347, RFC 5764), one association for the life of an end.
//!
//! The handshake itself is rtc-dtls'; this module decides what it sees and when it speaks.
//!
//! | state | event | then |
//! | --- | --- | --- |
//! | Idle (server) | pieces of a ClientHello | held, at most 4 |
//! | Idle (server) | ClientHello | Handshaking; GCM is chosen if the client offers it, else AES-CM |
//! | Idle (client) | [`DtlsAssociation::start`] | Handshaking |
//! | Handshaking | datagram that moves it on | the new flight is sent and kept |
//! | Handshaking | the peer repeats itself, or 150, 300, 600 … 2,000 ms passed | the kept flight is sent again |
//! | Handshaking (server) | ClientHello with another random | begun afresh, at most 8 times |
//! | Handshaking | Finished, and the certificate is the announced one | Established |
//! | Idle, Handshaking | the deadline, a refusal, too much data | Failed |
//! | Established | handshake record | the last flight again, at most 10 times (RFC 6347 §4.2.4) |
//! | Established | authentic close_notify or fatal alert | Closed |
//!
//! **Why flights are kept here.** rtc-dtls 0.21 clears its retransmission timer when part of a flight arrives and
//! then waits for ever, repeats at a fixed interval, and reports exhaustion as an invalid state; so a few per cent
//! of handshakes failed on lossy links. Its timers are therefore never run. A repeat is the same datagram: records
//! that had arrived fall to the peer's replay window, those that were lost are new to it.
//!
//! rtc-dtls does not compare the client's Finished; what ties the transcript to the client is its
//! CertificateVerify, which it checks, over every message up to the key exchange. A client certificate is
//! therefore always demanded, and extended master secret (RFC 7627) too.

mod flight;
mod identity;
mod library;
mod record;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_shared::error::Error;

use crate::media::end::SrtpKeys;
use crate::media::srtp::SrtpProfile;
use crate::sdp::Fingerprint;

use super::reason::{EndFailure, PacketDrop};
use flight::Flight;
pub(super) use identity::is_strong;
pub use identity::{DtlsIdentity, IdentityRefused};
use library::{PEER, config, drain, failure, keys, new_endpoint};
pub(super) use record::is_dtls;
use record::{CLIENT_HELLO, Summary, assemble_hello, summarize};

/// From the first path, or the first ClientHello, to keys.
const HANDSHAKE_TIME: Duration = Duration::from_secs(20);
/// Times that a client may begin afresh.
const MAX_FRESH_STARTS: u8 = 8;
/// Datagrams with pieces of a ClientHello that wait for the rest.
const MAX_HELD: usize = 4;
/// What one association may feed to the handshake; a real one takes about 3 kB in 6 datagrams.
const MAX_FED_BYTES: usize = 64 * 1024;

/// What an event did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum DtlsOutcome {
    /// Nothing to tell.
    Pending,
    /// Keys are agreed.
    Established(Box<SrtpKeys>),
    /// The peer ended the association.
    PeerClosed,
    /// There will be no keys.
    Failed(EndFailure),
}

enum State {
    /// `held`: datagrams with pieces of a ClientHello.
    Idle {
        held: Vec<Vec<u8>>,
    },
    Handshaking {
        endpoint: Box<Endpoint>,
        hello: Option<[u8; 32]>,
        highest: Option<u16>,
    },
    Established {
        endpoint: Box<Endpoint>,
    },
    Over,
}

/// One end's DTLS association.
pub(super) struct DtlsAssociation {
    identity: Arc<DtlsIdentity>,
    announced: Vec<Fingerprint>,
    is_client: bool,
    deadline: Option<Instant>,
    state: State,
    flight: Flight,
    fed: usize,
    fresh_starts: u8,
    out: VecDeque<Vec<u8>>,
}

impl DtlsAssociation {
    /// An association with whoever holds a certificate of one of the `announced` fingerprints.
    pub(super) fn new(identity: Arc<DtlsIdentity>, announced: Vec<Fingerprint>, is_client: bool) -> Self {
        Self {
            identity,
            announced,
            is_client,
            deadline: None,
            state: State::Idle { held: Vec::new() },
            flight: Flight::default(),
            fed: 0,
            fresh_starts: 0,
            out: VecDeque::new(),
        }
    }

    /// A path exists: the clock runs, and as client we begin. Later calls do nothing.
    pub(super) fn start(&mut self, now: Instant) -> DtlsOutcome {
        if !matches!(self.state, State::Idle { .. }) {
            return DtlsOutcome::Pending;
        }
        self.deadline.get_or_insert(now + HANDSHAKE_TIME);
        if !self.is_client {
            return DtlsOutcome::Pending;
        }
        let offered = [SrtpProfile::AeadAes128Gcm, SrtpProfile::AesCm128HmacSha1_80];
        let begun = config(&self.identity, &self.announced, &offered, true).and_then(|config| {
            let mut endpoint = new_endpoint(None);
            endpoint.connect(now, PEER, config, None).map_err(|error| failure(&error))?;
            Ok(endpoint)
        });
        match begun {
            Ok(endpoint) => {
                self.state = State::Handshaking { endpoint: Box::new(endpoint), hello: None, highest: None };
                self.collect(now);
                DtlsOutcome::Pending
            }
            Err(why) => self.fail(why),
        }
    }

    /// A datagram from an address that ICE has validated.
    pub(super) fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: &[u8],
    ) -> Result<DtlsOutcome, PacketDrop> {
        let summary = summarize(datagram).ok_or(PacketDrop::DtlsMalformed)?;
        match &self.state {
            State::Over => Err(PacketDrop::EndGone),
            State::Established { .. } => self.handle_late(now, datagram, &summary),
            State::Handshaking { hello, .. } => {
                let fresh =
                    hello.is_some() && summary.hello_random.is_some() && *hello != summary.hello_random;
                if fresh { self.begin_afresh(now, datagram) } else { Ok(self.feed(now, datagram, &summary)) }
            }
            State::Idle { .. } if self.is_client || summary.first_message != Some(CLIENT_HELLO) => {
                Err(PacketDrop::DtlsUnexpected)
            }
            State::Idle { .. } => Ok(self.greet(now, datagram)),
        }
    }

    /// Repeats the flight, or gives up.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> DtlsOutcome {
        let open = matches!(self.state, State::Idle { .. } | State::Handshaking { .. });
        if open && self.deadline.is_some_and(|deadline| deadline <= now) {
            return self.fail(EndFailure::DtlsTimeout);
        }
        if self.flight.repeat_at().is_some_and(|at| at <= now) && open {
            self.out.extend(self.flight.repeat(now));
        }
        DtlsOutcome::Pending
    }

    /// When [`DtlsAssociation::handle_timeout`] is next needed.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Idle { .. } | State::Handshaking { .. } => {
                self.deadline.into_iter().chain(self.flight.repeat_at()).min()
            }
            State::Established { .. } | State::Over => None,
        }
    }

    /// The next datagram to send to the peer.
    pub(super) fn poll_datagram(&mut self) -> Option<Vec<u8>> {
        self.out.pop_front()
    }

    /// Ends the association with a close_notify.
    pub(super) fn close(&mut self, now: Instant) {
        if let State::Established { endpoint, .. } = &mut self.state {
            let _ = endpoint.stop(now, PEER);
            self.out.extend(drain(endpoint));
        }
        self.finish();
    }

    /// As server: begins once the ClientHello is whole, or no more pieces are held.
    fn greet(&mut self, now: Instant, datagram: &[u8]) -> DtlsOutcome {
        self.deadline.get_or_insert(now + HANDSHAKE_TIME);
        let State::Idle { held } = &mut self.state else { return DtlsOutcome::Pending };
        held.push(datagram.to_vec());
        let hello = assemble_hello(held);
        if hello.is_none() && held.len() < MAX_HELD {
            return DtlsOutcome::Pending;
        }
        let held = std::mem::take(held);
        let both = [SrtpProfile::AeadAes128Gcm, SrtpProfile::AesCm128HmacSha1_80];
        let chosen = match &hello {
            Some(hello) => {
                both.iter().find(|profile| hello.profiles.contains(profile)).map(std::slice::from_ref)
            }
            None => Some(&both[..]),
        };
        let config = chosen
            .ok_or(EndFailure::NoCommonProfile)
            .and_then(|profiles| config(&self.identity, &self.announced, profiles, false));
        match config {
            Ok(config) => {
                let endpoint = Box::new(new_endpoint(Some(config)));
                let hello = hello.map(|hello| hello.random);
                self.state = State::Handshaking { endpoint, hello, highest: None };
                self.feed_all(now, &held)
            }
            Err(why) => self.fail(why),
        }
    }

    fn begin_afresh(&mut self, now: Instant, datagram: &[u8]) -> Result<DtlsOutcome, PacketDrop> {
        if self.is_client || self.fresh_starts >= MAX_FRESH_STARTS {
            return Err(PacketDrop::DtlsUnexpected);
        }
        self.fresh_starts += 1;
        self.flight = Flight::default();
        self.state = State::Idle { held: Vec::new() };
        Ok(self.greet(now, datagram))
    }

    fn feed_all(&mut self, now: Instant, datagrams: &[Vec<u8>]) -> DtlsOutcome {
        for datagram in datagrams {
            let outcome = summarize(datagram).map(|summary| self.feed(now, datagram, &summary));
            if let Some(outcome) = outcome.filter(|outcome| *outcome != DtlsOutcome::Pending) {
                return outcome;
            }
        }
        DtlsOutcome::Pending
    }

    /// Gives the handshake a datagram and looks what came of it.
    fn feed(&mut self, now: Instant, datagram: &[u8], summary: &Summary) -> DtlsOutcome {
        self.fed = self.fed.saturating_add(datagram.len());
        if self.fed > MAX_FED_BYTES {
            return self.fail(EndFailure::HandshakeTooLarge);
        }
        let State::Handshaking { endpoint, highest, .. } = &mut self.state else {
            return DtlsOutcome::Pending;
        };
        let repeated = summary.highest_sequence.is_some() && summary.highest_sequence <= *highest;
        *highest = summary.highest_sequence.max(*highest);
        let read = endpoint.read(now, PEER, None, BytesMut::from(datagram));
        let moved_on = self.collect(now);
        match read {
            Err(Error::ErrAlertFatalOrClose) => {
                self.fail(summary.plain_fatal_alert.map_or(EndFailure::DtlsProtocol, EndFailure::PeerAlert))
            }
            Err(_) if summary.alert && !summary.handshake => DtlsOutcome::Pending,
            Err(error) => self.fail(failure(&error)),
            Ok(events) if events.iter().any(|event| matches!(event, EndpointEvent::HandshakeComplete)) => {
                self.establish()
            }
            Ok(events) if events.iter().any(|event| matches!(event, EndpointEvent::PeerClosed)) => {
                self.finish();
                DtlsOutcome::PeerClosed
            }
            Ok(_) => {
                if repeated && !moved_on && self.flight.may_be_provoked(now) {
                    self.out.extend(self.flight.repeat(now));
                }
                DtlsOutcome::Pending
            }
        }
    }

    /// After the handshake: the peer may have missed our last flight, or may be leaving.
    fn handle_late(
        &mut self,
        now: Instant,
        datagram: &[u8],
        summary: &Summary,
    ) -> Result<DtlsOutcome, PacketDrop> {
        let State::Established { endpoint } = &mut self.state else {
            return Err(PacketDrop::EndGone);
        };
        if summary.alert && !summary.handshake {
            let over = match endpoint.read(now, PEER, None, BytesMut::from(datagram)) {
                Ok(events) => events.iter().any(|event| matches!(event, EndpointEvent::PeerClosed)),
                Err(error) => matches!(error, Error::ErrAlertFatalOrClose),
            };
            if !over {
                return Err(PacketDrop::DtlsUnexpected);
            }
            self.out.extend(drain(endpoint));
            self.finish();
            return Ok(DtlsOutcome::PeerClosed);
        }
        if !summary.handshake || self.is_client || !self.flight.may_be_provoked_late(now) {
            return Err(PacketDrop::DtlsUnexpected);
        }
        self.out.extend(self.flight.repeat(now));
        Ok(DtlsOutcome::Pending)
    }

    /// The handshake is done: checks the certificate once more and exports the keys.
    fn establish(&mut self) -> DtlsOutcome {
        let State::Handshaking { endpoint, .. } = std::mem::replace(&mut self.state, State::Over) else {
            return DtlsOutcome::Pending;
        };
        match keys(&endpoint, &self.announced, self.is_client) {
            Ok(keys) => {
                self.flight.finish();
                if self.is_client {
                    self.flight = Flight::default();
                }
                self.state = State::Established { endpoint };
                DtlsOutcome::Established(Box::new(keys))
            }
            Err(why) => self.fail(why),
        }
    }

    /// Takes what the library wants sent: a new flight, kept for repeating. True if there was any.
    fn collect(&mut self, now: Instant) -> bool {
        let State::Handshaking { endpoint, .. } = &mut self.state else { return false };
        let datagrams: Vec<_> = drain(endpoint).collect();
        if datagrams.is_empty() {
            return false;
        }
        self.out.extend(datagrams.iter().cloned());
        self.flight = Flight::new(now, datagrams);
        true
    }

    fn fail(&mut self, why: EndFailure) -> DtlsOutcome {
        self.finish();
        DtlsOutcome::Failed(why)
    }

    fn finish(&mut self) {
        self.state = State::Over;
        self.flight = Flight::default();
        self.deadline = None;
    }
}

impl std::fmt::Debug for DtlsAssociation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = match self.state {
            State::Idle { .. } => "idle",
            State::Handshaking { .. } => "handshaking",
            State::Established { .. } => "established",
            State::Over => "over",
        };
        f.debug_struct("DtlsAssociation")
            .field("state", &state)
            .field("is_client", &self.is_client)
            .finish_non_exhaustive()
    }
}
