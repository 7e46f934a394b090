//! Legs: one party of a call, reached by SIP or by a page, with one session.
//!
//! | state | event | next |
//! | --- | --- | --- |
//! | Trying | 18x sent or received | Ringing |
//! | Trying, Ringing | 2xx sent or received; the page accepted | Up |
//! | Trying, Ringing, Up | the call lets go of it | Ended |
//! | Trying, Ringing, Up | the party refuses, hangs up, vanishes | Ended |

use std::sync::Arc;

use super::cause::Cause;
use super::effects::Effects;
use super::session::LegSession;
use super::sip_leg::SipLeg;
use super::web_leg::WebLeg;
use crate::engine::flow::{Flow, Side};
use crate::engine::numbering::OfficeId;
use crate::engine::registrar::BindingKey;
use crate::engine::routing::Link;
use crate::engine::web::QualityView;
use crate::sdp::Direction;
use crate::time::WallTime;

/// Who is at the other end of a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// The number, as shown to others.
    pub number: String,
    /// The name, as shown to others.
    pub name: Option<String>,
}

/// How far a leg is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegState {
    /// The INVITE was sent or received.
    Trying,
    /// The device rings.
    Ringing,
    /// Answered.
    Up,
    /// Over.
    Ended(Cause),
}

impl LegState {
    /// Whether the leg is part of the call.
    pub const fn is_live(self) -> bool {
        !matches!(self, Self::Ended(_))
    }
}

/// How a leg is signalled.
#[derive(Debug)]
pub enum Wire {
    /// By SIP.
    Sip(Box<SipLeg>),
    /// By a page, through REST and `/ws/auth`.
    Web(Box<WebLeg>),
}

/// One party of a call.
#[derive(Debug)]
pub struct Leg {
    /// What a minute of it costs, in thousandths of the currency's unit.
    pub price: u32,
    /// Whether nothing is heard of it: no media for too long.
    pub silent: bool,
    /// Its place in the call; leg A is 0.
    pub place: u16,
    /// Who is there.
    pub party: Party,
    /// Which device, when it is one of ours.
    pub device: Option<BindingKey>,
    /// How far it is.
    pub state: LegState,
    /// The link over which we called it.
    pub link: Option<Arc<Link>>,
    /// The office that the link led to.
    pub office: Option<OfficeId>,
    /// How it is signalled.
    pub wire: Wire,
    /// Its media.
    pub session: LegSession,
    /// What the party does, seen from itself: [`Direction::SendOnly`] and [`Direction::Inactive`] are a hold.
    pub wants: Direction,
    /// The other leg's wish changed while an exchange was under way here; told when it is over.
    pub resync: bool,
    /// When it began.
    pub started: WallTime,
    /// When it was answered.
    pub answered: Option<WallTime>,
    /// How it sounded when the worker was last asked.
    pub quality: Option<QualityView>,
}

impl Leg {
    /// The SIP side of it.
    pub fn sip(&mut self) -> Option<&mut SipLeg> {
        match &mut self.wire {
            Wire::Sip(leg) => Some(leg),
            Wire::Web(_) => None,
        }
    }

    /// The page's side of it.
    pub fn web(&mut self) -> Option<&mut WebLeg> {
        match &mut self.wire {
            Wire::Sip(_) => None,
            Wire::Web(leg) => Some(leg),
        }
    }

    /// How the party is reached: `udp`, `tcp`, `tls`, `ws`, `wss`, `web`, `asterisk`, `office` or `gateway`.
    pub fn by(&self) -> &'static str {
        match &self.wire {
            Wire::Web(_) => "web",
            Wire::Sip(sip) => match sip.flow.side {
                Side::Asterisk => "asterisk",
                Side::Office(_) => "office",
                Side::Gateway => "gateway",
                Side::Site => sip.flow.transport.uri_token(),
            },
        }
    }

    /// Whether the party holds the other one.
    pub const fn holds(&self) -> bool {
        !self.wants.receives()
    }

    /// Whether a request on this flow may be of the party: it comes as before, from the same host or office, or on the flow on
    /// which the party's device is registered by now.
    pub(super) fn is_reached_by(&mut self, flow: Flow, fx: &Effects<'_>) -> bool {
        let registered = self.device.as_ref().and_then(|device| fx.registrar.flow_of(device));
        let Some(dialog) = self.sip().and_then(|sip| sip.dialog.as_ref()) else { return false };
        let known = dialog.flow();
        // An office proved by its certificate that it is the same one, from whatever address it connects.
        let same_office = matches!(flow.side, Side::Office(_)) || known.remote.ip() == flow.remote.ip();
        let same_host = known.side == flow.side && same_office;
        same_host || registered == Some(flow)
    }
}
