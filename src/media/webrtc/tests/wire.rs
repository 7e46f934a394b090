//! A network in virtual time: delay, jitter and loss by a seed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A small generator; the same seed gives the same run.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// 0 to `below` - 1.
    pub(super) fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % below
    }
}

pub(super) struct Datagram {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) bytes: Vec<u8>,
}

/// Carries datagrams; each takes 5 to 15 ms, so they may overtake each other.
pub(super) struct Wire {
    flying: BTreeMap<(Instant, u64), Datagram>,
    sent: u64,
    dice: Dice,
    pub(super) loss_percent: u64,
    /// Also drops what this says true of.
    pub(super) firewall: Option<fn(&Datagram) -> bool>,
}

impl Wire {
    pub(super) fn new(seed: u64) -> Self {
        Self { flying: BTreeMap::new(), sent: 0, dice: Dice::new(seed), loss_percent: 0, firewall: None }
    }

    pub(super) fn send(&mut self, now: Instant, datagram: Datagram) {
        let lost = self.dice.roll(100) < self.loss_percent;
        if lost || self.firewall.is_some_and(|blocks| blocks(&datagram)) {
            return;
        }
        self.sent += 1;
        let arrives = now + Duration::from_micros(5_000 + self.dice.roll(10_000));
        self.flying.insert((arrives, self.sent), datagram);
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.flying.keys().next().map(|(at, _)| *at)
    }

    pub(super) fn arrived(&mut self, now: Instant) -> Option<Datagram> {
        self.next().filter(|at| *at <= now)?;
        self.flying.pop_first().map(|(_, datagram)| datagram)
    }
}
