//! One WebRTC end: ICE and DTLS of one media section, until there are keys, and after.
//!
//! | state | event | then |
//! | --- | --- | --- |
//! | no path | a path is selected | DTLS' clock starts, and DTLS if we are its client |
//! | no keys | keys agreed | [`EndEvent::Connected`], to the selected path |
//! | no keys, no path selected | keys agreed | [`EndEvent::Connected`], to where DTLS came from |
//! | connected | another path than told is selected | [`EndEvent::PathChanged`] |
//! | any | ICE or DTLS fails | [`EndEvent::Failed`]; a restart helps if it was ICE |
//! | connected | the peer's close_notify | [`EndEvent::PeerClosed`] |
//!
//! DTLS is taken from an address only after an authentic STUN message came from it for this end, and
//! goes to the selected path, or, before there is one, back to where the ClientHello came from. A browser sends
//! media as soon as it has keys, some 50 ms before it nominates; that a validated path carried the handshake is
//! enough to take and send media on it (RFC 8445 §12.1), and the nomination then changes nothing.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::media::end::SrtpKeys;
use crate::sdp::{Candidate, CandidateTransport, Fingerprint, IceCredentials, SetupRole};

use super::dtls::{DtlsAssociation, DtlsIdentity, DtlsOutcome, is_dtls, is_strong};
use super::ice::{IceAgent, IceEvent, IceMode};
use super::reason::{CandidateVerdict, EndFailure, PacketDrop};
use super::stun::{BindingMessage, is_stun};
use super::transmit::Transmit;

/// Longest packet looked at, in bytes.
pub const MAX_PACKET: usize = 2048;
/// Most fingerprints of one peer.
const MAX_FINGERPRINTS: usize = 4;

/// What an end starts from.
#[derive(Clone, Debug)]
pub struct EndSetup {
    /// Our user name fragment and password.
    pub local: IceCredentials,
    /// Lite or full.
    pub mode: IceMode,
    /// The daemon's certificate.
    pub identity: Arc<DtlsIdentity>,
    /// The addresses that our SDP announces: the hosts', and an external one if configured.
    pub addresses: Vec<SocketAddr>,
}

/// What signalling says of the peer.
#[derive(Clone, Debug)]
pub struct RemoteSetup {
    /// Its user name fragment and password.
    pub credentials: IceCredentials,
    /// `a=ice-lite` was there.
    pub ice_lite: bool,
    /// Its certificate's fingerprints; the handshake needs one of them, SHA-256 or stronger.
    pub fingerprints: Vec<Fingerprint>,
    /// Its `a=setup`: to `passive` we are the DTLS client, else the server.
    pub setup: SetupRole,
}

/// Why a peer's description was refused; the end stays as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoteRefused {
    /// No fingerprint of SHA-256 or stronger, or more than four.
    #[error("the peer's description has no usable certificate fingerprint")]
    Fingerprint,
    /// `holdconn`, which DTLS-SRTP does not use.
    #[error("the peer's description has no usable setup role")]
    Setup,
}

/// What an end tells its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndEvent {
    /// Media can flow: ICE has validated a path and DTLS has agreed on keys. Comes once.
    Connected {
        /// The peer's address for media.
        remote: SocketAddr,
        /// Keys of both directions, with the profile.
        keys: Box<SrtpKeys>,
    },
    /// ICE has shown that the peer is at this address too: its media may come from there, before and after it
    /// nominates another (RFC 8445 §12.2).
    PathValidated {
        /// The address.
        remote: SocketAddr,
    },
    /// Media goes to another address of the peer from now on; the keys stay.
    PathChanged {
        /// The peer's new address.
        remote: SocketAddr,
    },
    /// The peer ended DTLS: it is gone, as a closed or reloaded page is.
    PeerClosed,
    /// There is no media, or none any more. After `NoIcePath` and `ConsentLost` an ICE restart may help.
    Failed(EndFailure),
}

/// The sans-IO machine of one end.
#[derive(Debug)]
pub struct WebRtcEnd {
    ice: IceAgent,
    identity: Arc<DtlsIdentity>,
    addresses: Vec<SocketAddr>,
    announced: Vec<Fingerprint>,
    dtls: Option<DtlsAssociation>,
    dtls_source: Option<SocketAddr>,
    /// Where media goes, once we are connected.
    media_to: Option<SocketAddr>,
    over: bool,
    mdns_ignored: u32,
    events: VecDeque<EndEvent>,
}

