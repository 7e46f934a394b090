//! Streams in clear: split, garbage, slow, idle, oversized, overflowing.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::harness::{Bench, PATIENCE, limits, options};
use crate::engine::flow::{FlowFailure, Side};
use crate::observe::Metrics;
use crate::shell::flows::Flows;
use crate::shell::listen::{Limits, Security};
use crate::sip::Transport;

async fn clear(limits: Limits) -> Bench {
    Bench::stream(limits, Security::Clear).await
}

async fn read_some(peer: &mut TcpStream) -> Vec<u8> {
    let mut buffer = vec![0; 65_536];
    let count = timeout(PATIENCE, peer.read(&mut buffer)).await.expect("bytes in time").unwrap_or(0);
    buffer.truncate(count);
    buffer
}

/// What is left until the end of the stream.
async fn read_to_end(peer: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    // A reset is an end too.
    drop(timeout(PATIENCE, peer.read_to_end(&mut all)).await.expect("an end in time"));
    all
}

#[tokio::test]
async fn a_message_may_come_in_any_pieces_and_several_in_one() {
    let mut bench = clear(limits()).await;
    let mut peer = bench.dial().await;
    peer.set_nodelay(true).unwrap();
    let (flow, identity, _line) = bench.opened().await;
    assert_eq!((flow.transport, flow.side, identity), (Transport::Tcp, Side::Site, None));
    assert_eq!((flow.local, flow.remote), (bench.address, peer.local_addr().unwrap()));
    let message = options(1);
    for at in (1..message.len()).step_by(29) {
        peer.write_all(&message[..at]).await.unwrap();
        tokio::task::yield_now().await;
        peer.write_all(&message[at..]).await.unwrap();
        assert_eq!(bench.number().await, 1, "cut at {at}");
    }
    for byte in &message {
        peer.write_all(std::slice::from_ref(byte)).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.number().await, 1, "byte by byte");
    let three: Vec<u8> = (2..5).flat_map(options).collect();
    peer.write_all(&three).await.unwrap();
    assert_eq!([bench.number().await, bench.number().await, bench.number().await], [2, 3, 4]);
    drop(peer);
    assert_eq!(bench.closed().await, FlowFailure::Closed);
    bench.counted("reason=\"closed-by-peer\"", 1).await;
}

#[tokio::test]
async fn pings_are_answered_and_nothing_else_is_made_of_them() {
    let mut bench = clear(limits()).await;
    let mut peer = bench.dial().await;
    let (_, _, line) = bench.opened().await;
    peer.write_all(b"\r\n\r\n").await.unwrap();
    assert_eq!(read_some(&mut peer).await, b"\r\n");
    line.outgoing.send(Bytes::from_static(b"one")).await.unwrap();
    line.outgoing.send(Bytes::from_static(b"two")).await.unwrap();
    let mut six = [0; 6];
    timeout(PATIENCE, peer.read_exact(&mut six)).await.unwrap().unwrap();
    assert_eq!(&six, b"onetwo");
    peer.write_all(&options(7)).await.unwrap();
    assert_eq!(bench.number().await, 7, "the stream goes on");
}

#[tokio::test]
async fn what_is_not_sip_is_closed_by_name() {
    let mut bench = clear(limits()).await;
    let head = "A".repeat(40_000);
    let endless = format!("OPTIONS sip:b SIP/2.0\r\nX: {head}");
    for (bytes, reason) in [
        (&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], "not-text"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "not-sip"),
        (b"OPTIONS sip:b SIP/2.0\r\nContent-Length: x\r\n\r\n", "content-length"),
        (b"OPTIONS sip:b SIP/2.0\r\nContent-Length: 99999999\r\n\r\n", "message-too-long"),
        (b"OPTIONS sip:b SIP/2.0\r\nContent-Length: 20000\r\n\r\n", "message-time"),
        (endless.as_bytes(), "head-too-long"),
    ] {
        let mut peer = bench.dial().await;
        let _line = bench.opened().await;
        // It may be closed while we write.
        drop(peer.write_all(bytes).await);
        let failure = bench.closed().await;
        let expected = if reason == "message-time" { FlowFailure::Slow } else { FlowFailure::Garbage };
        assert_eq!(failure, expected, "{reason}");
        bench.counted(&format!("reason=\"{reason}\""), 1).await;
        assert_eq!(read_to_end(&mut peer).await, b"");
    }
}

