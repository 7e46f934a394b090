//! A leg's session: its media end, what was offered, what was agreed (RFC 3264).
//!
//! | state | event | do | next |
//! | --- | --- | --- | --- |
//! | closed | `open` | take a port and an end id; `Open` | open |
//! | open, agreed | `offer` | describe | offered |
//! | offered | `read_answer` | tell the worker | agreed |
//! | open, agreed | `answer` | describe, tell the worker | agreed |
//! | offered | `withdraw` (rejected, cancelled) | – | what it was |
//! | any | `close` | `Close`; the port rests | closed |

mod opening;

use std::net::{IpAddr, SocketAddr};

use crate::engine::call::carriage::Carriage;
use crate::engine::call::cause::Cause;
use crate::engine::call::effects::Effects;
use crate::engine::call::hold::wish;
use crate::engine::call::keying;
use crate::media::{EndId, LocalPort, MediaCommand, Report};
use crate::sdp::{
    AgreedMedia, AgreedSecurity, Candidate, Codec, Direction, DtlsRole, IceCredentials, KeySeed,
    LocalCapabilities, LocalDtls, LocalIce, LocalMedia, LocalSecurity, LocalSession, MediaPolicy,
    RemoteMedia, RemoteSecurity, SessionDescription, SetupRole, SrtpSuite,
};

/// The media end of a session, while it is open.
#[derive(Clone, Debug)]
struct OpenEnd {
    id: EndId,
    port: LocalPort,
    rtp: SocketAddr,
    rtcp_port: u16,
    ice: Option<IceCredentials>,
}

/// A leg's session.
#[derive(Debug)]
pub struct LegSession {
    carriage: Carriage,
    address: IpAddr,
    end: Option<OpenEnd>,
    local: LocalSession,
    key_seed: KeySeed,
    offered: Option<LocalMedia>,
    agreed: Option<AgreedMedia>,
    dtls_role: Option<DtlsRole>,
    /// Trickled candidates that came before the peer's description.
    early_candidates: Vec<Candidate>,
    /// Ends that were closed and whose figures are still to come.
    unreported: u8,
    report: Option<Report>,
    /// Of a call for help: it may use the ports that are kept for such.
    urgent: bool,
}

impl LegSession {
    /// A session of which nothing is known yet. `address` is ours on the leg's flow.
    pub fn new(carriage: Carriage, address: IpAddr, fx: &mut Effects<'_>) -> Self {
        let address = if address.is_unspecified() { fx.settings.media.address } else { address };
        Self {
            carriage,
            address,
            end: None,
            local: LocalSession::new(fx.random_u64(), address),
            key_seed: KeySeed::new(fx.random_bytes()),
            offered: None,
            agreed: None,
            dtls_role: None,
            early_candidates: Vec::new(),
            unreported: 0,
            report: None,
            urgent: false,
        }
    }

    /// The call is one for help.
    pub const fn make_urgent(&mut self) {
        self.urgent = true;
    }

    /// The media end, while there is one.
    pub fn end(&self) -> Option<EndId> {
        self.end.as_ref().map(|end| end.id)
    }

    /// What was agreed last.
    pub const fn agreed(&self) -> Option<&AgreedMedia> {
        self.agreed.as_ref()
    }

    /// Our last description.
    pub const fn description(&self) -> Option<&SessionDescription> {
        self.local.last()
    }

    /// Whether our offer waits for its answer.
    pub const fn is_offering(&self) -> bool {
        self.offered.is_some()
    }

    /// What this session's media are carried by.
    pub const fn carriage(&self) -> Carriage {
        self.carriage
    }

    /// The worker's final figures, once the end is closed.
    pub const fn report(&self) -> Option<&Report> {
        self.report.as_ref()
    }

    /// Whether the figures of all closed ends are in.
    pub const fn is_reported(&self) -> bool {
        self.unreported == 0
    }

    /// What our offer that waits for its answer says we do.
    pub fn offered_direction(&self) -> Option<Direction> {
        self.offered.as_ref().map(|offered| offered.direction)
    }

    /// A closed end's figures came; the last end's count.
    pub fn set_report(&mut self, report: Report) {
        self.unreported = self.unreported.saturating_sub(1);
        self.report = Some(report);
    }

