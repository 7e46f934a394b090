//! Several addresses at once, but not at the same moment.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::engine::routing::DialFailure;

/// Between the begins of two attempts (RFC 8305 §8, "Connection Attempt Delay").
const DELAY: Duration = Duration::from_millis(250);

/// Tries the addresses in order, each 250 ms after the one before or as soon as that has failed, without giving up the
/// earlier ones. The first that is ready wins; the others are dropped.
///
/// # Errors
/// The failure that says most, when all have failed.
pub(super) async fn first_ready<T, F>(
    addresses: Vec<SocketAddr>,
    attempt: impl Fn(SocketAddr) -> F,
) -> Result<(T, SocketAddr), DialFailure>
where
    T: Send + 'static,
    F: Future<Output = Result<T, DialFailure>> + Send + 'static,
{
    let mut left = addresses.into_iter();
    let mut running = JoinSet::new();
    let mut worst = DialFailure::Unresolved;
    loop {
        if let Some(address) = left.next() {
            let trying = attempt(address);
            running.spawn(async move { trying.await.map(|ready| (ready, address)) });
        }
        loop {
            let is_more = left.len() > 0;
            let ended = tokio::select! {
                ended = running.join_next() => ended,
                () = sleep(DELAY), if is_more => break,
            };
            match ended {
                Some(Ok(Ok(ready))) => return Ok(ready),
                Some(Ok(Err(failure))) => worst = telling(worst, failure),
                Some(Err(_)) => {}
                None => return Err(worst),
            }
            if is_more {
                break;
            }
        }
    }
}

/// Of two failures the one nearer to the peer: it was reached, so its words count.
fn telling(one: DialFailure, other: DialFailure) -> DialFailure {
    let near = |failure| match failure {
        DialFailure::Unauthorized => 5,
        DialFailure::Certificate => 4,
        DialFailure::Handshake => 3,
        DialFailure::TimedOut => 2,
        DialFailure::Refused => 1,
        DialFailure::Unresolved | DialFailure::NotEquipped => 0,
    };
    if near(other) >= near(one) { other } else { one }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn addresses(count: u8) -> Vec<SocketAddr> {
        (1..=count).map(|n| SocketAddr::from(([192, 0, 2, n], 1))).collect()
    }

    /// What becomes of an attempt is written in its address: the first is silent, two fail.
    async fn act(address: SocketAddr) -> Result<u8, DialFailure> {
        let std::net::IpAddr::V4(v4) = address.ip() else { panic!("IPv4") };
        let octet = v4.octets()[3];
        match octet {
            1 => std::future::pending().await,
            2 => Err(DialFailure::Refused),
            3 => Err(DialFailure::Certificate),
            octet => Ok(octet),
        }
    }

    #[tokio::test]
    async fn a_dead_first_address_costs_a_quarter_of_a_second() {
        let began = Instant::now();
        let (ready, address) = first_ready(addresses(4), act).await.unwrap();
        assert_eq!((ready, address.to_string().as_str()), (4, "192.0.2.4:1"));
        assert!(began.elapsed() >= DELAY, "the second waits for its turn");
        assert!(began.elapsed() < 2 * DELAY, "those that fail at once cost nothing more");
    }

    #[tokio::test]
    async fn when_all_fail_the_failure_that_says_most_is_told() {
        let all: Vec<SocketAddr> = addresses(3).split_off(1);
        assert_eq!(first_ready(all, act).await, Err(DialFailure::Certificate));
        assert_eq!(first_ready(Vec::new(), act).await, Err(DialFailure::Unresolved));
    }
}
