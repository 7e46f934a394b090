//! Datagrams: networks, wildcards, keep-alives, what is dropped.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::harness::{Bench, PATIENCE, limits, options};
use crate::engine::flow::{Flow, FlowFailure, Side};
use crate::shell::flows::Flows;
use crate::shell::listen::{Limits, UdpListener, UdpSender};
use crate::sip::Transport;
use crate::sip::parse::ParseError;

/// A listener on `address`; gives its sender.
fn listen(bench: &mut Bench, address: &str, networks: &[&str]) -> UdpSender {
    let socket = std::net::UdpSocket::bind(address).unwrap();
    let networks = networks.iter().map(|network| network.parse().unwrap()).collect();
    let listener = UdpListener::new(socket, Side::Site, networks).unwrap();
    bench.address = listener.local();
    let sender = listener.sender();
    bench.serve(listener.serve(bench.shared.clone()));
    sender
}

async fn peer(address: &str) -> UdpSocket {
    UdpSocket::bind(address).await.unwrap()
}

async fn receive(peer: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; 65_536];
    let (count, from) = timeout(PATIENCE, peer.recv_from(&mut buffer)).await.expect("in time").unwrap();
    buffer.truncate(count);
    (buffer, from)
}

#[tokio::test]
async fn a_wildcard_socket_answers_from_the_address_that_was_asked() {
    let mut bench = Bench::new(limits(), 64);
    let sender = listen(&mut bench, "0.0.0.0:0", &["127.0.0.0/8"]);
    let port = bench.address.port();
    let mut flows = Flows::new(vec![sender], bench.metrics.clone());
    for host in ["127.0.0.1", "127.0.0.2", "127.9.8.7"] {
        let own = peer("127.0.0.1:0").await;
        let asked = SocketAddr::new(host.parse().unwrap(), port);
        own.send_to(&options(3), asked).await.unwrap();
        let (flow, message) = bench.message().await;
        let expected = Flow {
            transport: Transport::Udp,
            local: asked,
            remote: own.local_addr().unwrap(),
            connection: None,
            side: Side::Site,
        };
        assert_eq!(flow, expected);
        assert!(message.is_ok());
        flows.transmit(&flow, "answer".into()).unwrap();
        assert_eq!(receive(&own).await, (b"answer".to_vec(), asked));
    }
}

#[tokio::test]
async fn a_socket_of_both_families_knows_ipv4_as_ipv4() {
    let Ok(probe) = std::net::UdpSocket::bind("[::]:0") else { return };
    drop(probe);
    let mut bench = Bench::new(limits(), 64);
    let sender = listen(&mut bench, "[::]:0", &["127.0.0.0/8", "::1/128"]);
    let port = bench.address.port();
    let mut flows = Flows::new(vec![sender], bench.metrics.clone());
    for (own, asked) in [("127.0.0.1:0", "127.0.0.5"), ("[::1]:0", "::1")] {
        let own = peer(own).await;
        let asked = SocketAddr::new(asked.parse().unwrap(), port);
        own.send_to(&options(3), asked).await.unwrap();
        let (flow, _) = bench.message().await;
        assert_eq!((flow.local, flow.remote), (asked, own.local_addr().unwrap()));
        flows.transmit(&flow, "answer".into()).unwrap();
        assert_eq!(receive(&own).await, (b"answer".to_vec(), asked));
    }
}

#[tokio::test]
async fn strangers_are_dropped_before_they_cost_anything() {
    let mut bench = Bench::new(limits(), 64);
    let _sender = listen(&mut bench, "127.0.0.1:0", &["127.0.0.2/32"]);
    let (stranger, known) = (peer("127.0.0.1:0").await, peer("127.0.0.2:0").await);
    for _ in 0..3 {
        stranger.send_to(&options(1), bench.address).await.unwrap();
    }
    bench.counted("reason=\"network-not-allowed\"", 3).await;
    known.send_to(&options(2), bench.address).await.unwrap();
    assert_eq!(bench.number().await, 2);
}

#[tokio::test]
async fn keep_alives_are_answered_or_swallowed_and_garbage_is_passed_on_by_name() {
    let mut bench = Bench::new(Limits { message_size: 1000, ..limits() }, 64);
    let _sender = listen(&mut bench, "127.0.0.1:0", &[]);
    let own = peer("127.0.0.1:0").await;
    let mut stun = vec![0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42];
    stun.extend_from_slice(b"abcdefghijkl");
    own.send_to(&stun, bench.address).await.unwrap();
    let (answer, _) = receive(&own).await;
    assert_eq!((&answer[..2], &answer[8..20]), (&[1, 1][..], &b"abcdefghijkl"[..]));
    for nothing in [&b"\r\n\r\n"[..], b"\r\n", b"", b"\0\0\0\0"] {
        own.send_to(nothing, bench.address).await.unwrap();
    }
    own.send_to(&[b'x'; 1001], bench.address).await.unwrap();
    bench.counted("reason=\"message-size\"", 1).await;
    own.send_to(b"\xff\xfe\x00garbage", bench.address).await.unwrap();
    let (flow, message) = bench.message().await;
    assert!(matches!(message, Err(ParseError::Malformed(_))), "{message:?}");
    assert_eq!(flow.remote, own.local_addr().unwrap());
}

#[tokio::test]
async fn what_the_engine_has_no_room_for_is_dropped_and_counted() {
    let mut bench = Bench::new(limits(), 2);
    let _sender = listen(&mut bench, "127.0.0.1:0", &[]);
    let own = peer("127.0.0.1:0").await;
    for number in 1..6 {
        own.send_to(&options(number), bench.address).await.unwrap();
    }
    bench.counted("reason=\"engine-queue-full\"", 3).await;
    assert_eq!((bench.number().await, bench.number().await), (1, 2));
    own.send_to(&options(9), bench.address).await.unwrap();
    assert_eq!(bench.number().await, 9);
}

#[tokio::test]
async fn flows_of_sockets_that_are_gone_are_unknown() {
    let mut bench = Bench::new(limits(), 2);
    let sender = listen(&mut bench, "127.0.0.1:0", &[]);
    let mut flows = Flows::new(vec![sender], bench.metrics.clone());
    let flow = Flow {
        transport: Transport::Udp,
        local: "127.0.0.1:1".parse().unwrap(),
        remote: "127.0.0.1:9".parse().unwrap(),
        connection: None,
        side: Side::Site,
    };
    assert_eq!(flows.transmit(&flow, "x".into()), Err(FlowFailure::Unknown));
    bench.stop().await;
    tokio::time::sleep(Duration::from_millis(1)).await;
}
