//! Our own sockets by name, and the stock of port pairs for phones.
//!
//! All sockets are bound before READY; the engine only chooses among them. A pair that a call gave back
//! rests before its next use, so that the old call's late packets cannot reach the new one: it stays bound,
//! and what arrives is dropped as [`DropReason::PortResting`](super::DropReason::PortResting).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A pair of bound ports for one phone: its position in the list of bound pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortPair(pub u16);

/// The socket an end uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LocalPort {
    /// The one port of all browsers.
    WebRtc,
    /// The one loopback port towards the site's Asterisk.
    Trunk,
    /// A phone's own pair.
    Phone(PortPair),
}

/// One socket, as the packet path names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SocketId {
    /// The one port of all browsers.
    WebRtc,
    /// The one loopback port towards the site's Asterisk.
    Trunk,
    /// The even port of a pair: RTP, and RTCP when muxed.
    PhoneRtp(PortPair),
    /// The odd port of a pair: RTCP.
    PhoneRtcp(PortPair),
}

/// The numbers of a bound pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortNumbers {
    /// Even; for SDP's `m=` line.
    pub rtp: u16,
    /// The next one; for RTCP when the peer does not mux.
    pub rtcp: u16,
}

/// Why no pair was given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortRefusal {
    /// Every pair carries a call.
    AllInUse,
    /// Those that carry no call are still resting.
    AllResting,
}

impl PortRefusal {
    /// For metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AllInUse => "ports-in-use",
            Self::AllResting => "ports-resting",
        }
    }
}

/// Pairs kept for calls for help: two calls, each with a phone and a way out.
const KEPT: usize = 4;
/// Of so many pairs one is kept, at most.
const KEPT_OF: usize = 25;

/// The engine's stock of port pairs; bounded by what was bound at start.
///
/// The pair that was free for longest is given first.
#[derive(Debug)]
pub struct PortPool {
    pairs: Vec<PortNumbers>,
    free: VecDeque<(PortPair, Option<Instant>)>,
    in_use: Vec<bool>,
    rest: Duration,
    /// Pairs that only calls for help may use.
    kept: usize,
}

impl PortPool {
    /// A stock of the bound `pairs`, in the worker's order; a returned pair rests for `rest`. Pairs past
    /// the 65,535th are left out.
    pub fn new(mut pairs: Vec<PortNumbers>, rest: Duration) -> Self {
        pairs.truncate(usize::from(u16::MAX));
        let free = (0..pairs.len()).map(|index| (PortPair(index as u16), None)).collect();
        let in_use = vec![false; pairs.len()];
        let kept = KEPT.min(pairs.len() / KEPT_OF);
        Self { pairs, free, in_use, rest, kept }
    }

    /// A pair for a new end. Of many pairs the last few are kept for calls for help.
    pub fn allocate(&mut self, now: Instant) -> Result<PortPair, PortRefusal> {
        if self.free.len() <= self.kept {
            return Err(PortRefusal::AllInUse);
        }
        let (_, released) = self.free.front().copied().ok_or(PortRefusal::AllInUse)?;
        if released.is_some_and(|at| now.saturating_duration_since(at) < self.rest) {
            return Err(PortRefusal::AllResting);
        }
        self.allocate_at_once()
    }

    /// A pair for a call for help: one of those that are kept, and one that rests, are better than none.
    pub fn allocate_at_once(&mut self) -> Result<PortPair, PortRefusal> {
        let (pair, _) = self.free.front().copied().ok_or(PortRefusal::AllInUse)?;
        self.free.pop_front();
        if let Some(in_use) = self.in_use.get_mut(usize::from(pair.0)) {
            *in_use = true;
        }
        Ok(pair)
    }

    /// Takes back a pair whose end was closed; false when it was not in use.
    pub fn release(&mut self, pair: PortPair, now: Instant) -> bool {
        match self.in_use.get_mut(usize::from(pair.0)) {
            Some(in_use) if *in_use => {
                *in_use = false;
                self.free.push_back((pair, Some(now)));
                true
            }
            _ => false,
        }
    }

    /// The port numbers of a pair, for SDP.
    pub fn numbers(&self, pair: PortPair) -> Option<PortNumbers> {
        self.pairs.get(usize::from(pair.0)).copied()
    }

    /// How many pairs carry a call.
    pub fn in_use(&self) -> usize {
        self.pairs.len() - self.free.len()
    }

    /// How many pairs there are.
    pub fn capacity(&self) -> usize {
        self.pairs.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(count: u16) -> PortPool {
        let numbers = |i| PortNumbers { rtp: 20_000 + 2 * i, rtcp: 20_001 + 2 * i };
        PortPool::new((0..count).map(numbers).collect(), Duration::from_secs(5))
    }

    #[test]
    fn an_exhausted_pool_refuses_by_name() {
        let now = Instant::now();
        let mut pool = pool(2);
        let first = pool.allocate(now).unwrap();
        let second = pool.allocate(now).unwrap();
        assert_ne!(first, second);
        assert_eq!(pool.numbers(second), Some(PortNumbers { rtp: 20_002, rtcp: 20_003 }));
        assert_eq!(pool.allocate(now), Err(PortRefusal::AllInUse));
        assert_eq!(pool.in_use(), 2);
    }

    #[test]
    fn the_last_pairs_are_kept_for_calls_for_help() {
        let now = Instant::now();
        let mut pool = pool(100);
        let given: Vec<_> = (0..96).map(|_| pool.allocate(now).unwrap()).collect();
        assert_eq!(pool.allocate(now), Err(PortRefusal::AllInUse));
        assert!((0..4).all(|_| pool.allocate_at_once().is_ok()));
        assert_eq!(pool.allocate_at_once(), Err(PortRefusal::AllInUse));
        pool.release(given[0], now);
        assert_eq!(pool.allocate_at_once(), Ok(given[0]), "it need not rest");
    }

    #[test]
    fn a_returned_pair_rests_before_it_is_used_again() {
        let now = Instant::now();
        let mut pool = pool(1);
        let pair = pool.allocate(now).unwrap();
        assert!(pool.release(pair, now));
        assert!(!pool.release(pair, now), "returned twice");
        assert_eq!(pool.allocate(now + Duration::from_millis(4_999)), Err(PortRefusal::AllResting));
        assert_eq!(pool.allocate(now + Duration::from_secs(5)), Ok(pair));
    }

    #[test]
    fn the_pair_that_is_free_for_longest_goes_first() {
        let now = Instant::now();
        let mut pool = pool(3);
        let first = pool.allocate(now).unwrap();
        pool.release(first, now);
        assert_eq!(pool.allocate(now), Ok(PortPair(1)));
        assert!(!pool.release(PortPair(9), now), "never bound");
    }
}
