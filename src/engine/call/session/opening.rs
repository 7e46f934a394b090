//! A session's media end: a port and a name while it is open, a port that rests after.

use std::net::SocketAddr;

use super::{LegSession, OpenEnd};
use crate::engine::call::carriage::Carriage;
use crate::engine::call::cause::Cause;
use crate::engine::call::effects::Effects;
use crate::engine::call::keying;
use crate::media::end::Security;
use crate::media::{ConnectivityCommand, LocalPort, MediaCommand};

impl LegSession {
    pub(super) fn open(&mut self, offerer: bool, fx: &mut Effects<'_>) -> Result<(), Cause> {
        if self.end.is_some() {
            return Ok(());
        }
        let (port, rtp, rtcp_port) = self.take_port(fx)?;
        let Some(id) = fx.stock.ends.allocate() else {
            if let LocalPort::Phone(pair) = port {
                fx.stock.ports.release(pair, fx.now.instant);
            }
            fx.refused("media", "ends-in-use");
            return Err(Cause::NoMediaPort);
        };
        let is_browser = self.carriage == Carriage::Browser;
        let security = if is_browser { Security::Srtp } else { Security::Plain };
        fx.media(MediaCommand::Open { end: id, local: port, security });
        let ice = if is_browser { keying::ice_credentials(fx) } else { None };
        if let Some(credentials) = &ice {
            fx.connectivity(keying::open_browser_end(id, credentials, offerer));
        }
        self.end = Some(OpenEnd { id, port, rtp, rtcp_port, ice });
        Ok(())
    }

    fn take_port(&self, fx: &mut Effects<'_>) -> Result<(LocalPort, SocketAddr, u16), Cause> {
        let media = &fx.settings.media;
        match self.carriage {
            Carriage::Trunk => Ok((LocalPort::Trunk, media.trunk, media.trunk.port())),
            Carriage::Browser => {
                let port = media.webrtc.port();
                Ok((LocalPort::WebRtc, SocketAddr::new(self.address, port), port))
            }
            Carriage::PlainPhone | Carriage::SecurePhone | Carriage::SecureLink => {
                let address = media.external.unwrap_or(self.address);
                let ports = &mut fx.stock.ports;
                let taken =
                    if self.urgent { ports.allocate_at_once() } else { ports.allocate(fx.now.instant) };
                let pair = taken.map_err(|refusal| {
                    fx.refused("media", refusal.as_str());
                    Cause::NoMediaPort
                })?;
                let numbers = fx.stock.ports.numbers(pair).ok_or(Cause::NoMediaPort)?;
                Ok((LocalPort::Phone(pair), SocketAddr::new(address, numbers.rtp), numbers.rtcp))
            }
        }
    }

    /// Closes the media end; its port rests.
    pub fn close(&mut self, fx: &mut Effects<'_>) {
        if let Some(end) = self.end.take() {
            if end.ice.is_some() {
                fx.connectivity(ConnectivityCommand::Close { end: end.id });
            }
            fx.media(MediaCommand::Close { end: end.id });
            self.unreported = self.unreported.saturating_add(1);
            if let LocalPort::Phone(pair) = end.port {
                fx.stock.ports.release(pair, fx.now.instant);
            }
        }
    }
}
