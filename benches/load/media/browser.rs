//! A browser's media end: ICE as controlling agent, DTLS 1.2, SRTP keys from it.
//!
//! The state machines are Branchline's own (`media::webrtc`), in the opposite role: they are the generator's here.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use branchline::media::srtp::{SrtpReceiver, SrtpSender};
use branchline::media::webrtc::{
    DtlsIdentity, EndEvent, EndSetup, IceMode, MAX_PACKET, RemoteSetup, WebRtcEnd, credentials_from_random,
};
use branchline::sdp::{IceCredentials, SetupRole};

use super::Pair;
use super::description::Described;
use super::traffic::End;

/// All of them are connected within this, or the run has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// The part of an end that is not RTP.
pub(crate) struct Browser {
    end: WebRtcEnd,
    credentials: IceCredentials,
    port: u16,
}

impl Browser {
    /// One that listens at `port` of the loopback address.
    pub(crate) fn new(number: u32, port: u16) -> io::Result<Self> {
        let random = std::array::from_fn(|at| (number >> (8 * (at % 4))) as u8 ^ (at as u8 * 37));
        let credentials = credentials_from_random(&random).ok_or(io::ErrorKind::InvalidInput)?;
        let seed = std::array::from_fn(|at| random[at]);
        let setup = EndSetup {
            local: credentials.clone(),
            mode: IceMode::Full { controlling: true, seed },
            identity: identity()?,
            addresses: vec![SocketAddr::from(([127, 0, 0, 1], port))],
        };
        Ok(Self { end: WebRtcEnd::new(Instant::now(), number, setup), credentials, port })
    }

    /// Its offer, without trickling.
    pub(crate) fn offer(&self) -> String {
        let port = self.port;
        let (ufrag, password) = (self.credentials.ufrag(), self.credentials.password());
        let fingerprint = identity().map(|identity| identity.fingerprint().to_string()).unwrap_or_default();
        format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
             m=audio {port} UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 127.0.0.1\r\na=mid:0\r\na=rtpmap:0 PCMU/8000\r\n\
             a=rtcp:{port} IN IP4 127.0.0.1\r\na=rtcp-mux\r\na=ice-ufrag:{ufrag}\r\na=ice-pwd:{password}\r\n\
             a=fingerprint:{fingerprint}\r\na=setup:actpass\r\n\
             a=candidate:1 1 udp 2130706431 127.0.0.1 {port} typ host\r\na=sendrecv\r\n"
        )
    }

    /// Takes the server's answer.
    pub(crate) fn answered(&mut self, answer: &Described) -> io::Result<()> {
        let lacks = |what: &str| io::Error::other(format!("the answer has no {what}"));
        let first = |name: &'static str| answer.attributes(name).next();
        let ufrag = first("ice-ufrag").ok_or_else(|| lacks("ice-ufrag"))?;
        let password = first("ice-pwd").ok_or_else(|| lacks("ice-pwd"))?;
        let remote = RemoteSetup {
            credentials: IceCredentials::new(ufrag, password).ok_or_else(|| lacks("usable credentials"))?,
            ice_lite: answer.is_ice_lite(),
            fingerprints: answer.attributes("fingerprint").filter_map(|one| one.parse().ok()).collect(),
            setup: match first("setup") {
                Some("active") => SetupRole::Active,
                _ => SetupRole::Passive,
            },
        };
        let refused = |why| io::Error::other(format!("{why}"));
        self.end.set_remote(Instant::now(), remote).map_err(refused)?;
        for candidate in answer.attributes("candidate").filter_map(|one| one.parse().ok()) {
            self.end.add_remote_candidate(&candidate);
        }
        Ok(())
    }

    /// A packet that is not RTP.
    pub(crate) fn handle(&mut self, socket: &UdpSocket, from: SocketAddr, packet: &[u8]) {
        // What is refused is counted by nobody here: only keys matter.
        let _ = self.end.handle_packet(Instant::now(), from, packet);
        self.transmit(socket);
    }

    fn transmit(&mut self, socket: &UdpSocket) {
        while let Some(out) = self.end.poll_transmit() {
            let _ = socket.send_to(&out.bytes, out.to);
        }
    }
}

/// Runs ICE and DTLS of all ends that are browsers, until they have keys.
pub(crate) fn connect(pairs: &mut [Pair]) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut waiting: Vec<&mut End> =
        pairs.iter_mut().map(|[secure, _]| secure).filter(|end| end.browser.is_some()).collect();
    for end in &waiting {
        end.socket.set_nonblocking(true)?;
    }
    while !waiting.is_empty() {
        if Instant::now() > deadline {
            return Err(io::Error::other(format!("{} browsers have no keys", waiting.len())));
        }
        let mut left = Vec::new();
        for end in waiting {
            if !turn(end)? {
                left.push(end);
            }
        }
        waiting = left;
        thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// True when the end has its keys.
fn turn(end: &mut End) -> io::Result<bool> {
    let Some(browser) = &mut end.browser else { return Ok(true) };
    let mut buffer = [0; MAX_PACKET];
    while let Ok((length, from)) = end.socket.recv_from(&mut buffer) {
        browser.handle(&end.socket, from, &buffer[..length]);
    }
    let now = Instant::now();
    if browser.end.poll_timeout().is_some_and(|due| due <= now) {
        browser.end.handle_timeout(now);
    }
    browser.transmit(&end.socket);
    match browser.end.poll_event() {
        Some(EndEvent::Connected { remote, keys }) => {
            end.to = remote;
            end.sender = Some(SrtpSender::new(keys.send.clone()));
            end.receiver = Some(SrtpReceiver::new(keys.receive.clone()));
            Ok(true)
        }
        Some(EndEvent::Failed(why)) => Err(io::Error::other(format!("{why:?}"))),
        _ => Ok(false),
    }
}

/// One certificate for all.
fn identity() -> io::Result<Arc<DtlsIdentity>> {
    static MADE: OnceLock<Option<Arc<DtlsIdentity>>> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed(vec!["browser".to_owned()]).ok()?;
        let key = made.signing_key.serialize_der();
        DtlsIdentity::new(made.cert.der().to_vec(), &key).ok().map(Arc::new)
    });
    made.clone().ok_or_else(|| io::Error::other("no certificate could be made"))
}
