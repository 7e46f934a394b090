//! Over real sockets on loopback: the thread on one side, on the other a peer with a full agent.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::media::end::SrtpKeys;
use crate::media::webrtc::{EndEvent, RemoteSetup, TableRefused};
use crate::sdp::Candidate;
use crate::sdp::SetupRole;

/// A peer like a browser: full ICE, controlling, DTLS client, on a socket of its own.
struct Peer {
    socket: UdpSocket,
    table: EndTable,
    local: IceCredentials,
}

const PEER_END: EndId = EndId::new(0, 0);

impl Peer {
    fn new(remote: SocketAddr, to: &IceCredentials, identity: &Arc<DtlsIdentity>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let addresses = vec![socket.local_addr().unwrap()];
        let mut table = EndTable::new(1);
        let (now, local) = (Instant::now(), new_credentials().unwrap());
        let mut seed = [0; 32];
        SystemRandom::new().fill(&mut seed).unwrap();
        let mode = IceMode::Full { controlling: true, seed };
        let setup = EndSetup { local: local.clone(), mode, identity: Arc::clone(identity), addresses };
        table.open(now, PEER_END, setup).unwrap();
        table.set_remote(now, PEER_END, description(to, identity, SetupRole::Passive)).unwrap();
        table.add_remote_candidate(PEER_END, &Candidate::host(remote, "1", 1)).unwrap();
        Self { socket, table, local }
    }

    /// Runs until an event comes, at most ten seconds.
    fn next_event(&mut self) -> EndEvent {
        let mut buffer = [0; 2048];
        for _ in 0..2_000 {
            self.table.handle_timeout(Instant::now());
            while let Some(out) = self.table.poll_transmit() {
                self.socket.send_to(&out.bytes, out.to).unwrap();
            }
            if let Some((_, event)) = self.table.poll_event()
                && !matches!(event, EndEvent::PathValidated { .. })
            {
                return event;
            }
            if let Ok((length, from)) = self.socket.recv_from(&mut buffer) {
                let _ = self.table.handle_packet(Instant::now(), from, &buffer[..length]);
            }
        }
        panic!("the peer heard nothing");
    }

    fn keys(&mut self) -> SrtpKeys {
        match self.next_event() {
            EndEvent::Connected { keys, .. } => *keys,
            other => panic!("{other:?}"),
        }
    }
}

/// Connectivity on a loopback socket, with a stand-in for the media worker that hands packets over.
struct Site {
    address: SocketAddr,
    identity: Arc<DtlsIdentity>,
    connectivity: Connectivity,
    events: Receiver<ConnectivityEvent>,
    done: Arc<AtomicBool>,
    reader: JoinHandle<()>,
}

impl Site {
    fn start(sink_capacity: usize) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let address = socket.local_addr().unwrap();
        let identity = new_identity().unwrap();
        let (sender, events) = sync_channel(sink_capacity);
        let setup = ConnectivitySetup {
            socket: socket.try_clone().unwrap(),
            identity: Arc::clone(&identity),
            addresses: vec![address],
            full_ice: false,
            max_ends: 8,
            sink: Box::new(move |event| {
                sender.try_send(event).map_err(|error| match error {
                    TrySendError::Full(event) | TrySendError::Disconnected(event) => event,
                })
            }),
        };
        let connectivity = Connectivity::start(setup).unwrap();
        let (inlet, done) = (connectivity.inlet(), Arc::new(AtomicBool::new(false)));
        let stop = Arc::clone(&done);
        let reader = thread::spawn(move || {
            let mut buffer = [0; 2048];
            while !stop.load(Ordering::Relaxed) {
                if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                    inlet.offer(from, &buffer[..length]);
                }
            }
        });
        Self { address, identity, connectivity, events, done, reader }
    }

    /// Opens `end` and a peer for it, and tells each of the other.
    fn open(&self, end: EndId) -> Peer {
        let local = new_credentials().unwrap();
        let mut peer = Peer::new(self.address, &local, &self.identity);
        self.connectivity.command(ConnectivityCommand::Open { end, local, offerer: false }).unwrap();
        let remote = Box::new(description(&peer.local, &self.identity, SetupRole::ActPass));
        self.connectivity.command(ConnectivityCommand::SetRemote { end, remote }).unwrap();
        let candidate = Box::new(Candidate::host(peer.socket.local_addr().unwrap(), "1", 1));
        self.connectivity.command(ConnectivityCommand::AddCandidate { end, candidate }).unwrap();
        peer.table.handle_timeout(Instant::now());
        peer
    }

    fn event(&self) -> ConnectivityEvent {
        loop {
            let event = self.events.recv_timeout(Duration::from_secs(10)).unwrap();
            if !matches!(event, ConnectivityEvent::End { event: EndEvent::PathValidated { .. }, .. }) {
                return event;
            }
        }
    }

    fn stop(self) {
        self.connectivity.stop();
        self.done.store(true, Ordering::Relaxed);
        self.reader.join().unwrap();
    }
}

fn description(credentials: &IceCredentials, identity: &DtlsIdentity, setup: SetupRole) -> RemoteSetup {
    let lite = setup == SetupRole::Passive;
    let fingerprints = vec![identity.fingerprint().clone()];
    RemoteSetup { credentials: credentials.clone(), ice_lite: lite, fingerprints, setup }
}

#[test]
fn ends_connect_over_real_sockets_and_goodbye_is_said_when_connectivity_stops() {
    let site = Site::start(16);
    let mut peers: Vec<Peer> = (1..=4).map(|n| site.open(EndId::new(n, 0))).collect();
    for (n, peer) in peers.iter_mut().enumerate() {
        let theirs = peer.keys();
        let ConnectivityEvent::End { end, event: EndEvent::Connected { remote, keys } } = site.event() else {
            panic!("no connection");
        };
        assert_eq!(end, EndId::new(n as u32 + 1, 0));
        assert_eq!(remote, peer.socket.local_addr().unwrap());
        assert_eq!((&keys.send, &keys.receive), (&theirs.receive, &theirs.send));
    }
    let status = site.connectivity.status();
    assert_eq!(status.candidates(CandidateVerdict::Added), 4);
    assert!(status.turns() > 0 && status.ends() == 4 && status.unsent() == 0);
    site.connectivity.command(ConnectivityCommand::Close { end: EndId::new(1, 0) }).unwrap();
    assert_eq!(peers[0].next_event(), EndEvent::PeerClosed);
    site.stop();
    assert_eq!(peers[1].next_event(), EndEvent::PeerClosed);
}

#[test]
fn a_full_event_queue_delays_events_and_loses_none() {
    let site = Site::start(1);
    let unknown =
        |n| ConnectivityCommand::Restart { end: EndId::new(n, 0), local: new_credentials().unwrap() };
    for n in 0..50 {
        site.connectivity.command(unknown(n)).unwrap();
    }
    for n in 0..50 {
        let why = CommandRefused::End(TableRefused::Unknown);
        assert_eq!(site.event(), ConnectivityEvent::Refused { end: EndId::new(n, 0), why });
    }
    site.stop();
}

#[test]
fn strangers_are_counted_and_not_answered() {
    let site = Site::start(16);
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    stranger.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    stranger.send_to(&[22; 100], site.address).unwrap();
    stranger.send_to(&[0; 28], site.address).unwrap();
    assert!(stranger.recv_from(&mut [0; 100]).is_err());
    let status = site.connectivity.status();
    assert_eq!(status.drops(PacketDrop::DtlsStranger), 1);
    assert_eq!(status.drops(PacketDrop::StunMalformed), 1);
    site.stop();
}
