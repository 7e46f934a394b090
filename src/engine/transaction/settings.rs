//! What the transaction layer is told once, at the start.

use std::time::Duration;

/// The three times from which all timers are made (RFC 3261 §17.1.1.1, table 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Round-trip estimate; 500 ms. Less than 1 ms is taken as 1 ms.
    pub t1: Duration,
    /// Longest interval between retransmissions of a non-INVITE request or an INVITE response; 4 s.
    /// Less than T1 is taken as T1.
    pub t2: Duration,
    /// How long a message may stay in the network; 5 s.
    pub t4: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self { t1: Duration::from_millis(500), t2: Duration::from_secs(4), t4: Duration::from_secs(5) }
    }
}

impl Timing {
    /// These times with none so short that a timer would never let the clock move: T1 is at least 1 ms, T2 at
    /// least T1.
    pub(super) fn sound(self) -> Self {
        let t1 = self.t1.max(Duration::from_millis(1));
        Self { t1, t2: self.t2.max(t1), ..self }
    }

    /// 64·T1: timers B, F, H, J, L and M, and D on an unreliable transport (32 s by default).
    pub fn sixty_four_t1(&self) -> Duration {
        self.t1.saturating_mul(64)
    }
}

/// When an INVITE gets its 100 Trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trying {
    /// As soon as it arrives.
    AtOnce,
    /// After 200 ms, unless the user answered by then (§17.2.1).
    After200Ms,
}

/// How much may live at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Server transactions.
    pub servers: usize,
    /// Client transactions.
    pub clients: usize,
    /// `Retry-After` of the 503 that is sent when `servers` are live, in seconds.
    pub retry_after: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { servers: 20_000, clients: 20_000, retry_after: 5 }
    }
}

/// Settings of a [`Layer`](super::Layer).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// T1, T2, T4.
    pub timing: Timing,
    /// How much may live at the same time.
    pub limits: Limits,
    /// When an INVITE gets its 100.
    pub trying: Trying,
    /// The host that our Vias name instead of the flow's local address. The port is always the flow's.
    pub sent_by: Option<String>,
    /// A server transaction that its user has not answered by then is forgotten; 5 minutes.
    pub unanswered: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timing: Timing::default(),
            limits: Limits::default(),
            trying: Trying::After200Ms,
            sent_by: None,
            unanswered: Duration::from_secs(300),
        }
    }
}
