//! Thousands of TLS connections that say nothing.

use std::time::{Duration, Instant};

use peers::Outcome;
use peers::office::Office;

use super::wire::tls;

const CONNECTIONS: usize = 2_000;
/// Handshakes that are under way at once.
const AT_ONCE: usize = 50;
/// KiB that one may cost, handshake buffers and kernel not counted.
const MOST_EACH: u64 = 64;

pub(crate) async fn connections(office: &Office) -> Outcome<String> {
    let before = office.memory()?;
    let start = Instant::now();
    let mut open = Vec::with_capacity(CONNECTIONS);
    while open.len() < CONNECTIONS {
        let count = AT_ONCE.min(CONNECTIONS - open.len());
        let handshakes = (0..count).map(|_| tls(office, 40, office.places().tls));
        for stream in join_all(handshakes).await {
            open.push(stream?);
        }
    }
    let took = start.elapsed();
    let least = f64::from(u16::try_from(CONNECTIONS)?);
    let within = Duration::from_secs(3);
    office.metric_until("branchline_connections", &["\"TLS\""], within, |count| count >= least).await?;
    let grown = office.memory()?.saturating_sub(before);
    let each = grown / CONNECTIONS as u64;
    // Others register and are served meanwhile.
    let begin = Instant::now();
    let (_, phone) = office.phone().await?;
    let served = begin.elapsed();
    drop(phone);
    drop(open);
    office
        .metric_until("branchline_connections", &["\"TLS\""], Duration::from_secs(10), |left| left < 50.0)
        .await?;
    assert!(each < MOST_EACH, "{each} KiB each");
    Ok(format!(
        "{CONNECTIONS} in {:.1} s, {each} KiB each; a phone registered meanwhile in {} ms",
        took.as_secs_f64(),
        served.as_millis()
    ))
}

/// Waits for all; they make progress together.
async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut pending: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut all = true;
        for (future, output) in &mut pending {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(ready) => *output = Some(ready),
                    std::task::Poll::Pending => all = false,
                }
            }
        }
        if all { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    pending.into_iter().filter_map(|(_, output)| output).collect()
}