#[tokio::test]
async fn a_message_above_the_configured_size_closes() {
    let mut bench = clear(Limits { message_size: 100, ..limits() }).await;
    let mut peer = bench.dial().await;
    let _line = bench.opened().await;
    peer.write_all(&options(1)).await.unwrap();
    assert_eq!(bench.closed().await, FlowFailure::Garbage);
    bench.counted("reason=\"message-size\"", 1).await;
}

#[tokio::test]
async fn a_slow_sender_is_closed_though_it_drips() {
    let mut bench = clear(limits()).await;
    let mut peer = bench.dial().await;
    let _line = bench.opened().await;
    let began = std::time::Instant::now();
    for byte in options(1) {
        if peer.write_all(&[byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        if began.elapsed() > Duration::from_millis(600) {
            break;
        }
    }
    assert_eq!(bench.closed().await, FlowFailure::Slow);
    assert!(began.elapsed() < Duration::from_secs(2));
    bench.counted("reason=\"message-time\"", 1).await;
}

#[tokio::test]
async fn silence_closes_and_keep_alives_do_not() {
    let mut bench = clear(Limits { idle_time: Duration::from_millis(250), ..limits() }).await;
    let mut peer = bench.dial().await;
    let _line = bench.opened().await;
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        peer.write_all(b"\r\n\r\n").await.unwrap();
        assert_eq!(read_some(&mut peer).await, b"\r\n");
    }
    let began = std::time::Instant::now();
    assert_eq!(bench.closed().await, FlowFailure::Idle);
    assert!(began.elapsed() >= Duration::from_millis(200), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_full_send_queue_closes_and_the_engine_hears_it_once() {
    let mut bench = clear(Limits { message_time: Duration::from_secs(20), ..limits() }).await;
    let _peer = bench.dial().await;
    let (flow, _, line) = bench.opened().await;
    let mut flows = Flows::new(Vec::new(), bench.metrics.clone());
    flows.opened(flow.connection.unwrap(), line);
    let large = Bytes::from(vec![b'x'; 1 << 20]);
    let mut sent = 0;
    let failure = loop {
        match flows.transmit(&flow, large.clone()) {
            Ok(()) => sent += 1,
            Err(failure) => break failure,
        }
        assert!(sent < 100, "the queue has no bound");
        tokio::time::sleep(Duration::from_millis(2)).await;
    };
    assert_eq!(failure, FlowFailure::Slow);
    assert_eq!(flows.transmit(&flow, large), Err(FlowFailure::Unknown), "it is gone for the engine");
    assert_eq!(bench.closed().await, FlowFailure::Slow);
    assert!(!flows.closed(flow.connection.unwrap()), "reported before");
    assert!(flows.is_empty());
}

#[tokio::test]
async fn a_peer_that_takes_nothing_is_closed_in_time() {
    let mut bench = clear(limits()).await;
    let _peer = bench.dial().await;
    let (_, _, line) = bench.opened().await;
    for _ in 0..8 {
        drop(line.outgoing.try_send(Bytes::from(vec![b'x'; 4 << 20])));
    }
    assert_eq!(bench.closed().await, FlowFailure::Slow);
    bench.counted("reason=\"send-stalled\"", 1).await;
}

#[tokio::test]
async fn a_connection_that_the_engine_finds_silent_is_reset_and_what_waits_is_thrown_away() {
    let mut bench = clear(limits()).await;
    let mut peer = bench.dial().await;
    let (flow, _, line) = bench.opened().await;
    let mut flows = Flows::new(Vec::new(), Metrics::new("BRU"));
    flows.opened(flow.connection.unwrap(), line);
    let large = Bytes::from(vec![b'x'; 4 << 20]);
    for _ in 0..5 {
        flows.transmit(&flow, large.clone()).unwrap();
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    flows.close(&flow, FlowFailure::Silent).unwrap();
    assert_eq!(bench.closed().await, FlowFailure::Silent);
    assert!(flows.closed(flow.connection.unwrap()), "the engine hears that it is over");
    let mut taken = Vec::new();
    let end = peer.read_to_end(&mut taken).await;
    assert_eq!(end.map_err(|error| error.kind()), Err(std::io::ErrorKind::ConnectionReset));
    assert!(taken.len() < 5 * large.len(), "all of it came");
}

#[tokio::test]
async fn what_was_queued_is_sent_before_the_engine_closes() {
    let mut bench = clear(limits()).await;
    let mut peer = bench.dial().await;
    let (flow, _, line) = bench.opened().await;
    let mut flows = Flows::new(Vec::new(), Metrics::new("BRU"));
    flows.opened(flow.connection.unwrap(), line);
    for _ in 0..5 {
        flows.transmit(&flow, Bytes::from_static(b"bye!")).unwrap();
    }
    flows.close(&flow, FlowFailure::Garbage).unwrap();
    assert_eq!(flows.transmit(&flow, Bytes::new()), Err(FlowFailure::Unknown));
    assert_eq!(read_to_end(&mut peer).await, b"bye!bye!bye!bye!bye!");
    assert_eq!(bench.closed().await, FlowFailure::Garbage);
    assert!(flows.closed(flow.connection.unwrap()), "the engine hears that it is over");
}

#[tokio::test]
async fn connections_are_bounded_in_all_and_per_source_and_by_network() {
    let mut bench = clear(Limits { connections: 3, connections_per_source: 2, ..limits() }).await;
    let both = (bench.dial().await, bench.dial().await);
    let (_first, _second) = (bench.opened().await, bench.opened().await);
    let mut third = bench.dial().await;
    assert_eq!(read_to_end(&mut third).await, b"");
    bench.counted("reason=\"connections-of-source\"", 1).await;
    assert_eq!(bench.shared.places.taken(), 2);
    drop(both);
    assert_eq!(bench.closed().await, FlowFailure::Closed);

    let mut elsewhere = Bench::new(limits(), 4);
    elsewhere.listen(Security::Clear, "10.0.0.0/8").await;
    let mut stranger = elsewhere.dial().await;
    assert_eq!(read_to_end(&mut stranger).await, b"");
    elsewhere.counted("reason=\"network-not-allowed\"", 1).await;
}

#[tokio::test]
async fn reading_stops_while_the_engine_is_behind_and_nothing_is_lost() {
    let mut bench = Bench::new(limits(), 2);
    bench.listen(Security::Clear, "").await;
    let mut peer = bench.dial().await;
    let (_, _, line) = bench.opened().await;
    let all: Vec<u8> = (1..200).flat_map(options).collect();
    peer.write_all(&all).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    line.outgoing.send(Bytes::from_static(b"out")).await.unwrap();
    assert_eq!(read_some(&mut peer).await, b"out", "writing goes on");
    for number in 1..200 {
        assert_eq!(bench.number().await, number);
    }
}

#[tokio::test]
async fn listeners_stop_and_their_connections_with_them() {
    let mut bench = clear(limits()).await;
    let mut peer = bench.dial().await;
    let (_, _, line) = bench.opened().await;
    line.outgoing.send(Bytes::from_static(b"last")).await.unwrap();
    bench.stop().await;
    assert_eq!(read_to_end(&mut peer).await, b"last");
    assert_eq!(bench.closed().await, FlowFailure::Closed);
    assert!(TcpStream::connect(bench.address).await.is_err());
    assert_eq!(bench.shared.places.taken(), 0);
}