    /// Describes an offer with these codecs.
    pub fn offer(
        &mut self,
        codecs: Vec<Codec>,
        direction: Direction,
        fx: &mut Effects<'_>,
    ) -> Result<SessionDescription, Cause> {
        self.open(true, fx)?;
        let local = self.local_media(codecs, direction, fx)?;
        let description = self.local.offer(&local);
        self.offered = Some(local);
        Ok(description)
    }

    /// Our offer was rejected or given up; what was agreed before stays in force.
    pub fn withdraw(&mut self) {
        self.offered = None;
    }

    /// Reads the answer to our offer and sets the media up accordingly. Returns what the peer wants, apart from what
    /// our offer did not allow it.
    pub fn read_answer(
        &mut self,
        answer: &SessionDescription,
        fx: &mut Effects<'_>,
    ) -> Result<Direction, Cause> {
        let wish = self.read_early_answer(answer, fx);
        self.offered = None;
        wish
    }

    /// The same for a description in an unreliable provisional response: the 2xx may still say otherwise, so the offer
    /// stays open (RFC 3261 §13.2.1).
    pub fn read_early_answer(
        &mut self,
        answer: &SessionDescription,
        fx: &mut Effects<'_>,
    ) -> Result<Direction, Cause> {
        let local = self.offered.as_ref().ok_or(Cause::BadDescription)?;
        let offered = local.direction;
        let agreed = self.local.read_answer(local, answer).map_err(|refusal| {
            fx.refused("sdp", refusal.as_str());
            Cause::NoCommonMedia
        })?;
        let wish = wish(agreed.remote.direction, offered);
        self.settle(agreed, fx);
        Ok(wish)
    }

    /// Answers an offer with these codecs and sets the media up accordingly.
    pub fn answer(
        &mut self,
        offer: &SessionDescription,
        codecs: Vec<Codec>,
        direction: Direction,
        fx: &mut Effects<'_>,
    ) -> Result<SessionDescription, Cause> {
        self.open(false, fx)?;
        let capabilities = self.capabilities(codecs, direction, fx)?;
        let answer = self.local.answer(offer, &capabilities).map_err(|refusal| {
            fx.refused("sdp", refusal.as_str());
            Cause::NoCommonMedia
        })?;
        self.offered = None;
        self.settle(answer.agreed, fx);
        Ok(answer.description)
    }

    /// What kinds of protection this leg takes part in.
    pub const fn policy(&self) -> MediaPolicy {
        self.carriage.policy()
    }

    /// Before an offer of a browser is answered. One that was loaded anew has other keys: it gets another media end. One
    /// whose network changed has other ICE credentials: we make new ones too.
    pub fn renew(&mut self, remote: &RemoteMedia, fx: &mut Effects<'_>) {
        let RemoteSecurity::DtlsSrtp(offered) = &remote.security else { return };
        let Some(RemoteSecurity::DtlsSrtp(known)) =
            self.agreed.as_ref().map(|agreed| &agreed.remote.security)
        else {
            return;
        };
        if known.fingerprint != offered.fingerprint {
            self.restart(fx);
        } else if known.ice.credentials != offered.ice.credentials {
            self.restart_ice(fx);
        }
    }

    /// A trickled candidate; it waits for the description that it belongs to.
    pub fn add_candidate(&mut self, candidate: Candidate, fx: &mut Effects<'_>) {
        const MOST: usize = 32;
        match &self.end {
            Some(end) if self.agreed.is_some() && self.offered.is_none() => {
                fx.connectivity(keying::add_candidate(end.id, candidate));
            }
            _ if self.early_candidates.len() < MOST => self.early_candidates.push(candidate),
            _ => fx.refused("call", "too-many-candidates"),
        }
    }

    fn restart(&mut self, fx: &mut Effects<'_>) {
        self.close(fx);
        self.local = LocalSession::new(fx.random_u64(), self.address);
        self.offered = None;
        self.agreed = None;
        self.dtls_role = None;
    }

    fn restart_ice(&mut self, fx: &mut Effects<'_>) {
        let Some(end) = self.end.as_mut().filter(|end| end.ice.is_some()) else { return };
        let Some(credentials) = keying::ice_credentials(fx) else { return };
        fx.connectivity(keying::restart_ice(end.id, &credentials));
        end.ice = Some(credentials);
    }