impl WebRtcEnd {
    /// A new end. `number` tells ends apart in STUN transactions; it is the index of the media end.
    pub fn new(now: Instant, number: u32, setup: EndSetup) -> Self {
        Self {
            ice: IceAgent::new(now, number, setup.local, setup.mode),
            identity: setup.identity,
            addresses: setup.addresses,
            announced: Vec::new(),
            dtls: None,
            dtls_source: None,
            media_to: None,
            over: false,
            mdns_ignored: 0,
            events: VecDeque::new(),
        }
    }

    /// The peer's offer or answer. Repeats, and new credentials after a restart, are taken; another
    /// fingerprint is ignored once the handshake has begun, since the association outlives restarts.
    ///
    /// # Errors
    /// Without a usable fingerprint or setup role.
    pub fn set_remote(&mut self, now: Instant, remote: RemoteSetup) -> Result<(), RemoteRefused> {
        let strong: Vec<_> = remote.fingerprints.into_iter().filter(is_strong).collect();
        if strong.is_empty() || strong.len() > MAX_FINGERPRINTS {
            return Err(RemoteRefused::Fingerprint);
        }
        if remote.setup == SetupRole::HoldConn {
            return Err(RemoteRefused::Setup);
        }
        if self.over {
            return Ok(());
        }
        if self.dtls.is_none() {
            self.announced.clone_from(&strong);
            let is_client = remote.setup == SetupRole::Passive;
            self.dtls = Some(DtlsAssociation::new(Arc::clone(&self.identity), strong, is_client));
        }
        self.ice.set_remote(now, remote.credentials, remote.ice_lite);
        self.follow_ice(now);
        self.start_dtls(now);
        Ok(())
    }

    /// A candidate of the peer, at any time. mDNS names are counted and not resolved: the peer's own
    /// checks reveal the address behind them.
    pub fn add_remote_candidate(&mut self, candidate: &Candidate) -> CandidateVerdict {
        if candidate.address.is_mdns() {
            self.mdns_ignored = self.mdns_ignored.saturating_add(1);
            return CandidateVerdict::Mdns;
        }
        let udp = candidate.transport == CandidateTransport::Udp && candidate.component == 1;
        let Some(remote) = candidate.socket_address().filter(|remote| udp && self.is_usable(*remote)) else {
            return CandidateVerdict::Unusable;
        };
        if !self.addresses.iter().any(|ours| ours.is_ipv4() == remote.is_ipv4()) {
            return CandidateVerdict::OtherFamily;
        }
        self.ice.add_candidate(remote, candidate.priority)
    }

    /// A STUN or DTLS packet.
    ///
    /// # Errors
    /// Why it was dropped.
    pub fn handle_packet(&mut self, now: Instant, from: SocketAddr, packet: &[u8]) -> Result<(), PacketDrop> {
        match packet.first() {
            _ if packet.len() > MAX_PACKET => Err(PacketDrop::NotForUs),
            Some(first) if is_stun(*first) => self.handle_stun(now, from, &BindingMessage::decode(packet)?),
            Some(first) if is_dtls(*first) => self.handle_dtls(now, from, packet),
            _ => Err(PacketDrop::NotForUs),
        }
    }

