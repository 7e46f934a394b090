//! Ports that nobody else uses, also when several tests start at once.

use std::net::{IpAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

use crate::{Failure, Outcome};

/// Below the range from which the kernel takes ports by itself (32768 to 60999).
const FIRST: u16 = 20_000;
const LAST: u16 = 32_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// The first of `count` neighbouring ports, free for UDP and TCP on this address.
///
/// The answer is even, as RTP likes it. Each process starts looking at a place of its own, and never gives
/// the same block twice.
pub fn free_block(address: IpAddr, count: u16) -> Outcome<u16> {
    let span = LAST - FIRST;
    let start = (std::process::id() as u16).wrapping_mul(211) % span;
    let mut tried = 0u32;
    while tried < u32::from(span) {
        let offset = NEXT.fetch_add(count.next_multiple_of(2), Ordering::Relaxed);
        let first = (FIRST + start.wrapping_add(offset) % span) & !1;
        if first.checked_add(count).is_some_and(|end| end <= LAST)
            && (first..first + count).all(|p| is_free(address, p))
        {
            return Ok(first);
        }
        tried += u32::from(count);
    }
    Err(Failure::new(format!("no {count} neighbouring free ports on {address}")))
}

/// One free port for UDP and TCP.
pub fn free_port(address: IpAddr) -> Outcome<u16> {
    free_block(address, 1)
}

fn is_free(address: IpAddr, port: u16) -> bool {
    UdpSocket::bind((address, port)).is_ok() && TcpListener::bind((address, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_do_not_overlap() {
        let address = IpAddr::from([127, 0, 0, 1]);
        let mut blocks: Vec<u16> = (0..20).map(|_| free_block(address, 10).unwrap()).collect();
        blocks.sort_unstable();
        assert!(blocks.windows(2).all(|pair| pair[1] - pair[0] >= 10), "{blocks:?}");
    }
}
