//! Where emergency calls go.
//!
//! Every way out of the building is tried until one answers; limits, health, and what ops switched off only move a way
//! back, they never take it out. The order is, first to last:
//!
//! | ways | when |
//! | --- | --- |
//! | the links that the plan names, in its order | they are not `Down` |
//! | the site's own links to carriers, then the route set's | the same |
//! | the site's Asterisk, whose dialplan may know a trunk | it answers |
//! | links to other offices and gateways, which have carriers of their own | they are not `Down` |
//! | all of these in the same order, that were left out above | always |
//! | links that ops disabled | always |

use std::sync::Arc;

use super::health::LinkState;
use super::link::{Link, LinkKind};
use super::name::LinkId;
use crate::engine::numbering::{EmergencyNumbers, OfficeId};

/// Where emergency calls go, as ops wish it. The site's own numbers and links come on top; nothing here can take a way out
/// from an emergency call, only put others before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EmergencyPlan {
    /// Numbers beside those of the configuration; 112 and 911 always are.
    pub numbers: EmergencyNumbers,
    /// The links to try first, in this order.
    pub links: Vec<LinkId>,
}

/// A way out for an emergency call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EmergencyWay {
    /// A link.
    Link(Arc<Link>),
    /// The site's Asterisk.
    Asterisk,
}

/// What there is when somebody calls for help.
#[derive(Clone, Copy, Debug)]
pub struct Exits<'a> {
    /// The links that ops want first, of those in `links`.
    pub first: &'a [LinkId],
    /// All links, the site's own before the route set's.
    pub links: &'a [Arc<Link>],
    /// Whether Asterisk answers; nothing when there is none, or the call came from it.
    pub asterisk: Option<bool>,
    /// The office from which the call came; it is not asked back.
    pub origin: Option<OfficeId>,
}

/// All ways out, in order. Empty only when there is none at all.
pub fn emergency_ways(exits: Exits<'_>, state: impl Fn(&Link) -> LinkState) -> Vec<EmergencyWay> {
    let mut ranked: Vec<((u8, u8, usize, usize), EmergencyWay)> = Vec::new();
    for (place, link) in exits.links.iter().enumerate() {
        if exits.origin.is_some() && link.office == exits.origin {
            continue;
        }
        let rank = match state(link) {
            LinkState::Up | LinkState::Probing => 0,
            LinkState::Down => 1,
            LinkState::Disabled => 2,
        };
        let named = exits.first.iter().position(|id| *id == link.id);
        let kind = match (named, link.kind) {
            (Some(_), _) => 0,
            (None, LinkKind::PstnGateway) => 1,
            (None, _) => 3,
        };
        ranked.push(((rank, kind, named.unwrap_or_default(), place), EmergencyWay::Link(Arc::clone(link))));
    }
    if let Some(answers) = exits.asterisk {
        ranked.push(((u8::from(!answers), 2, 0, 0), EmergencyWay::Asterisk));
    }
    ranked.sort_by_key(|(key, _)| *key);
    ranked.into_iter().map(|(_, way)| way).collect()
}