    /// Tells the media worker, and for browsers the owner of ICE, what was agreed.
    fn settle(&mut self, agreed: AgreedMedia, fx: &mut Effects<'_>) {
        let Some(end) = &self.end else { return };
        fx.media(MediaCommand::SetCodec { end: end.id, codec: keying::end_codec(&agreed) });
        if let AgreedSecurity::DtlsSrtp { role, .. } = &agreed.security {
            self.dtls_role = Some(*role);
        }
        if let AgreedSecurity::Sdes { local, remote } = &agreed.security
            && let Some(keys) = keying::sdes_keys(local, remote)
        {
            fx.media(MediaCommand::SetCrypto { end: end.id, keys: Box::new(keys) });
        }
        for command in keying::set_browser_remote(end.id, &agreed) {
            fx.connectivity(command);
        }
        for candidate in std::mem::take(&mut self.early_candidates) {
            fx.connectivity(keying::add_candidate(end.id, candidate));
        }
        if let Some((remote, source)) = keying::remote(&agreed, fx.settings.media.symmetric) {
            fx.media(MediaCommand::SetRemote { end: end.id, remote, source });
        }
        fx.media(MediaCommand::SetFlow { end: end.id, flow: keying::flow(agreed.direction) });
        self.agreed = Some(agreed);
    }

    fn local_media(
        &self,
        codecs: Vec<Codec>,
        direction: Direction,
        fx: &Effects<'_>,
    ) -> Result<LocalMedia, Cause> {
        let end = self.end.as_ref().ok_or(Cause::NoMediaPort)?;
        let security = match self.carriage {
            Carriage::Trunk | Carriage::PlainPhone => self.agreed_or_plain(),
            Carriage::SecurePhone | Carriage::SecureLink => {
                LocalSecurity::sdes(&SrtpSuite::PREFERENCE, &self.key_seed)
            }
            Carriage::Browser => {
                LocalSecurity::DtlsSrtp(Self::local_dtls(end, fx).ok_or(Cause::MediaFailed)?)
            }
        };
        let is_browser = self.carriage == Carriage::Browser;
        Ok(LocalMedia {
            rtp: end.rtp,
            rtcp_port: end.rtcp_port,
            rtcp_mux: matches!(self.carriage, Carriage::Trunk | Carriage::Browser),
            codecs,
            direction,
            ptime: None,
            security,
            mid: is_browser.then(|| self.mid()),
            source: None,
        })
    }

    /// A phone on an unprotected transport that once chose SDES keeps it.
    fn agreed_or_plain(&self) -> LocalSecurity {
        match self.agreed.as_ref().map(|agreed| &agreed.security) {
            Some(AgreedSecurity::Sdes { local, .. }) => LocalSecurity::sdes(&[local.suite], &self.key_seed),
            _ => LocalSecurity::Plain,
        }
    }

    fn capabilities(
        &self,
        codecs: Vec<Codec>,
        direction: Direction,
        fx: &Effects<'_>,
    ) -> Result<LocalCapabilities, Cause> {
        let end = self.end.as_ref().ok_or(Cause::NoMediaPort)?;
        Ok(LocalCapabilities {
            rtp: end.rtp,
            rtcp_port: end.rtcp_port,
            rtcp_mux: true,
            codecs,
            direction,
            ptime: None,
            policy: self.carriage.policy(),
            suites: SrtpSuite::PREFERENCE.to_vec(),
            key_seed: self.key_seed.clone(),
            dtls: Self::local_dtls(end, fx),
            dtls_role: self.dtls_role,
            source: None,
        })
    }

    fn local_dtls(end: &OpenEnd, fx: &Effects<'_>) -> Option<LocalDtls> {
        let credentials = end.ice.clone()?;
        let media = &fx.settings.media;
        let mut candidates = vec![Candidate::host(end.rtp, "1", u16::MAX)];
        if let Some(external) = media.external.filter(|external| *external != end.rtp.ip()) {
            candidates.push(Candidate::host(SocketAddr::new(external, end.rtp.port()), "2", u16::MAX - 1));
        }
        let ice = LocalIce {
            credentials,
            lite: media.ice_lite,
            trickle: true,
            candidates,
            end_of_candidates: true,
        };
        Some(LocalDtls { fingerprint: media.fingerprint.clone(), setup: SetupRole::ActPass, ice })
    }

    /// Browsers want the same mid for the life of a session.
    fn mid(&self) -> String {
        self.agreed.as_ref().and_then(|agreed| agreed.remote.mid.clone()).unwrap_or_else(|| "0".to_owned())
    }
}