    /// Carries out what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.over {
            return;
        }
        self.ice.handle_timeout(now);
        self.follow_ice(now);
        if let Some(outcome) = self.dtls.as_mut().map(|dtls| dtls.handle_timeout(now)) {
            self.follow_dtls(outcome);
        }
    }

    /// When [`WebRtcEnd::handle_timeout`] is next needed.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.over {
            return None;
        }
        let dtls = self.dtls.as_ref().and_then(DtlsAssociation::poll_timeout);
        self.ice.poll_timeout().into_iter().chain(dtls).min()
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        if let Some(transmit) = self.ice.poll_transmit() {
            return Some(transmit);
        }
        let to = self.ice.selected().or(self.dtls_source)?;
        let bytes = self.dtls.as_mut()?.poll_datagram()?;
        Some(Transmit { to, bytes })
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<EndEvent> {
        self.events.pop_front()
    }

    /// ICE restart (RFC 8445 §9): new credentials of ours, the peer's to follow by [`WebRtcEnd::set_remote`].
    /// Media goes on over the old path meanwhile, and the keys stay.
    pub fn restart(&mut self, now: Instant, local: IceCredentials) {
        if !self.over {
            self.ice.restart(now, local);
        }
    }

    /// Says goodbye; what is left to send is still in [`WebRtcEnd::poll_transmit`].
    pub fn close(&mut self, now: Instant) {
        if let Some(dtls) = &mut self.dtls {
            dtls.close(now);
        }
        self.over = true;
    }

    /// Every fragment under which checks may come: ours, and during a restart the one before.
    pub fn ufrags(&self) -> impl Iterator<Item = &str> {
        self.ice.ufrags()
    }

    /// Whether ICE has validated `remote` for this end.
    pub fn is_validated(&self, remote: SocketAddr) -> bool {
        self.ice.is_validated(remote)
    }

    /// The selected path.
    pub fn selected(&self) -> Option<SocketAddr> {
        self.ice.selected()
    }

    /// How many mDNS candidates were ignored.
    pub fn mdns_ignored(&self) -> u32 {
        self.mdns_ignored
    }

    pub(super) fn handle_stun(
        &mut self,
        now: Instant,
        from: SocketAddr,
        message: &BindingMessage<'_>,
    ) -> Result<(), PacketDrop> {
        if self.over {
            return Err(PacketDrop::EndGone);
        }
        let taken = self.ice.handle_stun(now, from, message);
        self.follow_ice(now);
        taken
    }

    pub(super) fn handle_dtls(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &[u8],
    ) -> Result<(), PacketDrop> {
        if self.over {
            return Err(PacketDrop::EndGone);
        }
        if !self.ice.is_validated(from) {
            return Err(PacketDrop::DtlsStranger);
        }
        let dtls = self.dtls.as_mut().ok_or(PacketDrop::DtlsBeforeSignalling)?;
        self.dtls_source = Some(from);
        let outcome = dtls.handle_datagram(now, datagram)?;
        self.follow_dtls(outcome);
        Ok(())
    }

    fn follow_ice(&mut self, now: Instant) {
        while let Some(event) = self.ice.poll_event() {
            match event {
                IceEvent::Selected(remote) => {
                    self.start_dtls(now);
                    if self.media_to.is_some_and(|told| told != remote) {
                        self.media_to = Some(remote);
                        self.events.push_back(EndEvent::PathChanged { remote });
                    }
                }
                IceEvent::Validated(remote) => self.events.push_back(EndEvent::PathValidated { remote }),
                IceEvent::Failed(why) => self.events.push_back(EndEvent::Failed(why)),
            }
        }
    }

    fn start_dtls(&mut self, now: Instant) {
        if self.ice.selected().is_some()
            && let Some(outcome) = self.dtls.as_mut().map(|dtls| dtls.start(now))
        {
            self.follow_dtls(outcome);
        }
    }

    fn follow_dtls(&mut self, outcome: DtlsOutcome) {
        match outcome {
            DtlsOutcome::Pending => {}
            DtlsOutcome::Established(keys) => {
                self.media_to = self.ice.selected().or(self.dtls_source);
                self.events.extend(self.media_to.map(|remote| EndEvent::Connected { remote, keys }));
            }
            DtlsOutcome::PeerClosed => {
                self.over = true;
                self.events.push_back(EndEvent::PeerClosed);
            }
            DtlsOutcome::Failed(why) => {
                self.over = true;
                self.events.push_back(EndEvent::Failed(why));
            }
        }
    }

    /// Where a check may be sent: never to a group, and to loopback only from loopback.
    fn is_usable(&self, remote: SocketAddr) -> bool {
        let ip = remote.ip();
        let broadcast = matches!(ip, std::net::IpAddr::V4(v4) if v4.is_broadcast());
        let loopback_here = self.addresses.iter().any(|ours| ours.ip().is_loopback());
        remote.port() != 0
            && !(ip.is_multicast() || ip.is_unspecified() || broadcast)
            && (loopback_here || !ip.is_loopback())
    }
}
