//! The B2BUA: calls and their legs.
//!
//! | file | what |
//! | --- | --- |
//! | `calls`, `page_calls` | [`Calls`]: what comes in finds its call and leg |
//! | `begin`, `room`, `terms` | a call's beginning: limits, rules, the caller's offer |
//! | `model` | [`Call`] and its states |
//! | `leg`, `sip_leg`, `web_leg` | one party: by SIP or by a page |
//! | `session`, `carriage`, `keying` | a leg's media: what was offered and agreed, what the worker is told |
//! | `plan`, `ways` | whom to ring, in which order; where the caller may go |
//! | `resolve` | the same plan, explained to people |
//! | `roamers` | the plan for users who are in another office than their own |
//! | `link_leg`, `attempts` | attempts over links, one after another; what became of each |
//! | `message_ways` | where messages go |
//! | `outward` | what other offices and carriers are told of a caller |
//! | `alarm` | the people named for it are told of a call for help |
//! | `setup`, `invitation` | attempts, and the INVITEs that make them |
//! | `answering` | ringing, early media, the first answer wins |
//! | `requests`, `responses` | what parties ask in a dialog, and answer |
//! | `exchange`, `hold`, `refresh` | offers in an open dialog, directions, session timers |
//! | `abandoned` | late answers to INVITEs that were given up |
//! | `pages` | what pages ask |
//! | `digits`, `quality`, `media_events` | DTMF, how it sounds, what the worker tells |
//! | `teardown`, `record`, `view` | the end, its record, what parties are shown |
//! | `effects`, `books`, `timer` | what a call acts with |
//!
//! A call owns its legs; a leg owns its dialog and its media end. [`Calls`] takes a call out of its table, lets it act with
//! [`Effects`], and puts it back until it is settled.

mod abandoned;
mod alarm;
mod answering;
mod attempts;
mod begin;
mod books;
mod calls;
mod carriage;
mod cause;
mod digits;
mod effects;
mod exchange;
mod hold;
mod id;
mod invitation;
mod keying;
mod leg;
mod link_leg;
mod location;
mod media_events;
mod message_ways;
mod model;
mod outward;
mod page_calls;
mod pages;
mod plan;
mod quality;
mod record;
mod refresh;
mod requests;
mod resolve;
mod responses;
mod roamers;
mod room;
mod session;
mod setup;
mod sip_leg;
mod teardown;
mod terms;
mod timer;
mod view;
mod ways;
mod web_leg;

pub use attempts::AttemptRecord;
pub use begin::Admitted;
pub use books::Books;
pub use calls::{Calls, InDialog};
pub use cause::Cause;
pub use effects::{Effects, MediaStock};
pub use id::{CallId, LegId};
pub use invitation::{ALLOW, again_with_proof, our_contact};
pub use leg::{Leg, LegState, Party, Wire};
pub use message_ways::{MessageWay, MessageWords};
pub(super) use message_ways::{message_ways, message_words};
pub use model::{Call, CallState};
pub(super) use outward::{caller_from, passed};
pub use plan::AsteriskState;
pub(super) use plan::Question;
pub use record::{CallRecord, LegRecord};
pub use resolve::{AttemptView, DeviceView, LeftOutView, Resolution, UserView, WayView};
#[cfg(test)]
pub(super) use sip_leg::Stage;
pub(super) use ways::guests;

use crate::engine::numbering::{Extension, NumberPlan};
use crate::engine::transaction::{RequestRefusal, RespondRefusal, ServerId};
use crate::sip::Response;

/// Answers a request; what cannot be sent any more is counted.
pub(super) fn send_response(server: ServerId, response: Response, fx: &mut Effects<'_>) {
    fx.respond(server, response);
}

const fn refusal_label(refusal: RespondRefusal) -> &'static str {
    match refusal {
        RespondRefusal::Gone => "transaction-gone",
        RespondRefusal::Answered => "answered-before",
        RespondRefusal::NotReliable => "not-reliable",
        RespondRefusal::QueueFull => "reliable-queue-full",
    }
}

const fn request_refusal_label(refusal: RequestRefusal) -> &'static str {
    match refusal {
        RequestRefusal::Full => "transactions-full",
        RequestRefusal::Unfit => "unfit-request",
        RequestRefusal::Gone => "transaction-gone",
    }
}

/// What was dialled, as this office calls it: a number, perhaps with a technology before it (`SIP/1002`, `PJSIP/1002`,
/// `Local/600`). Which channel it becomes is for Asterisk's dialplan, so the technology is left out.
pub(super) fn dialled_number(
    to: &str,
    numbers: &NumberPlan,
    is_ours: impl Fn(&Extension) -> bool,
) -> Option<String> {
    const LONGEST: usize = 64;
    let number = match to.split_once('/') {
        Some((technology, resource)) if is_word(technology) => resource,
        Some(_) => return None,
        None => to,
    };
    if number.len() > LONGEST {
        return None;
    }
    let number = numbers.normalise(number, is_ours);
    let is_dialled = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '*' | '#' | '-' | '.' | '_');
    (!number.is_empty() && number.chars().all(is_dialled)).then_some(number)
}

fn is_word(technology: &str) -> bool {
    (1..=16).contains(&technology.len()) && technology.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use crate::engine::testing;

    #[test]
    fn a_participant_is_a_number_with_or_without_a_technology() {
        let numbers = testing::settings().numbers;
        let dialled = |to| super::dialled_number(to, &numbers, |one| one.as_str() == "1002");
        for (to, number) in [
            ("1002", "1002"),
            ("SIP/1002", "1002"),
            ("pjsip/1002", "1002"),
            ("IAX2/32-1002", "1002"),
            ("32-1002", "1002"),
            ("+1 (800) 123-4567", "+18001234567"),
            ("*97", "*97"),
            ("echo", "echo"),
        ] {
            assert_eq!(dialled(to).as_deref(), Some(number), "{to}");
        }
        let long = "1".repeat(65);
        for to in ["", "SIP/", "/1002", "S P/1002", "PJSIP/1002/600", "1002@elsewhere", "two words", &long] {
            assert_eq!(dialled(to), None, "{to}");
        }
    }
}
