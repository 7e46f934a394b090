//! Where a message (RFC 3428) for a number goes: the way that a call would take, without Asterisk and without carriers.
//!
//! | plan | ways |
//! | --- | --- |
//! | devices, in whatever order they ring | all of them at once, whatever their user's presence: a message disturbs nobody |
//! | links to offices by SIP, the federation's gateway included | one after another |
//! | Asterisk, links through it, carriers | none |

use std::collections::VecDeque;
use std::sync::Arc;

use super::cause::Cause;
use super::leg::Party;
use super::link_leg::target;
use super::outward::{PATH, extension_of_office, path_of};
use super::plan::{Question, Target, plan};
use super::ways::leads_to_office;
use crate::engine::numbering::{Extension, OfficeId};
use crate::engine::routing::{Choice, Link, LinkAddress};
use crate::engine::settings::Settings;
use crate::sip::{HeaderName, Host, NameAddr, SipUri, Text, Uri};

/// One way.
#[derive(Clone, Debug, PartialEq)]
pub enum MessageWay {
    /// All devices of an extension, at once.
    Devices(Extension),
    /// A link to an office.
    Link {
        /// The link, and the number there.
        choice: Box<Choice>,
        /// Whether it leads to where the user is visiting; home follows.
        is_visit: bool,
    },
}

/// What a message over a link says of the two parties.
#[derive(Clone, Debug)]
pub struct MessageWords {
    /// The Request-URI.
    pub target: Uri,
    /// Who writes.
    pub from: NameAddr,
    /// To whom.
    pub to: NameAddr,
    /// The offices that it has passed.
    pub path: (HeaderName, Text),
}

/// The ways to a number; none when there is no such number, an error when the sender may not reach it.
pub(in crate::engine) fn message_ways(question: &Question<'_>) -> Result<VecDeque<MessageWay>, Cause> {
    let mut ways = VecDeque::new();
    let mut plan = match plan(question) {
        Err(cause @ Cause::NotPermitted(_)) => return Err(cause),
        planned => planned.unwrap_or_default(),
    };
    while let Some(attempt) = plan.next_attempt() {
        let way = match attempt.into_iter().next() {
            Some(Target::Device { binding, .. }) => MessageWay::Devices(binding.key.extension),
            Some(Target::Link(choice)) if takes_messages(&choice.link) => {
                MessageWay::Link { choice, is_visit: plan.is_visit() }
            }
            Some(Target::Link(_) | Target::Asterisk { .. }) | None => continue,
        };
        if ways.back() != Some(&way) {
            ways.push_back(way);
        }
    }
    let served = question.number.parse().ok().filter(|number| question.registrar.serves(number));
    let has_devices = ways.iter().any(|way| matches!(way, MessageWay::Devices(_)));
    ways.extend(served.filter(|_| !has_devices).map(MessageWay::Devices));
    Ok(ways)
}

/// The words of a message over a link; `None` for a link that is not SIP.
pub(in crate::engine) fn message_words(
    from: &Party,
    passed: &[OfficeId],
    choice: &Choice,
    settings: &Settings,
) -> Option<MessageWords> {
    let LinkAddress::Sip(address) = &choice.link.address else { return None };
    let there = choice.behind_gateway().map_or_else(|| address.host.clone(), |office| office.as_str().into());
    let number = extension_of_office(&from.number, &settings.office);
    let writer = NameAddr::new(SipUri::new(Some(&number), Host::from(settings.realm.as_str()), None));
    Some(MessageWords {
        target: target(choice, address).into(),
        from: from.name.iter().fold(writer, |writer, name| writer.with_display(name)),
        to: NameAddr::new(SipUri::new(Some(&choice.number), there, None)),
        path: (HeaderName::from_static(PATH), path_of(passed, &settings.office)),
    })
}

fn takes_messages(link: &Arc<Link>) -> bool {
    leads_to_office(link) && matches!(link.address, LinkAddress::Sip(_))
}
